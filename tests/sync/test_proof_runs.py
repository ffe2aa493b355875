"""Looks at `verify` from other processes while it goes on: how far it is, a stop, its death, and what counts as a sync."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from db_connector import Database
from state.overview import runs_of
from state.runs import Runs, last_of
from state.turns import working_on
from tests.kit.cli import run_main, settings_for, start_main
from tests.kit.forked import Child
from tests.kit.pushes import THINGS, PushBench, bench_of, load_items
from tests.kit.relay import Hold
from tests.kit.waiting import until

ITEMS = 1_100
"""Two pages of items, and some more."""


class Things(Struct):
    """Holds things that are equal on both sides, on three pages."""

    bench: PushBench
    home: Path

    @property
    def env(self) -> dict[str, str]:
        places = {"MONDAY_API_URL": f"{self.bench.relay.url}/v2", "MONDAY_BOARD_ID_THINGS": self.bench.board}
        return settings_for(self.bench.sandbox, self.bench.database, MONDAY_SYNC_HOME=str(self.home), **places)

    def cli(self, *arguments: str, code: int = 0) -> Any:
        done = run_main(self.home, *arguments, "--json", env=self.env)
        assert done.code == code, done
        return json.loads(done.out)

    def run(self) -> dict[str, Any]:
        return next(iter(runs_of(self.bench.db, 1)), {})

    def proof(self) -> dict[str, Any]:
        found = self.bench.sql("select * from sync_proofs order by started_at desc limit 1")
        return dict(found[0]) if found else {}

    @contextmanager
    def verifying(self) -> Iterator[tuple[Child, Hold]]:
        """Yields a `verify` that has compared its first page, and does not get the last."""
        hold = self.bench.relay.hold("NextItemsPage", 2)
        hold.goes_on = True
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with start_main("verify", "--entity", "things", "--json", env=self.env, **output) as process:
            try:
                until(hold.reached.is_set, what="the last page")
                until(lambda: self.step().get("done"), what="progress")
                yield process, hold
            finally:
                hold.go.set()
                self.bench.relay.forget()
                process.kill()

    def step(self) -> dict[str, Any]:
        return dict((self.run().get("progress") or {}).get("things") or {})

    def hear_of_the_stop(self) -> None:
        heard = "select heartbeat_at > stop_asked_at as heard from sync_runs order by started_at desc limit 1"
        until(lambda: self.bench.sql(heard)[0]["heard"], what="the heartbeat that hears of it")


@pytest.fixture
def things(db: Database, database_url: str, tmp_path: Path, home: Path) -> Iterator[Things]:
    with bench_of(db, database_url, tmp_path) as bench:
        (home / "mappings").mkdir(exist_ok=True)
        (home / "mappings" / "things.yaml").write_text(THINGS)
        made = Things(bench, home)
        load_items(bench, ITEMS)
        made.cli("bidirectional", "--entity", "things")
        yield made


def test_a_proof_is_seen_from_another_process_while_it_goes_on_and_at_its_end(things: Things) -> None:
    with things.verifying() as (process, hold):
        run = things.run()
        assert (run["kind"], run["outcome"], run["pid"]) == ("verify", "running", process.pid)
        step = things.step()
        assert (step["phase"], step["total"]) == ("works", ITEMS) and 0 < step["done"] < ITEMS
        until(lambda: things.run()["heartbeat_at"] > run["heartbeat_at"], what="a heartbeat")
        shown = run_main(things.home, "runs", run["run_id"][:8], env=things.env).out
        assert f"things: works: {int(things.step()['done'])} of 1,100 items" in shown, shown
        hold.go.set()
        proofs = json.loads(process.communicate(timeout=60)[0])
        assert process.returncode == 0
    run = things.run()
    assert (run["outcome"], run["exit_code"], run["message"]) == ("success", 0, "")
    (entity,) = run["entities"]
    (proof,) = proofs["entities"]
    assert (entity["entity"], entity["read"], entity["proof_id"]) == ("things", ITEMS, proof["proof_id"])
    assert run["api"]["calls"] == proof["calls"] > 0


def test_a_proof_is_stopped_from_another_process_and_says_what_it_has_found_so_far(things: Things) -> None:
    things.bench.sql("update things set note = 'By SQL' where title = 'Item 0'")
    with things.verifying() as (process, hold):
        things.cli("runs", "--stop", things.run()["run_id"][:8])
        things.hear_of_the_stop()
        hold.go.set()
        shown = json.loads(process.communicate(timeout=60)[0])
        assert process.returncode == shown["exit_code"] == 143
    (proof,) = shown["entities"]
    compared = sum(proof["counts"].values())
    assert 0 < compared < ITEMS and not proof["equal"] and proof["counts"]["different"] == 1
    assert proof["message"] == f"a user asked it to stop, when it had compared {compared} of 1,100 records"
    assert [finding["fields"][0]["postgres"] for finding in proof["findings"]] == ["By SQL"]
    assert (things.proof()["outcome"], things.proof()["message"]) == ("incomplete", proof["message"])
    run = things.run()
    assert (run["outcome"], run["exit_code"], run["message"]) == ("interrupted", 143, "a user asked it to stop")
    assert things.bench.sql("select count(*) as n from sync_listing")[0]["n"] == 0


def test_a_proof_that_waits_for_a_second_look_says_so_and_is_stopped_there(things: Things) -> None:
    things.bench.sql("update things set note = 'By SQL' where title = 'Item 0'")
    with working_on(things.bench.db, "thing"):
        with start_main("verify", "--entity", "things", env=things.env) as process:
            until(lambda: "another process" in str(things.step().get("waits_for")), what="a wait")
            things.cli("runs", "--stop", things.run()["run_id"])
            assert process.wait(30) == 143
    assert (things.run()["outcome"], things.proof()["outcome"]) == ("interrupted", "incomplete")
    assert things.bench.sql("select count(*) as n from sync_findings")[0]["n"] == 0


def test_a_proof_whose_process_was_killed_is_told_as_died_everywhere_and_closed(things: Things) -> None:
    with things.verifying() as (process, hold):
        process.send_signal(signal.SIGKILL)
        process.wait()
    things.bench.sql("update sync_runs set heartbeat_at = now() - interval '31 s' where kind = 'verify'")
    run = things.run()
    assert (run["kind"], run["outcome"]) == ("verify", "died")
    assert things.cli("runs")["runs"][0]["outcome"] == "died"
    doctor = things.cli("doctor", "work.dead_runs", code=3)
    assert [found["remedy"] for found in doctor["findings"] if found["slug"] == "work.dead_runs"] == [
        "python main.py runs --close-dead"
    ]
    # the last sync of the entity went well, and that is still so
    (status,) = (entity for entity in things.cli("status")["entities"] if entity["entity"] == "things")
    assert status["last_run"]["outcome"] == "success"
    assert [closed["run_id"] for closed in things.cli("runs", "--close-dead")["closed"]] == [run["run_id"]]
    assert things.cli("verify", "--entity", "things")["entities"][0]["equal"]


def test_the_ids_that_a_killed_proof_has_listed_mislead_no_later_one_and_go(things: Things) -> None:
    with things.verifying() as (process, hold):
        process.send_signal(signal.SIGKILL)
        process.wait()
    listed = "select count(*) as n from sync_listing"
    assert things.bench.sql(listed)[0]["n"] > 0
    gone = things.bench.sql("select min(monday_id) as id from sync_listing")[0]["id"]
    things.bench.sandbox.admin("items/archive", item_id=gone)
    things.bench.sql("update sync_listing set noted_at = now() - interval '49 hours'")
    (proof,) = things.cli("verify", "--entity", "things", code=3)["entities"]
    assert [finding["monday_id"] for finding in proof["findings"]] == [gone]
    assert things.bench.sql(listed)[0]["n"] == 0


def test_a_proof_that_fails_says_why_in_its_run(things: Things) -> None:
    things.bench.sandbox.admin("boards/set", board_id=things.bench.board, state="archived")
    done = run_main(things.home, "verify", "--entity", "things", env=things.env)
    run = things.run()
    assert done.code and (run["kind"], run["outcome"], run["exit_code"]) == ("verify", "failed", done.code)
    assert run["message"] in done.err and run["entities"][0]["problem"]


def test_no_proof_is_taken_for_the_last_sync_of_an_entity(db: Database) -> None:
    runs = Runs(db)
    synced = runs.start("command", "bidirectional", {"users": {}})
    runs.finish(synced, 0, "success", "", [{"entity": "users"}], {})
    proved = runs.start("verify", "verify", {"users": {}})
    with db.transaction(read_only=True) as tx:
        assert (last_of(tx, "users") or {})["id"] == synced
    runs.finish(proved, 1, "failed", "", [{"entity": "users", "problem": "MondayUnavailable"}], {})
    with db.transaction(read_only=True) as tx:
        assert (last_of(tx, "users") or {})["id"] == synced
