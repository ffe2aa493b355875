"""Makes of a value what a field of SmartSuite takes. None stands for an empty field.

Raises CellError, whose text says why a value does not fit; labels of choices become their ids.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

from models import Value
from services.smartsuite.structure import Field
from values.canonical import as_text, is_empty, is_set
from values.folding import fold
from values.parsing import CellError, clock_time, exact_number, moment_of

RECORD_ID = re.compile(r"[0-9a-f]{24}")
DAY = timedelta(days=1)
SPAN = re.compile(r"(?:(?P<days>-?\d+) days? ?)?(?:(?P<sign>[+-]?)(?P<h>\d+):(?P<m>\d\d):(?P<s>\d\d(?:\.\d+)?))?")
"""A span of time as PostgreSQL writes it: `1 day 02:00:00`."""


def cell_of(field: Field, value: Value) -> Any:
    """Returns the JSON to send for a value; None for an empty one."""
    if is_empty(value) and field.kind != "yesnofield":
        return None
    return WRITERS[field.kind](field, value)


def is_writable(field: Field) -> bool:
    """Tells whether the tool can fill this field."""
    return field.kind in WRITERS and not field.is_automatic


def empty_form(field: Field) -> Any:
    """Returns how a field is cleared where SmartSuite takes no null: its own form of nothing."""
    if field.kind in LISTS:
        return []
    return False if field.kind == "yesnofield" else ""


def _text(value: Value) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise CellError("bytes that are no text") from None
    if isinstance(value, timedelta):
        return _clock(value)
    return as_text(value)


def _clock(value: timedelta) -> str:
    seconds = int(abs(value).total_seconds())
    return f"{'-' if value < timedelta() else ''}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _line(field: Field, value: Value) -> str:
    return " ".join(_text(value).splitlines())


def _lines(field: Field, value: Value) -> str:
    return _text(value)


def _document(field: Field, value: Value) -> dict[str, Any]:
    paragraphs = [
        {"type": "paragraph", "content": [{"type": "text", "text": line}]} if line else {"type": "paragraph"}
        for line in _text(value).split("\n")
    ]
    return {"data": {"type": "doc", "content": paragraphs}}


def _texts(field: Field, value: Value) -> list[str]:
    parts = value if isinstance(value, (list, tuple)) else [value]
    return [_text(part).strip() for part in parts if not is_empty(part)]


def _number(value: Value) -> Decimal:
    if isinstance(value, float) and not math.isfinite(value):
        raise CellError(f"not a number: {value}")
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, bool):
        return Decimal(int(value))
    return exact_number(value)


def _digits(field: Field, value: Value) -> str:
    """Writes all digits without an exponent; zeros at the end of a fraction say nothing."""
    text = f"{_number(value):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _scale(field: Field, value: Value) -> int | float:
    number = _number(value)
    return int(number) if number == number.to_integral_value() else float(number)


def _seconds(field: Field, value: Value) -> str:
    if isinstance(value, str) and ("day" in value or ":" in value) and (found := SPAN.fullmatch(value.strip())):
        clock = Decimal(found["s"] or 0) + 60 * int(found["m"] or 0) + 3600 * int(found["h"] or 0)
        value = 86_400 * int(found["days"] or 0) + (-clock if found["sign"] == "-" else clock)
    return _digits(field, value.total_seconds() if isinstance(value, timedelta) else value)


def _time(field: Field, value: Value) -> str:
    if isinstance(value, timedelta):
        if not timedelta() <= value < DAY:
            raise CellError(f"{_clock(value)} is no time of a day; a duration field takes it")
        return _clock(value)
    return (value if isinstance(value, time) else clock_time(_text(value))).strftime("%H:%M:%S")


def _yes_no(field: Field, value: Value) -> bool:
    return is_set(value)


def _moment(field: Field, value: Value) -> dict[str, Any]:
    if isinstance(value, str) and re.fullmatch(r"\s*\d{4}-\d\d-\d\d\s*", value):
        try:
            value = date.fromisoformat(value.strip())
        except ValueError:
            raise CellError(f"no such day: {value.strip()}") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        return {"date": f"{value.isoformat()}T00:00:00Z", "include_time": False}
    moment = value if isinstance(value, datetime) else moment_of(_text(value))
    moment = moment.astimezone(timezone.utc) if moment.tzinfo else moment
    return {"date": f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z", "include_time": True}


def _due(field: Field, value: Value) -> dict[str, Any]:
    return {"from_date": None, "to_date": _moment(field, value)}


def _choice(field: Field, value: Value) -> str:
    """Returns the id of the choice with that label, or with that id; upper and lower case do not count at the last."""
    choices, wanted = field.choices, _text(value)
    exact = [name for name, label in choices.items() if label == wanted]
    found = exact or [name for name in choices if name == wanted]
    found = found or [name for name, label in choices.items() if fold(label) == fold(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise CellError(f"{len(found)} choices are called {wanted[:60]!r}")
    known = ", ".join(choices.values())
    raise CellError(f"no choice {wanted[:60]!r}; there are {known[:300] or 'none'}")


def _choices(field: Field, value: Value) -> list[str]:
    parts = value if isinstance(value, (list, tuple)) else _text(value).split(",")
    return [_choice(field, part.strip() if isinstance(part, str) else part) for part in parts if not is_empty(part)]


def _status(field: Field, value: Value) -> dict[str, str]:
    return {"value": _choice(field, value)}


def _references(field: Field, value: Value) -> list[str]:
    found = _texts(field, value if isinstance(value, (list, tuple)) else _text(value).split(","))
    for wrong in (part for part in found if not RECORD_ID.fullmatch(part)):
        raise CellError(f"{wrong[:40]!r} is no id of SmartSuite (24 digits and letters)")
    return found


def _colour(field: Field, value: Value) -> list[dict[str, str]]:
    return [{"value": text} for text in _texts(field, value)]


Writer = Callable[[Field, Any], Any]
WRITERS: Mapping[str, Writer] = {
    **dict.fromkeys(("recordtitlefield", "textfield"), _line),
    "textareafield": _lines,
    "richtextareafield": _document,
    **dict.fromkeys(("emailfield", "linkfield", "phonefield"), _texts),
    **dict.fromkeys(("numberfield", "currencyfield", "percentfield"), _digits),
    **dict.fromkeys(("numbersliderfield", "percentcompletefield", "ratingfield"), _scale),
    "durationfield": _seconds,
    "timefield": _time,
    "yesnofield": _yes_no,
    "datefield": _moment,
    "duedatefield": _due,
    "singleselectfield": _choice,
    "multipleselectfield": _choices,
    "statusfield": _status,
    **dict.fromkeys(("linkedrecordfield", "userfield", "tagsfield"), _references),
    "colorpickerfield": _colour,
}
"""How each type of field is filled that the tool can fill."""

LISTS = frozenset(
    {"emailfield", "linkfield", "phonefield", "multipleselectfield", "linkedrecordfield", "userfield", "tagsfield"}
    | {"colorpickerfield"}
)
EXTERNAL_IDS: Mapping[str, str] = {
    **dict.fromkeys(("recordtitlefield", "textfield", "textareafield"), "is"),
    "numberfield": "is_equal_to",
}
"""The types of field that can hold a row's key, and how a record is found by it."""


def key_shown(item: Mapping[str, Any], field: Field) -> str:
    """Returns the row's key that a record shows, as the tool writes it."""
    value = item.get(field.slug)
    if value is None or is_empty(value):
        return ""
    return _digits(field, value) if field.kind == "numberfield" else str(value)
