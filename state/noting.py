"""Composes the statements by which a trigger's function notes the rows that were changed, in `sync_outbox`."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from msgspec import Struct

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

# Both images of each row are put together once, and each column is compared once, whoever watches it: the numbers of the
# columns that differ are the bits of `changed`. A row with another primary key is another row.
UPDATED_ROWS = """
select w.type, w.at, w.row_id, w.operation, {columns}
from (
    select case when o.{id} is null then 'insert' when n.{id} is null then 'delete' else 'update' end as operation,
           {read}
    from changed as n full join before as o on o.{id} = n.{id}
    offset 0
) as x
cross join lateral (values {entries}) as w (type, at, row_id, operation, {words})
where w.row_id is not null and ({any_changed})
"""
WORD = 60
"""Columns whose bits stand in one bigint."""
DIFFERS = "case when n.{c}{cast} is distinct from o.{c}{cast} then {bit} else 0 end"
NAMED = "case when w.{word} & {bit} <> 0 then {name} end"
ENTRY = "({type}, {table}, x.{key}, x.operation, {changed})"
CHANGED = "case when x.operation = 'update' then x.{word} & {bits} end"
# A row that belongs to another root now has changed both roots.
MOVED = "({type}, {table}, case when x.operation = 'update' then x.{old} end, 'update', {nothing})"

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


class Watched(Struct, frozen=True):
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
    def hangs(self) -> bool:
        """Returns whether its rows belong to a root, which another root can take over."""
        return self.table != self.points_at

    @property
    def id(self) -> str:
        """Returns the column by which a row is known again after an update."""
        return "id" if self.root and self.hangs and self.key != "id" else self.key

    @property
    def mark(self) -> str:
        """Returns what is watched, for the text of the trigger's function, so that a changed mapping is noticed."""
        text = f"[{self.entity_type}:{self.key}:{','.join(self.columns)}]"
        return PLAIN.sub(lambda odd: f"\\u{ord(odd[0]):04x}", text)


class Notes(Struct, frozen=True):
    """Composes the statements that note changes of a table, for all entities that watch it."""

    watchers: Sequence[Watched]
    schema: str
    texts: set[str]
    """The columns that are compared as text."""
    of_one_row: bool = False
    """It runs for each row, and not for all that a statement has changed."""

    def of(self, operation: str) -> Composable:
        """Returns the statement that notes the changes of an operation. A new shared row changes no record."""
        if operation == "update":
            changes = self._updates()
        else:
            counted = [watcher for watcher in self.watchers if watcher.root]
            changes = [compose(CHANGED_ROWS, operation=literal(operation), **_names(watcher)) for watcher in counted]
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

    def _updates(self) -> list[Composable]:
        """Returns a statement for each column by which the images of a row are put together: as a rule there is one."""
        groups: dict[str, list[Watched]] = {}
        for watcher in self.watchers:
            groups.setdefault(watcher.id, []).append(watcher)
        return [self._updates_by(key, watchers) for key, watchers in groups.items()]

    def _updates_by(self, key: str, watchers: Sequence[Watched]) -> Composable:
        bits = _Bits(tuple(dict.fromkeys(column for watcher in watchers for column in watcher.columns)))
        keys = {name: compose(f"key_{n}") for n, name in enumerate(dict.fromkeys(watcher.key for watcher in watchers))}
        read = [
            compose("coalesce(n.{k}, o.{k})::text as {name}", k=identifier(k), name=name) for k, name in keys.items()
        ]
        read += [
            compose(
                "case when o.{k} is distinct from n.{k} then o.{k}::text end as old_{name}", k=identifier(k), name=name
            )
            for k, name in keys.items()
            if any(watcher.key == k and watcher.hangs for watcher in watchers)
        ]
        read += bits.read(self.texts)
        entries = []
        for watcher in watchers:
            given = {**_names(watcher), "key": keys[watcher.key]}
            entries.append(compose(ENTRY, **given, changed=bits.of(watcher.columns)))
            if watcher.hangs:
                old = compose("old_{name}", name=keys[watcher.key])
                nothing = joined(", ", [compose("null")] * len(bits.words))
                entries.append(compose(MOVED, **given, old=old, nothing=nothing))
        return compose(
            UPDATED_ROWS,
            id=identifier(key),
            read=joined(", ", read),
            entries=joined(", ", entries),
            columns=bits.names(),
            words=joined(", ", [compose(word) for word in bits.words]),
            any_changed=joined(" or ", [compose(f"w.{word} <> 0 or w.{word} is null") for word in bits.words]),
        )


class _Bits(Struct, frozen=True):
    """Gives each column that is compared a bit of a number; many columns take several numbers."""

    columns: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """Returns the names of the numbers."""
        return [f"changed_{n}" for n in range(max(1, -(-len(self.columns) // WORD)))]

    def read(self, texts: Collection[str]) -> list[Composable]:
        """Returns what is selected of two images of a row: the numbers. These `texts` are compared as text."""
        return [
            compose(
                "0::bigint{differ} as {word}",
                word=compose(word),
                differ=joined("", [compose(" + ") + self._differs(name, name in texts) for name in self._of(n)]),
            )
            for n, word in enumerate(self.words)
        ]

    def _differs(self, name: str, as_text: bool) -> Composable:
        statement = DIFFERS.replace("{cast}", "::text" if as_text else "")
        return compose(statement, c=identifier(name), bit=compose(str(self._bit(name))))

    def of(self, columns: Collection[str]) -> Composable:
        """Returns the numbers with the bits of these columns alone."""
        return joined(
            ", ",
            [
                compose(
                    CHANGED,
                    word=compose(word),
                    bits=compose(str(sum(self._bit(name) for name in self._of(n) if name in columns))),
                )
                for n, word in enumerate(self.words)
            ],
        )

    def names(self) -> Composable:
        """Returns the names of the columns whose bits are set; null where there is no number."""
        found = [
            compose(NAMED, word=compose(word), bit=compose(str(self._bit(name))), name=literal(name))
            for n, word in enumerate(self.words)
            for name in self._of(n)
        ]
        several = compose("array_remove(array[{found}]::text[], null)", found=joined(", ", found))
        # Mostly one column was changed: an array that is there already.
        alone = [
            compose("when {bit} then array[{name}]", bit=compose(str(self._bit(name))), name=literal(name))
            for name in (self.columns if len(self.words) == 1 else ())
        ]
        by_bit = compose("case w.changed_0 {alone} else {several} end", alone=joined(" ", alone), several=several)
        return compose("case when w.changed_0 is not null then {names} end", names=by_bit if alone else several)

    def _of(self, n: int) -> tuple[str, ...]:
        return self.columns[n * WORD : (n + 1) * WORD]

    def _bit(self, name: str) -> int:
        return 1 << self.columns.index(name) % WORD


def _names(watcher: Watched) -> dict[str, Composable]:
    return {
        "type": literal(watcher.entity_type),
        "table": literal(watcher.points_at),
        "key": identifier(watcher.key),
        "key_name": literal(watcher.key),
    }
