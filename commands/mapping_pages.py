"""Writes what the mappings say: the page of the shipped boards, the tables of keys, the JSON Schema for editors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Map
from pathlib import Path
from typing import Any

from errors import SettingsError
from mappings.declaration import ROOT, Binding, Mapping, NaturalKey, Place
from mappings.files import write_text
from mappings.grammar import FIELD, MAPPING, Key, json_schema
from mappings.loader import read_again
from models import Board
from settings import PROJECT, Settings
from sync.parts import board_of, mappings_of

PAGE = PROJECT / "docs" / "monday_to_database_mapping.md"
KEYS_PAGE = PROJECT / "docs" / "mappings.md"
SCHEMA = PROJECT / "mappings" / "mapping.schema.json"
BEGIN, END = "<!-- keys: made by `python main.py mapping --write-docs` -->", "<!-- end of keys -->"

INTRODUCTION = """\
# Which board column is which table column

Made from the files in `mappings/` and the boards by `python main.py mapping --write-docs`; change those, not this page.
Titles and kinds are the boards'; what counts is the id. `name` is the item's name.

`<->` flows both ways, `->` only from monday.com to PostgreSQL. How a mapping file is written: [mappings.md](mappings.md).
"""

COLUMN_HEADINGS = ("title", "board column", "kind", "flow", "table column", "through", "notes")
FLOWS = {True: "->", False: "<->"}
CHANGED_BY_SQL = {
    "error": "a change by SQL is an error",
    "ignore": "a change by SQL stays",
    "revert": "a change by SQL is undone",
}
KINDS_OF_VALUE = {
    "text": "text",
    "name": "name",
    "sqlname": "name",
    "id": "number",
    "flag": "true, false",
    "texts": "list of texts",
    "field": "field",
    "fields": "list of fields",
    "names": "column: row",
    "values": "column: value",
    "key": "list of columns",
    "keys": "list of keys",
    "transform": "name, or name with options",
    "table": "keys, below",
    "tables": "names with keys, below",
    "list": "list, below",
}

Row = tuple[str, ...]
Table = tuple[Row, list[Row]]
"""Headings and rows."""


# The page of the boards


def write_all(settings: Settings) -> list[Path]:
    """Writes every page and file that is made from the mappings, the boards and the grammar; returns their paths."""
    page = boards_page(fetched_boards(settings))
    write_text(KEYS_PAGE, keys_page(KEYS_PAGE.read_text(encoding="utf-8")))
    write_text(PAGE, page)
    write_text(SCHEMA, schema_text())
    return [PAGE, KEYS_PAGE, SCHEMA]


def fetched_boards(settings: Settings) -> dict[str, Board]:
    """Returns the boards of the shipped mappings by entity; entities without a board are left out."""
    from monday_api import Monday

    ids = {entity: board_of(settings, mapping) for entity, mapping in mappings_of(Settings()).items()}
    with Monday(token=settings.require_key(), url=settings.api_url, version=settings.api_version) as monday:
        return {entity: monday.board(board_id) for entity, board_id in ids.items() if board_id}


def schema_text() -> str:
    """Returns the text of the JSON Schema's file."""
    return json.dumps(json_schema(), indent=2) + "\n"


def boards_page(boards: Map[str, Board]) -> str:
    """Returns the whole page, from the shipped mappings and the boards."""
    mappings = mappings_of(Settings())
    return "\n".join([INTRODUCTION, *(_board(mapping, boards.get(entity)) for entity, mapping in mappings.items())])


def _board(mapping: Mapping, board: Board | None) -> str:
    parts = [
        f"## {mapping.title} → `{mapping.table}`\n",
        "\n".join(f"- {line}" for line in _facts(mapping)) + "\n",
        markdown(COLUMN_HEADINGS, _rows(mapping, board)),
    ]
    if mapping.related:
        headings = ("row", "table", "found by", "without a key", "hangs on")
        parts += ["### The rows around it\n", markdown(headings, _related_rows(mapping))]
    return "\n".join(parts)


def _facts(mapping: Mapping) -> Iterator[str]:
    setting = f"`{mapping.board_setting}`" if mapping.board_setting else "the mapping"
    default = f", default {mapping.board_id}" if mapping.board_id else "; off until it is set"
    yield f"Entity `{mapping.entity}`; the board's id comes from {setting}{default}."
    yield f"Direction: {mapping.direction.replace('_', ' ')}."
    if mapping.only:
        yield "Rows: those with " + ", ".join(f"{name} = {value!r}" for name, value in mapping.only.items()) + "."
    if mapping.key:
        yield f"One row for each {_key(mapping.key)}; items without one: {mapping.skip_without_key or 'an error'}."
    if mapping.after:
        yield f"Runs after {', '.join(mapping.after)}."
    if mapping.rest:
        yield f"Every other board column goes into `{mapping.table}.{mapping.rest}`, under its title."


