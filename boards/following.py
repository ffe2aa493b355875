"""A deployed board is followed: what its contract lets is done to the table and to the mapping, the rest is noted.

The table comes first, in one transaction, then the mapping file; when a run dies in between, the next puts the file in its
place. Nothing is ever dropped: a column that is retyped keeps its old values under another name, one that is deleted on the
board stays in the table, and what else stands in the table is nobody's but its owner's.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from boards import link_tables, registry, tables
from boards.drift import (
    ADDED,
    APPLY,
    DELETED,
    LABELS,
    RENAMED,
    RETURNED,
    RETYPED,
    WAIT,
    Drift,
    compare,
    known_columns,
    sentence,
)
from boards.names import facts, field_name, free_name
from boards.proposal import ACCEPTED, REJECTED, RELATION, ProposedColumn, entry_of, with_time_of_day
from boards.types_of_tables import TypeMap, labels_of, load_types
from databases.postgres.catalogue import columns_of
from databases.postgres.failures import TransactionConflict
from databases.postgres.names import shortened
from db_connector import Database, Transaction
from errors import DatabaseUnreachable, SyncError
from mappings.declaration import ROOT
from mappings.declaration import Mapping as EntityMapping
from mappings.files import MappingFile, raise_mistakes, read_mapping_file, tree_text, write_text
from mappings.loader import build_mapping, column_of, load_mapping
from models import Board, BoardColumn, LogEntry
from state import triggers
from state.entity import EntityState
from state.fields import forget_field, rename_field
from state.values import drift_key, put, value_of
from values.parsing import clean_text
from values.wording import day_text, utc_text

log = logging.getLogger("monday_sync")

KEPT = 50
"""So many things that were done are shown by `boards status`."""


@dataclass
class Settled:
    """The mapping as this run goes by it, and what was found."""

    mapping: EntityMapping
    drift: list[Drift]
    compare_all: bool = False


def settle(
    db: Database, mapping: EntityMapping, board: Board, home: Path, *, dry_run: bool = False, everything: bool = False,
    rejected: frozenset[str] = frozenset(), day: str = "",
) -> Settled:  # fmt: skip
    """Hold a deployed mapping against its board, apply what the contract lets, and say what is left.

    `everything` also applies what waits for a person, who has rejected some columns. What is not applied is not read: no
    value of another type ever comes into a column.
    """
    path, finished = _file_of(db, mapping, dry_run)
    source = read_mapping_file(path)
    raise_mistakes([source])
    known = known_columns(source.tree["fields"])
    mapping = _as_written(mapping, source)
    now = datetime.now(timezone.utc)
    found = [replace(one, at=utc_text(now)) for one in compare(known, board, mapping)]
    if everything:
        found = [replace(one, move=APPLY) for one in found]
    lacking = _lacking(db, mapping, board)
    if dry_run:
        return Settled(without(mapping, [replace(one, move=WAIT) for one in found], lacking), found)
    filled = bool(lacking)
    if lacking or any(one.move == APPLY for one in found):
        change = Change(mapping, board, source.tree, load_types(home), day or day_text(now), rejected)
        try:
            mapping, found, lacking = change.run(db, found, lacking)
        except DatabaseUnreachable:
            raise
        except (SyncError, OSError) as exc:
            reason = exc.message if isinstance(exc, SyncError) else exc.strerror or str(exc)
            log.warning("%s: what has changed on the board could not be followed: %s", mapping.entity, reason)
            found = [replace(one, move=WAIT) if one.move == APPLY else one for one in found]
            _note(db, mapping, board, found)
    else:
        _note(db, mapping, board, found)
    changed = any(one.kind in (LABELS, RETYPED, RETURNED) and one.move == APPLY for one in found)
    filled = filled and not lacking
    return Settled(without(mapping, found, lacking), found, changed or filled or finished)


def _file_of(db: Database, mapping: EntityMapping, dry_run: bool) -> tuple[Path, bool]:
    """Where the mapping is read, and whether that is the file of a run that was killed before it could put it there."""
    path = Path(mapping.path)
    part = path.with_suffix(".drifting")
    if not part.exists():
        return path, False
    with db.transaction(read_only=True) as tx:
        done = (value_of(tx, drift_key(mapping.entity)) or {}).get("file")
    if done != _mark(path, part):
        return path, False
    return (part if dry_run else part.replace(path)), True


def _mark(path: Path, part: Path) -> str:
    """What tells that the table is as the second file says, and that nobody has touched the first since."""
    return hashlib.blake2b(path.read_bytes() + b"\0" + part.read_bytes(), digest_size=16).hexdigest()


def _lacking(db: Database, mapping: EntityMapping, board: Board) -> list[str]:
    """The fields that are filled from the board and have no column in the table, one of the tool's own."""
    if not mapping.own_table:
        return []
    with db.transaction(read_only=True) as tx:
        there = columns_of(tx, mapping.table)
    plain = [one for one in mapping.bindings if one.transform is None and board.column(one.columns[0]) is not None]
    places = {name: mapping.places[name] for one in plain for name in one.fields}
    return [
        name for name, place in places.items()
        if there and (place.home, place.key) == (ROOT, None) and place.column not in there
    ]  # fmt: skip


