"""Holds a row on its way to its record: what it is to hold, what is remembered of it, and what of it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from services.smartsuite.answers import Item
from services.smartsuite.shown import shows
from state.records import Known
from sync.queries.compare import Row
from sync.queries.target import Cells, Target


class Job(Struct, frozen=True):
    """Holds a row to write: its cells, and what is remembered of it."""

    row: Row
    cells: Cells
    known: Known | None = None
    record_id: str | None = None
    kept: frozenset[str] = frozenset()
    """Fields whose value in SmartSuite counts, so that they are not written."""
    held: frozenset[str] = frozenset()
    """Fields that wait for a user: they are not written, and keep their base."""

    @property
    def base(self) -> Cells | None:
        """Returns what the record was given last; None when that is not known."""
        if self.known is None or self.record_id is None or self.known.record_id != self.record_id:
            return None
        return self.known.base

    @property
    def waiting(self) -> frozenset[str]:
        """Returns the fields that keep the links they have until the record is there that the row names instead."""
        base = self.base or {}
        return frozenset(
            slug for slug in self.row.unlinked if set(base.get(slug) or ()) - set(self.cells.get(slug) or ())
        )

    @property
    def changed(self) -> Cells:
        """Returns the cells that differ from what the record was last given."""
        base, passed = self.base, self.kept | self.held | self.waiting
        if base is None:
            return self.cells
        return {slug: cell for slug, cell in self.cells.items() if base.get(slug) != cell and slug not in passed}

    @property
    def noted(self) -> Cells:
        """Returns what becomes the base when it is written."""
        base = self.base or {}
        return {**self.cells, **{slug: base.get(slug) for slug in self.held | self.waiting}}


def present_base(target: Target, job: Job, item: Mapping[str, Any]) -> Cells:
    """Returns the base, with what a call has written whose answer was lost."""
    base, sent = job.base or {}, (job.known.sent if job.known else None) or {}
    fields = target.table.fields
    return base | {
        slug: cell for slug, cell in sent.items() if slug in fields and shows(fields[slug], item.get(slug), cell)
    }


def is_ours(target: Target, known: Known, item: Item) -> bool:
    """Tells whether a record is the one that was about to be made: it shows something of that beside the key."""
    fields = target.table.fields
    told = {
        slug: cell
        for slug, cell in (known.base or {}).items()
        if slug in fields and slug != target.key.slug and not shows(fields[slug], None, cell)
    }
    return not told or any(shows(fields[slug], item.get(slug), cell) for slug, cell in told.items())
