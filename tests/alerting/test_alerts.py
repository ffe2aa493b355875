"""Judges subjects and delivers messages, with commands, a real database and a real receiver."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from db_connector import Database
from sandbox import Sandbox
from tests.kit.cli import Done, settings_for, start_main
from tests.kit.receiver import SECRETS, Receiver, receiving
from tests.kit.waiting import until


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards="users:5,projects:5") as sandbox:
        yield sandbox


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


class World(Struct):
    env: dict[str, str]
    db: Database
    home: Path
    run_cli: Callable[..., Done]

    def main(self, *arguments: str, **more: str) -> Done:
        done = self.run_cli(*arguments, env={**self.env, **more})
        logged = "".join(path.read_text() for path in self.home.glob("*.log"))
        for secret in SECRETS:
            assert secret not in done.out + done.err + logged, (secret, done)
        return done

    def run(self, good: bool, **more: str) -> Done:
        """Makes a run of users that ends well, or cannot see its board."""
        board = {} if good else {"MONDAY_BOARD_ID_USERS": "4711"}
        done = self.main("monday-to-pg", "--entity", "users", **board, **more)
        assert done.code == (0 if good else 2), done
        return done

    def check(self, **more: str) -> dict[str, Any]:
        done = self.main("alerts", "check", "--json", **more)
        assert done.code in (0, 3), done
        shape: dict[str, Any] = json.loads(done.out)
        return shape

    def list(self) -> dict[str, Any]:
        shape: dict[str, Any] = json.loads(self.main("alerts", "list", "--json").out)
        return shape

    def state(self, subject: str, rule: str) -> str | None:
        found = [alert for alert in self.list()["alerts"] if (alert["subject"], alert["rule"]) == (subject, rule)]
        return found[0]["state"] if found else None

    def sql(self, statement: str) -> None:
        self.db.execute_query(statement, fetch=False)

    def later(self, span: str) -> None:
        """Moves all that is remembered into the past."""
        for column in ("since", "told_at", "recovered_at"):
            self.sql(f"update sync_alerts set {column} = {column} - interval '{span}'")
        for column in ("created_at", "claimed_at", "next_try_at", "answered_at"):
            self.sql(f"update sync_alert_deliveries set {column} = {column} - interval '{span}'")
        self.sql(f"update sync_alert_silences set until = until - interval '{span}'")
        for column in ("started_at", "finished_at", "heartbeat_at"):
            self.sql(f"update sync_runs set {column} = {column} - interval '{span}'")


@pytest.fixture
def world(sandbox: Sandbox, database_url: str, db: Database, home: Path, run_cli: Any, receiver: Receiver) -> World:
    env = settings_for(sandbox, database_url, MONDAY_SYNC_HOME=str(home), ALERT_URLS=receiver.url)
    return World(env, db, home, run_cli)


def test_two_failures_in_a_row_are_told_once_and_so_is_their_end(world: World, receiver: Receiver) -> None:
    world.run(False)
    assert receiver.messages == [] and world.state("users", "failed") == "late"
    world.run(False)
    assert receiver.titles == ["[monday-sync] users: fails"]
    body = receiver.messages[0]["message"]
    assert "2 runs in a row failed. The board is not visible to this key. Since 20" in body
    assert "It does not pass by itself." in body and "python main.py doctor board" in body
    world.run(False)
    assert len(receiver.messages) == 1
    world.run(True)
    assert receiver.titles[1:] == ["[monday-sync] users: is well again (fails)"]
    world.run(True)
    assert len(receiver.messages) == 2


# Messages that are sent once


FAILED_RUNS = """
insert into sync_runs (kind, direction, outcome, exit_code, message, entities, finished_at, started_at, heartbeat_at)
select 'command', 'monday_to_pg', 'failed', 1, 'the value "Jane Doe" is wrong',
       '[{"entity": "users", "message": "the value Jane Doe is wrong", "problem": "RowRejected"}]', t, t, t
