"""Checks that both sides of the cycle can be replaced: by items in memory, and by records in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, cast

from msgspec import Struct, field
from msgspec.structs import replace

from db_connector import Database
from mappings.bound import bind
from mappings.declaration import Mapping as EntityMapping
from mappings.read_items import ItemReader
from models import Board, Item, Page, Pages, Record
from monday_api import Monday
from rows.homes import Holder, Stored, Upsert, Written, WrittenRecord
from services.monday.cells.kinds import MONDAY_KINDS
from services.monday.updates import UpdateFilter
from settings import Settings
from state.entity import EntityState
from sync.board import Opening, open_board
from sync.engine import Engine, Options
from sync.options import PullOptions
from sync.parts import Client, Parts
from sync.sides import Destination, Source
from sync_monday_to_pg import pull_board
from tests.kit.boards import board_for, item_of
from tests.kit.shipped import MAPPINGS

STAFF = MAPPINGS["users"]


class Shelf(Struct):
    """Items in memory."""

    shown: Board
    kept: dict[str, Item] = field(default_factory=dict)
    update_filter: UpdateFilter = field(default_factory=UpdateFilter)

    def put(self, number: int, at: str, **cells: Any) -> None:
        item = item_of(self.shown, number, None, at, **cells)
        self.kept[item.id] = item

    def board(self, board_id: str | int) -> Board:
        return replace(self.shown, items_count=len(self.kept))

    def pages(self, board_id: str | int, columns: object = None, options: object = None) -> Pages:
        yield Page(list(self.kept.values()), None)

    def listing(self, board_id: str | int, options: object = None) -> Pages:
        return self.pages(board_id)

    def changed_since(
        self, board_id: str | int, when: datetime, columns: object = None, options: object = None
    ) -> Pages:
        at = when.isoformat()
        yield Page([item for item in self.kept.values() if str(item.updated_at) >= at], None)

    def items(
        self, ids: Iterable[str | int], columns: object = None, on_malformed: object = None
    ) -> Iterator[list[Item]]:
        yield [self.kept[str(item_id)] for item_id in ids if str(item_id) in self.kept]

    def item_count(self, board_id: str | int) -> int | None:
        return len(self.kept)

    def server_time(self) -> datetime:
        return datetime.now(timezone.utc)


class Drawer(Struct):
    """Records in memory."""

    kept: dict[str, Record] = field(default_factory=dict)
    archived: set[str] = field(default_factory=set)
    owners: Mapping[str, EntityMapping] = field(default_factory=dict)

    def load(self, tx: object, root_ids: Sequence[str], any_entity: bool = False) -> dict[str, Stored]:
        found = [root_id for root_id in root_ids if root_id in self.kept]
        return {root_id: Stored(root_id, dict(self.kept[root_id]), {}, root_id in self.archived) for root_id in found}

    def page_of_ids(self, tx: object, after: str | None, limit: int) -> list[str]:
        return sorted(root_id for root_id in self.kept if root_id > (after or ""))[:limit]

    def root_key(self, record: Record) -> tuple[str, ...] | None:
        return (str(record["email"]),)

    def holders(
        self, tx: object, keys: Sequence[tuple[str, ...]], new: int = 0, shown: bool = True
    ) -> dict[tuple[str, ...], Holder]:
        return {}

    def unlinked_with(self, tx: object, name: str, values: Sequence[str]) -> dict[str, list[Stored]]:
        return {}

    def shared_homes(self, tx: object, records: Sequence[Stored]) -> dict[str, set[str]]:
        return {}

    def write(self, tx: object, upserts: Sequence[Upsert]) -> Written:
        written = []
        for upsert in upserts:
            root_id = upsert.stored.root_id if upsert.stored else f"row-{upsert.monday_id}"
            self.kept[root_id] = dict(upsert.record)
            written.append(WrittenRecord(upsert, root_id, {}))
        return Written(written)

    def tell_others(self, tx: object, written: Written) -> None:
        """There are no shared rows."""

    def set_status(self, tx: object, statuses: Mapping[str, str]) -> None:
        """Shows nothing."""

    def set_item_ids(self, tx: object, items: Mapping[str, str]) -> None:
        """Shows nothing."""

    def archive(self, tx: object, root_ids: Sequence[str]) -> int:
        self.archived.update(root_ids)
        return len(root_ids)

    def delete(self, tx: object, root_ids: Sequence[str]) -> int:
        return sum(self.kept.pop(root_id, None) is not None for root_id in root_ids)


def pull(db: Database, shelf: Destination, **options: Any) -> Any:
    """Pulls the staff from a shelf."""
    parts = Parts(Settings(), db, dict(MAPPINGS), Client(lambda: cast(Monday, shelf)))
    return pull_board(open_board(parts, STAFF, str(STAFF.board_id), Opening(PullOptions(**options))))


def test_items_of_any_destination_become_rows_and_follow_it(db: Database) -> None:
    shelf = Shelf(board_for(STAFF))
    shelf.put(1, "2026-01-01", first="Ann", email="ann@example.com")
    shelf.put(2, "2026-01-02", first="Bob", email="bob@example.com")
    assert (pull(db, shelf).created, pull(db, shelf).updated) == (2, 0)
    shelf.put(2, "2026-01-03", first="Bobby", email="bob@example.com")
    assert pull(db, shelf).updated == 1
    del shelf.kept["1"]
    assert pull(db, shelf, sweep=True).archived == 1


def test_records_of_any_source_are_decided_field_by_field(db: Database) -> None:
    board, drawer = board_for(STAFF), Drawer()
    source: Source = drawer
    reader = ItemReader(bind(STAFF, board, MONDAY_KINDS))
    state = EntityState(STAFF.entity_type, board.id)
    engine = Engine(db, reader, source, state, Options(write_monday=True))
    item = item_of(board, 1, None, "2026-01-01", first="Ann", email="ann@example.com")
    assert engine.take([item]).report.created == 1
    (root_id,) = drawer.kept
    name = next(field for field, value in drawer.kept[root_id].items() if value == "Ann")
    drawer.kept[root_id][name] = "Anna"
    (outgoing,) = engine.take([item], force=True).outgoing
    assert (outgoing.root_id, outgoing.fields, outgoing.wanted[name]) == (root_id, (name,), "Anna")
    engine.remove(["1"])
    assert engine.report.archived == 0  # the edit stays
    drawer.kept[root_id][name] = "Ann"
    engine.take([item], force=True)
    engine.remove(["1"])
    assert drawer.archived == {root_id}
