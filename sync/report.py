"""Counts what a run did with records, and shows it: as text for a user, as JSON for a program."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict

from errors import EXIT_IN_STEP, EXIT_LEFTOVERS, SyncError
from timing import duration
from values.wording import counted, plural, utc_text


class Written(Struct):
    """Counts the records written on one side."""

    created: int = 0
    updated: int = 0
    archived: int = 0

    def __iadd__(self, other: Written) -> Written:
        self.created += other.created
        self.updated += other.updated
        self.archived += other.archived
        return self


class EntityReport(Struct):
    """Counts what one run did with one entity; each count is of records, not of rows."""

    entity: str
    board_id: str
    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    archived: int = 0
    restored: int = 0
    conflicts: int = 0
    held: int = 0
    errors: int = 0
    set_aside: int = 0
    first_held: int = 0
    complete: bool = True
    to_postgres: Written = field(default_factory=Written)
    to_monday: Written = field(default_factory=Written)
    to_smartsuite: Written | None = None
    """What was written there, or would be; None where the record has no such side."""
    missing: list[str] = field(default_factory=list)
    message: str = ""
    seconds: float = 0.0
    plans: list[str] = field(default_factory=list)
    failed: int = 0
    """The exit code of the error that ended it; 0 when no error did."""
    problem: str | None = None
    """The kind of that error, without its text."""
    mark: list[Any] = field(default_factory=list)
    """The board's update time and number of items when it was opened."""

    @property
    def changes(self) -> int:
        """Returns how many records were written, on either side."""
        sides = (self.to_postgres, self.to_monday, self.to_smartsuite or Written())
        return sum(side.created + side.updated + side.archived for side in sides)

    @property
    def stored(self) -> int:
        """Returns how many of the items have a row now; an item of which only a field was refused has one."""
        return self.created + self.updated + self.unchanged + self.restored

    @property
    def exit_code(self) -> int:
        """Returns 0 when both sides are in step, 3 when something waits for a user or could not be shown to be whole."""
        if self.failed:
            return self.failed
        leftovers = self.held or self.errors or self.set_aside or not self.complete
        return EXIT_LEFTOVERS if leftovers else EXIT_IN_STEP

    def add(self, other: EntityReport) -> None:
        """Adds the counts of a batch."""
        for name in self.__struct_fields__:
            mine, more = getattr(self, name), getattr(other, name)
            if isinstance(mine, Written):
                mine += more
            elif isinstance(mine, int) and not isinstance(mine, bool):
                setattr(self, name, mine + more)

    def as_json(self) -> dict[str, Any]:
        """Returns the documented shape."""
        shape = asdict(self)
        for name, value in shape.items():
            if isinstance(value, Written):
                shape[name] = asdict(value)
        for name in ("plans", "failed", "problem", "first_held", "mark"):
            del shape[name]
        for name in ("missing", "message", "seconds", "to_smartsuite"):
            if not shape[name]:
                del shape[name]
        if self.seconds:
            shape["seconds"] = round(self.seconds, 3)
        return shape


class RunReport(Struct):
    """Holds what one run did with its entities."""

    run_id: str
    direction: str
    started_at: datetime
    duration_s: float = 0.0
    exit_code: int = EXIT_IN_STEP
    api: dict[str, Any] = field(default_factory=lambda: {"calls": 0, "complexity": 0, "retries": 0, "waited_s": 0.0})
    entities: list[EntityReport] = field(default_factory=list)
    dry_run: bool = False
    problems: list[SyncError] = field(default_factory=list)
    ended: bool = False
    """Something happened after which no other entity could do better."""
    interrupted: int = 0

    @property
    def changes(self) -> int:
        """Returns how many records were written."""
        return sum(entity.changes for entity in self.entities)

    def kept(self) -> list[dict[str, Any]]:
        """Returns what `sync_runs` keeps of the entities."""
        return [{**entity.as_json(), "problem": entity.problem} for entity in self.entities]

    def as_json(self) -> dict[str, Any]:
        """Returns the object that `--json` prints."""
        return {
            "run_id": self.run_id,
            "direction": self.direction,
            "started_at": utc_text(self.started_at),
            "duration_s": round(self.duration_s, 3),
            "exit_code": self.exit_code,
            "api": self.api,
            "entities": [entity.as_json() for entity in self.entities],
        }


def shape_of(reports: Sequence[RunReport], exit_code: int) -> dict[str, Any]:
    """Returns the object that `--json` prints: the same members for one run, and for several that one command made."""
    alone = reports[0] if len(reports) == 1 else None
    shapes = [report.as_json() for report in reports]
    return {
        "run_id": alone.run_id if alone else None,
        "direction": alone.direction if alone else None,
        "started_at": shapes[0]["started_at"],
        "duration_s": round(sum(report.duration_s for report in reports), 3),
        "exit_code": exit_code,
        "api": {name: round(sum(shape["api"].get(name, 0) for shape in shapes), 3) for name in shapes[0]["api"]},
        "entities": [
            {**entity, "run_id": shape["run_id"], "direction": shape["direction"]}
            for shape in shapes
            for entity in shape["entities"]
        ],
        "runs": [{name: part for name, part in shape.items() if name != "entities"} for shape in shapes],
    }


# For users

VERBS = {"monday_to_pg": "Pulled", "pg_to_monday": "Pushed", "bidirectional": "Synced"}
VERBS["mysql_to_smartsuite"] = "Copied"
NOUNS, SERVICES = {"mysql_to_smartsuite": "row"}, {"mysql_to_smartsuite": "SmartSuite"}
"""What is read, and which service is called, where it is not an item and monday.com."""
COUNTS = (
    ("created", "new"),
    ("updated", "changed"),
    ("restored", "restored"),
    ("archived", "archived"),
    ("unchanged", "unchanged"),
    ("skipped", "skipped"),
    ("conflicts", "conflicts"),
    ("held", "held"),
    ("set_aside", "set aside"),
    ("errors", "with errors"),
)


def entity_line(report: EntityReport, direction: str) -> str:
    """Returns `Pulled users: 412 items read, 3 new, 5 changed (2.4 s).`"""
    counts = [f"{counted(getattr(report, name))} {word}" for name, word in COUNTS if getattr(report, name)]
    read = f"{plural(report.read, NOUNS.get(direction, 'item'))} read"
    did = ", ".join([read, *counts]) + f" ({duration(report.seconds)})."
    if report.failed:
        return f"Stopped {report.entity}: {did}"
    why = "" if report.complete else " Incomplete" + (f": {report.message}." if report.message else ".")
    return f"{VERBS[direction]} {report.entity}: {did}{why}"


def run_line(report: RunReport) -> str:
    """Returns what a run comes to: `0 changes in 0.4 s, 2 calls to monday.com.`"""
    did = plural(report.changes, "change") + " planned" * report.dry_run
    begin = f"Not finished: {did}" if report.problems or report.interrupted else did
    asked = f"{plural(int(report.api['calls']), 'call')} to {SERVICES.get(report.direction, 'monday.com')}"
    asked += f", {counted(report.api['retries'])} repeated" if report.api["retries"] else ""
    asked += f", {duration(report.api['waited_s'])} waited" if report.api["waited_s"] >= 1 else ""
    end = " Nothing was written." if report.dry_run else ""
    return f"{begin} in {duration(report.duration_s)}, {asked}.{end}"
