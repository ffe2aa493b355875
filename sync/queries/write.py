"""Writes the rows with news to SmartSuite, 25 a call. Each record that is refused costs itself only.

A record is created in four steps: it is looked up by its key, its intent is committed, the call is made, its answer is
committed. What dies between two of them leaves an intent, and the next run looks the record up before it makes it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import chain

from msgspec import Struct, field
from msgspec.structs import replace

from errors import CarriedOutOrNot, PartlyRefused, SuiteRecordGone, ValuesRefused
from models import LogEntry
from services.smartsuite.answers import Item
from services.smartsuite.cells import EXTERNAL_IDS, key_shown
from services.smartsuite.client import BULK, SmartSuite
from services.smartsuite.shown import shows
from services.smartsuite.structure import Table
from state.log import Log
from state.records import Known, Records
from sync.parts import Parts
from sync.queries.compare import Row
from sync.queries.edited import Editing, by_id
from sync.queries.forms import Forms
from sync.queries.jobs import Job, is_ours
from sync.queries.neighbours import Neighbours
from sync.queries.target import Cells, Target
from sync.queries.unlinked import why_unlinked, written_of
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
TAKEN = "%s fills the record with this key, %s: two syncs of one table need keys that differ"
GONE = "the record was deleted in SmartSuite; record %s/%s --recreate makes it anew"


class RecordWriter(Struct):
    """Creates and updates the records of one table."""

    parts: Parts
    suite: SmartSuite
    target: Target
    records: Records
    log: Log
    report: EntityReport
    editing: Editing
    forms: Forms
    neighbours: Neighbours
    listed: dict[str, list[str]] | None = None
    """Record ids by key, when all records of the table were listed before."""
    recreates: bool = False
    """A record that was deleted in SmartSuite is made anew."""
    dry_run: bool = False
    look_again_s: Sequence[float] = field(default=LOOK_AGAIN_S)
    _made: list[Job] = field(default_factory=list)
    """Rows whose records were made, and are not noted yet."""

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
        owners = self.neighbours.owners(list(chain(*found.values())))
        adopted, new = [], []
        for job in jobs:
            ids = found.get(job.row.key, [])
            if len(ids) > 1:
                self.refuse([job], f"{len(ids)} records have this key: {', '.join(ids[:5])}")
            elif ids and ids[0] in owners:
                self.refuse([job], TAKEN % (owners[ids[0]], ids[0]))
            elif ids:
                adopted.append(replace(job, record_id=ids[0]))
            else:
                new.append(job)
        self.update(self._adopted(adopted))
        if new:
            self._make(new)

    def _adopted(self, jobs: Sequence[Job]) -> list[Job]:
        """Gives a record that a run before was about to make the base it was made with: what people edited since is seen."""
        doubtful = [job for job in jobs if job.known and job.known.in_doubt and job.known.base is not None]
        found = [job for job in jobs if job not in doubtful]
        for some in batched(doubtful, BULK):
            shown = by_id(self.suite.by_id(self.target.table.id, [job.record_id or "" for job in some]))
            for job in some:
                item = shown.get(job.record_id or "")
                if job.known and item and is_ours(self.target, job.known, item):
                    job = replace(job, known=replace(job.known, record_id=job.record_id))
                found.append(job)
        return found

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
            self.records.intend(tx, {job.row.key: self.forms.made(job) for job in jobs})
        try:
            for some in batched(list(jobs), BULK):
                self.parts.stop.check()
                self._call(some)
        finally:
            # together, as their intents: what is lost by a kill is looked up by the next run
            made, self._made = self._made, []
            self._note(made, "create")

    def _call(self, jobs: Sequence[Job]) -> None:
        made = [self.forms.sent(self.forms.made(job)) for job in jobs]
        sent = [{slug: cell for slug, cell in cells.items() if cell is not None} for cells in made]
        try:
            answered = self.suite.create(self.target.table, sent)
        except PartlyRefused as exc:
            for job in self._note_made(jobs, _by_key(exc.made, self.target)):
                self._make([job])
            return None
        except ValuesRefused as exc:
            return self._after_refusal(jobs, exc)
        except CarriedOutOrNot:
            return self._after_silence(jobs)
        missing = self._note_made(jobs, _by_key(answered, self.target))
        if missing:
            self._after_silence(missing)

    def _note_made(self, jobs: Sequence[Job], found: dict[str, list[str]]) -> list[Job]:
        """Notes the records that are there. Returns the jobs without one."""
        made = [Job(job.row, job.cells, job.known, found[job.row.key][0]) for job in jobs if job.row.key in found]
        self._count("created", made)
        # what only an update can fill
        if later := [job for job in made if self.forms.later(job)]:
            self._note(made, "create")
            self._update(later, self.forms.later)
        else:
            self._made += made
        return [job for job in jobs if job.row.key not in found]

    def _after_refusal(self, jobs: Sequence[Job], exc: ValuesRefused) -> None:
        """Finds out which records of a refused call exist, and makes the others one by one."""
        if len(jobs) == 1:
            return self._make(jobs) if self.forms.other(jobs[0]) else self.refuse(jobs, exc.message, unmade=True)
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
        same = [job for job in jobs if not job.changed]
        self._note(same)
        self.editing.undone(same)
        self.report.unchanged += len(same)
        for some in batched(with_news, BULK):
            looked_at = self.editing.looked_at(some)
            self._note([job for job in looked_at if not job.changed])
            if left := [job for job in looked_at if job.changed]:
                self._send(left)

    def _send(self, jobs: Sequence[Job]) -> None:
        """Notes what is about to be written, so that it is known again when the answer is lost, and writes it."""
        linked = [job for job in jobs if job.known and job.known.record_id == job.record_id]
        with self.parts.db.transaction() as tx:
            self.records.sending(tx, [(job.row.key, job.base or {}, job.changed) for job in linked])
        self._update(jobs)

    def _update(self, jobs: Sequence[Job], cells: Callable[[Job], Cells] | None = None) -> None:
        cells_of = cells or (lambda job: job.changed)
        sent = [{"id": job.record_id, **self.forms.sent(cells_of(job))} for job in jobs]
        try:
            answered = self.suite.update(self.target.table, sent)
        except (ValuesRefused, CarriedOutOrNot) as exc:
            if len(jobs) > 1:
                for job in jobs:
                    self._update([job], cells)
            elif isinstance(exc, SuiteRecordGone):
                self._without_record(jobs[0])
            elif isinstance(exc, ValuesRefused) and self.forms.other(jobs[0]):
                self._update(jobs, cells)
            else:
                self.refuse(jobs, exc.message)
            return
        if len(jobs) > 1 and (left := unwritten(self.suite, self.target.table, sent, answered)):
            for job in (job for job in jobs if job.record_id in left):
                self._update([job], cells)
            jobs = [job for job in jobs if job.record_id not in left]
        self._note(jobs, "update")
        if cells is None:
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
        removed = [job for job in jobs if job.known and job.known.removed and job.record_id]
        if not removed:
            return list(jobs)
        with self.parts.db.transaction() as tx:
            self.records.restoring(tx, [job.row.key for job in removed])
        gone = [job for job in removed if not self._is_back(job.record_id or "")]
        if gone:
            self.create([Job(job.row, job.cells) for job in gone])
        return [job for job in jobs if job not in gone]

    def _is_back(self, record_id: str) -> bool:
        """Restores a record. It is not in the bin when it was deleted for good, or a run that was cut off restored it."""
        try:
            self.suite.restore(self.target.table, record_id)
        except ValuesRefused as exc:
            log.debug("%s", exc.message)
            return False
        return True

    # Noting

    def cells_or_refusal(self, row: Row, known: Known | None) -> Job | None:
        """Returns the job of a row; None, and the row is refused, when a value fits no field."""
        try:
            cells = self.target.cells(row)
        except CellError as exc:
            self.refuse([Job(row, {}, known)], str(exc))
            return None
        return Job(row, cells, known, known.record_id if known else None)

    def refuse(self, jobs: Sequence[Job], reason: str, unmade: bool = False) -> None:
        """Notes rows that are not written, and why. `unmade`: it is known that no record was made."""
        self.report.errors += len(jobs)
        for job in jobs:
            log.warning("%s: row %s: %s.", self.report.entity, job.row.key, reason.rstrip("."))
        if self.dry_run:
            return
        with self.parts.db.transaction() as tx:
            self.records.refused(tx, {job.row.key: job.row.hash for job in jobs}, reason, unmade)
            self.log.append(tx, [entry(job, "refuse", "error", reason) for job in jobs])

    def _note(self, jobs: Sequence[Job], operation: str = "") -> None:
        """Notes rows as written. Without an operation nothing was sent."""
        if not jobs:
            return
        news = {job.row.key for job in jobs if operation == "create" and self.forms.later(job)}
        written = [
            # what is to be filled yet is not in step
            replace(found, source_hash=None, unlinked=None) if found.key in news else found
            for found in (written_of(self.target, job.row, job.record_id or "", job.noted) for job in jobs)
        ]
        with self.parts.db.transaction() as tx:
            (self.records.made if operation == "create" else self.records.written)(tx, written)
            if operation:
                self.log.append(
                    tx, [entry(job, operation, "success", why_unlinked(self.target, job.row)) for job in jobs]
                )


def entry(job: Job, operation: str, status: str, message: str) -> LogEntry:
    """Returns what the log says of a row."""
    return LogEntry(operation, status, message, job.record_id, job.row.key, "smartsuite")


def unwritten(suite: SmartSuite, table: Table, sent: Sequence[Cells], answered: Sequence[Item]) -> set[str]:
    """Returns the records that a bulk update was to change and did not: its answer lacks them, and they show others."""
    missing = {str(cells["id"]): cells for cells in sent}
    for item in answered:
        missing.pop(str(item.get("id")), None)
    shown = by_id(suite.by_id(table.id, list(missing))) if missing else {}
    return {
        record_id
        for record_id, cells in missing.items()
        if record_id not in shown
        or not all(
            shows(table.fields[slug], shown[record_id].get(slug), cell) for slug, cell in cells.items() if slug != "id"
        )
    }


def _by_key(items: Sequence[Item], target: Target) -> dict[str, list[str]]:
    """Returns the ids of records by the key that they show."""
    found: dict[str, list[str]] = {}
    for item in items:
        found.setdefault(key_shown(item, target.key), []).append(str(item.get("id")))
    return found
