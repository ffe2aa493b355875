"""Draws histories of a query of MariaDB and its table of SmartSuite: rows, edits, deletions, runs, faults and kills."""

from __future__ import annotations

import shutil
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec import Struct
from msgspec.structs import replace

from db_connector import Database
from errors import SyncError
from sandbox import SmartSuite
from sync.report import EntityReport
from tests.histories.query_oracle import FIELDS, MANUAL, MYSQL, SMARTSUITE, Oracle
from tests.histories.runs import kill
from tests.kit.kills import MORTAL, Killed
from tests.kit.query_runs import SLUGS, QueryBench
from tests.kit.waiting import until

NUMBERS = st.integers(0, 41)
SOME = st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4, unique=True)
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "html_502"},
    {"kind": "html_504", "applied": True},
    {"kind": "reset"},
    {"kind": "lost_answer"},
    {"kind": "lost_answer", "match": {"field": "write"}},
    {"kind": "lost_answer", "match": {"field": "write"}, "count": 3},
    {"kind": "empty_200", "match": {"field": "write"}},
    {"kind": "malformed"},
    {"kind": "cut"},
    {"kind": "partial", "rows": 1},
    {"kind": "json_500", "match": {"operation": "bulk/create"}},
    {"kind": "html_503", "count": 100},
)
FORGOTTEN = ("sync_records", "sync_state", "sync_conflicts", "sync_logs")
KEYS = 9


class QueryWorld(Struct, dict=True):
    """Holds what the histories of a process share."""

    connection: dict[str, Any]
    database: str
    server: Any

    def __post_init__(self) -> None:
        self.suite = SmartSuite()
        self.db = Database(**self.connection)
        self.home = Path(tempfile.mkdtemp(prefix="histories-"))
        self.bench = QueryBench(self.db, self.database, self.suite, self.server, self.home)

    def begin(self, **destination: str) -> QueryBench:
        """Lets nothing be there but an empty table on both sides."""
        with self.db.transaction() as tx:
            tx.execute(f"truncate {', '.join(FORGOTTEN)}")
        self.suite.admin("faults/clear")
        self.bench.begin_anew(**destination)
        return self.bench

    def close(self) -> None:
        self.bench.close()
        self.suite.close()
        self.db.close()
        shutil.rmtree(self.home, ignore_errors=True)


