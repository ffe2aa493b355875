"""Proposes a mapping and a table for a board, after its columns and some of its items.

Nothing is made here. A proposal is a value; a decision about it gives another proposal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from boards.names import column_names, facts, field_name, sql_name
from boards.types_of_tables import HARD, READ_AS, TypeMap, labels_of
from mappings.declaration import CREATED_AT, GROUP, ITEM_NAME, PARENT, UPDATED_AT
from mappings.files import tree_text
from models import Board, BoardColumn, Columns, Item
from monday_api import Monday
from services.monday.cells.kinds import cell_selection, column_type
from services.monday.pages import ReadOptions
from values.canonical import is_empty, to_json
from values.parsing import CellError, clean_text

ITEMS_LOOKED_AT = 500
SAMPLES = 3
SAMPLE_LENGTH = 40
SUBITEMS, RELATION = "subtasks", "board_relation"
ACCEPTED, REJECTED = "accepted", "rejected"

FACT_FIELDS = ((ITEM_NAME, "name"), (GROUP, "group"), (CREATED_AT, "created_at"), (UPDATED_AT, "updated_at"))
FACT_TYPES = {
    "item_id": "bigint",
    "name": "text",
    "group": "text",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "archived_at": "timestamptz",
    "parent": "bigint",
}


class ProposedColumn(Struct, frozen=True):
    """Describes one column of the board, and the table column proposed for it."""

    about: BoardColumn
    column: str
    sql_type: str
    samples: tuple[str, ...] = ()
    decision: str = ""
    decided: str = ""

    @property
    def hard(self) -> str:
        """Returns the word of `--auto-reject` for a kind that a user decides about; "" for the others."""
        return HARD.get(self.about.type, "")

    @property
    def rejected(self) -> bool:
        """Says whether it is not fetched at all."""
        return self.decision == REJECTED

    @property
    def writable(self) -> bool:
        """Says whether changes can go back to the board."""
        return column_type(self.about.type).write is not None

    def decide(self, decision: str, day: str) -> ProposedColumn:
        """Returns the same column with a decision."""
        return replace(self, decision=decision, decided=day)

    def as_json(self) -> dict[str, Any]:
        """Returns the documented shape."""
        return {
            "id": self.about.id,
            "title": self.about.title,
            "type": self.about.type,
            "column": None if self.rejected else self.column,
            "sql_type": self.sql_type,
            "read_only": not self.writable,
            "hard": self.hard or None,
            "decision": self.decision or None,
            "decided": self.decided or None,
            "related_boards": related_boards(self.about) or None,
            "labels": {str(number): name for number, name in labels_of(self.about).items()} or None,
            "samples": list(self.samples),
        }


class Proposal(Struct, frozen=True):
    """Describes a board as a table."""

    entity: str
    board: Board
    table: str
    columns: tuple[ProposedColumn, ...]
    schema: str = ""
    names: str = "exact"
    day: str = ""
    parent: Proposal | None = None
    """The board whose subitems these are."""

    def dated(self, day: str) -> Proposal:
        """Returns the same proposal with the day of the deploy, which decisions get too."""
        return replace(self, day=day)

    @property
    def makes_table(self) -> bool:
        """Says whether the table is to be made; else it is one of the user's own."""
        return True

    @property
    def facts(self) -> Mapping[str, str]:
        """Returns the names of the columns that every deployed table has."""
        return facts(self.names)

    @property
    def table_name(self) -> str:
        """Returns the table as `table` of the mapping has it."""
        return sql_name(self.schema, self.table)

    @property
    def fetched(self) -> list[ProposedColumn]:
        """Returns the columns that are not rejected."""
        return [column for column in self.columns if not column.rejected]

    @property
    def undecided(self) -> list[ProposedColumn]:
        """Returns the columns that a user has still to decide about."""
        return [column for column in self.columns if column.hard and not column.decision]

    def table_columns(self) -> list[tuple[str, str]]:
        """Returns name and type of every table column but the key, in order."""
        named = self.facts
        first = ["name", "group", *(["parent"] if self.parent else [])]
        last = ["created_at", "updated_at", "archived_at"]
        return [
            *((named[fact], FACT_TYPES[fact]) for fact in first),
            *((column.column, column.sql_type) for column in self.fetched),
            *((named[fact], FACT_TYPES[fact]) for fact in last),
        ]

    def as_json(self) -> dict[str, Any]:
        """Returns the documented shape."""
        return {
            "entity": self.entity,
            "board_id": self.board.id,
            "board": self.board.name,
            "table": self.table_name,
            "items": self.board.items_count,
            "groups": [title for _, title in self.board.groups],
            "names": self.names,
            "subitems": next(iter(subitem_boards(self.board)), None),
            "columns": [column.as_json() for column in self.columns],
        }

    def tree(self) -> CommentedMap:
        """Returns the mapping, as its file has it."""
        tree = CommentedMap(entity=self.entity, title=clean_text(self.board.name) or self.entity)
        tree["board"] = _inline(id=int(self.board.id))
        tree["deployed"] = self.day
        tree["names"] = self.names
        tree["direction"] = "monday_to_pg"
        if self.parent:
            tree["after"] = [self.parent.entity]
            tree["subitems_of"] = self.parent.entity
        tree["table"] = self.table_name
        tree["primary_key"] = self.facts["item_id"]
        tree["item_key"] = True
        tree["archived_column"] = self.facts["archived_at"]
        tree["own_table"] = True
        tree["item_name"] = [field_name(self.facts["name"])]
        tree["contract"] = "evolve"
        tree["fields"] = CommentedSeq([*self._fact_entries(), *(entry_of(column) for column in self.columns)])
        tree.yaml_set_start_comment(HEADER.format(name=self.entity))
        tree.yaml_set_comment_before_after_key("fields", before=ABOUT_FIELDS)
        return tree

    def _fact_entries(self) -> list[CommentedMap]:
        entries = [_inline(column=column, field=field_name(self.facts[fact])) for column, fact in FACT_FIELDS]
        if self.parent:
            entries.append(_inline(column=PARENT, field=field_name(self.facts["parent"])))
        return entries

    def text(self) -> str:
        """Returns the text of the mapping file."""
        return tree_text(self.tree())


