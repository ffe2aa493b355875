"""A record's life over several tables: loading it, and writing many at once with a fixed number of statements.

A record has one root row and related rows, some of which other records share. Shared rows are found by their natural
keys; which of several items fills a shared row is decided by who was updated last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from databases.postgres.names import compose, identifier, joined, table_name
from db_connector import Composable, Transaction
from mappings.bound import BoundMapping
from mappings.declaration import ROOT, Mapping, Related
from mappings.pointers import pointing
from models import Record, Value
from rows.shared_rows import Effects, Rows, Settlement, Shape, Want, note_shown, once
from rows.tables import (
    Home,
    Rank,
    Row,
    Slot,
    Table,
    alias,
    folded,
    is_archived,
    key_values,
    new_ids,
    plain_text,
    slot_value,
    spellings,
)
from rows.users_of_rows import tell
from services.monday.cells.kinds import comparison_of
from values.canonical import is_empty
from values.comparing import from_json


@dataclass(slots=True)
class Stored:
    """An entity's rows as PostgreSQL has them."""

    root_id: str
    record: Record
    ids: dict[str, str | None]
    archived: bool = False
    settings: tuple[bool, str] | None = None


@dataclass(slots=True)
class Upsert:
    """A record to be written. `changed` limits it to those fields; None writes everything, as for a new record.

    Afterwards `root_id` is known, and `shown` holds the fields that PostgreSQL shows unlike `record`, because a shared
    row belongs to others too.
    """

    monday_id: str | None
    rank: Rank
    record: Record
    changed: frozenset[str] | None = None
    stored: Stored | None = None
    restore: bool = False
    adopts: bool = False
    """The row was somebody else's until now."""
    root_id: str = ""
    ids: dict[str, str | None] = field(default_factory=dict)
    shown: Record = field(default_factory=dict)
    own: Record = field(default_factory=dict)
    """The item's own cells where they are known to differ from the row that `record` shows."""
    kept: list[str] = field(default_factory=list)
    """The titles of the board columns that the root's metadata keeps, because their row would have no key."""

    def touches(self, names: Iterable[str]) -> bool:
        """Whether any of these fields is to be written."""
        return self.changed is None or not self.changed.isdisjoint(names)


@dataclass(slots=True)
class Holder:
    """A root row found by its natural key, and the item that has it, if one has."""

    root_id: str
    link_id: str | None = None
    monday_id: str | None = None
    gone: bool = False
    linked_at: datetime | None = None
    ours: bool = True
    stored: Stored | None = None

    def free_for(self, monday_id: str, since: datetime | None) -> bool:
        """Whether an item may have the row. Of items first met in one run, the one with the lowest id has it."""
        if self.link_id is None:
            return self.monday_id is None
        if self.gone:
            return True
        met_now = since is not None and self.linked_at is not None and self.linked_at >= since
        return met_now and int(monday_id) < int(self.monday_id or 0)


