"""What has changed on a deployed board since its mapping was written, and what a contract makes of it.

Comparing and deciding are pure. Doing comes after: the table first, in one transaction, then the mapping file; a run that
dies in between finds the same drift again, and doing it twice is harmless. Nothing is ever dropped: a column that is
retyped keeps its old values under another name, one that is deleted on the board stays in the table.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from dataclasses import field as member
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import board_links
import board_registry
import board_tables
import change_queue
from board_discovery import REJECTED, RELATION, ProposedColumn, entry_of, with_time_of_day
from board_names import facts, field_name, free_name, shortened
from board_types import HARD, TypeMap, labels_of, load_types
from column_types import clean_text
from db_connector import Database, Transaction
from errors import DatabaseUnreachable, SyncError
from mapping import FACTS, ITEM_NAME
from mapping import Mapping as EntityMapping
from mapping_file import Source, raise_mistakes, read_source, tree_text, write_text
from mapping_loader import build_mapping, column_of
from models import Board, BoardColumn
from sync_state import LogEntry, SyncState, put

log = logging.getLogger("monday_sync")

ADDED, RENAMED, RETYPED, DELETED, RETURNED, LABELS = "added", "renamed", "retyped", "deleted", "returned", "labels"
EVOLVE, FREEZE, DISCARD = "evolve", "freeze", "discard_value"
APPLY, WAIT, PASS = "apply", "wait", "pass"

TABLE_OF_CONTRACTS: Mapping[str, Mapping[str, str]] = {
    ADDED: {EVOLVE: APPLY, FREEZE: WAIT, DISCARD: PASS},
    RENAMED: {EVOLVE: APPLY, FREEZE: WAIT, DISCARD: PASS},
    RETYPED: {EVOLVE: APPLY, FREEZE: WAIT, DISCARD: PASS},
    DELETED: {EVOLVE: APPLY, FREEZE: WAIT, DISCARD: PASS},
    RETURNED: {EVOLVE: APPLY, FREEZE: WAIT, DISCARD: PASS},
    LABELS: {EVOLVE: APPLY, FREEZE: APPLY, DISCARD: APPLY},
}
"""By drift and contract: done at once, left for `boards update`, or passed over. docs/boards.md shows the same table."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between a board and its mapping."""

    kind: str
    column: str
    title: str
    what: str
    move: str
    at: str = ""

    def as_json(self) -> dict[str, Any]:
        """The documented shape."""
        shape = {name: value for name, value in asdict(self).items() if name != "move"}
        return {**shape, "waits": self.move == WAIT}


@dataclass(frozen=True, slots=True)
class Known:
    """A column as the mapping file knows it."""

    column: str
    title: str | None
    type: str | None
    field: str | None
    labels: Mapping[int, str] = member(default_factory=dict)
    rejected: bool = False
    gone: bool = False


def known_columns(entries: Sequence[Any]) -> dict[str, Known]:
    """What a mapping file says of columns, by their ids; entries that tie several columns together are a person's own."""
    found: dict[str, Known] = {}
    for entry in entries:
        for column in [entry["column"]] if "column" in entry else entry.get("columns", ()):
            column = str(column)
            if column == ITEM_NAME or column in FACTS:
                continue
            labels = {int(number): str(name) for number, name in (entry.get("labels") or {}).items()}
            kind, title = entry.get("type"), entry.get("title")
            found.setdefault(
                column,
                Known(column, None if title is None else str(title), kind, entry.get("field"), labels,
                      "rejected" in entry, "gone" in entry),
            )  # fmt: skip
    return found