def _rows(mapping: Mapping, board: Board | None) -> Iterator[Row]:
    found = {column.id: column for column in board.columns} if board else {}
    for binding in mapping.bindings:
        about = [found[column] for column in binding.columns if column in found]
        columns = " + ".join(f"`{column}`" for column in binding.columns)
        fields = ", ".join(f"`{_place(mapping, mapping.places[name])}`" for name in binding.fields)
        flow = FLOWS[binding.read_only is not None]
        titles = " + ".join(column.title for column in about)
        kinds = " + ".join(dict.fromkeys(column.type for column in about))
        yield titles, columns, kinds, flow, fields, _transform(mapping, binding), "; ".join(_notes(mapping, binding))


def _place(mapping: Mapping, place: Place) -> str:
    table = mapping.table if place.home == ROOT else mapping.related[place.home].table
    return f"{table}.{place.column}" + (f".{place.key}" if place.key else "")


def _transform(mapping: Mapping, binding: Binding) -> str:
    """Returns the transform as the file names it; its options are too long for a table."""
    for tree in _trees(mapping):
        columns = (tree["column"],) if "column" in tree else tuple(tree.get("columns", ()))
        if tuple(map(str, columns)) == binding.columns and tree.get("transform"):
            given = tree["transform"]
            return f"`{given if isinstance(given, str) else next(iter(given))}`"
    return ""


def _notes(mapping: Mapping, binding: Binding) -> Iterator[str]:
    home = mapping.places[binding.fields[0]].home
    if home != ROOT:
        yield f"row: {home}"
    if binding.read_only:
        yield CHANGED_BY_SQL[binding.read_only]
    if binding.link_to:
        yield f"linked {binding.link_to}"
    if binding.conflict:
        yield f"conflict: {binding.conflict}"


def _related_rows(mapping: Mapping) -> Iterator[Row]:
    for related in mapping.related.values():
        found = "; else ".join(_key(key) for key in related.keys) or "one for each"
        kept = f"cells kept in {mapping.rest or 'nothing'}"
        without_key = "a row of its own" if related.without_key == "own" else kept
        parent = mapping.table if related.parent == ROOT else mapping.related[related.parent].table
        hangs = f"`{related.table}.{related.child}`" if related.child else f"`{parent}.{related.via}`"
        yield related.name, f"`{related.table}`", found, without_key if related.keys else "", hangs


def _key(key: NaturalKey) -> str:
    return ", ".join(f"lower({part.column})" if part.ignore_case else part.column for part in key)


def _trees(mapping: Mapping) -> list[Any]:
    return list(read_again(mapping).tree["fields"])


# The keys of a mapping file


def keys_page(text: str) -> str:
    """Returns the page with new tables of keys; its prose stays."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    # a user has removed a mark
    if not begin or not end:
        raise SettingsError(f"{KEYS_PAGE} has lost its marks.", hint=f"It needs the lines {BEGIN} and {END}.")
    return f"{head}{BEGIN}\n\n{key_tables()}\n{END}{tail}"


def key_tables() -> str:
    """Returns one table for the file, and one for each key that holds other keys."""
    parts = [markdown(("key", "value", "what it does"), _key_rows(MAPPING))]
    for name, key in MAPPING.items():
        # `fields` has the last table
        if key.inside and key.inside is not FIELD:
            parts.append(f"### In `{name}`\n\n" + markdown(("key", "value", "what it does"), _key_rows(key.inside)))
    parts.append("### In each of `fields`\n\n" + markdown(("key", "value", "what it does"), _key_rows(FIELD)))
    return "\n".join(parts)


def _key_rows(keys: Map[str, Key]) -> Iterator[Row]:
    for name, key in keys.items():
        value = ", ".join(f"`{choice}`" for choice in key.choices) or KINDS_OF_VALUE[key.kind]
        yield f"`{name}`" + (" *" if key.required else ""), value, key.about


def markdown(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Returns a table in Markdown."""
    names = list(headings)
    lines = [names, ["---"] * len(names), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


# Tables for the screen


def mappings_table(mappings: Iterable[Mapping], boards: Map[str, str | None]) -> Table:
    """Returns headings and rows of all mappings; `boards` has the board of each entity."""
    headings = ("entity", "board", "title", "table", "direction", "file", "database")
    rows: list[Row] = [
        (
            mapping.entity,
            boards[mapping.entity] or "not set",
            mapping.title,
            mapping.table,
            mapping.direction,
            mapping.path,
            _in_database(mapping),
        )
        for mapping in mappings
    ]
    return headings, rows


def _in_database(mapping: Mapping) -> str:
    wins = ", the file wins" * mapping.own_file
    return f"version {mapping.stored.version}{wins}" if mapping.stored else ""


def columns_table(mapping: Mapping) -> Table:
    """Returns headings and rows of one mapping. Titles and kinds are left out: only the board knows them."""
    headings = tuple(name for name in COLUMN_HEADINGS if name not in ("title", "kind"))
    rows = [tuple(cell.replace("`", "") for cell in (row[1], *row[3:])) for row in _rows(mapping, None)]
    if mapping.rest:
        rows.append(("every other", "<->", f"{mapping.table}.{mapping.rest}", "", "under its title"))
    return headings, rows
