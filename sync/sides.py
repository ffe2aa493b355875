"""States what the cycle asks of its two sides: where items are read (monday.com, a snapshot), and where rows are kept.

The client of monday.com and the record store of PostgreSQL fit these by their shape, and need not know of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from db_connector import Transaction
from mappings.declaration import Mapping as EntityMapping
from models import NO_CELLS, Board, Columns, Item, Pages, Record
from rows.homes import Holder, Stored, Upsert, Written
from services.monday.pages import READ_ALL, OnMalformed, ReadOptions
from services.monday.updates import UpdateFilter


class BoardReader(Protocol):
    """Reads a whole board."""

    def board(self, board_id: str | int) -> Board:
        """Returns a board with its columns and groups."""
        ...

    def pages(self, board_id: str | int, columns: Columns = NO_CELLS, options: ReadOptions = READ_ALL) -> Pages:
        """Yields all active items of a board, a page at a time."""
        ...

    def server_time(self) -> datetime:
        """Returns the present instant by the clock that stamps the items."""
        ...


class Destination(BoardReader, Protocol):
    """Reads boards, also in parts: what changed, single items, ids alone."""

    update_filter: UpdateFilter

    def changed_since(
        self, board_id: str | int, when: datetime, columns: Columns = NO_CELLS, options: ReadOptions = READ_ALL
    ) -> Pages:
        """Yields the active items last updated at `when` or later."""
        ...

    def items(
        self, ids: Iterable[str | int], columns: Columns = NO_CELLS, on_malformed: OnMalformed | None = None
    ) -> Iterator[list[Item]]:
        """Yields items by id, also archived and deleted items, with their `state`."""
        ...

    def listing(self, board_id: str | int, options: ReadOptions = READ_ALL) -> Pages:
        """Yields id, state and update time of every active item."""
        ...

    def item_count(self, board_id: str | int) -> int | None:
        """Returns how many items the board says it has now."""
        ...


class Source(Protocol):
    """Keeps records as rows, each with one root row."""

    owners: Mapping[str, EntityMapping]
    """All mappings, by entity: rows of several may be news for each other."""

    def load(self, tx: Transaction, root_ids: Sequence[str], any_entity: bool = False) -> dict[str, Stored]:
        """Returns the records of these root rows, by id. Rows of other entities are left out, unless `any_entity`."""
        ...

    def page_of_ids(self, tx: Transaction, after: str | None, limit: int) -> list[str]:
        """Returns the ids of the next root rows."""
        ...

    def root_key(self, record: Record) -> tuple[str, ...] | None:
        """Returns the values of the root's natural key, as they are compared; None when a value is empty."""
        ...

    def holders(
        self, tx: Transaction, keys: Sequence[tuple[str, ...]], new: int = 0, shown: bool = True
    ) -> dict[tuple[str, ...], Holder]:
        """Returns which item has the root row of each natural key, for keys whose row is there, and what the row has.

        `new`: so many of the records are new, and are written next. Without `shown` the rows themselves are not read.
        """
        ...

    def unlinked_with(self, tx: Transaction, name: str, values: Sequence[str]) -> dict[str, list[Stored]]:
        """Returns rows without an item that show one of these values in a field, by the value without case."""
        ...

    def shared_homes(self, tx: Transaction, records: Sequence[Stored]) -> dict[str, set[str]]:
        """Returns the related names under which records show rows that other records show too."""
        ...

    def write(self, tx: Transaction, upserts: Sequence[Upsert]) -> Written:
        """Writes records, and returns what that did. Afterwards `tell_others` is called, once their links are saved."""
        ...

    def tell_others(self, tx: Transaction, written: Written) -> None:
        """Marks records that show a shared row unlike it, now that other records have filled the row."""
        ...

    def set_status(self, tx: Transaction, statuses: Mapping[str, str]) -> None:
        """Shows on root rows how their records are."""
        ...

    def set_item_ids(self, tx: Transaction, items: Mapping[str, str]) -> None:
        """Shows on root rows which items they have."""
        ...

    def archive(self, tx: Transaction, root_ids: Sequence[str]) -> int:
        """Marks root rows as archived; returns how many were not yet."""
        ...

    def delete(self, tx: Transaction, root_ids: Sequence[str]) -> int:
        """Deletes root rows; returns how many there were."""
        ...
