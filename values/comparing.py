"""Compares values: the same value in another shape is no change. Only this module defines what "same" means."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from typing import Any

from models import Value
from values.canonical import as_list, as_text, ids_of, is_empty, is_set, person_of, to_json
from values.folding import bare, fold
from values.parsing import CellError, clock_time, day_of, exact_number, in_utc, moment_of, text_of

USUAL_COUNTRY_CODE = "1"
"""The country code of a phone number that is written without one, as monday.com reads it."""


def same(kind: str, a: Value, b: Value) -> bool:
    """Says whether two values are the same by a comparison or for a type of PostgreSQL; every empty value equals None."""
    if a is b:
        return True
    name = comparison(kind)
    if name != "flag" and (is_empty(a) or is_empty(b)):
        return _is_blank(a) and _is_blank(b)
    if type(a) is type(b) and a == b:
        return True
    try:
        return COMPARISONS[name](a, b)
    except (CellError, AttributeError, TypeError, KeyError, OverflowError):
        return bool(a == b)  # at least one of them is no value of this kind


def _is_blank(value: Value) -> bool:
    return is_empty(value) or (isinstance(value, str) and not bare(value))


def comparison(kind: str) -> str:
    """Returns the name in COMPARISONS for a type of PostgreSQL; a comparison stands for itself."""
    return _COMPARED_BY.get(kind) or _COMPARED_BY.get(kind.partition("(")[0].strip().lower(), "json")


# --- Single values --------------------------------------------------------------------------------------------------


def _same_text(a: Value, b: Value) -> bool:
    return (bare(a) if isinstance(a, str) else as_text(a)) == (bare(b) if isinstance(b, str) else as_text(b))


def same_email(a: Value, b: Value) -> bool:
    """Compares without case and outer blanks."""
    return fold(str(a)) == fold(str(b))


def _same_phone(a: Value, b: Value) -> bool:
    # monday.com keeps a number with and without `+`, separators, and the code of the country that it takes for granted.
    first, second = ("".join(filter(str.isalnum, str(number).lower())).removeprefix("00") for number in (a, b))
    # words instead of a number
    if not (first and second):
        return _same_text(a, b)
    short, long = sorted((first, second), key=len)
    national = len(short) >= 10 and not short.startswith(USUAL_COUNTRY_CODE)
    return short == long or (national and long == USUAL_COUNTRY_CODE + short)


def _same_number(a: Value, b: Value) -> bool:
    return exact_number(a) == exact_number(b)


def _same_flag(a: Value, b: Value) -> bool:
    return is_set(a) == is_set(b)


# --- Days and times -------------------------------------------------------------------------------------------------


def _instant(value: Value) -> datetime:
    """Returns the instant, to the second that a cell can hold; a date is its first instant."""
    if isinstance(value, str):
        value = day_of(value) if len(value) == 10 else moment_of(value)
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return in_utc(value).replace(microsecond=0)


def _same_moment(a: Value, b: Value) -> bool:
    return _instant(a) == _instant(b)


def _same_day(a: Value, b: Value) -> bool:
    return _instant(a).date() == _instant(b).date()


def _same_minute(a: Value, b: Value) -> bool:
    first, second = (value if isinstance(value, time) else clock_time(value) for value in (a, b))
    return (first.hour, first.minute) == (second.hour, second.minute)


# --- Several values: a cell holds each of them once, and in an order of its own -------------------------------------


def _same_labels(a: Value, b: Value) -> bool:
    first, second = ({bare(str(label)) for label in as_list(side)} for side in (a, b))
    return first == second


def _same_ids(a: Value, b: Value) -> bool:
    return set(ids_of(a)) == set(ids_of(b))


def _same_people(a: Value, b: Value) -> bool:
    first, second = ({(person["id"], person["kind"]) for person in map(person_of, as_list(side))} for side in (a, b))
    return first == second


def _same_files(a: Value, b: Value) -> bool:
    first, second = (sorted((str(file.get("id")), str(file.get("name"))) for file in as_list(side)) for side in (a, b))
    return first == second


# --- Objects --------------------------------------------------------------------------------------------------------


def _same_link(a: Value, b: Value) -> bool:
    first, second = (link if isinstance(link, Mapping) else {"url": link} for link in (a, b))
    return _link_parts(first) == _link_parts(second)


def _link_parts(link: Mapping[str, Any]) -> tuple[str, str]:
    url = bare(text_of(link.get("url")))
    return url, bare(text_of(link.get("text"))) or url


def _same_location(a: Value, b: Value) -> bool:
    # By address and coordinates: monday.com derives street, city and country when a user picks a place.
    return all(
        _same_number(a[name], b[name]) if a.get(name) and b.get(name) else a.get(name) == b.get(name)
        for name in ("lat", "lng")
    ) and same("text", a.get("address"), b.get("address"))


def _same_country(a: Value, b: Value) -> bool:
    return same_email(a.get("code"), b.get("code"))


def _same_colour(a: Value, b: Value) -> bool:
    first, second = (fold(str(colour)).removeprefix("#") for colour in (a, b))
    return first == second


def _same_json(a: Value, b: Value) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return all(same("json", a.get(name), b.get(name)) for name in a.keys() | b.keys())
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same("json", left, right) for left, right in zip(a, b, strict=True))
    a, b = to_json(a), to_json(b)
    return bare(a) == bare(b) if isinstance(a, str) and isinstance(b, str) else bool(a == b)


# --- Comparisons by name --------------------------------------------------------------------------------------------

COMPARISONS: dict[str, Callable[[Value, Value], bool]] = {
    "text": _same_text,
    "email": same_email,
    "phone": _same_phone,
    "number": _same_number,
    "whole": _same_number,
    "flag": _same_flag,
    "moment": _same_moment,
    "day": _same_day,
    "minute": _same_minute,
    "labels": _same_labels,
    "ids": _same_ids,
    "people": _same_people,
    "link": _same_link,
    "location": _same_location,
    "country": _same_country,
    "colour": _same_colour,
    "files": _same_files,
    "json": _same_json,
}

_COMPARED_BY: dict[str, str] = {
    # A field declared as a date may have a time of day, until its table column is known to have none.
    "date": "moment",
    **dict.fromkeys(("varchar", "character varying", "char", "citext", "uuid"), "text"),
    **dict.fromkeys(("numeric", "decimal", "double precision", "real"), "number"),
    **dict.fromkeys(("integer", "int", "bigint", "smallint"), "whole"),
    **dict.fromkeys(("timestamptz", "timestamp with time zone", "timestamp"), "moment"),
    **dict.fromkeys(("time", "time without time zone"), "minute"),
    **{"boolean": "flag", "bool": "flag", "text[]": "labels", "bigint[]": "ids"},
    **{name: name for name in COMPARISONS},
}
"""The comparison of a type of PostgreSQL, or a comparison named outright."""


# --- What a table column, or JSON, keeps of a value -----------------------------------------------------------------

_LONG = Context(prec=2_000)


def rounding(pg_type: str) -> Callable[[Value], Value] | None:
    """Returns what a table column of this type keeps of a number; None for a type that keeps every digit.

    PostgreSQL rounds `numeric` half away from zero, and keeps the nearest binary number in `real` and `double precision`.
    """
    name, _, digits = pg_type.partition("(")
    if name == "real":
        return lambda value: struct.unpack("f", struct.pack("f", float(exact_number(value))))[0]
    if name == "double precision":
        return lambda value: float(exact_number(value))
    if name == "numeric" and digits:
        step = Decimal(1).scaleb(-int(digits.rstrip(")").rpartition(",")[2]))
        return lambda value: exact_number(value).quantize(step, ROUND_HALF_UP, _LONG)
    return None


def _moment_or_day(value: Any) -> Value:
    return (day_of(value) if len(value) == 10 else moment_of(value)) if isinstance(value, str) else value


_FROM_JSON: dict[str, Callable[[Any], Value]] = {
    "number": exact_number,
    "whole": lambda value: int(number) if (number := exact_number(value)) == int(number) else number,
    "moment": _moment_or_day,
    "day": _moment_or_day,
    "minute": lambda value: clock_time(value) if isinstance(value, str) else value,
}


@cache
def _read_by(kind: str) -> Callable[[Any], Value] | None:
    return _FROM_JSON.get(comparison(kind))


def from_json(kind: str, value: Any) -> Value:
    """Returns the canonical value again. A value that is not of the kind, because a user wrote it, stays as it is."""
    if value is None or value == "":
        return None
    convert = _read_by(kind)
    if convert is None:
        return value
    try:
        return convert(value)
    except CellError:
        return value
