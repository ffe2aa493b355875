"""Follows a deployed board: applies its changes to the table and the mapping as the contract allows, and notes the rest.

The table and the mapping's text in the database change in one transaction. The copy of the text in the home comes after it,
and counts for nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from boards import registry
from boards.changes import Change
from boards.drift import (
    APPLY,
    LABELS,
    RETURNED,
    RETYPED,
    WAIT,
    Drift,
    DriftShape,
    Known,
    compare,
    known_columns,
    sentence,
)
from boards.mapping_text import Standing, adopt, keep, standing_of, take_in
from boards.trying_out import TriedOut, try_out
from boards.types_of_tables import load_types
from databases.postgres.catalogue import columns_of
from db_connector import Database, Transaction
from errors import DatabaseUnreachable, SyncError
from mappings.declaration import ROOT
from mappings.declaration import Mapping as EntityMapping
from mappings.files import MappingFile, tree_text
from mappings.loader import checked
from models import Board, LogEntry
from state import mapping_texts, triggers
from state.entity import EntityState
from state.values import drift_key, forget_reading, put, value_of
from values.wording import day_text, utc_text

log = logging.getLogger("monday_sync")

TRIES = 5
"""How often it begins anew because another process has changed the mapping."""

KEPT = 50
"""So many things that were done are shown by `boards status`."""


class Decided(Struct, frozen=True):
    """Holds a user's decision: all that waits is applied, except for the rejected columns."""

    rejected: frozenset[str]
    day: str


class Settled(Struct, frozen=True):
    """Holds the mapping that this run uses, and the differences that were found."""

    mapping: EntityMapping
    drift: list[Drift]
    compare_all: bool = False


def settle(
    db: Database,
    mapping: EntityMapping,
    board: Board,
    home: Path,
    *,
    dry_run: bool = False,
    decided: Decided | None = None,
) -> Settled:
    """Compares a deployed mapping with its board, applies what the contract allows, and returns the mapping and the rest.

    What is not applied is not read: a column never gets values of another type.
    """
    finished = not dry_run and take_in(db, mapping, home)
    for _ in range(TRIES - 1):
        try:
            settled = _settled(db, mapping, board, home, dry_run, decided)
            return replace(settled, compare_all=True) if finished else settled
        except _Moved:
            log.debug("%s: another process has followed the board meanwhile.", mapping.entity)
    return _settled(db, mapping, board, home, dry_run, decided)


class _Moved(Exception):
    """Says that another process has changed the mapping since it was read."""


def _settled(
    db: Database, mapping: EntityMapping, board: Board, home: Path, dry_run: bool, decided: Decided | None
) -> Settled:
    standing = standing_of(db, mapping, home)
    source = standing.source
    adopted = adopt(standing, board, decided is not None) if source.own else False
    mapping = standing.mapping_of(_as_written(mapping, source))
    known = known_columns(source.tree["fields"])
    now = datetime.now(timezone.utc)
    found = _compared(known, board, mapping, now, decided)
    lacking = _lacking(db, mapping, board)
    # a preview changes nothing: everything waits
    if dry_run:
        waiting = [replace(drift, move=WAIT) for drift in found]
        return Settled(_without(mapping, waiting, lacking), found)
    # no difference, or only such as wait
    if not lacking and not adopted and not _to_apply(found):
        _note(db, mapping, board, found)
        if standing.stored and not source.own:
            standing.refresh(standing.stored.text)
        return Settled(_without(mapping, found, lacking), found)
    day, rejected = (decided.day, decided.rejected) if decided else (day_text(now), frozenset[str]())
    change = Change(mapping, board, source.tree, load_types(home), day, rejected)
    mapping, found, left = _followed(db, Work(change, standing, adopted), found, lacking)
    filled = bool(lacking) and not left
    return Settled(_without(mapping, found, left), found, _other_values(found) or filled or adopted)


