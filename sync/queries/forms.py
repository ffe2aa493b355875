"""Knows in which form cells are sent, where SmartSuite may take one form or another: the one it took is kept for the run."""

from __future__ import annotations

from typing import Any

from services.smartsuite.cells import FILLED_LATER, empty_form
from services.smartsuite.composite import as_texts
from services.smartsuite.structure import Field
from sync.queries.jobs import Job
from sync.queries.target import Cells, Target

RANGES = frozenset({"daterangefield", "duedatefield"})


def forms_of(field: Field, cell: Any) -> list[Any]:
    """Returns the forms in which SmartSuite may take a cell, the usual one first."""
    if cell is None:
        return [None, empty_form(field)]
    return [cell, as_texts(cell)] if field.kind in RANGES else [cell]


class Forms:
    """Makes what is sent of cells."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.ranges_as_texts = False
        self.nulls_as_empty = False
        """Each type has a form of its own for nothing, which is sent where SmartSuite takes no null."""
        self._tried: dict[str, int] = {}
        self._later = [named.slug for named in target.fields.values() if named.kind in FILLED_LATER]

    def sent(self, cells: Cells) -> Cells:
        """Returns cells as they are sent."""
        if not (self.ranges_as_texts or self.nulls_as_empty):
            return cells
        return {slug: self._form(slug, cell) for slug, cell in cells.items()}

    def _form(self, slug: str, cell: Any) -> Any:
        if cell is None and self.nulls_as_empty:
            return empty_form(self.target.table.fields[slug])
        return as_texts(cell) if cell and self.ranges_as_texts and self._kind(slug) in RANGES else cell

    def other(self, job: Job) -> bool:
        """Takes another form after a refusal of one row. Returns False when all were refused; the first one is back then."""
        changed = job.changed
        ranges = any(cell and self._kind(slug) in RANGES for slug, cell in changed.items())
        nulls = bool(job.record_id) and None in changed.values()
        steps = [*(["ranges"] * ranges), *(["nulls"] * nulls), *(["ranges"] * (ranges and nulls))]
        tried = self._tried.pop(job.row.key, 0)
        if tried < len(steps):
            self._tried[job.row.key] = tried + 1
            self._turn(steps[tried])
            return True
        for step in steps:
            self._turn(step)
        return False

    def _turn(self, step: str) -> None:
        if step == "ranges":
            self.ranges_as_texts = not self.ranges_as_texts
        else:
            self.nulls_as_empty = not self.nulls_as_empty

    def made(self, job: Job) -> Cells:
        """Returns the cells that a create may fill."""
        if not self._later:
            return job.cells
        return {slug: cell for slug, cell in job.cells.items() if slug not in self._later}

    def later(self, job: Job) -> Cells:
        """Returns the cells that only an update can fill."""
        if not self._later:
            return {}
        return {slug: cell for slug, cell in job.cells.items() if cell is not None and self._kind(slug) in FILLED_LATER}

    def _kind(self, slug: str) -> str:
        return self.target.table.fields[slug].kind
