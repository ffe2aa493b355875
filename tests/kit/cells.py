"""Holds a cell of every kind of board column, and reads and writes cells as monday.com does."""

from __future__ import annotations

import json
from datetime import datetime, time, timezone
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from models import BoardColumn, Cell, Value
from services.monday.cells.kinds import COLUMN_TYPES, column_type

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
    """Returns a cell as monday.com sends it: `value` is JSON in a string."""
    return {"id": "col", "text": text, "value": None if value is None else json.dumps(value), **typed}


def people(*ids: int) -> list[dict[str, Any]]:
    return [{"id": item_id, "kind": "person"} for item_id in ids]


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
                "lat": "29.9773",
                "lng": "31.1325",
                "address": "Giza",
                "placeId": "p",
                "street": "Al Haram",
                "streetNumber": "1",
                "city": {"long_name": "Giza City", "short_name": "GC"},
                "country": {"long_name": "Egypt", "short_name": "EG"},
                "changed_at": CHANGED,
            },
            "Giza",
        ),
        {
            "lat": "29.9773",
            "lng": "31.1325",
            "address": "Giza",
            "street": "Al Haram",
            "street_number": "1",
            "city": "Giza City",
            "country": "Egypt",
            "place_id": "p",
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
    "direct_doc": (
        {},
        cell({"files": [A_DOC]}),
        [{"id": "u-2", "name": None, "url": "https://acme.monday.com/docs/1"}],
    ),
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
}

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
    """Returns the cell that monday.com keeps for a member of `column_values`."""
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
        return cell(None, None, linked_item_ids=[str(item_id) for item_id in member["item_ids"]])
    return cell(member, "")


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
ANYTHING = JSON | st.dates() | st.times() | st.datetimes() | st.decimals().filter(lambda number: not number.is_snan())
