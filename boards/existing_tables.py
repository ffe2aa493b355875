"""Maps a table of the user's own to a board: which of its columns are which board columns, and how its key is made."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from boards import deploy
from boards.names import checked_entity, entity_of, field_name, snake_case, sql_name
from boards.proposal import ACCEPTED, HEADER, REJECTED, Proposal, ProposedColumn, entry_of, propose
from boards.types_of_tables import TypeMap, load_types
from databases.postgres.catalogue import (
    TableColumn,
    column_types_of,
    columns_in_order,
    place_of,
    unique_key_of,
    without_limit,
)
from databases.postgres.names import compose, identifier, parts_of, table_name
from databases.postgres.own_ways import ways_of
from databases.postgres.sight import refuse_hidden
from db_connector import Composable, Transaction
from errors import SettingsError
from mappings.declaration import ITEM_NAME
from mappings.loader import load_mapping
from models import STATES_ONLY, BoardColumn
from rows.unserved import unserved
from sync.parts import Parts
from values.parsing import clean_text

log = logging.getLogger("monday_sync")

# All are about the rows that have no link yet. `here` leaves out archived rows.
HAS_ROWS = """
select exists (
    select
    from {table} as t
    where {here}
      and not exists (
          select from sync_mapping as l
          where l.entity_type = %(entity)s and l.entity_id = t.{key}::text
      )
)
"""
LONG_KEYS = """
select t.{key}::text
from {table} as t
where {here}
  and not exists (
      select from sync_mapping as l
      where l.entity_type = %(entity)s and l.entity_id = t.{key}::text
  )
  -- ids of items are long numbers
  and t.{key}::text ~ '^[1-9][0-9]{{3,17}}$'
order by length(t.{key}::text) desc, 1 desc
limit 100
"""
TELLS_APART = """
-- whether no two rows have the same value, and every row has a value
select count(*) = count(distinct nullif(sync_fold(t.{column}::text), ''))
from {table} as t
where {here}
  and not exists (
      select from sync_mapping as l
      where l.entity_type = %(entity)s and l.entity_id = t.{key}::text
  )
"""

MATCHED_AS = ("text", "citext", "smallint", "integer", "bigint")
"""Types whose values are the same text as those of the board column."""
NAME_COLUMNS = ("name", "title", "item_name", "item")


class OwnTable(Proposal, frozen=True):
    """Proposes a mapping for a table that exists already, of which nothing is altered."""

    own_name: str = ""
    key: str = ""
    item_key: bool = False
    archived: str = ""
    name_column: str = ""
    match: str = ""

    @property
    def makes_table(self) -> bool:
        """Says that no table is to be made."""
        return False

    @property
    def table_name(self) -> str:
        """Returns the table as PostgreSQL names it, with its schema when the user named the schema."""
        return self.own_name

    def tree(self) -> CommentedMap:
        """Returns the mapping, as its file has it."""
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
            # no column says that a row is archived
            tree["deletes"] = CommentedMap(monday="ignore", postgres="ignore")
        fields = [entry_of(column) for column in self.columns]
        if self.name_column:
            tree["item_name"] = [field_name(self.name_column)]
            fields.insert(0, CommentedMap(column=ITEM_NAME, field=field_name(self.name_column)))
        if self.match:
            tree["match"] = field_name(self.match)
        tree["contract"] = "freeze"
        tree["fields"] = CommentedSeq(fields)
        tree.yaml_set_start_comment(HEADER.format(name=self.entity))
        return tree


def proposed(parts: Parts, wanted: deploy.Wanted, given: str) -> OwnTable:
    """Proposes a mapping of the board to a table as it is. Board columns that no table column suits are not fetched."""
    given = _with_schema(wanted, given)
    board = parts.monday.board(wanted.board_id)
    name = checked_entity(wanted.name or entity_of(board.name, board.id))
    with parts.db.transaction(read_only=True) as tx:
        types = column_types_of(tx, [given])[given]
        refuse_hidden(tx, [given])
        schema, plain = place_of(tx, given)
        table = sql_name(schema if parts_of(given)[0] else "", plain)
        key, item_key = _key_of(tx, table, types)
        own = {column.name: column for column in columns_in_order(tx, table)}
    kinds = load_types(parts.settings.home)
    made = propose(board, name, table, kinds, monday=parts.monday)
    title, archived = _title_in(own, key, kinds), _archived_in(own, key, types)
    free = {column: about for column, about in own.items() if column not in (key, title, archived)}
    columns = tuple(_fitted(column, free, kinds, wanted.day) for column in made.columns)
    found = OwnTable(
        name,
        board,
        table,
        columns,
        day=wanted.day,
        own_name=table,
        key=key,
        item_key=item_key,
        archived=archived,
        name_column=title,
    )
    # A mapping that is there already says itself how rows and items are linked.
    if name in parts.mappings:
        return found
    _refuse_unserved(parts, found)
    return _linked(parts, found, own, wanted.match)


def _refuse_unserved(parts: Parts, made: OwnTable) -> None:
    """Raises SettingsError for a table that would refuse every row, and tells what it may refuse."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{made.entity}.yaml"
        path.write_text(made.text(), encoding="utf-8")
        mapping = load_mapping(path)
    with parts.db.transaction(read_only=True) as tx:
        ways, types = ways_of(tx, [made.own_name]), column_types_of(tx, [made.own_name])[made.own_name]
    for found in unserved(mapping, ways, types[made.key]):
        if found.grave:
            raise SettingsError(found.message, hint=found.hint)
        log.warning("%s %s", found.message, found.hint)


