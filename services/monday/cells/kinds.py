"""Lists every kind of board column, a line a kind: how its cell is read, written and compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from models import Cell
from services.monday.cells.choices import (
    read_checkbox,
    read_dropdown,
    read_status,
    read_tags,
    write_checkbox,
    write_dropdown,
    write_status,
    write_tags,
)
from services.monday.cells.people_and_places import (
    NAMED_PEOPLE,
    read_country,
    read_location,
    read_named_people,
    read_people,
    read_person,
    read_voters,
    write_country,
    write_location,
    write_people,
)
from services.monday.cells.relations import read_files, reader_of_ids, write_dependency, write_relation
from services.monday.cells.shape import ColumnType, Reader, changed_at, clearing
from services.monday.cells.texts import (
    read_button,
    read_color,
    read_email,
    read_item_id,
    read_link,
    read_number,
    read_phone,
    read_rating,
    read_raw,
    read_shown,
    read_text,
    write_color,
    write_email,
    write_link,
    write_long_text,
    write_name,
    write_number,
    write_phone,
    write_rating,
    write_text,
)
from services.monday.cells.times import (
    read_date,
    read_duration,
    read_hour,
    read_timeline,
    read_week,
    read_world_clock,
    reader_of_moment,
    write_date,
    write_hour,
    write_timeline,
    write_week,
    write_world_clock,
)
from values.comparing import comparison

# --- The table ------------------------------------------------------------------------------------------------------


_KINDS = (
    ColumnType("text", "text", read_text, clearing(write_text)),
    ColumnType("long_text", "text", read_text, clearing(write_long_text)),
    ColumnType("name", "text", read_text, write_name),
    ColumnType("numbers", "numeric", read_number, clearing(write_number), compare="number"),
    ColumnType("status", "text", read_status, clearing(write_status)),
    ColumnType("dropdown", "text[]", read_dropdown, clearing(write_dropdown), compare="labels"),
    ColumnType("date", "date", read_date, clearing(write_date), compare="moment"),
    ColumnType("timeline", "jsonb", read_timeline, clearing(write_timeline), compare="json"),
    ColumnType("week", "jsonb", read_week, clearing(write_week), compare="json"),
    ColumnType("people", "jsonb", read_people, clearing(write_people), compare="people"),
    ColumnType("checkbox", "boolean", read_checkbox, clearing(write_checkbox), compare="flag"),
    ColumnType("email", "text", read_email, clearing(write_email), compare="email"),
    ColumnType("phone", "text", read_phone, clearing(write_phone), compare="phone"),
    ColumnType("link", "jsonb", read_link, clearing(write_link), compare="link"),
    ColumnType("location", "jsonb", read_location, clearing(write_location), compare="location"),
    ColumnType("country", "jsonb", read_country, clearing(write_country), compare="country"),
    ColumnType("rating", "integer", read_rating, clearing(write_rating), compare="whole"),
    ColumnType("hour", "time", read_hour, clearing(write_hour), compare="minute"),
    ColumnType("world_clock", "text", read_world_clock, clearing(write_world_clock)),
    ColumnType("color_picker", "text", read_color, clearing(write_color), compare="colour"),
    ColumnType("tags", "text[]", read_tags, clearing(write_tags), compare="labels"),
    ColumnType(
        "board_relation", "bigint[]", reader_of_ids("linked_item_ids"), clearing(write_relation),
        "... on BoardRelationValue { linked_item_ids }", "ids",
    ),
    ColumnType(
        "dependency", "bigint[]", reader_of_ids("linked_item_ids"), clearing(write_dependency),
        "... on DependencyValue { linked_item_ids }", "ids",
    ),
    ColumnType("file", "jsonb", read_files, compare="files"),
    ColumnType("doc", "jsonb", read_files, compare="files"),
    ColumnType("direct_doc", "jsonb", read_files, compare="files"),
    ColumnType("time_tracking", "bigint", read_duration, compare="whole"),
    ColumnType("vote", "bigint[]", read_voters, compare="ids"),
    ColumnType("creation_log", "timestamptz", reader_of_moment("created_at"), compare="moment"),
    ColumnType("item_id", "text", read_item_id),
    ColumnType("integration", "text", read_text),
    ColumnType("person", "jsonb", read_person, compare="people"),
    ColumnType("team", "jsonb", read_person, compare="people"),
    ColumnType("last_updated", "timestamptz", reader_of_moment("updated_at"), compare="moment"),
    ColumnType("mirror", "text", read_shown, None, "... on MirrorValue { display_value }", computed=True),
    ColumnType("formula", "text", read_shown, None, "... on FormulaValue { display_value }", computed=True),
    ColumnType(
        "subtasks", "bigint[]", reader_of_ids("subitems_ids"), None,
        "... on SubtasksValue { subitems_ids }", "ids", computed=True,
    ),
    ColumnType("button", "text", read_button, None, "... on ButtonValue { label }", computed=True),
    ColumnType("progress", "text", read_text, computed=True),
    ColumnType("auto_number", "text", read_text, computed=True),
    ColumnType("group", "text", read_text, computed=True),
    ColumnType("item_assignees", "jsonb", read_people, compare="people", computed=True),
    ColumnType("unsupported", "jsonb", read_raw, compare="json"),
)  # fmt: skip

COLUMN_TYPES: dict[str, ColumnType] = {kind.name: kind for kind in _KINDS}


READINGS: dict[str, Reader] = {NAMED_PEOPLE: read_named_people}
"""Other ways to read a cell than its column's own, by what `as` calls them."""

def comparison_of(kind: str) -> str:
    """The name in COMPARISONS for what a column of this kind holds, or a way to read it, or a type of PostgreSQL."""
    if kind in COLUMN_TYPES:
        return COLUMN_TYPES[kind].compare
    return "people" if kind == NAMED_PEOPLE else comparison(kind)


def column_type(name: str) -> ColumnType:
    """How to treat a column of that kind. A kind of tomorrow is kept as the JSON it comes as, and never written."""
    return COLUMN_TYPES.get(name) or ColumnType(name, "jsonb", read_raw, compare="json")


def cell_selection(types: Iterable[str]) -> str:
    """The GraphQL selection inside `column_values` that these kinds need, and no more."""
    return " ".join(["id text value", *sorted({column_type(name).selection for name in types} - {""})])


@dataclass(frozen=True, slots=True)
class MondayKinds:
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
        return changed_at(cell)


MONDAY_KINDS = MondayKinds()
