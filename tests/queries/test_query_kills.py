"""Kills a run of a query with SIGKILL at every step, and starts it again: no record is doubled, none is lost.

The runs are processes of their own, stopped from outside: by a request that is held before or after SmartSuite has carried
it out, or by a lock in PostgreSQL.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.kit.cli import Done, run_main
from tests.kit.query_runs import QUERY, QueryBench
from tests.kit.waiting import until

BEFORE, AFTER = False, True
ROWS = 30  # calls of 25 and 5
LOST = {"kind": "lost_answer", "match": {"field": "write"}, "count": 3}

Step = Callable[[QueryBench], None]


def at(operation: str, number: int = 1, after: bool = BEFORE, direction: str = "") -> Step:
    def kill(bench: QueryBench) -> None:
        bench.kill_at(operation, number, after, direction)

    return kill


def at_lock(operation: str, number: int = 1, table: str = "sync_records", direction: str = "") -> Step:
    """Kills between the answer to a request and the next commit that writes to a table."""

    def kill(bench: QueryBench) -> None:
        bench.kill_at_lock(table, "exclusive", bench.relay.hold(operation, number, AFTER), direction)

    return kill


CREATING = {
    "before the first call": at("table"),
    "before the intent": at_lock("list"),
    "before the call": at("create", 1, BEFORE),
    "after the call": at("create", 1, AFTER),
    "between the answer and the commit": at_lock("create"),
    "after the commit": at("create", 2, BEFORE),
    "after the last call": at("create", 2, AFTER),
    "before the mark": at_lock("create", 2, "sync_state"),
}
CHANGING = {
    "before the look": at("list"),
    "before the intent": at_lock("list"),
    "before the call": at("update", 1, BEFORE),
    "after the call": at("update", 1, AFTER),
    "between the answer and the commit": at_lock("update"),
    "after the commit": at("update", 2, BEFORE),
    "before the mark": at_lock("update", 2, "sync_state"),
}
REMOVING = {
    "before the intent": at_lock("table", direction="sweep"),
    "before the call": at("delete", 1, BEFORE, "sweep"),
    "after the call": at("delete", 1, AFTER, "sweep"),
    "between the answer and the commit": at_lock("delete", direction="sweep"),
}
RESTORING = {
    "before the call": at("restore", 1, BEFORE),
    "after the call": at("restore", 1, AFTER),
    "before the values": at("update", 1, BEFORE),
    "between the answer and the commit": at_lock("update"),
}


def finished(bench: QueryBench, lost: bool, **options: bool) -> None:
    bench.later()
    if lost:
        bench.suite.admin("faults/add", **LOST)
    bench.run(**options)
    bench.suite.admin("faults/clear")
    bench.must_be_equal()


@pytest.mark.parametrize("lost", [False, True], ids=["", "answers lost"])
@pytest.mark.parametrize("step", CREATING)
def test_rows_become_records_once(bench: QueryBench, step: str, lost: bool) -> None:
    bench.insert(ROWS)
    CREATING[step](bench)
    finished(bench, lost)


@pytest.mark.parametrize("lost", [False, True], ids=["", "answers lost"])
@pytest.mark.parametrize("step", CHANGING)
def test_changes_arrive_though_the_run_is_killed(bench: QueryBench, step: str, lost: bool) -> None:
    bench.insert(ROWS)
    bench.run()
    bench.mysql("update things set note = concat('edited ', id), amount = null where mod(id, 7) <> 0 or id < 7")
    bench.mysql("update things set note = 'again'")
    CHANGING[step](bench)
    finished(bench, lost)


@pytest.mark.parametrize("step", [step for step in CHANGING if "call" in step or "answer" in step])
@pytest.mark.parametrize("rule", ["mysql", "smartsuite", "manual"])
def test_what_a_killed_run_has_written_is_not_taken_for_an_edit_by_a_person(
    bench: QueryBench, step: str, rule: str
) -> None:
    bench.write_sync(on_conflict=rule)
    bench.insert(ROWS)
    bench.run()
    bench.mysql("update things set note = concat('second ', id)")
    CHANGING[step](bench)
    bench.mysql("update things set note = concat('third ', id)")
    bench.later()
    report = bench.run()
    assert (report.conflicts, report.held) == (0, 0)
    bench.must_be_equal()


def test_what_two_killed_runs_have_written_is_not_taken_for_an_edit_by_a_person(bench: QueryBench) -> None:
    bench.write_sync(on_conflict="smartsuite")
    bench.insert(3)
    bench.run()
    for note, after in (("second", AFTER), ("third", BEFORE)):
        bench.mysql(f"update things set note = concat('{note} ', id)")
        bench.kill_at("update", 1, after)
    bench.mysql("update things set note = concat('fourth ', id)")
    assert bench.run().conflicts == 0
    bench.must_be_equal()


@pytest.mark.parametrize("back", [False, True], ids=["", "the row comes back"])
@pytest.mark.parametrize("step", REMOVING)
@pytest.mark.parametrize("on_row_removed", ["archive", "delete"])
def test_records_of_rows_that_are_gone_go_once(bench: QueryBench, step: str, on_row_removed: str, back: bool) -> None:
    bench.write_sync(on_row_removed=on_row_removed)
    bench.insert(ROWS)
    bench.run()
    bench.mysql(
        "create or replace table kept as select * from things where id > 27", "delete from things where id > 27"
    )
    REMOVING[step](bench)
    if back:
        bench.mysql("insert into things select * from kept")
    finished(bench, False, sweep=True)


@pytest.mark.parametrize("gone", [False, True], ids=["", "the row goes again"])
@pytest.mark.parametrize("step", RESTORING)
def test_records_of_rows_that_come_back_come_out_of_the_bin_once(bench: QueryBench, step: str, gone: bool) -> None:
    bench.insert(5)
    bench.run()
    bench.mysql("delete from things where id = 3")
    bench.run(sweep=True)
    bench.insert(1, begin=3)
    RESTORING[step](bench)
    if gone:
        bench.mysql("delete from things where id = 3")
    finished(bench, False, sweep=True)


# What happens between the crash and the next run


@pytest.mark.parametrize("after", [BEFORE, AFTER])
def test_records_of_rows_deleted_before_the_next_run_do_not_stay(bench: QueryBench, after: bool) -> None:
    bench.insert(5)
    bench.kill_at("create", 1, after)
    bench.mysql("delete from things where id in (2, 3)")
    finished(bench, False, sweep=True)


@pytest.mark.parametrize("after", [BEFORE, AFTER])
def test_rows_edited_before_the_next_run_show_the_edit(bench: QueryBench, after: bool) -> None:
    bench.insert(5)
    bench.kill_at("create", 1, after)
    bench.mysql("update things set note = 'second thoughts', title = null where id = 2")
    finished(bench, False)


def test_a_record_edited_before_the_next_run_keeps_the_edit(bench: QueryBench) -> None:
    bench.insert(5)
    bench.kill_at("create", 1, AFTER)
    bench.edit("2", note="by a person")
    bench.mysql("update things set title = 'Other' where id = 2")
    bench.later()
    bench.run()
    assert bench.shown()["2"] == {**bench.rows()["2"], "note": "by a person"}
    bench.calls()
    bench.run(full=True)
    assert bench.calls() == []


def test_a_record_that_a_person_made_with_the_key_of_a_row_in_doubt_is_taken_over(bench: QueryBench) -> None:
    bench.insert(2)
    bench.kill_at("create", 1, BEFORE)
    bench.suite.admin("records/create", table_id=bench.table_id, values={"skey000001": "2", "title": "Mine"})
    finished(bench, False)


def test_a_run_that_is_killed_again_and_again_comes_to_its_end(bench: QueryBench) -> None:
    bench.insert(60)
    for number, after in ((1, AFTER), (1, BEFORE), (2, AFTER)):
        bench.kill_at("create", number, after)
        bench.later()
    finished(bench, False)


# The other database


PACED = QUERY.replace("from things", ", sleep((select seconds from pace)) as slept from things")
STREAMING = (
    "select id from information_schema.processlist where user = 'reader' and command = 'Query' and time_ms > 300"
)


def test_a_connection_to_mariadb_lost_while_rows_come_ends_the_run_and_the_next_one_does_all(bench: QueryBench) -> None:
    bench.insert(10)
    bench.write_sync(query=PACED)
    bench.mysql("create or replace table pace as select 0.000 as seconds")
    bench.run()
    bench.insert(1500, begin=11)
    bench.mysql("update things set note = 'edited'", "update pace set seconds = 0.002")
    bench.calls()
    ended: list[Done] = []
    run = threading.Thread(
        target=lambda: ended.append(run_main(bench.home, "run", "--sync-name", "things", env=bench.env))
    )
    run.start()
    ((connection,),) = until(lambda: bench.mysql(STREAMING), what="the stream")
    bench.mysql(f"kill connection {connection}", "update pace set seconds = 0")
    run.join()
    (done,) = ended
    assert done.code == 1
    told = [line for line in done.err.splitlines() if "MySQL" in line]
    assert len(told) == 1 and "Lost connection" in told[0], done.err
    assert "Traceback" not in done.err + done.out
    assert bench.calls() == []
    bench.run()
    bench.must_be_equal()
