"""Links rows that name records which were made later in the same run, and tells the rows whose links wait."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from msgspec import Struct, field

from services.smartsuite.client import BULK, PAGE
from sync.queries.compare import Row, Spool
from sync.queries.jobs import Job
from sync.queries.references import References
from sync.queries.unlinked import why_unlinked
from sync.queries.write import RecordWriter
from values.slices import batched
from values.wording import plural

log = logging.getLogger("monday_sync")

SHOWN = 5


class SecondPass(Struct):
    """Keeps the rows that name records which are not there, and links them when the others are written."""

    writer: RecordWriter
    references: References
    _rows: Spool = field(default_factory=Spool)

    def keep(self, rows: Sequence[Row]) -> None:
        """Keeps those of the rows that name records which are not there."""
        for row in rows:
            if row.unlinked:
                self._rows.add(row)

    def run(self) -> None:
        """Links what can be linked now; counts and tells the rows that wait."""
        writer, count, shown = self.writer, 0, list[str]()
        for rows in self._rows.pages(PAGE):
            # records of other tables are not made by this run
            self.references.resolve(rows, again=(writer.target.table.id,))
            jobs = self._written(rows)
            for some in batched([job for job in jobs if job.changed], BULK):
                writer.parts.stop.check()
                writer.update(some)
            waiting = [row for row in (rows if writer.dry_run else [job.row for job in jobs]) if row.unlinked]
            shown += [f"{row.key} ({why_unlinked(writer.target, row)})" for row in waiting[: SHOWN - len(shown)]]
            count += len(waiting)
        if count:
            rest = ", ..." if count > len(shown) else ""
            told = "%s: %s without links to records that are not there yet: %s%s."
            log.info(told, writer.report.entity, plural(count, "row"), ", ".join(shown), rest)
        if not writer.dry_run:
            writer.report.set_aside += count

    def _written(self, rows: Sequence[Row]) -> list[Job]:
        """Returns jobs of the rows that were written without a link. One that was refused is left alone."""
        writer = self.writer
        with writer.parts.db.transaction(read_only=True) as tx:
            known = writer.records.known(tx, [row.key for row in rows])
        found = [(row, known[row.key]) for row in rows if row.key in known and known[row.key].unlinked is not None]
        jobs = [writer.cells_or_refusal(row, remembered) for row, remembered in found]
        return [job for job in jobs if job is not None]

    def close(self) -> None:
        """Removes the file."""
        self._rows.close()
