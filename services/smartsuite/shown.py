"""Compares what a record shows with what it was given: SmartSuite shows many values in another form than it takes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from services.smartsuite.structure import Field
from values.canonical import is_empty
from values.parsing import CellError, exact_number

NUMBERS = frozenset(
    {"numberfield", "currencyfield", "percentfield", "numbersliderfield", "percentcompletefield", "ratingfield"}
    | {"durationfield"}
)
ADDED = frozenset(
    {
        "updated_on",
        "include_time",
        "sys_root",
        "sys_title",
        "total_duration",
        "id",
        "location_longitude",
        "location_latitude",
    }
)
"""Parts of a value that SmartSuite adds, or does not keep as they were given."""


def shows(field: Field, shown: Any, cell: Any) -> bool:
    """Tells whether a record shows what it was given."""
    if field.kind in NUMBERS and not is_empty(shown) and not is_empty(cell):
        return _number(field, shown) == _number(field, cell)
    return bool(_plain(field, shown) == _plain(field, cell))


def _number(field: Field, value: Any) -> Any:
    """Returns a number as the field shows it: SmartSuite may round to the field's precision."""
    try:
        number = exact_number(value)
        precision = field.params.get("precision")
        if isinstance(precision, int) and 0 <= precision < 20:
            return number.quantize(Decimal(1).scaleb(-precision), ROUND_HALF_UP)
    except (CellError, ArithmeticError):
        return value
    return number


def _plain(field: Field, value: Any) -> Any:
    """Returns a value in one form, without what SmartSuite adds; None for every form of nothing."""
    if is_empty(value) or value is False:
        return None
    match field.kind:
        case "richtextareafield":
            return " ".join(_words(value.get("data"))) if isinstance(value, Mapping) else value
        case "phonefield":
            return sorted(_digits(part) for part in value) if isinstance(value, list) else value
        case "colorpickerfield":
            return [str(part.get("value")).upper() for part in value if isinstance(part, Mapping)]
        case "filefield":
            return [_file_name(part) for part in value] if isinstance(value, list) else value
        case "checklistfield":
            items = value.get("items") if isinstance(value, Mapping) else value
            return [_checked(part) for part in items] if isinstance(items, list) and items else None
        case "daterangefield" | "duedatefield":
            return {name: _day(value.get(name)) for name in ("from_date", "to_date") if _day(value.get(name))} or None
        case "recordtitlefield" | "textfield" | "textareafield":
            return " ".join(str(value).split()) or None
    return _without_added(value)


def _without_added(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {name: _without_added(part) for name, part in value.items() if name not in ADDED and not is_empty(part)}
        kept = {name: part for name, part in kept.items() if part is not None}
        if set(kept) == {"date"}:
            # with and without fractions of a second
            return str(kept["date"])[:19]
        return kept or None
    if isinstance(value, list):
        parts = [_without_added(part) for part in value]
        return sorted(parts) if all(isinstance(part, str) for part in parts) else parts
    return value


def _words(node: Any) -> list[str]:
    if not isinstance(node, Mapping):
        return []
    if node.get("type") == "text":
        return str(node.get("text", "")).split()
    return [word for part in node.get("content") or [] for word in _words(part)]


def _digits(part: Any) -> str:
    text = part.get("sys_root") or part.get("phone_number") if isinstance(part, Mapping) else part
    return "".join(letter for letter in str(text) if letter.isdigit())


def _file_name(part: Any) -> str:
    """Returns the name of a file that a record shows, or that the address has from which it was fetched."""
    if isinstance(part, Mapping):
        metadata = part.get("metadata")
        return str(metadata.get("filename", "")) if isinstance(metadata, Mapping) else ""
    return str(part).split("?")[0].rstrip("/").rpartition("/")[2]


def _checked(part: Any) -> tuple[str, bool]:
    content = part.get("content") if isinstance(part, Mapping) else None
    words = _words(content.get("data")) if isinstance(content, Mapping) else []
    return " ".join(words), bool(isinstance(part, Mapping) and part.get("completed"))


def _day(part: Any) -> str:
    text = part.get("date") if isinstance(part, Mapping) else part
    return "" if text is None else str(text)[:19]
