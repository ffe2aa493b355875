"""A listing of ids that takes longer than a worker's run may go on for is made over several runs, and none begins anew."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jobs.work import LOOK_AT_STOP_S
from state.due import LIVE, RUN, Due
from tests.kit.live import LiveWorld, world
from tests.kit.relay import Relay
from tests.kit.shipped import CONTACTS
from tests.kit.workshop import Workshop, workshop

ITEMS = 2_200
PAGES = 5
"""Of 500 ids."""
CHANGED = 1_700


@pytest.fixture
def here(db, database_url, tmp_path) -> Iterator[LiveWorld]:
    with world(db, database_url, tmp_path, boards=f"organizations:3,contacts:{ITEMS}") as made:
        yield made


@pytest.fixture
def relay(here: LiveWorld) -> Iterator[Relay]:
    relay = Relay(here.sandbox)
    yield relay
    relay.close()


@pytest.fixture
def shop(here: LiveWorld, relay: Relay, tmp_path) -> Iterator[Workshop]:
    """Makes what a worker works with, for an account whose boards were read once."""
    with workshop(here, tmp_path, MONDAY_API_URL=f"{relay.url}/v2") as made:
        for entity in ("organizations", "contacts"):
            made.work.run("acme", entity)
        assert len(here.pairs()) == ITEMS
        relay.bodies.clear()
        yield made


def ask(shop: Workshop, here: LiveWorld) -> None:
    """Asks for a sweep of the larger board."""
    shop.work.due.mark([Due("acme", "contacts", RUN)], sweep=True)
    here.change("update sync_due set due_at = now() where task = 'run'")


@contextmanager
def stopped_at(shop: Workshop, relay: Relay, operation: str, number: int = 1) -> Iterator[None]:
    """Asks the run that is made in the block to stop, as at the end of its minutes, while it waits for an answer."""
    hold = relay.hold(operation, number)

    def stop() -> None:
        hold.reached.wait(60)
        shop.stopping.set()
        time.sleep(2 * LOOK_AT_STOP_S)
        hold.goes_on = True
        hold.go.set()

    stopping = threading.Thread(target=stop)
    stopping.start()
    yield
    assert hold.reached.is_set(), operation
    stopping.join()
    shop.stopping.clear()


def run(shop: Workshop, here: LiveWorld) -> None:
    here.change("update sync_due set due_at = now() where task = 'run'")
    shop.work.run("acme", "contacts")


def listed_pages(relay: Relay) -> list[str]:
    """Returns the pages of ids of all items of the larger board that were asked for."""
    pages = [(name, json.loads(body)) for name, body in relay.bodies if name in ("ItemsPage", "NextItemsPage")]
    ids = [(name, asked["variables"]) for name, asked in pages if "column_values" not in asked["query"]]
    return [name for name, given in ids if name == "NextItemsPage" or not given.get("filter")]


def is_asked_for(here: LiveWorld) -> bool:
    return bool(here.value("select sweep from sync_due where entity = 'contacts' and task = 'run'"))


def hear(shop: Workshop, here: LiveWorld, item: str, event: str) -> None:
    """Has an event about an item dealt with, between two runs."""
    statement = """
        insert into sync_inbox (trigger_id, monday_board_id, monday_id, event, body)
        values (%s, %s, %s, %s, '{}')
    """
    here.change(statement, f"{event} {item}", CONTACTS, item, event)
    shop.work.due.mark([Due("acme", "contacts", LIVE)])
    shop.work.live("acme", "contacts")


def test_a_listing_that_is_stopped_again_and_again_goes_on_where_it_was(here, shop, relay):
    lost, heard, *_ = sorted(here.pairs(), key=int)
    here.sandbox.admin("items/delete", item_id=lost)
    ask(shop, here)
    with stopped_at(shop, relay, "NextItemsPage"):
        run(shop, here)
    assert is_asked_for(here)
    here.sandbox.admin("items/delete", item_id=heard)
    hear(shop, here, heard, "item_deleted")
    here.change("insert into contacts (name) values ('Made between two runs')")
    hear(shop, here, sorted(here.pairs(), key=int)[5], "update_column_value")
    assert len(here.pairs()) == ITEMS
    with stopped_at(shop, relay, "NextItemsPage"):
        run(shop, here)
    run(shop, here)
    assert here.differences() == [] and not is_asked_for(here)
    assert listed_pages(relay).count("ItemsPage") == 1 and len(listed_pages(relay)) <= PAGES + 2
    last = here.sql("select exit_code, entities from sync_runs order by started_at desc limit 1")[0]
    assert last["exit_code"] == 0, last
    assert here.value("select count(*) from sync_listing") == 0


def test_what_a_listing_has_shown_is_read_over_several_runs_and_each_comes_further(here, shop, relay):
    for item in sorted(here.pairs(), key=int)[:CHANGED]:
        here.sandbox.admin("items/change", item_id=item, values={"notes": "changed on the board"})
    ask(shop, here)
    with stopped_at(shop, relay, "NextItemsPage", PAGES):
        run(shop, here)
    done = [0]
    for _ in range(3):
        with stopped_at(shop, relay, "Items", 2):
            run(shop, here)
        done.append(here.value("select count(*) from contacts where notes = 'changed on the board'"))
        assert done[-1] > done[-2]
    run(shop, here)
    assert here.differences() == [] and not is_asked_for(here)
    assert listed_pages(relay).count("ItemsPage") == 1
    before = len(listed_pages(relay))
    run(shop, here)
    assert len(listed_pages(relay)) == before, "the next run reads what changed since"


def test_a_sweep_that_is_asked_for_lists_anew(here, shop, relay):
    here.change("update sync_state set value = value - 'swept_at' where name = 'pull:contacts'")
    with stopped_at(shop, relay, "NextItemsPage", PAGES - 2):
        run(shop, here)
    assert listed_pages(relay).count("ItemsPage") == 1
    gone = min(here.pairs(), key=int)
    here.sandbox.admin("items/delete", item_id=gone)
    ask(shop, here)
    run(shop, here)
    assert here.differences() == [] and listed_pages(relay).count("ItemsPage") == 2
