"""Says which records a row names that are not there yet, and what is noted of such a row, which is written without links."""

from __future__ import annotations

from state.records import Written
from sync.queries.compare import Row
from sync.queries.references import linked_table
from sync.queries.target import Cells, Target
from values.wording import shortened


def why_unlinked(target: Target, row: Row) -> str:
    """Says which records a row names that are not there; "" when all are."""
    if not row.unlinked:
        return ""
    fields = target.table.fields
    told = [f"{fields[slug].label}: no record of {', '.join(names)} yet" for slug, names in row.unlinked.items()]
    return shortened("; ".join(told))


def written_of(target: Target, row: Row, record_id: str, base: Cells) -> Written:
    """Returns what is noted of a row whose record holds the base."""
    unlinked: dict[str, list[str]] = {}
    for slug, names in row.unlinked.items():
        unlinked.setdefault(linked_table(target.table.fields[slug]), []).extend(names)
    return Written(row.key, record_id, base, row.hash, unlinked or None, why_unlinked(target, row) or None)