HEADER = """Made by `main.py boards deploy`; yours to change. Every key is explained in docs/mappings.md.

`direction: bidirectional` lets changes of the table go to the board too; then run: python main.py setup --entity {name}
`contract` says what happens when the board's columns change: evolve, freeze or discard_value (docs/boards.md)."""
ABOUT_FIELDS = "\nWhat was decided about a column stands at it, with its date; a rejected column is not fetched at all."


def entry_of(column: ProposedColumn) -> CommentedMap:
    """Returns a column's entry in the mapping file."""
    about = column.about
    entry = CommentedMap(column=about.id, title=clean_text(about.title), type=about.type)
    if column.decision:
        entry[column.decision] = column.decided
    if column.rejected:
        return entry  # not fetched: no field
    entry["field"] = field_name(column.column)
    if about.type in READ_AS:
        entry["as"] = READ_AS[about.type]
    if labels := labels_of(about):
        entry["labels"] = CommentedMap(sorted(labels.items()))
        entry["labels"].fa.set_flow_style()
    return entry


def _inline(**members: str | int) -> CommentedMap:
    made = CommentedMap(**members)
    made.fa.set_flow_style()
    return made


# Looking


def propose(
    board: Board, entity: str, table: str, types: TypeMap, *, monday: Monday | None = None, names: str = "exact"
) -> Proposal:
    """Proposes a table for a board. With `monday`, it reads some items: samples, and which dates have a time of day."""
    abouts = [about for about in board.columns if about.type != "name"]
    given = column_names({about.id: about.title for about in abouts}, names)
    items = _first_items(monday, board, abouts) if monday else []
    columns = []
    for about in abouts:
        sql_type = types.of(board.id, about, _has_times(items, about))
        columns.append(ProposedColumn(about, given[about.id], sql_type, _samples(items, about)))
    return Proposal(entity, board, table, tuple(columns), names=names)


def subitem_boards(board: Board) -> list[str]:
    """Returns the ids of the boards on which a board keeps its subitems; none for a board that never had any."""
    found = [about.settings.get("boardIds") or () for about in board.columns if about.type == SUBITEMS]
    return [str(board_id) for ids in found for board_id in ids]


def related_boards(column: BoardColumn) -> list[str]:
    """Returns the ids of the boards that a relation may point at; none for a column that is no relation."""
    found = column.settings.get("boardIds") if column.type == RELATION else ()
    return [str(board_id) for board_id in found or ()]


def _first_items(monday: Monday, board: Board, columns: Sequence[BoardColumn]) -> list[Item]:
    if board.items_count == 0 or not columns:
        return []  # there are no values to look at
    wanted = Columns(tuple(sorted(about.id for about in columns)), cell_selection(about.type for about in columns))
    options = ReadOptions(limit=ITEMS_LOOKED_AT, on_malformed=lambda item, why: None)
    pages = monday.pages(board.id, wanted, options)
    page = next(pages, None)
    pages.close()
    return page.items if page else []


def _samples(items: Sequence[Item], column: BoardColumn) -> tuple[str, ...]:
    shown = (_shown(item, column) for item in items)
    return tuple(islice(dict.fromkeys(text for text in shown if text), SAMPLES))


def _value(item: Item, column: BoardColumn) -> Any:
    cell = item.cells.get(column.id)
    try:
        return column_type(column.type).read(cell, column) if cell else None
    except CellError:
        return None  # a run will report the cell


def _shown(item: Item, column: BoardColumn) -> str:
    value = _value(item, column)
    if is_empty(value):
        return ""
    text = str(to_json(value))
    return text if len(text) <= SAMPLE_LENGTH else text[: SAMPLE_LENGTH - 3] + "..."


def _has_times(items: Sequence[Item], column: BoardColumn) -> bool:
    """Says whether a date column has a time of day in a cell."""
    return column.type == "date" and any(isinstance(_value(item, column), datetime) for item in items)


def with_time_of_day(column: BoardColumn) -> bool:
    """Says whether a date column may hold times, by its settings alone: no values have been read."""
    return column.type == "date" and bool(column.settings.get("show_time") or column.settings.get("default_time"))
