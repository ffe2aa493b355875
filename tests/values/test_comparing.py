"""Checks which values mean the same."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monday.cells.kinds import comparison_of
from tests.kit.cells import ANYTHING, CELLS, NOON, UTC, people
from values.comparing import COMPARISONS, same


@pytest.mark.parametrize(
    "kind, a, b, expected",
    [
        ("text", None, "", True),
        ("text", None, "  ", True),
        ("text", " a ", "a", True),
        ("text", "a", "A", False),
        ("text", "a b", "a  b", False),
        ("email", " Ann@B.c", "ann@b.C ", True),
        ("email", "ann@b.c", "anne@b.c", False),
        ("numbers", Decimal("4.50"), Decimal("4.5"), True),
        ("numbers", 4, Decimal("4.0"), True),
        ("numbers", 0.1, Decimal("0.1"), True),
        ("numbers", Decimal("0"), None, False),
        ("numbers", Decimal("0.1"), Decimal("0.10000000000000000000001"), False),
        ("checkbox", None, False, True),
        ("checkbox", None, True, False),
        ("checkbox", "true", True, True),
        ("dropdown", ["a", "b"], ["b", "a "], True),
        ("dropdown", ["a"], ["a", "a"], True),
        ("dropdown", ["a", "b"], ["a", "a"], False),
        ("dropdown", [], None, True),
        ("people", people(1, 2), people(2, 1), True),
        ("people", people(1), [{"id": 1, "kind": "team"}], False),
        ("people", people(1, 2), people(2, 1, 2), True),
        ("board_relation", [1, 2], ["2", "1"], True),
        ("board_relation", [1, 2], [2, 1, 1], True),
        ("date", NOON, NOON.astimezone(timezone(timedelta(hours=5))), True),
        ("date", NOON, NOON.replace(microsecond=5), True),
        ("date", date(2026, 6, 15), NOON, False),
        ("date", date(2026, 6, 15), datetime(2026, 6, 15, tzinfo=UTC), True),
        ("day", date(2026, 6, 15), NOON, True),
        ("day", date(2026, 6, 16), NOON, False),
        ("hour", time(14, 30), time(14, 30, 20), True),
        ("hour", time(14, 30), "14:31", False),
        ("link", {"url": "https://x"}, {"url": "https://x", "text": "https://x"}, True),
        ("link", {"url": "https://x", "text": "X"}, {"url": "https://x", "text": ""}, False),
        ("link", "https://x", {"url": "https://x", "text": ""}, True),
        ("phone", "+1 (202) 555-0169", "12025550169", True),
        ("phone", "202-555-0169", "+12025550169", True),
        ("phone", "202-555-0169 X5", "+12025550169x5", True),
        ("phone", "0044 20 7946 0958", "+442079460958", True),
        ("phone", "2079460958", "+442079460958", False),
        ("phone", "2025550169", "+992025550169", False),
        ("phone", "12025550169", "112025550169", False),
        ("phone", "5550169", "2025550169", False),
        ("phone", "2025550169", "2025550168", False),
        (
            "location",
            {"lat": "1.50", "lng": "2", "address": "X"},
            {"lat": "1.5", "lng": "2", "address": "X", "city": "Y"},
            True,
        ),
        ("location", {"lat": "1.5", "lng": "2", "address": "X"}, {"lat": "1.5", "lng": "3", "address": "X"}, False),
        ("country", {"code": "US", "name": "United States"}, {"code": "us", "name": "USA"}, True),
        ("color_picker", "#FF5733", "#ff5733", True),
        ("file", [{"id": "1", "name": "a", "url": "x"}], [{"id": "1", "name": "a", "url": None}], True),
        ("timeline", {"from": "2026-01-01", "to": "2026-01-02"}, {"from": "2026-01-01", "to": "2026-01-03"}, False),
        ("jsonb", {"a": [1, None], "b": " x"}, {"a": [Decimal("1.0"), ""], "b": "x", "c": None}, True),
        ("jsonb", {"a": 1}, {"a": 2}, False),
        ("numeric(12,2)", Decimal("1.0"), 1, True),
        ("timestamptz", NOON, "2026-06-15T09:00:00Z", True),
        ("numbers", "no number", Decimal(1), False),
        ("people", "Ann", people(1), False),
    ],
)
def test_what_means_the_same_is_no_change(kind, a, b, expected):
    assert same(comparison_of(kind), a, b) is expected
    assert same(comparison_of(kind), b, a) is expected


def test_kinds_of_columns_and_types_of_postgresql_name_their_comparison():
    assert comparison_of("date") == comparison_of("timestamptz") == "moment"
    assert comparison_of("numbers") == comparison_of("number") == comparison_of("numeric(12,2)") == "number"
    assert comparison_of("hologram") == comparison_of("jsonb") == "json"


@given(kind=st.sampled_from([*CELLS, *COMPARISONS, "text[]", "jsonb"]), a=ANYTHING, b=ANYTHING)
def test_comparing_never_fails_and_has_no_side(kind, a, b):
    assert same(comparison_of(kind), a, b) is same(comparison_of(kind), b, a)
