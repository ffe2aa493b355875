"""Looks at a memory that has grown: the order of the log, its sums, its indexes, and how a database in use gets them."""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from db_connector import Database
from errors import DatabaseError
from models import LogEntry, Removal
from state import latency
from state.links import COUNT_ACTIVE, UNLINKED, Links
from state.log import Log
from state.overview import LINKS
from state.record_settings import NOTE_ON_LINKS
from state.runs import Runs
from state.schema import INDEXES, init_db, make_indexes
from state.skipped import COUNT
from state.waiting import LEFTOVERS, REMOVALS, UNSETTLED
from tests.kit.rows import rows
from tests.kit.waiting import until

SUMS = "select side, operation, status, sum(n)::int as n from sync_stats group by 1, 2, 3 order by 1, 2, 3"
OF_THE_LOG = "select operation, status, count(*)::int as n from sync_logs group by 1, 2 order by 1, 2"
IN_ORDER = "select message from sync_logs order by created_at, seq nulls first, id"

AS_BEFORE = """
drop trigger monday_sync_count on sync_logs;
drop trigger monday_sync_count on sync_runs;
alter table sync_logs drop column seq, drop column side;
drop function monday_sync_count_logs, monday_sync_count_costs;
drop table sync_stats, sync_spent, sync_latency;
alter table sync_runs drop column heartbeat_at, drop column progress;
"""
"""Makes the tables those of the version before."""


def execute(db: Database, statement: str) -> None:
    db.execute_query(statement, fetch=False)


def entries(number: int, operation: str = "create") -> list[LogEntry]:
    return [LogEntry(operation, "success", f"{n:05}", str(n), None) for n in range(number)]


def append(db: Database, log: Log, *given: LogEntry) -> None:
    with db.transaction() as tx:
        log.append(tx, given)


@pytest.fixture
def before(db: Database) -> Database:
    """Makes a database of the version before, with rows in its log and a run."""
    execute(db, AS_BEFORE)
    execute(
        db,
        "insert into sync_logs (entity_type, operation, status, message, created_at)"
        " select 'user', (array['create', 'push', 'archive'])[1 + n % 3], 'success',"
        " case n % 3 when 0 then 'created from item 1' when 1 then 'a' else 'row is gone' end,"
        " '2026-01-01'::timestamptz + n * interval '1 minute' from generate_series(1, 3000) as n",
    )
    execute(
        db,
        "insert into sync_runs (kind, direction, outcome, api, started_at)"
        """ values ('command', 'monday_to_pg', 'success', '{"calls": 7, "retries": 1}', '2026-01-01 10:20+00')""",
    )
    return db


# Order


def test_rows_of_one_transaction_keep_their_order(db: Database) -> None:
    append(db, Log("user", None), *entries(300))
    found = [row["message"] for row in db.execute_query(IN_ORDER)]
    assert found == sorted(found) and len(found) == 300


def test_rows_of_before_stand_before_those_that_have_an_order(before: Database) -> None:
    init_db(before)
    append(before, Log("user", None), *entries(3))
    assert [row["message"] for row in before.execute_query(IN_ORDER)][-3:] == ["00000", "00001", "00002"]


# Sums


@pytest.mark.parametrize(
    ("entry", "side"),
    [
        (LogEntry("create", "success", "created from item 1", "1"), "postgres"),
        (LogEntry("create", "success", "item made of user 1", "1", "1", "monday"), "monday"),
        (LogEntry("update", "success", "name", "1"), "postgres"),
        (LogEntry("push", "success", "name", "1"), "monday"),
        (LogEntry("push", "error", "no", "1"), "monday"),
        (LogEntry("skip", "warning", "no", "1"), "postgres"),
        (LogEntry("archive", "success", "item is gone", "1"), "postgres"),
    ],
)
def test_what_is_logged_is_counted_by_side(db: Database, entry: LogEntry, side: str) -> None:
    append(db, Log("user", None), entry)
    assert db.execute_query(SUMS) == [{"side": side, "operation": entry.operation, "status": entry.status, "n": 1}]


