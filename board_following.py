"""A deployed board is followed: what its contract lets is done to the table and to the mapping, the rest is noted.

The table comes first, in one transaction, then the mapping file; a run that dies in between finds the same drift again, and
doing it twice is harmless. Nothing is ever dropped: a column that is retyped keeps its old values under another name, one
that is deleted on the board stays in the table.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import board_links
import board_registry
import board_tables
import change_queue
from board_discovery import ACCEPTED, REJECTED, RELATION, ProposedColumn, entry_of, with_time_of_day
from board_drift import (
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
from board_names import facts, field_name, free_name, shortened
from board_types import TypeMap, labels_of, load_types
from column_types import clean_text
from db_connector import Database, Transaction
from errors import DatabaseUnreachable, SyncError
from mapping import Mapping as EntityMapping
from mapping_file import Source, raise_mistakes, read_source, tree_text, write_text
from mapping_loader import build_mapping, column_of, load_mapping
from memory import put
from models import Board, BoardColumn
from sync_state import LogEntry, SyncState

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
    source = read_source(Path(mapping.path))
    raise_mistakes([source])
    known = known_columns(source.tree["fields"])
    mapping = _as_written(mapping, source)
    now = datetime.now(timezone.utc)
    found = [replace(one, at=f"{now:%Y-%m-%dT%H:%M:%SZ}") for one in compare(known, board, mapping)]
    if everything:
        found = [replace(one, move=APPLY) for one in found]
    to_do = [one for one in found if one.move == APPLY]
    if dry_run:
        return Settled(without(mapping, [replace(one, move=WAIT) for one in found]), found)
    if to_do:
        change = Change(mapping, board, source.tree, load_types(home), day or f"{now:%Y-%m-%d}", rejected)
        try:
            mapping = change.run(db, to_do)
        except DatabaseUnreachable:
            raise
        except (SyncError, OSError) as exc:
            reason = exc.message if isinstance(exc, SyncError) else exc.strerror or str(exc)
            log.warning("%s: what has changed on the board could not be followed: %s", mapping.entity, reason)
            found = [replace(one, move=WAIT) if one in to_do else one for one in found]
    _note(db, mapping, board, found)
    changed = any(one.kind in (LABELS, RETYPED, RETURNED) and one.move == APPLY for one in found)
    return Settled(without(mapping, found), found, changed)


def _as_written(mapping: EntityMapping, source: Source) -> EntityMapping:
    """The mapping as its file has it now: who has held it for long may have missed a change."""
    fresh = build_mapping(source)
    raise_mistakes([source])
    return mapping if fresh.fingerprint == mapping.fingerprint else replace(fresh, sync_id=mapping.sync_id)


def without(mapping: EntityMapping, found: Sequence[Drift]) -> EntityMapping:
    """The mapping without the columns whose new type or old life nobody has agreed to."""
    out = {one.column for one in found if one.move != APPLY and one.kind in (RETYPED, RETURNED)}
    if not out:
        return mapping
    return replace(mapping, bindings=tuple(one for one in mapping.bindings if out.isdisjoint(one.columns)))


def _note(db: Database, mapping: EntityMapping, board: Board, found: Sequence[Drift]) -> None:
    """Keep what was found for `boards status`; log what is new."""
    name = f"drift:{mapping.entity}"
    with db.transaction() as tx:
        before: list[Any] = (tx.value("select value from sync_state where name = %s", (name,)) or {}).get("drift", [])
        if not found and not any(one["waits"] for one in before):
            return
        seen = {_what(one): one for one in before}
        waiting = [seen.get(_what(one), one) for one in (drift.as_json() for drift in found if drift.move != APPLY)]
        passed = {_what(one) for one in waiting}
        done = [drift.as_json() for drift in found if drift.move == APPLY]
        done += [one for one in before if not one["waits"] and _what(one) not in passed]
        put(tx, name, {"drift": [*waiting, *done[:KEPT]]})
        new = [drift for drift in found if _what(drift.as_json()) not in seen]
        state = SyncState(mapping.entity_type, board.id)
        state.log(tx, [LogEntry("drift", "success" if one.move == APPLY else "warning", sentence(one)) for one in new])
    for one in new:
        (log.info if one.move == APPLY else log.warning)("%s: %s", mapping.entity, sentence(one))


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

    def run(self, db: Database, found: Sequence[Drift]) -> EntityMapping:
        """Apply these; the mapping afterwards."""
        path = Path(self.mapping.path)
        part = path.with_suffix(".drifting")
        with db.transaction() as tx:
            tx.execute("set local lock_timeout = '2s'")  # whoever reads the table goes first; the next run tries again
            watched = change_queue.installed(tx, self.mapping)
            for kind in (DELETED, RETURNED, RETYPED, RENAMED, LABELS, ADDED):
                for one in found:
                    if one.kind == kind:
                        getattr(self, f"_{kind}")(tx, one)
            board_registry.note_columns(tx, self.mapping.entity, self.tree["fields"])
            write_text(part, tree_text(self.tree))
            mapping = replace(load_mapping(part), path=str(path))
            if watched:
                # Triggers name columns: with a name of yesterday they would fail whoever writes the table.
                change_queue.install(tx, [mapping])
        part.replace(path)
        return mapping

    def _names(self) -> set[str]:
        """The table columns that are taken."""
        used = {place.column for place in self.mapping.places.values()} | {self.mapping.primary_key}
        return used | set(facts(self.style).values()) | self._made

    @property
    def _made(self) -> set[str]:
        return {column_of(str(one["field"])) for one in self.entries.values() if "field" in one}

    def _about(self, column: str) -> BoardColumn:
        about = self.board.column(column)
        assert about is not None
        return about

    def _added(self, tx: Transaction, one: Drift) -> None:
        about = self._about(one.column)
        name = free_name(about.title, about.id, self.style, self._names())
        made = ProposedColumn(about, name, self.types.of(self.board.id, about, with_time_of_day(about)))
        if made.hard or not self.mapping.own_table:
            refused = made.hard in self.rejected or about.id in self.rejected or not self.mapping.own_table
            made = made.decide(REJECTED if refused else ACCEPTED, self.day)
        if not made.rejected:
            board_tables.add_column(tx, self.mapping.table, name, made.sql_type)
        entry = entry_of(made)
        self.tree["fields"].append(entry)
        self.entries[about.id] = entry

    def _renamed(self, tx: Transaction, one: Drift) -> None:
        entry, about = self.entries.get(one.column), self._about(one.column)
        if entry is None:
            return
        entry["title"] = clean_text(about.title)
        if not self.mapping.own_table or "field" not in entry:
            return
        old = column_of(str(entry["field"]))
        if about.type == RELATION and board_links.is_linked(tx, self.mapping, old):
            return  # the triggers of its link table know it by this name
        new = free_name(about.title, about.id, self.style, self._names() - {old})
        if new == old:
            return
        if _has(tx, self.mapping.table, old):
            board_tables.rename_column(tx, self.mapping.table, old, new)
        board_tables.rename_field(tx, self.mapping, str(entry["field"]), field_name(new))
        entry["field"] = field_name(new)

    def _retyped(self, tx: Transaction, one: Drift) -> None:
        """The old values stay in a column of their own; a new one takes their name."""
        entry, about = self.entries.get(one.column), self._about(one.column)
        if entry is None or "field" not in entry:
            return
        column = column_of(str(entry["field"]))
        if self.mapping.own_table:
            board_links.unlink(tx, self.mapping, column)
            kept = self._kept_name(tx, column, str(entry.get("type")))
            if not _has(tx, self.mapping.table, kept):
                board_tables.rename_column(tx, self.mapping.table, column, kept)
            board_tables.add_column(tx, self.mapping.table, column, self.types.of(self.board.id, about))
            board_tables.forget_field(tx, self.mapping, str(entry["field"]))
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
            if name not in self._names() and not _has(tx, self.mapping.table, name):
                return name
            number += 1

    def _deleted(self, tx: Transaction, one: Drift) -> None:
        if (entry := self.entries.get(one.column)) is not None:
            entry["gone"] = self.day

    def _returned(self, tx: Transaction, one: Drift) -> None:
        if (entry := self.entries.get(one.column)) is not None:
            entry.pop("gone", None)

    def _labels(self, tx: Transaction, one: Drift) -> None:
        if (entry := self.entries.get(one.column)) is not None:
            now = labels_of(self._about(one.column))
            entry["labels"].update({**entry["labels"], **now})


def _has(tx: Transaction, table: str, column: str) -> bool:
    return (
        tx.value(
            "select 1 from pg_attribute where attrelid = to_regclass(%s) and attname = %s and not attisdropped",
            (table, column),
        )
        is not None
    )
