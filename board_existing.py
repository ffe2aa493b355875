"""A table of the user's own, mapped to a board: which of its columns are which board columns, and how its key is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ruamel.yaml.comments import CommentedMap, CommentedSeq

import board_deploy
from board_discovery import HEADER, REJECTED, Proposal, ProposedColumn, entry_of, propose
from board_names import checked_entity, field_name, snake_case
from board_types import load_types
from column_types import clean_text
from db_connector import Transaction
from errors import SettingsError
from mapping import ITEM_NAME
from mapping_file import tree_text
from models import BoardColumn
from row_table import column_types_of
from sync_run import Parts

KEY = """
select a.attname from pg_index as i join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
where i.indrelid = to_regclass(%s) and i.indisprimary
"""
HAS_DEFAULT = """
select a.atthasdef or a.attidentity <> '' from pg_attribute as a where a.attrelid = to_regclass(%s) and a.attname = %s
"""
NAME_COLUMNS = ("name", "title", "item_name", "item")


@dataclass(frozen=True)
class OwnTable(Proposal):
    """A proposal for a table that is there already, of which nothing is altered."""

    own_name: str = ""
    key: str = ""
    item_key: bool = False
    archived: str = ""
    name_column: str = ""

    @property
    def makes_table(self) -> bool:
        """It is there already."""
        return False

    @property
    def table_name(self) -> str:
        """The table as the person named it."""
        return self.own_name

    def tree(self) -> CommentedMap:
        """The mapping file."""
        tree = CommentedMap(entity=self.entity, title=clean_text(self.board.name) or self.entity)
        tree["board"] = CommentedMap(id=int(self.board.id))
        tree["deployed"] = self.day
        tree["direction"] = "monday_to_pg"
        tree["table"] = self.own_name
        tree["primary_key"] = self.key
        tree["item_key"] = self.item_key
        if self.archived:
            tree["archived_column"] = self.archived
        else:
            tree["deletes"] = CommentedMap(monday="ignore", postgres="ignore")
        fields = [entry_of(one) for one in self.columns]
        if self.name_column:
            tree["item_name"] = [field_name(self.name_column)]
            fields.insert(0, CommentedMap(column=ITEM_NAME, field=field_name(self.name_column)))
        tree["contract"] = "freeze"
        tree["fields"] = CommentedSeq(fields)
        tree.yaml_set_start_comment(HEADER.format(name=self.entity))
        return tree

    def text(self) -> str:
        """The text of the mapping file."""
        return tree_text(self.tree())


def proposed(parts: Parts, wanted: board_deploy.Wanted, table: str) -> OwnTable:
    """A mapping of the board to a table as it is. Board columns that it has no column for are not fetched."""
    board = parts.monday.board(wanted.board_id)
    name = checked_entity(wanted.name or snake_case(board.name)[:40].strip("_"))
    with parts.db.transaction(read_only=True) as tx:
        types = column_types_of(tx, [table])[table]
        key, item_key = _key_of(tx, table, types)
    made = propose(board, name, table, load_types(parts.settings.home), monday=parts.monday, day=wanted.day)
    free = {column: column for column in types if column != key}
    title = next((one for known in NAME_COLUMNS for one in free if one.lower() == known), "")
    free.pop(title, None)
    columns = tuple(_fitted(one, free, types, wanted.day) for one in made.columns)
    archived = "archived_at" if types.get("archived_at", "").startswith("timestamp") else ""
    return OwnTable(
        name, board, table, columns, day=wanted.day, own_name=table, key=key, item_key=item_key, archived=archived,
        name_column=title,
    )  # fmt: skip


def _key_of(tx: Transaction, table: str, types: Mapping[str, str]) -> tuple[str, bool]:
    """The primary key, and whether a new row gets its item's id in it, because nothing else makes one."""
    keys = [row[0] for row in tx.rows(KEY, (table,))]
    if len(keys) != 1:
        why = f"a primary key of {len(keys)} columns" if keys else "no primary key"
        raise SettingsError(f"{table} has {why}.", hint="Rows are found by a primary key of one column.")
    (key,) = keys
    kind, made_there = types[key], bool(tx.value(HAS_DEFAULT, (table, key)))
    return key, not made_there and kind != "uuid" and kind in ("bigint", "text")


def _fitted(one: ProposedColumn, free: dict[str, str], types: Mapping[str, str], day: str) -> ProposedColumn:
    """The table column of that name; without one, the board column is not fetched."""
    found = _column_for(one.about, free)
    if found is None:
        return one.decide(REJECTED, day)
    del free[found]
    return replace(one, column=found, sql_type=types[found], decision="accepted" if one.hard else "", decided=day)


def _column_for(about: BoardColumn, free: Mapping[str, str]) -> str | None:
    exact = [column for column in free if column in (about.title, about.id)]
    alike = [column for column in free if snake_case(column) in (snake_case(about.title), snake_case(about.id))]
    return next(iter([*exact, *alike]), None)
