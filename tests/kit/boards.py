"""Builds boards and items in memory, with the columns that the shipped mappings name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mappings.declaration import Mapping as EntityMapping
from models import Board, BoardColumn, Cell, Item
from tests.kit.shipped import PROJECTS, USERS

STAFF_COLUMNS = {
    "first": "text25",
    "last": "text1",
    "email": "email7",
    "wra": "email__1",
    "team": "status_13",
    "ids": "files3",
    "onboarding": "files_1",
    "shirt": "text6",
    "phone": "phone",
    "address": "text",
    "city": "text2",
    "state": "text5",
    "zip": "text57",
}
PROJECT_COLUMNS = {
    "stage": "text95__1",
    "link": "link__1",
    "job": "text01__1",
    "description": "text40__1",
    "cam": "text_7__1",
    "price": "numbers0",
    "paid": "qb_total_payments__1",
    "customer": "text65__1",
    "email": "email4__1",
    "phone": "phone_1__1",
    "address": "dup__of_job_address0__1",
    "note": "text43__1",
    "team": "job_division___1__1",
    "partner": "partner_name__1",
    "partner_email": "partner_email__1",
    "partner_phone": "partner_phone____1",
    "pm": "text19__1",
    "pm_email": "email6__1",
    "pm_phone": "phone_13__1",
    "estimator": "job_est_1_name__1",
    "estimator_email": "email0__1",
    "estimator_phone": "phone_10__1",
    "superintendent": "dup__of_text6__1",
    "superintendent_email": "dup__of_email__1",
    "superintendent_phone": "dup__of_phone_1__1",
    "rep_first": "text22__1",
    "rep_last": "text49__1",
    "rep_email": "email5__1",
    "rep_phone": "sales_rep_phone____1",
    "law": "jp_pa_law_name__1",
    "law_phone": "jp_pa_law_phone__1",
    "law_email": "jp_pa_law_email__1",
    "claim": "claim_number__1",
    "policy": "dup__of_text0__1",
    "insurer": "text31__1",
    "insurer_phone": "phone_132__1",
    "insurer_email": "email05__1",
    "adjuster_phone": "phone_17__1",
    "adjuster_email": "email57__1",
    "loss": "date_19__1",
    "measurements": "files9__1",
    "codes": "files66__1",
}
NAMES = {"users": STAFF_COLUMNS, "projects": PROJECT_COLUMNS}
TYPES = {
    **dict.fromkeys(("numbers0", "qb_total_payments__1"), "numbers"),
    **dict.fromkeys(("email7", "email__1", "email4__1", "partner_email__1", "email6__1", "email0__1"), "email"),
    **dict.fromkeys(("dup__of_email__1", "email5__1", "jp_pa_law_email__1", "email05__1", "email57__1"), "email"),
    **dict.fromkeys(("phone", "phone_1__1", "partner_phone____1", "phone_13__1", "phone_10__1"), "phone"),
    **dict.fromkeys(("dup__of_phone_1__1", "sales_rep_phone____1", "jp_pa_law_phone__1", "phone_132__1"), "phone"),
    **dict.fromkeys(("phone_17__1",), "phone"),
    **dict.fromkeys(("files3", "files_1", "files9__1", "files66__1"), "file"),
    **{"status_13": "status", "link__1": "link", "date_19__1": "date"},
}

FULL: dict[str, Any] = {
    "stage": "Waiting",
    "link": "https://jobs.example.com/1",
    "job": "JP-1",
    "description": "New roof",
    "cam": "https://cam.example.com/1",
    "price": "12.50",
    "paid": "3.10",
    "customer": "Ann Lee",
    "email": "ann@example.com",
    "phone": "+12025550169",
    "address": "12 Main St, Springfield, IL 62704",
    "note": "Has a dog",
    "team": "Red Hammers",
    "partner": "Bob Part",
    "partner_email": "bob@example.com",
    "partner_phone": "+12025550101",
    "pm": "Pam Plan",
    "pm_email": "pam@example.com",
    "pm_phone": "+12025550102",
    "estimator": "Ed Stim",
    "estimator_email": "ed@example.com",
    "estimator_phone": "+12025550103",
    "superintendent": "Sue Per",
    "superintendent_email": "sue@example.com",
    "superintendent_phone": "+12025550104",
    "rep_first": "Sal",
    "rep_last": "Rep",
    "rep_email": "sal@example.com",
    "rep_phone": "+12025550105",
    "law": "Law LLP",
    "law_phone": "+12025550106",
    "law_email": "law@example.com",
    "claim": "C-1",
    "policy": "P-1",
    "insurer": "Acme Mutual",
    "insurer_phone": "+12025550107",
    "insurer_email": "acme@example.com",
    "adjuster_phone": "+12025550108",
    "adjuster_email": "adj@example.com",
    "loss": "2025-05-05",
    "measurements": [(7, "plan.pdf")],
    "codes": [(8, "codes.pdf")],
}
"""Fills every mapped cell of a project item."""

EXTRAS = (
    BoardColumn("num9", "Score", "numbers"),
    BoardColumn("date9", "Due", "date"),
    BoardColumn("status9", "Priority", "status", {"labels": [{"id": 1, "label": "High"}, {"id": 2, "label": "Low"}]}),
)


# Boards, cells and items


def board_for(mapping: EntityMapping, *more: BoardColumn, without: Iterable[str] = ()) -> Board:
    """Makes a board with every column that the mapping names, and some that it does not."""
    named = dict.fromkeys(column for binding in mapping.bindings for column in binding.columns if column != "name")
    titles = {column: name.replace("_", " ").upper() for name, column in NAMES.get(mapping.entity, {}).items()}
    columns = [
        BoardColumn(column, titles.get(column, column), TYPES.get(column, "text"))
        for column in named
        if column not in without
    ]
    return Board(mapping.board_id or "1", mapping.title, (BoardColumn("name", "Name", "name"), *columns, *more))


def cell_of(column: BoardColumn, value: Any) -> Cell:
    """Makes a cell as monday.com would send it; a dict is taken as it is."""
    if isinstance(value, Mapping):
        return {"id": column.id, "text": "", "value": None, **value}
    if value is None:
        return {"id": column.id, "text": "", "value": None}
    text, content = _SHAPES.get(column.type, _plain)(value)
    return {"id": column.id, "text": text, "value": json.dumps(content)}


def _plain(value: Any) -> tuple[str, Any]:
    return str(value), str(value)


def _date(value: str) -> tuple[str, Any]:
    day, _, clock = value.partition(" ")
    return value, {"date": day, "time": clock or None, "changed_at": "2026-01-01T00:00:00Z"}


def _link(value: Any) -> tuple[str, Any]:
    url, text = value if isinstance(value, tuple) else (value, value)
    return f"{text} - {url}", {"url": url, "text": text}


def _files(value: Sequence[tuple[int, str]]) -> tuple[str, Any]:
    urls = [f"https://files.example.com/resources/{number}/{name}" for number, name in value]
    return ", ".join(urls), {
        "files": [{"assetId": number, "name": name, "fileType": "ASSET"} for number, name in value]
    }


_SHAPES: dict[str, Any] = {
    "email": lambda value: (value, {"email": value, "text": value, "changed_at": "2026-01-01T00:00:00Z"}),
    "phone": lambda value: (value, {"phone": value, "countryShortName": "US"}),
    "link": _link,
    "date": _date,
    "status": lambda value: (value, {"index": 1, "post_id": None}),
    "dropdown": lambda value: (", ".join(value), {"ids": list(range(1, len(value) + 1))}),
    "checkbox": lambda value: ("v" if value else "", {"checked": bool(value)}),
    "people": lambda value: ("", {"personsAndTeams": [{"id": person, "kind": kind} for person, kind in value]}),
    "file": _files,
}


def item_of(board: Board, item_id: int, name: str | None = None, at: str = "2026-01-01", **cells: Any) -> Item:
    """Makes an item with these cells, by the names above or by column id; all others are empty."""
    names = NAMES["users"] if board.id == USERS else NAMES["projects"] if board.id == PROJECTS else {}
    given = {names.get(key, key): value for key, value in cells.items()}
    known = {column.id for column in board.columns}
    assert given.keys() <= known, given.keys() - known
    filled = {column.id: cell_of(column, given.get(column.id)) for column in board.columns if column.id != "name"}
    moment = at if "T" in at else f"{at}T00:00:00Z"
    title = f"Item {item_id}" if name is None else name
    return Item(str(item_id), title, "active", moment, moment, "topics", board.id, None, filled)