def test_items_that_follow_their_rows_are_counted_for_monday(db: Database) -> None:
    with db.transaction() as tx:
        Log("user", None).append_removals(tx, [Removal("1", "a")], {"2": "no"}, "archive")
    found = [(row["side"], row["status"], row["n"]) for row in db.execute_query(SUMS)]
    assert found == [("monday", "error", 1), ("monday", "success", 1)]


def test_what_is_rolled_back_is_not_counted(db: Database) -> None:
    with suppress(KeyError), db.transaction() as tx:
        Log("user", None).append(tx, entries(5))
        raise KeyError
    append(db, Log("user", None), *entries(3))
    assert [row["n"] for row in db.execute_query(SUMS)] == [3]


def test_writers_at_the_same_time_are_all_counted_once(db: Database) -> None:
    def write(kinds: list[str]) -> None:
        for _ in range(15):
            append(db, Log("user", None), *(entry for kind in kinds for entry in entries(3, kind)))

    kinds = ["create", "update", "push", "skip"]
    threads = [threading.Thread(target=write, args=(kinds[::step],)) for step in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(row["operation"], row["n"]) for row in db.execute_query(SUMS)} == {(kind, 180) for kind in kinds}


def test_calls_are_counted_while_a_run_goes_on_and_only_once(db: Database) -> None:
    runs = Runs(db)
    first, second = runs.start("command", "monday_to_pg"), runs.start("command", "monday_to_pg")
    for calls in (3, 3, 8):
        runs.note_costs(first, {"calls": calls, "complexity": 10 * calls})
    runs.note_costs(second, {"calls": 1})  # and its process is killed
    runs.finish(first, 0, "success", "", [], {"calls": 9, "complexity": 90, "retries": 1, "waited_s": 1.5})
    spent = "select sum(calls) as c, sum(complexity) as x, sum(retries) as r, sum(waited_s) as w from sync_spent"
    assert [tuple(map(float, row.values())) for row in db.execute_query(spent)] == [(10.0, 90.0, 1.0, 1.5)]


# A database in use


def test_a_database_in_use_is_taken_over_with_all_its_rows_in_the_sums(before: Database) -> None:
    init_db(before)
    latency.add(before, "user", [("monday", 0.3)])
    append(before, Log("user", None), *entries(2))
    found = {(row["side"], row["operation"]): row["n"] for row in before.execute_query(SUMS)}
    assert found == {("postgres", "create"): 1002, ("monday", "push"): 1000, ("monday", "archive"): 1000}
    (spent,) = before.execute_query("select hour at time zone 'UTC' as hour, calls, retries from sync_spent")
    assert (str(spent["hour"]), spent["calls"], spent["retries"]) == ("2026-01-01 10:00:00", 7, 1)
    init_db(before)
    assert {(row["side"], row["operation"]): row["n"] for row in before.execute_query(SUMS)} == found
    assert before.execute_query("select entity_type, n from sync_latency") == [{"entity_type": "user", "n": 1}]


def test_no_row_of_the_log_is_written_anew_when_it_gets_its_order(before: Database) -> None:
    file = "select pg_relation_filenode('sync_logs') as file"
    was = before.execute_query(file)
    init_db(before)
    assert before.execute_query(file) == was


def test_writers_go_on_while_a_database_is_taken_over(before: Database) -> None:
    """A transaction that stays open keeps the tables from being altered: whoever writes then waits a second at most."""
    done, longest = threading.Event(), [0.0]
    taken: list[Any] = []

    def take_over() -> None:
        taken.append(init_db(before))
        done.set()

    with before.transaction() as reader:
        reader.rows("select * from sync_logs limit 1")
        thread = threading.Thread(target=take_over)
        thread.start()
        end = time.monotonic() + 4
        while time.monotonic() < end:
            began = time.monotonic()
            execute(before, "insert into sync_logs (entity_type, operation, status) values ('user', 'new', 'success')")
            longest[0] = max(longest[0], time.monotonic() - began)
        assert not done.is_set()
    thread.join(60)
    assert done.is_set() and taken[0]["sync_logs"] and longest[0] < 3.0
    counted = {row["operation"]: row["n"] for row in before.execute_query(SUMS)}
    assert counted == {row["operation"]: row["n"] for row in before.execute_query(OF_THE_LOG)}


