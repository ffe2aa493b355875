"""Writes the rows with news to SmartSuite, 25 a call. Each record that is refused costs itself only.

A record is created in four steps: it is looked up by its key, its intent is committed, the call is made, its answer is
committed. What dies between two of them leaves an intent, and the next run looks the record up before it makes it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from errors import CarriedOutOrNot, SuiteRecordGone, ValuesRefused
from models import LogEntry
from services.smartsuite.answers import Item
from services.smartsuite.cells import EXTERNAL_IDS, empty_form, key_shown
from services.smartsuite.client import BULK, SmartSuite
from state.log import Log
from state.records import Known, Records, Written
from sync.parts import Parts
from sync.queries.compare import Row
from sync.queries.edited import OF_SMARTSUITE, OF_SOURCE, Edit, by_id, edits_of
from sync.queries.target import Cells, Target
from sync.report import EntityReport
from sync.report import Written as Done
from values.parsing import CellError
from values.slices import batched

log = logging.getLogger("monday_sync")

LOOK_AGAIN_S = (1.0, 4.0, 10.0)
"""Pauses before each look for records whose call was not answered: SmartSuite may still be at work on them."""
PLANS_KEPT = 10_000
"""Rows whose plan a dry run keeps: its memory does not grow with the query."""
IN_DOUBT = "SmartSuite did not say whether it made the record, and it is not there; the next run looks again"
GONE = "the record was deleted in SmartSuite; record %s/%s --recreate makes it anew"


@dataclass(frozen=True, slots=True)
class Job:
    """Holds a row to write: its cells, and what is remembered of it."""

    row: Row
    cells: Cells
    known: Known | None = None
    record_id: str | None = None
    kept: frozenset[str] = frozenset()
    """Fields whose value in SmartSuite counts, so that they are not written."""

    @property
    def changed(self) -> Cells:
        """Returns the cells that differ from what the record was last given."""
        base = (self.known.base if self.known else None) or {}
        if self.known is None or self.known.record_id != self.record_id or self.known.base is None:
            return self.cells
        return {slug: cell for slug, cell in self.cells.items() if base.get(slug) != cell and slug not in self.kept}


@dataclass
class RecordWriter:
    """Creates and updates the records of one table."""

    parts: Parts
    suite: SmartSuite
    target: Target
    records: Records
    log: Log
    report: EntityReport
    listed: dict[str, list[str]] | None = None
    """Record ids by key, when all records of the table were listed before."""
    rule: str = OF_SOURCE
    recreates: bool = False
    """A record that was deleted in SmartSuite is made anew."""
    dry_run: bool = False
    look_again_s: Sequence[float] = field(default=LOOK_AGAIN_S)

    # Planning

    def plan(self, jobs: Sequence[Job], operation: str) -> None:
        """Notes in the report what would be done; of many rows the first alone are named."""
        self._count(f"{operation}d", jobs)
        labels, plans = self.target.table.labels, self.report.plans
        for job in jobs[: max(0, PLANS_KEPT - len(plans))]:
            changed = ", ".join(labels.get(slug, slug) for slug in job.changed)
            plans.append(f"{operation} {self.report.entity} {job.row.key}: {changed}")

    def _count(self, word: str, jobs: Sequence[Job]) -> None:
        for counts in (self.report, self.report.to_smartsuite or Done()):
            setattr(counts, word, getattr(counts, word) + len(jobs))

    # Creating

    def create(self, jobs: Sequence[Job]) -> None:
        """Creates the records of rows that have none, and adopts those that are there already."""
        found = self.find([job.row.key for job in jobs])
        adopted, new = [], []
        for job in jobs:
            ids = found.get(job.row.key, [])
            if len(ids) > 1:
                self.refuse([job], f"{len(ids)} records have this key: {', '.join(ids[:5])}")
            elif ids:
                adopted.append(Job(job.row, job.cells, job.known, ids[0]))
            else:
                new.append(job)
        self.update(adopted)
        if new:
            self._make(new)

    def find(self, keys: Sequence[str]) -> dict[str, list[str]]:
        """Returns the ids of the records that show these keys, by key."""
        if self.listed is not None:
            return {key: self.listed[key] for key in keys if key in self.listed}
        found: dict[str, list[str]] = {}
        key, wanted = self.target.key, set(keys)
        for some in batched(list(keys), BULK):
            for item in self.suite.find(self.target.table.id, key.slug, EXTERNAL_IDS[key.kind], some):
                # the search may pass over the case of letters
                if (shown := key_shown(item, key)) in wanted:
                    found.setdefault(shown, []).append(item["id"])
        return {shown: list(dict.fromkeys(ids)) for shown, ids in found.items()}

    def _make(self, jobs: Sequence[Job]) -> None:
        with self.parts.db.transaction() as tx:
            self.records.intend(tx, [job.row.key for job in jobs])
        sent = [{slug: cell for slug, cell in job.cells.items() if cell is not None} for job in jobs]
        try:
            answered = self.suite.create(self.target.table, sent)
        except ValuesRefused as exc:
            return self._after_refusal(jobs, exc)
        except CarriedOutOrNot:
            return self._after_silence(jobs)
        missing = self._note_made(jobs, _by_key(answered, self.target))
        if missing:
            self._after_silence(missing)

    def _note_made(self, jobs: Sequence[Job], found: dict[str, list[str]]) -> list[Job]:
        """Notes the records that are there. Returns the jobs without one."""
        made = [Job(job.row, job.cells, None, found[job.row.key][0]) for job in jobs if job.row.key in found]
        self._note(made, "create")
        self._count("created", made)
        return [job for job in jobs if job.row.key not in found]

    def _after_refusal(self, jobs: Sequence[Job], exc: ValuesRefused) -> None:
        """Finds out which records of a refused call exist, and makes the others one by one."""
        if len(jobs) == 1:
            return self.refuse(jobs, exc.message)
        for job in self._note_made(jobs, self._looked_up(jobs)):
            self._make([job])

    def _after_silence(self, jobs: Sequence[Job]) -> None:
        """Looks for the records of a call without an answer, several times; what is not found is tried again, alone."""
        left = list(jobs)
        for pause in self.look_again_s:
            self.suite.wait(pause, "SmartSuite did not say whether it made the records")
            left = self._note_made(left, self._looked_up(left))
            if not left:
                return
        # alone, and not there after all these looks: no second try in this run
        if len(jobs) == 1:
            self.report.set_aside += 1
            log.warning("%s: row %s: %s.", self.report.entity, jobs[0].row.key, IN_DOUBT)
            return
        for job in left:
            self._make([job])

    def _looked_up(self, jobs: Sequence[Job]) -> dict[str, list[str]]:
        self.listed = None
        return self.find([job.row.key for job in jobs])

    # Updating

    def update(self, jobs: Sequence[Job]) -> None:
        """Changes the fields of records that differ from what they were last given."""
        jobs = self._restored(jobs)
        with_news = [job for job in jobs if job.changed]
        self._note([job for job in jobs if not job.changed])
        self.report.unchanged += len(jobs) - len(with_news)
        for some in batched(with_news, BULK):
            jobs = self._without_kept(some)
            self._note([job for job in jobs if not job.changed])
            if left := [job for job in jobs if job.changed]:
                self._update(left)

    def _without_kept(self, jobs: Sequence[Job]) -> list[Job]:
        """Looks whether people have edited what is about to be written, and tells it; by rule their values stay."""
        linked = [job.record_id for job in jobs if job.record_id and job.known and job.known.base is not None]
        shown = by_id(self.suite.by_id(self.target.table.id, linked)) if linked else {}
        found = []
        for job in jobs:
            base = job.known.base if job.known else None
            edits = edits_of(self.target, shown.get(job.record_id or ""), base, job.changed)
            if edits:
                self._tell(job, edits)
            kept = frozenset(edit.slug for edit in edits) if self.rule == OF_SMARTSUITE else frozenset()
            found.append(replace(job, kept=kept))
        return found

    def _tell(self, job: Job, edits: Sequence[Edit]) -> None:
        self.report.conflicts += 1
        told = "; ".join(edit.words(self.rule) for edit in edits)
        log.warning("%s: row %s: %s.", self.report.entity, job.row.key, told)
        with self.parts.db.transaction() as tx:
            self.log.append(tx, [self._entry(job, "conflict", "conflict", told)])

    def _update(self, jobs: Sequence[Job], clear: Callable[[Job], Cells] | None = None) -> None:
        cells_of = clear or (lambda job: job.changed)
        try:
            self.suite.update(self.target.table, [{"id": job.record_id, **cells_of(job)} for job in jobs])
        except (ValuesRefused, CarriedOutOrNot) as exc:
            if len(jobs) > 1:
                for job in jobs:
                    self._update([job])
            elif isinstance(exc, SuiteRecordGone):
                self._without_record(jobs[0])
            # where null is refused, a field has a form of its own for nothing
            elif isinstance(exc, ValuesRefused) and clear is None and None in jobs[0].changed.values():
                self._update(jobs, self._emptied)
            else:
                self.refuse(jobs, exc.message)
            return
        self._note(jobs, "update")
        self._count("updated", jobs)

    def _without_record(self, job: Job) -> None:
        """Deals with a row whose record was deleted in SmartSuite."""
        if not self.recreates:
            return self.refuse([job], GONE % (self.report.entity, job.row.key))
        with self.parts.db.transaction() as tx:
            self.records.unlink(tx, [job.row.key])
        self.create([Job(job.row, job.cells)])

    def _restored(self, jobs: Sequence[Job]) -> list[Job]:
        """Takes the records of rows that have come back out of the recycle bin; what is not there is made anew."""
        found, gone = [], []
        for job in jobs:
            if job.known is None or not job.known.removed or job.record_id is None:
                found.append(job)
                continue
            try:
                self.suite.restore(self.target.table, job.record_id)
                found.append(job)
            except SuiteRecordGone:
                gone.append(Job(job.row, job.cells))
        if gone:
            self.create(gone)
        return found

    def _emptied(self, job: Job) -> Cells:
        fields = self.target.table.fields
        return {slug: empty_form(fields[slug]) if cell is None else cell for slug, cell in job.changed.items()}

    # Noting

    def cells_or_refusal(self, row: Row, known: Known | None) -> Job | None:
        """Returns the job of a row; None, and the row is refused, when a value fits no field."""
        try:
            cells = self.target.cells(row)
        except CellError as exc:
            self.refuse([Job(row, {}, known)], str(exc))
            return None
        return Job(row, cells, known, known.record_id if known else None)

    def refuse(self, jobs: Sequence[Job], reason: str) -> None:
        """Notes rows that are not written, and why."""
        self.report.errors += len(jobs)
        for job in jobs:
            log.warning("%s: row %s: %s.", self.report.entity, job.row.key, reason.rstrip("."))
        if self.dry_run:
            return
        with self.parts.db.transaction() as tx:
            self.records.refused(tx, {job.row.key: reason for job in jobs})
            self.log.append(tx, [self._entry(job, "refuse", "error", reason) for job in jobs])

    def _note(self, jobs: Sequence[Job], operation: str = "") -> None:
        """Notes rows as written. Without an operation nothing was sent."""
        if not jobs:
            return
        written = [Written(job.row.key, job.record_id or "", job.cells, job.row.hash) for job in jobs]
        with self.parts.db.transaction() as tx:
            self.records.written(tx, written)
            if operation:
                self.log.append(tx, [self._entry(job, operation, "success", "") for job in jobs])

    def _entry(self, job: Job, operation: str, status: str, message: Any) -> LogEntry:
        return LogEntry(operation, status, message, job.record_id, job.row.key, "smartsuite")


def _by_key(items: Sequence[Item], target: Target) -> dict[str, list[str]]:
    """Returns the ids of records by the key that they show."""
    found: dict[str, list[str]] = {}
    for item in items:
        found.setdefault(key_shown(item, target.key), []).append(str(item.get("id")))
    return found
