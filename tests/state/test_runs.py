"""Looks at runs that go on, end, die, and are asked to stop: with real processes, from other processes."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db_connector import Database
from state.overview import runs_of, status_of
from state.runs import Runs, beat, last_of
from state.turns import working_on
from tests.kit.cli import run_main, settings_for, start_main
from tests.kit.pushes import THINGS, PushBench, bench_of
from tests.kit.waiting import until


@pytest.fixture
def bench(db: Database, database_url: str, tmp_path: Path) -> Iterator[PushBench]:
    with bench_of(db, database_url, tmp_path) as made:
        yield made


def environment(bench: PushBench, home: Path) -> dict[str, str]:
    (home / "mappings").mkdir(exist_ok=True)
    (home / "mappings" / "things.yaml").write_text(THINGS)
    places = {"MONDAY_API_URL": f"{bench.relay.url}/v2", "MONDAY_SYNC_HOME": str(home)}
    return settings_for(bench.sandbox, bench.database, **places)


def run_of(db: Database) -> dict[str, Any]:
    return next(iter(runs_of(db, 1)), {})


def silent_since(db: Database, seconds: int) -> None:
    db.execute_query(f"update sync_runs set heartbeat_at = now() - interval '{seconds} seconds'", fetch=False)


# A run that goes on


def test_a_run_tells_that_it_lives_and_how_far_it_is_while_it_waits_for_monday(bench: PushBench, home: Path) -> None:
    bench.insert(60)
    hold = bench.relay.hold("CreateItems", 2, False)
    with start_main("pg-to-monday", "--entity", "things", env=environment(bench, home)) as process:
        until(hold.reached.is_set, what="the second document")
        first = run_of(bench.db)
        until(lambda: run_of(bench.db)["heartbeat_at"] > first["heartbeat_at"], what="a heartbeat")
        run = run_of(bench.db)
        assert (run["outcome"], run["pid"], run["progress"]["things"]["phase"]) == ("running", process.pid, "works")
        assert run["api"]["calls"] > 0
        hold.go.set()
    assert run_of(bench.db)["outcome"] == "success"


def test_a_run_tells_that_it_lives_while_it_waits_for_its_turn(bench: PushBench, home: Path) -> None:
    with working_on(bench.db, "thing"):
        with start_main("pg-to-monday", "--entity", "things", env=environment(bench, home)):
            step = until(lambda: waiting_step(bench.db), what="a run that waits")
            assert step["phase"] == "waits" and "thing" in step["waits_for"]
            shown = run_main(home, "runs", run_of(bench.db)["run_id"][:8], env=environment(bench, home))
            assert "things: waits: 0 items, waits for another process" in shown.out, shown
            stopped = run_main(home, "runs", "--stop", run_of(bench.db)["run_id"], env=environment(bench, home))
            assert stopped.code == 0, stopped.err
            until(lambda: run_of(bench.db)["finished_at"], what="the end")
    assert (run_of(bench.db)["outcome"], run_of(bench.db)["exit_code"]) == ("interrupted", 143)


def waiting_step(db: Database) -> dict[str, Any] | None:
    step = (run_of(db).get("progress") or {}).get("things") or {}
    return step if step.get("waits_for") else None


def test_a_heartbeat_that_fails_fails_no_run(bench: PushBench, home: Path) -> None:
    bench.insert(3)
    bench.sql("create function no() returns trigger language plpgsql as $$ begin raise 'no'; end $$")
    bench.sql(
        "create trigger no before update of heartbeat_at on sync_runs for each row"
        " when (new.finished_at is null) execute function no()"
    )
    hold = bench.relay.hold("CreateItems", 1, False)
    with start_main("pg-to-monday", "--entity", "things", env=environment(bench, home)) as process:
        until(hold.reached.is_set, what="the document")
        with pytest.raises(AssertionError):
            until(lambda: run_of(bench.db)["api"], 4.0)
        hold.go.set()
        assert process.wait(60) == 0
    assert run_of(bench.db)["outcome"] == "success"


# A run that dies


def test_a_run_whose_process_was_killed_is_shown_as_died_and_can_be_closed(bench: PushBench, home: Path) -> None:
    bench.insert(60)
    env = environment(bench, home)
    hold = bench.relay.hold("CreateItems", 2, False)
    with start_main("pg-to-monday", "--entity", "things", env=env) as process:
        until(hold.reached.is_set, what="the second document")
        process.send_signal(signal.SIGKILL)
    hold.go.set()
    assert run_of(bench.db)["outcome"] == "running"  # nothing is known yet
    silent_since(bench.db, 31)
    assert json.loads(run_main(home, "runs", "--json", env=env).out)["runs"][0]["outcome"] == "died"
    status = json.loads(run_main(home, "status", "--json", env={**env, "MONDAY_BOARD_ID_THINGS": bench.board}).out)
    (things,) = (entity for entity in status["entities"] if entity["entity"] == "things")
    assert things["last_run"]["outcome"] == "died"
    shown = run_main(home, "runs", env=env).out
    assert "died: its process has told nothing since" in shown and "runs --close-dead" in shown
    closed = json.loads(run_main(home, "runs", "--close-dead", "--json", env=env).out)["closed"]
    assert [run["run_id"] for run in closed] == [run_of(bench.db)["run_id"]]
    found = run_of(bench.db)
    assert (found["outcome"], found["finished_at"]) == ("died", found["heartbeat_at"])
    assert json.loads(run_main(home, "runs", "--close-dead", "--json", env=env).out)["closed"] == []


@pytest.mark.parametrize(
    ("silent_s", "ended", "outcome"),
    [(29, False, "running"), (31, False, "died"), (3600, False, "died"), (31, True, "success")],
)
def test_a_run_has_died_after_thirty_seconds_without_a_word(
    db: Database, silent_s: int, ended: bool, outcome: str
) -> None:
    runs = Runs(db)
    run_id = runs.start("command", "monday_to_pg", {"users": {}})
    if ended:
        runs.finish(run_id, 0, "success", "", [], {})
    silent_since(db, silent_s)
    assert run_of(db)["outcome"] == outcome
    with db.transaction(read_only=True) as tx:
        assert ended or (last_of(tx, "users") or {})["outcome"] == outcome


def test_a_run_of_an_earlier_version_that_told_nothing_has_died(db: Database) -> None:
    db.execute_query(
        "insert into sync_runs (kind, direction, outcome, started_at) values ('command', 'x', 'running', '2026-01-01')",
        fetch=False,
    )
    assert run_of(db)["outcome"] == "died"


def test_a_run_that_was_closed_too_early_says_itself_how_it_ended(db: Database) -> None:
    runs = Runs(db)
    run_id = runs.start("command", "monday_to_pg")
    db.execute_query("update sync_runs set outcome = 'died', finished_at = now()", fetch=False)
    with db.transaction() as tx:
        assert not beat(tx, run_id, {}, {})
    runs.finish(run_id, 0, "success", "", [], {})
    assert run_of(db)["outcome"] == "success"


# A run that is stopped


def test_a_run_is_stopped_from_another_process_and_finishes_its_batch(bench: PushBench, home: Path) -> None:
    env = environment(bench, home)
    bench.insert(60)
    hold = bench.relay.hold("CreateItems", 1, False)
    hold.goes_on = True
    with start_main("pg-to-monday", "--entity", "things", env=env) as process:
        until(hold.reached.is_set, what="the first document")
        name = run_of(bench.db)["run_id"]
        assert run_main(home, "runs", "--stop", name[:8], env=env).code == 0
        heard = "select heartbeat_at > stop_asked_at as heard from sync_runs"
        until(lambda: bench.sql(heard)[0]["heard"], what="the heartbeat that hears of it")
        hold.go.set()
        assert process.wait(60) == 143
    run = run_of(bench.db)
    assert (run["outcome"], run["exit_code"], run["message"]) == ("interrupted", 143, "a user asked it to stop")
    made = len(bench.items())
    assert 0 < made < 60
    assert bench.sql("select count(monday_id) as n from things")[0]["n"] == made  # the batch was finished
    assert bench.sql("select count(*) as n from sync_intents")[0]["n"] == 0
    assert run_main(home, "pg-to-monday", "--entity", "things", env=env).code == 0
    bench.must_be_equal()


def unknown(db: Database) -> str:
    return "0000"


def ended(db: Database) -> str:
    runs = Runs(db)
    run_id = runs.start("command", "monday_to_pg")
    runs.finish(run_id, 0, "success", "", [], {})
    return run_id


def dead(db: Database) -> str:
    run_id = Runs(db).start("command", "monday_to_pg")
    silent_since(db, 60)
    return run_id


def day_of_a_daemon(db: Database) -> str:
    return Runs(db).start("live", "bidirectional")


def two_alike(db: Database) -> str:
    for end in "01":
        db.execute_query(
            f"insert into sync_runs (id, outcome) values ('abcdef00-0000-4000-8000-00000000000{end}', 'running')",
            fetch=False,
        )
    return "abcdef"


REFUSED = {
    unknown: "There is no run 0000",
    ended: "has ended: success",
    dead: "has died",
    day_of_a_daemon: "is what a daemon does between its runs",
    two_alike: "More than one run begins with abcdef",
}


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_what_cannot_be_stopped_is_refused_with_the_reason(
    db: Database, database_url: str, home: Path, make: Any
) -> None:
    done = run_main(home, "runs", "--stop", make(db), env={"DATABASE_URL": database_url})
    assert done.code == 2 and REFUSED[make] in done.err, done


def test_the_last_run_of_an_entity_is_found_among_the_newest_without_reading_every_run(db: Database) -> None:
    db.execute_query(
        "insert into sync_runs (started_at, outcome, entities) select now() - n * interval '1 minute', 'success',"
        ' \'[{"entity": "users"}]\' from generate_series(1, 5000) as n',
        fetch=False,
    )
    db.execute_query("analyze sync_runs", fetch=False)
    with db.transaction(read_only=True) as tx:
        assert last_of(tx, "never") is None
        assert (last_of(tx, "users") or {})["outcome"] == "success"
    assert status_of(db, [])["entities"] == []


def test_a_run_that_waits_for_a_budget_tells_so_and_is_stopped_there(bench: PushBench, home: Path) -> None:
    env = environment(bench, home)
    bench.sandbox.admin("items/create", board_id=bench.board, name="Ann")
    bench.sandbox.admin(
        "faults/add",
        kind="error",
        code="FIELD_MINUTE_RATE_LIMIT_EXCEEDED",
        status=429,
        retry_in_seconds=60,
        match={"contains": "items_page"},
    )
    with start_main("monday-to-pg", "--entity", "things", "--full", env=env) as process:
        step = until(lambda: waiting_step(bench.db), what="a run that waits")
        assert step["phase"] == "works" and step["until"], step
        assert run_main(home, "runs", "--stop", run_of(bench.db)["run_id"], env=env).code == 0
        assert process.wait(20) == 143
    assert run_of(bench.db)["outcome"] == "interrupted"
