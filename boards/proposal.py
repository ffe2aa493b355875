"""A board looked at: which columns it has, what stands in them, and the mapping and table that are proposed for it.

Nothing is made here. A proposal is data; what a person decides about it makes another proposal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import islice
from typing import Any

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
    "item_id": "bigint", "name": "text", "group": "text", "created_at": "timestamptz", "updated_at": "timestamptz",
    "archived_at": "timestamptz", "parent": "bigint",
}  # fmt: skip


@dataclass(frozen=True)
class ProposedColumn:
    """One column of the board, and the table column proposed for it."""

    about: BoardColumn
    column: str
    sql_type: str
    samples: tuple[str, ...] = ()
    decision: str = ""
    decided: str = ""

    @property
    def hard(self) -> str:
        """What a person decides about, in the word of `--auto-reject`; empty for what needs no decision."""
        return HARD.get(self.about.type, "")

    @property
    def rejected(self) -> bool:
        """Whether it is not fetched at all."""
        return self.decision == REJECTED

    @property
    def writable(self) -> bool:
        """Whether changes can go back to the board."""
        return column_type(self.about.type).write is not None

    def decide(self, decision: str, day: str) -> ProposedColumn:
        """The same, decided."""
        return replace(self, decision=decision, decided=day)

    def as_json(self) -> dict[str, Any]:
        """The documented shape."""
        return {
            "id": self.about.id, "title": self.about.title, "type": self.about.type,
            "column": None if self.rejected else self.column, "sql_type": self.sql_type, "read_only": not self.writable,
            "hard": self.hard or None, "decision": self.decision or None, "decided": self.decided or None,
            "related_boards": related_boards(self.about) or None,
            "labels": {str(number): name for number, name in labels_of(self.about).items()} or None,
            "samples": list(self.samples),
        }  # fmt: skip


@dataclass(frozen=True)
class Proposal:
    """A board as a table."""

    entity: str
    board: Board
    table: str
    columns: tuple[ProposedColumn, ...]
    schema: str = ""
    names: str = "exact"
    day: str = ""
    parent: Proposal | None = None
    """The board whose subitems these are."""
    linked: Mapping[str, str] = field(default_factory=dict)
    """Which other boards are deployed: board id → entity."""

    @property
    def makes_table(self) -> bool:
        """Whether the table is to be made; else it is one of the user's own."""
        return True

    @property
    def facts(self) -> Mapping[str, str]:
        """What the columns are called that every deployed table has."""
        return facts(self.names)

    @property
    def table_name(self) -> str:
        """The table as `table` of the mapping has it."""
        return sql_name(self.schema, self.table)

    @property
    def fetched(self) -> list[ProposedColumn]:
        """The columns that are not rejected."""
        return [one for one in self.columns if not one.rejected]

    @property
    def undecided(self) -> list[ProposedColumn]:
        """The columns that wait for a person."""
        return [one for one in self.columns if one.hard and not one.decision]

    def table_columns(self) -> list[tuple[str, str]]:
        """Name and type of every table column but the key, in order."""
        named = self.facts
        first = ["name", "group", *(["parent"] if self.parent else [])]
        last = ["created_at", "updated_at", "archived_at"]
        return [
            *((named[one], FACT_TYPES[one]) for one in first),
            *((one.column, one.sql_type) for one in self.fetched),
            *((named[one], FACT_TYPES[one]) for one in last),
        ]

    def as_json(self) -> dict[str, Any]:
        """The documented shape."""
        return {
            "entity": self.entity, "board_id": self.board.id, "board": self.board.name, "table": self.table_name,
            "items": self.board.items_count, "groups": [title for _, title in self.board.groups], "names": self.names,
            "subitems": next(iter(subitem_boards(self.board)), None),
            "columns": [one.as_json() for one in self.columns],
        }  # fmt: skip

    def tree(self) -> CommentedMap:
        """The mapping file."""
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
        tree["fields"] = CommentedSeq([*self._fact_entries(), *(entry_of(one) for one in self.columns)])
        tree.yaml_set_start_comment(HEADER.format(name=self.entity))
        tree.yaml_set_comment_before_after_key("fields", before=ABOUT_FIELDS)
        return tree

    def _fact_entries(self) -> list[CommentedMap]:
        entries = [_inline(column=column, field=field_name(self.facts[one])) for column, one in FACT_FIELDS]
        if self.parent:
            entries.append(_inline(column=PARENT, field=field_name(self.facts["parent"])))
        return entries

    def text(self) -> str:
        """The text of the mapping file."""
        return tree_text(self.tree())


