"""What travels through the cycle: one task an item, and what became of a batch of them."""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass, field

from models import Conflict, Item, LogEntry, Record, Removal
from rows.homes import Stored, Upsert, WrittenRecord
from state.conflicts import OpenConflict
from state.links import Link
from state.skipped import Skip
from sync.reconcile import FieldPlan
from sync.report import EntityReport


@dataclass(slots=True)
class Task:
    """One item on its way through a batch."""

    item: Item
    hash: str
    link: Link | None = None
    skip: Skip | None = None
    record: Record = field(default_factory=dict)
    unresolved: bool = False
    """The item shows an item of another board that has no row yet."""
    base_monday: Record = field(default_factory=dict)
    base_postgres: Record = field(default_factory=dict)
    stored: Stored | None = None
    plan: FieldPlan = field(default_factory=FieldPlan)
    upsert: Upsert | None = None
    written: WrittenRecord | None = None
    operation: str = ""
    adopts: bool = False
    """The row goes on as this item's, whatever it was before."""
    copied_sync_id: bool = False
    """Somebody duplicated an item that the tool made, and its sync id with it."""
    foreign: bool = False
    """The row is there and does not belong to the entity: it was given away, or the mapping's `only` is another one."""
    removes_item: bool = False
    """The row is gone, and nobody has touched the item since: it follows."""
    met: bool = False
    """Item and row both had a life before: until now nobody knew that they are the same thing."""
    disputes: Map[str, OpenConflict] = field(default_factory=dict)
    """What a person has to settle, by field."""
    idle: bool = False
    """The record's own settings let nothing through, so nothing is decided either."""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Fields of a record that monday.com is to be told: what the item is to show, and what it and the row last showed."""

    item: Item
    root_id: str
    wanted: Record
    agreed: Record
    fields: tuple[str, ...]
    clear_sync_id: bool = False
    counted: bool = False
    """The run has counted the record already, for what it brought to PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An item as monday.com answered a change: what was sent, and what it refused (field → reason)."""

    item: Item
    root_id: str
    sent: Map[str, object]
    refused: Map[str, str] = field(default_factory=dict)
    made_under: str = ""
    """The key of the document that made the item of its row, when that is news."""
    counted: bool = False
    """As in `Outgoing`."""


@dataclass(slots=True)
class Batch:
    """What became of a batch, to be counted once its transaction is through."""

    report: EntityReport
    logs: list[LogEntry] = field(default_factory=list)
    skips: list[tuple[str, str, str | None, str]] = field(default_factory=list)
    unskipped: list[str] = field(default_factory=list)
    conflicts: list[tuple[str | None, str | None, Conflict]] = field(default_factory=list)
    plans: list[str] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    """The items of which something is held; a run counts each once, however often it looks."""
    first_held: set[str] = field(default_factory=set)
    disputed: set[str] = field(default_factory=set)
    settled: list[tuple[str, str]] = field(default_factory=list)
    """Conflicts (id, winner) that are none any more."""

    def log(
        self, operation: str, status: str, message: str, monday_id: str | None = None, entity_id: str | None = None
    ) -> None:
        """Note a row for sync_logs."""
        self.logs.append(LogEntry(operation, status, message[:2000], monday_id, entity_id))