def tried_out(
    db: Database,
    mapping: EntityMapping,
    board: Board,
    home: Path,
    decided: Decided,
    then: Callable[[Transaction, EntityMapping], None],
) -> TriedOut:
    """Returns the DDL that settling with this decision would run, and what PostgreSQL would refuse. Nothing is kept.

    `then` does what comes after it, with the mapping as it is then.
    """
    standing = standing_of(db, mapping, home)
    source = standing.source
    adopted = adopt(standing, board, True) if source.own else False
    mapping = standing.mapping_of(_as_written(mapping, source))
    now = datetime.now(timezone.utc)
    found = _compared(known_columns(source.tree["fields"]), board, mapping, now, decided)
    change = Change(mapping, board, source.tree, load_types(home), decided.day, decided.rejected)
    work, lacking = Work(change, standing, adopted), _lacking(db, mapping, board)

    def apply(tx: Transaction) -> list[Drift]:
        changed = _changed(tx, work, found, lacking)
        then(tx, changed.mapping)
        return changed.found

    return try_out(db, apply)


def _other_values(found: Sequence[Drift]) -> bool:
    """Says whether items that did not change have other values now."""
    return any(drift.kind in (LABELS, RETYPED, RETURNED) for drift in _to_apply(found))


# What there is to do


def _as_written(mapping: EntityMapping, source: MappingFile) -> EntityMapping:
    """Returns the mapping as its text has it now."""
    fresh = checked(source)
    if fresh.fingerprint == mapping.fingerprint:
        return mapping
    return replace(fresh, sync_id=mapping.sync_id)


def _compared(
    known: Mapping[str, Known], board: Board, mapping: EntityMapping, now: datetime, decided: Decided | None
) -> list[Drift]:
    found = [replace(drift, at=utc_text(now)) for drift in compare(known, board, mapping)]
    return [replace(drift, move=APPLY) for drift in found] if decided else found


def _lacking(db: Database, mapping: EntityMapping, board: Board) -> list[str]:
    """Returns the fields that the board fills and that have no column in a table of the tool's own."""
    if not mapping.own_table:
        return []
    with db.transaction(read_only=True) as tx:
        there = columns_of(tx, mapping.table)
    if not there:
        return []  # no such table
    lacking: dict[str, None] = {}
    for binding in mapping.bindings:
        if binding.transform is not None or board.column(binding.columns[0]) is None:
            continue  # not made from a column of the board
        for name in binding.fields:
            place = mapping.places[name]
            if (place.home, place.key) == (ROOT, None) and place.column not in there:
                lacking[name] = None
    return list(lacking)


def _to_apply(found: Sequence[Drift]) -> list[Drift]:
    return [drift for drift in found if drift.move == APPLY]


def _without(mapping: EntityMapping, found: Sequence[Drift], lacking: Collection[str]) -> EntityMapping:
    """Returns the mapping without the fields the table lacks, and without columns retyped or returned that still wait."""
    out = {drift.column for drift in found if drift.move != APPLY and drift.kind in (RETYPED, RETURNED)}
    if not out and not lacking:
        return mapping  # every field is read
    kept = [
        binding
        for binding in mapping.bindings
        if out.isdisjoint(binding.columns) and not set(lacking) & set(binding.fields)
    ]
    return replace(mapping, bindings=tuple(kept))


# Doing it


class Work(Struct, frozen=True):
    """Holds a change, and the text that it begins with. `adopted`: the text has taken over what another home did."""

    change: Change
    standing: Standing
    adopted: bool = False


def _followed(
    db: Database, work: Work, found: list[Drift], lacking: list[str]
) -> tuple[EntityMapping, list[Drift], list[str]]:
    """Applies a change; returns the mapping, the drifts and the lacking fields as they are then. What fails waits."""
    mapping, board = work.change.mapping, work.change.board
    try:
        return _applied(db, work, found, lacking)
    except DatabaseUnreachable:
        raise  # says nothing about the change
    except (SyncError, OSError) as exc:
        reason = exc.message if isinstance(exc, SyncError) else exc.strerror or str(exc)
        log.warning("%s: what has changed on the board could not be followed: %s", mapping.entity, reason)
        found = [replace(drift, move=WAIT) if drift.move == APPLY else drift for drift in found]
        _note(db, mapping, board, found)
        return mapping, found, lacking


