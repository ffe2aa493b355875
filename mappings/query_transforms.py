"""Makes what becomes of a column's values on their way to SmartSuite: `number`, `choice`, `date`, and the transforms of
boards that turn one value into one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from mappings.named_transforms import TRANSFORMS, make_transform
from models import Value
from values.canonical import is_empty
from values.parsing import CellError, exact_number

Change = Callable[[Value], Value]
"""Returns the value that is sent in the place of another. Raises CellError, which says why it cannot."""

ZERO_DATE = "0000-00-00"


def change_of(options: dict[str, Any]) -> Change:
    """Makes a change by its `type` and its other options. Raises ValueError that says what does not fit."""
    name = options.pop("type", None)
    if name in OWN:
        make, known = OWN[name]
        for option in options:
            if option not in known:
                raise ValueError(f"unknown option {option!r}; {name} knows {', '.join(known)}")
        return make(options)
    if not isinstance(name, str) or (name not in TRANSFORMS and ":" not in name):
        raise ValueError(f"`type` must be one of {', '.join(dict.fromkeys([*OWN, *TRANSFORMS]))}, not {name!r}")
    made = make_transform(name, options, columns=1, fields=1)
    return lambda value: made.read((value,))[0]


def _number(options: Mapping[str, Any]) -> Change:
    form = options.get("format", "float")
    if form not in ("float", "int"):
        raise ValueError(f"`format` must be float or int, not {form!r}")

    def change(value: Value) -> Value:
        if is_empty(value):
            return None
        text = value.strip().lstrip("$€£").replace(",", "") if isinstance(value, str) else value
        number = Decimal(repr(text)) if isinstance(text, float) else exact_number(text)
        return number.quantize(Decimal(1), ROUND_HALF_UP) if form == "int" else number

    return change


def _choice(options: Mapping[str, Any]) -> Change:
    given = options.get("value_map") or {}
    if not isinstance(given, Mapping):
        raise ValueError("`value_map` must hold `value in the database: choice`")
    words = {_word(value): choice for value, choice in given.items()}

    def change(value: Value) -> Value:
        if is_empty(value) and _word(value) not in words:
            return None
        return words.get(_word(value), options.get("default", value))

    return change


def _word(value: Any) -> str:
    # YAML reads yes and no as true and false, and a database has 1 and 0 for them.
    if isinstance(value, bool):
        return "1" if value else "0"
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def _date(options: Mapping[str, Any]) -> Change:
    form = options.get("format")
    if form is not None and not isinstance(form, str):
        raise ValueError("`format` must be a pattern such as %d.%m.%Y, or date, or datetime")

    def change(value: Value) -> Value:
        # how MySQL keeps a day that there is not
        if is_empty(value) or (isinstance(value, str) and value.startswith(ZERO_DATE)):
            return None
        if form and "%" in form and isinstance(value, str):
            value = _parsed(value, form)
        if form == "date" and isinstance(value, datetime):
            return (value.astimezone(timezone.utc) if value.tzinfo else value).date()
        if form == "datetime" and isinstance(value, date) and not isinstance(value, datetime):
            return datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
        return value

    return change


def _parsed(text: str, form: str) -> Value:
    try:
        moment = datetime.strptime(text.strip(), form)
    except ValueError:
        raise CellError(f"{text[:40]!r} is no date like {form}") from None
    has_time = any(part in form for part in ("%H", "%I", "%c", "%X", "%T", "%s"))
    return moment if has_time else moment.date()


OWN: Mapping[str, tuple[Callable[[Mapping[str, Any]], Change], tuple[str, ...]]] = {
    "number": (_number, ("format",)),
    "choice": (_choice, ("value_map", "default")),
    "date": (_date, ("format",)),
}
"""What only this pair knows, each with its options."""
