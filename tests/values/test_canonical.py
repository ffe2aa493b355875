"""Checks that values survive being kept as JSON."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monday.cells.kinds import comparison_of
from tests.kit.cells import NOON
from values.canonical import dumps, loads_exact, to_json
from values.comparing import from_json


@pytest.mark.parametrize(
    "value, text",
    [
        (Decimal("4.50"), b"4.50"),
        (Decimal("12345678901234567890.000000000000000001"), b"12345678901234567890.000000000000000001"),
        (Decimal("1E+5"), b"100000"),
        (Decimal("1E-7"), b"0.0000001"),
        (10**30, b"1" + b"0" * 30),
        (date(2026, 6, 15), b'"2026-06-15"'),
        (NOON, b'"2026-06-15T09:00:00Z"'),
        (NOON.astimezone(timezone(timedelta(hours=2))), b'"2026-06-15T09:00:00Z"'),
        (time(14, 30), b'"14:30:00"'),
        (time(14, 30, 0, 10_000), b'"14:30:00.010000"'),
        (["a", None, True], b'["a",null,true]'),
        ({"a": Decimal("0.1"), "b": [10**20, "\ud800"]}, '{"a":0.1,"b":[100000000000000000000,"\ufffd"]}'.encode()),
        (Decimal("NaN"), b'"NaN"'),
    ],
)
def test_values_become_json_with_every_digit(value, text):
    assert dumps(value) == text
    assert dumps(to_json(value)) == text


ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.none() | st.just(timezone.utc) | ZONES)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.just(
    "at 2026-06-15T09:00:00+02:00"
)
SINGLE = st.none() | st.booleans() | st.integers() | TEXTS | st.decimals() | st.dates() | st.times() | MOMENTS


@given(st.dictionaries(TEXTS, SINGLE | st.lists(SINGLE) | st.dictionaries(TEXTS, SINGLE)))
def test_json_is_that_of_the_canonical_value_whatever_zone_its_moments_have(values):
    assert loads_exact(dumps(values)) == loads_exact(dumps(to_json(values)))


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_survives_json_by_value(number):
    assert from_json("number", loads_exact(dumps(to_json({"n": number})))["n"]) == number


def test_five_thousand_digits_survive_json():
    number = Decimal("7" * 5_000 + ".5")
    assert loads_exact(dumps({"n": number}))["n"] == number
    assert loads_exact("7" * 5_000) == Decimal("7" * 5_000)


@pytest.mark.parametrize(
    "kind, kept, value",
    [
        ("numbers", 5, Decimal(5)),
        ("numbers", "5.5", Decimal("5.5")),
        ("numbers", "written by hand", "written by hand"),
        ("rating", Decimal("4"), 4),
        ("date", "2026-06-15", date(2026, 6, 15)),
        ("date", "2026-06-15T09:00:00Z", NOON),
        ("date", "soon", "soon"),
        ("hour", "14:30:00", time(14, 30)),
        ("text", "", None),
        ("checkbox", False, False),
        ("timestamptz", "2026-06-15T11:00:00+02:00", NOON),
        ("hologram", {"a": 1}, {"a": 1}),
    ],
)
def test_json_becomes_the_canonical_value_again(kind, kept, value):
    assert from_json(comparison_of(kind), kept) == value
    assert type(from_json(comparison_of(kind), kept)) is type(value)
