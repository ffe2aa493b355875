"""Holds what travels through the cycle: a task for each item, what was decided about it, and what became of a batch."""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from msgspec import Struct, field

from errors import MondayError
from models import Conflict, Item, LogEntry, Record, Removal
from rows.homes import Stored, Upsert
from state.conflicts import OpenConflict
from state.links import Link
from state.skipped import Skip
from sync.reconcile import Choice, FieldPlan
from sync.report import EntityReport
from sync.unknown_items import UnknownItems


class Hints(Struct, frozen=True):
    """Holds what the caller of a cycle knows beside the items and the rows."""

    dates: Map[str, datetime] = field(default_factory=dict)
    """When root rows were changed by SQL, as the outbox had it."""
    choices: Map[str, Map[str, Choice]] = field(default_factory=dict)
    """What a user has decided about fields: by item id, then by field."""
    started: datetime | None = None
    """When the present round of a process with many rounds began, by the clock of PostgreSQL."""
    unknown: UnknownItems | None = None
    """In a first reading: tells which items cannot have a link."""


NO_HINTS = Hints()


class Task(Struct):
    """Follows one item through a batch, up to the decision.

    It is one object, and not a value for each step, because a first pull makes one for every item. `look_up` fills the
    first two parts, `identity` may change the link and the bases and fills the third, then `look_up` loads the rest.
    Nothing is changed once `decide` has begun.
    """

    # what is remembered of the item
    item: Item
    hash: str
    link: Link | None = None
    skip: Skip | None = None
    odd: bool = False
    """The item holds characters that PostgreSQL cannot store."""

    # what the item shows, and what both sides showed when they last agreed
    record: Record = field(default_factory=dict)
    kept: bytes | None = None
    """The record as links keep it, where that is there already."""
    unresolved: bool = False
    """The item shows an item of another board that has no row yet."""
    base_monday: Record = field(default_factory=dict)
    base_postgres: Record = field(default_factory=dict)
    settling: frozenset[str] = frozenset()
    """The fields that follow from what the item was just told."""

    # the row that the item belongs to
    stored: Stored | None = None
    adopts: bool = False
    """The row goes on as this item's, whatever it was before."""
    copied_sync_id: bool = False
    """The item is a copy of an item that the tool made, and shows the sync id of that item."""

    # what cannot come in, with the reasons: it waits, and the other fields do not
    unread: Map[str, str] = field(default_factory=dict)
    """Fields whose cells are not understood."""
    withheld: Map[str, str] = field(default_factory=dict)
    """Fields that PostgreSQL refuses."""

    # loaded once the row is known
    met: bool = False
    """Item and row both had a life before: until now nothing said that they are the same thing."""
    foreign: bool = False
    """The row is there and does not belong to the entity: it was given away, or the mapping's `only` is another one."""
    hidden: str = ""
    """Why the row may be there although it was not found."""
    disputes: Map[str, OpenConflict] = field(default_factory=dict)
    """The held conflicts, by field."""


class Decision(NamedTuple):
    """Holds what one record needs, computed before anything is written."""

    plan: FieldPlan
    operation: str = ""
    """What is done to the row: create, update, restore, or nothing."""
    upsert: Upsert | None = None
    outgoing: Outgoing | None = None
    """What monday.com is told."""
    removes_item: bool = False
    """The row is gone, and the item was not edited since: it follows."""
    removal: Removal | None = None
    """The same, when this run may write monday.com."""
    waits: str = ""
    """Why the item's edit cannot be written: its row was not found, and may be there."""
    idle: bool = False
    """The record's own settings let nothing through, so nothing is decided either."""
    settled: Sequence[tuple[str, str]] = ()
    """Conflicts (id, winner) that are none any more."""
    objections: Map[str, str] = MappingProxyType({})
    """For each field that a user has decided about: why it cannot be done, or an empty text."""


class Outgoing(Struct, frozen=True):
    """Fields of a record that monday.com is told: what the item is to show, and what it and the row last showed."""

    item: Item
    root_id: str
    wanted: Record
    agreed: Record
    fields: tuple[str, ...]
    clear_sync_id: bool = False
    counted: bool = False
    """The run has counted the record already, for what it brought to PostgreSQL."""


class Answer(Struct, frozen=True):
    """Holds an item as monday.com answered a change: what was sent, and what it refused (field → reason)."""

    item: Item
    root_id: str
    sent: Map[str, object]
    refused: Map[str, str] = field(default_factory=dict)
    made_under: str = ""
    """The key of the document that made the item of its row, when that is news."""
    counted: bool = False
    """As in `Outgoing`."""


class Sent(Struct, frozen=True):
    """Holds the answers of monday.com, and the error after which nothing more can be written."""

    answers: list[Answer]
    trouble: MondayError | None = None

    def raise_trouble(self) -> None:
        """Raises the error, if there is any. To be called once the answers have been taken in."""
        if self.trouble is not None:
            raise self.trouble


class NewItem(Struct, frozen=True):
    """Holds an item to be made of a row: its name, the text of its `column_values`, and the record that it is to show."""

    root_id: str
    name: str
    values: str
    record: Record
    parent: str = ""
    """The item under which a subitem is to stand."""
    unsent: tuple[str, ...] = ()
    """Fields that do not go along: monday.com would refuse the item for their sake."""
    new_labels: tuple[str, ...] = ()
    """Fields whose labels the board does not have yet, and the mapping says to make."""


class Batch(Struct):
    """Tells what became of a batch, to be counted once its transaction is through."""

    report: EntityReport
    logs: list[LogEntry] = field(default_factory=list)
    plans: list[str] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    """The items of which something is held; a run counts each once, however often it looks."""
    first_held: set[str] = field(default_factory=set)
    disputed: set[str] = field(default_factory=set)
    unwritten: list[tuple[Item, str]] = field(default_factory=list)
    """Items whose edits wait, and why."""
    objections: dict[tuple[str, str], str] = field(default_factory=dict)
    """For each decision of a user (item id, field): why it cannot be done, or an empty text."""
    looked_at: int = 0
    """How many items were not just as they are known: what is known of them may have changed."""

    # what the transaction saves at its end
    skips: list[tuple[str, str, str | None, str]] = field(default_factory=list)
    unskipped: list[str] = field(default_factory=list)
    conflicts: list[tuple[str | None, str | None, Conflict]] = field(default_factory=list)
    settled: list[tuple[str, str]] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)

    def __iadd__(self, other: Batch) -> Batch:
        """Adds what became of other items; what their transaction has saved is not needed any more."""
        self.report.add(other.report)
        self.logs += other.logs
        self.plans += other.plans
        self.outgoing += other.outgoing
        self.removals += other.removals
        self.held |= other.held
        self.first_held |= other.first_held
        self.disputed |= other.disputed
        self.objections |= other.objections
        self.looked_at += other.looked_at
        return self

    def log(
        self, operation: str, status: str, message: str, monday_id: str | None = None, entity_id: str | None = None
    ) -> None:
        """Notes a row for sync_logs."""
        self.logs.append(LogEntry(operation, status, message[:2000], monday_id, entity_id))
