"""Checks that known items are counted once in a run that finds nothing new, and again after each change of what is known."""

from __future__ import annotations

import pytest

from sandbox import Sandbox
from sync.board import BoardSync, open_board
from sync.known_items import Known, KnownItems
from tests.kit.shipped import USERS
from tests.kit.staff import staff_item


@pytest.fixture
def sandbox():
    with Sandbox(boards="users:0") as running:
        yield running


@pytest.fixture
def ids(sandbox, journey):
    made = list(sandbox.admin("items/load", board_id=USERS, items=[staff_item(n) for n in range(1, 6)]))
    assert journey.pull().created == 5
    return made


@pytest.fixture
def sync(journey, ids) -> BoardSync:
    return open_board(journey.parts(), journey.mappings["users"], USERS)


def read(sync, ids):
    (items,) = sync.destination.items(ids, sync.bound.wanted)
    return items


def counted(sync, known):
    """Returns the counts, and whether PostgreSQL was asked for them."""
    with sync.db.transaction(read_only=True) as tx:
        before = sync.db.statements
        return known.count(tx), sync.db.statements > before


def test_items_that_are_as_they_are_known_leave_the_count_as_it_is(sync, ids):
    known = KnownItems(sync)
    assert counted(sync, known) == (Known(5, 0), True)
    sync.engine.take(read(sync, ids))
    assert counted(sync, known) == (Known(5, 0), False)


def test_an_item_that_was_looked_at_has_all_counted_again(sync, ids, sandbox):
    known = KnownItems(sync)
    known.now()
    (new,) = sandbox.admin("items/load", board_id=USERS, items=[staff_item(6)])
    sync.engine.take(read(sync, [new]))
    assert known.now() == Known(6, 0)


def test_a_skipped_item_counts_as_known(sync, ids, sandbox):
    known = KnownItems(sync)
    known.now()
    (second,) = sandbox.admin("items/load", board_id=USERS, items=[staff_item(1)])  # another has its key
    sync.engine.take(read(sync, [second]))
    assert known.now() == Known(5, 1) and known.now().all == 6


def test_a_removed_item_has_all_counted_again(sync, ids):
    known = KnownItems(sync)
    known.now()
    sync.engine.remove(ids[:2])
    assert known.now() == Known(3, 0)


def test_what_others_wrote_meanwhile_is_counted_once_it_is_said_to_be_forgotten(sync, ids):
    known = KnownItems(sync)
    known.now()
    with sync.db.transaction() as tx:
        sync.state.links.archive(tx, ids[:1])
    assert known.now() == Known(5, 0)
    known.forget()
    assert known.now() == Known(4, 0)