def _applied(
    db: Database, work: Work, found: Sequence[Drift], lacking: Sequence[str]
) -> tuple[EntityMapping, list[Drift], list[str]]:
    mapping, standing = work.change.mapping, work.standing
    with db.transaction() as tx:
        tx.execute("set local lock_timeout = '2s'")  # processes that read the table go first; the next run tries again
        if not standing.is_as(mapping_texts.hold(tx, mapping.entity)):
            raise _Moved
        changed = _changed(tx, work, found, lacking)
        new = _keep(tx, changed.mapping, work.change.board, changed.found)
    if changed.text:
        standing.refresh(changed.text)
    _tell(changed.mapping, new)
    return changed.mapping, changed.found, changed.left


class _Changed(Struct, frozen=True):
    """Holds the mapping after a change, its text if that is another, the drifts, and the fields that still lack a column."""

    mapping: EntityMapping
    text: str
    found: list[Drift]
    left: list[str]


def _changed(tx: Transaction, work: Work, found: Sequence[Drift], lacking: Sequence[str]) -> _Changed:
    """Changes the table, its triggers, and the text of the mapping in the database."""
    change = work.change
    mapping, text = change.mapping, ""
    watched = triggers.installed(tx, mapping)
    left = change.fill_up(tx, lacking)
    found = change.apply(tx, found)
    registry.note_columns(tx, mapping.entity, change.tree["fields"])
    if work.adopted or _to_apply(found):
        text = tree_text(change.tree)
        mapping = keep(tx, mapping, work.standing, text)
        forget_reading(tx, mapping.entity)
        if watched:
            # Triggers name columns: with an old name, every write of the table would fail.
            triggers.install(tx, [mapping])
    return _Changed(mapping, text, found, left)


# Noting it


def _note(db: Database, mapping: EntityMapping, board: Board, found: Sequence[Drift]) -> None:
    """Keeps what was found for `boards status`, and logs what is new."""
    with db.transaction() as tx:
        new = _keep(tx, mapping, board, found)
    _tell(mapping, new)


def _keep(tx: Transaction, mapping: EntityMapping, board: Board, found: Sequence[Drift]) -> list[Drift]:
    """Keeps what was found; returns what of it is new."""
    name = drift_key(mapping.entity)
    before: list[DriftShape] = (value_of(tx, name) or {}).get("drift", [])
    seen = {_what(shape): shape for shape in before if _is_open(shape)}
    if not found and not seen:
        return []  # no difference, now or before
    still = [_since(drift.as_json(), seen) for drift in found if drift.move != APPLY]
    done = [drift.as_json() for drift in _to_apply(found)]
    open_still = {_what(shape) for shape in still}
    done += [shape for shape in before if not _is_open(shape) and _what(shape) not in open_still]
    put(tx, name, {"drift": [*still, *done[:KEPT]]})
    new = [drift for drift in found if drift.move == APPLY or _what(drift.as_json()) not in seen]
    EntityState(mapping.entity_type, board.id).log.append(tx, [_log_entry(drift) for drift in new])
    return new


def _since(shape: DriftShape, seen: Mapping[tuple[str, str, str], DriftShape]) -> DriftShape:
    """Returns a drift with the time at which it was first seen."""
    before = seen.get(_what(shape))
    return {**shape, "at": before["at"]} if before else shape


def _is_open(shape: DriftShape) -> bool:
    """Says whether a drift waits or is passed over, and so is not done."""
    return bool(shape["waits"] or shape.get("passed"))


def _what(shape: DriftShape) -> tuple[str, str, str]:
    """Returns what makes two drifts the same, whenever they were seen."""
    return shape["kind"], shape["column"], shape["what"]


def _log_entry(drift: Drift) -> LogEntry:
    return LogEntry("drift", "success" if drift.move == APPLY else "warning", sentence(drift))


def _tell(mapping: EntityMapping, new: Sequence[Drift]) -> None:
    for drift in new:
        (log.info if drift.move == APPLY else log.warning)("%s: %s", mapping.entity, sentence(drift))
