"""Fills tables of SmartSuite with the rows of queries, from MySQL or PostgreSQL: the second pair.

The first run creates records; later ones read what changed, compare hashes, and write only the fields that differ. Where
nothing changed, SmartSuite is not asked at all. The syncs stand in `config/sync_mappings.yml`.

    python sync_mysql_to_smartsuite.py --sync-name customers_sync --dry-run
"""

from __future__ import annotations

if __name__ == "__main__":
    # As a program this file is the command `run` of these syncs: main.py, which stands above it, runs in its place.
    import runpy
    import sys
    from pathlib import Path

    sys.argv[1:1] = ["run", "--syncs"]
    runpy.run_path(str(Path(__file__).with_name("main.py")), run_name="__main__")

import logging
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta, timezone
from hashlib import blake2b
from typing import Any

from databases.placeholders import NAME
from errors import SettingsError
from mappings.query_syncs import QuerySync, choose_syncs
from rows.queries import Reading, opened, question
from services.smartsuite.client import BULK, PAGE
from settings import Settings
from state.held import Held
from state.log import Log
from state.records import Known, Records
from state.suite_calls import calls_this_month
from state.values import put, query_key, value_of, watermark
from sync.options import PullOptions, RunOptions
from sync.parts import Parts
from sync.queries.ahead import Ahead
from sync.queries.compare import Keys, Row, Shape, Spool
from sync.queries.edited import Editing
from sync.queries.forms import Forms
from sync.queries.jobs import Job
from sync.queries.neighbours import neighbours_of
from sync.queries.order import in_order
from sync.queries.parts import DIRECTION, SuiteParts, open_suite_parts
from sync.queries.references import References
from sync.queries.removed import IGNORE, Gone, Removal
from sync.queries.second_pass import SecondPass
from sync.queries.target import target_of
from sync.queries.write import LOOK_AGAIN_S, RecordWriter
from sync.report import EntityReport, RunReport, Written
from sync.run import NO_CALLER, Caller, Run
from values.parsing import CellError
from values.wording import plural

log = logging.getLogger("monday_sync")

OVERLAP = timedelta(minutes=15)
"""How far before the last run changes are read again: a row is stamped when its statement runs, and seen at its commit."""
SWEEP_EVERY = timedelta(days=1)
CUTS_OFF = re.compile(r"\b(limit|fetch\s+(first|next))\b", re.IGNORECASE)
"""A query that says so may leave out rows that are there."""
RECREATE = "recreate"
AT_ONCE = 8
"""Calls whose records are noted together before they are made."""


def run_syncs(
    settings: Settings, names: Sequence[str] = (), options: RunOptions | None = None, caller: Caller = NO_CALLER
) -> RunReport | None:
    """Runs the named syncs, or all that are enabled; None when there are none. What is wrong before that is raised."""
    chosen = choose_syncs(settings.home, tuple(names))
    if not chosen:
        return None
    with open_suite_parts(settings, caller.progress, caller.stop) as parts:
        run = Run(parts, DIRECTION, copy_rows, options, caller.on_entity)
        run.on_begun = caller.on_begun
        ordered = in_order(parts, chosen, remembers=not run.report.dry_run)
        report = run.of([(sync, sync.table_id) for sync in ordered])
        tell_calls(parts, report)
    return report


def tell_calls(parts: SuiteParts, report: RunReport) -> None:
    """Tells what the calls of this month come to, when this run made some."""
    if report.dry_run or not report.api["calls"]:
        return
    parts.smartsuite.note_calls()
    with parts.db.transaction(read_only=True) as tx:
        log.info("%s to SmartSuite this month, by this tool.", plural(calls_this_month(tx), "call"))


def copy_rows(parts: Parts, sync: QuerySync, table_id: str, options: RunOptions, run_id: str | None) -> EntityReport:
    """Brings the rows of one query to their table."""
    if not isinstance(parts, SuiteParts):
        raise SettingsError(f"{sync.name} needs a client of SmartSuite.")
    report = EntityReport(sync.name, table_id, to_smartsuite=Written())
    parts.begun[sync.name] = report
    return Copy(parts, sync, options.pull, report, Log(sync.entity_type, run_id)).run()


