"""Reads values from the text that a computed cell shows: a mirror or a formula says what it shows, not what it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import time

from models import Value
from values.parsing import CellError, clock_time, day_of, exact_number, moment_of

GROUPED = re.compile(r"[-+]?\d{1,3}((,\d{3})+\.\d+|(,\d{3}){2,}|([ \u00a0\u202f]\d{3})+(\.\d+)?)")
"""A number with its thousands apart, where that cannot be read otherwise: `1,234` may be 1234 or 1.234, and is neither."""
YES = frozenset("true t yes y on 1 v ✓ ✔ checked".split())
NO = frozenset("false f no n off 0 unchecked".split())
LARGEST = {"smallint": 2**15, "integer": 2**31, "int": 2**31}


def _number(text: str) -> Value:
    grouped = GROUPED.fullmatch(text)
    return exact_number(re.sub(r"[^\d.+-]", "", text) if grouped else text)


def _whole(text: str) -> Value:
    number = exact_number(_number(text))
    if number != number.to_integral_value() or not -(2**63) <= number < 2**63:
        raise CellError("not a whole number")
    return int(number)


def _day(text: str) -> Value:
    return day_of(text) if len(text) == 10 else moment_of(text) and day_of(text[:10])


def _moment(text: str) -> Value:
    return day_of(text) if len(text) == 10 else moment_of(text)


def _minute(text: str) -> time:
    return clock_time(text)


def _flag(text: str) -> Value:
    word = text.casefold()
    if word not in YES | NO:
        raise CellError("neither yes nor no")
    return word in YES


PARSED: Mapping[str, Callable[[str], Value]] = {
    "number": _number,
    "whole": _whole,
    "day": _day,
    "moment": _moment,
    "minute": _minute,
    "flag": _flag,
}
"""By the name of a comparison."""


def parsed(comparison: str, sql_type: str, text: str) -> Value:
    """Returns what a text shows as a value of that kind; None when it shows no such value."""
    try:
        value = PARSED[comparison](text.strip())
    except CellError:
        return None
    largest = LARGEST.get(sql_type)
    if largest is not None and not (isinstance(value, int) and -largest <= value < largest):
        return None
    return value
