"""Holds a value of every kind that PostgreSQL keeps for the tool."""

from __future__ import annotations

from datetime import date, datetime, time, timezone
from decimal import Decimal

NOON = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=timezone.utc)
EVERY_KIND = {
    "text": "a\tb\\c\nd\re\"f'g{h},i NULL \\N é 🙂",
    "integer": -5,
    "bigint": 9_223_372_036_854_775_807,
    "numeric": Decimal("12345678901234567890.123456789012345678901"),
    "boolean": False,
    "date": date(2026, 2, 28),
    "time": time(23, 59, 59),
    "timestamptz": NOON,
    "text[]": ["a", "", None, 'q"\\,{}', "NULL"],
    "jsonb": {"n": Decimal("0.10"), "big": 10**30, "list": [1, None, "x"]},
    "uuid": "6b3f2a52-0f0e-4c5e-9d2e-0d6d3f0f5a11",
}
