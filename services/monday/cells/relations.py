"""Reads and writes cells that point at items or files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models import BoardColumn, Cell, Value
from services.monday.cells.shape import JsonMember, Reader, guarded, object_of
from values.comparing import ids_of
from values.parsing import CellError, clean_text, text_of, whole_number

NO_ITEM_YET = "has no item yet"
"""What keeps a cell waiting that points at a record."""


@guarded
def read_files(cell: Cell, column: BoardColumn) -> Value:
    files = object_of(cell).get("files")
    if not files:
        return None
    addresses = _file_addresses(cell.get("text"))
    in_order = addresses if len(addresses) == len(files) else [None] * len(files)
    pairs = zip(files, in_order, strict=True)
    return [_file(entry, addresses, spare) for entry, spare in pairs if type(entry) is dict]


def _file_addresses(text: Any) -> list[Any]:
    """`text` holds the lasting addresses, joined by commas that file names may contain too."""
    if not text:
        return []
    first, *others = clean_text(text).split(", http")
    return [None if "Signature=" in url else url for url in (first, *("http" + other for other in others))]


def _file(entry: Mapping[str, Any], addresses: list[Any], spare: str | None) -> dict[str, Any]:
    file_id = text_of(entry.get("assetId") or entry.get("fileId") or entry.get("objectId"))
    url = text_of(entry.get("linkToFile")) or next((one for one in addresses if one and f"/{file_id}/" in one), spare)
    return {"id": file_id or None, "name": text_of(entry.get("name")) or None, "url": url or None}


def reader_of_ids(typed: str) -> Reader:
    """Relations: their ids are in the typed field only; cells of before 2025-04 had them in `value`."""

    @guarded
    def read(cell: Cell, column: BoardColumn) -> Value:
        ids = cell.get(typed)
        if ids is None and cell.get("value"):
            ids = [entry.get("linkedPulseId") for entry in object_of(cell).get("linkedPulseIds") or () if entry]
        return [whole_number(one) for one in ids] if ids else None

    return read


def _item_ids(value: Value) -> list[int]:
    """Each once. A row that SQL has inserted has a key below zero until its item is made."""
    ids = list(dict.fromkeys(ids_of(value)))
    if unmade := [one for one in ids if one < 0]:
        raise CellError(f"the record {unmade[0]} {NO_ITEM_YET}")
    return ids


def write_relation(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return {"item_ids": _item_ids(value)}


def write_dependency(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return {"item_ids": [str(one) for one in _item_ids(value)]}
