"""Turns canonical values into JSON and back, with every digit of a number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import orjson

from models import Value
from values.parsing import clean_text, in_utc


def is_empty(value: Value) -> bool:
    """Nothing to say: None, "", an empty list or object."""
    return value is None or (not value and isinstance(value, (str, list, tuple, dict)))


# --- JSON: canonical values in bases and in `metadata` --------------------------------------------------------------


def to_json(value: Value) -> Any:
    """The value in kinds of JSON, with Decimal for exact numbers, which `dumps` writes without a float on the way."""
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
    if isinstance(value, Mapping):
        return {clean_text(str(name)): to_json(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(part) for part in value]
    return str(value)


def plain_digits(number: Decimal) -> str:
    """All the digits, unless that would be hundreds of zeros."""
    return f"{number:f}" if -400 < number.adjusted() < 400 else str(number)


def _json_rest(value: Any) -> Any:
    value = to_json(value)
    return orjson.Fragment(plain_digits(value)) if isinstance(value, Decimal) else value


def dumps(value: Any) -> bytes:
    """JSON of a canonical value, or of anything made of them, with every digit."""
    try:
        return orjson.dumps(value, default=_json_rest, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        # Integers beyond 64 bits and lone surrogates, which orjson refuses.
        return orjson.dumps(_with_fragments(to_json(value)))


def _with_fragments(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_fragments(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_fragments(part) for part in value]
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return orjson.Fragment(plain_digits(Decimal(value)))
    return value


def _whole_or_decimal(text: str) -> int | Decimal:
    # Python refuses to turn more than 4,300 digits into an int.
    return int(text) if len(text) < 4_000 else Decimal(text)


_EXACT = json.JSONDecoder(parse_float=Decimal, parse_int=_whole_or_decimal)


def loads_exact(text: str | bytes) -> Any:
    """JSON with every number as int or Decimal."""
    return _EXACT.decode(text if isinstance(text, str) else bytes(text).decode())
