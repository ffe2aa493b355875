"""Reads and writes cells of people, teams, locations and countries."""

from __future__ import annotations

from collections.abc import Mapping

from models import BoardColumn, Cell, Value
from services.monday.cells.shape import JsonMember, guarded, object_of
from values.comparing import as_list, as_text, person_of
from values.parsing import CellError, exact_number, excerpt, text_of, whole_number


@guarded
def read_people(cell: Cell, column: BoardColumn) -> Value:
    people = object_of(cell).get("personsAndTeams")
    return [person_of(entry) for entry in people] if people else None


@guarded
def read_person(cell: Cell, column: BoardColumn) -> Value:
    """The people and team kinds of before: one id, under a name of its own."""
    value = object_of(cell)
    if value.get("personsAndTeams"):
        return read_people(cell, column)
    kind = "team" if column.type == "team" else str(value.get("kind") or "person")
    found = value.get("id") or value.get("team_id") or value.get("person_id") or value.get("personId")
    return [{"id": whole_number(found), "kind": kind}] if found else None


_LOCATION_PARTS = (
    ("lat", "lat"), ("lng", "lng"), ("address", "address"), ("street", "street"), ("street_number", "streetNumber"),
    ("city", "city"), ("country", "country"), ("place_id", "placeId"),
)  # fmt: skip


@guarded
def read_location(cell: Cell, column: BoardColumn) -> Value:
    value = object_of(cell)
    location = {}
    for ours, theirs in _LOCATION_PARTS:
        part = value.get(theirs)
        if type(part) is dict:
            part = part.get("long_name") or part.get("short_name")
        if part is not None and part != "":
            location[ours] = text_of(part)
    return location or None


def read_country(cell: Cell, column: BoardColumn) -> Value:
    value = object_of(cell)
    code = text_of(value.get("countryCode"))
    return {"code": code, "name": text_of(value.get("countryName"))} if code else None


@guarded
def read_voters(cell: Cell, column: BoardColumn) -> Value:
    voters = object_of(cell).get("voter_ids")
    return [whole_number(one) for one in voters] if voters else None


def write_people(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    return {"personsAndTeams": [person_of(entry) for entry in as_list(value)]}


def write_location(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    place = value if isinstance(value, Mapping) else {"address": as_text(value)}
    old = (read_location(cell, column) if cell else None) or {}
    address = text_of(place.get("address")).strip()
    if not place.get("lat") and address == old.get("address", "").strip():
        place = {**old, **{name: part for name, part in place.items() if part}}
    member = {}
    for name, limit in (("lat", 90), ("lng", 180)):
        if place.get(name) in (None, ""):
            raise CellError(f"a location needs lat and lng: {excerpt(value)}")
        if abs(exact_number(place[name])) > limit:
            raise CellError(f"{name} is at most {limit}: {excerpt(place[name])}")
        member[name] = str(place[name])
    return {**member, "address": text_of(place.get("address"))}


def write_country(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    country = value if isinstance(value, Mapping) else {"code": value}
    code, name = text_of(country.get("code")).strip().upper(), text_of(country.get("name"))
    old = (read_country(cell, column) if cell else None) or {}
    if not name and code == old.get("code"):
        name = old["name"]
    if len(code) != 2 or not name:
        raise CellError(f"a country needs its code and its name: {excerpt(value)}")
    return {"countryCode": code, "countryName": name}


NAMED_PEOPLE = "named_people"
"""For `as`: people with the names that the cell shows beside their ids."""


def read_named_people(cell: Cell, column: BoardColumn) -> Value:
    people = read_people(cell, column)
    shown = text_of(cell.get("text"))
    # Names are in `text` alone, in the order of the ids; a comma in one of them makes the others uncertain.
    names = [shown] if people and len(people) == 1 else shown.split(", ")
    if not people or len(names) != len(people):
        return people
    return [{**one, "name": name} if name else one for one, name in zip(people, names, strict=True)]
