"""Cells that point: people, connected items, dependencies, files, documents, and the legacy person and team."""

from __future__ import annotations

from typing import Any

from sandbox.cells.kind import Cell, Kind, Writing, as_id, as_ids, as_object, need
from sandbox.clock import iso
from sandbox.errors import BadValue
from sandbox.models import ACTIVE, Item


def people_text(cell: Cell) -> str:
    return ", ".join(filter(None, (name_of(cell, number, kind) for number, kind in cell.datum or ())))


def name_of(cell: Cell, number: int, kind: str) -> str | None:
    holder: Any = cell.world.teams if kind == "team" else cell.world.users
    found = holder.get(number)
    return found.name if found else None


def people_value(cell: Cell) -> Any:
    if cell.datum is None:
        return None
    return {"changed_at": cell.changed_at(), "personsAndTeams": [{"id": n, "kind": k} for n, k in cell.datum]}


def people_event(cell: Cell) -> Any:
    return cell.datum and {
        "personsAndTeams": [{"id": n, "kind": k} for n, k in cell.datum], "changed_at": cell.changed_at()}


def read_people(sent: Any, writing: Writing) -> Any:
    wanted = as_object(sent, "personsAndTeams")
    if wanted is None:
        return None
    need(isinstance(wanted["personsAndTeams"], list))
    return assigned([person(one, writing) for one in wanted["personsAndTeams"]], writing)


def person(sent: Any, writing: Writing) -> tuple[int, str]:
    entry = as_object(sent, "id", "kind")
    if entry is None:
        raise BadValue()
    number, kind = as_id(entry["id"]), entry["kind"]
    need(kind in ("person", "team"))
    need(number in (writing.world.teams if kind == "team" else writing.world.users))
    return number, kind


def assigned(people: list[tuple[int, str]], writing: Writing) -> Any:
    chosen = tuple(dict.fromkeys(people))
    most = int(writing.column.settings.get("max_people_allowed") or 0)
    need(most == 0 or len(chosen) <= most)
    return chosen or None


def simple_people(text: str, writing: Writing) -> Any:
    """Ids parted by commas; e-mails, which one official sample shows, are refused."""
    numbers = [as_id(one.strip()) for one in text.split(",") if one.strip()]
    return assigned([person({"id": n, "kind": "person"}, writing) for n in numbers], writing)


def linked_items(cell: Cell) -> list[Item]:
    return [cell.world.items[n] for n in cell.datum or () if n in cell.world.items]


def linked_names(cell: Cell) -> str:
    return ", ".join(item.name for item in linked_items(cell))


def linked_ids(cell: Cell) -> list[str]:
    return [str(n) for n in cell.datum or ()]


def linked_event(cell: Cell) -> Any:
    return cell.datum and {"linkedPulseIds": [{"linkedPulseId": n} for n in cell.datum]}


def read_relation(sent: Any, writing: Writing) -> Any:
    wanted = as_object(sent, "item_ids")
    ids = as_ids(wanted["item_ids"]) if wanted else ()
    boards = {int(n) for n in writing.column.settings.get("boardIds", [])}
    for number in ids:
        item = writing.world.items.get(number)
        need(item is not None and item.board_id in boards and item.state == ACTIVE)
    need(writing.column.settings.get("allowMultipleItems", True) or len(ids) <= 1)
    return ids or None


def dependency_links(cell: Cell) -> list[dict[str, Any]]:
    return [{"linked_item_id": str(n), "dependency_type": 0, "lag": 0} for n in cell.datum or ()]


# files: dictionaries as monday stores them, in the shapes of `value`

def file_text(cell: Cell) -> str:
    urls = (f.get("linkToFile") or f"https://{cell.world.account.slug}.monday.com/protected_static/"
            f"{cell.world.account.id}/resources/{f.get('assetId')}/{f['name']}" for f in cell.datum or ())
    return ", ".join(urls)


def file_entries(cell: Cell) -> list[dict[str, Any]]:
    return [file_entry(cell, f) for f in cell.datum or ()]


def file_entry(cell: Cell, stored: dict[str, Any]) -> dict[str, Any]:
    common = {
        "name": stored["name"], "created_at": iso(int(stored["createdAt"]) / 1000),
        "creator_id": stored["createdBy"], "creator": cell.world.users.get(int(stored["createdBy"])),
    }
    if stored["fileType"] == "ASSET":
        return {"__typename": "FileAssetValue", "asset_id": str(stored["assetId"]), **common,
                "is_image": stored["isImage"] == "true", "asset": cell.world.assets.get(stored["assetId"])}
    if stored["fileType"] == "MONDAY_DOC":
        return {"__typename": "FileDocValue", "file_id": stored["fileId"], "object_id": str(stored["objectId"]),
                "url": stored["linkToFile"], **common}
    return {"__typename": "FileLinkValue", "file_id": stored["fileId"], "kind": stored["fileType"].lower(),
            "url": stored["linkToFile"], **common}


def file_value(cell: Cell) -> Any:
    return cell.datum and {"files": list(cell.datum)}


def read_clear_all(sent: Any, writing: Writing) -> Any:
    need(not writing.many and sent == {"clear_all": True})
    return None


RELATION_KINDS = [
    Kind("people", "PeopleValue", "multiple-person", people_text, people_value,
         {"persons_and_teams": lambda c: [{"id": str(n), "kind": k} for n, k in c.datum or ()]},
         read_people, simple_people, people_event, cell_time=True),
    Kind("board_relation", "BoardRelationValue", "board-relation",
         fields={"linked_item_ids": linked_ids, "linked_items": linked_items, "display_value": linked_names},
         read=read_relation, event=linked_event, cell_time=True),
    Kind("dependency", "DependencyValue", "dependency",
         fields={"linked_item_ids": linked_ids, "linked_items": linked_items, "display_value": linked_names,
                 "dependency_links": dependency_links},
         read=read_relation, event=linked_event, cell_time=True),
    Kind("file", "FileValue", "file", file_text, file_value, {"files": file_entries}, read_clear_all),
    Kind("doc", "DocValue", "doc", lambda c: "", file_value,
         {"file": lambda c: next(iter(file_entries(c)), None)}, read_clear_all),
    Kind("direct_doc", "DirectDocValue", "direct-doc", lambda c: "", file_value),
    Kind("person", "PersonValue", "person", lambda c: name_of(c, c.datum, "person") if c.datum else "",
         lambda c: c.datum and {"id": c.datum, "kind": "person"},
         {"person_id": lambda c: c.datum and str(c.datum)}, cell_time=True),
    Kind("team", "TeamValue", "team", lambda c: name_of(c, c.datum, "team") if c.datum else "",
         lambda c: c.datum and {"team_id": c.datum}, {"team_id": lambda c: c.datum}, cell_time=True),
]
