"""Checks which values mean the same."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monday.cells.kinds import comparison_of
from tests.kit.cells import ANYTHING, CELLS, NOON, UTC, people
from values.comparing import COMPARISONS, comparison, same

PAIRS = [
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
    ("text", "a", "a\t\n\u00a0\ufeff", True),
    ("text", "Caf\u00e9", "Cafe\u0301", True),
    ("text", "Stra\u00dfe", "Strasse", False),
    ("text", "1", 1, True),
    ("long_text", "a\nb", "a\nb\n", True),
    ("long_text", "a\nb", "a b", False),
    ("name", "Roof", "roof", False),
    ("status", "Done", " Done", True),
    ("status", "Done", "done", False),
    ("email", "\u00a0ann@b.c\t", "ANN@B.C", True),
    ("email", "M\u00dcLLER@b.c", "mu\u0308ller@b.c", True),
    ("email", "ann@b.c", None, False),
    ("phone", "none", "unknown", False),
    ("phone", "-", "?", False),
    ("phone", "020 7946 0958", "+44 20 7946 0958", False),
    ("phone", "+1 202 555 0169", "+44 202 555 0169", False),
    ("rating", 4, "4", True),
    ("rating", 4, 5, False),
    ("bigint", 9007199254740993, 9007199254740992, False),
    ("bigint", "12", 12, True),
    ("checkbox", "no", False, True),
    ("checkbox", "no", True, False),
    ("dropdown", ["a"], ["a\u00a0"], True),
    ("dropdown", ["a"], ["A"], False),
    ("tags", ["a", "b"], ["b"], False),
    ("board_relation", [1], [2], False),
    ("board_relation", [], None, True),
    ("people", None, people(1), False),
    ("date", NOON, NOON + timedelta(seconds=1), False),
    ("hour", "09:05", time(9, 5), True),
    ("link", {"url": "https://x"}, {"url": "https://y"}, False),
    ("link", {"url": "https://x ", "text": "X"}, {"url": "https://x", "text": "X\t"}, True),
    ("location", {"address": "X "}, {"address": "X", "country": "Y"}, True),
    ("location", {"address": "X"}, {"address": "Y"}, False),
    ("country", {"code": "US"}, {"code": "UK"}, False),
    ("color_picker", "ff5733", "#FF5733", True),
    ("color_picker", "#ff5733", "#ff5734", False),
    ("file", [{"id": "1", "name": "a"}], [{"id": "2", "name": "a"}], False),
    (
        "file",
        [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}],
        [{"id": "2", "name": "b"}, {"id": "1", "name": "a"}],
        True,
    ),
    ("timeline", {"from": "2026-01-01", "to": None}, {"from": "2026-01-01"}, True),
    ("week", {"startDate": "2026-01-05"}, {"startDate": "2026-01-12"}, False),
]


@pytest.mark.parametrize("kind, a, b, expected", PAIRS)
def test_what_means_the_same_is_no_change(kind, a, b, expected):
    assert same(comparison_of(kind), a, b) is expected
    assert same(comparison_of(kind), b, a) is expected


def test_every_comparison_is_shown_by_values_that_are_the_same_and_by_values_that_are_not():
    shown = {(comparison(comparison_of(kind)), expected) for kind, _, _, expected in PAIRS}
    assert shown == {(name, expected) for name in COMPARISONS for expected in (True, False)}


def test_kinds_of_columns_and_types_of_postgresql_name_their_comparison():
    assert comparison_of("date") == comparison_of("timestamptz") == "moment"
    assert comparison_of("numbers") == comparison_of("number") == comparison_of("numeric(12,2)") == "number"
    assert comparison_of("hologram") == comparison_of("jsonb") == "json"


@given(kind=st.sampled_from([*CELLS, *COMPARISONS, "text[]", "jsonb"]), a=ANYTHING, b=ANYTHING)
def test_comparing_never_fails_and_has_no_side(kind, a, b):
    assert same(comparison_of(kind), a, b) is same(comparison_of(kind), b, a)
