"""Makes of a value what a field of SmartSuite takes that holds one text, number, time or choice, or a list of them.

Raises CellError, whose text says why a value does not fit; labels of choices become their ids.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

from models import Value
from services.smartsuite.structure import Field
from values.canonical import as_text, is_empty, is_set
from values.folding import fold
from values.parsing import CellError, clean_text, clock_time, exact_number, moment_of

UNNAMED = {
    "userfield": "no id, and the e-mail address of nobody in the workspace",
}
"""What is told of a name that was not found."""
RECORD_ID = re.compile(r"[0-9a-f]{24}")
DAY = timedelta(days=1)
SPAN = re.compile(r"(?:(?P<days>-?\d+) days? ?)?(?:(?P<sign>[+-]?)(?P<h>\d+):(?P<m>\d\d):(?P<s>\d\d(?:\.\d+)?))?")
"""A span of time as PostgreSQL writes it: `1 day 02:00:00`."""


def plain_text(value: Value) -> str:
    """Returns a value as text. Raises CellError for bytes that are none."""
    # as most values are
    if type(value) is str:
        return clean_text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise CellError("bytes that are no text") from None
    if isinstance(value, timedelta):
        return clock_text(value)
    return as_text(value)


def clock_text(value: timedelta) -> str:
    """Writes a span of time as hours, minutes and seconds."""
    seconds = int(abs(value).total_seconds())
    return f"{'-' if value < timedelta() else ''}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def line(field: Field, value: Value) -> str:
    """Writes a text in one line."""
    return " ".join(plain_text(value).splitlines())


def lines(field: Field, value: Value) -> str:
    """Writes a text with its lines."""
    return plain_text(value)


def document(field: Field, value: Value) -> dict[str, Any]:
    """Writes a SmartDoc, a paragraph for each line."""
    paragraphs = [
        {"type": "paragraph", "content": [{"type": "text", "text": line}]} if line else {"type": "paragraph"}
        for line in plain_text(value).split("\n")
    ]
    return {"data": {"type": "doc", "content": paragraphs}}


def texts(field: Field, value: Value) -> list[str]:
    """Writes a list of texts."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    return [plain_text(part).strip() for part in parts if not is_empty(part)]


def number_of(value: Value) -> Decimal:
    """Returns an exact number."""
    if isinstance(value, float) and not math.isfinite(value):
        raise CellError(f"not a number: {value}")
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, bool):
        return Decimal(int(value))
    return exact_number(value)


def digits(field: Field, value: Value) -> str:
    """Writes all digits without an exponent; zeros at the end of a fraction say nothing."""
    text = f"{number_of(value):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def scale(field: Field, value: Value) -> int | float:
    """Writes a number as JSON has it."""
    number = number_of(value)
    return int(number) if number == number.to_integral_value() else float(number)


def seconds(field: Field, value: Value) -> str:
    """Writes a span of time in seconds."""
    if isinstance(value, str) and ("day" in value or ":" in value) and (found := SPAN.fullmatch(value.strip())):
        clock = Decimal(found["s"] or 0) + 60 * int(found["m"] or 0) + 3600 * int(found["h"] or 0)
        value = 86_400 * int(found["days"] or 0) + (-clock if found["sign"] == "-" else clock)
    return digits(field, value.total_seconds() if isinstance(value, timedelta) else value)


def time_of_day(field: Field, value: Value) -> str:
    """Writes a time of day."""
    if isinstance(value, timedelta):
        if not timedelta() <= value < DAY:
            raise CellError(f"{clock_text(value)} is no time of a day; a duration field takes it")
        return clock_text(value)
    return (value if isinstance(value, time) else clock_time(plain_text(value))).strftime("%H:%M:%S")


def yes_no(field: Field, value: Value) -> bool:
    """Writes whether a value is set."""
    return is_set(value)


def moment(field: Field, value: Value) -> dict[str, Any]:
    """Writes a day, or a moment in UTC."""
    if isinstance(value, str) and re.fullmatch(r"\s*\d{4}-\d\d-\d\d\s*", value):
        try:
            value = date.fromisoformat(value.strip())
        except ValueError:
            raise CellError(f"no such day: {value.strip()}") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        return {"date": f"{value.isoformat()}T00:00:00Z", "include_time": False}
    at = value if isinstance(value, datetime) else moment_of(plain_text(value))
    at = at.astimezone(timezone.utc) if at.tzinfo else at
    return {"date": f"{at.replace(tzinfo=None).isoformat(timespec='seconds')}Z", "include_time": True}


def choice(field: Field, value: Value) -> str:
    """Returns the id of the choice with that label, or with that id; upper and lower case do not count at the last."""
    choices, wanted = field.choices, plain_text(value)
    found = field.ids_by_label.get(wanted) or [name for name in choices if name == wanted]
    found = found or [name for name, label in choices.items() if fold(label) == fold(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise CellError(f"{len(found)} choices are called {wanted[:60]!r}")
    known = ", ".join(choices.values())
    raise CellError(f"no choice {wanted[:60]!r}; there are {known[:300] or 'none'}")


def choice_list(field: Field, value: Value) -> list[str]:
    """Returns the ids of choices."""
    parts = value if isinstance(value, (list, tuple)) else plain_text(value).split(",")
    return [choice(field, part.strip() if isinstance(part, str) else part) for part in parts if not is_empty(part)]


def status(field: Field, value: Value) -> dict[str, str]:
    """Writes a status."""
    return {"value": choice(field, value)}


def references(field: Field, value: Value) -> list[str]:
    """Writes a list of ids."""
    found = texts(field, value if isinstance(value, (list, tuple)) else plain_text(value).split(","))
    for wrong in (part for part in found if not RECORD_ID.fullmatch(part)):
        raise CellError(f"{wrong[:40]!r} is {UNNAMED.get(field.kind, 'no id of SmartSuite (24 digits and letters)')}")
    return found


def colours(field: Field, value: Value) -> list[dict[str, str]]:
    """Writes a list of colours."""
    return [{"value": text} for text in texts(field, value)]
