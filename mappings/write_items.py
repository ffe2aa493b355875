"""Writes items: makes the cells for the values of a record that its item does not show yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map

from msgspec.structs import replace

from mappings.bound import BoundMapping
from mappings.declaration import ITEM_NAME, Binding
from models import Item, Record, Value
from values.comparing import same
from values.parsing import CellError, clean_text
from values.wording import NO_ITEM_YET


class CellWriter:
    """Writes the cells of one board."""

    def __init__(self, bound: BoundMapping) -> None:
        self.bound = bound
        self._columns = dict(bound.columns)

    def learn(self, type_name: str, settings: Map[str, object]) -> None:
        """Adds to the settings of all columns of a type, such as the account's tags, by which a value can be written.

        The writer changes: what is learned for the first value that needs it serves all later ones.
        """
        for name, column in self._columns.items():
            if column.type == type_name:
                self._columns[name] = replace(column, settings={**column.settings, **settings})

    def cells(self, names: Iterable[str], wanted: Record, agreed: Record, item: Item | None) -> dict[str, object]:
        """Returns column → what to send, so that the named fields show `wanted`; `agreed` is what they last showed.

        Raises CellError for a value that no cell could hold.
        """
        members: dict[str, object] = {}
        owner = self.bound.owner
        for binding in {id(owner[name]): owner[name] for name in names}.values():
            present = tuple(self._present(column, item) for column in binding.columns)
            after = self._after(binding, wanted, agreed, present)
            for column, old, new in zip(binding.columns, present, after, strict=True):
                if column in self._columns and not same(self.bound.column_kinds[column].compare, old, new):
                    members[column] = self._member(column, new, item)
        return members

    def item_name(self, record: Record) -> str:
        """Returns the name of an item made from a row: the first filled of the fields that may name it."""
        named = (record.get(name) for name in self.bound.mapping.item_name)
        return str(next((value for value in named if value), "") or "")

    def _present(self, column: str, item: Item | None) -> Value:
        if item is None:
            return None
        if column == ITEM_NAME:
            return clean_text(item.name)
        about, cell = self._columns.get(column), item.cells.get(column)
        return self.bound.column_kinds[column].read(cell, about) if about and cell is not None else None

    def _after(self, binding: Binding, wanted: Record, agreed: Record, present: Sequence[Value]) -> Sequence[Value]:
        """Returns what the columns of a binding are to show."""
        after: Sequence[Value] = tuple(wanted.get(name) for name in binding.fields)
        if binding.transform is not None:
            after = binding.transform.write(after, tuple(agreed.get(name) for name in binding.fields), present)
        if binding.link_to:
            return [self._item_shown(binding.link_to, key) for key in after]
        return after

    def _item_shown(self, entity: str, key: Value) -> Value:
        """Returns the item that stands for a row of another entity, as a cell shows it."""
        if key is None:
            return None
        found = self.bound.links.item_of(entity, str(key)) if self.bound.links else None
        if found is None:
            raise CellError(f"the {entity} record {key} {NO_ITEM_YET}")
        return [int(found)]

    def _member(self, column: str, value: Value, item: Item | None) -> object:
        about = self._columns[column]
        write = self.bound.column_kinds[column].write
        if write is None:
            raise CellError(f"column {column} ({about.title}): monday.com computes it, so it cannot be written")
        try:
            return write(value, about, item.cells.get(column) if item else None)
        except CellError as exc:
            raise type(exc)(f"column {column} ({about.title}): {exc}") from None
