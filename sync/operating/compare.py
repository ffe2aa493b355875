"""Compares both sides of records, sorts each into a class, and names the cause of a difference by what was agreed last.

It looks through the eyes of the cycle, and writes nothing: its transaction is rolled back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from enum import Enum

from msgspec import Struct

from db_connector import Transaction
from models import Item, Value
from rows.homes import Stored
from state.links import Link
from state.proved import Proved
from sync.board import BoardSync
from sync.cycle import Cycle
from sync.decide import decide_record
from sync.operating.looking import Looked, matched, read_items
from sync.operating.proved_cells import ProvedCells
from sync.task import Task
from values.canonical import dumps, is_empty


class Class(Enum):
    """Sorts records by what both sides show. The value is the mark that stands before a finding."""

    EQUAL = "="
    DIFFERENT = "*"
    BOARD_ONLY = "<"
    POSTGRES_ONLY = ">"
    KNOWN = "~"
    UNREADABLE = "!"
    MOVED = "?"


DIFFERENCES = (Class.DIFFERENT, Class.BOARD_ONLY, Class.POSTGRES_ONLY, Class.UNREADABLE)
"""The classes after which a proof has failed."""

# Causes of differences
ROW_UNHEARD = "an edit of the row was not heard: its trigger is missing or off"
ITEM_UNHEARD = "an edit on the board was not heard: its event was lost, and no run has read it yet"
UNDETECTED = "both sides were edited, and no conflict is noted"
UNLINKED = "item and row belong together, and no link says so"
NEVER_TAKEN = "the item has no row, and no run has taken it yet"
NEVER_SENT = "the row has no item, and no trigger told of it"
ROW_REMOVED = "the row was removed, and no trigger told of it"
ITEM_REMOVED = "the item was removed, and no event or run has brought that"
STALE = "both sides are equal, and what is remembered is another value"
UNSEEN = "the row cannot be seen"

# Why a difference is known
HELD = "held: both sides were edited, and a user has to decide"
OFF = "the settings of the record switch it off"
ROW_LEFT = "the row does not belong to the entity any more"
KEPT_APART = "known to differ: the row is shared with other items, or the change was given up"
READ_ONLY = "only monday.com writes this column"
IN_INBOX = "an event about the item waits"
IN_OUTBOX = "the change of the row waits"
SENDING = "a change is on its way to monday.com"
IN_DOUBT = "an item may have been made of the row; the next push finds out"
STAYS = "the mapping keeps what the other side removed"
ITEM_LOST = "the item is gone, and the row was edited or is there again: a user has to decide"


class FieldState(Struct, frozen=True):
    """Holds a field in which both sides differ: what each shows, what each showed when both agreed, and why."""

    name: str
    monday: Value
    postgres: Value
    agreed_monday: Value
    agreed_postgres: Value
    cause: str
    known: str = ""
    """Why the difference is known; empty when it is not."""


class Compared(Struct, frozen=True):
    """Holds what was found about one record."""

    kind: Class
    item_id: str | None
    root_id: str | None
    cause: str = ""
    fields: tuple[FieldState, ...] = ()
    stale_base: bool = False
    """Both sides are equal, and what is remembered is something else."""
    state: str = ""
    """A hash of both sides and of what is remembered, of records that are not equal: it changes when any of them does."""
    content: str = ""
    """A hash of what the only side shows, of records that are on one side."""
    digests: tuple[int, int] = (0, 0)
    """Of what monday.com shows and of what PostgreSQL shows; added up they stand for all records."""


class Queues(Struct, frozen=True):
    """Holds what waits to be dealt with: items with an event, root rows with a change."""

    items: frozenset[str] = frozenset()
    rows: frozenset[str] = frozenset()


def compare_items(looked: Looked, queues: Queues) -> list[Compared]:
    """Sorts the items that were looked at, and their rows."""
    found = [_compare(looked, task, queues) for task in looked.tasks]
    found += [Compared(Class.KNOWN, item_id, None, reason) for item_id, reason in looked.left_out.items()]
    found += [Compared(Class.UNREADABLE, item_id, None, reason) for item_id, reason in looked.unread.items()]
    return found


def compare_page(sync: BoardSync, tx: Transaction, items: Sequence[Item], proved: ProvedCells) -> list[Compared]:
    """Sorts items and their rows as `compare_items` does what `look_at` has seen, without what equal records do not need.

    Cells and row of every record are read and compared all the same. The transaction has to be rolled back.
    """
    known = proved.find(tx, items)
    equal = {compared.item_id: compared for compared in _as_proved(sync, tx, known)}
    left = [item for item in items if item.id not in equal]
    return [*equal.values(), *_compare_closely(sync, tx, left, known, proved)] if left else [*equal.values()]


def _as_proved(sync: BoardSync, tx: Transaction, known: Map[str, Proved]) -> Iterator[Compared]:
    """Yields the items whose cells and rows are those that an earlier proof has found equal."""
    noted = {item_id: found for item_id, found in known.items() if found.noted and found.row and found.lives}
    stored = sync.store.load(tx, [found.root_id for found in noted.values() if found.root_id])
    fields = sync.bound.fields
    for item_id, found in noted.items():
        row = stored.get(found.root_id or "")
        if row is not None and not row.archived and _row_hash(fields, row) == found.row:
            digest = int(found.shown, 16)
            yield Compared(Class.EQUAL, item_id, row.root_id, digests=(digest, digest))


def _compare_closely(
    sync: BoardSync, tx: Transaction, items: Sequence[Item], known: Map[str, Proved], proved: ProvedCells
) -> list[Compared]:
    """Sorts the other items, field by field, and collects what the next proof need not take apart."""
    reading = read_items(sync, tx, items, known)
    cycle = reading.cycle
    stored = cycle.store.load(tx, [task.link.entity_id for task in reading.tasks if task.link and task.link.entity_id])
    equal, rest = [], []
    for task in reading.tasks:
        task.stored = stored.get(task.link.entity_id or "") if task.link else None
        if task.link is not None and task.stored is not None and _agrees(cycle, task, task.link, task.stored):
            digests = _digests(cycle.bound.fields, task)
            equal.append(Compared(Class.EQUAL, task.item.id, task.stored.root_id, digests=digests))
            shown = f"{digests[0]:032x}" if digests[0] == digests[1] else ""
            row = _row_hash(cycle.bound.fields, task.stored) if shown else ""
            proved.note(task, known.get(task.item.id), row, shown)
        else:
            rest.append(task)
            proved.note(task, known.get(task.item.id))
    return equal + compare_items(matched(reading, tx, rest), Queues())


def _row_hash(fields: Iterable[str], stored: Stored) -> str:
    return _hash(stored.root_id, [stored.record.get(name) for name in fields])


def _agrees(cycle: Cycle, task: Task, link: Link, stored: Stored) -> bool:
    """Returns whether a living item and its living row show the same, which both bases say too, and nothing else decides."""
    if link.archived or stored.archived or _unequal(cycle, task, stored) != ([], True):
        return False
    # an item without its key may be left out by a rule
    return not cycle.mapping.key or cycle.store.root_key(task.record) is not None


def _compare(looked: Looked, task: Task, queues: Queues) -> Compared:
    stored = task.stored
    root_id = stored.root_id if stored else task.link.entity_id if task.link else None
    digests = _digests(looked.cycle.bound.fields, task)
    if stored is None or stored.archived:
        kind, cause = _without_row(looked.cycle, task, queues, root_id)
        content = _hash(_filled(task.record))
        return Compared(kind, task.item.id, root_id, cause, state=state_of(task), content=content, digests=digests)
    names, agrees = _unequal(looked.cycle, task, stored)
    if not names and task.link is not None and not task.link.archived:
        if agrees:
            return Compared(Class.EQUAL, task.item.id, root_id, digests=digests)
        state = state_of(task)
        return Compared(Class.EQUAL, task.item.id, root_id, STALE, stale_base=True, state=state, digests=digests)
    fields = tuple(_differing(looked, task, stored, names, queues))
    if any(not found.known for found in fields):
        kind, cause = Class.DIFFERENT, next(found.cause for found in fields if not found.known)
    elif task.link is None or task.link.archived:
        kind, cause = Class.DIFFERENT, UNLINKED
    else:
        kind, cause = Class.KNOWN, fields[0].known
    state = state_of(task) if kind in DIFFERENCES else ""
    return Compared(kind, task.item.id, root_id, cause, fields, state=state, digests=digests)


# Fields


def _unequal(cycle: Cycle, task: Task, stored: Stored) -> tuple[list[str], bool]:
    """Returns the fields in which both sides differ, and whether both are as remembered in all others."""
    # equal as they are, in all fields
    if task.record == stored.record == task.base_monday == task.base_postgres:
        return [], True
    same, record, row = cycle.bound.same, task.record.get, stored.record.get
    base, row_base = task.base_monday.get, task.base_postgres.get
    names, agrees = [], True
    for name in cycle.bound.fields:
        cell, value = record(name), row(name)
        # equal without a closer look
        if cell == value == base(name) == row_base(name):
            continue
        if not same(name, cell, value):
            names.append(name)
        elif agrees:
            agrees = same(name, cell, base(name)) and same(name, value, row_base(name))
    return names, agrees


def _differing(
    looked: Looked, task: Task, stored: Stored, names: Sequence[str], queues: Queues
) -> Iterator[FieldState]:
    """Yields what is to be said of the fields in which both sides differ."""
    same = looked.cycle.bound.same
    idle = bool(names) and decide_record(looked.cycle, task).idle
    for name in names:
        cell, value = task.record.get(name), stored.record.get(name)
        bases = (task.base_monday.get(name), task.base_postgres.get(name))
        changed = (not same(name, cell, bases[0]), not same(name, value, bases[1]))
        known = OFF if idle else _why_known(looked, task, name, changed, queues)
        yield FieldState(name, cell, value, *bases, _CAUSES[changed], known)


_CAUSES = {
    (True, False): ITEM_UNHEARD,
    (False, True): ROW_UNHEARD,
    (True, True): UNDETECTED,
    (False, False): KEPT_APART,
}
"""By which side shows something else than when both agreed: monday.com, PostgreSQL."""


def _why_known(looked: Looked, task: Task, name: str, changed: tuple[bool, bool], queues: Queues) -> str:
    """Returns why the tool knows of a difference; empty when it does not."""
    cycle, link = looked.cycle, task.link
    if name in task.disputes:
        return HELD
    if changed == (False, False):
        return KEPT_APART
    if task.item.id in looked.sending:
        return SENDING
    if changed[0] and task.item.id in queues.items:
        return IN_INBOX
    if changed[1] and task.stored is not None and task.stored.root_id in queues.rows:
        return IN_OUTBOX
    if link is not None and link.attempts:
        return f"refused {link.attempts} times, {'set aside' if link.status == 'set_aside' else 'and tried again'}"
    if changed[1] and not changed[0]:
        policy = cycle.bound.read_only.get(name)
        if policy is not None and policy != "revert":
            return READ_ONLY
        if not cycle.options.write_monday:
            return one_way(cycle)
    if changed[0] and not changed[1] and not cycle.options.write_postgres:
        return one_way(cycle)
    return ""


def one_way(cycle: Cycle) -> str:
    """Returns why what one side shows does not reach the other."""
    return f"the mapping flows {cycle.mapping.direction} only"


# One side only


def _without_row(cycle: Cycle, task: Task, queues: Queues, root_id: str | None) -> tuple[Class, str]:
    """Sorts an item without a living row."""
    link = task.link
    if task.hidden:
        return Class.UNREADABLE, f"{UNSEEN}: {task.hidden}"
    if task.foreign:
        return Class.KNOWN, ROW_LEFT
    if task.item.id in queues.items:
        return Class.KNOWN, IN_INBOX
    if link is None or root_id is None:
        known = "" if cycle.options.write_postgres else one_way(cycle)
        return (Class.KNOWN, known) if known else (Class.BOARD_ONLY, NEVER_TAKEN)
    if not link.enabled or link.direction == "none":
        return Class.KNOWN, OFF
    if root_id in queues.rows:
        return Class.KNOWN, IN_OUTBOX
    if link.archived:
        return Class.BOARD_ONLY, NEVER_TAKEN
    if cycle.mapping.on_row_removed == "ignore":
        return Class.KNOWN, STAYS
    if not cycle.options.write_monday:
        return Class.KNOWN, one_way(cycle)
    return Class.BOARD_ONLY, ROW_REMOVED


def compare_rows(
    sync: BoardSync, tx: Transaction, root_ids: Sequence[str], seen: frozenset[str], queues: Queues
) -> list[Compared]:
    """Sorts root rows whose items are not on the board, or that have none. `seen`: the items of theirs that are there."""
    cycle = sync.engine.cycle
    links, stored = sync.state.links.of_rows(tx, root_ids), sync.store.load(tx, root_ids)
    found = []
    for root_id in root_ids:
        link, row = links.get(root_id), stored.get(root_id)
        item_id = link.monday_id if link else None
        if row is None or row.archived or (item_id in seen and link is not None and not link.archived):
            continue
        kind, cause = _without_item(cycle, link, row, queues)
        shown = _filled(row.record)
        state = _hash(root_id, shown, link.base if link else {}, link.id if link else None)
        digests = (0, int(_hash(root_id, shown), 16))
        found.append(Compared(kind, item_id, root_id, cause, state=state, content=_hash(shown), digests=digests))
    return found


def _without_item(cycle: Cycle, link: Link | None, row: Stored, queues: Queues) -> tuple[Class, str]:
    """Sorts a living row without a living item."""
    settings = row.settings or (True, "bidirectional")
    known = ""
    if not settings[0] or settings[1] == "none" or (link and (not link.enabled or link.direction == "none")):
        known = OFF
    elif row.root_id in queues.rows:
        known = IN_OUTBOX
    elif link is not None and link.intent_key:
        known = IN_DOUBT
    elif link is not None and link.attempts:
        known = f"refused {link.attempts} times"
    elif link is not None and link.monday_id in queues.items:
        known = IN_INBOX
    elif link is not None and link.monday_id and cycle.mapping.on_item_removed == "ignore":
        known = STAYS
    elif link is not None and link.archived and link.status == "conflict":
        known = ITEM_LOST
    elif link is not None and link.monday_id and not link.archived:
        return Class.POSTGRES_ONLY, ITEM_REMOVED
    elif not cycle.options.write_monday:
        known = one_way(cycle)
    if known:
        return Class.KNOWN, known
    return Class.POSTGRES_ONLY, ITEM_LOST if link is not None and link.archived else NEVER_SENT


# Digests


def state_of(task: Task) -> str:
    """Returns a hash of what both sides show of a record, and of what is remembered of it."""
    stored, link = task.stored, task.link
    row = (stored.root_id, stored.archived, _filled(stored.record)) if stored else ()
    known = (link.id, link.archived, _filled(task.base_monday), _filled(task.base_postgres)) if link else ()
    return _hash(task.item.id, _filled(task.record), row, known)


def _filled(record: Map[str, Value]) -> dict[str, Value]:
    return {name: record[name] for name in sorted(record) if not is_empty(record[name])}


def _hash(*parts: object) -> str:
    return hashlib.blake2b(dumps(parts), digest_size=16).hexdigest()


def _digests(fields: Iterable[str], task: Task) -> tuple[int, int]:
    """Returns a number for what each side shows; the sum over all records does not depend on their order."""
    record, stored = task.record, task.stored
    # equal, and perhaps not written alike: the digest is that of the base, whether or not the cells were read again
    if record == task.base_monday:
        record = task.base_monday
    shown = _shown(fields, record)
    monday = int(_hash(task.item.id, shown), 16)
    if stored is None or stored.archived:
        return monday, 0
    if record == stored.record:
        return monday, monday
    row = _shown(fields, stored.record)
    return monday, monday if row == shown else int(_hash(task.item.id, row), 16)


def _shown(fields: Iterable[str], record: Map[str, Value]) -> list[Value]:
    values = [record.get(name) for name in fields]
    # 0 and false are no empty values
    return values if all(record.values()) else [_plain(value) for value in values]


def _plain(value: Value) -> Value:
    return value or (None if is_empty(value) else value)