class QueryHistories(RuleBasedStateMachine):
    """Plays one history, and judges it at its end."""

    world: ClassVar[QueryWorld]

    def __init__(self) -> None:
        super().__init__()
        self.values = 0
        self.rows: set[str] = set()

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        choose = lambda *values: data.draw(st.sampled_from(values))  # noqa: E731
        self.oracle = Oracle(
            choose(MYSQL, SMARTSUITE, MANUAL),
            choose("archive", "archive", "delete", "ignore"),
            choose("hold", "recreate"),
        )
        oracle = self.oracle
        oracle.tell(oracle.rule, oracle.on_row_removed, oracle.on_record_removed)
        self.bench = self.world.begin(
            on_conflict=oracle.rule, on_row_removed=oracle.on_row_removed, on_record_removed=oracle.on_record_removed
        )
        for number in range(choose(0, 2, 3)):
            self._insert(f"k{number}")
        self._run()

    # In MariaDB

    def _new(self, name: str) -> str:
        """Returns a value that was never written before."""
        self.values += 1
        if name == "amount":
            return str(self.values)
        return str(date(2000, 1, 1) + timedelta(days=self.values)) if name == "due" else f"{name} {self.values}"

    def _insert(self, key: str) -> None:
        values = {name: self._new(name) for name in FIELDS}
        self.oracle.tell("insert", key, values)
        self.oracle.row_begins_or_ends(key)
        self.oracle.row_written(key, FIELDS)
        texts = ", ".join(f"'{value}'" for value in values.values())
        self.bench.mysql(f"insert into things (id, {', '.join(values)}) values ('{key}', {texts})")
        self.rows.add(key)

    @rule(number=NUMBERS, names=SOME, empty=st.booleans())
    def write_row(self, number: int, names: list[str], empty: bool) -> None:
        key = f"k{number % KEYS}"
        if key not in self.rows:
            return self._insert(key)
        values = {name: f"'{self._new(name)}'" for name in names}
        written = self.oracle.story(key).fields
        # empty once: a value that comes back is none that was never written
        if empty and "note" in values and not written["note"].emptied:
            values["note"], written["note"].emptied = "null", True
        self.oracle.tell("update", key, values)
        self.oracle.row_written(key, names)
        changes = ", ".join(f"{name} = {value}" for name, value in values.items())
        self.bench.mysql(f"update things set {changes} where id = '{key}'")

    @rule(number=NUMBERS)
    def delete_row(self, number: int) -> None:
        if not self.rows:
            return
        key = sorted(self.rows)[number % len(self.rows)]
        self.oracle.tell("delete", key)
        self.oracle.row_begins_or_ends(key)
        self.bench.mysql(f"delete from things where id = '{key}'")
        self.rows.remove(key)

    # In SmartSuite

    def _record(self, number: int) -> dict[str, Any] | None:
        items = sorted(self.bench.items(), key=lambda item: str(item["key"]))
        return items[number % len(items)] if items else None

    @rule(number=NUMBERS, name=st.sampled_from(FIELDS))
    def edit_record(self, number: int, name: str) -> None:
        if (item := self._record(number)) is None:
            return
        value = self._new(name)
        self.oracle.tell("edit", item["key"], name, value)
        self.oracle.person_wrote(item["key"], name, value)
        given = {"date": f"{value}T00:00:00Z", "include_time": False} if name == "due" else value
        self.bench.edit(item["key"], **{name: given})

    @rule(number=NUMBERS)
    def delete_record(self, number: int) -> None:
        if (item := self._record(number)) is None:
            return
        self.oracle.story(item["key"]).deleted_by_person = self.oracle.tell("delete the record of", item["key"])
        self.bench.suite.admin("records/delete", record_id=item["id"])

    @rule(number=NUMBERS)
    def make_record(self, number: int) -> None:
        key = f"k{number % KEYS}"
        linked = self.bench.sql("select 1 from sync_records where source_key = %s", key)
        if linked or key in {item["key"] for item in self.bench.items()}:
            return
        value = self._new("note")
        self.oracle.tell("make a record of", key, value)
        self.oracle.story(key).by_person = True
        self.oracle.person_wrote(key, "note", value)
        values = {SLUGS["key"]: key, SLUGS["note"]: value}
        self.bench.suite.admin("records/create", table_id=self.bench.table_id, values=values)

    # Runs

    def _run(self, **options: Any) -> EntityReport | None:
        try:
            report = self.bench.run(allow_mass_delete=True, **options)
        except SyncError as exc:
            self.oracle.tell("run", options, type(exc).__name__, exc.message)
            return None
        counts = {name: count for name, count in report.as_json().items() if isinstance(count, int) and count}
        self.oracle.tell("run", options, counts)
        return report

    @rule(sweep=st.booleans())
    def run(self, sweep: bool) -> None:
        self._run(sweep=sweep)

    @rule(fault=st.sampled_from(FAULTS), sweep=st.booleans())
    def run_among_faults(self, fault: dict[str, Any], sweep: bool) -> None:
        self.oracle.tell("fault", fault)
        self.bench.suite.admin("faults/add", **fault)
        self._run(sweep=sweep)
        self.bench.suite.admin("faults/clear")

    @rule(at=st.integers(1, 24), unit=st.sampled_from(["statement", "before", "after"]), sweep=st.booleans())
    def run_killed(self, at: int, unit: str, sweep: bool) -> None:
        at = at if unit == "statement" else at % 6 + 1
        self.oracle.tell("run killed at", unit, at, "sweep" if sweep else "")
        order = self.bench.order(sweep=sweep, allow_mass_delete=True)
        runs: list[Killed] = []
        if unit == "statement":
            order = replace(order, dies_at=at)
        else:
            self.bench.relay.act_at(at, unit, lambda: kill(int(until(lambda: runs)[0].process.pid or 0)))
        runs.append(Killed(order))
        runs[0].process.join()
        self.bench.relay.forget()
        while self.bench.sql("select 1 from pg_stat_activity where application_name = %s", MORTAL):
            time.sleep(0.001)

    # The end

    def teardown(self) -> None:
        if not hasattr(self, "oracle"):
            return
        try:
            self._quiet()
        except AssertionError as exc:
            lines = "\n".join(self.oracle.told)
            raise AssertionError(f"{exc}\nThe history:\n{lines}") from exc

    def _quiet(self) -> None:
        bench, oracle = self.bench, self.oracle
        oracle.tell("quiet")
        for _ in range(2):
            bench.later()
            report = self._run(sweep=True)
            assert report is not None, "a run without trouble failed"
            held = any(story.deleted_by_person for story in oracle.stories.values())
            assert held or not report.errors, "a run without trouble refused rows"
        bench.calls()
        assert self._run(sweep=True) is not None
        assert not (calls := bench.calls()), f"the third run still made calls: {calls}"
        oracle.judge(bench)
