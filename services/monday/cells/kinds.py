"""Lists every kind of board column, a line a kind: how its cell is read, written and compared."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from models import Cell
from services.monday.cells import choices, relations, shape, texts, times
from services.monday.cells import people_and_places as people
from services.monday.cells.shape import ColumnType, Reader, clearing
from values.comparing import comparison

# --- The table ------------------------------------------------------------------------------------------------------

_KINDS = (
    ColumnType("text", "text", texts.read_text, clearing(texts.write_text)),
    ColumnType("long_text", "text", texts.read_text, clearing(texts.write_long_text)),
    ColumnType("name", "text", texts.read_text, texts.write_name),
    ColumnType("numbers", "numeric", texts.read_number, clearing(texts.write_number), compare="number"),
    ColumnType("status", "text", choices.read_status, clearing(choices.write_status)),
    ColumnType("dropdown", "text[]", choices.read_dropdown, clearing(choices.write_dropdown), compare="labels"),
    ColumnType("date", "date", times.read_date, clearing(times.write_date), compare="moment"),
    ColumnType("timeline", "jsonb", times.read_timeline, clearing(times.write_timeline), compare="json"),
    ColumnType("week", "jsonb", times.read_week, clearing(times.write_week), compare="json"),
    ColumnType("people", "jsonb", people.read_people, clearing(people.write_people), compare="people"),
    ColumnType("checkbox", "boolean", choices.read_checkbox, clearing(choices.write_checkbox), compare="flag"),
    ColumnType("email", "text", texts.read_email, clearing(texts.write_email), compare="email"),
    ColumnType("phone", "text", texts.read_phone, clearing(texts.write_phone), compare="phone"),
    ColumnType("link", "jsonb", texts.read_link, clearing(texts.write_link), compare="link"),
    ColumnType("location", "jsonb", people.read_location, clearing(people.write_location), compare="location"),
    ColumnType("country", "jsonb", people.read_country, clearing(people.write_country), compare="country"),
    ColumnType("rating", "integer", texts.read_rating, clearing(texts.write_rating), compare="whole"),
    ColumnType("hour", "time", times.read_hour, clearing(times.write_hour), compare="minute"),
    ColumnType("world_clock", "text", times.read_world_clock, clearing(times.write_world_clock)),
    ColumnType("color_picker", "text", texts.read_color, clearing(texts.write_color), compare="colour"),
    ColumnType(
        "tags",
        "text[]",
        choices.read_tags,
        clearing(choices.write_tags),
        "... on TagsValue { tags { name } }",
        "labels",
    ),
    ColumnType(
        "board_relation",
        "bigint[]",
        relations.reader_of_ids("linked_item_ids"),
        clearing(relations.write_relation),
        "... on BoardRelationValue { linked_item_ids }",
        "ids",
    ),
    ColumnType(
        "dependency",
        "bigint[]",
        relations.reader_of_ids("linked_item_ids"),
        clearing(relations.write_dependency),
        "... on DependencyValue { linked_item_ids }",
        "ids",
    ),
    ColumnType("file", "jsonb", relations.read_files, compare="files"),
    ColumnType("doc", "jsonb", relations.read_files, compare="files"),
    ColumnType("direct_doc", "jsonb", relations.read_files, compare="files"),
    ColumnType("time_tracking", "bigint", times.read_duration, compare="whole"),
    ColumnType("vote", "bigint[]", people.read_voters, compare="ids"),
    ColumnType("creation_log", "timestamptz", times.reader_of_moment("created_at"), compare="moment"),
    ColumnType("item_id", "text", texts.read_item_id),
    ColumnType("integration", "text", texts.read_text),
    ColumnType("person", "jsonb", people.read_person, compare="people"),
    ColumnType("team", "jsonb", people.read_person, compare="people"),
    ColumnType("last_updated", "timestamptz", times.reader_of_moment("updated_at"), compare="moment"),
    ColumnType("mirror", "text", texts.read_shown, None, "... on MirrorValue { display_value }", computed=True),
    ColumnType("formula", "text", texts.read_shown, None, "... on FormulaValue { display_value }", computed=True),
    ColumnType(
        "subtasks",
        "bigint[]",
        relations.reader_of_ids("subitems_ids"),
        None,
        "... on SubtasksValue { subitems_ids }",
        "ids",
        computed=True,
    ),
    ColumnType("button", "text", texts.read_button, None, "... on ButtonValue { label }", computed=True),
    ColumnType("progress", "text", texts.read_text, computed=True),
    ColumnType("auto_number", "text", texts.read_text, computed=True),
    ColumnType("group", "text", texts.read_text, computed=True),
    ColumnType("item_assignees", "jsonb", people.read_people, compare="people", computed=True),
    ColumnType("unsupported", "jsonb", texts.read_raw, compare="json"),
)

COLUMN_TYPES: dict[str, ColumnType] = {kind.name: kind for kind in _KINDS}

READINGS: dict[str, Reader] = {people.NAMED_PEOPLE: people.read_named_people, "date as day": times.read_shown_day}
"""Other ways to read a cell than its column's own, by what `as` calls them, or by kind of column and of value."""

# --- Asking it ------------------------------------------------------------------------------------------------------


def column_type(name: str) -> ColumnType:
    """Returns how to treat a column of that kind. An unknown kind is kept as the JSON it comes as, and never written."""
    return COLUMN_TYPES.get(name) or ColumnType(name, "jsonb", texts.read_raw, compare="json")


def comparison_of(kind: str) -> str:
    """Returns the name in COMPARISONS for a kind of column, for a way to read it, or for a type of PostgreSQL."""
    if kind in COLUMN_TYPES:
        return COLUMN_TYPES[kind].compare
    return "people" if kind == people.NAMED_PEOPLE else comparison(kind)


def cell_selection(types: Iterable[str]) -> str:
    """Returns the GraphQL selection inside `column_values` that these kinds need, and no more."""
    return " ".join(["id text value", *sorted({column_type(name).selection for name in types} - {""})])


class MondayKinds(Struct, frozen=True):
    """Knows monday.com's types of column, for rooms that know no service by name."""

    def of(self, type_name: str) -> ColumnType:
        """Returns how a type of column is dealt with."""
        return column_type(type_name)

    def comparison(self, name: str) -> str:
        """Returns the comparison for a type of column, a way to read it, or a type of PostgreSQL."""
        return comparison_of(name)

    def selection(self, type_names: Iterable[str]) -> str:
        """Returns the GraphQL selection inside `column_values` that these types need."""
        return cell_selection(type_names)

    def reading(self, name: str) -> Reader | None:
        """Returns another way to read a cell than its column's own."""
        return READINGS.get(name)

    def changed_at(self, cell: Cell | None) -> datetime | None:
        """Returns when the cell was last changed, if its kind keeps that."""
        return shape.changed_at(cell)


MONDAY_KINDS = MondayKinds()
