"""Writes numbers, nouns and times for users and for JSON."""

from __future__ import annotations

from datetime import datetime

from values.parsing import in_utc

NO_ITEM_YET = "has no item yet"
"""What keeps a cell waiting that points at a record."""


def plural(number: int, noun: str) -> str:
    """Says `1 item`, `2,000 items`."""
    return f"{counted(number)} {noun}{'' if number == 1 else 's'}"


def shortened(text: str, length: int = 300) -> str:
    """Returns a text that is not longer than that: its beginning and its end."""
    half = length // 2 - 2
    return text if len(text) <= length else f"{text[:half]}...{text[-half:]}"


def counted(number: int) -> str:
    """Writes a number with a comma for every three digits."""
    return f"{number:,}"


def utc_text(moment: datetime) -> str:
    """Writes `2026-02-27T12:11:30Z`, for JSON and for monday.com."""
    return f"{in_utc(moment):%Y-%m-%dT%H:%M:%SZ}"


def utc_or_none(moment: datetime | None) -> str | None:
    """Writes the same, or null for a moment that has not come."""
    return None if moment is None else utc_text(moment)


def utc_milliseconds(moment: datetime) -> str:
    """Writes `2026-02-27T12:11:30.123Z`."""
    moment = in_utc(moment)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def minute_text(moment: datetime) -> str:
    """Writes `2026-02-27 12:11 UTC`, for a sentence."""
    return f"{in_utc(moment):%Y-%m-%d %H:%M} UTC"


def day_text(moment: datetime) -> str:
    """Writes `2026-02-27`, the day in UTC."""
    return f"{in_utc(moment):%Y-%m-%d}"
