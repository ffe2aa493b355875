"""Finds records by the text of a field: a filter of many `is` would else look at every record."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.smartsuite.account.record import Record


class Index:
    """Holds, for each field that was asked for, the ids of the records by their text."""

    def __init__(self) -> None:
        self._by_slug: dict[str, dict[str, set[str]]] = {}

    def add(self, record: Record) -> None:
        for slug, known in self._by_slug.items():
            value = record.values.get(slug)
            if isinstance(value, str):
                known.setdefault(value, set()).add(record.id)

    def remove(self, record: Record) -> None:
        for slug, known in self._by_slug.items():
            value = record.values.get(slug)
            if isinstance(value, str):
                known.get(value, set()).discard(record.id)

    def find(self, slug: str, value: str, records: Iterable[Record]) -> set[str]:
        """Returns the ids of the records with this text; the first question of a field reads all of them."""
        if slug not in self._by_slug:
            known: dict[str, set[str]] = {}
            for record in records:
                text = record.values.get(slug)
                if isinstance(text, str):
                    known.setdefault(text, set()).add(record.id)
            self._by_slug[slug] = known
        return self._by_slug[slug].get(value, set())
