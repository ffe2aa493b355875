"""A sweep that is asked for is made: it is asked for still when its run was put off, or did not come to its end."""

from __future__ import annotations

import pytest

from state import pauses
from state.due import RUN, Due
from state.turns import lock_name
from tests.kit.live import LiveWorld, first_item
from tests.kit.workshop import Workshop, workshop


@pytest.fixture
def shop(here: LiveWorld, tmp_path):
    """Makes what a worker works with, for an account whose boards were compared and have lost an item since."""
    with workshop(here, tmp_path, MONDAY_GIVE_UP_AFTER="0.3") as made:
        for entity in ("organizations", "contacts"):
            made.work.run("acme", entity)
        here.sandbox.admin("items/delete", item_id=first_item(here))
        yield made


def sweep(shop: Workshop) -> None:
    shop.work.due.mark([Due("acme", "contacts", RUN)], sweep=True)
    shop.work.run("acme", "contacts")


def later(here: LiveWorld, shop: Workshop) -> None:
    """Does what is due some time later."""
    here.change("update sync_due set due_at = now()")
    shop.work.run("acme", "contacts")


def is_asked_for(here: LiveWorld) -> bool:
    return bool(here.value("select sweep from sync_due where entity = 'contacts' and task = 'run'"))


def put_off_by_a_pause(here: LiveWorld, shop: Workshop) -> None:
    pauses.pause(here.db, "contacts", "a test")
    sweep(shop)
    pauses.resume(here.db, "contacts")


def put_off_by_another_process(here: LiveWorld, shop: Workshop) -> None:
    with here.db.try_lock(lock_name("contact")) as free:
        assert free
        sweep(shop)


def stopped(here: LiveWorld, shop: Workshop) -> None:
    shop.stopping.set()
    here.sandbox.admin("latency", ms=600)
    sweep(shop)
    here.sandbox.admin("latency", ms=0)
    shop.stopping.clear()


def failed(here: LiveWorld, shop: Workshop) -> None:
    here.sandbox.admin("faults/add", kind="random_5xx", percent=100)
    sweep(shop)
    here.sandbox.admin("faults/clear")


@pytest.mark.parametrize("hindered", [put_off_by_a_pause, put_off_by_another_process, stopped, failed])
def test_a_sweep_that_was_not_made_is_asked_for_still(here, shop, hindered):
    hindered(here, shop)
    assert is_asked_for(here) and here.differences() != []
    later(here, shop)
    assert not is_asked_for(here) and here.differences() == []
