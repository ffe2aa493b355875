"""Turns canonical values into JSON, into text and into lists, with every digit of a number."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import orjson

from models import Value
from values.parsing import clean_text, in_utc, text_of, whole_number


def is_empty(value: Value) -> bool:
    """Says whether a value is empty: None, "", an empty list or object."""
    return value is None or (not value and isinstance(value, (str, list, tuple, dict)))


# --- JSON, for bases, columns of JSON and fingerprints --------------------------------------------------------------


def to_json(value: Value) -> Any:
    """Returns the value in kinds of JSON, with Decimal for exact numbers, which `dumps` writes digit by digit."""
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Decimal):
        return value if value.is_finite() else str(value)
    if isinstance(value, float):
        return to_json(Decimal(repr(value)))
    if isinstance(value, datetime):
        return in_utc(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (dict, Mapping)):
        return {clean_text(str(name)): to_json(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(part) for part in value]
    return str(value)


_UTC_WITH_Z = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC
_OTHER_ZONE = re.compile(rb'T\d\d:\d\d:\d\d[^Z"]*[+-]')
"""A moment that is not in UTC."""
_ODD_TIME = re.compile(rb'\.\d{5}"')
"""A time of day with 10 to 99 milliseconds, of which orjson 3.13 drops a zero."""


def filled(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a record without its empty values; 0 and false are none."""
    if all(record.values()):
        return record
    return {name: value for name, value in record.items() if value or not is_empty(value)}


def as_kept(record: Mapping[str, Any]) -> bytes:
    """Returns a record as links keep it: its filled fields, by name."""
    return dumps(filled(record), sort=True)


def dumps(value: Any, sort: bool = False) -> bytes:
    """Writes JSON of a canonical value, or of anything made of them, with every digit; names in order, if they are to be."""
    option = _UTC_WITH_Z | orjson.OPT_SORT_KEYS if sort else _UTC_WITH_Z
    try:
        text = orjson.dumps(value, default=_json_rest, option=option)
        if _OTHER_ZONE.search(text) is None and _ODD_TIME.search(text) is None:
            return text
        # what orjson writes otherwise, or a text that looks like it: `to_json` writes moments and times
        return orjson.dumps(value, default=_json_rest, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        # Integers beyond 64 bits and lone surrogates, which orjson refuses.
        return orjson.dumps(_with_fragments(to_json(value)))


def _json_rest(value: Any) -> Any:
    # what every record has some of
    if type(value) is Decimal and value.is_finite():
        return orjson.Fragment(plain_digits(value))
    value = to_json(value)
    return orjson.Fragment(plain_digits(value)) if isinstance(value, Decimal) else value


def _with_fragments(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_fragments(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_fragments(part) for part in value]
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return orjson.Fragment(plain_digits(Decimal(value)))
    return value


def plain_digits(number: Decimal) -> str:
    """Writes all the digits, unless that would be hundreds of zeros."""
    text = str(number)
    # Python writes an exponent only where there would be zeros.
    if "E" not in text:
        return text
    return f"{number:f}" if -400 < number.adjusted() < 400 else str(number)


def _whole_or_decimal(text: str) -> int | Decimal:
    # Python refuses to turn more than 4,300 digits into an int.
    return int(text) if len(text) < 4_000 else Decimal(text)


_EXACT = json.JSONDecoder(parse_float=Decimal, parse_int=_whole_or_decimal)


def loads_exact(text: str | bytes) -> Any:
    """Reads JSON with every number as int or Decimal."""
    return _EXACT.decode(text if isinstance(text, str) else bytes(text).decode())


# --- A value in another shape ---------------------------------------------------------------------------------------


def as_text(value: Value) -> str:
    """Returns the value as a user would write it."""
    if type(value) is str:
        return clean_text(value)
    value = to_json(value)
    if isinstance(value, Decimal):
        return plain_digits(value)
    if isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return clean_text(value if isinstance(value, str) else dumps(value).decode())


def as_list(value: Value) -> list[Any]:
    """Returns the parts of a value; a single value is its only part."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def ids_of(value: Value) -> list[int]:
    """Returns the ids of items or people."""
    return [whole_number(part.get("id") if isinstance(part, Mapping) else part) for part in as_list(value)]


def person_of(entry: Any) -> dict[str, Any]:
    """Returns a person or a team as id and kind; a bare id is a person's."""
    if not isinstance(entry, (dict, Mapping)):
        return {"id": whole_number(entry), "kind": "person"}
    return {"id": whole_number(entry.get("id")), "kind": text_of(entry.get("kind")) or "person"}


def is_set(value: Value) -> bool:
    """Says whether a flag is set; texts such as `yes` and `1` set it."""
    return value.strip().lower() in ("true", "t", "yes", "y", "1", "on", "v") if isinstance(value, str) else bool(value)