def _as_written(mapping: EntityMapping, source: MappingFile) -> EntityMapping:
    """The mapping as its file has it now: who has held it for long may have missed a change."""
    fresh = build_mapping(source)
    raise_mistakes([source])
    if fresh.fingerprint == mapping.fingerprint:
        return mapping
    return replace(fresh, sync_id=mapping.sync_id, path=mapping.path)


def without(mapping: EntityMapping, found: Sequence[Drift], lacking: Collection[str]) -> EntityMapping:
    """The mapping without the columns whose new type or old life nobody has agreed to, and the fields the table lacks."""
    out = {one.column for one in found if one.move != APPLY and one.kind in (RETYPED, RETURNED)}
    if not out and not lacking:
        return mapping
    kept = [one for one in mapping.bindings if out.isdisjoint(one.columns) and not set(lacking) & set(one.fields)]
    return replace(mapping, bindings=tuple(kept))


def _note(db: Database, mapping: EntityMapping, board: Board, found: Sequence[Drift]) -> None:
    """Keep what was found for `boards status`; log what is new."""
    with db.transaction() as tx:
        new = _keep(tx, mapping, board, found)
    _tell(mapping, new)


def _keep(
    tx: Transaction, mapping: EntityMapping, board: Board, found: Sequence[Drift], file: str | None = None
) -> list[Drift]:
    """Keep what was found, and the mark of the file that goes with what was done; what of it is new."""
    name = drift_key(mapping.entity)
    before: list[Any] = (value_of(tx, name) or {}).get("drift", [])
    seen = {_what(one): one for one in before if _is_open(one)}
    if not found and not seen:
        return []
    still = [drift.as_json() for drift in found if drift.move != APPLY]
    still = [{**one, "at": seen.get(_what(one), one)["at"]} for one in still]
    done = [drift.as_json() for drift in found if drift.move == APPLY]
    open_still = {_what(one) for one in still}
    done += [one for one in before if not _is_open(one) and _what(one) not in open_still]
    put(tx, name, {"drift": [*still, *done[:KEPT]], "file": file})
    new = [drift for drift in found if drift.move == APPLY or _what(drift.as_json()) not in seen]
    state = EntityState(mapping.entity_type, board.id)
    state.log.append(tx, [LogEntry("drift", "success" if one.move == APPLY else "warning", sentence(one)) for one in new])
    return new


def _tell(mapping: EntityMapping, new: Sequence[Drift]) -> None:
    for one in new:
        (log.info if one.move == APPLY else log.warning)("%s: %s", mapping.entity, sentence(one))


