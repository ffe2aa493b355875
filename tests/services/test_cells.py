"""Checks every kind of cell: read, written, read again; and the odd, old, empty and broken ones."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monday.cells.kinds import COLUMN_TYPES, cell_selection, column_type, comparison_of
from tests.kit.cells import (
    A_FILE,
    A_URL,
    CELLS,
    CHANGED,
    DROPDOWN,
    ENUM,
    JSON,
    OLD_DROPDOWN,
    OLD_STATUS,
    STATUS,
    UTC,
    WRITABLE,
    cell,
    people,
    read,
    stored,
    write,
)
from values.canonical import dumps, loads_exact, to_json
from values.comparing import COMPARISONS, from_json, same
from values.parsing import CellError, clean_text


def test_every_kind_of_the_schema_is_in_the_table():
    assert ENUM - COLUMN_TYPES.keys() == set()


def test_every_kind_of_the_table_has_a_cell_here():
    assert COLUMN_TYPES.keys() ^ CELLS.keys() == set()


@pytest.mark.parametrize("kind", sorted(CELLS))
def test_a_cell_becomes_its_canonical_value(kind):
    settings, given_cell, value = CELLS[kind]
    found = read(kind, given_cell, settings)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("kind", WRITABLE)
def test_what_is_written_reads_back_as_the_same_value(kind):
    settings, given_cell, value = CELLS[kind]
    member = write(kind, value, given_cell, settings)
    again = read(kind, stored(kind, member, settings, given_cell), settings)
    assert same(comparison_of(kind), again, value)
    orjson.dumps(member)


@pytest.mark.parametrize("kind", sorted(CELLS))
def test_a_value_survives_being_kept_as_json(kind):
    value = CELLS[kind][2]
    kept = from_json(comparison_of(kind), loads_exact(dumps(to_json(value))))
    assert kept == value
    assert type(kept) is type(value)
    assert same(comparison_of(kind), kept, value)


@pytest.mark.parametrize("kind", sorted(CELLS))
@pytest.mark.parametrize(
    "empty",
    [
        cell(),
        cell(None, None),
        {"id": "col"},
        cell({}),
        cell({}, None),
        cell({"changed_at": CHANGED}),
        cell({"files": []}),
        cell({"ids": []}),
        cell({"tag_ids": []}),
        cell({"personsAndTeams": []}),
        cell({"week": ""}),
        cell({"phone": "", "countryShortName": ""}),
        cell({"date": "", "time": ""}),
        cell(None, None, linked_item_ids=[]),
        {"id": "col", "text": "", "value": "null"},
        {"id": "col", "text": "", "value": ""},
    ],
)
def test_an_empty_cell_is_none_in_all_its_shapes(kind, empty):
    if kind == "unsupported":  # what an object of an unknown kind means is not known
        empty = cell(None, empty.get("text"))
    assert read(kind, empty) is None


@pytest.mark.parametrize("kind", [kind for kind in WRITABLE if kind != "name"])
@pytest.mark.parametrize("nothing", [None, "", []])
def test_nothing_clears_the_cell_with_null(kind, nothing):
    assert write(kind, nothing, CELLS[kind][1], CELLS[kind][0]) is None


@pytest.mark.parametrize("kind", sorted(CELLS))
def test_a_kind_names_a_comparison_that_exists(kind):
    assert COLUMN_TYPES[kind].compare in COMPARISONS
    assert same(comparison_of(kind), CELLS[kind][2], CELLS[kind][2])
    assert not same(comparison_of(kind), CELLS[kind][2], None)


def test_kinds_that_monday_computes_are_left_out_of_every_other_column():
    computed = {kind.name for kind in COLUMN_TYPES.values() if kind.computed}
    assert computed >= {"mirror", "formula", "subtasks", "button", "auto_number", "progress"}
    assert not computed & set(WRITABLE)
    assert not computed & {"last_updated", "creation_log", "item_id"}


def test_a_kind_of_tomorrow_is_kept_as_json_and_never_written():
    kind = column_type("hologram")
    assert (kind.name, kind.pg_type, kind.write) == ("hologram", "jsonb", None)
    assert read("hologram", cell({"depth": 3, "changed_at": CHANGED})) == {"depth": 3}
    assert read("hologram", cell(None, "shown")) == "shown"
    assert read("hologram", {"text": "", "value": "{broken"}) == "{broken"


def test_only_the_fragments_that_are_needed_are_selected():
    assert cell_selection(["text", "status", "date"]) == "id text value"
    assert cell_selection(["mirror", "text", "board_relation", "mirror", "hologram"]) == (
        "id text value ... on BoardRelationValue { linked_item_ids } ... on MirrorValue { display_value }"
    )


# Old, odd and broken cells


@pytest.mark.parametrize(
    "kind, given_cell, settings, value",
    [
        ("text", {"value": '"only the value"'}, None, "only the value"),
        ("text", {"text": None, "value": '{"value": "as in an event"}'}, None, "as in an event"),
        ("long_text", {"value": '{"text": "only the value"}'}, None, "only the value"),
        ("numbers", cell(None, "12.30"), None, Decimal("12.30")),
        ("numbers", cell({"value": 42, "unit": None}), None, Decimal(42)),
        ("numbers", {"text": "5", "value": "5.0"}, None, Decimal("5.0")),
        (
            "numbers",
            cell("123456789012345678901234567890.123456789", ""),
            None,
            Decimal("123456789012345678901234567890.123456789"),
        ),
        ("numbers", cell("-0.00", ""), None, Decimal("0")),
        ("status", {"value": '{"index": 1}'}, STATUS, "Done"),
        ("status", {"value": '{"index": 1}'}, OLD_STATUS, "Done"),
        ("status", {"value": '{"index": 1}'}, json.dumps(OLD_STATUS), "Done"),
        ("status", cell({"index": 5}, None), STATUS, None),
        ("status", cell({"index": 5}, ""), OLD_STATUS, None),
        ("status", cell({"index": 3}, "Gone"), STATUS, "Gone"),
        ("status", cell({"index": 17}, None), STATUS, None),
        ("dropdown", cell({"ids": [1, 3]}, "Roof, Gutters, left"), OLD_DROPDOWN, ["Roof", "Gutters, left"]),
        ("dropdown", cell({"ids": [99]}, "Brand, new"), DROPDOWN, ["Brand, new"]),
        ("dropdown", cell({"ids": [1, 99]}, "Roof, New"), DROPDOWN, ["Roof", "New"]),
        ("dropdown", cell({"ids": [1, 99]}, "Roof, New, old"), DROPDOWN, ["1", "99"]),
        ("dropdown", cell({"ids": [3, 99]}, "x", values=[{"label": "A, b"}, {"label": "C"}]), {}, ["A, b", "C"]),
        ("date", cell({"date": "2026-06-15", "time": None}, "2026-06-15"), None, date(2026, 6, 15)),
        ("date", cell({"date": "2026-06-15"}, "2026-06-14 23:00"), None, date(2026, 6, 15)),
        ("date", cell({"date": "2026-06-15", "time": ""}), None, date(2026, 6, 15)),
        (
            "timeline",
            cell({"from": "2026-03-01T00:00:00Z", "to": "2026-03-02"}),
            None,
            {"from": "2026-03-01", "to": "2026-03-02"},
        ),
        (
            "people",
            cell({"personsAndTeams": [{"id": "4", "kind": "agent"}, {"id": 5}]}),
            None,
            [{"id": 4, "kind": "agent"}, {"id": 5, "kind": "person"}],
        ),
        ("checkbox", cell({"checked": "true"}, "v"), None, True),
        ("checkbox", cell({"checked": "false"}), None, False),
        ("checkbox", cell({"checked": False}), None, False),
        ("checkbox", cell(None, "v"), None, True),
        ("link", cell({"url": "https://x.y", "text": ""}, " - https://x.y"), None, {"url": "https://x.y", "text": ""}),
        (
            "location",
            cell({"lat": 29.9773, "lng": 31.1325, "address": "Giza"}),
            None,
            {"lat": "29.9773", "lng": "31.1325", "address": "Giza"},
        ),
        ("rating", cell({"rating": 0}), None, None),
        ("rating", cell({"rating": "3"}), None, 3),
        ("hour", cell({"hour": 0, "minute": 0}), None, time(0, 0)),
        ("color_picker", cell({"color": {"r": 255, "g": 87, "b": 51}}), None, "#FF5733"),
        ("tags", cell({"tag_ids": [1, 2]}, "a, b, c"), None, ["1", "2"]),
        ("tags", cell({"tag_ids": [1]}, "Roof, north"), None, ["Roof, north"]),
        ("tags", cell({"tag_ids": [1, 2]}, "a, b, c", tags=[{"name": "a, b"}, {"name": "c"}]), None, ["a, b", "c"]),
        ("tags", cell({"tag_ids": [1]}, "x", tags=[{"name": "a, b"}]), None, ["a, b"]),
        ("board_relation", cell({"linkedPulseIds": [{"linkedPulseId": 1}, {"linkedPulseId": "2"}]}), None, [1, 2]),
        ("formula", cell(None, "", display_value="null"), None, None),
        ("time_tracking", cell(None, "02:30:05"), None, 9005),
        ("time_tracking", cell(None, "02:30:05", duration=7), None, 7),
        ("item_id", cell({"item_id": "12"}), None, "12"),
        ("time_tracking", cell({"running": "true", "duration": "60"}, "00:01:00"), None, 60),
        ("creation_log", cell(None, "2026-02-27 12:11:30 UTC"), None, datetime(2026, 2, 27, 12, 11, 30, tzinfo=UTC)),
        ("person", cell({"personsAndTeams": people(4)}), None, people(4)),
        ("unsupported", cell({"changed_at": CHANGED, "post_id": None}, "shown"), None, "shown"),
    ],
)
def test_a_cell_of_another_time_or_client_is_understood(kind, given_cell, settings, value):
    assert read(kind, given_cell, settings) == value


@pytest.mark.parametrize(
    "kind, value",
    [
        ("numbers", "NaN"),
        ("numbers", "Infinity"),
        ("numbers", "twelve"),
        ("numbers", "1_000"),
        ("numbers", "1e999999999"),
        ("numbers", "1e-99999"),
        ("numbers", [1]),
        ("numbers", {"value": True}),
        ("date", {"date": "0000-01-01"}),
        ("date", {"date": "15.06.2026"}),
        ("date", {"date": "2026-13-01"}),
        ("date", {"date": "2026-06-15", "time": "25:00:00"}),
        ("date", {"date": 5}),
        ("date", "2026-06-15"),
        ("timeline", {"from": "yesterday", "to": "2026-01-01"}),
        ("hour", {"hour": 25, "minute": 0}),
        ("people", {"personsAndTeams": [{"id": "ann"}]}),
        ("rating", {"rating": "many"}),
        ("email", ["a@b.c"]),
    ],
)
def test_a_cell_that_cannot_be_understood_gives_its_reason(kind, value):
    with pytest.raises(CellError) as caught:
        read(kind, cell(value))
    assert 5 < len(str(caught.value)) < 200


def test_a_value_that_is_no_json_gives_its_reason():
    with pytest.raises(CellError, match="not JSON"):
        read("email", {"text": "", "value": "{"})


def test_nul_is_dropped_and_lone_surrogates_are_replaced():
    assert clean_text("a\0b\ud800c") == "ab\ufffdc"
    assert clean_text("pair \ud83c\udfe0") == "pair 🏠"
    assert clean_text("Zürich 🏠 \U0010ffff") == "Zürich 🏠 \U0010ffff"
    assert read("text", cell("\0", "\0")) is None
    assert read("status", cell({"index": 1}, "Do\0ne")) == "Done"
    assert read("status", cell({"index": 1}, "\0")) is None
    assert read("email", {"text": "", "value": '{"email": "a\\ud800@b.c\\u0000"}'}) == "a\ufffd@b.c"
    assert read("hologram", {"text": "", "value": '{"a\\u0000": ["\\ud800"]}'}) == {"a": ["\ufffd"]}


@given(st.text(st.characters(exclude_categories=())))
def test_a_cleaned_text_can_be_stored_and_is_clean(text):
    clean = clean_text(text)
    assert clean_text(clean) == clean
    assert "\0" not in clean.encode().decode()


def test_a_signed_address_of_a_file_is_never_kept():
    signed = "https://files.example/resources/123456/a.png?X-Amz-Signature=abc"
    assert read("file", cell({"files": [A_FILE]}, signed))[0]["url"] is None


def test_files_find_their_addresses_also_when_names_hold_commas():
    other = {"name": "b, c.png", "assetId": 77}
    text = f"https://acme.monday.com/protected_static/9/resources/77/b, c.png, {A_URL}"
    found = read("file", cell({"files": [A_FILE, other]}, text))
    assert [file["url"] for file in found] == [
        A_URL,
        "https://acme.monday.com/protected_static/9/resources/77/b, c.png",
    ]


@given(kind=st.sampled_from(sorted(CELLS)), value=JSON, text=st.none() | st.text())
def test_no_cell_breaks_more_than_itself(kind, value, text):
    for given_cell in ({"text": text, "value": json.dumps(value)}, {"text": text, "value": value}):
        try:
            dumps(to_json(read(kind, given_cell)))
        except CellError:
            pass


def test_the_names_of_tags_are_asked_for_one_by_one():
    assert "... on TagsValue { tags { name } }" in cell_selection(["tags"])
    assert "TagsValue" not in cell_selection(["text"])
