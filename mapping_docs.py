"""What the mappings say, written down: the page of the shipped boards, the table of keys, the JSON Schema for editors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Map
from pathlib import Path
from typing import Any

from config import PROJECT, Settings
from errors import SettingsError
from mapping import ROOT, Binding, Mapping, NaturalKey, Place
from mapping_file import read_source
from mapping_grammar import FIELD, MAPPING, Key, json_schema
from mapping_loader import choose
from sync_run import board_of, mappings_of

PAGE = PROJECT / "docs" / "monday_to_database_mapping.md"
KEYS_PAGE = PROJECT / "docs" / "mappings.md"
SCHEMA = PROJECT / "mappings" / "mapping.schema.json"
BEGIN, END = "<!-- keys: made by `python main.py mapping --write-docs` -->", "<!-- end of keys -->"

INTRODUCTION = """\
# Which board column is which table column

Made from the files in `mappings/` by `python main.py mapping --write-docs`; change those, not this page. Titles are those that
the boards had when the mappings were written: what counts is the id. `name` is the item's name.

`<->` flows both ways, `->` only from monday.com to PostgreSQL. How the keys of a mapping file work: [mappings.md](mappings.md).
"""

FLOWS = {True: "->", False: "<->"}


# The page of the boards


def write_all() -> list[Path]:
    """Write every page and file that is made from the mappings or the grammar."""
    KEYS_PAGE.write_text(keys_page(KEYS_PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    PAGE.write_text(boards_page(), encoding="utf-8")
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    return [PAGE, KEYS_PAGE, SCHEMA]


def schema_text() -> str:
    """The JSON Schema as it stands in its file."""
    return json.dumps(json_schema(), indent=2) + "\n"


def boards_page() -> str:
    """The whole page, from the shipped mappings alone."""
    mappings = mappings_of(Settings())
    return "\n".join([INTRODUCTION, *(_board(mapping) for mapping in mappings.values())])


def _board(mapping: Mapping) -> str:
    headings = ("board column", "title", "flow", "table column", "through", "notes")
    parts = [
        f"## {mapping.title} → `{mapping.table}`\n",
        "\n".join(f"- {line}" for line in _facts(mapping)) + "\n",
        markdown(headings, _rows(mapping)),
    ]
    if mapping.related:
        related = ("row", "table", "found by", "without a key", "hangs on")
        parts += ["### The rows around it\n", markdown(related, _related_rows(mapping))]
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


def _rows(mapping: Mapping) -> Iterator[tuple[str, ...]]:
    titles = _titles(mapping)
    for binding in mapping.bindings:
        columns = " + ".join(f"`{column}`" for column in binding.columns)
        title = " + ".join(filter(None, (titles.get(column, "") for column in binding.columns)))
        fields = ", ".join(f"`{_place(mapping, mapping.places[name])}`" for name in binding.fields)
        flow = FLOWS[binding.read_only is not None]
        yield columns, title, flow, fields, _transform(mapping, binding), "; ".join(_notes(mapping, binding))


def _place(mapping: Mapping, place: Place) -> str:
    table = mapping.table if place.home == ROOT else mapping.related[place.home].table
    return f"{table}.{place.column}" + (f".{place.key}" if place.key else "")


def _transform(mapping: Mapping, binding: Binding) -> str:
    """As the file has it; its options are too long for a table."""
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
        yield {
            "error": "a change by SQL is an error",
            "ignore": "a change by SQL stays",
            "revert": "a change by SQL is undone",
        }[binding.read_only]
    if binding.link_to:
        yield f"linked {binding.link_to}"
    if binding.conflict:
        yield f"conflict: {binding.conflict}"


def _related_rows(mapping: Mapping) -> Iterator[tuple[str, ...]]:
    for one in mapping.related.values():
        found = "; else ".join(_key(key) for key in one.keys) or "one for each"
        where = {"own": "a row of its own", "metadata": f"cells kept in {mapping.rest or 'nothing'}"}[one.without_key]
        parent = mapping.table if one.parent == ROOT else mapping.related[one.parent].table
        hangs = f"`{one.table}.{one.child}`" if one.child else f"`{parent}.{one.via}`"
        yield one.name, f"`{one.table}`", found, where if one.keys else "", hangs


def _key(key: NaturalKey) -> str:
    return ", ".join(f"lower({part.column})" if part.ignore_case else part.column for part in key)


def _trees(mapping: Mapping) -> list[Any]:
    return list(read_source(Path(mapping.path)).tree["fields"])


def _titles(mapping: Mapping) -> dict[str, str]:
    """The comments behind the columns, which are the titles that people see on the board."""
    titles: dict[str, str] = {}
    lines = Path(mapping.path).read_text(encoding="utf-8").splitlines()
    for tree in _trees(mapping):
        columns = [str(tree["column"])] if "column" in tree else [str(column) for column in tree.get("columns", ())]
        for line in lines:
            code, mark, comment = line.partition(" # ")
            if mark and all(column in code for column in columns) and "column" in code:
                titles.update(zip(columns, [part.strip() for part in comment.split(",")]))
    return titles


# The keys of a mapping file


def keys_page(text: str) -> str:
    """The page with its tables of keys made anew; its prose stays."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SettingsError(f"{KEYS_PAGE} has lost its marks.", hint=f"It needs the lines {BEGIN} and {END}.")
    return f"{head}{BEGIN}\n\n{key_tables()}\n{END}{tail}"


