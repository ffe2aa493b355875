"""Makes a board with one column of every type, a few labels out of use, and subitems."""

from __future__ import annotations

from sandbox.common.dice import Dice
from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import Cells, Column, Group, Label
from sandbox.monday.account.new_columns import dropdown, new_column, status
from sandbox.monday.seeding.known import Known

BOARD_ID = 7_810_000_303
SUBITEMS_ID = 7_810_000_304
NAME = "Everything"
GROUPS = (Group("topics", "First", "#037f4c", 65536.0), Group("second", "Second", "#579bfc", 131072.0))
SUBITEM_GROUPS = (Group("topics", "Subitems", "#579bfc", 65536.0),)
PLAIN_TYPES = (
    *("auto_number", "checkbox", "color_picker", "country", "creation_log", "date", "direct_doc", "doc", "email"),
    *("file", "group", "hour", "integration", "item_assignees", "last_updated", "link", "location", "long_text"),
    *("people", "person", "phone", "progress", "tags", "team", "text", "time_tracking", "timeline"),
    *("unsupported", "vote", "week", "world_clock"),
)
FILE = {"name": "plan.png", "assetId": 0, "isImage": "true", "fileType": "ASSET"}
CONSTANT: Cells = {
    "dropdown": (1, 3),
    "checkbox": True,
    "color_picker": "#FF5733",
    "country": ("US", "United States"),
    "date": ("2026-06-15", "09:00:00", None),
    "email": ("ann@example.com", "Ann"),
    "hour": (14, 30),
    "link": ("https://example.com/x", "Text"),
    "location": ("29.9773", "31.1325", "Giza Pyramid Complex"),
    "long_text": "line 1\nline 2 🧱",
    "phone": ("+12025550169", "US"),
    "timeline": ("2026-03-01", "2026-03-15"),
    "week": ("2026-03-16", "2026-03-22"),
    "world_clock": "Europe/London",
}


def columns() -> list[Column]:
    labels = status("status", "Status", "Working on it", "Done", "Stuck", "Waiting")
    labels.labels.append(Label(7, "Old", "#333333", "blackish", deactivated=True))
    choices = dropdown("dropdown", "Dropdown", "Marketing", "Design", "Sales, EMEA")
    choices.labels.append(Label(4, "Retired", deactivated=True))
    own = {"boardIds": [BOARD_ID], "allowMultipleItems": True}
    shown = [{"board_id": str(BOARD_ID), "column_ids": ["text"]}]
    return [
        new_column("name", "Name", "name"),
        new_column(
            "subitems",
            "Subitems",
            "subtasks",
            allowMultipleItems=True,
            itemTypeName="column.subtasks.title",
            displayType="BOARD_INLINE",
            boardIds=[SUBITEMS_ID],
        ),
        labels,
        choices,
        new_column("numbers", "Numbers", "numbers", unit={"symbol": "$", "custom_unit": "", "direction": "left"}),
        new_column("connect", "Connected", "board_relation", **own),
        new_column("dependency", "Dependent on", "dependency", **own),
        new_column("mirror", "Mirror", "mirror", relation_column={"connect": True}, displayed_linked_columns=shown),
        new_column("formula", "Formula", "formula", formula="{numbers}*2"),
        new_column("button", "Button", "button", label="Press"),
        new_column("rating", "Rating", "rating", limit=5),
        new_column("item_id", "Item ID", "item_id"),
        *(new_column(type, type.replace("_", " ").capitalize(), type) for type in PLAIN_TYPES),
    ]


def subitem_columns() -> list[Column]:
    return [
        new_column("name", "Name", "name"),
        new_column("person", "Owner", "people"),
        status("status", "Status", "Working on it", "Done", "Stuck"),
        new_column("date0", "Date", "date"),
        new_column("text", "Text", "text"),
    ]


def cells(seed: int, index: int, moment: float, known: Known, earlier: list[int]) -> Cells:
    """Fills two items of three; every third is nearly empty, so that both faces of each cell are on the board."""
    if index % 3 == 2:
        return {"text": f"only text {index}"}
    dice = Dice(seed, 50, index)
    start = int(moment)
    stored = {"createdAt": str(start * 1000), "createdBy": str(known.users[0])}
    return {
        # the order in which the dice are rolled
        "status": dice.roll(4),
        "numbers": dice.pick(("4.50", "-3", "1000000.00001", "0")),
        "rating": dice.roll(5) + 1,
        # what points elsewhere
        "connect": tuple(earlier[:2]) or None,
        "dependency": tuple(earlier[:1]) or None,
        "people": ((known.users[1], "person"), (known.teams[0], "team")),
        "person": known.users[1],
        "team": known.teams[0],
        "tags": tuple(known.tags[:2]),
        "vote": (known.users[0], known.users[2]),
        "file": ({**FILE, "assetId": known.asset, **stored},),
        "doc": (document(index) | stored,),
        "direct_doc": (document(index) | stored,),
        # what is numbered
        "integration": (71, "SB-71"),
        "text": f"Grüße {index}",
        "time_tracking": (9000, False, start),
        "unsupported": {"raw": index},
        **CONSTANT,
    }


def document(index: int) -> JsonObject:
    return {
        "name": "Notes",
        "fileId": f"00000000-0000-4000-8000-{index:012d}",
        "fileType": "MONDAY_DOC",
        "linkToFile": f"https://example-roofing.monday.com/docs/{index + 1}",
        "objectId": index + 1,
    }


def subitem_cells(index: int) -> Cells:
    return {"status": index % 3, "date0": ("2026-06-15", None, None), "text": f"part {index}"}
