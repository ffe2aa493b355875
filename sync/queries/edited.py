"""Finds what people have edited in SmartSuite since it was last written, before an update would cover it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.smartsuite.answers import Item
from services.smartsuite.shown import shows
from sync.queries.target import Cells, Target
from values.canonical import dumps
from values.wording import shortened

OF_SOURCE, OF_SMARTSUITE = "mysql", "smartsuite"


@dataclass(frozen=True, slots=True)
class Edit:
    """Holds a field that was changed on both sides: what it was given last, what it shows, what the source has."""

    slug: str
    label: str
    base: Any
    shown: Any
    new: Any

    def words(self, rule: str) -> str:
        """Says what was changed, and which value counts; both are named."""
        kept, lost = (self.shown, self.new) if rule == OF_SMARTSUITE else (self.new, self.shown)
        return f"{self.label} was changed on both sides: {_text(kept)} counts, {_text(lost)} does not"


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
