"""What may stand in a mapping file: one table for the check on load, the JSON Schema for editors, and the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ON_DELETE = ("archive", "delete", "ignore")
DIRECTIONS = ("bidirectional", "monday_to_pg", "pg_to_monday", "none")
CONFLICT_RULES = ("newest", "monday", "postgres", "manual")
READ_ONLY = ("error", "ignore", "revert")
CONTRACTS = ("evolve", "freeze", "discard_value")
NAMES = ("exact", "plain")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a mapping file: what kind of value it takes, and a sentence that says what it does."""

    kind: str
    about: str
    required: bool = False
    choices: tuple[str, ...] = ()
    inside: Mapping[str, Key] = field(default_factory=dict)


BOARD: dict[str, Key] = {
    "id": Key("id", "The board's id. The setting wins when it is set."),
    "setting": Key("name", "The environment variable that holds the board's id."),
}

DELETES: dict[str, Key] = {
    "monday": Key("choice", "What becomes of the row when the item is removed on the board.", choices=ON_DELETE),
    "postgres": Key("choice", "What becomes of the item when the row is removed in PostgreSQL.", choices=ON_DELETE),
}

SYNC_ID: dict[str, Key] = {
    "id": Key("text", "The id of the text column that carries the row's key on items made by the tool.", required=True),
    "title": Key("text", "Its title."),
}

RELATED: dict[str, Key] = {
    "table": Key("name", "The table that holds these rows.", required=True),
    "via": Key("name", "The column that points at the row, on the root table or on the table of `from`."),
    "from": Key("name", "The related row that holds `via`, when it is not the root."),
    "child": Key("name", "Instead of `via`: the column of this table that points at the root row; one row for each."),
    "refs": Key("names", "Columns of this table that point at other related rows: `column: related`."),
    "keys": Key("keys", "How a row that several items share is found, best first; `lower(column)` ignores case."),
    "without_key": Key(
        "choice",
        "Where the cells of an item go whose row would have no key: a row of its `own`, or the root's `metadata`.",
        choices=("own", "metadata"),
    ),
    "needed_by": Key("texts", "Related rows that make a row without key of its own necessary, because they hang on it."),
    "key_changed": Key(
        "choice",
        "When an item's key changes and no row has the new one: `rename` the old row while nobody else uses it, or"
        " `relink` to a new one.",
        choices=("rename", "relink"),
    ),
    "new": Key("values", "Values that a row gets when the tool makes it."),
    "owned_by": Key("name", "The entity whose items, where they hold such a row, have the last word on what it `owns`."),
}

FIELD: dict[str, Key] = {
    "column": Key(
        "text",
        "The board column's id; `name` is the item's name, and `__group__`, `__created_at__`, `__updated_at__` and"
        " `__parent__` are what else is known of an item.",
    ),
    "columns": Key("texts", "Several board columns that make one value together."),
    "field": Key(
        "field", "Where the value lives: `column`, `related.column`, or `metadata.key`; a part with dots in it in quotes."
    ),
    "fields": Key("fields", "Several table columns that one value is taken apart into."),
    "transform": Key("transform", "A named transform with its inverse, or `module:function`."),
    "as": Key("text", "The kind of value, when it is not the board column's own."),
    "read_only": Key("choice", "Never written to monday.com; what to do when SQL changes it.", choices=READ_ONLY),
    "conflict": Key("choice", "The rule for this field when both sides changed it.", choices=CONFLICT_RULES),
    "create_labels": Key("flag", "Make a label on the board when a value has none."),
    "link_to": Key("name", "The entity whose rows a relation column points at."),
    "title": Key("text", "The board column's title, when it was last looked at."),
    "type": Key("text", "Its type, when it was last looked at."),
    "labels": Key("values", "Its labels by their ids, when they were last looked at."),
    "accepted": Key("text", "The date on which somebody decided to fetch this column."),
    "rejected": Key("text", "The date on which somebody decided not to fetch this column."),
    "gone": Key("text", "The date since which the board does not have this column; the table keeps its values."),
}

