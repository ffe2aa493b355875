"""The first runs of an account's boards come in any order: links between records are made all the same."""

from __future__ import annotations

import pytest

from state import pauses
from tests.kit.live import LiveWorld
from tests.kit.workshop import workshop


def links(here: LiveWorld) -> list[tuple[str, str]]:
    """Returns which contact has which organization, by name."""
    found = here.sql(
        "select c.name, o.name as its from contacts as c join organizations as o on o.id = c.organization_id"
    )
    return sorted((row["name"], row["its"]) for row in found)


def test_a_board_is_read_first_after_those_that_it_comes_after(here, tmp_path):
    with workshop(here, tmp_path) as shop:
        shop.work.run("acme", "contacts")
        assert here.value("select count(*) from sync_runs") == 0
        shop.work.run("acme", "organizations")
        here.change("update sync_due set due_at = now()")
        shop.work.run("acme", "contacts")
        assert len(links(here)) == 5 and here.differences() == []


@pytest.mark.parametrize("hindered", ["paused", "failed"])
def test_a_board_that_cannot_be_read_holds_up_no_other_and_links_are_made_when_it_can(here, tmp_path, hindered):
    with workshop(here, tmp_path) as shop:
        if hindered == "paused":
            pauses.pause(here.db, "organizations", "a test")
        else:
            here.change("update sync_due set message = 'a made-up failure' where entity = 'organizations'")
        shop.work.run("acme", "contacts")
        assert len(here.pairs()) == 6 and links(here) == []
        pauses.resume(here.db, "organizations")
        shop.work.run("acme", "organizations")
        shop.work.live("acme", "contacts")
        assert len(links(here)) == 5
