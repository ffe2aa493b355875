"""Reads and writes cells of labels, tags and check marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from models import BoardColumn, Cell, Value
from services.monday.cells.shape import JsonMember, decoded, guarded, object_of
from values.canonical import as_list, as_text, is_set
from values.parsing import CellError, clean_text, excerpt, text_of


class UnknownTag(CellError):
    """Refuses the name of a tag whose id is not known."""


# --- Labels of status and dropdown columns --------------------------------------------------------------------------


class Labels(Struct, frozen=True):
    """Holds the labels of a column: names by id, of every label; ids by name, of those that may still be chosen."""

    names: dict[Any, str]
    """Each id is there twice, as a number and as a text: cells have both."""
    ids: dict[str, int]


def labels_in(column: BoardColumn) -> Labels:
    """Returns the labels of a status or dropdown column; its settings are parsed once."""
    labels: Labels | None = column.parsed.get("labels")
    if labels is None:
        labels = column.parsed["labels"] = _parsed_labels(decoded(column.settings))
    return labels


def _parsed_labels(settings: Any) -> Labels:
    """Reads `settings` (a list of objects) and the older `settings_str` (a map, or nested once more)."""
    settings = settings if isinstance(settings, Mapping) else {}
    if "labels" not in settings and isinstance(settings.get("settings"), Mapping):
        settings = settings["settings"]
    retired = {str(label_id) for label_id in settings.get("deactivated_labels") or ()}
    names: dict[Any, str] = {}
    ids: dict[str, int] = {}
    for label_id, name, deactivated in _label_entries(settings.get("labels") or ()):
        names[label_id] = names[str(label_id)] = name
        if name.strip() and not deactivated and str(label_id) not in retired:
            ids.setdefault(name, label_id)
            ids.setdefault(name.strip(), label_id)
    return Labels(names, ids)


def _label_entries(labels: Any) -> Iterable[tuple[int, str, bool]]:
    pairs = labels.items() if isinstance(labels, Mapping) else ((None, entry) for entry in labels)
    for key, entry in pairs:
        if not isinstance(entry, Mapping):
            entry = {"label": entry}
        label_id = entry.get("id", key)
        if str(label_id).isdecimal():
            name = entry.get("label", entry.get("name"))
            yield int(label_id), text_of(name), bool(entry.get("is_deactivated"))


# --- Reading --------------------------------------------------------------------------------------------------------


def read_status(cell: Cell, column: BoardColumn) -> Value:
    """Reads the label that is shown."""
    text = cell.get("text")
    if text:
        return text if text.isascii() and "\0" not in text else clean_text(text) or None
    if not cell.get("value"):
        return None
    return _label_by_index(cell, column)


@guarded
def _label_by_index(cell: Cell, column: BoardColumn) -> Value:
    # The blank grey label has an index and no text.
    return labels_in(column).names.get(object_of(cell).get("index")) or None


@guarded
def read_dropdown(cell: Cell, column: BoardColumn) -> Value:
    """Reads the chosen labels by their ids, because a label may hold the comma that `text` joins them with."""
    ids = object_of(cell).get("ids")
    if not ids:
        return None
    text = cell.get("text")
    if text and len(ids) == 1:
        return [clean_text(text)]
    names = labels_in(column).names
    labels = [names.get(label_id) for label_id in ids]
    if None not in labels:
        return labels
    return _listed(cell.get("values"), "label", text, ids)


@guarded
def read_tags(cell: Cell, column: BoardColumn) -> Value:
    """Reads the names of the tags."""
    ids = object_of(cell).get("tag_ids")
    return _listed(cell.get("tags"), "name", cell.get("text"), ids) if ids else None


def _listed(entries: Any, key: str, text: Any, ids: list[Any]) -> list[str]:
    """Takes names from the typed field; else from `text`, if it has as many parts as there are ids; else the ids."""
    names = [text_of(entry.get(key)) for entry in entries or () if entry]
    if len(names) != len(ids):
        # one name may hold the comma that stands between several
        names = [text_of(text)] if len(ids) == 1 else text_of(text).split(", ")
    return names if len(names) == len(ids) else [str(label_id) for label_id in ids]


def read_checkbox(cell: Cell, column: BoardColumn) -> Value:
    """Reads whether the mark is set; a cell that was never touched is empty."""
    value = cell.get("value")
    if not value:
        return True if cell.get("text") else None
    checked = object_of(cell).get("checked")
    return None if checked is None else checked is True or str(checked).lower() == "true"


# --- Writing --------------------------------------------------------------------------------------------------------


def _label_of(value: Value) -> str:
    """Returns the name of a label. A null, a list or an object names none."""
    if value is None or isinstance(value, (Mapping, list, tuple)):
        raise CellError(f"this is no label: {excerpt(value)}")
    return as_text(value)


def write_status(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes a known label by its id, a new label by its name."""
    label = _label_of(value)
    ids = labels_in(column).ids
    found = ids.get(label, ids.get(label.strip()))
    if found is not None:
        return {"index": found}
    if label.strip().isdecimal():
        # monday.com would take the digits for the number of a label.
        raise CellError(f"no label {excerpt(label)} in this column")
    return {"label": label.strip()} if label.strip() else None


def write_dropdown(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes labels by their ids when all of them are known, else by their names."""
    ids = labels_in(column).ids
    parts = value.split(",") if isinstance(value, str) and value.strip() not in ids else as_list(value)
    labels = [text for text in (_label_of(label).strip() for label in parts) if text]
    if all(label in ids for label in labels):
        return {"ids": [ids[label] for label in labels]} if labels else None
    return {"labels": labels}


def write_checkbox(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes the mark; a mark that is not set is an empty cell."""
    return {"checked": "true"} if is_set(value) else None


def write_tags(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes tags by id; a name is known from the account's list, if it was read, or if the cell has it already."""
    known = dict(column.settings.get("tags") or {})
    if cell:
        known |= dict(zip(read_tags(cell, column) or (), object_of(cell).get("tag_ids") or (), strict=True))
    ids = []
    for tag in as_list(value):
        if isinstance(tag, (Mapping, list, tuple)) or tag is None:
            raise CellError(f"this is no tag: {excerpt(tag)}")
        tag_id = known.get(tag, tag)
        if not str(tag_id).strip().isdecimal():
            raise UnknownTag(f"the account has no tag {excerpt(tag)}; a new one is written by its id")
        ids.append(int(tag_id))
    return {"tag_ids": ids}
