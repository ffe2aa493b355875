"""Makes and drops the staging table of an entity: the rows of a load, and beside them their links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from databases.postgres.names import compose, identifier, identifiers, literal, parts_of, quoted, table_name
from db_connector import Composable, Transaction
from errors import Incomplete, SettingsError
from mappings.declaration import Mapping as EntityMapping
from models import Item, Record
from rows.homes import Home
from rows.root_rows import document_cells, plain_cells
from rows.tables import Table

AS_IT_WAS = "The live table is as it was."

LINK_COLUMNS = ("monday_id", "entity_id", "base", "seal", "monday_hash", "monday_updated_at")

WITH_COMMENT = """
select c::text, obj_description(c, 'pg_class')
from to_regclass(%s) as c
"""
# Both are unlogged: only this load needs them.
MAKE_ROWS = """
create unlogged table {rows} as
select {columns}
from {live}
with no data
"""
MAKE_LINKS = """
create unlogged table {links} (
    monday_id text,
    entity_id text,
    base jsonb,
    seal text,
    monday_hash text,
    monday_updated_at timestamptz
)
"""
MARK = """
comment on table {name} is {mark}
"""


class ValidationFailed(Incomplete):
    """Reports that the staged rows are not what was read of the board; the live table is as it was."""


class Ready(Struct):
    """Holds an item as it goes into the staging table."""

    item: Item
    record: Record
    hash: str
    base: str
    """The values that both sides agree on, as the JSON that is stored."""
    seal: str | None
    """Of the base; None when the cells do not show it."""


class StagingTable(Struct, frozen=True):
    """Makes and fills the staging table of an entity. `home` and `live` say what the rows of the live table hold."""

    mapping: EntityMapping
    home: Home
    live: Table

    @property
    def rows(self) -> str:
        """Returns the name of the table of staged rows."""
        return staging_names(self.mapping.table)[0]

    @property
    def links(self) -> str:
        """Returns the name of the table of their links."""
        return staging_names(self.mapping.table)[1]

    @property
    def columns(self) -> list[str]:
        """Returns the columns that are written: the key, then those of the mapping."""
        return [self.mapping.primary_key, *self.live.columns]

    def names(self) -> dict[str, Composable]:
        """Returns the names for statements over the live table and the staged rows."""
        return {
            "table": table_name(self.mapping.table),
            "key": identifier(self.mapping.primary_key),
            "staging": table_name(self.rows),
            "links": table_name(self.links),
        }

    def make(self, tx: Transaction) -> None:
        """Makes both tables, and marks them as the tool's."""
        names = {"rows": table_name(self.rows), "live": table_name(self.mapping.table)}
        tx.execute(compose(MAKE_ROWS, columns=identifiers(self.columns), **names))
        tx.execute(compose(MAKE_LINKS, links=table_name(self.links)))
        mark = literal(_mark(self.mapping.entity))
        for name in (self.rows, self.links):
            tx.execute(compose(MARK, name=table_name(name), mark=mark))

    def drop(self, tx: Transaction) -> None:
        """Drops both tables. Raises SettingsError for a table of that name that is not the tool's."""
        check_names(tx, self.mapping.entity, self.mapping.table)
        for name in (self.rows, self.links):
            tx.execute(compose("drop table if exists {name}", name=table_name(name)))

    def copy(self, tx: Transaction, ready: Sequence[Ready]) -> None:
        """Copies items into both tables."""
        records = [made.record for made in ready]
        cells: list[list[Any]] = [[made.item.id for made in ready]]
        cells += [plain_cells(self.home, column, records) for column in self.live.plain]
        cells += [document_cells(self.home, column, records) for column in self.live.documents]
        tx.copy_in(self.rows, self.columns, zip(*cells, strict=True))
        ids = cells[0]
        links = [(made.base, made.seal, made.hash, made.item.updated_at) for made in ready]
        tx.copy_in(
            self.links, LINK_COLUMNS, [(item_id, item_id, *link) for item_id, link in zip(ids, links, strict=True)]
        )


def staging_names(table: str) -> tuple[str, str]:
    """Returns the names of the staging tables of a table: of its rows, and of their links."""
    schema, name = parts_of(table)
    return quoted(schema, f"stg_{name}"), quoted(schema, f"stg_{name}_links")


def check_names(tx: Transaction, entity: str, table: str) -> None:
    """Raises SettingsError when a table has the name of a staging table and is not this entity's."""
    for name in staging_names(table):
        there, comment = tx.rows(WITH_COMMENT, (name,))[0]
        if there is not None and comment != _mark(entity):
            raise SettingsError(
                f"{there} is not the tool's, and its name is needed while {entity} is loaded.",
                hint="Give it another name, or drop it if it is not needed.",
            )


def _mark(entity: str) -> str:
    """Returns the comment by which the tool knows its own staging tables."""
    return f"monday-sync staging of {entity}"
