"""Puts a history together: both sides, the users who edit them, the runs, and the quiet at its end."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from databases.postgres.names import compose, identifier
from sync.report import EntityReport
from tests.histories.judge import Judge
from tests.histories.notes import Notes
from tests.histories.people import BoardUser, SqlUser
from tests.histories.runs import Runs
from tests.histories.world import BoardItem, Setup, Sides, TableRow, World

AGES = {
    "sync_intents": ("created_at",),
    "sync_outbox": ("changed_at", "next_try_at"),
    "sync_mapping": ("next_try_at",),
}
"""What PostgreSQL remembers of the time, which passes with monday.com's."""


class History:
    """Holds one history of a board and its tables."""

    def __init__(self, world: World, setup: Setup) -> None:
        self.world, self.setup = world, setup
        self.notes = Notes()
        self.sides = Sides(world, setup)
        self.monday = BoardUser(self.sides, self.notes)
        self.sql = SqlUser(self.sides, self.notes)
        self.runs = Runs(self.sides, self.notes)
        self.judge = Judge(self.sides, self.notes)

    def items(self) -> list[BoardItem]:
        return self.sides.items()

    def row(self, code: str) -> TableRow:
        found = self.sides.row(code)
        assert found is not None, f"{code} has no row"
        return found

    def run(self, kind: str = "both", **options: Any) -> EntityReport | None:
        return self.runs.run(kind, **options)

    def change_rule(self, rule: str) -> None:
        self.notes.tell("the rule is", rule)
        self.sides.mapping = replace(self.sides.mapping, conflict=rule)

    def pass_time(self, seconds: float) -> None:
        """Lets time pass on both sides: what PostgreSQL remembers of it is older by that."""
        self.notes.tell("time passes:", seconds)
        self.sides.admin("clock/advance", seconds=seconds)
        statement = "update {table} set {column} = {column} - %s::interval"
        with self.world.db.transaction() as tx:
            for table, columns in AGES.items():
                for column in columns:
                    names = {"table": identifier(table), "column": identifier(column)}
                    tx.execute(compose(statement, **names), (f"{seconds} seconds",))

    def quiet(self) -> None:
        """Checks that, once no user edits any more, two runs bring both sides together and a third has nothing to do."""
        self.notes.tell("quiet")
        self.sides.admin("faults/clear")
        if self.sides.profile.settings:
            self.sides.change("update jobs set sync_enabled = true, sync_direction = 'bidirectional'")
        self.sides.change(
            "update sync_mapping set next_try_at = now() where next_try_at is not null and sync_status <> 'set_aside'"
        )
        for _ in range(2):
            report = self.run(sweep=self.notes.unnoticed, prefer=self.setup.at_last, allow_mass_delete=True)
            assert report is not None, "a run without trouble failed"
        self._check_that_nothing_is_left()
        self.judge.check()

    def _check_that_nothing_is_left(self) -> None:
        before, writes = self._fingerprints(), self._mutations()
        report = self.run(allow_mass_delete=True)
        assert report is not None, "a run without trouble failed"
        assert self._mutations() == writes, "the third run still wrote to the board"
        now = self._fingerprints()
        changed = {table: (was, now[table]) for table, was in before.items() if was != now[table]}
        assert not changed, f"the third run still wrote to {changed}"
        done = report.as_json()
        assert not any(done[name] for name in ("created", "updated", "archived", "restored")), f"it reported {done}"
        assert report.complete, report.message

    def _mutations(self) -> int:
        return int(self.sides.admin("counters").get("mutation", 0))

    def _fingerprints(self) -> dict[str, list[str]]:
        """Returns every row of the tables, with its place and the transaction that wrote it."""
        tables = (*self.sides.profile.tables, "sync_mapping", "sync_conflicts", "sync_intents")
        lines = "select t.ctid::text || t.xmin::text || ' ' || t::text as line from {} as t"
        return {table: sorted(row["line"] for row in self.sides.sql(lines.format(table))) for table in tables}
