"""Reads and writes cells of people, teams, locations and countries."""

from __future__ import annotations

from collections.abc import Mapping

from models import BoardColumn, Cell, Value
from services.monday.cells.shape import JsonMember, guarded, object_of
from values.canonical import as_list, as_text, person_of
from values.parsing import CellError, exact_number, excerpt, text_of, whole_number

# --- People ---------------------------------------------------------------------------------------------------------

NAMED_PEOPLE = "named_people"
"""For `as`: people with their names beside their ids."""
NAMES = "names of people"
"""Under this name a column keeps what knows the names of users and teams."""


@guarded
def read_people(cell: Cell, column: BoardColumn) -> Value:
    """Reads people and teams as ids with their kinds."""
    people = object_of(cell).get("personsAndTeams")
    return [person_of(entry) for entry in people] if people else None


@guarded
def read_person(cell: Cell, column: BoardColumn) -> Value:
    """Reads the deprecated kinds `person` and `team`: one id, under several names."""
    value = object_of(cell)
    if value.get("personsAndTeams"):
        return read_people(cell, column)
    kind = "team" if column.type == "team" else str(value.get("kind") or "person")
    found = value.get("id") or value.get("team_id") or value.get("person_id") or value.get("personId")
    return [{"id": whole_number(found), "kind": kind}] if found else None


def read_named_people(cell: Cell, column: BoardColumn) -> Value:
    """Reads people with their names: those of several come from their ids, because a name may hold a comma."""
    people = read_people(cell, column)
    shown = text_of(cell.get("text"))
    if people and len(people) == 1:
        return [{**people[0], "name": shown}] if shown else people
    names = column.parsed.get(NAMES)
    if not people or names is None:
        return people
    named = ((person, names.of(person)) for person in people)
    return [{**person, "name": text_of(name)} if name else person for person, name in named]


@guarded
def read_voters(cell: Cell, column: BoardColumn) -> Value:
    """Reads the ids of the users who voted."""
    voters = object_of(cell).get("voter_ids")
    return [whole_number(voter) for voter in voters] if voters else None


def write_people(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes people and teams by id."""
    return {"personsAndTeams": [person_of(entry) for entry in as_list(value)]}


# --- Places ---------------------------------------------------------------------------------------------------------

_LOCATION_PARTS = {
    "lat": "lat",
    "lng": "lng",
    "address": "address",
    "street": "street",
    "street_number": "streetNumber",
    "city": "city",
    "country": "country",
    "place_id": "placeId",
}
"""The parts of a location, and what monday.com calls them."""


@guarded
def read_location(cell: Cell, column: BoardColumn) -> Value:
    """Reads a place on the map."""
    value = object_of(cell)
    location = {}
    for name, member in _LOCATION_PARTS.items():
        part = value.get(member)
        if type(part) is dict:
            part = part.get("long_name") or part.get("short_name")
        if part is not None and part != "":
            location[name] = text_of(part)
    return location or None


def read_country(cell: Cell, column: BoardColumn) -> Value:
    """Reads a country as code and name."""
    value = object_of(cell)
    code = text_of(value.get("countryCode"))
    return {"code": code, "name": text_of(value.get("countryName"))} if code else None


def write_location(value: Value, column: BoardColumn, cell: Cell | None) -> JsonMember:
    """Writes a place, which needs its coordinates; an unchanged address keeps those of the cell."""
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
    """Writes a country, which needs code and name; the code of the cell keeps its name."""
    country = value if isinstance(value, Mapping) else {"code": value}
    code, name = text_of(country.get("code")).strip().upper(), text_of(country.get("name"))
    old = (read_country(cell, column) if cell else None) or {}
    if not name and code == old.get("code"):
        name = old["name"]
    if len(code) != 2 or not name:
        raise CellError(f"a country needs its code and its name: {excerpt(value)}")
    return {"countryCode": code, "countryName": name}
