"""Checks another service than monday.com: boards of words and amounts are bound, read and written by the same mappings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import Struct

from mappings.bound import BoundMapping, bind
from mappings.declaration import Kinds, Reader, Writer
from mappings.loader import load_mapping
from mappings.read_items import ItemReader
from mappings.write_items import CellWriter
from models import Board, BoardColumn, Cell, Item, Record, Value
from tests.kit.shipped import PROJECT
from values.comparing import comparison
from values.parsing import CellError

MAPPING = """
entity: sales
table: sales
board: {id: 77}
rest: more
fields:
  - {column: name, field: name}
  - {column: buyer, field: buyer}
  - {column: shout, field: shout, as: loud, read_only: ignore}
  - {column: price, field: price}
  - {column: total, field: total}
  - {column: __created_at__, field: made_at}
  - {columns: [first, last], field: seller, transform: join}
"""


class Kind(Struct, frozen=True):
    """Describes a kind of column of the other service; its cells hold one member, and not what monday.com calls it."""

    read: Reader
    write: Writer | None
    compare: str
    computed: bool = False


def read_word(cell: Cell, column: BoardColumn) -> Value:
    return cell["word"] or None


def write_word(value: Value, column: BoardColumn, cell: Cell | None) -> object:
    return {"word": value or ""}


def read_amount(cell: Cell, column: BoardColumn) -> Value:
    if not isinstance(cell["cents"], int):
        raise CellError(f"no cents: {cell['cents']!r}")
    return Decimal(cell["cents"]) / 100


def write_amount(value: Value, column: BoardColumn, cell: Cell | None) -> object:
    most = column.settings["most"]
    if value > most:
        raise CellError(f"more than {most}")
    return {"cents": int(value * 100)}


KINDS = {
    "name": Kind(read_word, write_word, "text"),
    "word": Kind(read_word, write_word, "text"),
    "amount": Kind(read_amount, write_amount, "number"),
    "sum": Kind(read_amount, None, "number", computed=True),
}


class OtherKinds:
    """Lists the kinds of column of the other service."""

    def of(self, type_name: str) -> Kind:
        return KINDS.get(type_name, Kind(lambda cell, column: dict(cell), None, "json"))

    def comparison(self, name: str) -> str:
        return "text" if name == "loud" else KINDS[name].compare if name in KINDS else comparison(name)

    def selection(self, type_names: Iterable[str]) -> str:
        return "+".join(sorted(set(type_names)))

    def reading(self, name: str) -> Reader | None:
        return (lambda cell, column: cell["word"].upper()) if name == "loud" else None

    def changed_at(self, cell: Cell | None) -> datetime | None:
        return cell.get("at") if cell else None


OTHER_KINDS: Kinds = OtherKinds()
NOON = datetime(2026, 5, 5, 12, tzinfo=timezone.utc)
BOARD = Board(
    "77",
    "Shelf",
    (
        BoardColumn("buyer", "Buyer", "word"),
        BoardColumn("shout", "Shout", "word"),
        BoardColumn("price", "Price", "amount", {"most": 1000}),
        BoardColumn("total", "Total", "sum"),
        BoardColumn("first", "First", "word"),
        BoardColumn("last", "Last", "word"),
        BoardColumn("colour", "Colour", "word"),
        BoardColumn("count", "Count", "sum"),
    ),
)
RECORD = {
    "name": "Lamp",
    "buyer": "Ann",
    "shout": "HEY",
    "price": Decimal("12.5"),
    "total": Decimal("25"),
    "made_at": NOON,
    "seller": "Bo Lee",
    "more:colour": "red",
}


@pytest.fixture
def bound(tmp_path: Path) -> BoundMapping:
    path = tmp_path / "sales.yaml"
    path.write_text(MAPPING)
    return bind(load_mapping(path), BOARD, OTHER_KINDS, {"sales": {"price": "numeric(12,1)"}})


@pytest.fixture
def item() -> Item:
    words = {"buyer": "Ann", "shout": "hey", "first": "Bo", "last": "Lee", "colour": "red"}
    cells: dict[str, Cell] = {column: {"word": word} for column, word in words.items()}
    cells |= {"price": {"cents": 1250, "at": NOON}, "total": {"cents": 2500}}
    return Item("i-1", "Lamp", "active", "2026-05-05T12:00:00Z", "2026-06-06T12:00:00Z", None, "77", None, cells)


def written(bound: BoundMapping, item: Item, **changed: Value) -> dict[str, object]:
    wanted: Record = {**RECORD, **changed}
    return CellWriter(bound).cells(list(changed), wanted, dict(RECORD), item)


def test_a_board_of_another_service_is_bound_by_its_own_kinds(bound):
    assert bound.column_ids == ["buyer", "colour", "first", "last", "price", "shout", "total"]
    assert bound.selection == "amount+sum+word"
    assert bound.kinds == {
        "name": "text",
        "buyer": "text",
        "shout": "text",
        "price": "number",
        "total": "number",
        "made_at": "moment",
        "seller": "text",
        "more:colour": "text",
    }
    assert bound.read_only == {"shout": "ignore", "total": "error", "made_at": "error"}
    assert bound.same("price", Decimal("12.52"), Decimal("12.5")), "the table keeps one decimal"


def test_its_item_becomes_a_record(bound, item):
    reader = ItemReader(bound)
    assert reader.read(item).record == RECORD
    assert reader.changed_at("price", item) == NOON
    assert reader.changed_at("buyer", item) == datetime(2026, 6, 6, 12, tzinfo=timezone.utc)
    digest = reader.fingerprint(item)[0]
    item.cells["colour"] = {"word": "blue"}
    assert reader.fingerprint(item)[0] != digest


def test_a_record_becomes_its_cells_and_only_those_that_changed(bound, item):
    writable = [name for name in bound.fields if name not in bound.read_only]
    assert CellWriter(bound).cells(writable, dict(RECORD), dict(RECORD), item) == {}
    assert written(bound, item, price=Decimal("7"), buyer="Cy") == {"price": {"cents": 700}, "buyer": {"word": "Cy"}}
    assert written(bound, item, seller="Bo Ray") == {"last": {"word": "Ray"}}
    assert written(bound, item, name="Desk") == {"name": {"word": "Desk"}}


def test_what_its_cells_cannot_say_or_hold_is_told_with_the_column(bound, item):
    with pytest.raises(CellError, match=r"column price \(Price\): more than 1000"):
        written(bound, item, price=Decimal("1001"))
    item.cells["price"] = {"cents": "many"}
    assert ItemReader(bound).read(item).unread == {"price": "column price (Price): no cents: 'many'"}


def test_mappings_load_no_service():
    script = """
import sys
import mappings.loader, mappings.bound, mappings.read_items, mappings.write_items, mappings.pointers
assert not [name for name in sys.modules if name.partition(".")[0] in ("services", "monday_api", "db_connector")]
"""
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True)