HEADER = """Made by `main.py boards deploy`; yours to change. Every key is explained in docs/mappings.md.

`direction: bidirectional` lets changes of the table go to the board too; then run: python main.py setup --entity {name}
`contract` says what happens when the board's columns change: evolve, freeze or discard_value (docs/boards.md)."""
ABOUT_FIELDS = "\nWhat was decided about a column stands at it, with its date; a rejected column is not fetched at all."


def entry_of(one: ProposedColumn) -> CommentedMap:
    """A column's entry in the mapping file."""
    entry = CommentedMap(column=one.about.id, title=clean_text(one.about.title), type=one.about.type)
    if one.decision:
        entry[one.decision] = one.decided
    if one.rejected:
        return entry
    entry["field"] = field_name(one.column)
    if one.about.type in READ_AS:
        entry["as"] = READ_AS[one.about.type]
    if labels := labels_of(one.about):
        entry["labels"] = CommentedMap(sorted(labels.items()))
        entry["labels"].fa.set_flow_style()
    return entry


def _inline(**members: Any) -> CommentedMap:
    made = CommentedMap(**members)
    made.fa.set_flow_style()
    return made


# Looking


def propose(
    board: Board, entity: str, table: str, types: TypeMap, *, monday: Monday | None = None, day: date | str = "",
    **how: Any,
) -> Proposal:  # fmt: skip
    """A table for a board. With `monday`, some items are read: their values help to decide, and tell times from dates."""
    found = [one for one in board.columns if one.type != "name"]
    names = column_names({one.id: one.title for one in found}, how.get("names", "exact"))
    items = _first_items(monday, board, found) if monday else []
    columns = [
        ProposedColumn(one, names[one.id], types.of(board.id, one, _has_times(items, one)), _samples(items, one))
        for one in found
    ]
    return Proposal(entity, board, table, tuple(columns), day=str(day), **how)


def subitem_boards(board: Board) -> list[str]:
    """The ids of the boards on which a board keeps its subitems; none while it has had none."""
    found = [one.settings.get("boardIds") or () for one in board.columns if one.type == SUBITEMS]
    return [str(board_id) for ids in found for board_id in ids]


def related_boards(column: BoardColumn) -> list[str]:
    """The ids of the boards that a relation may point at; none for a column that is no relation."""
    found = column.settings.get("boardIds") if column.type == RELATION else ()
    return [str(board_id) for board_id in found or ()]


def _first_items(monday: Monday, board: Board, columns: Sequence[BoardColumn]) -> list[Item]:
    if board.items_count == 0 or not columns:
        return []
    wanted = Columns(tuple(sorted(one.id for one in columns)), cell_selection(one.type for one in columns))
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
        return None


def _shown(item: Item, column: BoardColumn) -> str:
    value = _value(item, column)
    if is_empty(value):
        return ""
    text = str(to_json(value))
    return text if len(text) <= SAMPLE_LENGTH else text[: SAMPLE_LENGTH - 3] + "..."


def _has_times(items: Sequence[Item], column: BoardColumn) -> bool:
    """Whether a date column has a time of day in a cell."""
    return column.type == "date" and any(isinstance(_value(item, column), datetime) for item in items)


def with_time_of_day(column: BoardColumn) -> bool:
    """Whether a date column that nobody has looked into yet may hold times: only as far as its settings say so."""
    return column.type == "date" and bool(column.settings.get("show_time") or column.settings.get("default_time"))
