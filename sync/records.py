"""Works on single records: what is known of a record, its settings, and a new item for a row that has lost its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from databases.postgres.catalogue import exists
from databases.postgres.names import compose, identifier, joined, table_name
from db_connector import Transaction
from errors import EXIT_LEFTOVERS, SettingsError, SyncError
from mappings.declaration import Mapping
from models import STATES_ONLY, LogEntry
from rows.tables import is_archived
from settings import Settings
from state import retries
from state.record_settings import DIRECTIONS, link_of, make_link, note_settings, set_on_link, set_on_row
from sync.board import BoardSync, Opening, open_board
from sync.create_items import Creation
from sync.parts import Chosen, Parts, board_of
from values.wording import utc_or_none

CONFLICTS = """
select id::text, field from sync_conflicts where status = 'open' and entity_type = %s and entity_id = %s order by created_at
"""


class NotDone(SyncError):
    """Says that what was asked of a record cannot be done as things are."""

    exit_code = EXIT_LEFTOVERS


class SingleRecord(Struct, frozen=True):
    """Holds a record: its mapping, its row, its link (or None), and what its row itself says about syncing."""

    mapping: Mapping
    row_id: str
    link: dict[str, Any] | None
    row: dict[str, Any] | None

    def as_json(self, conflicts: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """Returns the documented shape."""
        link, row = self.link or {}, self.row or {}
        enabled = link.get("sync_enabled", True) and row.get("sync_enabled", True)
        ways = [settings.get("sync_direction", "bidirectional") for settings in (link, row)]
        return {
            "entity": self.mapping.entity,
            "entity_id": self.row_id,
            "monday_id": link.get("monday_id"),
            "board_id": link.get("monday_board_id"),
            "sync_enabled": enabled,
            "sync_direction": common(*ways),
            "sync_status": link.get("sync_status", "pending"),
            "archived": bool(row.get("archived") or link.get("archived_at")),
            "attempts": link.get("attempts", 0),
            "next_try_at": utc_or_none(link.get("next_try_at")),
            "last_error": link.get("last_error"),
            "synced_at": utc_or_none(link.get("synced_at")),
            "conflicts": [{"id": conflict_id, "field": name} for conflict_id, name in conflicts],
        }


def common(first: str, second: str) -> str:
    """Returns the direction that two settings leave together."""
    if "none" in (first, second) or {first, second} == {"monday_to_pg", "pg_to_monday"}:
        return "none"
    return second if first == "bidirectional" else first


# Finding


def find(tx: Transaction, mappings: Sequence[Mapping], given: str) -> SingleRecord:
    """Returns the record of a monday id, a row id, or entity/row id. Raises SettingsError when there is none, or several."""
    entity, _, key = given.strip().rpartition("/")
    known = [mapping.entity for mapping in mappings]
    if entity and entity not in known:
        raise SettingsError(f"Unknown entity: {entity}.", hint=f"Known: {', '.join(known)}.")
    asked = [mapping for mapping in mappings if entity in ("", mapping.entity)]
    found = [record for mapping in asked if (record := _of_entity(tx, mapping, key)) is not None]
    if len(found) == 1:
        return found[0]
    if not found:
        raise SettingsError(
            f"There is no record {given}.", hint="Name it by its monday id, its row id, or entity/row id."
        )
    names = ", ".join(f"{record.mapping.entity}/{record.row_id}" for record in found)
    raise SettingsError(f"{given} names several records.", hint=f"Name one of them: {names}.")


def _of_entity(tx: Transaction, mapping: Mapping, key: str) -> SingleRecord | None:
    link = link_of(tx, mapping, key)
    row_id = str(link["entity_id"]) if link and link["entity_id"] else key
    row = _row(tx, mapping, row_id)
    return SingleRecord(mapping, row_id, link, row) if link or row else None


def _row(tx: Transaction, mapping: Mapping, row_id: str) -> dict[str, Any] | None:
    if not exists(tx, mapping.table):
        return None
    settings = ", t.sync_enabled, t.sync_direction, t.sync_status" if mapping.record_settings else ""
    conditions = [
        compose(f" and t.{{column}} = %(only_{number})s", column=identifier(column))
        for number, column in enumerate(mapping.only)
    ]
    statement = compose(
        f"""
        select {{archived}} as archived{settings}
        from {{table}} as t
        where t.{{key}}::text = %(id)s{{only}}
        """,
        table=table_name(mapping.table),
        key=identifier(mapping.primary_key),
        only=joined("", conditions),
        archived=is_archived(mapping, "t"),
    )
    params = {"id": row_id, **{f"only_{number}": value for number, value in enumerate(mapping.only.values())}}
    return next(iter(tx.dicts(statement, params)), None)


def shown(tx: Transaction, record: SingleRecord) -> dict[str, Any]:
    """Returns what is known of a record."""
    conflicts = tx.rows(CONFLICTS, (record.mapping.entity_type, record.row_id))
    return record.as_json([(row[0], row[1]) for row in conflicts])


# Settings


def change(tx: Transaction, record: SingleRecord, enabled: bool | None, direction: str | None) -> None:
    """Sets them where they stand. What waits is looked at by the next run."""
    if direction is not None and direction not in DIRECTIONS:
        raise SettingsError(f"Unknown direction: {direction}.", hint=f"Known: {', '.join(DIRECTIONS)}.")
    mapping = record.mapping
    if mapping.record_settings and record.row is not None:
        set_on_row(tx, mapping, record.row_id, enabled, direction)
        # A single place decides, or a setting made with this command could not be seen in the row.
        enabled, direction = (True if enabled else None), ("bidirectional" if direction else None)
    if record.link is None and not mapping.record_settings:
        make_link(tx, mapping, record.row_id)
    set_on_link(tx, mapping, record.row_id, enabled, direction)
    note_settings(tx, mapping)


# A new item


def recreate(parts: Parts, record: SingleRecord) -> str:
    """Makes a new item of a row whose own is gone, and returns its id. Raises NotDone without a row, or with an item."""
    mapping = record.mapping
    board_id = board_of(parts.settings, mapping)
    if board_id is None:
        raise SettingsError(f"{mapping.entity} has no board.", hint=f"Set {mapping.board_setting} in .env.")
    with parts.in_turn(mapping.entity_type) as mine:
        sync = open_board(mine, mapping, board_id, Opening(writes=(True, True)))
        _check_gone(sync, record)
        return make_anew(sync, record.row_id, (record.link or {}).get("monday_id"))


def make_anew(sync: BoardSync, row_id: str, old: str | None) -> str:
    """Makes a new item of a row whose item is gone for good, and returns its id. Raises NotDone when none could be made."""
    with sync.db.transaction() as tx:
        sync.state.waiting.make_new(tx, row_id)
        sync.state.log.append(tx, [LogEntry("recreate", "success", f"item {old} is gone for good", old, row_id)])
    Creation(sync).create([row_id])
    return item_of(sync, row_id)


def item_of(sync: BoardSync, row_id: str) -> str:
    """Returns the item of a row of which one was to be made. Raises NotDone when it has none."""
    with sync.db.transaction(read_only=True) as tx:
        link = sync.state.links.of_rows(tx, [row_id]).get(row_id)
    if link is None or not link.monday_id or link.archived:
        raise NotDone(f"No item could be made of {sync.mapping.entity}/{row_id} yet.", hint="python main.py retry list")
    return link.monday_id


def _check_gone(sync: BoardSync, record: SingleRecord) -> None:
    mapping, link = record.mapping, record.link or {}
    name = f"{mapping.entity}/{record.row_id}"
    if record.row is None:
        raise NotDone(f"There is no row {name}.", hint="Only a row that is there can be made an item of.")
    if record.row.get("archived"):
        raise NotDone(f"{name} is archived.", hint=f"Clear its {mapping.archived_column} first.")
    if not sync.engine.options.write_monday:
        raise NotDone(f"{name} does not flow to monday.com: its mapping says {mapping.direction}.")
    shown = record.as_json()
    if not shown["sync_enabled"] or shown["sync_direction"] not in ("bidirectional", "pg_to_monday"):
        raise NotDone(f"{name} is not to be synced to monday.com.", hint=f"python main.py record {name} --enable")
    if link.get("monday_id"):
        for items in sync.monday.items([link["monday_id"]], STATES_ONLY):
            if any(item.is_on(sync.board.id) for item in items):
                raise NotDone(
                    f"Item {link['monday_id']} of {name} is on the board.", hint="There is nothing to recreate."
                )


# What is retried


def waiting(tx: Transaction, mappings: Sequence[Mapping], settings: Settings) -> list[dict[str, Any]]:
    """Returns what was refused and is tried again, or was set aside."""
    found = retries.refused(tx, [(mapping, board_of(settings, mapping)) for mapping in mappings])
    return [{**row, "next_try_at": utc_or_none(row["next_try_at"])} for row in found]


def chosen_of(found: Sequence[dict[str, Any]], given: str) -> list[dict[str, Any]]:
    """Returns those of a record, by monday id, row id, or entity/row id. Raises SettingsError when nothing of it waits."""
    entity, _, key = given.strip().rpartition("/")
    some = [
        refused
        for refused in found
        if (key in (refused["monday_id"], refused["entity_id"]) and entity in ("", refused["entity"]))
        # the key of a query's row may hold a slash
        or given == f"{refused['entity']}/{refused['entity_id']}"
    ]
    if not some:
        raise SettingsError(f"Nothing of {given} waits to be tried again.", hint="python main.py retry list")
    return some


def try_now(tx: Transaction, mappings: Sequence[Mapping], some: Sequence[dict[str, Any]], settings: Settings) -> None:
    """Makes the next run try them, whatever pause they were in, and count their tries from the start."""
    for mapping in mappings:
        rows, items = _ids(mapping, some)
        retries.try_now(tx, mapping, board_of(settings, mapping), rows, items)


def drop(parts: Parts, chosen: Chosen, some: Sequence[dict[str, Any]]) -> None:
    """Sets them aside for good: both sides stay as they are, known to differ, until one of them is edited."""
    for mapping, board_id in chosen:
        rows, items = _ids(mapping, some)
        if not rows and not items:
            continue
        with parts.in_turn(mapping.entity_type) as mine:
            sync = open_board(mine, mapping, board_id, Opening(writes=(True, True)))
            with mine.db.transaction() as tx:
                _drop(tx, sync, rows, items)


def _drop(tx: Transaction, sync: BoardSync, rows: list[str], items: list[str]) -> None:
    stored = sync.engine.store.load(tx, rows)
    sync.state.links.agree_on_rows(tx, {root_id: record.record for root_id, record in stored.items()}, sync.bound.kinds)
    retries.give_up(tx, sync.mapping, sync.board.id, rows, items)
    sync.state.log.append(tx, [LogEntry("drop", "success", "the change is given up", None, row) for row in rows])


def _ids(mapping: Mapping, some: Sequence[dict[str, Any]]) -> tuple[list[str], list[str]]:
    mine = [refused for refused in some if refused["entity"] == mapping.entity]
    rows = [refused["entity_id"] for refused in mine if refused["entity_id"]]
    return rows, [refused["monday_id"] for refused in mine if refused["monday_id"]]
