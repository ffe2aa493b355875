"""Lets monday.com fail at the first, a middle and the last call of everything asked of it, and PostgreSQL underneath.

Both sides end equal, nothing is lost or doubled, and no transaction is left open.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from databases.postgres.embedded import LocalPostgres
from db_connector import Database
from errors import DatabaseError
from monday_api import Monday
from services.monday.writes import CHANGES_PER_DOCUMENT
from sync.report import EntityReport
from tests.kit.clocks import SharedClock
from tests.kit.pushes import PushBench, bench_of, load_items
from tests.kit.runs import parts_of, run
from tests.kit.shipped import PROJECT
from tests.kit.waiting import until

FIRST_MIDDLE_LAST = (1, 3, 5)
"""Of three calls: what fails is sent again, and the repeat goes through."""

REFUSALS = [
    ("COMPLEXITY_BUDGET_EXHAUSTED", 200),
    ("RATE_LIMIT_EXCEEDED", 429),
    ("maxConcurrencyExceeded", 429),
    ("IP_RATE_LIMIT_EXCEEDED", 429),
    ("API_TEMPORARILY_BLOCKED", 200),
    ("RESOURCE_LOCKED", 423),
    ("INTERNAL_SERVER_ERROR", 200),
]
FAULTS = [
    *({"kind": f"{form}_{status}"} for form in ("html", "json") for status in (500, 502, 503, 504, 520)),
    {"kind": "reset"},
    {"kind": "timeout", "seconds": 0.05},
    {"kind": "cut"},
    {"kind": "lost_answer"},
    *(
        {"kind": "error", "code": code, "message": code, "http": http, "status": http, "retry_in_seconds": 2}
        for code, http in REFUSALS
    ),
]
READ_FAULTS = [*FAULTS, {"kind": "partial"}, {"kind": "partial", "null_field": "column_values"}, {"kind": "drop_cell"}]
WRITE_FAULTS = [
    *FAULTS,
    {"kind": "reset", "applied": True},
    {"kind": "html_502", "applied": True},
    {"kind": "timeout", "seconds": 0.05, "applied": True},
]


def name_of(fault: dict) -> str:
    return "-".join(str(fault[part]) for part in ("kind", "code", "null_field", "applied") if part in fault)


def hurt(bench: PushBench, fault: dict, places: tuple[int, ...] = FIRST_MIDDLE_LAST, **match: str) -> None:
    for nth in places:
        bench.sandbox.admin("faults/add", **fault, match={**match, "nth": nth})


def each_has_struck(bench: PushBench) -> bool:
    return [fault["fired"] for fault in bench.sandbox.admin("faults")] == [1, 1, 1]


def must_be_whole(bench: PushBench) -> None:
    bench.sandbox.admin("faults/clear")
    bench.must_be_equal()
    assert open_transactions(bench) == 0


def open_transactions(bench: PushBench) -> int:
    return int(
        bench.sql(
            "select count(*) as n from pg_stat_activity where datname = current_database()"
            " and pid <> pg_backend_pid() and state like 'idle in transaction%%'"
        )[0]["n"]
    )


# monday.com failing


@pytest.mark.parametrize("fault", READ_FAULTS, ids=name_of)
def test_a_board_read_by_pages_is_whole_after_any_failure(bench: PushBench, fault: dict) -> None:
    load_items(bench, 30)
    hurt(bench, fault, contains="column_values")
    report = bench.push("pull", batch_size=10)
    assert each_has_struck(bench)
    assert (report.created, report.complete, report.exit_code) == (30, True, 0)
    must_be_whole(bench)


@pytest.mark.parametrize("fault", READ_FAULTS, ids=name_of)
def test_items_read_by_id_are_whole_after_any_failure(bench: PushBench, fault: dict) -> None:
    """Copied items with an old update time: the sweep sees them, and they are read by the hundred."""
    load_items(bench, 3)
    bench.push("pull")
    load_items(bench, 210, "Copy", days_ago=60)
    hurt(bench, fault, field="items", contains="column_values")
    report = bench.push("pull", sweep=True)
    assert each_has_struck(bench)
    assert (report.created, report.complete, report.exit_code) == (210, True, 0)
    must_be_whole(bench)


@pytest.mark.parametrize("fault", WRITE_FAULTS, ids=name_of)
def test_items_are_made_once_through_any_failure(bench: PushBench, fault: dict) -> None:
    bench.insert(60)
    hurt(bench, fault, field="create_item")
    report = bench.push()
    assert each_has_struck(bench)
    assert (report.to_monday.created, report.errors) == (60, 0)
    must_be_whole(bench)


@pytest.mark.parametrize("fault", WRITE_FAULTS, ids=name_of)
def test_items_are_changed_through_any_failure(bench: PushBench, fault: dict) -> None:
    items = 2 * CHANGES_PER_DOCUMENT + 10  # in three documents
    load_items(bench, items)
    bench.push("pull")
    bench.sql("update things set note = note || ', changed'")
    hurt(bench, fault, field="change_multiple_column_values")
    report = bench.push()
    assert each_has_struck(bench)
    assert (report.to_monday.updated, report.errors) == (items, 0)
    must_be_whole(bench)


@pytest.mark.parametrize("fault", WRITE_FAULTS, ids=name_of)
def test_an_import_makes_each_item_once_through_any_failure(bench: PushBench, fault: dict) -> None:
    bench.insert(210)
    for step in ("IngestItems", "FetchJobStatus", "ItemsPage"):
        hurt(bench, fault, (1,), contains=step)
    for _ in range(3):  # an answer that does not say whether the import began is looked into by the next run
        bench.push()
        if len(bench.items()) == 210:
            break
        bench.later(31)
    must_be_whole(bench)


# PostgreSQL failing


class Running:
    """Runs in a thread, over a database of its own. It ends in a report, or in the error that ended the run."""

    def __init__(self, bench: PushBench, direction: str, database: Database, **options: int) -> None:
        self.ended: EntityReport | DatabaseError | None = None

        def work() -> None:
            try:
                self.ended = run(direction, parts_of(database, bench.monday, bench.mappings), bench.mapping, **options)
            except DatabaseError as exc:
                self.ended = exc

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def end(self) -> EntityReport | DatabaseError:
        self._thread.join(30)
        assert self.ended is not None
        return self.ended


def go_through_the_relay(bench: PushBench) -> None:
    bench.monday.close()
    clock = SharedClock(bench.sandbox.url, bench.sandbox.token)
    bench.monday = Monday(token=bench.sandbox.token, url=f"{bench.relay.url}/v2", clock=clock)


def cut_all(bench: PushBench) -> None:
    """Does what an administrator, a fail-over or a restart does to connections."""
    bench.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )


DIRECTIONS = {"pull": "NextItemsPage", "push": "ChangeItems"}


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_connection_that_is_cut_costs_nothing(bench: PushBench, database_url: str, direction: str, nth: int) -> None:
    load_items(bench, 110)
    if direction == "push":
        bench.push("pull")
        bench.sql("update things set note = note || ', changed'")
    go_through_the_relay(bench)
    hold = bench.relay.hold(DIRECTIONS[direction], nth, after=True)
    database = Database(database_url)
    running = Running(bench, direction, database, batch_size=30)
    until(hold.reached.is_set, what=DIRECTIONS[direction])
    cut_all(bench)
    hold.go.set()
    running.end()
    database.close()
    bench.push("both")
    must_be_whole(bench)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_row_that_a_user_writes_at_the_same_time_is_looked_at_again(
    bench: PushBench, database_url: str, direction: str
) -> None:
    """A serialization failure: the transaction is done again, over what the other one has made of the row."""
    ids = load_items(bench, 3)
    bench.push("pull")
    if direction == "pull":
        bench.sandbox.admin("items/change", item_id=ids[0], values={"text": "by monday"})
    else:
        bench.sql("update things set note = 'by SQL' where monday_id = %s", ids[0])
        bench.sandbox.admin("items/change", item_id=ids[0], values={"status": "Done"})
    database = Database(database_url)
    with bench.db.transaction(tool=False) as tx:
        tx.execute("update things set title = 'By somebody' where monday_id = %s", (ids[0],))
        running = Running(bench, "both", database)
        until(lambda: bench.sql("select 1 from pg_locks where not granted"), what="a wait for the row")
    assert isinstance(running.end(), EntityReport)
    database.close()
    bench.push("both")
    must_be_whole(bench)
    title, note = bench.sql("select title, note from things where monday_id = %s", ids[0])[0].values()
    assert (title, note) == ("By somebody", "by monday" if direction == "pull" else "by SQL")


def test_a_pool_without_a_free_connection_ends_the_run_and_the_next_one_goes_on(
    bench: PushBench, database_url: str
) -> None:
    load_items(bench, 30)
    database = Database(database_url, max_connections=1, wait_s=0.2)
    with database.transaction():
        ended = Running(bench, "pull", database, batch_size=10).end()
    assert isinstance(ended, DatabaseError) and "stayed in use" in ended.message
    assert isinstance(Running(bench, "pull", database, batch_size=10).end(), EntityReport)
    database.close()
    must_be_whole(bench)


@pytest.mark.parametrize("table", ["things", "sync_mapping", "sync_turn"])
def test_a_lock_that_stays_held_ends_the_run_in_time_and_the_next_run_goes_on(
    bench: PushBench, database_url: str, table: str
) -> None:
    load_items(bench, 30)
    database = Database(database_url, lock_timeout_s=0.1)
    with bench.locked(table, "access exclusive"):
        ended = Running(bench, "pull", database, batch_size=10).end()
    assert isinstance(ended, DatabaseError)
    assert open_transactions(bench) == 0
    assert isinstance(Running(bench, "pull", database, batch_size=10).end(), EntityReport)
    database.close()
    must_be_whole(bench)


def test_a_server_that_is_restarted_in_the_middle_loses_nothing(folder: Path, tmp_path: Path) -> None:
    server = LocalPostgres(folder / "postgres", throwaway=True)
    connection = server.start()
    try:
        database = Database(server=server, **connection)
        with database.transaction() as tx:
            tx.execute((PROJECT / "schema.sql").read_text(encoding="utf-8"))
        with bench_of(database, "", tmp_path) as bench:
            bench.install_triggers()
            load_items(bench, 50)
            go_through_the_relay(bench)
            hold = bench.relay.hold("NextItemsPage", 2, after=True)
            running = Running(bench, "pull", database, batch_size=10)
            until(hold.reached.is_set)
            server.end()
            hold.go.set()
            running.end()
            bench.push("both")
            must_be_whole(bench)
        database.close()
    finally:
        server.end()
