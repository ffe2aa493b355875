"""What the tool remembers in PostgreSQL: links and their bases, skipped items, watermarks, conflicts, logs and runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from column_types import dumps, from_json, is_empty
from db_connector import Database, Transaction
from models import Item, Record
from reconcile import Conflict, Winner


@dataclass(frozen=True, slots=True)
class Link:
    """Which item and which row are the same thing, and what both last showed. `base` is empty while `same_hash`."""

    id: str
    monday_id: str | None
    entity_id: str | None
    same_hash: bool = False
    base: Map[str, Any] = field(default_factory=dict)
    base_postgres: Map[str, Any] = field(default_factory=dict)
    enabled: bool = True
    direction: str = "bidirectional"
    status: str = "synced"
    archived: bool = False
    attempts: int = 0

    def images(self, kinds: Map[str, str]) -> tuple[Record, Record]:
        """The bases of monday.com and of PostgreSQL as canonical values."""
        ours = {name: from_json(kinds[name], value) for name, value in self.base.items() if name in kinds}
        theirs = dict(ours)
        for name, value in self.base_postgres.items():
            if name in kinds:
                theirs[name] = from_json(kinds[name], value)
        return ours, theirs


@dataclass(frozen=True, slots=True)
class Skip:
    """An item that was left out, and why."""

    monday_id: str
    reason: str
    key: str | None
    same_hash: bool


@dataclass(slots=True)
class LinkChange:
    """What a link becomes. Without an `id` it is a new one."""

    monday_id: str | None
    entity_id: str | None
    base_monday: Record
    base_postgres: Record
    monday_hash: str | None
    monday_updated_at: str | None
    id: str | None = None
    status: str = "synced"
    archived: bool = False


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One row of sync_logs."""

    operation: str
    status: str
    message: str
    monday_id: str | None = None
    entity_id: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What is remembered of some items, by item id."""

    links: dict[str, Link]
    skips: dict[str, Skip]


class SyncState:
    """The memory of one entity."""

    def __init__(self, entity_type: str, board_id: str, run_id: str | None = None) -> None:
        self.entity_type = entity_type
        self.board_id = board_id
        self.run_id = run_id

    # Links

    def find(self, tx: Transaction, hashes: Sequence[tuple[str, str]]) -> Found:
        """The links and skips of these items (id and content hash), in one statement."""
        rows = tx.bulk(
            "select new.monday_id, l.id::text, l.entity_id, l.monday_hash = new.hash,"
            " case when l.monday_hash = new.hash and l.archived_at is null then null else l.base end, l.base_postgres,"
            " l.sync_enabled, l.sync_direction, l.sync_status, l.archived_at is not null, l.attempts,"
            " s.reason, s.key, s.monday_hash = new.hash"
            " from {rows}"
            " left join sync_mapping as l on l.monday_id = new.monday_id and l.entity_type = %(type)s"
            " left join sync_skipped as s on s.monday_id = new.monday_id and s.entity_type = %(type)s"
            " where l.id is not null or s.id is not null",
            {"monday_id": "text", "hash": "text"}, hashes, {"type": self.entity_type},
        )  # fmt: skip
        found = Found({}, {})
        for row in rows:
            monday_id, link_id, reason = row[0], row[1], row[11]
            if link_id is not None:
                found.links[monday_id] = _link(row)
            if reason is not None:
                found.skips[monday_id] = Skip(monday_id, reason, row[12], bool(row[13]))
        return found

    def save(self, tx: Transaction, changes: Sequence[LinkChange]) -> None:
        """Make and change links; a link that an item had before it came to this row is replaced."""
        new = [change for change in changes if change.id is None]
        old = [change for change in changes if change.id is not None]
        if new:
            tx.copy_in(
                "sync_mapping",
                ["id", "monday_id", "entity_id", "entity_type", "monday_board_id", "base", "base_postgres",
                 "monday_hash", "monday_updated_at", "sync_status", "synced_at"],
                [
                    [str(uuid.uuid4()), one.monday_id, one.entity_id, self.entity_type, self.board_id, *_bases(one),
                     one.monday_hash, one.monday_updated_at, one.status, "now"]
                    for one in new
                ],
            )  # fmt: skip
        tx.bulk(
            "update sync_mapping as l set monday_id = new.monday_id, entity_id = new.entity_id, base = new.base,"
            " base_postgres = new.base_postgres, monday_hash = new.monday_hash, monday_board_id = %(board)s,"
            " monday_updated_at = new.monday_updated_at, sync_status = new.status,"
            " archived_at = case when new.archived then coalesce(l.archived_at, now()) end,"
            " attempts = 0, next_try_at = null, last_error = null, synced_at = now(), updated_at = now()"
            " from {rows} where l.id = new.id",
            {
                "id": "uuid", "monday_id": "text", "entity_id": "text", "base": "jsonb", "base_postgres": "jsonb",
                "monday_hash": "text", "monday_updated_at": "timestamptz", "status": "text", "archived": "boolean",
            },
            [
                [one.id, one.monday_id, one.entity_id, *_bases(one), one.monday_hash, one.monday_updated_at, one.status,
                 one.archived]
                for one in old
            ],
            {"board": self.board_id},
        )  # fmt: skip

    def fail(self, tx: Transaction, monday_id: str, message: str) -> None:
        """Note at a link, if there is one, that its item could not be dealt with."""
        tx.execute(
            "update sync_mapping set last_error = %s, attempts = attempts + 1, sync_status = 'error', monday_hash = null,"
            " updated_at = now() where monday_id = %s and entity_type = %s",
            (message, monday_id, self.entity_type),
        )

    def count_active(self, tx: Transaction) -> int:
        """How many living links the entity has on this board."""
        return int(
            tx.value(
                "select count(*) from sync_mapping where entity_type = %s and monday_board_id = %s"
                " and archived_at is null and monday_id is not null",
                (self.entity_type, self.board_id),
            )
        )

    def archive(self, tx: Transaction, monday_ids: Sequence[str], status: str = "archived") -> None:
        """Mark the links of items that are gone."""
        tx.execute(
            "update sync_mapping set archived_at = now(), sync_status = %s, updated_at = now()"
            " where monday_id = any(%s) and entity_type = %s",
            (status, list(monday_ids), self.entity_type),
        )

    # Skipped items

    def count_skipped(self, tx: Transaction) -> int:
        """How many items of the board are left out."""
        return int(
            tx.value(
                "select count(*) from sync_skipped where entity_type = %s and monday_board_id = %s",
                (self.entity_type, self.board_id),
            )
        )

    def skip(self, tx: Transaction, skips: Sequence[tuple[str, str, str | None, str]]) -> None:
        """Remember that items (id, reason, key, content hash) are left out."""
        tx.bulk(
            "insert into sync_skipped (entity_type, monday_board_id, monday_id, reason, key, monday_hash)"
            " select %(type)s, %(board)s, monday_id, reason, key, hash from {rows}"
            " on conflict (monday_id, entity_type) do update set reason = excluded.reason, key = excluded.key,"
            " monday_hash = excluded.monday_hash, updated_at = now()",
            {"monday_id": "text", "reason": "text", "key": "text", "hash": "text"}, skips,
            {"type": self.entity_type, "board": self.board_id},
        )  # fmt: skip

    def waiting(self, tx: Transaction) -> list[tuple[str, str]]:
        """The items (id, key) that were left out because another one has their key, lowest id first."""
        rows = tx.rows(
            "select monday_id, key from sync_skipped where entity_type = %s and monday_board_id = %s and key is not null"
            " order by length(monday_id), monday_id",
            (self.entity_type, self.board_id),
        )
        return [(row[0], row[1]) for row in rows]

    def unskip(self, tx: Transaction, monday_ids: Iterable[str]) -> None:
        """Forget that items were left out."""
        tx.execute(
            "delete from sync_skipped where entity_type = %s and monday_id = any(%s)",
            (self.entity_type, list(monday_ids)),
        )

    # Listings: what a sweep has seen

    def note_listed(self, tx: Transaction, pass_id: str, items: Sequence[Item]) -> None:
        """Remember the ids and update times of a page of a sweep."""
        tx.bulk(
            "insert into sync_listing (pass, monday_id, monday_updated_at) select %(pass)s::uuid, id, at from {rows}"
            " on conflict do nothing",
            {"id": "text", "at": "timestamptz"}, [(item.id, item.updated_at) for item in items], {"pass": pass_id},
        )  # fmt: skip

    def count_listed(self, tx: Transaction, pass_id: str) -> int:
        """How many items a sweep has seen."""
        return int(tx.value("select count(*) from sync_listing where pass = %s", (pass_id,)))

    def absent(self, tx: Transaction, pass_id: str) -> list[str]:
        """The items with a living link that a sweep has not seen."""
        rows = tx.rows(
            "select l.monday_id from sync_mapping as l where l.entity_type = %s and l.monday_board_id = %s"
            " and l.archived_at is null and l.monday_id is not null"
            " and not exists (select from sync_listing as s where s.pass = %s and s.monday_id = l.monday_id)"
            " order by l.monday_id",
            (self.entity_type, self.board_id, pass_id),
        )
        return [row[0] for row in rows]

    def stale(self, tx: Transaction, pass_id: str) -> list[str]:
        """The items a sweep has seen that are not known, are known as gone, or have been updated since they were read."""
        rows = tx.rows(
            "select s.monday_id from sync_listing as s"
            " left join sync_mapping as l on l.monday_id = s.monday_id and l.entity_type = %(type)s"
            " left join sync_skipped as k on k.monday_id = s.monday_id and k.entity_type = %(type)s"
            " where s.pass = %(pass)s and ((l.id is null and k.id is null) or l.archived_at is not null"
            " or l.monday_hash is null and k.id is null"
            " or s.monday_updated_at is distinct from l.monday_updated_at and k.id is null)"
            " order by s.monday_id",
            {"type": self.entity_type, "pass": pass_id},
        )
        return [row[0] for row in rows]

    def forget_listing(self, tx: Transaction, pass_id: str) -> None:
        """A sweep is over: forget it, and the skips of items that are gone."""
        tx.execute(
            "delete from sync_skipped as k where entity_type = %s and monday_board_id = %s"
            " and not exists (select from sync_listing as s where s.pass = %s and s.monday_id = k.monday_id)",
            (self.entity_type, self.board_id, pass_id),
        )
        tx.execute("delete from sync_listing where pass = %s", (pass_id,))

    # Conflicts and logs

    def save_conflicts(
        self, tx: Transaction, conflicts: Sequence[tuple[str | None, str | None, Conflict]]
    ) -> int:
        """Keep decisions (of an item, of a row). One that waits and is known already is not kept twice; how many are new."""
        if not conflicts:
            return 0
        rows = tx.bulk(
            "insert into sync_conflicts (run_id, entity_type, monday_id, entity_id, field, base_value, monday_value,"
            " postgres_value, monday_changed_at, postgres_changed_at, rule, winner, status, resolved_at)"
            " select %(run)s::uuid, %(type)s, monday_id, entity_id, field, base, monday, postgres, monday_at, postgres_at,"
            " rule, winner, status, case when status = 'resolved' then now() end from {rows}"
            " where not exists (select from sync_conflicts as c where c.entity_type = %(type)s and c.status = 'open'"
            " and c.entity_id = new.entity_id and c.field = new.field"
            " and c.monday_value is not distinct from new.monday and c.postgres_value is not distinct from new.postgres)"
            " returning id",
            {
                "monday_id": "text", "entity_id": "text", "field": "text", "base": "jsonb", "monday": "jsonb",
                "postgres": "jsonb", "monday_at": "timestamptz", "postgres_at": "timestamptz", "rule": "text",
                "winner": "text", "status": "text",
            },
            [_conflict_row(*one) for one in conflicts],
            {"run": self.run_id, "type": self.entity_type},
        )  # fmt: skip
        return len(rows)

    def log(self, tx: Transaction, entries: Sequence[LogEntry]) -> None:
        """Append to sync_logs."""
        if entries:
            tx.copy_in(
                "sync_logs",
                ["run_id", "entity_type", "entity_id", "monday_id", "operation", "status", "message"],
                [
                    [self.run_id, self.entity_type, one.entity_id, one.monday_id, one.operation, one.status, one.message]
                    for one in entries
                ],
            )


class Memory:
    """Single values under names, and the list of runs."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, name: str) -> Any:
        """The value of that name, or None."""
        with self._db.transaction(read_only=True) as tx:
            return tx.value("select value from sync_state where name = %s", (name,))

    def put(self, name: str, value: Any) -> None:
        """Remember a value."""
        with self._db.transaction() as tx:
            put(tx, name, value)

    def start_run(self, kind: str, direction: str) -> str:
        """Open a run; its id."""
        run_id = str(uuid.uuid4())
        with self._db.transaction() as tx:
            tx.execute(
                "insert into sync_runs (id, kind, direction, outcome) values (%s, %s, %s, 'running')",
                (run_id, kind, direction),
            )
        return run_id

    def finish_run(
        self, run_id: str, exit_code: int, outcome: str, message: str, entities: Any, api: Any
    ) -> None:
        """Close a run with what it did and what it cost."""
        with self._db.transaction() as tx:
            tx.execute(
                "update sync_runs set finished_at = now(), updated_at = now(), exit_code = %s, outcome = %s, message = %s,"
                " entities = %s, api = %s where id = %s",
                (exit_code, outcome, message, dumps(entities).decode(), dumps(api).decode(), run_id),
            )


