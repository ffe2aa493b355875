"""Composes the statements by which a trigger's function notes the rows that were changed, in `sync_outbox`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from databases.postgres.names import compose, identifier, joined, literal
from db_connector import Composable

PLAIN = re.compile(r"[^\w\[\]:,. -]")
"""What may not stand in a comment inside a function as it is: a column can have any name."""

OF_ONE_ROW = {
    "insert": "with changed as (select new.*) ",
    "update": "with changed as (select new.*), before as (select old.*) ",
    "delete": "with changed as (select old.*) ",
}
NOTING = "insert into {outbox} (entity_type, table_name, row_id, operation, columns) {rows};"

CHANGED_ROWS = """
select {type}, {table}, n.{key}::text, {operation}, null::text[]
from changed as n
where n.{key} is not null
"""

# A row with another primary key is another row.
UPDATED_ROWS = """
select {type}, {table}, coalesce(n.{key}, o.{key})::text,
       case when o.{id} is null then 'insert' when n.{id} is null then 'delete' else 'update' end,
       case when o.{id} is not null and n.{id} is not null then array_remove(array[{changed}]::text[], null) end
from changed as n full join before as o on o.{id} = n.{id}
where coalesce(n.{key}, o.{key}) is not null
  and (o.{id} is null or n.{id} is null or ({new}) is distinct from ({old}))
"""

CHANGED_COLUMN = "case when n.{c}{cast} is distinct from o.{c}{cast} then {name} end"

# A row that belongs to another root now has changed both roots.
MOVED_ROWS = """
select {type}, {table}, o.{key}::text, 'update', null::text[]
from changed as n join before as o on o.{id} = n.{id}
where o.{key} is not null and o.{key} is distinct from n.{key}
"""

# Every row, whatever was changed in it, without a column's name.
ALL_CHANGED_ROWS = """
select {type}, {table}, to_jsonb(n) ->> {key_name}, lower(tg_op), null::text[]
from changed as n
where to_jsonb(n) ->> {key_name} is not null
"""

ANY_CHANGED_ROW = ALL_CHANGED_ROWS.replace(
    "from changed as n",
    "from (select case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end as n) as row",
)

# Every record that has an item: a table was emptied.
ALL_RECORDS = """
select {type}, {owner}, entity_id, 'delete', null::text[]
from {links}
where entity_type = {type} and monday_id is not null and archived_at is null
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """Describes a table as one entity sees it: which of its columns count, and whether its rows are the entity's own."""

    entity_type: str
    table: str
    columns: tuple[str, ...]
    key: str
    points_at: str
    """The table whose row `key` names: the table itself or, for rows that belong to a root, the root's table."""
    root: bool
    owner: str
    """The root's table."""

    @property
    def mark(self) -> str:
        """Returns what is watched, for the text of the trigger's function, so that a changed mapping is noticed."""
        text = f"[{self.entity_type}:{self.key}:{','.join(self.columns)}]"
        return PLAIN.sub(lambda odd: f"\\u{ord(odd[0]):04x}", text)


@dataclass(frozen=True, slots=True)
class Notes:
    """Composes the statements that note changes of a table, for all entities that watch it."""

    watchers: Sequence[Watched]
    schema: str
    texts: set[str]
    """The columns that are compared as text."""
    of_one_row: bool = False
    """It runs for each row, and not for all that a statement has changed."""

    def of(self, operation: str) -> Composable:
        """Returns the statement that notes the changes of an operation. A new shared row changes no record."""
        counted = [watcher for watcher in self.watchers if operation == "update" or watcher.root]
        changes = [rows for watcher in counted for rows in self._changes(watcher, operation)]
        return self._noting(changes, OF_ONE_ROW[operation] if self.of_one_row else "")

    def of_all_changed(self) -> Composable:
        """Returns the statement that notes every changed row and names no column."""
        statement = ANY_CHANGED_ROW if self.of_one_row else ALL_CHANGED_ROWS
        return self._noting([compose(statement, **_names(watcher)) for watcher in self.watchers])

    def of_all_records(self) -> Composable:
        """Returns the statement that notes every record that has an item, because a table was emptied."""
        links = identifier(self.schema, "sync_mapping")
        return self._noting(
            [
                compose(ALL_RECORDS, type=literal(entity_type), owner=literal(owner), links=links)
                for entity_type, owner in sorted({(watcher.entity_type, watcher.owner) for watcher in self.watchers})
            ]
        )

    def _noting(self, parts: Sequence[Composable], opening: str = "") -> Composable:
        if not parts:
            return compose("null;")  # no entity watches this operation
        outbox = identifier(self.schema, "sync_outbox")
        return compose(opening + NOTING, outbox=outbox, rows=joined("union all", parts))

    def _changes(self, watcher: Watched, operation: str) -> list[Composable]:
        names = _names(watcher)
        if operation != "update":
            return [compose(CHANGED_ROWS, operation=literal(operation), **names)]
        # only changes of mapped columns are noted
        columns = [(identifier(name), "::text" if name in self.texts else "") for name in watcher.columns]
        new = joined(", ", [compose("n.{c}" + cast, c=column) for column, cast in columns])
        old = joined(", ", [compose("o.{c}" + cast, c=column) for column, cast in columns])
        changed = joined(
            ", ",
            [
                compose(CHANGED_COLUMN.replace("{cast}", cast), c=identifier(name), name=literal(name))
                for name, (_, cast) in zip(watcher.columns, columns, strict=True)
            ],
        )
        found = [compose(UPDATED_ROWS, new=new, old=old, changed=changed, **names)]
        # a row that belongs to a root
        if watcher.table != watcher.points_at:
            found.append(compose(MOVED_ROWS, **names))
        return found


def _names(watcher: Watched) -> dict[str, Composable]:
    hangs = watcher.root and watcher.table != watcher.points_at
    return {
        "type": literal(watcher.entity_type),
        "table": literal(watcher.points_at),
        "key": identifier(watcher.key),
        "key_name": literal(watcher.key),
        "id": identifier("id" if hangs and watcher.key != "id" else watcher.key),
    }