def key_tables() -> str:
    """One table for the file, and one for each key that holds others."""
    parts = [markdown(("key", "value", "what it does"), _key_rows(MAPPING))]
    for name, key in MAPPING.items():
        if key.inside and key.inside is not FIELD:
            parts.append(f"### In `{name}`\n\n" + markdown(("key", "value", "what it does"), _key_rows(key.inside)))
    parts.append("### In each of `fields`\n\n" + markdown(("key", "value", "what it does"), _key_rows(FIELD)))
    return "\n".join(parts)


def _key_rows(keys: Map[str, Key]) -> Iterator[tuple[str, ...]]:
    kinds = {
        "text": "text", "name": "name", "id": "number", "flag": "true, false", "texts": "list of texts", "field": "field",
        "fields": "list of fields", "names": "column: row", "values": "column: value", "key": "list of columns",
        "keys": "list of keys", "transform": "name, or name with options", "table": "keys, below",
        "tables": "names with keys, below", "list": "list, below",
    }  # fmt: skip
    for name, key in keys.items():
        value = ", ".join(f"`{choice}`" for choice in key.choices) or kinds[key.kind]
        yield f"`{name}`" + (" *" if key.required else ""), value, key.about


def markdown(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table."""
    names = list(headings)
    lines = [names, ["---"] * len(names), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


# On the screen


def show(settings: Settings, entity: str | None, as_json: bool) -> None:
    """The mappings there are, or one of them column by column."""
    from console import say, show_table

    mappings = mappings_of(settings)
    if entity is None:
        rows = [
            (one.entity, board_of(settings, one) or "not set", one.title, one.table, one.direction, one.path)
            for one in mappings.values()
        ]
        headings = ("entity", "board", "title", "table", "direction", "file")
    else:
        mapping = choose(mappings, [entity])[0]
        headings = ("board column", "title", "flow", "table column", "through", "notes")
        rows = [tuple(cell.replace("`", "") for cell in row) for row in _rows(mapping)]  # type: ignore[misc]
        if mapping.rest:
            rows.append(("every other", "", "<->", f"{mapping.table}.{mapping.rest}", "", "under its title"))
    if as_json:
        names = [heading.replace(" ", "_") for heading in headings]
        say(json.dumps({"mappings" if entity is None else "columns": [dict(zip(names, row)) for row in rows]}))
    else:
        show_table("", headings, rows)
