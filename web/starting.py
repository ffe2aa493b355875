"""Starts runs as the command line does, each in a process of its own that outlives the dashboard."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any, ClassVar

from msgspec import Struct, field
from msgspec.structs import replace

from config.hiding import Hiding
from errors import EXIT_FAILED, EXIT_IN_STEP, EXIT_LEFTOVERS, SettingsError
from settings import PROJECT, Settings

PLANS_KEPT = 20
LINES_SHOWN = 500
PLANNED = (EXIT_IN_STEP, EXIT_LEFTOVERS)
PLAN_STANDS_S = 900.0
"""How long a plan of many removals may be carried out."""
COMMAND_S = 60.0
PLAN_AGAIN_S = 60.0
"""How long a user waits before a page while a plan is made once more."""
REMOVALS_SHOWN = 4000
WOULD = re.compile(r"\s*would ")
"""How the line of a plan begins that says what would be done."""
REMOVAL = re.compile(r"\s*would archive \S+ (\S+)")
"""The line of a plan that names an item which is removed, or whose row is."""
OF_SYNCS = "mysql_to_smartsuite"
"""The direction of syncs of queries."""
RELOAD = "reload"
"""The direction of a deployed board that is read anew."""
PROOF = "verify"
"""The direction of what only compares."""
MOST_AT_ONCE = 4
"""How many runs that were started here may go on at once."""


class Wanted(Struct, frozen=True):
    """Says what a run is to do."""

    direction: str
    """Of a sync it is that of all syncs."""
    entity: str = ""
    """The name of an entity or a sync; all entities without one."""
    full: bool = False
    sweep: bool = False
    dry_run: bool = False
    allow_mass_delete: bool = False
    ids: bool = False
    """A proof reads ids and update times, and not every item."""

    def arguments(self) -> list[str]:
        """Returns the command line."""
        if self.direction == RELOAD:
            return ["boards", "reload", self.entity, *(["--dry-run"] if self.dry_run else [])]
        if self.direction == PROOF:
            return ["verify", "--entity", self.entity, *(["--ids"] if self.ids else [])]
        options = [name for name in ("full", "sweep", "dry_run", "allow_mass_delete") if getattr(self, name)]
        if self.direction == OF_SYNCS:
            return ["run", "--sync-name", self.entity, *(f"--{name.replace('_', '-')}" for name in options)]
        entity = ["--entity", self.entity] if self.entity else []
        return [self.direction.replace("_", "-"), *entity, *(f"--{name.replace('_', '-')}" for name in options)]

    def words(self) -> str:
        """Returns the command line as a user writes it."""
        return f"python main.py {' '.join(self.arguments())}"


class Started(Hiding, Struct):
    """Holds a run that was started here."""

    HIDDEN: ClassVar = frozenset({"output"})

    number: int
    wanted: Wanted
    child: subprocess.Popen[bytes]
    output: IO[bytes] | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        """Returns the number of its process."""
        return self.child.pid

    @property
    def is_made(self) -> bool:
        """Returns whether it is a plan that came to its end."""
        return self.child.poll() in PLANNED

    @property
    def changes(self) -> list[str]:
        """Returns what it would do, in a fixed order."""
        return sorted(line for line in self.lines() if WOULD.match(line))

    @property
    def removed(self) -> list[str]:
        """Returns the ids of the items that it removes, or whose rows it removes."""
        return sorted({found[1] for line in self.lines() if (found := REMOVAL.match(line))})

    def lines(self) -> list[str]:
        """Returns what it has written so far."""
        if self.output is None:
            return []
        self.output.seek(0)
        return self.output.read().decode("utf-8", "replace").splitlines()

    def as_json(self) -> dict[str, Any]:
        """Returns what is known of it, with the first lines of what it wrote."""
        code, lines = self.child.poll(), self.lines()
        removed = self.removed if self.wanted.allow_mass_delete else []
        lines = [line for line in lines if not (removed and REMOVAL.match(line))]
        return {
            "number": self.number,
            "command": self.wanted.words(),
            "entity": self.wanted.entity,
            "direction": self.wanted.direction,
            "full": self.wanted.full,
            "sweep": self.wanted.sweep,
            "allow_mass_delete": self.wanted.allow_mass_delete,
            "removals": removed[:REMOVALS_SHOWN],
            "removed": len(removed),
            "ended": code is not None,
            "exit_code": code,
            "lines": lines[:LINES_SHOWN],
            "more": max(0, len(lines) - LINES_SHOWN),
        }


class Starter:
    """Starts runs, and keeps the last plans that dry runs have made."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._guard = threading.Lock()
        self._numbers = itertools.count(1)
        self._plans: OrderedDict[int, Started] = OrderedDict()
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self, wanted: Wanted, only_removing: Sequence[str] = ()) -> Started:
        """Starts a run; where items are named it removes no others. Raises SettingsError when many go on already."""
        with self._guard:
            self._children = [child for child in self._children if child.poll() is None]
            if len(self._children) >= MOST_AT_ONCE:
                told = f"{len(self._children)} runs that were started here go on."
                raise SettingsError(told, hint="Wait for the end of one, or stop it.")
            started = self._started(wanted, only_removing)
            self._children.append(started.child)
            if wanted.dry_run:
                self._plans[started.number] = started
            while len(self._plans) > PLANS_KEPT:
                _, old = self._plans.popitem(last=False)
                if old.output:
                    old.output.close()
            return started

    def _started(self, wanted: Wanted, only_removing: Sequence[str]) -> Started:
        output = tempfile.TemporaryFile() if wanted.dry_run else None
        agreed = ["--only-removing", "-"] if only_removing else []
        quiet = "--json" if wanted.direction == PROOF else "--quiet"
        with tempfile.TemporaryFile() as given:
            given.write("\n".join(only_removing).encode())
            given.seek(0)
            child = subprocess.Popen(
                self._command([*wanted.arguments(), *agreed, quiet]),
                cwd=PROJECT,
                env=self._environment(),
                stdin=given,
                stdout=output or subprocess.DEVNULL,
                stderr=subprocess.STDOUT if output else subprocess.DEVNULL,
                # Ctrl-C ends the dashboard, not the run
                start_new_session=True,
            )
        return Started(next(self._numbers), wanted, child, output)

    def goes_on(self, pid: int) -> bool:
        """Tells whether a run that was started here has not ended."""
        with self._guard:
            return any(child.pid == pid and child.poll() is None for child in self._children)

    def carry_out(self, arguments: list[str]) -> tuple[int, str]:
        """Runs a command that ends soon, and waits for it. Returns its exit code and its last line."""
        try:
            ended = subprocess.run(
                self._command(arguments),
                cwd=PROJECT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=COMMAND_S,
            )
        except subprocess.TimeoutExpired:
            return EXIT_FAILED, f"It did not end within {COMMAND_S:g} s."
        lines = ended.stdout.decode("utf-8", "replace").split("\n")
        return ended.returncode, next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _command(self, arguments: list[str]) -> list[str]:
        return [sys.executable, str(PROJECT / "main.py"), *arguments]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "MONDAY_SYNC_HOME": str(self._settings.home)}

    def plan(self, number: int) -> Started | None:
        """Returns a plan that was made here."""
        with self._guard:
            return self._plans.get(number)

    def standing(self, number: int, wanted: Wanted) -> Started | None:
        """Returns a plan that was made lately for what is wanted."""
        made = self.plan(number)
        if made is None or replace(made.wanted, dry_run=False) != wanted or not made.is_made:
            return None
        return made if time.monotonic() - made.began <= PLAN_STANDS_S else None

    def use_up(self, plan: Started) -> bool:
        """Takes a plan, once; tells whether it was still there."""
        with self._guard:
            found = self._plans.pop(plan.number, None)
        if found and found.output:
            found.output.close()
        return found is not None

    def plan_again(self, wanted: Wanted) -> Started:
        """Makes a plan of what is wanted, and waits for it, for a while."""
        made = self.start(replace(wanted, dry_run=True))
        with suppress(subprocess.TimeoutExpired):
            made.child.wait(PLAN_AGAIN_S)
        return made

    def plans(self) -> list[Started]:
        """Returns the plans that were made here, newest first."""
        with self._guard:
            return list(reversed(self._plans.values()))

    def close(self) -> None:
        """Forgets the plans. Runs go on."""
        for plan in self.plans():
            if plan.child.poll() is None:
                plan.child.terminate()
                plan.child.wait()
            if plan.output:
                plan.output.close()