def compare(known: Mapping[str, Known], board: Board, mapping: EntityMapping) -> list[Drift]:
    """What differs, and what the contract makes of it. The sync id column is the tool's own."""
    contract, found = mapping.contract, []
    own = mapping.sync_id[0] if mapping.sync_id else None
    there = {one.id: one for one in board.columns if one.type != "name" and one.id != own}
    for column, about in there.items():
        if column not in known:
            found.append(Drift(ADDED, column, about.title, about.type, _move_of_new(about, mapping)))
    for column, one in known.items():
        if not one.rejected:
            found += _changed(one, there.get(column), contract)
    # A table of the user's own is altered when somebody says so, not before.
    moved = {RETYPED: WAIT, RETURNED: WAIT} if not mapping.own_table else {}
    return [replace(one, move=moved.get(one.kind, one.move)) for one in found]


def _move_of_new(about: BoardColumn, mapping: EntityMapping) -> str:
    move = TABLE_OF_CONTRACTS[ADDED][mapping.contract]
    if not mapping.own_table:
        return PASS
    return WAIT if move == APPLY and HARD.get(about.type) else move


def _changed(one: Known, about: BoardColumn | None, contract: str) -> list[Drift]:
    title = one.title or one.column

    def drift(kind: str, what: str) -> Drift:
        return Drift(kind, one.column, title, what, TABLE_OF_CONTRACTS[kind][contract])

    if about is None:
        return [] if one.gone else [drift(DELETED, "gone")]
    found = [drift(RETURNED, about.type)] if one.gone else []
    if one.type is not None and about.type != one.type:
        found.append(drift(RETYPED, f"{one.type} → {about.type}"))
    if one.title is not None and clean_text(about.title) != one.title:
        found.append(drift(RENAMED, clean_text(about.title)))
    renamed = [
        f"{name} → {now[number]}"
        for now in [labels_of(about)] for number, name in one.labels.items() if now.get(number, name) != name
    ]  # fmt: skip
    if renamed:
        found.append(drift(LABELS, ", ".join(renamed)))
    return found


# Doing it


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
        seen = {(one["kind"], one["column"], one["what"]): one for one in before}
        waiting = [one.as_json() for one in found if one.move != APPLY]
        new = [one for one in found if (one.kind, one.column, one.what) not in seen]
        if not found and not any(one["waits"] for one in before):
            return
        kept = [seen.get((one["kind"], one["column"], one["what"]), one) for one in waiting]
        done = [one.as_json() for one in found if one.move == APPLY] + [one for one in before if not one["waits"]]
        passed = {(one["kind"], one["column"], one["what"]) for one in kept}
        done = [one for one in done if (one["kind"], one["column"], one["what"]) not in passed][:KEPT]
        put(tx, name, {"drift": [*kept, *done]})
        state = SyncState(mapping.entity_type, board.id)
        state.log(tx, [LogEntry("drift", "success" if one.move == APPLY else "warning", sentence(one)) for one in new])
    for one in new:
        (log.info if one.move == APPLY else log.warning)("%s: %s", mapping.entity, sentence(one))


KEPT = 50


def sentence(one: Drift) -> str:
    """A drift as a log line."""
    title = one.title
    said = {
        ADDED: f"column {title!r} ({one.what}) is new on the board",
        RENAMED: f"column {title!r} is called {one.what!r} now",
        RETYPED: f"column {title!r} has another type: {one.what}",
        DELETED: f"column {title!r} is not on the board any more; the table keeps its values",
        RETURNED: f"column {title!r} is on the board again",
        LABELS: f"labels of {title!r} were renamed: {one.what}",
    }[one.kind]
    ends = {APPLY: "", WAIT: "; it waits for: boards update", PASS: "; by its contract it is passed over"}
    return said + ends[one.move]


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
            mapping = replace(_mapping_at(part), path=str(path))
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
            made = made.decide(REJECTED if refused else "accepted", self.day)
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


def _mapping_at(path: Path) -> EntityMapping:
    source = read_source(path)
    raise_mistakes([source])
    mapping = build_mapping(source)
    raise_mistakes([source])
    return mapping


def _has(tx: Transaction, table: str, column: str) -> bool:
    return (
        tx.value(
            "select 1 from pg_attribute where attrelid = to_regclass(%s) and attname = %s and not attisdropped",
            (table, column),
        )
        is not None
    )