def test_indexes_are_made_while_a_writer_has_its_transaction_open(db: Database) -> None:
    """PostgreSQL waits for that transaction, and no other writer waits for PostgreSQL."""
    failed: list[list[str]] = []
    with db.transaction() as writer:
        writer.execute("insert into sync_logs (operation) values ('open')")
        thread = threading.Thread(target=lambda: failed.append(make_indexes(db)))
        thread.start()
        time.sleep(0.5)
        execute(db, "set local lock_timeout = '1s'; insert into sync_logs (operation) values ('other')")
        assert not failed
    thread.join(60)
    assert failed == [[]]


def test_an_index_that_was_cut_off_is_made_again(db: Database) -> None:
    name = "sync_logs_item_idx"
    some = {name: INDEXES[name]}
    with db.transaction() as writer:
        writer.execute("insert into sync_logs (operation) values ('open')")
        assert make_indexes(db, some, wait_s=0.5) == [name]
    valid = f"select indisvalid from pg_index where indexrelid = to_regclass('{name}')"
    assert db.execute_query(valid) == [{"indisvalid": False}]
    assert make_indexes(db, some) == []
    assert db.execute_query(valid) == [{"indisvalid": True}]
    assert make_indexes(db, some) == []


def test_of_two_that_make_the_tables_at_once_both_end_well(before: Database) -> None:
    failed: list[DatabaseError] = []

    def take_over() -> None:
        try:
            init_db(before)
        except DatabaseError as exc:
            failed.append(exc)

    threads = [threading.Thread(target=take_over) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert sum(row["n"] for row in before.execute_query(SUMS)) == 3000


# Plans

OF_THE_BOARD = {"type": "user", "board": "1"}
QUESTIONS = {
    "states": (LINKS, {"type": "user"}),
    "active links": (COUNT_ACTIVE, OF_THE_BOARD),
    "items to look at again": (UNSETTLED, OF_THE_BOARD),
    "removed items whose rows were kept": (REMOVALS, OF_THE_BOARD),
    "what waits for a user": (
        LEFTOVERS.format(table="(select 1 as id where false)", key="id", archived="false"),
        {**OF_THE_BOARD, "failed": "error: %"},
    ),
    "records that were switched on or off": (NOTE_ON_LINKS, {"type": "user"}),
    "item": ("select * from sync_logs where monday_id = '77' order by created_at desc limit 50", None),
    "row": ("select * from sync_logs where entity_id = '77' order by created_at desc limit 50", None),
    "trouble": (
        "select * from sync_logs where status <> 'success' order by created_at desc, seq desc nulls last, id desc limit 50",
        None,
    ),
}


def all_visible(db: Database) -> bool:
    with db.autocommit() as session:
        session.execute("vacuum analyze sync_mapping")
        session.execute("vacuum analyze sync_logs")
        visible = "select relallvisible > 0 from pg_class where oid = 'sync_mapping'::regclass"
        return bool(session.value(visible))


@pytest.fixture
def grown(db: Database) -> Database:
    execute(
        db,
        "insert into sync_mapping (entity_type, monday_id, entity_id, monday_board_id, monday_hash, base, sync_status,"
        " archived_at)"
        " select (array['user', 'project'])[1 + n % 2], n, n, '1', case when n % 200 <> 0 then n end,"
        " jsonb_build_object('name', repeat('x', 600)), case when n % 100 = 0 then 'error' else 'synced' end,"
        " case when n % 50 = 1 then now() end from generate_series(1, 20000) as n",
    )
    execute(
        db,
        "insert into sync_logs (entity_type, monday_id, entity_id, operation, status, created_at)"
        " select 'user', n % 5000, n % 5000, 'update', case when n % 500 = 0 then 'error' else 'success' end,"
        " now() - n * interval '1 second' from generate_series(1, 50000) as n",
    )
    make_indexes(db)
    until(lambda: all_visible(db), what="a vacuum that no other transaction hinders")
    return db


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_question_reads_a_whole_table(grown: Database, name: str) -> None:
    statement, params = QUESTIONS[name]
    with grown.transaction() as tx:
        plan = "\n".join(line for (line,) in tx.rows(f"explain {statement}", params))
    assert not re.search("Seq Scan on sync_(mapping|logs)", plan) and "Index" in plan, plan


UNKNOWN = {
    "skipped items without a row": (COUNT, OF_THE_BOARD),
    "rows without an item": (UNLINKED, {"type": "user", "ids": ["1", "2"]}),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_link_is_looked_up_by_its_key_also_where_the_planner_knows_nothing_yet(db: Database, name: str) -> None:
    make_indexes(db)
    statement, params = UNKNOWN[name]
    with db.transaction(read_only=True) as tx:
        plan = "\n".join(line for (line,) in tx.rows(f"explain {statement}", params))
    assert re.search("using sync_mapping_(item|row)_key", plan), plan


def test_counts_by_state_come_from_the_indexes_alone(grown: Database) -> None:
    with grown.transaction(read_only=True) as tx:
        plan = "\n".join(line for (line,) in tx.rows(f"explain {LINKS}", {"type": "user"}))
    assert plan.count("Index Only Scan") == 3, plan


def test_counts_by_state_are_those_of_the_links(grown: Database) -> None:
    found = rows(grown, "sync_mapping")
    living = [link for link in found if link["entity_type"] == "user" and not link["archived_at"]]
    with grown.transaction(read_only=True) as tx:
        counts = tx.dicts(LINKS, {"type": "user"})[0]
        nothing = tx.dicts(LINKS, {"type": "never"})[0]
    assert (counts["active"], counts["errors"]) == (len(living), sum(link["sync_status"] == "error" for link in living))
    assert counts["active"] + counts["archived"] == 10_000
    assert set(nothing.values()) == {0}


def test_active_links_are_those_of_the_board_with_an_item(grown: Database) -> None:
    execute(grown, "update sync_mapping set monday_id = null where entity_id in ('10', '20', '30')")
    execute(grown, "update sync_mapping set monday_board_id = '2' where entity_id in ('40', '50')")
    execute(grown, "update sync_mapping set archived_at = now() where entity_id = '60'")
    expected = [
        link
        for link in rows(grown, "sync_mapping")
        if link["entity_type"] == "user"
        and link["monday_board_id"] == "1"
        and link["monday_id"]
        and not link["archived_at"]
    ]
    with grown.transaction(read_only=True) as tx:
        assert Links("user", "1").count_active(tx) == len(expected) == 9_994


def test_indexes_of_earlier_versions_go_once_others_are_in_their_place(db: Database) -> None:
    execute(
        db, "create index sync_mapping_state_idx on sync_mapping (entity_type, sync_status) where archived_at is null"
    )
    execute(db, "create index sync_outbox_entity_idx on sync_outbox (entity_type, id)")
    init_db(db)
    found = {row["name"] for row in db.execute_query("select indexname as name from pg_indexes")}
    assert "sync_mapping_living_idx" in found
    assert not found & {"sync_mapping_state_idx", "sync_outbox_entity_idx"}


def test_every_index_is_on_a_table_of_the_tool(db: Database) -> None:
    make_indexes(db)
    found = db.execute_query("select indexname as name from pg_indexes where schemaname = 'public'")
    assert INDEXES.keys() <= {row["name"] for row in found}
