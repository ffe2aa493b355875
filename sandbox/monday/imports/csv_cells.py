"""Reads the cells of a CSV file in the form that a mutation would take."""

from __future__ import annotations

import re

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import ACTIVE, Column
from sandbox.monday.account.world import World
from sandbox.monday.cells.kind import Cell

CHECKED = ("true", "yes", "1", "v", "checked")


def sent_by_csv(column: Column, text: str, world: World) -> object:
    match column.type:
        case "people":
            return {"personsAndTeams": [csv_person(part, world) for part in parts(text)]}
        case "timeline":
            first, _, last = text.partition("/")
            return {"from": first, "to": last}
        case "location":
            lat, lng, address = (text.split("|", 2) + ["", ""])[:3]
            return {"lat": lat, "lng": lng, "address": address}
        case "checkbox":
            return {"checked": "true"} if text.lower() in CHECKED else None
        case "board_relation":
            return {"item_ids": [csv_link(part, column, world) for part in parts(text)]}
        case "status":
            return {"label": text}
        case "dropdown":
            return {"labels": parts(text)}
        case "email":
            return {"email": text, "text": text}
        case "rating":
            return {"rating": text}
        case "phone" if re.fullmatch(r"\+1\d{10}", text):
            return {"phone": text, "countryShortName": "US"}
    return text


def parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def csv_person(text: str, world: World) -> JsonObject:
    """Reads `user:ID`, `team:ID` or the e-mail of a user."""
    word, _, number = text.partition(":")
    if word in ("user", "team") and number:
        return {"id": number, "kind": "team" if word == "team" else "person"}
    found = next((user.id for user in world.users.values() if user.email.casefold() == text.casefold()), 0)
    return {"id": found, "kind": "person"}


def csv_link(text: str, column: Column, world: World) -> int | str:
    """Reads an item id, `board:item`, or the name of an item on a connected board."""
    # an id, alone or behind the id of its board
    number = text.rpartition(":")[2]
    if number.isdecimal():
        return number
    ids = (int(id) for id in column.settings.get("boardIds", []))
    items = (item for id in ids if id in world.boards for item in world.boards[id].items.values())
    return next((item.id for item in items if item.name == text and item.state == ACTIVE), text)


def key_of(cell: Cell) -> str:
    """Reads the text by which a row of the file matches an item; empty for none."""
    if cell.column.type == "name":
        return cell.item.name
    if cell.datum is None:
        return ""
    return str(cell.datum[0]) if cell.column.type in ("email", "link", "phone", "date") else (cell.text() or "")