class RecordStore:
    """Loads and writes the records of one mapping."""

    def __init__(
        self, bound: BoundMapping, types: Map[str, Map[str, str]], owners: Map[str, Mapping] | None = None
    ) -> None:
        self.bound = bound
        self.mapping = bound.mapping
        self.owners = owners or {}
        self.root = Home(bound, ROOT, None, types[self.mapping.table])
        # A row that another related row points at is joined after that one.
        related = sorted(self.mapping.related.values(), key=lambda one: one.parent != ROOT)
        self.homes = {one.name: Home(bound, one.name, one, types[one.table]) for one in related}
        self._bindings = {
            name: [one for one in bound.bindings if one.fields[0] in home.fields] for name, home in self.homes.items()
        }
        self._keeping = [home for home in self.homes.values() if home.keeps_metadata and self.mapping.rest]
        self._load = self._load_statement()
        self._key_fields = [self.root.slots.get((part.column, None)) for part in self.mapping.key]
        self.new_ids = new_ids()
        self._news: list[tuple[str, Row, Slot]] = []
        self._rows: dict[str, Row] = {}
        self._adopted: list[Upsert] = []

    @property
    def _key_type(self) -> str:
        """Keys are compared as what they are: as texts, no index would find them."""
        return self.root.types.get(self.mapping.primary_key, "text")

    # Loading

    def load(self, tx: Transaction, root_ids: Sequence[str], anybody: bool = False) -> dict[str, Stored]:
        """The records of these root rows. Left out are rows not there and, unless `anybody`, not of this entity."""
        if not root_ids:
            return {}
        params = {"ids": key_values(self._key_type, root_ids), "anybody": anybody, **self._only_params()}
        rows = tx.rows(self._load[0], params)
        found = (self._stored(row) for row in rows)
        return {stored.root_id: stored for stored in found}

    def _stored(self, row: Sequence[Any]) -> Stored:
        root_id, archived, enabled, direction, *values = row
        got = dict(zip(self._load[1], values, strict=True))
        ids = {name: got[name, "id"] for name in self.homes}
        record: Record = {}
        for home in (self.root, *self.homes.values()):
            if home.name and ids[home.name] is None:
                self._read_metadata(home, got, record)
                continue
            for slot, name in home.slots.items():
                value = slot_value(home, slot, got)
                if not is_empty(value):
                    record[name] = value
        settings = (enabled, direction) if self.mapping.record_settings else None
        return Stored(root_id, record, ids, archived, settings)

    def _read_metadata(self, home: Home, got: Map[tuple[str, str], Any], record: Record) -> None:
        """The fields of a related row that is missing because it would have no key: the root's metadata keeps them."""
        rest = self.mapping.rest
        metadata = got.get((ROOT, rest)) if rest else None
        if not metadata or home.related is None or home.related.without_key != "metadata":
            return
        for binding in self._bindings[home.name]:
            cells = tuple(
                from_json(comparison_of(self.bound.columns[column].type), metadata.get(self.bound.title(column)))
                if column in self.bound.columns else None
                for column in binding.columns
            )  # fmt: skip
            if all(is_empty(cell) for cell in cells):
                continue
            values = binding.transform.read(cells, None) if binding.transform else cells
            record.update({name: value for name, value in zip(binding.fields, values, strict=True) if not is_empty(value)})

    def shared_homes(self, tx: Transaction, records: Sequence[Stored]) -> dict[str, set[str]]:
        """The related names under which these records (by root id) show rows that others show too."""
        names = [name for name, home in self.homes.items() if home.related and not home.related.child]
        ids = sorted({str(row_id) for one in records for name in names if (row_id := one.ids.get(name))})
        if not ids:
            return {}
        statement = compose(
            "select row_id from ({uses}) as uses group by row_id having count(distinct root) > 1",
            uses=pointing(self.mapping, names),
        )
        shared = {row[0] for row in tx.rows(statement, {"ids": ids})}
        return {one.root_id: {name for name in names if one.ids.get(name) in shared} for one in records}

    def _load_statement(self) -> tuple[Composable, list[tuple[str, str]]]:
        """The statement that loads records, and what each of its columns is."""
        settings = "root.sync_enabled, root.sync_direction" if self.mapping.record_settings else "true, ''"
        selected, names, joins = [], [], []
        for home in (self.root, *self.homes.values()):
            if home.related is not None:
                selected.append(compose("{home}.id::text", home=identifier(home.name)))
                names.append((home.name, "id"))
                joins.append(self._join(home.related))
            for column in sorted({slot[0] for slot in home.slots} | self._rest_column(home)):
                selected.append(compose("{home}.{column}", home=alias(home.name), column=identifier(column)))
                names.append((home.name, column))
        statement = compose(
            f"select root.{{key}}::text, {{archived}}, {settings}{{selected}} from {{table}} as root"
            f"{{joins}} where root.{{key}} = any(%(ids)s::{self._key_type}[]) and (%(anybody)s or true{{only}})",
            key=identifier(self.mapping.primary_key),
            archived=is_archived(self.mapping, "root"),
            selected=joined("", [joined(", ", [compose(""), one]) for one in selected]),
            table=table_name(self.mapping.table),
            joins=joined("", joins),
            only=self.only("root"),
        )
        return statement, names

    def _rest_column(self, home: Home) -> set[str]:
        return {self.mapping.rest} if home is self.root and self.mapping.rest else set()

    def _join(self, related: Related) -> Composable:
        home = identifier(related.name)
        if related.child:
            # One row for each root, even where somebody has made several.
            return compose(
                " left join lateral (select * from {table} as c where c.{child} = root.{key}"
                " order by c.created_at, c.id limit 1) as {home} on true",
                table=table_name(related.table), child=identifier(related.child), home=home,
                key=identifier(self.mapping.primary_key),
            )  # fmt: skip
        return compose(
            " left join {table} as {home} on {home}.id = {parent}.{via}",
            table=table_name(related.table), home=home, parent=alias(related.parent), via=identifier(str(related.via)),
        )  # fmt: skip

    def only(self, alias: str) -> Composable:
        """` and` the condition that a row of the root table belongs to the entity; its values are `_only_params`."""
        parts = [
            compose(f" and {{alias}}.{{column}} = %(only_{index})s", alias=identifier(alias), column=identifier(column))
            for index, column in enumerate(self.mapping.only)
        ]
        return joined("", parts)

    def _only_params(self) -> dict[str, Any]:
        return {f"only_{index}": value for index, value in enumerate(self.mapping.only.values())}

    # Natural keys of root rows

    def root_key(self, record: Record) -> tuple[str, ...] | None:
        """The values of the root's natural key, as they are compared; None when one is empty."""
        parts = [record.get(name) if name else None for name in self._key_fields]
        if any(is_empty(part) or not plain_text(part).strip() for part in parts):
            return None
        return folded(self.mapping.key, parts)

    def holders(self, tx: Transaction, keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], Holder]:
        """Who has the root rows of these natural keys."""
        if not keys:
            return {}
        columns = {f"v{index}": "text" for index in range(len(self.mapping.key))}
        texts = ["lower(t.{%s}::text)" if part.ignore_case else "t.{%s}::text" for part in self.mapping.key]
        names = {f"k{index}": identifier(part.column) for index, part in enumerate(self.mapping.key)}
        conditions = [f"{text % f'k{index}'} = new.v{index}" for index, text in enumerate(texts)]
        rows = tx.bulk(
            f"select {', '.join(f'new.{name}' for name in columns)}, t.{{key}}::text, l.id::text, l.monday_id,"
            " l.archived_at is not null, l.created_at, true{only}"
            f" from {{rows}} join {{table}} as t on {' and '.join(conditions)}"
            " left join sync_mapping as l on l.entity_id = t.{key}::text and l.entity_type = %(type)s"
            " order by t.created_at desc",
            columns, sorted(set(keys)), {"type": self.mapping.entity_type, **self._only_params()},
            table=table_name(self.mapping.table), key=identifier(self.mapping.primary_key), only=self.only("t"), **names,
        )  # fmt: skip
        width = len(columns)
        found = {tuple(row[:width]): Holder(*row[width:]) for row in rows}
        stored = self.load(tx, [holder.root_id for holder in found.values()], anybody=True)
        for holder in found.values():
            holder.stored = stored.get(holder.root_id)
        return found

    def unlinked_with(self, tx: Transaction, name: str, values: Sequence[str]) -> dict[str, list[Stored]]:
        """The entity's rows without an item that show one of these values in a field, by the value without case."""
        place = self.root.fields[name]
        wanted = sorted({value.strip().lower() for value in values})
        text = "t.{column}::text" if place.key is None else "t.{column} ->> %(key)s"
        statement = compose(
            f"select lower(trim({text})), t.{{id}}::text from {{table}} as t where lower(trim({text})) = any(%(values)s)"
            " and not {archived}{only} and not exists (select from sync_mapping as l"
            " where l.entity_type = %(type)s and l.entity_id = t.{id}::text)",
            column=identifier(place.column), id=identifier(self.mapping.primary_key),
            table=table_name(self.mapping.table), only=self.only("t"), archived=is_archived(self.mapping, "t"),
        )  # fmt: skip
        params = {"values": wanted, "key": place.key, "type": self.mapping.entity_type, **self._only_params()}
        rows = tx.rows(statement, params)
        stored = self.load(tx, [row[1] for row in rows])
        found: dict[str, list[Stored]] = {}
        for value, root_id in rows:
            found.setdefault(value, []).append(stored[root_id])
        return found

    def page_of_ids(self, tx: Transaction, after: str | None, limit: int) -> list[str]:
        """The ids of the entity's rows that are not archived, a page at a time in the order of their text."""
        statement = compose(
            "select t.{id}::text from {table} as t where (%(after)s::text is null or t.{id}::text > %(after)s){only}"
            ' order by t.{id}::text collate "C" limit %(limit)s',
            id=identifier(self.mapping.primary_key), table=table_name(self.mapping.table), only=self.only("t"),
        )  # fmt: skip
        rows = tx.rows(statement, {"after": after, "limit": limit, **self._only_params()})
        return [row[0] for row in rows]

    # Writing

    def set_status(self, tx: Transaction, statuses: Map[str, str]) -> None:
        """Tell the application, on its own rows, how far their records are."""
        tx.bulk(
            "update {table} as t set sync_status = new.status from {rows}"
            " where t.{key}::text = new.id and t.sync_status is distinct from new.status",
            {"id": "text", "status": "text"}, list(statuses.items()),
            table=table_name(self.mapping.table), key=identifier(self.mapping.primary_key),
        )  # fmt: skip

    def mark(self, tx: Transaction, items: Map[str, str]) -> None:
        """Tell the application, on its own rows (id → item id), which items they have."""
        if not self._marked:
            return
        tx.bulk(
            "update {table} as t set monday_id = new.item from {rows}"
            " where t.{key} = new.id and t.monday_id is distinct from new.item",
            {"id": self._key_type, "item": self.root.types["monday_id"]}, list(items.items()),
            table=table_name(self.mapping.table), key=identifier(self.mapping.primary_key),
        )  # fmt: skip

    def write(self, tx: Transaction, upserts: Sequence[Upsert]) -> Effects:
        """Write them all: related rows first, then roots, then the rows that point at roots."""
        effects = Effects()
        self._news, self._rows, self._adopted = [], {}, [upsert for upsert in upserts if upsert.adopts]
        made = self._numbers(tx, sum(upsert.stored is None for upsert in upserts))
        for upsert in upserts:
            upsert.ids = dict(upsert.stored.ids) if upsert.stored else {}
            upsert.root_id = upsert.stored.root_id if upsert.stored else self._new_id(upsert, made)
        ranked = sorted(upserts, key=lambda upsert: upsert.rank)
        for step in self.mapping.order:
            self._write_related(tx, [self.homes[one.name] for one in step], ranked, effects)
        self._write_roots(tx, upserts)
        for one in upserts:
            if one.changed and not one.adopts and one.touches(self.root.names):
                effects.note_edited(self.mapping.table, one.root_id, one.root_id)
        for related in self.mapping.children:
            self._write_children(tx, self.homes[related.name], upserts)
        self._reload_redirected(tx, effects)
        return effects

    def _new_id(self, upsert: Upsert, numbers: Iterator[str]) -> str:
        if self.mapping.item_key:
            return str(upsert.monday_id)
        return next(numbers, None) or next(self.new_ids)

    def _numbers(self, tx: Transaction, count: int) -> Iterator[str]:
        """Keys for new rows of a table that numbers them."""
        if not count or self.mapping.item_key or self._key_type not in ("smallint", "integer", "bigint"):
            return iter(())
        statement = "select nextval(pg_get_serial_sequence(%s, %s))::text from generate_series(1, %s)"
        return iter([row[0] for row in tx.rows(statement, (self.mapping.table, self.mapping.primary_key, count))])

    @cached_property
    def _marked(self) -> bool:
        """Whether the root table has the column for the item's id that the tool's own tables have."""
        return "monday_id" in self.root.types and self.mapping.deployed is None

    def _reload_redirected(self, tx: Transaction, effects: Effects) -> None:
        """What a record shows through a shared row that points elsewhere is read back."""
        upserts = [upsert for upsert, _ in effects.redirected.values()]
        stored = self.load(tx, [upsert.root_id for upsert in upserts], anybody=True)
        for upsert, homes in effects.redirected.values():
            shown = stored[upsert.root_id].record
            for name in (name for home in homes for name in self.homes[home].names):
                if not self.bound.same(name, shown.get(name), upsert.record.get(name)):
                    upsert.shown[name] = shown.get(name)

    def archive(self, tx: Transaction, root_ids: Sequence[str]) -> int:
        """Mark root rows as archived; how many were not yet."""
        archived, updated = self.mapping.archived_column, self.mapping.updated_column
        if archived is None:
            return 0
        return tx.execute(
            compose(
                "update {table} set {sets}"
                f" where {{key}} = any(%s::{self._key_type}[]) and {{archived}} is null",
                table=table_name(self.mapping.table), key=identifier(self.mapping.primary_key),
                archived=identifier(archived),
                sets=joined(", ", [compose("{c} = now()", c=identifier(one)) for one in (archived, updated) if one]),
            ),
            (key_values(self._key_type, root_ids),),
        )  # fmt: skip

    def delete(self, tx: Transaction, root_ids: Sequence[str]) -> int:
        """Delete root rows; rows that others may share stay."""
        return tx.execute(
            compose(
                f"delete from {{table}} where {{key}} = any(%s::{self._key_type}[])",
                table=table_name(self.mapping.table), key=identifier(self.mapping.primary_key),
            ),
            (key_values(self._key_type, root_ids),),
        )  # fmt: skip

    # Related rows

    def _write_related(
        self, tx: Transaction, homes: Sequence[Home], upserts: Sequence[Upsert], effects: Effects
    ) -> None:
        """Give each record its rows of one table. Where several meet in a row, they come in the order of `upserts`."""
        shapes: dict[tuple[Any, ...], Shape] = {}
        wants = [want for upsert in upserts for home in homes if (want := self._want(upsert, home, shapes)) is not None]
        if not wants:
            return
        rows = self._find(tx, homes, wants)
        settlement = Settlement(self, tx, homes, wants, rows)
        settlement.run(effects)
        self._rows.update(rows.by_id)
        self._news += [(home.name, row, slot) for (_, slot), row in settlement.overwritten.items() for home in homes]
        self._save(tx, homes, [want.row for want in wants if want.row is not None])
        for want in wants:
            note_shown(want, effects)

    def _want(self, upsert: Upsert, home: Home, shapes: dict[tuple[Any, ...], Shape]) -> Want | None:
        """None when nothing about this related row is to change."""
        current = upsert.ids.get(home.name)
        if not upsert.touches(home.names) and not self._moved(upsert, home):
            return None
        shape = self._shape(upsert, home, shapes)
        if not shape.keys and not self._keyless(upsert, home, shape.values):
            upsert.ids[home.name] = None
            return None
        return Want(upsert, home, shape, current)

    def _shape(self, upsert: Upsert, home: Home, shapes: dict[tuple[Any, ...], Shape]) -> Shape:
        """What a record wants of a row; one for all new records of a page that want the same."""
        alike: tuple[Any, ...] = ()
        if upsert.stored is None:
            alike = (home.name, *map(upsert.record.get, home.names), *map(upsert.ids.get, home.others))
            try:
                if alike in shapes:
                    return shapes[alike]
            except TypeError:  # a list or a dict among the values
                alike = ()
        values = home.values(upsert.record, upsert.ids)
        shape = Shape(values, home.keys.of(values))
        if alike:
            shapes[alike] = shape
        return shape

    def _moved(self, upsert: Upsert, home: Home) -> bool:
        """Whether a row that this one points at, or that needs this one to exist, is another one now."""
        assert home.related is not None
        before = upsert.stored.ids if upsert.stored else {}
        others = (*home.pointers.values(), *home.related.needed_by)
        if upsert.touches([name for other in home.related.needed_by for name in self.homes[other].names]):
            return True
        return any(upsert.ids.get(other) != before.get(other) for other in others)

    def _keyless(self, upsert: Upsert, home: Home, values: Map[Slot, Value]) -> bool:
        """Whether a record without a key gets a row of its own."""
        related = home.related
        assert related is not None
        if related.without_key != "own":
            return False
        if any(not is_empty(values[slot]) for slot in home.slots):
            return True
        return any(self._has_key(upsert, self.homes[other]) for other in related.needed_by)

    def _has_key(self, upsert: Upsert, home: Home) -> bool:
        assert home.related is not None
        return bool(home.keys.of({slot: upsert.record.get(name) for slot, name in home.slots.items()}))

    def _find(self, tx: Transaction, homes: Sequence[Home], wants: Sequence[Want]) -> Rows:
        """The rows that the wanted keys name, and those that the records have now, in one statement."""
        related = homes[0].related
        assert related is not None
        table = Table(homes)
        selected: list[Composable] = []
        params: dict[str, Any] = {}
        keys = [key for want in once(wants) for key in want.keys]
        for index, key in enumerate(related.keys):
            asked = {one.texts for one in keys if one.at == index}
            values = sorted({one for texts in asked for one in spellings(key, texts)})
            if values:
                selected.append(table.by_key(index, key))
                params.update({f"k{index}_{at}": [one[at] for one in values] for at in range(len(key))})
        if current := sorted({want.current for want in wants if want.current}):
            selected.append(table.by_id())
            params["current"] = current
        rows = Rows()
        if selected:
            owner = self.owners.get(related.owned_by or "")
            params["owner"] = owner.entity_type if owner else None
            for row in tx.rows(joined(" union all ", selected) + compose(" order by 3, 2"), params):
                rows.add(table, row)
        return rows

    def _save(self, tx: Transaction, homes: Sequence[Home], rows: Iterable[Row]) -> None:
        seen = {id(row): row for row in rows}.values()
        table = Table(homes)
        new = [row for row in seen if row.new]
        dirty = [row for row in seen if row.dirty and not row.new]
        if new:
            extra = sorted({column for row in new for column in row.defaults})
            defaults = [[row.defaults.get(column) for row in new] for column in extra]
            cells: list[list[Any]] = [[row.id for row in new], *table.cells(new), *defaults]
            tx.copy_in(table.name, ["id", *table.columns, *extra], zip(*cells, strict=True))
        if dirty:
            table.update(tx, "id", dirty)

    def tell_others(self, tx: Transaction) -> None:
        """After the links are saved: whoever shows a row that a newcomer has filled is known to differ from it."""
        news: dict[tuple[str, str], Record] = {}
        for home_name, row, slot in self._news:
            for name, home, value in self._meaning(home_name, row, slot):
                news.setdefault((home, row.id), {})[name] = value
        tell(tx, self.mapping, news)
        adopted = [upsert for upsert in self._adopted if upsert.touches(self.root.names)]
        for mapping in self.owners.values() if adopted else ():
            if mapping.entity != self.mapping.entity:
                tell(tx, mapping, self._adopted_as(mapping, adopted))
        self._news, self._rows, self._adopted = [], {}, []

    def _adopted_as(self, mapping: Mapping, upserts: Iterable[Upsert]) -> dict[tuple[str, str], Record]:
        """What the records of another mapping show, as related rows, of root rows that have become an item's."""
        news: dict[tuple[str, str], Record] = {}
        for related in mapping.related.values():
            if related.table != self.mapping.table or related.via is None:
                continue
            for name, place in mapping.places.items():
                field = self.root.slots.get((place.column, place.key)) if place.home == related.name else None
                for upsert in upserts if field else ():
                    if field and upsert.touches([field]):
                        news.setdefault((related.name, upsert.root_id), {})[name] = upsert.record.get(field)
        return news

    def _meaning(self, home_name: str, row: Row, slot: Slot) -> Iterator[tuple[str, str, Value]]:
        """Which fields of those who use a row a slot of it is (field, home by which they use it, value)."""
        home = self.homes[home_name]
        if slot in home.slots:
            yield home.slots[slot], home_name, row.values.get(slot)
            return
        for other in self.homes.values():
            if other.related and (other.related.parent, other.related.via) == (home_name, slot[0]):
                pointed = self._rows.get(str(row.values.get(slot)))
                if pointed is not None:
                    yield from ((name, home_name, pointed.values.get(at)) for at, name in other.slots.items())

    # Root rows

    def _write_roots(self, tx: Transaction, upserts: Sequence[Upsert]) -> None:
        new = [upsert for upsert in upserts if upsert.stored is None]
        old = [upsert for upsert in upserts if upsert.stored is not None and self._root_changed(upsert)]
        table = Table([self.root], self.mapping)
        if new:
            known = ["monday_id"] if self._marked else []
            cells: list[list[Any]] = [[one.root_id for one in new], *[[one.monday_id for one in new] for _ in known]]
            cells += table.cells([self._root_row(one) for one in new])
            cells += [[value for _ in new] for value in self.mapping.only.values()]
            columns = [self.mapping.primary_key, *known, *table.columns, *self.mapping.only]
            tx.copy_in(table.name, columns, zip(*cells, strict=True))
        if old:
            rows = [self._root_row(one) for one in old]
            table.update(tx, self.mapping.primary_key, rows, self._root_extras(old), self.mapping.updated_column)

    def _root_changed(self, upsert: Upsert) -> bool:
        stored = upsert.stored
        assert stored is not None
        if upsert.restore or upsert.touches(self.root.names) or self._metadata_touched(upsert):
            return True
        return any(upsert.ids.get(name) != stored.ids.get(name) for name in self.root.pointers.values())

    def _metadata_touched(self, upsert: Upsert) -> bool:
        """Whether cells of a related row that is missing, or was, stand in the root's metadata."""
        before = upsert.stored.ids if upsert.stored else {}
        return any(
            upsert.touches(home.names) and (before.get(home.name) is None or upsert.ids.get(home.name) is None)
            for home in self._keeping
        )

    def _root_extras(self, upserts: Sequence[Upsert]) -> dict[str, tuple[str, list[Any]]]:
        """Columns beside the mapped ones: whose item it is, which entity it belongs to, whether it is archived."""
        extras: dict[str, tuple[str, list[Any]]] = {}
        if self._marked:
            extras["monday_id"] = ("coalesce(new.{new}, t.monday_id)", [one.monday_id for one in upserts])
        for column, value in self.mapping.only.items():
            extras[column] = ("new.{new}", [value for _ in upserts])
        if (archived := self.mapping.archived_column) is not None:
            extras[archived] = (
                "case when new.{new} = 'yes' then null else t.{column} end",
                ["yes" if one.restore else "no" for one in upserts],
            )
        return extras

    def _root_row(self, upsert: Upsert) -> Row:
        values = self.root.values(upsert.record, upsert.ids)
        for home in self._keeping:
            if (upsert.stored or upsert.ids.get(home.name) is None) and upsert.touches(home.names):
                self._keep_in_metadata(upsert, home, values)
        return Row(upsert.root_id, values, new=upsert.stored is None)

    def _keep_in_metadata(self, upsert: Upsert, home: Home, values: dict[Slot, Value]) -> None:
        """The cells of a related row that does not exist stand under their columns' titles, until it does exist."""
        missing = upsert.ids.get(home.name) is None
        before = upsert.stored is not None and upsert.stored.ids.get(home.name) is None
        if not before and not (missing and any(name in upsert.record for name in home.names)):
            return
        for column, value in self._cells(upsert, home):
            title = self.bound.title(column)
            values[str(self.mapping.rest), title] = value if missing else None
            if missing and not is_empty(value):
                upsert.kept.append(title)

    def _cells(self, upsert: Upsert, home: Home) -> Iterator[tuple[str, Value]]:
        """The columns that feed a related row, and what they would show."""
        for binding in self._bindings[home.name]:
            values: Sequence[Value] = [upsert.record.get(name) for name in binding.fields]
            if binding.transform is not None:
                nothing = tuple(None for _ in binding.columns)
                values = binding.transform.write(tuple(values), tuple(None for _ in values), nothing)
            yield from zip(binding.columns, values, strict=True)

    # Rows that point at the root

    def _write_children(self, tx: Transaction, home: Home, upserts: Sequence[Upsert]) -> None:
        related = home.related
        assert related is not None and related.child is not None
        table = Table([home])
        new, old = [], []
        for upsert in upserts:
            values = home.values(upsert.record, upsert.ids)
            filled = any(not is_empty(upsert.record.get(name)) for name in home.names)
            row_id = upsert.ids.get(home.name)
            if row_id is None and filled and upsert.touches(home.names):
                upsert.ids[home.name] = next(self.new_ids)
                new.append((upsert, Row(str(upsert.ids[home.name]), values, new=True)))
            elif row_id is not None and (upsert.touches(home.names) or self._moved(upsert, home)):
                old.append(Row(row_id, home.emptied(values)))
        if new:
            rows = [row for _, row in new]
            cells: list[list[Any]] = [[row.id for row in rows], [upsert.root_id for upsert, _ in new], *table.cells(rows)]
            tx.copy_in(table.name, ["id", related.child, *table.columns], zip(*cells, strict=True))
        if old:
            table.update(tx, "id", old)