class Copy:
    """Reads one query, and writes its news."""

    def __init__(
        self, parts: SuiteParts, sync: QuerySync, options: PullOptions, report: EntityReport, log: Log
    ) -> None:
        self.parts = parts
        self.sync = sync
        self.options = options
        self.report = report
        self.log = log
        self.keys = Keys()
        self.records = Records(sync.name, sync.table_id)
        self.removal = Removal(parts, sync, self.records, report)
        self._remembered: Mapping[str, Any] = {}
        self._whole = self._without_key = False

    def run(self) -> EntityReport:
        """Reads, compares, writes, and moves the mark when nothing was left behind."""
        started = time.monotonic()
        with closing(Spool()) as spool:
            mark = self._read(spool)
            missing = self._gone()
            self._forget_unmade()
            repeated = self.keys.repeated()
            if spool.count or missing:
                self._write(spool, repeated, missing)
        report = self.report
        if not (self.options.dry_run or self.options.limit or report.errors or report.set_aside):
            swept = mark.isoformat() if self._whole else self._remembered.get("swept")
            with self.parts.db.transaction() as tx:
                put(tx, self._name, {"mark": mark.isoformat(), "written": self._fingerprint, "swept": swept})
        report.seconds = time.monotonic() - started
        return report

    # Reading

    @property
    def _name(self) -> str:
        return query_key(self.sync.name)

    @property
    def _fingerprint(self) -> str:
        return blake2b(f"{self.sync.written}/{self.sync.query}".encode(), digest_size=16).hexdigest()

    def _since(self, now: datetime) -> datetime | None:
        """Returns from when on changes are read; None for everything."""
        with self.parts.db.transaction(read_only=True) as tx:
            self._remembered = value_of(tx, self._name) or {}
        mark = watermark(self._remembered.get("mark"))
        if self.options.full or mark is None or self._remembered.get("written") != self._fingerprint:
            return None
        if self.options.sweep or self._sweep_is_due(now):
            return None
        if mark > now:
            log.warning("%s: the database's clock went back, so all rows are compared.", self.sync.name)
            return None
        return mark - OVERLAP

    def _sweep_is_due(self, now: datetime) -> bool:
        """Returns whether rows that are gone have not been looked for since a day."""
        swept = watermark(self._remembered.get("swept"))
        return self.sync.on_row_removed != IGNORE and (swept is None or now - swept > SWEEP_EVERY)

    def _gone(self) -> list[Gone]:
        """Returns the rows that are gone, where every row was read; none where they are left alone."""
        if not self._whole or self.options.limit is not None or self.sync.on_row_removed == IGNORE:
            return []
        if CUTS_OFF.search(self.sync.query):
            log.info("%s: the query leaves rows out by a limit, so none is taken for gone.", self.sync.name)
            return []
        # a row whose key is empty now may be one of those that seem gone
        if self._without_key:
            log.warning("%s: rows without a key hide which rows are gone; none is removed.", self.sync.name)
            return []
        missing = self.removal.gone(self.keys, self.options.allow_mass_delete)
        if missing and self.options.dry_run:
            self.removal.plan(missing)
        return [] if self.options.dry_run else missing

    def _forget_unmade(self) -> None:
        """Forgets refused rows that never got a record and that the query, which was read as a whole, has no more."""
        partly = self.options.limit is not None or self._without_key or CUTS_OFF.search(self.sync.query)
        if not self._whole or partly or self.options.dry_run:
            return
        with self.parts.db.transaction() as tx:
            if gone := self.keys.without(self.records.unmade(tx)):
                self.records.forget(tx, gone)

    def _read(self, spool: Spool) -> datetime:
        """Puts the rows with news into the spool. Returns the server's time from before the query."""
        with opened(self.parts.settings, self.parts.db, self.sync) as source:
            now = source.server_time()
            shape: Shape | None = None
            for names, rows in source.pages(*self._question(source, now)):
                shape = shape or Shape(self.sync, names)
                left = None if self.options.limit is None else self.options.limit - self.report.read
                self._compare(shape, rows[:left], spool)
                self.parts.stop.check()
                if self.parts.progress is not None:
                    self.parts.progress(self.sync.name, self.report.read, None)
                if self.options.limit is not None and self.report.read >= self.options.limit:
                    break
        return now

    def _question(self, source: Reading, now: datetime) -> tuple[str, dict[str, Any]]:
        since = self._since(now)
        query, parameters = question(source, self.sync, since)
        self._whole = since is None or NAME not in parameters
        return query, parameters

    def _compare(self, shape: Shape, rows: Sequence[Sequence[Any]], spool: Spool) -> None:
        keyed = [(shape.key_of(row), row) for row in rows]
        self.report.read += len(keyed)
        if without := sum(not key for key, _ in keyed):
            self.report.errors += without
            self._without_key = True
            log.warning("%s: %s without %s.", self.sync.name, plural(without, "row"), self.sync.primary_key)
        self.keys.add([key for key, _ in keyed if key])
        news = self._news(shape, [(key, row) for key, row in keyed if key])
        known = self._known([key for key, _, _ in news], bases=False)
        for key, row, digest in news:
            try:
                found = shape.read(key, row, digest)
            except CellError as exc:
                self._refuse_unread(key, digest, str(exc))
            else:
                self._keep(found, known.get(key), spool)

    def _news(self, shape: Shape, keyed: list[tuple[str, Sequence[Any]]]) -> list[tuple[str, Sequence[Any], str]]:
        """Returns the rows that differ from what was written of them, each with its hash."""
        with self.parts.db.transaction(read_only=True) as tx:
            written = self.records.hashes(tx, [key for key, _ in keyed])
        hashed = [(key, row, shape.hash_of(row)) for key, row in keyed]
        news = [found for found in hashed if written.get(found[0]) != found[2]]
        self.report.unchanged += len(hashed) - len(news)
        return news

    def _keep(self, row: Row, known: Known | None, spool: Spool) -> None:
        # refused a short while ago
        if known and known.waits and not self.options.full:
            self.report.set_aside += 1
        else:
            spool.add(row)

    def _refuse_unread(self, key: str, digest: str, reason: str) -> None:
        self.report.errors += 1
        log.warning("%s: row %s: %s.", self.sync.name, key, reason)
        if not self.options.dry_run:
            with self.parts.db.transaction() as tx:
                self.records.refused(tx, {key: digest}, reason)

    def _known(self, keys: Sequence[str], bases: bool = True) -> dict[str, Known]:
        if not keys:
            return {}
        with self.parts.db.transaction(read_only=True) as tx:
            return self.records.known(tx, keys, bases)

    # Writing

    def _write(self, spool: Spool, repeated: frozenset[int], missing: Sequence[Gone]) -> None:
        suite = self.parts.smartsuite
        # what is told of the month counts the syncs before
        suite.note_calls()
        target = target_of(self.sync, self.parts.table(self.sync.table_id))
        held = Held(self.sync.name, self.log.run_id)
        editing = Editing(self.parts, suite, target, self.log, held, self.report, self.sync.on_conflict)
        neighbours = neighbours_of(self.parts, self.sync, self.records)
        writer = RecordWriter(
            self.parts, suite, target, self.records, self.log, self.report, editing, Forms(target), neighbours
        )
        writer.dry_run, writer.recreates = self.options.dry_run, self.sync.on_record_removed == RECREATE
        ahead = Ahead(self.parts, self.sync, self.records)
        ahead.count(spool)
        ahead.tell_cost(self.options.dry_run)
        if not self.options.dry_run:
            settle_doubt(self.parts, self.records)
            writer.listed = ahead.listing(target.key)
        references = References(lambda: self.parts.db, suite, target.fields)
        with closing(SecondPass(writer, references)) as later:
            self._write_all(spool, repeated, later)
            later.run()
        if missing:
            writer.listed = None
            self.removal.carry_out(suite, target, missing, self.log, writer.find)

    def _write_all(self, spool: Spool, repeated: frozenset[int], later: SecondPass) -> None:
        new: list[Job] = []
        changed: list[Job] = []
        for rows in spool.pages(PAGE):
            later.references.resolve(rows)
            later.keep(rows)
            for job in self._jobs(later.writer, rows, repeated):
                (changed if job.record_id else new).append(job)
            # whole calls at once; what is left over goes with the next page
            new, changed = self._flush(later.writer, new, changed, BULK)
        self._flush(later.writer, new, changed, 1)

    def _jobs(self, writer: RecordWriter, rows: Sequence[Row], repeated: frozenset[int]) -> list[Job]:
        known = self._known([row.key for row in rows])
        jobs = []
        for row in rows:
            remembered = known.get(row.key)
            if hash(row.key) in repeated:
                writer.refuse([Job(row, {}, remembered)], "the query has several rows with this key")
            elif job := writer.cells_or_refusal(row, remembered):
                jobs.append(job)
        return jobs

    def _flush(
        self, writer: RecordWriter, new: list[Job], changed: list[Job], least: int
    ) -> tuple[list[Job], list[Job]]:
        """Writes as many whole calls as there are; returns what is left over."""
        while len(new) >= least:
            # their intents are noted together
            some = min(len(new) // BULK or 1, AT_ONCE) * BULK
            self._write_some(writer, new[:some], "create")
            new = new[some:]
        while len(changed) >= least:
            self._write_some(writer, changed[:BULK], "update")
            changed = changed[BULK:]
        return new, changed

    def _write_some(self, writer: RecordWriter, jobs: list[Job], operation: str) -> None:
        self.parts.stop.check()
        if self.options.dry_run:
            writer.plan(jobs, operation)
        elif operation == "create":
            writer.create(jobs)
        else:
            writer.update(jobs)


def settle_doubt(parts: SuiteParts, records: Records) -> None:
    """Waits until SmartSuite has carried out, or has not, what a run before was about to create."""
    with parts.db.transaction(read_only=True) as tx:
        doubt = records.last_doubt(tx)
    if doubt is not None:
        age = (datetime.now(timezone.utc) - doubt).total_seconds()
        parts.smartsuite.wait(sum(LOOK_AGAIN_S) - age, "a run that was cut off may just have made records")
