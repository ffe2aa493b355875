"""A board with one column of every type, a few labels out of use, and subitems."""

from __future__ import annotations

from typing import Any

from sandbox.models import Column, Group, Label
from sandbox.seeding.columns import column, dropdown, status
from sandbox.seeding.dice import Dice

BOARD_ID = 7_810_000_303
SUBITEMS_ID = 7_810_000_304
NAME = "Everything"
GROUPS = (Group("topics", "First", "#037f4c", 65536.0), Group("second", "Second", "#579bfc", 131072.0))
SUBITEM_GROUPS = (Group("topics", "Subitems", "#579bfc", 65536.0),)


def columns() -> list[Column]:
    labels = status("status", "Status", "Working on it", "Done", "Stuck", "Waiting")
    labels.labels.append(Label(7, "Old", "#333333", "blackish", deactivated=True))
    choices = dropdown("dropdown", "Dropdown", "Marketing", "Design", "Sales, EMEA")
    choices.labels.append(Label(4, "Retired", deactivated=True))
    own = {"boardIds": [BOARD_ID], "allowMultipleItems": True}
    shown = [{"board_id": str(BOARD_ID), "column_ids": ["text"]}]
    return [
        column("name", "Name", "name"),
        column("subitems", "Subitems", "subtasks", allowMultipleItems=True, itemTypeName="column.subtasks.title",
               displayType="BOARD_INLINE", boardIds=[SUBITEMS_ID]),
        labels, choices,
        column("numbers", "Numbers", "numbers", unit={"symbol": "$", "custom_unit": "", "direction": "left"}),
        column("connect", "Connected", "board_relation", **own),
        column("dependency", "Dependent on", "dependency", **own),
        column("mirror", "Mirror", "mirror", relation_column={"connect": True}, displayed_linked_columns=shown),
        column("formula", "Formula", "formula", formula="{numbers}*2"),
        column("button", "Button", "button", label="Press"),
        column("rating", "Rating", "rating", limit=5),
        column("item_id", "Item ID", "item_id"),
        *(column(type, type.replace("_", " ").capitalize(), type) for type in (
            "auto_number", "checkbox", "color_picker", "country", "creation_log", "date", "direct_doc", "doc", "email",
            "file", "group", "hour", "integration", "item_assignees", "last_updated", "link", "location", "long_text",
            "people", "person", "phone", "progress", "tags", "team", "text", "time_tracking", "timeline",
            "unsupported", "vote", "week", "world_clock")),
    ]


def subitem_columns() -> list[Column]:
    return [column("name", "Name", "name"), column("person", "Owner", "people"), status("status", "Status",
            "Working on it", "Done", "Stuck"), column("date0", "Date", "date"), column("text", "Text", "text")]


def cells(seed: int, index: int, moment: float, user_ids: list[int], tag_ids: list[int], team_ids: list[int],
          earlier: list[int], asset_id: int) -> dict[str, Any]:
    """Every third item is nearly empty, so that both faces of each cell are on the board."""
    if index % 3 == 2:
        return {"text": f"only text {index}"}
    dice = Dice(seed, 50, index)
    start = int(moment)
    file = {"name": "plan.png", "assetId": asset_id, "isImage": "true", "fileType": "ASSET",
            "createdAt": str(start * 1000), "createdBy": str(user_ids[0])}
    doc = {"name": "Notes", "fileId": f"00000000-0000-4000-8000-{index:012d}", "fileType": "MONDAY_DOC",
           "linkToFile": f"https://example-roofing.monday.com/docs/{index + 1}", "objectId": index + 1,
           "createdAt": str(start * 1000), "createdBy": str(user_ids[0])}
    return {
        "status": dice.roll(4), "dropdown": (1, 3), "numbers": dice.pick(("4.50", "-3", "1000000.00001", "0")),
        "connect": tuple(earlier[:2]) or None, "dependency": tuple(earlier[:1]) or None, "checkbox": True,
        "color_picker": "#FF5733", "country": ("US", "United States"), "date": ("2026-06-15", "09:00:00", None),
        "doc": (doc,), "direct_doc": (doc,), "email": ("ann@example.com", "Ann"), "file": (file,), "hour": (14, 30),
        "integration": (71, "SB-71"), "link": ("https://example.com/x", "Text"),
        "location": ("29.9773", "31.1325", "Giza Pyramid Complex"), "long_text": "line 1\nline 2 🧱",
        "people": ((user_ids[1], "person"), (team_ids[0], "team")), "person": user_ids[1],
        "phone": ("+12025550169", "US"), "rating": dice.roll(5) + 1, "tags": tuple(tag_ids[:2]), "team": team_ids[0],
        "text": f"Grüße {index}", "time_tracking": (9000, False, start), "timeline": ("2026-03-01", "2026-03-15"),
        "unsupported": {"raw": index}, "vote": (user_ids[0], user_ids[2]), "week": ("2026-03-16", "2026-03-22"),
        "world_clock": "Europe/London",
    }


def subitem_cells(index: int) -> dict[str, Any]:
    return {"status": index % 3, "date0": ("2026-06-15", None, None), "text": f"part {index}"}
