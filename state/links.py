"""What the tool remembers of an entity in PostgreSQL: links and their bases, skipped items, conflicts and logs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from databases.postgres.names import compose
from db_connector import Composable, Transaction
from models import Conflict, Item, LogEntry, Record, Removal, Winner
from state.intents import Intents
from state.listings import Listings
from values.canonical import dumps, is_empty
from values.comparing import from_json

FAILED = "error: "
"""How the reason of a skip begins when the item could not be dealt with."""
TRIES = 8
"""How often a change is tried before it is set aside for a person: over two hours, with doubling pauses."""
NEXT_TRY = "case when attempts + 1 < %(tries)s then now() + interval '1 minute' * power(2, attempts) end"
REFUSED_AT = "case when next_try_at > now() then next_try_at - interval '1 minute' * power(2, attempts - 1) end"
"""When the pause began that `NEXT_TRY` has made."""
PAUSE = (
    "sync_status = case when attempts + 1 >= %(tries)s then 'set_aside' else 'error' end,"
    f" next_try_at = {NEXT_TRY}"
)


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
    intent_key: str | None = None
    refused_at: datetime | None = None
    """When it was last refused, as long as it is not time to try again."""

    def images(self, kinds: Map[str, str]) -> tuple[Record, Record]:
        """The bases of monday.com and of PostgreSQL as canonical values."""
        ours = {name: from_json(kinds[name], value) for name, value in self.base.items() if name in kinds}
        theirs = dict(ours)
        for name, value in self.base_postgres.items():
            if name in kinds:
                theirs[name] = from_json(kinds[name], value)
        return ours, theirs


@dataclass(frozen=True, slots=True)
class OpenConflict:
    """A conflict that waits for a person, with the values as they were kept."""

    id: str
    field: str
    monday: Any
    postgres: Any
    monday_changed_at: datetime | None
    postgres_changed_at: datetime | None
    rule: str


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
    due: bool = False
    """The next push looks at it again: the row shows something that monday.com does not have yet."""


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
        self.intents = Intents(entity_type, board_id)
        self.listings = Listings(entity_type, board_id)

    # Links

    def find(self, tx: Transaction, hashes: Sequence[tuple[str, str]]) -> Found:
        """The links and skips of these items (id and content hash), in one statement."""
        rows = tx.bulk(
            "select new.monday_id, l.id::text, l.entity_id, l.monday_hash = new.hash,"
            " case when l.monday_hash = new.hash and l.archived_at is null then null else l.base end, l.base_postgres,"
            " l.sync_enabled, l.sync_direction, l.sync_status, l.archived_at is not null, l.attempts,"
            " s.reason, s.key, s.monday_hash = new.hash and coalesce(s.next_try_at > now(), true)"
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

    def sending(self, tx: Transaction) -> dict[str, Map[str, Any]]:
        """What monday.com was being told when last heard of, by item id: as a rule nothing."""
        rows = tx.rows(
            "select monday_id, sending from sync_mapping where entity_type = %s and sending is not null"
            " and monday_id is not null",
            (self.entity_type,),
        )
        return {row[0]: row[1] for row in rows}

    def note_sending(self, tx: Transaction, told: Map[str, Map[str, Any]], over: Iterable[str]) -> None:
        """Write down what items are about to be told, and that it is over for others."""
        tx.bulk(
            "update sync_mapping as l set sending = new.sending from {rows}"
            " where l.monday_id = new.id and l.entity_type = %(type)s",
            {"id": "text", "sending": "jsonb"},
            [*((item_id, dumps(fields).decode()) for item_id, fields in told.items()), *((one, None) for one in over)],
            {"type": self.entity_type},
        )

    def still_pausing(self, tx: Transaction, items: Sequence[Item]) -> set[str]:
        """Of these items, those that were refused as they are now, and whose next try is not due."""
        rows = tx.bulk(
            "select l.monday_id from {rows} join sync_mapping as l on l.monday_id = new.id and l.entity_type = %(type)s"
            " where l.attempts > 0 and l.monday_hash is null and l.monday_updated_at = new.at"
            " and coalesce(l.next_try_at > now(), true)",
            {"id": "text", "at": "timestamptz"}, [(item.id, item.updated_at) for item in items],
            {"type": self.entity_type},
        )  # fmt: skip
        return {row[0] for row in rows}

    def of_rows(self, tx: Transaction, entity_ids: Sequence[str]) -> dict[str, Link]:
        """The links of root rows, with their bases, by row id."""
        rows = tx.rows(
            "select l.monday_id, l.id::text, l.entity_id, false, l.base, l.base_postgres, l.sync_enabled, l.sync_direction,"
            f" l.sync_status, l.archived_at is not null, l.attempts, l.intent_key, {REFUSED_AT}"
            " from sync_mapping as l where l.entity_type = %s and l.entity_id = any(%s)",
            (self.entity_type, list(entity_ids)),
        )
        return {row[2]: _link(row) for row in rows}

    def rows_gone(self, tx: Transaction, table: Composable, key: Composable) -> list[tuple[str, str]]:
        """The living links (item, row) whose root rows are not in their table any more."""
        statement = compose(
            "select l.monday_id, l.entity_id from sync_mapping as l where l.entity_type = %s and l.archived_at is null"
            " and l.monday_id is not null and l.entity_id is not null"
            " and not exists (select from {table} as t where t.{key}::text = l.entity_id)",
            table=table, key=key,
        )  # fmt: skip
        return [(row[0], row[1]) for row in tx.rows(statement, (self.entity_type,))]

    def due(self, tx: Transaction, without: Iterable[str] = ()) -> list[str]:
        """The root rows whose changes were refused or had to wait, and are to be tried by now."""
        rows = tx.rows(
            "select entity_id from sync_mapping where entity_type = %s and next_try_at <= now() and entity_id is not null"
            " and sync_enabled and sync_direction in ('bidirectional', 'pg_to_monday')"
            " and not coalesce(monday_id = any(%s), false) order by entity_id",
            (self.entity_type, list(without)),
        )
        return [row[0] for row in rows]

    def known_to_differ(self, tx: Transaction) -> list[str]:
        """The items that are known to show a shared row unlike it."""
        rows = tx.rows(
            "select monday_id from sync_mapping where entity_type = %s and monday_board_id = %s and archived_at is null"
            " and base_postgres is not null and monday_id is not null order by length(monday_id), monday_id",
            (self.entity_type, self.board_id),
        )
        return [row[0] for row in rows]

    def agree_on_rows(self, tx: Transaction, records: Map[str, Record], kinds: Map[str, str]) -> None:
        """What these rows (id → record) show is known from now on, also where their items show something else."""
        links = {root_id: link for root_id, link in self.of_rows(tx, list(records)).items() if link.monday_id}
        rows = []
        for root_id, link in links.items():
            ours, _ = link.images(kinds)
            change = LinkChange(link.monday_id, root_id, ours, records[root_id], None, None)
            rows.append((link.id, _bases(change)[1]))
        tx.bulk(
            "update sync_mapping as l set base_postgres = new.base, updated_at = now() from {rows} where l.id = new.id",
            {"id": "uuid", "base": "jsonb"}, rows,
        )  # fmt: skip

    def wait(self, tx: Transaction, entity_ids: Sequence[str]) -> None:
        """Changes of these rows wait for a setting of their record; they are looked at again once it lets them through."""
        tx.execute(
            "update sync_mapping set next_try_at = now() where entity_type = %s and entity_id = any(%s)"
            " and next_try_at is null",
            (self.entity_type, list(entity_ids)),
        )

    def tried(self, tx: Transaction, entity_ids: Sequence[str], began: datetime) -> None:
        """These rows have been looked at; what is refused again, or has to wait again, has said so since then.

        What had been refused and is no news any more, because the edit was taken back, is in step.
        """
        tx.execute(
            "update sync_mapping set next_try_at = null, attempts = 0, last_error = null,"
            " sync_status = case when sync_status in ('error', 'set_aside', 'pending') then 'synced' else sync_status end"
            " where entity_type = %s and entity_id = any(%s) and next_try_at <= %s and intent_key is null",
            (self.entity_type, list(entity_ids), began),
        )

    def unsettled(self, tx: Transaction) -> list[str]:
        """The items that show something PostgreSQL does not have yet: held, failed, or kept back by a setting."""
        rows = tx.rows(
            "select monday_id from sync_mapping where entity_type = %s and monday_board_id = %s and monday_hash is null"
            " and archived_at is null and monday_id is not null and sync_enabled"
            " and sync_direction in ('bidirectional', 'monday_to_pg') and sync_status <> 'set_aside'"
            " and (attempts = 0 or next_try_at <= now())"
            " union select monday_id from sync_skipped where entity_type = %s and monday_board_id = %s"
            " and (monday_hash is null or next_try_at <= now()) order by monday_id",
            2 * (self.entity_type, self.board_id),
        )
        return [row[0] for row in rows]

    def rows_archived(
        self, tx: Transaction, table: Composable, key: Composable, archived: Composable
    ) -> list[tuple[str, str]]:
        """The living links (item, row) whose root rows somebody archived with SQL. `archived` says so of a row `t`."""
        statement = compose(
            "select l.monday_id, l.entity_id from sync_mapping as l join {table} as t on t.{key}::text = l.entity_id"
            " where l.entity_type = %s and l.archived_at is null and l.monday_id is not null and {archived}",
            table=table, key=key, archived=archived,
        )  # fmt: skip
        return [(row[0], row[1]) for row in tx.rows(statement, (self.entity_type,))]

    def refused(self, tx: Transaction, entity_id: str, message: str) -> bool:
        """Note that monday.com did not take a change. It is tried again after growing pauses; whether it is set aside."""
        status = tx.value(
            "update sync_mapping set attempts = attempts + 1, last_error = %(message)s, updated_at = now(),"
            f" {PAUSE} where entity_type = %(type)s and entity_id = %(id)s returning sync_status",
            {"message": message[:2000], "tries": TRIES, "type": self.entity_type, "id": entity_id},
        )
        return bool(status == "set_aside")

    def save(self, tx: Transaction, changes: Sequence[LinkChange]) -> None:
        """Make and change links; a link that an item had before it came to this row is replaced."""
        new = [change for change in changes if change.id is None]
        old = [change for change in changes if change.id is not None]
        if new:
            tx.copy_in(
                "sync_mapping",
                ["monday_id", "entity_id", "entity_type", "monday_board_id", "base", "base_postgres",
                 "monday_hash", "monday_updated_at", "sync_status", "synced_at", "next_try_at"],
                [
                    [one.monday_id, one.entity_id, self.entity_type, self.board_id, *_bases(one),
                     one.monday_hash, one.monday_updated_at, one.status, "now", "now" if one.due else None]
                    for one in new
                ],
            )  # fmt: skip
        tx.bulk(
            "update sync_mapping as l set monday_id = new.monday_id, entity_id = new.entity_id, base = new.base,"
            " base_postgres = new.base_postgres, monday_hash = new.monday_hash, monday_board_id = %(board)s,"
            " monday_updated_at = new.monday_updated_at,"
            " sync_status = case when new.due and l.attempts > 0 and new.status = 'pending' then l.sync_status"
            " else new.status end,"
            " archived_at = case when new.archived then coalesce(l.archived_at, now()) end,"
            # What was refused keeps its count and its pause until monday.com has taken it.
            " attempts = case when new.due then l.attempts else 0 end,"
            " last_error = case when new.due then l.last_error end,"
            " next_try_at = case when new.due and l.attempts > 0 then l.next_try_at when new.due then now() end,"
            " synced_at = now(), updated_at = now()"
            " from {rows} where l.id = new.id",
            {
                "id": "uuid", "monday_id": "text", "entity_id": "text", "base": "jsonb", "base_postgres": "jsonb",
                "monday_hash": "text", "monday_updated_at": "timestamptz", "status": "text", "archived": "boolean",
                "due": "boolean",
            },
            [
                [one.id, one.monday_id, one.entity_id, *_bases(one), one.monday_hash, one.monday_updated_at, one.status,
                 one.archived, one.due]
                for one in old
            ],
            {"board": self.board_id},
        )  # fmt: skip

    def fail(self, tx: Transaction, monday_id: str, message: str, updated_at: str | None = None) -> bool:
        """Note at a link that its item could not be dealt with; whether there is a link."""
        noted = tx.execute(
            "update sync_mapping set last_error = %(message)s, attempts = attempts + 1, monday_hash = null,"
            f" updated_at = now(), monday_updated_at = coalesce(%(at)s::timestamptz, monday_updated_at), {PAUSE}"
            " where monday_id = %(id)s and entity_type = %(type)s",
            {"message": message[:2000], "id": monday_id, "type": self.entity_type, "tries": TRIES, "at": updated_at},
        )
        return noted > 0

    def count_active(self, tx: Transaction) -> int:
        """How many living links the entity has on this board."""
        return int(
            tx.value(
                "select count(*) from sync_mapping where entity_type = %s and monday_board_id = %s"
                " and archived_at is null and monday_id is not null",
                (self.entity_type, self.board_id),
            )
        )

    def adopt(self, tx: Transaction, pairs: Map[str, str]) -> None:
        """Link items (id → root row id) to rows whose links have no item yet."""
        tx.bulk(
            "insert into sync_mapping (monday_id, entity_id, entity_type, monday_board_id)"
            " select monday_id, entity_id, %(type)s, %(board)s from {rows}"
            " where not exists (select from sync_mapping as k"
            " where k.monday_id = new.monday_id and k.entity_type = %(type)s)"
            " on conflict (entity_id, entity_type) do update set monday_id = excluded.monday_id, intent = null,"
            " intent_key = null, intent_at = null, archived_at = null, updated_at = now()"
            " where sync_mapping.monday_id is null or sync_mapping.archived_at is not null",
            {"monday_id": "text", "entity_id": "text"}, list(pairs.items()),
            {"type": self.entity_type, "board": self.board_id},
        )  # fmt: skip

    def doubt(self, tx: Transaction, entity_ids: Sequence[str], message: str) -> list[str]:
        """Items may have been made of these rows, and a person has to look; the rows of which that is news."""
        rows = tx.rows(
            "update sync_mapping set sync_status = 'set_aside', last_error = %(message)s, updated_at = now()"
            " where entity_type = %(type)s and entity_id = any(%(ids)s) and sync_status <> 'set_aside' returning entity_id",
            {"message": message, "type": self.entity_type, "ids": list(entity_ids)},
        )
        return [row[0] for row in rows]

    def refuse_creation(self, tx: Transaction, entity_id: str, message: str) -> bool:
        """Note that no item could be made of a row; whether it is set aside now."""
        tx.execute(
            "insert into sync_mapping (entity_id, entity_type, monday_board_id, sync_status) values (%s, %s, %s, 'error')"
            " on conflict (entity_id, entity_type) do nothing",
            (entity_id, self.entity_type, self.board_id),
        )
        return self.refused(tx, entity_id, message)

    def forget_unmade(self, tx: Transaction, table: Composable, key: Composable) -> None:
        """Rows that never became items and are not there any more are no trouble."""
        statement = compose(
            "delete from sync_mapping as l where entity_type = %s and monday_id is null and intent_key is null"
            " and not exists (select from {table} as t where t.{key}::text = l.entity_id)",
            table=table, key=key,
        )  # fmt: skip
        tx.execute(statement, (self.entity_type,))

    def unlinked(self, tx: Transaction, entity_ids: Sequence[str]) -> set[str]:
        """Of these root rows, those that no living item has."""
        rows = tx.rows(
            "select new.id from unnest(%s::text[]) as new (id) where not exists (select from sync_mapping as l"
            " where l.entity_type = %s and l.entity_id = new.id and l.monday_id is not null and l.archived_at is null)",
            (list(entity_ids), self.entity_type),
        )
        return {row[0] for row in rows}

    def removals_waiting(self, tx: Transaction) -> list[str]:
        """The items that went while their records' settings kept their rows from following."""
        rows = tx.rows(
            "select monday_id from sync_mapping where entity_type = %s and monday_board_id = %s and archived_at is not null"
            " and sync_status = 'disabled' and monday_id is not null and sync_enabled"
            " and sync_direction in ('bidirectional', 'monday_to_pg') order by monday_id",
            (self.entity_type, self.board_id),
        )
        return [row[0] for row in rows]

    def strand(self, tx: Transaction, entity_ids: Sequence[str]) -> None:
        """The items of these rows are gone, and the rows are there again: a person has to say what is meant."""
        tx.execute(
            "update sync_mapping set sync_status = 'conflict' where entity_type = %s and entity_id = any(%s)"
            " and archived_at is not null and sync_status <> 'conflict'",
            (self.entity_type, list(entity_ids)),
        )

    def leftovers(
        self, tx: Transaction, table: Composable, key: Composable, archived: Composable
    ) -> tuple[int, int, int]:
        """How many rows have lost their items and wait for a person, and how many changes were set aside or pause."""
        statement = compose(
            "select count(*) filter (where l.archived_at is not null and l.sync_status = 'conflict' and exists (select"
            " from {table} as t where t.{key}::text = l.entity_id and not ({archived}))),"
            " count(*) filter (where l.archived_at is null and l.sync_status = 'set_aside'),"
            " count(*) filter (where l.archived_at is null and l.sync_status = 'error' and l.attempts > 0)"
            " + (select count(*) from sync_skipped where entity_type = %(type)s and monday_board_id = %(board)s"
            " and reason like %(failed)s and next_try_at is not null)"
            " from sync_mapping as l where l.entity_type = %(type)s and l.monday_board_id = %(board)s and l.sync_enabled",
            table=table, key=key, archived=archived,
        )  # fmt: skip
        params = {"type": self.entity_type, "board": self.board_id, "failed": f"{FAILED}%"}
        stranded, aside, pausing = tx.rows(statement, params)[0]
        return int(stranded), int(aside), int(pausing)

    def archive(self, tx: Transaction, monday_ids: Sequence[str], status: str = "archived") -> None:
        """Mark the links of items that are gone."""
        tx.execute(
            "update sync_mapping set archived_at = now(), sync_status = %s, updated_at = now()"
            " where monday_id = any(%s) and entity_type = %s",
            (status, list(monday_ids), self.entity_type),
        )

    # Skipped items

    def count_skipped(self, tx: Transaction) -> int:
        """How many items of the board are left out, and have no row of an earlier time either."""
        return int(
            tx.value(
                "select count(*) from sync_skipped as k where entity_type = %s and monday_board_id = %s"
                " and not exists (select from sync_mapping as l where l.monday_id = k.monday_id"
                " and l.entity_type = k.entity_type and l.archived_at is null)",
                (self.entity_type, self.board_id),
            )
        )

    def count_failed(self, tx: Transaction) -> int:
        """How many items cannot be read, or were refused too often; each waits until somebody edits it."""
        return int(
            tx.value(
                "select count(*) from sync_skipped where entity_type = %s and monday_board_id = %s and reason like %s"
                " and next_try_at is null",
                (self.entity_type, self.board_id, f"{FAILED}%"),
            )
        )

    def skip(self, tx: Transaction, skips: Sequence[tuple[str, str, str | None, str]]) -> None:
        """Remember that items (id, reason, key, content hash) are left out."""
        tx.bulk(
            "insert into sync_skipped as k (entity_type, monday_board_id, monday_id, reason, key, monday_hash)"
            " select %(type)s, %(board)s, monday_id, reason, key, hash from {rows}"
            " on conflict (monday_id, entity_type) do update set reason = excluded.reason, key = excluded.key,"
            " monday_hash = excluded.monday_hash, next_try_at = null, updated_at = now()"
            " where (k.reason, k.key, k.monday_hash) is distinct from (excluded.reason, excluded.key, excluded.monday_hash)",
            {"monday_id": "text", "reason": "text", "key": "text", "hash": "text"}, skips,
            {"type": self.entity_type, "board": self.board_id},
        )  # fmt: skip

    def refuse_item(self, tx: Transaction, monday_id: str, reason: str, digest: str) -> None:
        """PostgreSQL did not take a new item; it is tried again after growing pauses, and when it was edited."""
        self.skip(tx, [(monday_id, f"{FAILED}{reason}", None, digest)])
        tx.execute(
            "update sync_skipped set attempts = attempts + 1, next_try_at ="
            f" {NEXT_TRY} where entity_type = %(type)s and monday_id = %(id)s",
            {"tries": TRIES, "type": self.entity_type, "id": monday_id},
        )

    def waiting(self, tx: Transaction) -> list[tuple[str, str]]:
        """The items (id, key) that were left out because another one has their key, lowest id first."""
        rows = tx.rows(
            "select monday_id, key from sync_skipped where entity_type = %s and monday_board_id = %s and key is not null"
            " order by length(monday_id), monday_id",
            (self.entity_type, self.board_id),
        )
        return [(row[0], row[1]) for row in rows]

    def skipped_keys(self, tx: Transaction, reason: str) -> set[str]:
        """The keys of the items that are left out for that reason."""
        rows = tx.rows(
            "select key from sync_skipped where entity_type = %s and monday_board_id = %s and reason = %s",
            (self.entity_type, self.board_id, reason),
        )
        return {row[0] for row in rows}

    def unskip(self, tx: Transaction, monday_ids: Iterable[str]) -> None:
        """Forget that items were left out."""
        tx.execute(
            "delete from sync_skipped where entity_type = %s and monday_id = any(%s)",
            (self.entity_type, list(monday_ids)),
        )

    # Conflicts and logs

    def open_conflicts(self, tx: Transaction, entity_ids: Sequence[str]) -> dict[str, dict[str, OpenConflict]]:
        """What waits for a person, by row and field."""
        rows = tx.rows(
            "select entity_id, id::text, field, monday_value, postgres_value, monday_changed_at, postgres_changed_at, rule"
            " from sync_conflicts where status = 'open' and entity_type = %s and entity_id = any(%s) order by created_at",
            (self.entity_type, list(entity_ids)),
        )
        found: dict[str, dict[str, OpenConflict]] = {}
        for row in rows:
            found.setdefault(row[0], {})[row[2]] = OpenConflict(*row[1:])
        return found

    def save_conflicts(
        self, tx: Transaction, conflicts: Sequence[tuple[str | None, str | None, Conflict]]
    ) -> None:
        """Keep decisions (of an item, of a row). One that was open already is brought up to date, not kept twice."""
        if not conflicts:
            return
        values = {
            "monday_id": "text", "entity_id": "text", "field": "text", "base": "jsonb", "monday": "jsonb",
            "postgres": "jsonb", "monday_at": "timestamptz", "postgres_at": "timestamptz", "rule": "text",
            "winner": "text", "status": "text",
        }  # fmt: skip
        rows, params = [_conflict_row(*one) for one in conflicts], {"run": self.run_id, "type": self.entity_type}
        tx.bulk(
            "insert into sync_conflicts (run_id, entity_type, monday_id, entity_id, field, base_value, monday_value,"
            " postgres_value, monday_changed_at, postgres_changed_at, rule, winner, status, resolved_at)"
            " select %(run)s::uuid, %(type)s, monday_id, entity_id, field, base, monday, postgres, monday_at, postgres_at,"
            " rule, winner, status, case when status = 'resolved' then now() end from {rows}"
            " where not exists (select from sync_conflicts as c where c.entity_type = %(type)s"
            " and c.entity_id = new.entity_id and c.field = new.field and (c.status = 'open'"
            # Decided before, and not carried out: a run was cut off, or monday.com refused the value.
            " or (c.base_value, c.monday_value, c.postgres_value, c.winner, c.monday_changed_at)"
            " is not distinct from (new.base, new.monday, new.postgres, new.winner, new.monday_at)"
            " and (new.postgres_at is null or new.postgres_at is not distinct from c.postgres_changed_at)))",
            values, rows, params,
        )  # fmt: skip
        tx.bulk(
            "update sync_conflicts as c set run_id = %(run)s::uuid,"
            " monday_value = new.monday, postgres_value = new.postgres,"
            " monday_changed_at = new.monday_at, postgres_changed_at = new.postgres_at, rule = new.rule,"
            " winner = new.winner, status = new.status, updated_at = now(),"
            " resolved_at = case when new.status = 'resolved' then now() end"
            " from {rows} where c.entity_type = %(type)s and c.status = 'open' and c.entity_id = new.entity_id"
            " and c.field = new.field and (c.monday_value, c.postgres_value, c.rule, c.winner)"
            " is distinct from (new.monday, new.postgres, new.rule, new.winner)",
            values, rows, params,
        )  # fmt: skip

    def close_conflicts(self, tx: Transaction, settled: Sequence[tuple[str, str]]) -> None:
        """These conflicts (id, winner) are none any more."""
        tx.bulk(
            "update sync_conflicts as c set status = 'resolved', winner = new.winner, resolved_at = now(),"
            " updated_at = now()"
            " from {rows} where c.id = new.id",
            {"id": "uuid", "winner": "text"}, list(settled),
        )  # fmt: skip

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

    def log_removed(
        self, tx: Transaction, done: Sequence[Removal], failed: Map[str, str], operation: str
    ) -> None:
        """Log which items followed their rows, and which would not go."""
        entries = [LogEntry(operation, "success", "row is gone", one.item_id, one.root_id) for one in done]
        entries += [LogEntry(operation, "error", reason, item_id) for item_id, reason in failed.items()]
        self.log(tx, entries)


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
        intent_key=row[11] if len(row) == 13 else None,
        refused_at=row[12] if len(row) == 13 else None,
    )


def _bases(change: LinkChange) -> tuple[str, str | None]:
    ours, theirs = change.base_monday, change.base_postgres
    base = {name: value for name, value in ours.items() if value or not is_empty(value)}
    differing: Record = {}
    if ours != theirs:
        names = [name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)]
        differing = {name: theirs.get(name) for name in names}
    return dumps(base).decode(), dumps(differing).decode() if differing else None


def _conflict_row(monday_id: str | None, entity_id: str | None, one: Conflict) -> list[Any]:
    def json(value: Any) -> str | None:
        return None if value is None else dumps(value).decode()

    status = "open" if one.winner is Winner.HELD else "resolved"
    return [
        monday_id, entity_id, one.field, json(one.base), json(one.monday), json(one.postgres),
        one.monday_changed_at, one.postgres_changed_at, one.rule, one.winner.value, status,
    ]  # fmt: skip
