"""Reads and writes cells that point: people, connected items, dependencies, and the legacy person and team."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import ACTIVE, Item
from sandbox.monday.cells.kind import Cell, Kind, Writing, as_id, as_ids, as_object, need
from sandbox.monday.errors import BadValue


def people_text(cell: Cell) -> str:
    return ", ".join(filter(None, (name_of(cell, number, kind) for number, kind in cell.datum or ())))


def name_of(cell: Cell, number: int, kind: str) -> str | None:
    found = cell.world.teams.get(number) if kind == "team" else cell.world.users.get(number)
    return found.name if found else None


def people_value(cell: Cell) -> JsonObject | None:
    if cell.datum is None:
        return None
    return {"changed_at": cell.changed_at(), "personsAndTeams": [{"id": n, "kind": kind} for n, kind in cell.datum]}


def people_event(cell: Cell) -> JsonObject | None:
    return cell.datum and {
        "personsAndTeams": [{"id": number, "kind": kind} for number, kind in cell.datum],
        "changed_at": cell.changed_at(),
    }


def persons_and_teams(cell: Cell) -> list[JsonObject]:
    return [{"id": str(number), "kind": kind} for number, kind in cell.datum or ()]


def read_people(sent: object, writing: Writing) -> tuple[tuple[int, str], ...] | None:
    wanted = as_object(sent, "personsAndTeams")
    if wanted is None:
        return None
    need(isinstance(wanted["personsAndTeams"], list))
    return assigned([person(entry, writing) for entry in wanted["personsAndTeams"]], writing)


def person(sent: object, writing: Writing) -> tuple[int, str]:
    entry = as_object(sent, "id", "kind")
    if entry is None:
        raise BadValue()
    number, kind = as_id(entry["id"]), entry["kind"]
    need(kind in ("person", "team"))
    need(number in (writing.world.teams if kind == "team" else writing.world.users))
    return number, kind


def assigned(people: list[tuple[int, str]], writing: Writing) -> tuple[tuple[int, str], ...] | None:
    chosen = tuple(dict.fromkeys(people))
    most = int(writing.column.settings.get("max_people_allowed") or 0)
    # 0 means any number
    need(most == 0 or len(chosen) <= most)
    return chosen or None


def simple_people(text: str, writing: Writing) -> tuple[tuple[int, str], ...] | None:
    """Reads ids parted by commas; e-mails, which one official sample shows, are refused."""
    numbers = [as_id(part.strip()) for part in text.split(",") if part.strip()]
    return assigned([person({"id": number, "kind": "person"}, writing) for number in numbers], writing)


def person_text(cell: Cell) -> str | None:
    return name_of(cell, cell.datum, "person") if cell.datum else ""


def team_text(cell: Cell) -> str | None:
    return name_of(cell, cell.datum, "team") if cell.datum else ""


def linked_items(cell: Cell) -> list[Item]:
    return [cell.world.items[number] for number in cell.datum or () if number in cell.world.items]


def linked_names(cell: Cell) -> str:
    return ", ".join(item.name for item in linked_items(cell))


def linked_ids(cell: Cell) -> list[str]:
    return [str(number) for number in cell.datum or ()]


def linked_event(cell: Cell) -> JsonObject | None:
    return cell.datum and {"linkedPulseIds": [{"linkedPulseId": number} for number in cell.datum]}


def read_relation(sent: object, writing: Writing) -> tuple[int, ...] | None:
    wanted = as_object(sent, "item_ids")
    ids = as_ids(wanted["item_ids"]) if wanted else ()
    boards = {int(number) for number in writing.column.settings.get("boardIds", [])}
    for number in ids:
        item = writing.world.items.get(number)
        need(item is not None and item.board_id in boards and item.state == ACTIVE)
    # one item only, if the column says so
    need(writing.column.settings.get("allowMultipleItems", True) or len(ids) <= 1)
    return ids or None


def dependency_links(cell: Cell) -> list[JsonObject]:
    return [{"linked_item_id": str(number), "dependency_type": 0, "lag": 0} for number in cell.datum or ()]


RELATION_KINDS = [
    Kind(
        type="people",
        graphql="PeopleValue",
        internal="multiple-person",
        text=people_text,
        value=people_value,
        fields={"persons_and_teams": persons_and_teams},
        read=read_people,
        simple=simple_people,
        event=people_event,
    ),
    Kind(
        type="board_relation",
        graphql="BoardRelationValue",
        internal="board-relation",
        fields={"linked_item_ids": linked_ids, "linked_items": linked_items, "display_value": linked_names},
        read=read_relation,
        event=linked_event,
    ),
    Kind(
        type="dependency",
        graphql="DependencyValue",
        internal="dependency",
        fields={
            "linked_item_ids": linked_ids,
            "linked_items": linked_items,
            "display_value": linked_names,
            "dependency_links": dependency_links,
        },
        read=read_relation,
        event=linked_event,
    ),
    Kind(
        type="person",
        graphql="PersonValue",
        internal="person",
        text=person_text,
        value=lambda cell: cell.datum and {"id": cell.datum, "kind": "person"},
        fields={"person_id": lambda cell: cell.datum and str(cell.datum)},
    ),
    Kind(
        type="team",
        graphql="TeamValue",
        internal="team",
        text=team_text,
        value=lambda cell: cell.datum and {"team_id": cell.datum},
        fields={"team_id": lambda cell: cell.datum},
    ),
]
