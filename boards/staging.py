"""A board read into a staging table, held against what was read and what the board says, and made live in one transaction.

The live table is changed in place, row by row: whoever reads it sees the old rows until the new ones are there, and its
grants, views, foreign keys and indexes are never touched.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from databases.postgres.catalogue import column_types_of
from databases.postgres.names import compose, identifier, identifiers, joined, literal, parts_of, quoted, table_name
from db_connector import Composable, Transaction
from errors import GuardStop, Incomplete, RowRejected, SettingsError
from mappings.bound import bind
from models import Item, LogEntry, Record
from rows.homes import Row
from rows.store import RecordStore
from rows.tables import table_of
from services.monday.cells.kinds import MONDAY_KINDS
from state import triggers
from state.skipped import FAILED
from state.turns import take_turn
from state.values import put, watermark
from sync.board import BoardSync, too_many
from sync.engine import TO_MONDAY
from sync.read_board import (
    confirmed_gone,
    forget_listing,
    in_parallel,
    list_ids,
    read_by_id,
    read_pages,
    reads_in_parallel,
)
from sync.report import EntityReport
from values.canonical import dumps, is_empty
from values.parsing import CellError
from values.wording import plural

log = logging.getLogger("monday_sync")

SAMPLE = 50
LINK_COLUMNS = {
    "monday_id": "text", "entity_id": "text", "base": "jsonb", "monday_hash": "text", "monday_updated_at": "timestamptz",
}  # fmt: skip


class ValidationFailed(Incomplete):
    """What was staged is not what was read; the live table is as it was."""


@dataclass(slots=True)
class _Ready:
    """An item as it goes into the staging table."""

    item: Item
    record: Record
    hash: str


def staging_names(table: str) -> tuple[str, str]:
    """What the staging tables of a table are called: of its rows, and of their links."""
    schema, name = parts_of(table)
    return quoted(schema, f"stg_{name}"), quoted(schema, f"stg_{name}_links")


def check_names(tx: Transaction, entity: str, table: str) -> None:
    """Raises SettingsError when something has the name of a staging table and is none of this entity."""
    for name in staging_names(table):
        found = tx.rows("select c::text, obj_description(c, 'pg_class') from to_regclass(%s) as c", (name,))
        there, said = found[0]
        if there is not None and said != _mark(entity):
            raise SettingsError(
                f"{there} is not the tool's, and its name is needed while {entity} is loaded.",
                hint="Give it another name, or drop it when nobody needs it.",
            )


def _mark(entity: str) -> str:
    """The comment by which the tool knows its own staging tables."""
    return f"monday-sync staging of {entity}"


class Staging:
    """The staging table of one reload."""

    def __init__(self, sync: BoardSync, batch_size: int = 1000) -> None:
        self.sync, self.db, self.mapping = sync, sync.db, sync.mapping
        self.bound, self.state, self.report = sync.bound, sync.state, sync.report
        self.batch_size = batch_size
        self.name, self.links = staging_names(self.mapping.table)
        self.table = table_of([sync.engine.store.root], self.mapping)
        self.seen: set[str] = set()
        self.failed: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.sample: dict[str, Record] = {}
        self.newest = ""
        self.began = sync.destination.server_time().isoformat()
        self._dice = random.Random(0)

    @property
    def columns(self) -> list[str]:
        """The columns that are written: the key, then those of the mapping."""
        return [self.mapping.primary_key, *self.table.columns]

    def run(self, allow_mass_delete: bool = False) -> EntityReport:
        """Read, check, make live. When a check fails, the live table is as it was."""
        started = time.monotonic()
        self._check_direction()
        self._make()
        try:
            self._read()
            self._validate()
            with self.db.transaction(read_only=True) as tx:
                gone = self._gone(tx, allow_mass_delete)
            self._confirm(gone)
            try:
                self.db.run_in_transaction(lambda tx: self._make_live(tx, gone))
            except RowRejected as exc:
                raise ValidationFailed(exc.message, hint=AS_IT_WAS) from exc
        finally:
            self._drop()
        with self.db.autocommit() as session:
            session.execute(compose("analyze {table}", table=table_name(self.mapping.table)))
        self.report.seconds = time.monotonic() - started
        return self.report

    def _check_direction(self) -> None:
        """What people changed with SQL must not be lost: the triggers tell which rows that are."""
        if self.mapping.direction not in TO_MONDAY:
            return
        with self.db.transaction(read_only=True) as tx:
            known = triggers.installed(tx, self.mapping) or not self.state.links.count_active(tx)
        if not known:
            raise SettingsError(
                f"{self.mapping.entity} flows both ways and has no triggers, so a reload could undo what people changed.",
                hint=f"run: python main.py setup --entity {self.mapping.entity}",
            )

    # Making and removing it

    def _make(self) -> None:
        self._drop()
        live = table_name(self.mapping.table)
        with self.db.transaction() as tx:
            tx.execute(
                compose("create unlogged table {staging} as select {columns} from {live} with no data",
                        staging=table_name(self.name), live=live, columns=identifiers(self.columns))
            )  # fmt: skip
            columns = ", ".join(f"{name} {kind}" for name, kind in LINK_COLUMNS.items())
            tx.execute(compose(f"create unlogged table {{links}} ({columns})", links=table_name(self.links)))
            for name in (self.name, self.links):
                said = {"name": table_name(name), "mark": literal(_mark(self.mapping.entity))}
                tx.execute(compose("comment on table {name} is {mark}", **said))

    def _drop(self) -> None:
        with self.db.transaction() as tx:
            check_names(tx, self.mapping.entity, self.mapping.table)
            for name in (self.name, self.links):
                tx.execute(compose("drop table if exists {name}", name=table_name(name)))

    # Reading

    def _read(self) -> None:
        batch: list[Item] = []
        for items in self._pages():
            batch += [item for item in items if item.id not in self.seen]
            self.seen.update(item.id for item in items)
            if len(batch) >= self.batch_size:
                self._stage(batch)
                batch = []
        self._stage(batch)

    def _pages(self) -> Iterator[list[Item]]:
        prepare = self.sync.reader.read_ahead
        if reads_in_parallel(self.sync):
            yield from in_parallel(self.sync, self._malformed, prepare)
            return
        for page in read_pages(self.sync, self._malformed, prepare):
            yield page.items

    def _malformed(self, item_id: str, reason: str) -> None:
        raise ValidationFailed(f"Item {item_id or '(without id)'} did not come whole: {reason}.", hint=AS_IT_WAS)

    def _stage(self, items: Sequence[Item]) -> None:
        ready = [one for item in items if (one := self._ready(item)) is not None]
        if ready:
            self._copy(ready)
        self.newest = max([self.newest, *(item.updated_at or "" for item in items)])
        self.sync.progress(self.mapping.entity, len(self.seen), self.sync.board.items_count)

    def _ready(self, item: Item) -> _Ready | None:
        try:
            record = self.sync.reader.read(item).record
        except CellError as exc:
            self.failed[item.id] = str(exc)
            return None
        if len(self.sample) < SAMPLE or self._dice.random() < SAMPLE / (len(self.seen) + 1):
            if len(self.sample) >= SAMPLE:
                self.sample.pop(self._dice.choice(list(self.sample)))
            self.sample[item.id] = record
        return _Ready(item, record, self.sync.reader.fingerprint(item)[0])

    def _copy(self, ready: Sequence[_Ready]) -> None:
        """A row that PostgreSQL refuses costs its own item only."""
        try:
            with self.db.transaction() as tx:
                self._copy_all(tx, ready)
        except RowRejected as exc:
            if len(ready) == 1:
                self.failed[ready[0].item.id] = str(exc)
                self.sample.pop(ready[0].item.id, None)
                return
            middle = len(ready) // 2
            self._copy(ready[:middle])
            self._copy(ready[middle:])

    def _copy_all(self, tx: Transaction, ready: Sequence[_Ready]) -> None:
        rows = [Row(one.item.id, self.sync.engine.store.root.values(one.record, {}), new=True) for one in ready]
        cells: list[list[Any]] = [[row.id for row in rows], *self.table.cells(rows)]
        tx.copy_in(self.name, self.columns, zip(*cells, strict=True))
        links = [(one.item.id, one.item.id, base_of(one.record), one.hash, one.item.updated_at) for one in ready]
        tx.copy_in(self.links, list(LINK_COLUMNS), links)

    # Checking

    def _validate(self) -> None:
        with self.db.transaction() as tx:
            tx.execute(compose("analyze {name}", name=table_name(self.name)))
        self._check_counts()
        with self.db.transaction() as tx:
            self._check_keys(tx)
            self._check_types(tx)
            self._check_sample(tx)

    def _check_counts(self) -> None:
        """As many as the board says; when not, its ids are listed, and what the pages lacked is read by id."""
        claimed = self.sync.destination.item_count(self.sync.board.id)
        if claimed != len(self.seen):
            listing = list_ids(self.sync)
            with self.db.transaction() as tx:
                rows = tx.rows("select monday_id from sync_listing where pass = %s order by 1", (listing.pass_id,))
            forget_listing(self.sync, listing.pass_id)
            listed = [row[0] for row in rows]
            for here in read_by_id(self.sync, [item_id for item_id in listed if item_id not in self.seen]):
                self.seen.update(item.id for item in here)
                self._stage(here)
            if lacking := [one for one in listed if one not in self.seen]:
                raise ValidationFailed(
                    f"The board lists {plural(len(listed), 'item')}; {len(lacking)} did not come, such as {lacking[0]}.",
                    hint=AS_IT_WAS,
                )
        with self.db.transaction(read_only=True) as tx:
            staged = int(tx.value(compose("select count(*) from {name}", name=table_name(self.name))))
        if staged != len(self.seen) - len(self.failed):
            raise ValidationFailed(f"{len(self.seen)} items were read and {staged} rows are staged.", hint=AS_IT_WAS)

    def _check_keys(self, tx: Transaction) -> None:
        names = {"name": table_name(self.name), "key": identifier(self.mapping.primary_key)}
        statement = "select count(*) filter (where {key} is null), count({key}) - count(distinct {key}) from {name}"
        nulls, twice = tx.rows(compose(statement, **names))[0]
        if nulls or twice:
            raise ValidationFailed(f"{nulls} rows have no key and {twice} have another's.", hint=AS_IT_WAS)
        tx.execute(compose("create unique index on {name} ({key})", **names))
        tx.execute(compose("create unique index on {links} (monday_id)", links=table_name(self.links)))

    def _check_types(self, tx: Transaction) -> None:
        types = column_types_of(tx, [self.mapping.table, self.name])
        live, staged = types[self.mapping.table], types[self.name]
        if odd := [column for column in self.columns if live.get(column) != staged.get(column)]:
            raise ValidationFailed(
                f"{self.mapping.table} was altered meanwhile: {', '.join(odd)}.", hint=f"{AS_IT_WAS} Run it again."
            )

    def _check_sample(self, tx: Transaction) -> None:
        """Some rows are read back, and must say what their items said."""
        mapping = replace(self.mapping, table=self.name, archived_column=None)
        types = column_types_of(tx, [self.name])
        bound = bind(mapping, self.sync.board, MONDAY_KINDS, types)
        stored = RecordStore(bound, types).load(tx, list(self.sample))
        for item_id, record in self.sample.items():
            found = stored[item_id].record if item_id in stored else {}
            for name in bound.fields:
                if not bound.same(name, record.get(name), found.get(name)):
                    raise ValidationFailed(
                        f"Item {item_id}: {name} was read as {record.get(name)!r} and staged as {found.get(name)!r}.",
                        hint=AS_IT_WAS,
                    )

    # Making it live

    def _confirm(self, gone: list[str]) -> None:
        """An item that pages and listings lack is gone only if monday.com says so when it is asked for it."""
        try:
            confirmed_gone(self.sync, gone)
        except Incomplete as exc:
            raise ValidationFailed(exc.message, hint=AS_IT_WAS) from exc

    def _make_live(self, tx: Transaction, gone: Sequence[str]) -> None:
        """Insert, update and archive what differs, and remember it, in this one transaction."""
        take_turn(tx)
        # A statement that waited for somebody's edit would not see what the triggers noted of it: writers come to their
        # end first, before anything is looked at. Readers go on.
        tx.execute(compose("lock table {table} in share row exclusive mode", table=table_name(self.mapping.table)))
        self.refused.clear()
        self._know_keys(tx)
        inserted, restored, updated = self._write(tx)
        removed = self.sync.engine.remove_within(tx, gone).archived
        tx.execute(self._composed(LINK), self._params)
        tx.execute(self._composed(LEFT), self._params)
        self.state.skipped.add(tx, [(item_id, FAILED + why, None, "") for item_id, why in self.failed.items()])
        self.state.skipped.remove(tx, self.seen - self.failed.keys() - self.refused.keys())
        did = f"{plural(len(self.seen), 'item')}, {inserted} new, {updated} changed"
        self.state.log.append(tx, [LogEntry("reload", "success", did)])
        wrong = self.failed | self.refused
        self.state.log.append(tx, [LogEntry("pull", "error", why, item_id) for item_id, why in wrong.items()])
        self._remember(tx)
        self._count(inserted, updated, restored, removed)

    def _know_keys(self, tx: Transaction) -> None:
        """An item whose row has another key than its id is staged under that key: SQL may have given it one."""
        key, keys = identifier(self.mapping.primary_key), {"key": "text", "id": "text"}
        # A link to the table's earlier life names no row that is there, nor one that was deleted lately.
        statement = compose(
            "select l.entity_id, l.monday_id from sync_mapping as l where l.entity_type = %(type)s"
            " and l.monday_id is not null and l.entity_id <> l.monday_id"
            " and (exists (select from {table} as t where t.{key}::text = l.entity_id)"
            " or exists (select from sync_outbox as o where o.entity_type = %(type)s and o.row_id = l.entity_id))",
            table=table_name(self.mapping.table), key=key,
        )  # fmt: skip
        rows = tx.rows(statement, self._params)
        tx.bulk(
            "update {name} as s set {key} = new.key::bigint from {rows} where s.{key} = new.id::bigint",
            keys, rows, name=table_name(self.name), key=key,
        )  # fmt: skip
        tx.bulk(
            "update {links} as s set entity_id = new.key from {rows} where s.monday_id = new.id",
            keys, rows, links=table_name(self.links),
        )  # fmt: skip

    def _write(self, tx: Transaction, keys: Sequence[int] | None = None) -> tuple[int, int, int]:
        """Insert and update, all or those of some keys: how many were inserted, restored, and updated in all.

        A row that the live table refuses, by a constraint or a trigger of somebody's, costs its own item only.
        """
        params = {**self._params, "keys": keys}
        try:
            with tx.savepoint():
                inserted = tx.execute(self._composed(INSERT), params)
                restored = int(tx.value(self._composed(RESTORED), params))
                return inserted, restored, tx.execute(self._composed(UPDATE), params)
        except RowRejected as exc:
            reason = str(exc)
        if keys is None:
            names = {"name": table_name(self.name), "key": identifier(self.mapping.primary_key)}
            keys = [row[0] for row in tx.rows(compose("select {key} from {name} order by {key}", **names))]
        if len(keys) == 1:
            self._refuse(tx, keys[0], reason)
            return 0, 0, 0
        middle = len(keys) // 2
        first, second = self._write(tx, keys[:middle]), self._write(tx, keys[middle:])
        return first[0] + second[0], first[1] + second[1], first[2] + second[2]

    def _refuse(self, tx: Transaction, key: int, reason: str) -> None:
        """An item whose row cannot be written is tried again by the next runs."""
        statement = "delete from {links} where entity_id = %s returning monday_id, monday_hash, monday_updated_at"
        found = tx.rows(compose(statement, links=table_name(self.links)), (str(key),))
        item_id, digest, at = found[0]
        self.state.waiting.refuse_item(tx, item_id, reason, at, digest)
        self.refused[item_id] = reason
        log.error("%s %s: %s", self.mapping.entity_type, item_id, reason)

    @property
    def _params(self) -> dict[str, Any]:
        return {"type": self.mapping.entity_type, "board": self.sync.board.id}

    def _composed(self, statement: str) -> Composable:
        """A statement over the live table `t` and the staged rows `s`; `may` leaves out those that are not to be written."""
        cells, archived = self.table.columns, self.mapping.archived_column
        key = identifier(self.mapping.primary_key)
        both = self.mapping.direction in TO_MONDAY
        back = compose("t.{archived} is not null", archived=identifier(archived)) if archived else compose("false")
        sets = [compose("{c} = s.{c}", c=identifier(column)) for column in cells]
        return compose(
            statement,
            table=table_name(self.mapping.table), staging=table_name(self.name), links=table_name(self.links),
            key=key, columns=identifiers(self.columns),
            cells=joined(", ", [compose("s.{c}", c=identifier(column)) for column in self.columns]),
            ours=joined(", ", [compose("t.{c}", c=identifier(column)) for column in cells]),
            theirs=joined(", ", [compose("s.{c}", c=identifier(column)) for column in cells]),
            sets=joined(", ", sets + ([compose("{a} = null", a=identifier(archived))] if archived else [])),
            back=back, may=compose(f"{ON} and {UNEDITED}" if both else ON, key=key),
        )  # fmt: skip

    def _gone(self, tx: Transaction, allow_mass_delete: bool) -> list[str]:
        statement = compose(
            "select l.monday_id from sync_mapping as l where l.entity_type = %(type)s and l.monday_board_id = %(board)s"
            " and l.archived_at is null and l.monday_id is not null and not (l.monday_id = any(%(failed)s))"
            " and not exists (select from {links} as s where s.monday_id = l.monday_id)",
            links=table_name(self.links),
        )  # fmt: skip
        gone = [row[0] for row in tx.rows(statement, {**self._params, "failed": list(self.failed)})]
        active = self.state.links.count_active(tx)
        if gone and not allow_mass_delete and (not self.seen or too_many(len(gone), active)):
            raise GuardStop(
                f"{len(gone)} of {active} {self.mapping.entity} are missing on the board; nothing was changed.",
                hint="If they really are gone, run again with --allow-mass-delete.",
            )
        return gone

    def _remember(self, tx: Transaction) -> None:
        """The next run starts where this one began."""
        sync = self.sync
        known = {**sync.remembered, "fingerprint": sync.fingerprint(), "titles": sync.titles()}
        known["watermark"] = min(self.newest or NEVER, self.began, key=lambda at: watermark(at) or datetime.max)
        known.pop("reading", None)
        put(tx, sync.pulled, known)

    def _count(self, inserted: int, updated: int, restored: int, archived: int) -> None:
        report = self.report
        report.read, report.created, report.updated = len(self.seen), inserted, updated - restored
        report.restored, report.archived, report.errors = restored, archived, len(self.failed) + len(self.refused)
        report.unchanged = len(self.seen) - inserted - updated - report.errors
        report.to_postgres.created, report.to_postgres.updated = inserted, updated
        report.to_postgres.archived = archived


AS_IT_WAS = "The live table is as it was."
NEVER = "1970-01-01T00:00:00Z"

ON = """not exists (select from sync_mapping as k where k.entity_type = %(type)s and k.entity_id = s.{key}::text
    and (not k.sync_enabled or k.sync_direction not in ('bidirectional', 'monday_to_pg')
        or k.sync_status = 'disabled' and k.archived_at is null))"""
"""A record's own settings, as the run's beginning has noted them."""

UNEDITED = """not exists (select from sync_outbox as o where o.entity_type = %(type)s and o.row_id = s.{key}::text)
    and not exists (select from sync_mapping as k where k.entity_type = %(type)s and k.entity_id = s.{key}::text
        and k.sync_status in ('pending', 'conflict', 'error', 'set_aside', 'creating'))"""
"""In a board that flows both ways, what people changed waits for the next run, which decides it field by field."""

SOME = "(%(keys)s::bigint[] is null or s.{key} = any(%(keys)s::bigint[]))"
"""All rows, or those of some keys."""

INSERT = f"""
insert into {{table}} ({{columns}})
select {{cells}} from {{staging}} as s
where not exists (select from {{table}} as t where t.{{key}} = s.{{key}}) and {{may}} and {SOME}
"""

RESTORED = f"""
select count(*) from {{table}} as t join {{staging}} as s on t.{{key}} = s.{{key}} where {{back}} and {{may}} and {SOME}
"""

UPDATE = f"""
update {{table}} as t set {{sets}} from {{staging}} as s
where t.{{key}} = s.{{key}} and ({{back}} or ({{ours}}) is distinct from ({{theirs}})) and {{may}} and {SOME}
"""

LINK = """
insert into sync_mapping as l (monday_id, entity_id, entity_type, monday_board_id, base, monday_hash, monday_updated_at,
    sync_status, synced_at)
