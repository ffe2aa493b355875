"""Reads a board: its pages, with one cursor or several; items by id; the ids of all; and whether items are really gone."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from contextlib import suppress
from datetime import datetime

from msgspec import Struct

from errors import CursorExpired, DatabaseError, Incomplete
from models import STATES_ONLY, Item, Page
from services.monday.pages import OnMalformed, ReadOptions
from services.monday.parallel_reading import ParallelReading
from state.listings import forget_abandoned
from sync.board import BoardSync
from sync.read_ahead import ReadAhead

LISTING_TRIES = 3
SOME = 100
"""How many items one call asks for by id."""


class Listing(Struct, frozen=True):
    """Holds under which name the ids of a board are kept, as they were listed, and how many they are."""

    pass_id: str
    count: int


def read_pages(
    sync: BoardSync,
    on_malformed: OnMalformed,
    read_ahead: ReadAhead,
    cursor: str | None = None,
    started: datetime | None = None,
) -> Iterator[Page]:
    """Yields the board's items a page at a time, from a cursor of a listing that began at `started`, or from the start."""
    options = ReadOptions(
        limit=sync.options.batch_size,
        cursor=cursor,
        started=started if cursor else None,
        on_malformed=on_malformed,
        prefetch=True,
        prepare=read_ahead.prepare,
        decode=read_ahead.decode,
    )
    return sync.destination.pages(sync.board.id, sync.bound.wanted, options)


def reads_in_parallel(sync: BoardSync) -> bool:
    """Returns whether the board is read with several cursors."""
    return bool(sync.board.groups) and cursors_for(sync) > 1


def cursors_for(sync: BoardSync) -> int:
    """Returns how many cursors a board is worth: one for each two pages. More would ask for pages that others bring."""
    count, most = sync.board.items_count, sync.options.max_workers
    return most if count is None else min(most, -(-count // sync.options.batch_size) // 2)


def in_parallel(sync: BoardSync, on_malformed: OnMalformed, read_ahead: ReadAhead) -> Iterable[list[Item]]:
    """Returns the board's items, read with several cursors."""

    def pages(group: str, params: Map[str, object]) -> Iterator[Page]:
        options = ReadOptions(
            limit=sync.options.batch_size,
            query_params=params or None,
            group=group,
            on_malformed=on_malformed,
            decode=read_ahead.decode,
        )
        return sync.destination.pages(sync.board.id, sync.bound.wanted, options)

    groups = [group_id for group_id, _ in sync.board.groups]
    status = {column.id for column in sync.board.columns if column.type == "status"} & set(sync.bound.column_ids)
    return ParallelReading(
        groups,
        pages,
        cursors_for(sync),
        total=sync.board.items_count or 0,
        status=sorted(status),
        prepare=read_ahead.prepare,
    )


def read_by_id(sync: BoardSync, ids: Sequence[str], on_malformed: OnMalformed | None = None) -> Iterator[list[Item]]:
    """Yields those of the items that are active items of the board."""
    for items in sync.destination.items(ids, sync.bound.wanted, on_malformed) if ids else ():
        yield [item for item in items if item.is_on(sync.board.id)]


# Ids


def new_pass() -> str:
    """Returns the name of a new listing."""
    return str(uuid.uuid4())


def list_ids(sync: BoardSync) -> Listing:
    """Lists every id and update time of the board; a listing that outlives its cursor starts again."""
    for tries_left in reversed(range(LISTING_TRIES)):
        pass_id, count = new_pass(), 0
        try:
            for page in sync.destination.listing(sync.board.id, ReadOptions(prefetch=True)):
                with sync.db.transaction() as tx:
                    sync.state.listings.note(tx, pass_id, page.items)
                    if page.cursor is None:  # the last page: its transaction is open anyway
                        count = sync.state.listings.count(tx, pass_id)
            break
        except CursorExpired:
            forget_listing(sync, pass_id)
            if not tries_left:
                raise
        except BaseException:
            with suppress(DatabaseError):
                forget_listing(sync, pass_id)
            raise
    return Listing(pass_id, count)


def count_listed(sync: BoardSync, pass_id: str) -> int:
    """Returns how many ids are noted under this name."""
    with sync.db.transaction(read_only=True) as tx:
        return sync.state.listings.count(tx, pass_id)


def forget_listing(sync: BoardSync, pass_id: str) -> None:
    """Deletes the ids that are noted under this name, and what killed processes have left of theirs."""
    with sync.db.transaction() as tx:
        sync.state.listings.delete(tx, pass_id)
        forget_abandoned(tx)


def larger_count(sync: BoardSync, listed: int) -> int | None:
    """Returns the board's own count when it is larger than its listing: that was cut short, or items are hidden."""
    first = sync.board.items_count
    if first is None or first <= listed:
        return None
    now = sync.destination.item_count(sync.board.id)
    with sync.db.transaction(read_only=True) as tx:
        # The count may not know yet of what went lately.
        lately = sync.state.listings.count_removed_lately(tx)
    return now if now is not None and now - lately > listed else None


def some_of(absent: Sequence[str]) -> Sequence[str]:
    """Returns as many of these items as one call asks for, spread evenly."""
    return absent[:: -(-len(absent) // SOME)] if absent else absent


def confirmed_gone(sync: BoardSync, absent: Sequence[str], listed: int) -> list[str]:
    """Returns the items that a listing lacks, once monday.com says of each that it is gone. Raises Incomplete.

    An item that does not come by its id either is gone for good, or hidden from the token. The board's own count tells:
    `listed` is how many the listing had.
    """
    here: list[str] = []
    unseen = len(absent)
    for items in sync.destination.items(absent, STATES_ONLY):
        here += [item.id for item in items if item.is_on(sync.board.id)]
        unseen -= len(items)
    claimed = sync.destination.item_count(sync.board.id) if unseen and not here else None
    if claimed is not None and claimed > listed:
        raise Incomplete(
            f"Board {sync.board.name} ({sync.board.id}) says that it has {claimed} items, and its listing has {listed};"
            f" {unseen} items that have rows are not shown, not even by their ids. Nothing was removed.",
            hint="The token's owner may not be allowed to see them: share them with the owner, or run again later.",
        )
    if here:
        # The listing was not whole.
        raise Incomplete(
            f"The listing of board {sync.board.name} ({sync.board.id}) left out {len(here)} items that exist,"
            f" such as {here[0]}; nothing was removed.",
            hint="Run again; monday.com's listings catch up after a while.",
        )
    return list(absent)
