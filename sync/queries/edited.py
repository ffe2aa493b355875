"""Finds what people have edited in SmartSuite since it was last written, before an update would cover it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from models import LogEntry
from services.smartsuite.answers import Item
from services.smartsuite.client import SmartSuite
from services.smartsuite.shown import shows
from state.held import Disputed, Held
from state.log import Log
from sync.parts import Parts
from sync.queries.jobs import Job, present_base
from sync.queries.target import Cells, Target
from sync.report import EntityReport
from values.canonical import dumps
from values.wording import shortened

log = logging.getLogger("monday_sync")

OF_SOURCE, OF_SMARTSUITE, BY_HAND = "mysql", "smartsuite", "manual"


class Edit(Struct, frozen=True):
    """Holds a field that was changed on both sides: what it was given last, what it shows, what the source has."""

    slug: str
    label: str
    base: Any
    shown: Any
    new: Any

    def words(self, rule: str) -> str:
        """Says what was changed, and which value counts; both are named."""
        if rule == BY_HAND:
            return (
                f"{self.label} was changed on both sides and waits for you: the source has {_text(self.new)},"
                f" SmartSuite shows {_text(self.shown)}"
            )
        kept, lost = (self.shown, self.new) if rule == OF_SMARTSUITE else (self.new, self.shown)
        return f"{self.label} was changed on both sides: {_text(kept)} counts, {_text(lost)} does not"


class Editing(Struct, frozen=True):
    """Looks at records before they are written, and deals with what people have edited there by the sync's rule."""

    parts: Parts
    suite: SmartSuite
    target: Target
    log: Log
    held: Held
    report: EntityReport
    rule: str = OF_SOURCE

    def looked_at(self, jobs: Sequence[Job]) -> list[Job]:
        """Returns the jobs with their present base, and without the fields that are not to be written; tells edits."""
        linked = [job.record_id for job in jobs if job.record_id and job.base is not None]
        shown = by_id(self.suite.by_id(self.target.table.id, linked)) if linked else {}
        return [
            self._one(job, shown[job.record_id]) if job.record_id in shown and job.base is not None else job
            for job in jobs
        ]

    @property
    def _columns(self) -> dict[str, str]:
        """Returns the columns by the field that each fills."""
        return {self.target.key.slug: self.target.key.label} | {
            field.slug: column for column, field in self.target.fields.items()
        }

    def _one(self, job: Job, item: Item) -> Job:
        base = present_base(self.target, job, item)
        assert job.known is not None
        present = replace(job, known=replace(job.known, base=base))
        edits = edits_of(self.target, item, base, present.changed)
        slugs = frozenset(edit.slug for edit in edits)
        self.undone([job], [self._columns[slug] for slug in slugs])
        if edits:
            self._tell(job, edits, item)
        if self.rule == BY_HAND:
            return replace(present, held=slugs)
        return replace(present, kept=slugs if self.rule == OF_SMARTSUITE else frozenset())

    def undone(self, jobs: Sequence[Job], but: Collection[str] = ()) -> None:
        """Ends what has waited for a user in these rows, and is a conflict no more; `but` names the columns that wait."""
        if self.rule == BY_HAND and jobs:
            with self.parts.db.transaction() as tx:
                self.held.agreed(tx, [job.row.key for job in jobs], list(but))

    def _tell(self, job: Job, edits: Sequence[Edit], item: Item) -> None:
        self.report.conflicts += 1
        self.report.held += self.rule == BY_HAND
        told = "; ".join(edit.words(self.rule) for edit in edits)
        log.warning("%s: row %s: %s.", self.report.entity, job.row.key, told)
        updated = item.get("last_updated")
        edited_at = _moment(updated.get("on")) if isinstance(updated, Mapping) else None
        disputed = [
            Disputed(
                job.row.key, job.record_id or "", self._columns[edit.slug], edit.base, edit.shown, edit.new, edited_at
            )
            for edit in edits
        ]
        with self.parts.db.transaction() as tx:
            self.log.append(tx, [LogEntry("conflict", "conflict", told, job.record_id, job.row.key, "smartsuite")])
            self.held.save(tx, disputed, self.rule, job.row.changed_at)


def edits_of(target: Target, item: Item | None, base: Mapping[str, Any] | None, changed: Cells) -> list[Edit]:
    """Returns the fields about to be written that show neither what they were given last nor what they are to show."""
    if item is None or base is None:
        return []
    fields = target.table.fields
    return [
        Edit(slug, fields[slug].label, base.get(slug), item.get(slug), cell)
        for slug, cell in changed.items()
        if not shows(fields[slug], item.get(slug), base.get(slug)) and not shows(fields[slug], item.get(slug), cell)
    ]


def by_id(items: Sequence[Item]) -> dict[str, Item]:
    """Returns records by their ids."""
    return {str(item.get("id")): item for item in items}


def _text(value: Any) -> str:
    return shortened(dumps(value).decode(), 80)


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
