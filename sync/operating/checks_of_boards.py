"""Checks each entity: its board, its tables as the mapping names them, and the triggers on them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from msgspec import Struct

from errors import BoardNotVisible, SyncError
from mappings.bound import bind
from mappings.declaration import Mapping
from models import Board, State
from services.monday.cells.kinds import MONDAY_KINDS
from settings import PROJECT
from state import triggers
from state.sync_id import remembered_column
from state.values import setup_key, value_of
from sync.cycle import TO_MONDAY
from sync.operating.check import Check, Seen, fault, in_psql, note, ok, unseen, warning
from sync.operating.examined import Examined
from sync.validation import against_tables
from values.wording import counted, plural

NEARLY_FULL = 0.95

WANTED = {f"monday_sync_{operation}" for operation in triggers.TRANSITIONS}

TRIGGERS = """
select t.name, coalesce(array_agg(g.tgname::text) filter (where g.tgname like 'monday_sync_%%'), '{}'),
       coalesce(array_agg(g.tgname::text) filter (where g.tgname like 'monday_sync_%%' and g.tgenabled = 'D'), '{}')
from unnest(%s::text[]) as t (name)
left join pg_trigger as g on g.tgrelid = to_regclass(t.name) and not g.tgisinternal
group by t.name
order by t.name
"""


def checks(examined: Examined) -> list[Check]:
    """Returns the checks of each entity, in a group of its own."""
    found = []
    for mapping in examined.chosen():
        name, board_id = mapping.entity, examined.board_id(mapping)
        if board_id is None:
            found.append(Check(f"board.{name}", name, partial(_no_board, examined, mapping)))
            continue
        found += [
            Check(f"board.{name}", name, partial(_board, examined, mapping, board_id), ("monday.key",)),
            Check(f"mapping.{name}", name, partial(_tables, examined, mapping, board_id), ("pg.schema",)),
        ]
        if mapping.direction in TO_MONDAY:
            found.append(Check(f"triggers.{name}", name, partial(_triggers, examined, mapping), ("pg.schema",)))
    return found


def _no_board(examined: Examined, mapping: Mapping) -> Iterator[Seen]:
    state = "wrong" if examined.reading.is_wrong(mapping.board_setting or "") else "not set"
    yield unseen(f"it has no board ({mapping.board_setting} is {state})")


# The board


def _board(examined: Examined, mapping: Mapping, board_id: str) -> Iterator[Seen]:
    where = mapping.board_setting or str(mapping.path)
    try:
        board = examined.board(board_id)
    except BoardNotVisible:
        remedy = f"Share it with {examined.whose().name}, or correct {where}."
        yield fault(f"Board {board_id} is not visible to this key.", remedy, mapping.entity)
        return
    if board.state != "active":
        told = f"Board {board.name} ({board_id}) is {board.state}."
        yield fault(told, f"Restore it on monday.com, or correct {where}.", mapping.entity)
        return
    bound = bind(mapping, board, MONDAY_KINDS)
    named = {column for binding in mapping.bindings for column in binding.columns}
    there = f"{len(named) - len(bound.missing)} of {plural(len(named), 'column')}"
    yield ok(f"board {board_id}, {plural(board.items_count or 0, 'item')}, {there}")
    for column in bound.missing:
        told = f"Board {board.name} ({board_id}) has no column {column}."
        yield warning(told, f"Make it on the board, or take it out of {mapping.path}.", mapping.entity)
    yield from _room(board, mapping)
    if mapping.direction in TO_MONDAY:
        yield from _sync_id(examined, mapping, board)
        yield from _right_to_write(examined, mapping, board)


def _room(board: Board, mapping: Mapping) -> Iterator[Seen]:
    items, limit = board.items_count or 0, board.items_limit
    if limit and items >= NEARLY_FULL * limit:
        told = f"Board {board.name} holds {counted(items)} of at most {plural(limit, 'item')}."
        yield warning(told, "Archive items that are done, or move them to another board.", mapping.entity)


def _sync_id(examined: Examined, mapping: Mapping, board: Board) -> Iterator[Seen]:
    """Looks for the column by which items are found again that were made when the tool was killed."""
    if mapping.sync_id is None:
        return
    wanted, title = mapping.sync_id
    names = [column.id for column in board.columns if column.title.strip().lower() == title.lower()]
    if board.column(wanted) is not None or names:
        return
    known = _remembered(examined, mapping, board)
    if known is None or board.column(known) is None:
        told = f"Board {board.name} has no column {title!r}: an item whose making was cut short is found by name alone."
        yield note(told, "python main.py setup", mapping.entity)


def _remembered(examined: Examined, mapping: Mapping, board: Board) -> str | None:
    try:
        with examined.database().transaction(read_only=True) as tx:
            return remembered_column(tx, mapping, board.id)
    except SyncError:
        return None


def _right_to_write(examined: Examined, mapping: Mapping, board: Board) -> Iterator[Seen]:
    if examined.access().get(board.id) == "view":
        told = f"The key may only look at board {board.name} ({board.id}), and rows are to be sent to it."
        remedy = (
            f"Give {examined.whose().name} the right to edit it, or set `direction: monday_to_pg` in {mapping.path}."
        )
        yield fault(told, remedy, mapping.entity)


# The tables


def _tables(examined: Examined, mapping: Mapping, board_id: str) -> Iterator[Seen]:
    found = list(against_tables(examined.database(), mapping, _board_if_seen(examined, board_id)))
    for finding in found:
        remedy = finding.remedy or _remedy(finding.sentence, mapping)
        yield Seen(finding.state, f"{finding.sentence[:1].upper()}{finding.sentence[1:]}", remedy, finding.affects)
    if not any(finding.state is State.FAULT for finding in found):
        yield ok(f"its {plural(len({*_names(mapping)}), 'table')} fit")


def _names(mapping: Mapping) -> list[str]:
    return [mapping.table, *(related.table for related in mapping.related.values())]


def _board_if_seen(examined: Examined, board_id: str) -> Board | None:
    """Returns the board if it can be read: without it, the types of columns are not compared."""
    if not examined.settings.api_key:
        return None
    try:
        return examined.board(board_id)
    except SyncError:
        return None


def _remedy(sentence: str, mapping: Mapping) -> str:
    """Returns what mends it: shipped tables are made by `init-db`, all others by their owner."""
    if "there is no table" in sentence or "has no column" in sentence:
        return (
            "python main.py init-db" if _is_shipped(mapping) else f"Create it, or correct its name in {mapping.path}."
        )
    return f"Correct {mapping.path}, or the table."


def _is_shipped(mapping: Mapping) -> bool:
    return Path(mapping.path).parent == PROJECT / "mappings"


# Triggers


def _triggers(examined: Examined, mapping: Mapping) -> Iterator[Seen]:
    tables = [watcher.table for watcher in triggers.watched(mapping)]
    with examined.database().transaction(read_only=True) as tx:
        found = tx.rows(TRIGGERS, (sorted(set(tables)),))
        state = Installed(
            lacking=[name for name, there, _ in found if WANTED - set(there)],
            off={name: sorted(disabled) for name, _, disabled in found if disabled},
            tables=len(found),
            current=triggers.installed(tx, mapping),
            was_set_up=value_of(tx, setup_key(mapping.entity)) is not None,
        )
    return _judged(mapping, state)


class Installed(Struct, frozen=True):
    """Says what the tables of an entity have of its triggers."""

    lacking: list[str]
    """Tables without one of the four."""
    off: dict[str, list[str]]
    """Table → its triggers that are switched off."""
    tables: int
    current: bool
    was_set_up: bool


def _judged(mapping: Mapping, found: Installed) -> Iterator[Seen]:
    remedy, off, lacking = "python main.py setup", found.off, found.lacking
    if not found.was_set_up and len(lacking) == found.tables:
        told = "There are no triggers: changes in PostgreSQL are found by comparing every record, once an hour at most."
        yield note(told, remedy, mapping.entity)
        return
    for name, disabled in off.items():
        enable = in_psql(*(f"alter table {name} enable trigger {trigger}" for trigger in disabled))
        told = f"Triggers on {name} are switched off: {', '.join(disabled)}. Changes made with SQL are not heard."
        yield fault(told, enable, name)
    if lacking:
        yield fault(
            f"Triggers are missing on {', '.join(lacking)}: changes made there are not heard.", remedy, lacking[0]
        )
    elif not found.current and not off:
        yield fault("The triggers are those of another mapping: some changes are not heard.", remedy, mapping.entity)
    elif not off:
        yield ok(f"triggers on {plural(found.tables, 'table')}")