from unnest(array[now() - interval '1 hour', now()]) as t
"""


def test_a_notifier_that_is_killed_sends_nothing_twice(world: World, receiver: Receiver) -> None:
    world.sql(FAILED_RUNS)
    receiver.go.clear()
    with start_main("alerts", "check", env={**world.env, "MONDAY_SYNC_HOME": str(world.home)}) as process:
        until(receiver.reached.is_set, what="the message")
        process.send_signal(signal.SIGKILL)
    receiver.go.set()
    for _ in range(2):
        world.check()
        world.later("3 minutes")
    (message,) = world.list()["messages"]
    assert message["state"] == "unknown" and "is not sent again" in message["answer"]
    assert receiver.titles == ["[monday-sync] users: fails"]
    assert world.main("doctor", "alerts.json").code == 3
    assert world.main("alerts", "test").code == 0
    done = world.main("doctor", "alerts.json")
    assert done.code == 0, done
    assert receiver.titles == ["[monday-sync] users: fails", "[monday-sync] test"]


def test_processes_that_judge_at_once_send_a_message_once(world: World, receiver: Receiver) -> None:
    world.sql(FAILED_RUNS)
    env = {**world.env, "MONDAY_SYNC_HOME": str(world.home)}
    processes = [start_main("alerts", "check", env=env) for _ in range(4)]
    assert {process.wait(60) for process in processes} == {3}
    assert receiver.titles == ["[monday-sync] users: fails"]


@pytest.mark.parametrize("status", [503, 404, 429])
def test_a_channel_that_refuses_gets_each_message_later_once_and_in_order(
    world: World, receiver: Receiver, status: int
) -> None:
    receiver.status = status
    world.sql(FAILED_RUNS)
    world.check()
    (message,) = world.list()["messages"]
    assert (message["state"], message["answer"], message["attempts"]) == ("waiting", f"answered {status}", 1)
    world.check()
    assert world.list()["messages"][0]["attempts"] == 1  # the pause is not over
    world.run(True)
    receiver.status = 200
    world.check()
    assert receiver.messages == []
    world.later("1 minute")
    world.check()
    world.check()
    assert receiver.titles == ["[monday-sync] users: fails", "[monday-sync] users: is well again (fails)"]


def test_a_channel_that_is_down_gets_the_message_later_once(world: World) -> None:
    with receiving() as gone:
        port = gone.port
    away = {"ALERT_URLS": f"json://127.0.0.1:{port}/"}
    world.sql(FAILED_RUNS)
    for attempts in (1, 2, 3):
        world.check(**away)
        message = next(message for message in world.list()["messages"] if message["rule"] == "failed")
        assert (message["answer"], message["attempts"]) == ("cannot be reached", attempts)
        world.later("10 minutes")
    assert {alert["rule"] for alert in world.check(**away)["alerts"]} == {"failed", "channel"}
    world.later("1 hour")
    with receiving(port) as back:
        world.check(**away)
        world.check(**away)
        assert back.titles == ["[monday-sync] users: fails"]
    assert world.state("json://127.0.0.1", "channel") == "ok"


def test_what_is_wrong_with_a_channel_is_told_by_the_others(world: World, receiver: Receiver) -> None:
    receiver.status = 500
    with receiving() as other:
        urls = f"{receiver.url},{other.url}"
        world.sql(FAILED_RUNS)
        for _ in range(4):
            world.check(ALERT_URLS=urls)
            world.later("2 hours")
        assert other.titles == ["[monday-sync] users: fails", "[monday-sync] json://127.0.0.1: takes no messages"]
        receiver.status = 200
        world.check(ALERT_URLS=urls)
        world.check(ALERT_URLS=urls)
        assert other.titles[2:] == ["[monday-sync] json://127.0.0.1: is well again (takes no messages)"]
        assert receiver.titles == ["[monday-sync] users: fails"]


def test_an_answer_that_does_not_come_is_not_waited_for_and_the_message_not_sent_again(
    world: World, receiver: Receiver
) -> None:
    world.run(False)
    receiver.go.clear()
    began = time.monotonic()
    world.run(False)  # its exit code is its own
    assert time.monotonic() - began < 15
    (message,) = world.list()["messages"]
    assert message["state"] == "unknown" and "may have been taken" in message["answer"]
    receiver.go.set()
    world.later("3 hours")
    world.check()
    assert receiver.titles == ["[monday-sync] users: fails"]


def test_messages_of_a_process_without_channels_wait_for_one_that_has_some(world: World, receiver: Receiver) -> None:
    world.sql(FAILED_RUNS)
    world.check(ALERT_URLS="")
    assert receiver.messages == [] and world.state("users", "failed") == "failing"
    world.check()
    assert len(receiver.messages) == 1


# What is said, and when


def test_no_value_is_in_a_message(world: World, receiver: Receiver) -> None:
    world.sql(FAILED_RUNS)
    world.check(ALERT_LINK="https://runbook.example.com/sync")
    (message,) = receiver.messages
    assert "Jane" not in json.dumps(message) and "PostgreSQL refused a row." in message["message"]
    assert message["message"].endswith("See: https://runbook.example.com/sync")


def test_a_reminder_comes_after_a_day_and_the_end_ends_it(world: World, receiver: Receiver) -> None:
    world.sql(FAILED_RUNS)
    world.check()
    world.later("23 hours")
    world.check()
    assert len(receiver.messages) == 1
    world.later("2 hours")
    world.check()
    world.check()
    assert receiver.titles[1:] == ["[monday-sync] users: fails still"]
    world.run(True)
    world.later("2 days")
    world.check()
    assert receiver.titles[2:] == ["[monday-sync] users: is well again (fails)"]


def test_silence_keeps_messages_back_and_what_still_holds_is_told_at_its_end(world: World, receiver: Receiver) -> None:
    assert world.main("alerts", "silence", "users", "--for", "8h").code == 0
    world.sql(FAILED_RUNS)
    world.check()
    assert receiver.messages == [] and world.state("users", "failed") == "failing"
    assert list(world.list()["silent"]) == ["users"]
    world.later("9 hours")
    world.check()
    assert receiver.titles == ["[monday-sync] users: fails"]
    shape = json.loads(world.main("alerts", "silence", "all", "--for", "30m", "--json").out)
    assert shape["subject"] == "all" and shape["until"]
    world.run(True)
    assert len(receiver.messages) == 1
    assert world.main("alerts", "silence", "all", "--for", "0").code == 0
    world.check()
    assert receiver.titles[1:] == ["[monday-sync] users: is well again (fails)"]


@pytest.mark.parametrize("arguments", [("nothing", "--for", "8h"), ("users", "--for", "soon"), ("users", "--for", "")])
def test_a_silence_that_is_not_understood_is_refused(world: World, arguments: tuple[str, ...]) -> None:
    done = world.main("alerts", "silence", *arguments)
    assert done.code == 2 and "hint:" in done.err


def test_a_test_shows_the_answer_of_each_channel(world: World, receiver: Receiver) -> None:
    done = world.main("alerts", "test", "--json")
    assert done.code == 0 and json.loads(done.out)["channels"][0]["outcome"] == "delivered"
    receiver.status = 403
    done = world.main(
        "alerts", "test", ALERT_URLS=f"{receiver.url},slack://Tok1en/Tok2en/s3cret-path,nosuch://s3cret-path"
    )
    assert done.code == 1 and "json://127.0.0.1: refused (answered 403)" in done.out
    assert "nosuch://: refused" in done.out and "Tok1en" not in done.out + done.err
    assert world.main("alerts", "test", ALERT_URLS="").code == 2
    receiver.status, receiver.messages = 200, []
    done = world.main("alerts", "test", DATABASE_URL="postgresql://a@127.0.0.1:1/b")
    assert done.code == 0 and "The answers are not kept" in done.err and len(receiver.messages) == 1


def test_what_fails_is_shown_and_doctor_names_what_mends_it(world: World) -> None:
    for _ in range(2):
        world.run(False)
    shown = world.main("alerts", "list").out
    assert "users" in shown and "2 runs in a row failed." in shown and "channel json://127.0.0.1: delivered" in shown
    done = world.main("doctor", "alerts")
    assert done.code == 3 and "users fails since" in done.out and "python main.py doctor board" in done.out
    assert "127.0.0.1" not in world.main("doctor", "alerts", "--share").out
    world.run(True)
    done = world.main("doctor", "alerts")
    assert done.code == 0, done


@pytest.mark.parametrize("debug", ["0", "1"])
def test_no_part_of_an_address_is_shown(world: World, receiver: Receiver, debug: str) -> None:
    receiver.status = 500
    world.sql(FAILED_RUNS)
    for arguments in (("alerts", "check"), ("alerts", "list"), ("doctor",), ("doctor", "--json"), ("alerts", "test")):
        world.main(*arguments, DEBUG=debug)  # it looks for the secrets itself
    kept = json.dumps(world.db.execute_query("select to_jsonb(d)::text as d from sync_alert_deliveries as d"))
    assert not [secret for secret in SECRETS if secret in kept]
    done = world.main("alerts", "test", ALERT_URLS="s3cret-path", DEBUG=debug)
    assert done.code == 2 and "ALERT_URLS must be addresses" in done.err
    done = world.main("alerts", "check", ALERT_RULES="failed.in_a_row=none")
    assert done.code == 2 and "failed.in_a_row=none" in done.err
    assert world.main("doctor", "alerts", ALERT_RULES="failed.in_a_row=none").code == 2
    assert world.run(True, ALERT_RULES="failed.in_a_row=none").code == 0


# Pings


def test_a_run_pings_before_and_after(world: World, receiver: Receiver) -> None:
    ping = {"HEARTBEAT_URL": receiver.ping_url, "ALERT_URLS": ""}
    world.run(True, **ping)
    world.run(False, **ping)
    world.main("monday-to-pg", "--entity", "users", "--dry-run", **ping)
    world.main("monday-to-pg", "--entity", "users", DATABASE_URL="postgresql://a@127.0.0.1:1/b", **ping)
    assert receiver.pings == [
        *("/ping/abc/start", "/ping/abc"),
        *("/ping/abc/start", "/ping/abc/fail"),
        "/ping/abc/fail",
    ]


def test_a_receiver_of_pings_that_is_down_fails_no_run(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        world.run(True, HEARTBEAT_URL=f"http://127.0.0.1:{port}/ping", ALERT_URLS="")
        assert time.monotonic() - began < 15
    world.run(True, HEARTBEAT_URL=f"http://127.0.0.1:{port}/ping", ALERT_URLS="")
