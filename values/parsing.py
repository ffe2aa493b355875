"""Reads texts, numbers, days and times exactly as they were written."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

T = TypeVar("T")

UTC = timezone.utc
SHORT = re.compile(r"(:\d\d)(?:\.(\d{1,6})\d*)?(?:([+-]\d\d)(?::?(\d\d))?)?$")
"""The end of a time: a fraction of any number of digits, and an offset of hours, or of hours and minutes."""


class CellError(ValueError):
    """Refuses a cell, or a value meant for a cell. The text is the reason, for a log line."""


# --- Texts ----------------------------------------------------------------------------------------------------------


def clean_text(text: str) -> str:
    """Removes what PostgreSQL cannot store: NUL is dropped, a lone surrogate becomes U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # Through UTF-16 the two halves of a split pair find each other again; what stays alone is replaced.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def text_of(value: Any) -> str:
    """Returns any value as a clean text; "" for None."""
    if value is None:
        return ""
    return clean_text(value if type(value) is str else str(value))


def excerpt(value: Any) -> str:
    """Shows the beginning of a value, for a message."""
    text = str(value) if isinstance(value, float | Decimal) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# --- Numbers --------------------------------------------------------------------------------------------------------

NUMBER_LENGTH = 16_383
"""The longest text of a number that is read."""

_NUMERIC = frozenset((str, int, float, Decimal))  # no bool, and no list, of which Decimal would make something


def whole_number(value: Any) -> int:
    """Reads a whole number of 64 bits."""
    # what monday.com sends
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise CellError(f"not a whole number: {excerpt(value)}") from None
    if not -(2**63) <= number < 2**63 or (type(value) is not str and number != value):
        raise CellError(f"not a whole number: {excerpt(value)}")
    return number


def exact_number(value: Any) -> Decimal:
    """Reads an exact number that PostgreSQL can hold (131,072 digits before the point, 16,383 behind it)."""
    kind = type(value)
    try:
        number = Decimal(repr(value) if kind is float else value) if kind in _NUMERIC else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or (kind is str and "_" in value):
        raise CellError(f"not a number: {excerpt(value)}")
    if not -16_383 <= number.adjusted() < 131_072 or (kind is str and len(value) > NUMBER_LENGTH):
        raise CellError(f"number out of range: {excerpt(value)}")
    return number


# --- Days and times -------------------------------------------------------------------------------------------------


def day_of(text: Any) -> date:
    """Reads `2026-02-27`."""
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise CellError(f"not a date: {excerpt(text)}") from None


def clock_time(text: Any) -> time:
    """Reads `12:11:30`, and what PostgreSQL shows: `12:11:30.5+00`."""
    try:
        return _from_iso(time.fromisoformat, text)
    except (TypeError, ValueError):
        raise CellError(f"not a time: {excerpt(text)}") from None


def moment_of(text: Any) -> datetime:
    """Reads `2026-02-27T12:11:30Z` and `2026-02-27 12:11:30 UTC`."""
    try:
        return in_utc(iso_moment(text.removesuffix(" UTC")))
    except (AttributeError, ValueError, OverflowError):
        raise CellError(f"not a time: {excerpt(text)}") from None


def iso_moment(text: str) -> datetime:
    """Reads an ISO 8601 text; `Z` is UTC. Raises ValueError."""
    return _from_iso(datetime.fromisoformat, text.replace("Z", "+00:00"))


def _from_iso(read: Callable[[str], T], text: str) -> T:
    """Reads a text. Python 3.10 needs all digits of a fraction, and the minutes of an offset: they are filled up for it."""
    try:
        return read(text)
    except ValueError:
        return read(SHORT.sub(_filled_up, text))


def _filled_up(found: re.Match[str]) -> str:
    before, fraction, hours, minutes = found.groups()
    offset = f"{hours}:{minutes or '00'}" if hours else ""
    return before + (f".{fraction:0<6}" if fraction else "") + offset


def in_utc(moment: datetime) -> datetime:
    """Returns the same instant in UTC; a moment without a zone is in UTC already."""
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