MAPPING: dict[str, Key] = {
    "entity": Key("name", "The name used on the command line.", required=True),
    "entity_type": Key("name", "The singular that stands in sync_mapping and sync_logs."),
    "title": Key("text", "The board's name, for people."),
    "board": Key("table", "Which board.", required=True, inside=BOARD),
    "direction": Key("choice", "Which way changes flow.", choices=DIRECTIONS),
    "after": Key("texts", "Entities that have to be read first."),
    "table": Key("sqlname", "The root table: one row for each item.", required=True),
    "primary_key": Key("sqlname", "Its primary key (default: id)."),
    "item_key": Key("flag", "The primary key is the item's id."),
    "archived_column": Key("sqlname", "The column that says since when an item is gone (default: archived_at)."),
    "deployed": Key("text", "The date on which `boards deploy` made this mapping."),
    "own_table": Key("flag", "The table is the tool's, so that drift may alter it."),
    "names": Key("choice", "How its columns are named: `exact`, as on the board, or `plain`, in snake_case.", choices=NAMES),
    "subitems_of": Key("name", "The entity whose subitems these are."),
    "only": Key("values", "Which rows of the table belong to the entity; rows made from items get these values."),
    "key": Key("key", "The root row's natural key."),
    "skip_without_key": Key("text", "The log line for an item without it. Without this line such an item is an error."),
    "duplicate": Key("text", "The log line for a second item with the same key."),
    "match": Key("field", "The field by which items and rows that both exist already are linked."),
    "owns": Key("texts", "Columns that other mappings leave alone on rows that an item of this one holds."),
    "record_settings": Key("flag", "sync_enabled, sync_direction and sync_status stand on the rows of the table."),
    "item_name": Key("texts", "The fields that name an item made from a row; the first that is filled."),
    "group": Key("text", "The group for items made from rows (default: the board's first)."),
    "sync_id": Key("table", "The column that makes creating an item exactly once possible.", inside=SYNC_ID),
    "conflict": Key("choice", "The rule when both sides changed a field.", choices=CONFLICT_RULES),
    "deletes": Key("table", "What a removal on one side does on the other.", inside=DELETES),
    "contract": Key("choice", "What to do when the board's columns change.", choices=CONTRACTS),
    "related": Key("tables", "Rows of other tables that belong to a record.", inside=RELATED),
    "fields": Key("list", "Which board column is which table column.", required=True, inside=FIELD),
    "rest": Key("name", "The JSONB column that takes every other board column, under its title."),
}

_PLAIN: dict[str, dict[str, Any]] = {
    "text": {"type": ["string", "number"]},
    "name": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.]*$"},
    "id": {"type": ["integer", "string"]},
    "sqlname": {"type": "string", "minLength": 1},
    "flag": {"type": "boolean"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "field": {"type": "string"},
    "fields": {"type": "array", "items": {"type": "string"}},
    "names": {"type": "object", "additionalProperties": {"type": "string"}},
    "values": {"type": "object"},
    "key": {"type": "array", "items": {"type": "string"}},
    "keys": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
    "transform": {"type": ["string", "object"]},
}


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a mapping file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A mapping between one monday.com board and one PostgreSQL entity",
        **_object(MAPPING),
    }


def _object(keys: Mapping[str, Key]) -> dict[str, Any]:
    required = [name for name, key in keys.items() if key.required]
    shape: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _property(key) for name, key in keys.items()},
    }
    return {**shape, "required": required} if required else shape


def _property(key: Key) -> dict[str, Any]:
    if key.kind == "choice":
        shape: dict[str, Any] = {"enum": list(key.choices)}
    elif key.kind == "table":
        shape = _object(key.inside)
    elif key.kind == "tables":
        shape = {"type": "object", "additionalProperties": _object(key.inside)}
    elif key.kind == "list":
        shape = {"type": "array", "items": _object(key.inside)}
    else:
        shape = dict(_PLAIN[key.kind])
    return {"description": key.about, **shape}
