"""States what may stand in a mapping file: a table for the check on load, the JSON Schema for editors, and the docs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, field

ON_DELETE = ("archive", "delete", "ignore")
DIRECTIONS = ("bidirectional", "monday_to_pg", "pg_to_monday", "none")
CONFLICT_RULES = ("newest", "monday", "postgres", "manual")
READ_ONLY = ("error", "ignore", "revert")
CONTRACTS = ("evolve", "freeze", "discard_value")
NAMES = ("exact", "plain")


class Key(Struct, frozen=True):
    """Describes a key of a mapping file: the kind of its value, and a sentence that says what it does."""

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
    "needed_by": Key(
        "texts", "Related rows that make a row without key of its own necessary, because they hang on it."
    ),
    "key_changed": Key(
        "choice",
        "When an item's key changes and no row has the new one: `rename` the old row while no other record uses it, or"
        " `relink` to a new one.",
        choices=("rename", "relink"),
    ),
    "new": Key("values", "Values that a row gets when the tool makes it."),
    "owned_by": Key(
        "name", "The entity whose items, where they hold such a row, have the last word on what it `owns`."
    ),
}

FIELD: dict[str, Key] = {
    "column": Key(
        "text",
        "The board column's id; `name` is the item's name, and `__group__`, `__created_at__`, `__updated_at__` and"
        " `__parent__` are what else is known of an item.",
    ),
    "columns": Key("texts", "Several board columns that make one value together."),
    "field": Key(
        "field",
        "Where the value lives: `column`, `related.column`, or `metadata.key`; a part with dots in it in quotes.",
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
    "accepted": Key("text", "The date on which a user decided to fetch this column."),
    "rejected": Key("text", "The date on which a user decided not to fetch this column."),
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
    "names": Key(
        "choice", "How its columns are named: `exact`, as on the board, or `plain`, in snake_case.", choices=NAMES
    ),
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


# Kinds of value that hold no keys of their own


class Shape(Struct, frozen=True):
    """Describes a kind of value: in words, as JSON Schema, and as a test of what YAML gave."""

    words: str
    schema: Mapping[str, Any]
    fits: Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    # a date without quotes is no text to YAML
    return isinstance(value, str | int | float) and not isinstance(value, bool) or hasattr(value, "isoformat")


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.replace(".", "_").isidentifier()


def _is_filled(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool) and str(value).isdigit()


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_filled, value))


def _are_keys(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_are_texts, value))


def _are_pairs(value: Any) -> bool:
    return isinstance(value, dict)


def _is_transform(value: Any) -> bool:
    return isinstance(value, str) or isinstance(value, dict) and len(value) == 1


_STRING, _STRINGS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
_NAME = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.]*$"}
_FIELD = "a field such as email, customer.email or metadata.phone"
_KEYS = "a list of keys such as [[lower(email)], [name, phone]]"

SHAPES: dict[str, Shape] = {
    "text": Shape("a text", {"type": ["string", "number"]}, _is_text),
    "name": Shape("a name of letters, digits and _", _NAME, _is_name),
    "sqlname": Shape("a name", {"type": "string", "minLength": 1}, _is_filled),
    "id": Shape("a board id, that is a number", {"type": ["integer", "string"]}, _is_id),
    "flag": Shape("true or false", {"type": "boolean"}, _is_flag),
    "texts": Shape("a list of texts", _STRINGS, _are_texts),
    "field": Shape(_FIELD, _STRING, _is_filled),
    "fields": Shape("a list of fields", _STRINGS, _are_texts),
    "names": Shape("a list of `column: related`", {"type": "object", "additionalProperties": _STRING}, _are_pairs),
    "values": Shape("a list of `column: value`", {"type": "object"}, _are_pairs),
    "key": Shape("a list of columns such as [lower(email)]", _STRINGS, _are_texts),
    "keys": Shape(_KEYS, {"type": "array", "items": _STRINGS}, _are_keys),
    "transform": Shape("a transform's name, or its name with options", {"type": ["string", "object"]}, _is_transform),
}


# The JSON Schema


def json_schema() -> dict[str, Any]:
    """Returns the JSON Schema (draft 2020-12) of a mapping file."""
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
        shape = dict(SHAPES[key.kind].schema)
    return {"description": key.about, **shape}
