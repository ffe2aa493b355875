"""Every kind of cell: read, written, read again, compared, kept as JSON; and the odd, old, empty and broken ones."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import BoardColumn, Cell, Value
from services.monday.cells.kinds import COLUMN_TYPES, cell_selection, column_type, comparison_of
from services.monday.cells.texts import phone_region
from values.canonical import dumps, loads_exact, to_json
from values.comparing import COMPARISONS, from_json, same
from values.parsing import CellError, clean_text

UTC = timezone.utc
NOON = datetime(2026, 6, 15, 9, 0, tzinfo=UTC)
CHANGED = "2026-03-01T17:57:15.000Z"

STATUS = {
    "type": "status",
    "labels": [
        {"id": 0, "label": "Working on it", "index": 1, "is_deactivated": False},
        {"id": 1, "label": "Done", "index": 0, "is_deactivated": False},
        {"id": 3, "label": "Gone", "index": 2, "is_deactivated": True},
        {"id": 5, "label": "", "index": 3, "is_deactivated": False},
        {"id": 7, "label": "2026", "index": 4, "is_deactivated": False},
    ],
}
OLD_STATUS = {"labels": {"0": "Working on it", "1": "Done", "5": ""}, "labels_positions_v2": {"0": 0, "1": 1}}
DROPDOWN = {"labels": [{"id": 1, "label": "Roof"}, {"id": 3, "label": "Gutters, left"}, {"id": 4, "label": "Siding"}]}
OLD_DROPDOWN = {"settings": {"labels": [{"id": 1, "name": "Roof"}, {"id": 3, "name": "Gutters, left"}]}}
A_FILE = {"name": "a.png", "assetId": 123456, "isImage": "true", "fileType": "ASSET", "createdAt": "1711036800000"}
A_LINK = {"name": "Plan", "fileId": "u-1", "fileType": "LINK", "linkToFile": "https://drive.example/plan"}
A_DOC = {"fileId": "u-2", "fileType": "MONDAY_DOC", "linkToFile": "https://acme.monday.com/docs/1", "objectId": 1}
A_URL = "https://acme.monday.com/protected_static/9/resources/123456/a.png"


def column(kind: str, settings: Any = None) -> BoardColumn:
    return BoardColumn("col", "Column", kind, settings if settings is not None else {})


def cell(value: Any = None, text: Any = "", **typed: Any) -> dict[str, Any]:
    """A cell as monday.com sends it: `value` is JSON in a string."""
    return {"id": "col", "text": text, "value": None if value is None else json.dumps(value), **typed}


def people(*ids: int) -> list[dict[str, Any]]:
    return [{"id": one, "kind": "person"} for one in ids]


# kind: settings, cell, canonical value
CELLS: dict[str, tuple[Any, Cell, Value]] = {
    "text": ({}, cell(" Hello  ", " Hello  "), " Hello  "),
    "long_text": ({}, cell({"text": "one\ntwo", "changed_at": CHANGED}, "one\ntwo"), "one\ntwo"),
    "name": ({}, cell(None, "Roof of Ann"), "Roof of Ann"),
    "numbers": ({}, cell("4.50", "4.50"), Decimal("4.50")),
    "status": (STATUS, cell({"index": 1, "post_id": None, "changed_at": CHANGED}, "Done"), "Done"),
    "dropdown": (DROPDOWN, cell({"ids": [1, 3]}, "Roof, Gutters, left"), ["Roof", "Gutters, left"]),
    "date": ({}, cell({"date": "2026-06-15", "time": "09:00:00", "icon": None}, "2026-06-15 12:00"), NOON),
    "timeline": (
        {},
        cell({"from": "2026-03-01", "to": "2026-03-15", "changed_at": CHANGED}, "2026-03-01 - 2026-03-15"),
        {"from": "2026-03-01", "to": "2026-03-15"},
    ),
    "week": (
        {},
        cell({"week": {"startDate": "2026-03-16", "endDate": "2026-03-22"}}, "2026-03-16 - 2026-03-22"),
        {"from": "2026-03-16", "to": "2026-03-22"},
    ),
    "people": (
        {},
        cell({"personsAndTeams": [{"id": 4820, "kind": "person"}, {"id": 9, "kind": "team"}], "changed_at": CHANGED}),
        [{"id": 4820, "kind": "person"}, {"id": 9, "kind": "team"}],
    ),
    "checkbox": ({}, cell({"checked": True, "changed_at": CHANGED}, "v"), True),
    "email": ({}, cell({"email": " a@b.c ", "text": "Ann"}, "Ann - a@b.c"), "a@b.c"),
    "phone": ({}, cell({"phone": "+12025550169", "countryShortName": "US"}, "+12025550169"), "+12025550169"),
    "link": ({}, cell({"url": "https://x.y", "text": "X"}, "X - https://x.y"), {"url": "https://x.y", "text": "X"}),
    "location": (
        {},
        cell(
            {
                "lat": "29.9773", "lng": "31.1325", "address": "Giza", "placeId": "p", "street": "Al Haram",
                "streetNumber": "1", "city": {"long_name": "Giza City", "short_name": "GC"},
                "country": {"long_name": "Egypt", "short_name": "EG"}, "changed_at": CHANGED,
            },
            "Giza",
        ),
        {
            "lat": "29.9773", "lng": "31.1325", "address": "Giza", "street": "Al Haram", "street_number": "1",
            "city": "Giza City", "country": "Egypt", "place_id": "p",
        },
    ),
    "country": (
        {},
        cell({"countryCode": "US", "countryName": "United States"}, "United States"),
        {"code": "US", "name": "United States"},
    ),
    "rating": ({"limit": 5}, cell({"rating": 4, "changed_at": CHANGED}, "4"), 4),
    "hour": ({}, cell({"hour": 14, "minute": 30, "changed_at": CHANGED}, "02:30 PM"), time(14, 30)),
    "world_clock": ({}, cell({"timezone": "Europe/London"}, "Europe/London"), "Europe/London"),
    "color_picker": ({}, cell({"color": {"hex": "#FF5733"}}, "#FF5733"), "#FF5733"),
    "tags": ({}, cell({"tag_ids": [295026, 295064]}, "one, two"), ["one", "two"]),
    "board_relation": ({}, cell(None, None, linked_item_ids=["2", "1"]), [2, 1]),
    "dependency": ({}, cell(None, None, linked_item_ids=["7"]), [7]),
    "subtasks": ({}, cell(None, None, subitems_ids=["8", "9"]), [8, 9]),
    "mirror": ({}, cell(None, None, display_value="Done, Stuck"), "Done, Stuck"),
    "formula": ({}, cell(None, "", display_value="12.5"), "12.5"),
    "button": ({}, cell(None, "", label="Press"), "Press"),
    "progress": ({}, cell(None, "40%"), "40%"),
    "auto_number": ({}, cell(None, "A-007"), "A-007"),
    "group": ({}, cell(None, "topics"), "topics"),
    "item_assignees": ({}, cell({"personsAndTeams": people(5)}), people(5)),
    "person": ({}, cell({"id": 123, "kind": "person"}, "Ann"), people(123)),
    "team": ({}, cell({"team_id": 9}, "Team A"), [{"id": 9, "kind": "team"}]),
    "integration": ({}, cell({"entity_id": 1, "issue_id": 2}, "PROJ-1"), "PROJ-1"),
    "file": (
        {},
        cell({"files": [A_FILE, A_LINK]}, f"{A_URL}, https://drive.example/plan"),
        [
            {"id": "123456", "name": "a.png", "url": A_URL},
            {"id": "u-1", "name": "Plan", "url": "https://drive.example/plan"},
        ],
    ),
    "doc": ({}, cell({"files": [A_DOC]}), [{"id": "u-2", "name": None, "url": "https://acme.monday.com/docs/1"}]),
    "direct_doc": ({}, cell({"files": [A_DOC]}), [{"id": "u-2", "name": None, "url": "https://acme.monday.com/docs/1"}]),
    "time_tracking": ({}, cell({"running": "false", "duration": 9000, "startDate": 1711036800}, "02:30:00"), 9000),
    "vote": ({}, cell({"voter_ids": [123, 5]}, "2"), [123, 5]),
    "creation_log": (
        {},
        cell({"created_at": "2026-02-27T12:11:30Z", "creator_id": 1}, "2026-02-27 12:11:30 UTC"),
        datetime(2026, 2, 27, 12, 11, 30, tzinfo=UTC),
    ),
    "last_updated": (
        {},
        cell({"updated_at": "2026-02-27T12:11:30Z", "updater_id": 1}, "2026-02-27 12:11:30 UTC"),
        datetime(2026, 2, 27, 12, 11, 30, tzinfo=UTC),
    ),
    "item_id": ({}, cell({"item_id": "1234567890"}, "1234567890"), "1234567890"),
    "unsupported": ({}, cell({"a": 1.10, "changed_at": CHANGED}), {"a": Decimal("1.1")}),
}  # fmt: skip

ENUM = set(
    """
    auto_number board_relation button checkbox color_picker country creation_log date dependency direct_doc doc dropdown
    email file formula group hour integration item_assignees item_id last_updated link location long_text mirror name
    numbers people person phone progress rating status subtasks tags team text time_tracking timeline unsupported vote
    week world_clock
    """.split()
)
WRITABLE = sorted(kind.name for kind in COLUMN_TYPES.values() if kind.write)


def read(kind: str, given: Cell, settings: Any = None) -> Value:
    return column_type(kind).read(given, column(kind, settings))


def write(kind: str, value: Value, before: Cell | None = None, settings: Any = None) -> Any:
    writer = column_type(kind).write
    assert writer is not None
    return writer(value, column(kind, settings), before)


def stored(kind: str, member: Any, settings: Any, before: Cell) -> Cell:
    """The cell that monday.com keeps for a member of `column_values`."""
    if kind in ("text", "name", "numbers"):
        return cell(member, member)
    if kind == "status":
        labels = {label["id"]: label["label"] for label in settings["labels"]}
        return cell(member, member.get("label") or labels[member["index"]])
    if kind in ("dropdown", "long_text", "tags"):
        return cell(member, before["text"])
    if kind == "checkbox":
        return cell({"checked": member["checked"] == "true"}, "v")
    if kind in ("board_relation", "dependency"):
        return cell(None, None, linked_item_ids=[str(one) for one in member["item_ids"]])
    return cell(member, "")


# --- Every kind -----------------------------------------------------------------------------------------------------


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
        cell(), cell(None, None), {"id": "col"}, cell({}), cell({}, None), cell({"changed_at": CHANGED}),
        cell({"files": []}), cell({"ids": []}), cell({"tag_ids": []}), cell({"personsAndTeams": []}),
        cell({"week": ""}), cell({"phone": "", "countryShortName": ""}), cell({"date": "", "time": ""}),
        cell(None, None, linked_item_ids=[]),
        {"id": "col", "text": "", "value": "null"}, {"id": "col", "text": "", "value": ""},
    ],
)  # fmt: skip
def test_an_empty_cell_is_none_in_all_its_shapes(kind, empty):
    if kind == "unsupported":  # what an object of an unknown kind means, nobody knows
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


# --- Old, odd and broken cells --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, given_cell, settings, value",
    [
        ("text", {"value": '"only the value"'}, None, "only the value"),
        ("text", {"text": None, "value": '{"value": "as in an event"}'}, None, "as in an event"),
        ("long_text", {"value": '{"text": "only the value"}'}, None, "only the value"),
        ("numbers", cell(None, "12.30"), None, Decimal("12.30")),
        ("numbers", cell({"value": 42, "unit": None}), None, Decimal(42)),
        ("numbers", {"text": "5", "value": "5.0"}, None, Decimal("5.0")),
        ("numbers", cell("123456789012345678901234567890.123456789", ""), None,
         Decimal("123456789012345678901234567890.123456789")),
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
        ("timeline", cell({"from": "2026-03-01T00:00:00Z", "to": "2026-03-02"}), None,
         {"from": "2026-03-01", "to": "2026-03-02"}),
        ("people", cell({"personsAndTeams": [{"id": "4", "kind": "agent"}, {"id": 5}]}), None,
         [{"id": 4, "kind": "agent"}, {"id": 5, "kind": "person"}]),
        ("checkbox", cell({"checked": "true"}, "v"), None, True),
        ("checkbox", cell({"checked": "false"}), None, False),
        ("checkbox", cell({"checked": False}), None, False),
        ("checkbox", cell(None, "v"), None, True),
        ("link", cell({"url": "https://x.y", "text": ""}, " - https://x.y"), None, {"url": "https://x.y", "text": ""}),
        ("location", cell({"lat": 29.9773, "lng": 31.1325, "address": "Giza"}), None,
         {"lat": "29.9773", "lng": "31.1325", "address": "Giza"}),
        ("rating", cell({"rating": 0}), None, None),
        ("rating", cell({"rating": "3"}), None, 3),
        ("hour", cell({"hour": 0, "minute": 0}), None, time(0, 0)),
        ("color_picker", cell({"color": {"r": 255, "g": 87, "b": 51}}), None, "#FF5733"),
        ("tags", cell({"tag_ids": [1, 2]}, "a, b, c"), None, ["1", "2"]),
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
)  # fmt: skip
def test_a_cell_of_another_time_or_client_is_understood(kind, given_cell, settings, value):
    assert read(kind, given_cell, settings) == value


@pytest.mark.parametrize(
    "kind, value",
    [
        ("numbers", "NaN"), ("numbers", "Infinity"), ("numbers", "twelve"), ("numbers", "1_000"),
        ("numbers", "1e999999999"), ("numbers", "1e-99999"), ("numbers", [1]), ("numbers", {"value": True}),
        ("date", {"date": "0000-01-01"}), ("date", {"date": "15.06.2026"}), ("date", {"date": "2026-13-01"}),
        ("date", {"date": "2026-06-15", "time": "25:00:00"}), ("date", {"date": 5}), ("date", "2026-06-15"),
        ("timeline", {"from": "yesterday", "to": "2026-01-01"}), ("hour", {"hour": 25, "minute": 0}),
        ("people", {"personsAndTeams": [{"id": "ann"}]}), ("rating", {"rating": "many"}), ("email", ["a@b.c"]),
    ],
)  # fmt: skip
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
    assert [one["url"] for one in found] == [A_URL, "https://acme.monday.com/protected_static/9/resources/77/b, c.png"]


MEMBERS = st.sampled_from(
    """
    index ids date time from to week startDate endDate personsAndTeams checked email text phone countryShortName url lat
    lng address city countryCode countryName rating hour minute timezone tag_ids color hex files assetId linkToFile
    voter_ids duration created_at updated_at item_id linkedPulseIds linkedPulseId id kind value
    """.split()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(MEMBERS | st.text(), parts, max_size=4),
    max_leaves=8,
)


@given(kind=st.sampled_from(sorted(CELLS)), value=JSON, text=st.none() | st.text())
def test_no_cell_breaks_more_than_itself(kind, value, text):
    for given_cell in ({"text": text, "value": json.dumps(value)}, {"text": text, "value": value}):
        try:
            dumps(to_json(read(kind, given_cell)))
        except CellError:
            pass


# --- Writing --------------------------------------------------------------------------------------------------------


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
        ("date", datetime(2026, 6, 15, 11, 0, 5, 999, tzinfo=timezone(timedelta(hours=2))),
         {"date": "2026-06-15", "time": "09:00:05"}),
        ("date", "2026-06-15", {"date": "2026-06-15"}),
        ("date", "2026-06-15T09:00:00Z", {"date": "2026-06-15", "time": "09:00:00"}),
        ("timeline", {"from": "2026-03-01", "to": "2026-03-15"}, {"from": "2026-03-01", "to": "2026-03-15"}),
        ("week", {"from": "2026-03-15", "to": "2026-03-21"},
         {"week": {"startDate": "2026-03-15", "endDate": "2026-03-21"}}),
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
)  # fmt: skip
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
        ("name", ""), ("name", None), ("name", "  "), ("name", "x" * 256), ("long_text", "x" * 2001),
        ("numbers", "twelve"), ("numbers", Decimal("NaN")), ("numbers", float("inf")), ("numbers", [1]),
        ("numbers", True), ("date", "soon"), ("date", 5),
        ("date", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))),
        ("timeline", {"from": "2026-03-01"}), ("timeline", {"from": "2026-03-02", "to": "2026-03-01"}),
        ("timeline", "x"), ("week", {"from": "2026-03-16", "to": "2026-03-21"}),
        ("week", {"from": "2026-03-17", "to": "2026-03-23"}),
        ("people", ["Ann"]), ("rating", 6), ("rating", Decimal("2.5")), ("rating", -1), ("hour", "soon"),
        ("location", {"lat": 91, "lng": 0, "address": "x"}), ("location", {"lat": "NaN", "lng": 0}),
        ("country", "Germany"), ("country", {"code": "DE"}), ("color_picker", "red"),
        ("color_picker", "#gggggg"), ("board_relation", ["x"]),
    ],
)  # fmt: skip
def test_a_value_that_monday_could_not_hold_is_refused_with_its_reason(kind, value):
    with pytest.raises(CellError):
        write(kind, value, settings={"limit": 5})


@pytest.mark.parametrize("kind", ["numbers", "phone", "date", "hour", "color_picker", "long_text", "rating", "people"])
def test_two_million_characters_make_a_short_message(kind):
    with pytest.raises(CellError) as caught:
        write(kind, "x" * 2_000_000)
    assert len(str(caught.value)) < 150


ANYTHING = JSON | st.dates() | st.times() | st.datetimes() | st.decimals().filter(lambda one: not one.is_snan())


@given(kind=st.sampled_from(WRITABLE), value=ANYTHING)
def test_no_value_breaks_more_than_its_cell(kind, value):
    try:
        orjson.dumps(write(kind, value))
    except CellError:
        pass


# --- Comparing ------------------------------------------------------------------------------------------------------


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
        ("phone", "5550169", "2025550169", False),
        ("phone", "2025550169", "2025550168", False),
        ("location", {"lat": "1.50", "lng": "2", "address": "X"},
         {"lat": "1.5", "lng": "2", "address": "X", "city": "Y"}, True),
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
)  # fmt: skip
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


# --- JSON -----------------------------------------------------------------------------------------------------------


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
        (["a", None, True], b'["a",null,true]'),
        ({"a": Decimal("0.1"), "b": [10**20, "\ud800"]}, '{"a":0.1,"b":[100000000000000000000,"\ufffd"]}'.encode()),
        (Decimal("NaN"), b'"NaN"'),
    ],
)
def test_values_become_json_with_every_digit(value, text):
    assert dumps(value) == text
    assert dumps(to_json(value)) == text


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
