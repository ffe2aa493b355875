"""Knows of a history of a query and its table of SmartSuite what both sides may show at its end.

Every value that is written is a new one, so that a value says who wrote it. The oracle is a list of what was done; it asks
the tool nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct, field

from tests.kit.query_runs import QueryBench

FIELDS = ("title", "amount", "note", "due")
MYSQL, SMARTSUITE, MANUAL = "mysql", "smartsuite", "manual"


class Broken(AssertionError):
    """Says that a history ended badly."""


class Written(Struct):
    """Holds the last write of a field on each side, by its place in the history."""

    source: int = 0
    person: int = 0
    value: str = ""
    """What the person wrote."""
    emptied: bool = False


class Story(Struct):
    """Tells what was done with one key."""

    fields: dict[str, Written] = field(default_factory=lambda: {name: Written() for name in FIELDS})
    reborn: int = 0
    """When its row was deleted or made again last: edits by people before that may be gone with the record."""
    deleted_by_person: int = 0
    by_person: bool = False
    """A person made a record with the key."""


class Oracle(Struct):
    """Holds the stories of all keys, and judges the end."""

    rule: str
    on_row_removed: str
    on_record_removed: str
    stories: dict[str, Story] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    at: int = 0

    def tell(self, *words: Any) -> int:
        """Notes what is done. Returns its place in the history."""
        self.at += 1
        self.told.append(" ".join(map(str, words)))
        return self.at

    def story(self, key: str) -> Story:
        return self.stories.setdefault(key, Story())

    def row_written(self, key: str, names: Iterable[str]) -> None:
        for name in names:
            self.story(key).fields[name].source = self.at

    def row_begins_or_ends(self, key: str) -> None:
        self.story(key).reborn = self.at

    def person_wrote(self, key: str, name: str, value: str) -> None:
        written = self.story(key).fields[name]
        written.person, written.value = self.at, value

    # The end

    def judge(self, bench: QueryBench) -> None:
        """Raises Broken when the sides differ where nothing excuses it, or something is doubled or lost."""
        rows, items = bench.rows(), bench.items()
        keys = [item["key"] for item in items]
        for key in {key for key in keys if keys.count(key) > 1}:
            raise Broken(f"the record of {key} is there {keys.count(key)} times")
        shown = {item["key"]: item for item in items}
        kept = bench.sql("select entity_id, field from sync_conflicts")
        conflicts = {(row["entity_id"], row["field"]) for row in kept}
        for key, item in shown.items():
            if key not in rows and not self._may_stay(key):
                raise Broken(f"{key} has a record and no row")
            if key in rows:
                self._compare(key, rows[key], item, conflicts)
        for key in rows.keys() - shown.keys():
            if not self._may_lack(key):
                raise Broken(f"{key} has a row and no record")

    def _may_stay(self, key: str) -> bool:
        return self.on_row_removed == "ignore" or self.story(key).by_person

    def _may_lack(self, key: str) -> bool:
        story = self.story(key)
        if not story.deleted_by_person:
            return False
        newest = max(written.source for written in story.fields.values())
        return self.on_record_removed == "hold" or newest < story.deleted_by_person

    def _compare(self, key: str, row: dict[str, str], item: dict[str, str], conflicts: set[tuple[str, str]]) -> None:
        story = self.story(key)
        for name in FIELDS:
            written, shows = story.fields[name], item[name]
            by_person = bool(written.person) and shows == written.value
            if shows != row[name] and not by_person:
                raise Broken(f"{name} of {key} shows {shows!r}; the row has {row[name]!r}")
            # the record may have been another one since
            if not written.person or written.person < story.reborn or story.deleted_by_person or story.by_person:
                continue
            noted = (key, name) in conflicts
            if by_person and written.source > written.person and self.rule == MYSQL and shows != row[name]:
                raise Broken(f"{name} of {key} still shows {shows!r}, though the row has {row[name]!r} since")
            if by_person and written.source > written.person and shows != row[name] and not noted:
                raise Broken(f"{name} of {key} was changed on both sides, and no conflict tells it")
            if not by_person and self.rule != MYSQL:
                raise Broken(f"{name} of {key} shows {shows!r}, and no more {written.value!r}, which a person wrote")
            if not by_person and not noted:
                raise Broken(f"{written.value!r} as {name} of {key} was overwritten, and no conflict tells it")