def _title_in(own: Mapping[str, TableColumn], key: str, kinds: TypeMap) -> str:
    """Returns the table column that takes the items' names, "" for none."""
    writable = [column for column, about in own.items() if column != key and not about.computed]
    texts = [column for column in writable if kinds.suits("text", own[column].sql_type)]
    return next((column for name in NAME_COLUMNS for column in texts if column.lower() == name), "")


def _archived_in(own: Mapping[str, TableColumn], key: str, types: Mapping[str, str]) -> str:
    """Returns the table column that says when a row was archived, "" for none."""
    column = "archived_at"
    writable = column in own and column != key and not own[column].computed
    return column if writable and types[column].startswith("timestamp") else ""


def _with_schema(wanted: deploy.Wanted, table: str) -> str:
    """Returns the table's name, in the schema that was given. Raises SettingsError for options of a table to be made."""
    makes = {"--table": wanted.table, "--subitems": wanted.subitems, "--names": wanted.names != "exact"}
    if odd := [option for option, given in makes.items() if given]:
        raise SettingsError(
            f"{', '.join(odd)} and --existing-table do not go together.",
            hint="Leave one out: the table stays as it is.",
        )
    schema = parts_of(table)[0]
    if schema and wanted.schema:
        raise SettingsError(f"{table} names its schema already.", hint="Leave out --schema.")
    return f"{sql_name(wanted.schema)}.{table}" if wanted.schema else table


# Which row is which item


def _linked(parts: Parts, made: OwnTable, own: Mapping[str, TableColumn], match: str) -> OwnTable:
    """Returns the proposal with the way in which rows and items are linked, so that nothing is made twice."""
    places = [made.name_column, *(column.column for column in made.fetched)]
    fit = [column for column in places if column and without_limit(own[column].sql_type) in MATCHED_AS]
    if match and match not in fit:
        raise SettingsError(
            f"--match {match}: rows and items cannot be linked by that column of {made.own_name}.",
            hint=f"One of these can tell: {', '.join(fit) or 'none'}.",
        )
    with parts.db.transaction(read_only=True) as tx:
        rows = tx.value(_about(HAS_ROWS, made), {"entity": made.entity})
        keys = [row[0] for row in tx.rows(_about(LONG_KEYS, made), {"entity": made.entity})]
        natural = [] if match else [column for column in _natural(made, fit) if _tells_apart(tx, made, column)]
    # keys are the ids of items
    if rows and not own[made.key].computed and _are_items(parts, made.board.id, keys):
        return replace(made, item_key=True, match=match)
    # rows, items, and no column tells
    if rows and not match and not natural and made.board.items_count != 0:
        raise SettingsError(
            f"{made.own_name} has rows, and nothing tells which of them are items of the board. Nothing was made.",
            hint=f"Name the column that tells, one of {', '.join(fit)}: --match {fit[0]}"
            if fit
            else "It needs a column with the items' names or with a text of the board, and then: --match COLUMN",
        )
    return replace(made, match=match or next(iter(natural if rows else ()), ""))


