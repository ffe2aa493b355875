"""Reads the cells of a CSV file in the form that a mutation would take."""

from __future__ import annotations

import re

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import ACTIVE, Column
from sandbox.monday.account.world import World
from sandbox.monday.cells.kind import Cell
from sandbox.monday.errors import MondayError

CHECKED, UNCHECKED = ("true", "yes", "y", "x", "checked", "1"), ("false", "no", "n", "0", "unchecked")
SUPPORTED = {
    *("board_relation", "checkbox", "date", "dropdown", "email", "link", "location", "long_text", "name", "numbers"),
    *("people", "phone", "status", "text", "timeline"),
}
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<url>https?://[^\s)]+)\)|(?P<alone>https?://\S+)", re.IGNORECASE)
NUMBER = re.compile(r"-?\d+(\.\d+)?")
EMAIL = re.compile(r"(?P<text>[^<]*)<(?P<email>[^<>]+)>")


def sent_by_csv(column: Column, text: str, world: World) -> object:
    """Reads a cell. Raises MondayError for what the guide has no form for."""
    if column.type not in SUPPORTED:
        raise refused(column, "its type can't be imported")
    match column.type:
        case "people":
            return {"personsAndTeams": [csv_person(part, world) for part in parts(text)]}
        case "timeline":
            first, _, last = text.partition("/")
            if not DAY.fullmatch(first) or (last and not DAY.fullmatch(last)):
                raise refused(column, "not a day or two days with / between them")
            return {"from": first, "to": last or first}
        case "date":
            if not DAY.fullmatch(text):
                raise refused(column, "not a day")
        case "location":
            lat, lng, address = (text.split("|", 2) + ["", ""])[:3]
            if not address.strip() or not NUMBER.fullmatch(lat) or not NUMBER.fullmatch(lng):
                raise refused(column, "not lat|lng|address")
            return {"lat": lat, "lng": lng, "address": address}
        case "link":
            return csv_address(column, text)
        case "checkbox":
            if text.lower() not in CHECKED + UNCHECKED:
                raise refused(column, "neither yes nor no")
            return {"checked": "true"} if text.lower() in CHECKED else None
        case "board_relation":
            return {"item_ids": [csv_link(part, column, world) for part in parts(text)]}
        case "status":
            return {"label": text}
        case "dropdown":
            return {"labels": parts(text)}
        case "email":
            named = EMAIL.fullmatch(text)
            return {"email": named["email"], "text": named["text"].strip()} if named else {"email": text, "text": text}
        case "phone" if re.fullmatch(r"\+1\d{10}", text):
            return {"phone": text, "countryShortName": "US"}
    return text


def refused(column: Column, why: str) -> MondayError:
    return MondayError("ColumnValueException", f"{column.title}: {why}", data={"column_type": column.type})


def csv_address(column: Column, text: str) -> JsonObject:
    """Reads an address, alone or as `[Text](address)`."""
    found = LINK.fullmatch(text)
    if found is None:
        raise refused(column, "not an address, nor [Text](address)")
    url = found["alone"] or found["url"]
    return {"url": url, "text": found["text"] or url}


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