def put(tx: Transaction, name: str, value: Any) -> None:
    """Remember a value under a name, in a transaction that does more."""
    tx.execute(
        "insert into sync_state (name, value) values (%s, %s)"
        " on conflict (name) do update set value = excluded.value, updated_at = now()",
        (name, dumps(value).decode()),
    )


def take_turn(tx: Transaction) -> None:
    """Wait until no other process of the tool writes, before this transaction looks at anything."""
    tx.execute("lock table sync_turn in exclusive mode")


def watermark(value: str | None) -> datetime | None:
    """A time that was kept as text."""
    return datetime.fromisoformat(value.replace("Z", "+00:00")) if value else None


def _link(row: Sequence[Any]) -> Link:
    monday_id, link_id, entity_id, same, base, base_postgres, enabled, direction, status, archived, attempts = row[:11]
    return Link(
        id=link_id,
        monday_id=monday_id,
        entity_id=entity_id,
        same_hash=bool(same),
        base=base or {},
        base_postgres=base_postgres or {},
        enabled=enabled,
        direction=direction,
        status=status,
        archived=archived,
        attempts=attempts,
    )


def _bases(change: LinkChange) -> tuple[str, str | None]:
    base = {name: value for name, value in change.base_monday.items() if not is_empty(value)}
    differing = {
        name: change.base_postgres.get(name)
        for name in change.base_monday.keys() | change.base_postgres.keys()
        if change.base_postgres.get(name) != change.base_monday.get(name)
    }
    return dumps(base).decode(), dumps(differing).decode() if differing else None


def _conflict_row(monday_id: str | None, entity_id: str | None, one: Conflict) -> list[Any]:
    def json(value: Any) -> str | None:
        return None if value is None else dumps(value).decode()

    status = "open" if one.winner is Winner.HELD else "resolved"
    return [
        monday_id, entity_id, one.field, json(one.base), json(one.monday), json(one.postgres),
        one.monday_changed_at, one.postgres_changed_at, one.rule, one.winner.value, status,
    ]  # fmt: skip