select s.monday_id, s.entity_id, %(type)s, %(board)s, s.base, s.monday_hash, s.monday_updated_at, 'synced', now()
from (select n.*, n.entity_id as {key} from {links} as n) as s
where {may}
on conflict (monday_id, entity_type) do update set entity_id = excluded.entity_id, base = excluded.base,
    base_postgres = null, monday_hash = excluded.monday_hash, monday_updated_at = excluded.monday_updated_at,
    monday_board_id = excluded.monday_board_id, sync_status = 'synced', archived_at = null, attempts = 0,
    last_error = null, next_try_at = null, synced_at = now(), updated_at = now()
where (l.base, l.base_postgres, l.monday_hash, l.archived_at) is distinct from
    (excluded.base, null::jsonb, excluded.monday_hash, null::timestamptz)
"""

LEFT = """
update sync_mapping as l set monday_hash = null, updated_at = now()
from (select n.*, n.entity_id as {key} from {links} as n) as s
where l.entity_type = %(type)s and l.monday_id = s.monday_id and l.archived_at is null
    and l.monday_hash is distinct from s.monday_hash and not ({may})
"""
"""The next run starts after the updates of what was left out here, and has to be told to look at it."""


def base_of(record: Mapping[str, Any]) -> str:
    """What both sides agree on, as it is kept."""
    return dumps({name: value for name, value in record.items() if not is_empty(value)}).decode()
