"""Judges subjects and delivers messages, with commands, a real database and a real receiver."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from db_connector import Database
from sandbox import Sandbox
from tests.kit.cli import Done, settings_for
from tests.kit.receiver import SECRETS, Receiver, receiving


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards="users:5,projects:5") as sandbox:
        yield sandbox


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@dataclass
class World:
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


@pytest.mark.parametrize("pattern", ["FFSFSFSFSFSFSFSFSFSF", "FFSFFSFFSFFSFFSFFS", "FSFSFSFSFFFFFFFFFFFS"])
def test_a_run_that_flaps_gives_two_messages(world: World, receiver: Receiver, pattern: str) -> None:
    world.run(True)
    for letter in pattern:
        world.sql(
            f"""
            insert into sync_runs (kind, direction, outcome, exit_code, entities, finished_at, heartbeat_at)
            values ('command', 'monday_to_pg', '{"failed" if letter == "F" else "success"}', 0,
                    '[{{"entity": "users", "problem": {'"MondayUnavailable"' if letter == "F" else "null"}}}]',
                    now(), now())
            """
        )
        world.check()
    assert receiver.titles == ["[monday-sync] users: fails", "[monday-sync] users: is well again (fails)"]
