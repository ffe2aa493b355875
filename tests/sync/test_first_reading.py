"""Checks a first reading, in which pages do not look for links: what comes twice, is refused, or has links already."""

from __future__ import annotations

import re

import pytest

from databases.postgres.catalogue import columns_of
from db_connector import Database
from sandbox import Sandbox
from state.schema import make_indexes
from sync.task import Hints
from sync.unknown_items import UnknownItems
from tests.kit.pulls import PullBench
from tests.kit.rows import column, rows
from tests.kit.shipped import MAPPINGS, USERS
from tests.kit.staff import load_staff

SKIPPED = """
insert into sync_skipped (entity_type, monday_board_id, monday_id, reason, monday_hash)
values (%s, %s, '1', 'no address', '')
"""


@pytest.fixture
def sandbox():
    with Sandbox(boards="users:0") as running:
        yield running


@pytest.fixture
def bench(db):
    return PullBench(db)


def page(bench, *numbers, at="2026-01-01"):
    return [bench.item(number, f"Roof {number}", at) for number in numbers]


def test_a_page_of_a_first_reading_asks_for_less(bench, db):
    needed = []
    bench.engine().take(page(bench, 31))  # of the first rows of a table more is known
    for number, hints in ((1, Hints()), (51, Hints(unknown=UnknownItems()))):
        engine = bench.engine()
        engine.take(page(bench, number))  # what is asked once
        counts = []
        for more in range(
            2, 22, 2
        ):  # what is asked now and then, when others have written, is not asked for each of them
            before = db.statements
            assert engine.take(page(bench, number + more, number + more + 1), hints=hints).report.created == 2
            counts.append(db.statements - before)
        needed.append(min(counts))
    assert needed[1] <= needed[0] - 1


@pytest.mark.parametrize("most", [0, 3, 100])
def test_an_item_that_comes_on_two_pages_gets_one_row(bench, db, most):
    engine, hints = bench.engine(), Hints(unknown=UnknownItems(most))
    for numbers, at in (([1, 2], "2026-01-01"), ([2, 3], "2026-01-02"), ([1, 4], "2026-01-03"), ([3, 5], "2026-01-04")):
        engine.take(page(bench, *numbers, at=at), hints=hints)
    assert sorted(column(db, "projects", "monday_id")) == ["1", "2", "3", "4", "5"]
    assert len(rows(db, "sync_mapping")) == 5 and engine.report.created == 5


def test_an_item_that_was_renamed_between_two_pages_is_changed(bench, db):
    engine, hints = bench.engine(), Hints(unknown=UnknownItems())
    engine.take(page(bench, 1, 2), hints=hints)
    engine.take([bench.item(2, "Other", "2026-01-02"), bench.item(3, "Third")], hints=hints)
    assert sorted(column(db, "projects", "title")) == ["Other", "Roof 1", "Third"]


def test_a_refused_row_costs_its_item_alone(bench, db):
    db.execute_query("alter table projects add constraint no_seven check (monday_id <> '7')", fetch=False)
    engine, hints = bench.engine(), Hints(unknown=UnknownItems())
    engine.take(page(bench, *range(1, 11)), hints=hints)
    engine.take(page(bench, *range(9, 15)), hints=hints)
    assert sorted(column(db, "projects", "monday_id"), key=int) == [str(n) for n in range(1, 15) if n != 7]
    assert (engine.report.created, engine.report.errors) == (13, 1)


def test_links_are_looked_for_where_there_are_some(journey, sandbox, db):
    """A run that was cut off leaves links; the next run is a first one, too, and finds them."""
    load_staff(sandbox, 30)
    journey.pull(limit=10)
    db.execute_query("delete from sync_state", fetch=False)
    assert journey.pull().created == 20 and journey.pull(full=True).changes == 0
    assert len(rows(db, "sync_mapping")) == 30


def test_a_whole_first_pull_asks_for_no_links(journey, sandbox, db):
    load_staff(sandbox, 2000)
    needed = {False: [], True: []}
    # another test may write meanwhile, or a heartbeat fall into it: then a run asks for more, never for less
    for there in (False, True) * 3:
        db.execute_query("truncate sync_mapping, sync_state, users cascade", fetch=False)
        if there:
            db.execute_query(SKIPPED, (MAPPINGS["users"].entity_type, USERS), fetch=False)
        before = db.statements
        assert journey.pull().created == 2000
        needed[there].append(db.statements - before)
    assert min(needed[False]) <= min(needed[True]) - 3  # four pages, less the question itself


def known_to_the_planner(db):
    """Returns for how many rows PostgreSQL takes the links; -1 where it has never looked."""
    with db.transaction(read_only=True) as tx:
        return tx.value("select reltuples::int from pg_class where oid = 'sync_mapping'::regclass")


@pytest.mark.parametrize("workers", [1, 3])
def test_the_planner_is_told_of_the_first_links_of_an_entity(journey, sandbox, db, workers):
    load_staff(sandbox, 250)
    assert known_to_the_planner(db) == -1
    journey.pull(batch_size=100, max_workers=workers)
    assert 0 < known_to_the_planner(db) <= 250


def test_a_first_reading_does_not_wait_for_who_vacuums_the_links_or_makes_an_index(journey, sandbox, db, database_url):
    load_staff(sandbox, 5)
    other = Database(database_url)
    with other.transaction() as tx:
        tx.execute("lock table sync_mapping in share update exclusive mode")
        assert journey.pull().created == 5
    other.close()
    assert known_to_the_planner(db) == -1


def test_a_dry_run_tells_the_planner_nothing(journey, sandbox, db):
    load_staff(sandbox, 5)
    journey.pull(dry_run=True)
    assert known_to_the_planner(db) == -1


def test_what_indexes_leave_out_is_known_to_the_planner_to_be_rare(journey, sandbox, db):
    load_staff(sandbox, 5)
    make_indexes(db)
    journey.pull()
    with db.transaction(read_only=True) as tx:
        conditions = tx.rows(
            "select pg_get_expr(indpred, indrelid) from pg_index"
            " where indrelid = 'sync_mapping'::regclass and indpred is not null"
        )
        known = {name for (name,) in tx.rows("select attname::text from pg_stats where tablename = 'sync_mapping'")}
        columns = columns_of(tx, "sync_mapping")
    asked = {name for (condition,) in conditions for name in re.findall(r"\w+", condition)} & columns
    assert {"sending", "archived_at"} <= asked <= known