def _is_open(shape: dict[str, Any]) -> bool:
    """Whether it waits or is passed over, not done."""
    return bool(shape["waits"] or shape.get("passed"))


def _what(shape: dict[str, Any]) -> tuple[str, str, str]:
    """What tells one drift from another, whenever it was seen."""
    return shape["kind"], shape["column"], shape["what"]


class Change:
    """Follows a board: the table in one transaction, then the file."""

    def __init__(
        self, mapping: EntityMapping, board: Board, tree: Any, types: TypeMap, day: str, rejected: frozenset[str]
    ) -> None:
        self.mapping, self.board, self.tree, self.types = mapping, board, tree, types
        self.day, self.rejected = day, rejected
        self.style = "plain" if tree.get("names") == "plain" else "exact"
        self.entries: dict[str, Any] = {str(one["column"]): one for one in tree["fields"] if "column" in one}

    def run(
        self, db: Database, found: Sequence[Drift], lacking: Sequence[str]
    ) -> tuple[EntityMapping, list[Drift], list[str]]:
        """Fill up what the table lacks and apply these; the mapping afterwards, and both as they are then."""
        path = Path(self.mapping.path)
        part = path.with_suffix(".drifting")
        with db.transaction() as tx:
            tx.execute("set local lock_timeout = '2s'")  # whoever reads the table goes first; the next run tries again
            watched = triggers.installed(tx, self.mapping)
            left = [one for one in lacking if not self._fill_up(tx, one)]
            found = self._apply_all(tx, found)
            mapping, mark = self.mapping, None
            registry.note_columns(tx, self.mapping.entity, self.tree["fields"])
            if any(one.move == APPLY for one in found):
                write_text(part, tree_text(self.tree))
                mapping, mark = replace(load_mapping(part), path=str(path)), _mark(path, part)
                if watched:
                    # Triggers name columns: with a name of yesterday they would fail whoever writes the table.
                    triggers.install(tx, [mapping])
            new = _keep(tx, mapping, self.board, found, mark)
        if mark:
            part.replace(path)
        _tell(mapping, new)
        return mapping, found, left

    def _apply_all(self, tx: Transaction, found: Sequence[Drift]) -> list[Drift]:
        """Apply what is to be applied; what fails waits."""
        moves = {one: one.move for one in found}
        for kind in (DELETED, RETURNED, RETYPED, RENAMED, LABELS, ADDED):
            for one in found:
                if one.kind == kind and one.move == APPLY:
                    work = partial(getattr(self, f"_{kind}"), tx, one)
                    moves[one] = APPLY if self._tried(tx, sentence(one), work) else WAIT
        return [replace(one, move=moves[one]) for one in found]

    def _tried(self, tx: Transaction, what: str, work: Callable[[], None]) -> bool:
        """Whether it could be done. What cannot is undone, and stops nothing else."""
        try:
            with tx.savepoint():
                work()
        except DatabaseUnreachable:
            raise
        except SyncError as exc:
            log.warning("%s: %s; that could not be followed: %s", self.mapping.entity, what, exc.message)
            if isinstance(exc, TransactionConflict):
                tx.execute("set local lock_timeout = '10ms'")  # readers queue up behind each wait; one was enough
            return False
        return True

    def _fill_up(self, tx: Transaction, name: str) -> bool:
        """Make the table column that the mapping names, and have it filled from the board."""
        about = self._about(next(one.columns[0] for one in self.mapping.bindings if name in one.fields))

        def add() -> None:
            sql_type = self.types.of(self.board.id, about, with_time_of_day(about))
            tables.add_column(tx, self.mapping.table, self.mapping.places[name].column, sql_type)
            forget_field(tx, self.mapping.entity_type, name)

        return self._tried(tx, f"the table has no column for {about.title!r}", add)

    def _names(self, tx: Transaction) -> set[str]:
        """The table columns that are taken, by the mapping or by whatever else stands in the table."""
        used = {place.column for place in self.mapping.places.values()} | {self.mapping.primary_key}
        return used | set(facts(self.style).values()) | self._made | columns_of(tx, self.mapping.table)

    @property
    def _made(self) -> set[str]:
        return {column_of(str(one["field"])) for one in self.entries.values() if "field" in one}

    def _about(self, column: str) -> BoardColumn:
        about = self.board.column(column)
        assert about is not None
        return about

    def _added(self, tx: Transaction, one: Drift) -> None:
        about = self._about(one.column)
        name = free_name(about.title, about.id, self.style, self._names(tx))
        made = ProposedColumn(about, name, self.types.of(self.board.id, about, with_time_of_day(about)))
        if made.hard or not self.mapping.own_table:
            refused = made.hard in self.rejected or about.id in self.rejected or not self.mapping.own_table
            made = made.decide(REJECTED if refused else ACCEPTED, self.day)
        if not made.rejected:
            tables.add_column(tx, self.mapping.table, name, made.sql_type)
        entry = entry_of(made)
        self.tree["fields"].append(entry)
        self.entries[about.id] = entry

    def _renamed(self, tx: Transaction, one: Drift) -> None:
        entry, about = self.entries.get(one.column), self._about(one.column)
        if entry is None:
            return
        if self.mapping.own_table and "field" in entry:
            old = column_of(str(entry["field"]))
            new = free_name(about.title, about.id, self.style, self._names(tx) - {old})
            # The triggers of a link table know its column by the name that it has.
            if new != old and not (about.type == RELATION and link_tables.is_linked(tx, self.mapping, old)):
                tables.rename_column(tx, self.mapping.table, old, new)
                rename_field(tx, self.mapping.entity_type, str(entry["field"]), field_name(new))
                entry["field"] = field_name(new)
        entry["title"] = clean_text(about.title)

    def _retyped(self, tx: Transaction, one: Drift) -> None:
        """The old values stay in a column of their own; a new one takes their name."""
        entry, about = self.entries.get(one.column), self._about(one.column)
        if entry is None or "field" not in entry:
            return
        column = column_of(str(entry["field"]))
        if self.mapping.own_table:
            link_tables.unlink(tx, self.mapping, column)
            kept = self._kept_name(tx, column, str(entry.get("type")))
            tables.rename_column(tx, self.mapping.table, column, kept)
            tables.allow_empty(tx, self.mapping.table, kept)
            tables.add_column(tx, self.mapping.table, column, self.types.of(self.board.id, about))
            forget_field(tx, self.mapping.entity_type, str(entry["field"]))
        fresh = entry_of(ProposedColumn(about, column, ""))
        for key in ("type", "as", "labels"):
            if key in fresh:
                entry[key] = fresh[key]
            elif key in entry:
                del entry[key]

    def _kept_name(self, tx: Transaction, column: str, old_type: str) -> str:
        number = 1
        while True:
            tail = old_type if number == 1 else f"{old_type} {number}"
            made = f"{column}_{tail.replace(' ', '_')}" if self.style == "plain" else f"{column} ({tail})"
            name = shortened(made, f"{column} {tail}")
            if name not in self._names(tx):
                return name
            number += 1

    def _deleted(self, tx: Transaction, one: Drift) -> None:
        if (entry := self.entries.get(one.column)) is not None:
            if self.mapping.own_table and "field" in entry:
                tables.allow_empty(tx, self.mapping.table, column_of(str(entry["field"])))
            entry["gone"] = self.day

    def _returned(self, tx: Transaction, one: Drift) -> None:
        if (entry := self.entries.get(one.column)) is not None:
            entry.pop("gone", None)

    def _labels(self, tx: Transaction, one: Drift) -> None:
        if (entry := self.entries.get(one.column)) is not None:
            now = labels_of(self._about(one.column))
            entry["labels"].update({**entry["labels"], **now})
