"""Runs the tool over a history: to the end, among faults and edits, or in a process that is killed."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from db_connector import Database
from errors import SyncError
from monday_api import Monday
from sync.report import EntityReport
from tests.histories.notes import Notes
from tests.histories.world import Sides
from tests.kit.clocks import PatientClock
from tests.kit.kills import MORTAL, Mortal
from tests.kit.relay import UNANSWERED
from tests.kit.runs import parts_of, run
from tests.kit.shipped import MAPPINGS

COUNTS = ("read", "created", "updated", "archived", "restored", "conflicts", "held", "errors", "skipped", "set_aside")
UNNOTICED = {"partial", "drop_item", "drop_page", "empty_listing", "drop_cell", "lagging_reads"}
"""Faults after which a listing was wrong without saying so."""


class Runs:
    """Runs the tool over both sides, and tells what came of it."""

    def __init__(self, sides: Sides, notes: Notes) -> None:
        self.sides, self.notes, self.world = sides, notes, sides.world

    def run(self, kind: str = "both", **options: Any) -> EntityReport | None:
        """Runs in this process. A failure that the tool reports is part of the history, and None."""
        try:
            report = self._run(kind, self.world.db, self.world.monday, options)
        except SyncError as exc:
            self.notes.tell(f"run {kind} {options or ''}: {type(exc).__name__}: {exc.message}")
            return None
        finally:
            self.world.relay.forget()
        counts = {name: count for name, count in report.as_json().items() if count and name in COUNTS}
        self.notes.tell(f"run {kind} {options or ''}: {counts}")
        return report

    def _run(self, kind: str, db: Database, monday: Monday, options: dict[str, Any]) -> EntityReport:
        mapping = self.sides.mapping
        return run(kind, parts_of(db, monday, {**MAPPINGS, mapping.entity: mapping}), mapping, **options)

    def among_edits(self, kind: str, at: int, when: str, act: Callable[[], None]) -> None:
        """Runs, and lets a user act `before` or `after` a request is carried out: that of this number."""
        self.notes.tell("while it runs,", when, "request", at)
        self.world.relay.act_at(at, when, act)
        self.run(kind)

    def among_faults(self, kind: str, fault: dict[str, Any], **options: Any) -> None:
        """Runs while monday.com fails."""
        self.notes.tell("fault", fault)
        self.notes.unnoticed |= fault["kind"] in UNNOTICED
        self.sides.admin("faults/add", **fault)
        self.run(kind, **options)
        self.sides.admin("faults/clear")

    # Killed

    def killed_making(self, kind: str, when: str) -> None:
        """Kills a run `before` or `after` its first document of new items is carried out."""
        self.killed(kind, 1, when, holding=b"create_item(")

    def killed(self, kind: str, at: int, unit: str, holding: bytes = b"") -> None:
        """Kills a run in a process of its own: at a `statement`, or `before` or `after` a request is carried out."""
        self.notes.tell(f"run {kind}  killed at {unit} {at} {holding.decode()}")
        start, go = os.pipe()  # lets the child wait until the relay knows it
        pid = os.fork()
        if pid == 0:
            self._die(start, kind, at if unit == "statement" else None)
        if unit != "statement":
            self.world.relay.act_at(at, unit, lambda: kill(pid), holding)
        os.write(go, b"!")
        os.waitpid(pid, 0)
        os.close(start)
        os.close(go)
        self.world.relay.forget()
        while self.sides.sql("select 1 from pg_stat_activity where application_name = %s", MORTAL):
            time.sleep(0.001)

    def _die(self, start: int, kind: str, dies_at: int | None) -> None:
        try:
            os.read(start, 1)
            logging.disable(logging.CRITICAL)
            db = Mortal(**self.world.connection, application_name=MORTAL)
            db.dies_at = dies_at
            self._run(kind, db, self.world.client(PatientClock()), {})
        except BaseException:  # what a process says before it dies is no matter
            pass
        finally:
            os._exit(0)


def kill(pid: int) -> object:
    """Kills a process that waits for its request to go on."""
    os.kill(pid, signal.SIGKILL)
    return UNANSWERED