def _natural(made: OwnTable, fit: Sequence[str]) -> list[str]:
    """Returns the columns that usually tell: e-mail addresses, then the items' names."""
    mails = [column.column for column in made.fetched if column.about.type == "email" and column.column in fit]
    return [*mails, *(column for column in fit if column == made.name_column)]


def _tells_apart(tx: Transaction, made: OwnTable, column: str) -> bool:
    """Says whether a column has another value in each row."""
    return bool(tx.value(_about(TELLS_APART, made, column=column), {"entity": made.entity}))


def _are_items(parts: Parts, board_id: str, keys: Sequence[str]) -> bool:
    """Says whether some of these keys are ids of items of the board."""
    pages = parts.monday.items(keys, STATES_ONLY) if keys else ()
    return any(item.board_id in (None, board_id) for items in pages for item in items)


def _about(statement: str, made: OwnTable, **names: str) -> Composable:
    here = compose("t.{archived} is null", archived=identifier(made.archived)) if made.archived else compose("true")
    names["key"] = made.key
    columns = {name: identifier(column) for name, column in names.items()}
    return compose(statement, table=table_name(made.own_name), here=here, **columns)


def _key_of(tx: Transaction, table: str, types: Mapping[str, str]) -> tuple[str, bool]:
    """Returns the key column, and whether a new row gets its item's id in it, because nothing else makes a key."""
    key = unique_key_of(tx, table)
    # no column finds a row
    if key is None:
        raise SettingsError(
            f"{table} has no column by which a row can be found.",
            hint="It needs a primary key of one column, or another column that is unique and not null.",
        )
    kind, ways = types[key], ways_of(tx, [table])[table]
    made_there = ways.makes(key)
    # neither the table nor the item's id makes a key
    if not ways.may_make(key) and kind not in ("bigint", "text", "uuid"):
        raise SettingsError(
            f"Nothing makes the key of a new row: {table}.{key} has no default, and no item's id fits into {kind}.",
            hint=f'For example: alter table {table} alter "{key}" add generated by default as identity',
        )
    return key, not made_there and kind in ("bigint", "text")


def _fitted(column: ProposedColumn, free: dict[str, TableColumn], kinds: TypeMap, day: str) -> ProposedColumn:
    """Returns a column with the table column of its name, which is free no more; rejected when none suits."""
    found = _column_for(column.about, free)
    # no table column of that name
    if found is None:
        return column.decide(REJECTED, day)
    sql_type = free[found].sql_type
    # PostgreSQL fills it
    if free[found].computed:
        log.warning("%s: PostgreSQL itself makes the values of this column; it is not fetched.", found)
        return column.decide(REJECTED, day)
    # type cannot keep the values
    if not kinds.suits(column.about.type, sql_type):
        log.warning("%s: a column of type %s cannot hold %s; it is not fetched.", found, sql_type, column.about.type)
        return column.decide(REJECTED, day)
    del free[found]
    return replace(column, column=found, sql_type=sql_type, decision=ACCEPTED if column.hard else "", decided=day)


def _column_for(about: BoardColumn, free: Mapping[str, TableColumn]) -> str | None:
    exact = [column for column in free if column in (about.title, about.id)]
    alike = [column for column in free if snake_case(column) in (snake_case(about.title), snake_case(about.id))]
    return next(iter([*exact, *alike]), None)
