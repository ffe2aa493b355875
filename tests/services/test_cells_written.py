"""Checks what a value becomes when it is written into a cell, and which values are refused."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monday.cells.texts import phone_region
from tests.kit.cells import ANYTHING, DROPDOWN, OLD_STATUS, STATUS, WRITABLE, cell, people, write
from values.parsing import CellError


@pytest.mark.parametrize(
    "kind, value, member",
    [
        ("text", " as written ", " as written "),
        ("text", Decimal("1.50"), "1.50"),
        ("text", date(2026, 6, 15), "2026-06-15"),
        ("long_text", "x" * 2000, {"text": "x" * 2000}),
        ("numbers", Decimal("1E+3"), "1000"),
        ("numbers", Decimal("1E-7"), "0.0000001"),
        ("numbers", Decimal("-0"), "0"),
        ("numbers", 7, "7"),
        ("numbers", 0.1, "0.1"),
        ("numbers", " 12.50 ", "12.50"),
        ("date", date(2026, 6, 15), {"date": "2026-06-15"}),
        (
            "date",
            datetime(2026, 6, 15, 11, 0, 5, 999, tzinfo=timezone(timedelta(hours=2))),
            {"date": "2026-06-15", "time": "09:00:05"},
        ),
        ("date", "2026-06-15", {"date": "2026-06-15"}),
        ("date", "2026-06-15T09:00:00Z", {"date": "2026-06-15", "time": "09:00:00"}),
        ("timeline", {"from": "2026-03-01", "to": "2026-03-15"}, {"from": "2026-03-01", "to": "2026-03-15"}),
        (
            "week",
            {"from": "2026-03-15", "to": "2026-03-21"},
            {"week": {"startDate": "2026-03-15", "endDate": "2026-03-21"}},
        ),
        ("people", [7, {"id": "8", "kind": "team"}], {"personsAndTeams": [*people(7), {"id": 8, "kind": "team"}]}),
        ("checkbox", True, {"checked": "true"}),
        ("checkbox", False, None),
        ("email", " A@b.c ", {"email": "A@b.c", "text": "A@b.c"}),
        ("link", "https://x.y", {"url": "https://x.y", "text": "https://x.y"}),
        ("link", {"url": "https://x.y", "text": ""}, {"url": "https://x.y", "text": "https://x.y"}),
        ("phone", "(202) 555-0169", {"phone": "(202) 555-0169", "countryShortName": "US"}),
        ("phone", "+442079460958", {"phone": "+442079460958", "countryShortName": "GB"}),
        ("location", {"lat": "1.5", "lng": Decimal("-2"), "address": "X"}, {"lat": "1.5", "lng": "-2", "address": "X"}),
        ("country", {"code": "us", "name": "United States"}, {"countryCode": "US", "countryName": "United States"}),
        ("rating", Decimal("3"), {"rating": 3}),
        ("rating", 0, None),
        ("hour", time(14, 30, 59), {"hour": 14, "minute": 30}),
        ("hour", "14:30", {"hour": 14, "minute": 30}),
        ("color_picker", "ff5733", {"color": {"hex": "#ff5733"}}),
        ("tags", ["295026", 7], {"tag_ids": [295026, 7]}),
        ("board_relation", [1, "2", {"id": 3}], {"item_ids": [1, 2, 3]}),
        ("dependency", [1, "2"], {"item_ids": ["1", "2"]}),
    ],
)
def test_a_value_becomes_the_member_that_monday_wants(kind, value, member):
    assert write(kind, value) == member


@pytest.mark.parametrize("settings", [STATUS, OLD_STATUS, json.dumps(OLD_STATUS)])
@pytest.mark.parametrize(
    "label, member",
    [
        ("Done", {"index": 1}),
        (" Done ", {"index": 1}),
        ("Working on it", {"index": 0}),
        ("done", {"label": "done"}),
        (" Never seen ", {"label": "Never seen"}),
        ("  ", None),
    ],
)
def test_a_status_is_written_by_the_id_of_its_label(settings, label, member):
    assert write("status", label, settings=settings) == member


def test_a_retired_label_is_left_for_monday_to_refuse():
    assert write("status", "Gone", settings=STATUS) == {"label": "Gone"}
    assert write("status", "Done", settings={**OLD_STATUS, "deactivated_labels": [1]}) == {"label": "Done"}


def test_a_label_of_digits_is_written_by_id_or_not_at_all():
    assert write("status", "2026", settings=STATUS) == {"index": 7}
    with pytest.raises(CellError, match="2027"):
        write("status", "2027", settings=STATUS)


def test_a_status_column_with_new_settings_is_not_taken_for_the_old_one():
    for number in range(3):
        assert write("status", "A", settings={"labels": [{"id": number, "label": "A"}]}) == {"index": number}


@pytest.mark.parametrize(
    "labels, member",
    [
        (["Roof", "Gutters, left"], {"ids": [1, 3]}),
        (["Roof", "Chimney"], {"labels": ["Roof", "Chimney"]}),
        ("Gutters, left", {"ids": [3]}),
        ("Roof, Siding", {"ids": [1, 4]}),
        ([" "], None),
    ],
)
def test_a_dropdown_is_written_by_ids_when_all_are_known(labels, member):
    assert write("dropdown", labels, settings=DROPDOWN) == member


@pytest.mark.parametrize(
    "old, new, text",
    [
        ({"email": "a@b.c", "text": "Ann"}, "new@b.c", "Ann"),
        ({"email": "a@b.c", "text": "A@b.c "}, "new@b.c", "new@b.c"),
        ({"email": "a@b.c", "text": " "}, "new@b.c", "new@b.c"),
        (None, "new@b.c", "new@b.c"),
    ],
)
def test_an_email_keeps_the_text_that_people_gave_it(old, new, text):
    assert write("email", new, cell(old)) == {"email": new, "text": text}


@pytest.mark.parametrize(
    "old, new, text",
    [
        ({"url": "https://a", "text": "Shown"}, {"url": "https://b", "text": "Shown"}, "Shown"),
        ({"url": "https://a", "text": "Shown"}, {"url": "https://b", "text": ""}, "Shown"),
        ({"url": "https://a", "text": "Shown"}, " https://b ", "Shown"),
        ({"url": "https://a", "text": "https://a"}, {"url": "https://b", "text": "https://a"}, "https://b"),
        ({"url": "https://a", "text": ""}, "https://b", "https://b"),
        ({"url": "https://a", "text": "Shown"}, {"url": "https://b", "text": "New"}, "New"),
    ],
)
def test_a_link_keeps_its_text_when_only_the_address_changes(old, new, text):
    assert write("link", new, cell(old)) == {"url": "https://b", "text": text}


def test_an_old_link_without_scheme_may_stay_as_it_is():
    old = cell({"url": "x.y", "text": "X"})
    assert write("link", {"url": "x.y", "text": "Y"}, old) == {"url": "x.y", "text": "Y"}
    with pytest.raises(CellError, match="scheme"):
        write("link", {"url": "z.y", "text": "Y"}, old)


@pytest.mark.parametrize(
    "number, before, region",
    [
        ("+442079460958", "", "GB"),
        ("+442079460958", "US", "GB"),
        ("020 7946 0958", "GB", "GB"),
        ("2025550169", "", "US"),
        ("12025550169", "", "US"),
        ("442079460958", "", "GB"),
        ("+1 416 555 0123", "US", "CA"),
        ("(555) 123-4567", "", "US"),
        ("555-123-4567", "CA", "CA"),
        ("+1 202 555 0169 ext. 5", "us", "US"),
    ],
)
def test_the_country_of_a_phone_number_is_kept_or_found(number, before, region):
    old = cell({"phone": "x", "countryShortName": before}) if before else None
    assert write("phone", number, old) == {"phone": number, "countryShortName": region}


@pytest.mark.parametrize("number", ["call me", "12", "0" * 40, "🏠", "+9991234567890"])
def test_what_is_no_phone_number_is_refused(number):
    with pytest.raises(CellError):
        phone_region(number)


def test_a_location_keeps_its_place_while_its_address_stays():
    old = cell({"lat": "1", "lng": "2", "address": "Giza"})
    assert write("location", "Giza", old) == {"lat": "1", "lng": "2", "address": "Giza"}
    assert write("location", {"address": "Giza "}, old) == {"lat": "1", "lng": "2", "address": "Giza "}
    with pytest.raises(CellError, match="lat and lng"):
        write("location", "Cairo", old)


def test_a_tag_is_written_by_name_only_if_the_cell_has_it():
    old = cell({"tag_ids": [11, 12]}, "one, two")
    assert write("tags", ["two"], old) == {"tag_ids": [12]}
    with pytest.raises(CellError, match="three"):
        write("tags", ["two", "three"], old)


@pytest.mark.parametrize(
    "kind, value",
    [
        ("name", ""),
        ("name", None),
        ("name", "  "),
        ("name", "x" * 256),
        ("long_text", "x" * 2001),
        ("numbers", "twelve"),
        ("numbers", Decimal("NaN")),
        ("numbers", float("inf")),
        ("numbers", [1]),
        ("numbers", True),
        ("date", "soon"),
        ("date", 5),
        ("date", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))),
        ("timeline", {"from": "2026-03-01"}),
        ("timeline", {"from": "2026-03-02", "to": "2026-03-01"}),
        ("timeline", "x"),
        ("week", {"from": "2026-03-16", "to": "2026-03-21"}),
        ("week", {"from": "2026-03-17", "to": "2026-03-23"}),
        ("people", ["Ann"]),
        ("rating", 6),
        ("rating", Decimal("2.5")),
        ("rating", -1),
        ("hour", "soon"),
        ("hour", "12:00:00+05"),
        ("hour", "24:00:00"),
        ("hour", "1 day 02:00:00"),
        ("numbers", Decimal("9" * 16_384)),
        ("numbers", Decimal("1E-16383")),
        ("dropdown", ["Roof", None]),
        ("dropdown", [None]),
        ("dropdown", [["Roof", "Siding"]]),
        ("dropdown", {"a": 1}),
        ("status", ["Done"]),
        ("status", {"label": "Done"}),
        ("tags", ["7", None]),
        ("tags", [["7"]]),
        ("location", {"lat": 91, "lng": 0, "address": "x"}),
        ("location", {"lat": "NaN", "lng": 0}),
        ("country", "Germany"),
        ("country", {"code": "DE"}),
        ("color_picker", "red"),
        ("color_picker", "#gggggg"),
        ("board_relation", ["x"]),
    ],
)
def test_a_value_that_monday_could_not_hold_is_refused_with_its_reason(kind, value):
    with pytest.raises(CellError):
        write(kind, value, settings={"limit": 5})


@pytest.mark.parametrize("kind", ["numbers", "phone", "date", "hour", "color_picker", "long_text", "rating", "people"])
def test_two_million_characters_make_a_short_message(kind):
    with pytest.raises(CellError) as caught:
        write(kind, "x" * 2_000_000)
    assert len(str(caught.value)) < 150


@given(kind=st.sampled_from(WRITABLE), value=ANYTHING)
def test_no_value_breaks_more_than_its_cell(kind, value):
    try:
        orjson.dumps(write(kind, value))
    except CellError:
        pass
