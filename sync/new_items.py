"""Makes new items of rows: their names, the text of their cells, and what cannot go along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from models import Record
from rows.homes import Stored
from services.monday.writes import json_text
from sync.board import BoardSync
from sync.task import NewItem
from values.parsing import CellError

NAME_LENGTH = 255


class DocumentRow(TypedDict):
    """Holds a new item as its document keeps it: cells are the text that is sent, so that the same can be sent again."""

    entity_id: str
    name: str
    values: str
    record: Record
    parent: str
    unsent: list[str]
    hash: str


class NewItems:
    """Makes the new items of one board."""

    def __init__(self, sync: BoardSync) -> None:
        self.sync = sync

    @property
    def sync_id(self) -> str | None:
        """Returns the board column that holds the row's key; None when the board has none."""
        mapping = self.sync.mapping
        column = mapping.sync_id[0] if mapping.sync_id else None
        return column if column in self.sync.bound.columns else None

    def of_rows(self, root_ids: Sequence[str]) -> list[NewItem]:
        """Returns a new item for each of these rows that is there."""
        with self.sync.db.transaction(read_only=True) as tx:
            stored = self.sync.engine.store.load(tx, root_ids)
        return [self._of(stored[root_id]) for root_id in root_ids if root_id in stored]

    def values(self, root_id: str, members: dict[str, Any]) -> str:
        """Returns the text of a new item's cells, with the row's key among them."""
        filled = {column: value for column, value in members.items() if value is not None}
        return json_text({**filled, **({self.sync_id: root_id} if self.sync_id else {})})

    def group(self) -> str | None:
        """Returns where new items go: the mapping's group, else the board's first."""
        wanted = self.sync.mapping.group
        known = [group_id for group_id, title in self.sync.board.groups if wanted in (group_id, title)]
        return known[0] if known else self.sync.board.groups[0][0] if self.sync.board.groups else None

    def _of(self, stored: Stored) -> NewItem:
        mapping = self.sync.mapping
        members, unsent, new_labels = self._members(stored)
        name = str(members.pop("name", None) or self.sync.cell_writer.item_name(stored.record)).strip()
        return NewItem(
            stored.root_id,
            (name or f"{mapping.entity_type} {stored.root_id[:8]}")[:NAME_LENGTH],
            self.values(stored.root_id, members),
            stored.record,
            str(stored.record.get(mapping.parent_field or "") or ""),
            tuple(unsent),
            tuple(new_labels),
        )

    def _members(self, stored: Stored) -> tuple[dict[str, Any], list[str], list[str]]:
        """Returns the cells, the fields that do not go along, and those whose labels are to be made."""
        bound, members = self.sync.bound, dict[str, Any]()
        unsent: list[str] = []
        new_labels: list[str] = []
        for binding in bound.bindings:
            fields = [name for name in binding.fields if name not in bound.read_only]
            try:
                cells = self.sync.cell_writer.cells(fields, stored.record, {}, None) if fields else {}
            # reported, and kept for another try, when it is written as a change
            except CellError:
                unsent += fields
                continue
            names_label = any(_names_a_label(member) for member in cells.values())
            # a label that the board lacks
            if names_label and not binding.create_labels:
                unsent += fields
                continue
            new_labels += fields if names_label else []
            members.update(cells)
        return members, unsent, new_labels


def _names_a_label(member: object) -> bool:
    """Returns whether a label is given by name: those that the board has are written by id."""
    return isinstance(member, dict) and ("label" in member or "labels" in member)
