"""Applies changes of a board to its table and to its mapping.

Nothing is ever dropped: a column that is retyped keeps its old values under another name, and a column that is deleted on
the board stays in the table. Columns that the mapping does not name are left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import replace
from ruamel.yaml.comments import CommentedMap

from boards import link_tables, tables
from boards.drift import ADDED, APPLY, DELETED, LABELS, RENAMED, RETURNED, RETYPED, WAIT, Drift, sentence
from boards.names import facts, field_name, free_name, with_mark
from boards.proposal import ACCEPTED, REJECTED, RELATION, ProposedColumn, entry_of, with_time_of_day
from boards.renames import Move, Rename, entangled, planned
from boards.types_of_tables import TypeMap, labels_of
from databases.postgres.catalogue import columns_of
from databases.postgres.failures import TransactionConflict
from db_connector import Transaction
from errors import DatabaseUnreachable, SyncError
from mappings.declaration import Mapping as EntityMapping
from mappings.loader import column_of
from models import Board, BoardColumn
from state.fields import forget_field, rename_field
from values.parsing import clean_text

log = logging.getLogger("monday_sync")


class Change(Struct, frozen=True):
    """Applies drifts of one board, in the caller's transaction. `tree`, the mapping's text, is changed in place."""

    mapping: EntityMapping
    board: Board
    tree: CommentedMap
    types: TypeMap
    day: str
    rejected: frozenset[str]

    def fill_up(self, tx: Transaction, fields: Sequence[str]) -> list[str]:
        """Makes the table columns that the mapping names and the table lacks; returns the fields that still have none."""
        return [name for name in fields if not self._made(tx, name)]

    def apply(self, tx: Transaction, found: Sequence[Drift]) -> list[Drift]:
        """Applies what is to be applied; returns all drifts, of which those that failed wait."""
        # A name that a column gives up is free for a new column.
        steps: dict[str, Callable[[Transaction, str], None] | None] = {
            DELETED: self._deleted,
            RETURNED: self._returned,
            RETYPED: self._retyped,
            RENAMED: None,  # names change together
            LABELS: self._relabelled,
            ADDED: self._added,
        }
        moves = {drift: drift.move for drift in found}
        for kind, step in steps.items():
            due = [drift for drift in found if drift.kind == kind and drift.move == APPLY]
            for together in [[drift] for drift in due] if step else self._as_sets(tx, due):
                what = "; ".join(sentence(drift) for drift in together)
                work = partial(step, tx, together[0].column) if step else partial(self._rename_set, tx, together)
                done = self._tried(tx, what, work)
                moves |= dict.fromkeys(together, APPLY if done else WAIT)
        return [replace(drift, move=moves[drift]) for drift in found]

    def _tried(self, tx: Transaction, what: str, work: Callable[[], None]) -> bool:
        """Does one step, and says whether it succeeded. A step that fails is undone; the other steps are done."""
        try:
            with tx.savepoint():
                work()
        except DatabaseUnreachable:
            raise  # says nothing about this step
        except SyncError as exc:
            log.warning("%s: %s; that could not be followed: %s", self.mapping.entity, what, exc.message)
            if isinstance(exc, TransactionConflict):
                # Readers queue up behind each wait, and the first wait was long enough.
                tx.execute("set local lock_timeout = '10ms'")
            return False
        return True

    # Names

    @property
    def _style(self) -> str:
        return "plain" if self.tree.get("names") == "plain" else "exact"

    def _entry(self, column: str) -> CommentedMap | None:
        """Returns the mapping's entry of a board column."""
        entries = [entry for entry in self.tree["fields"] if "column" in entry and str(entry["column"]) == column]
        return entries[-1] if entries else None

    def _about(self, column: str) -> BoardColumn:
        about = self.board.column(column)
        assert about is not None
        return about

    def _taken(self, tx: Transaction) -> set[str]:
        """Returns the table columns whose names are taken, by the mapping or by any other column of the table."""
        # The file tells the names of single columns, also of those that were just renamed.
        single = {name for binding in self.mapping.bindings if len(binding.columns) == 1 for name in binding.fields}
        places = self.mapping.places.items()
        mapped = {place.column for name, place in places if name not in single} | {self.mapping.primary_key}
        written = {
            column_of(str(entry["field"])) for entry in self.tree["fields"] if "column" in entry and "field" in entry
        }
        return mapped | set(facts(self._style).values()) | written | columns_of(tx, self.mapping.table)

    def _kept_name(self, tx: Transaction, column: str, old_type: str) -> str:
        """Returns a name for the column of the old values: `Done (checkbox)`, or `done_checkbox`."""
        taken, number = self._taken(tx), 1
        while True:
            tail = old_type if number == 1 else f"{old_type} {number}"
            mark = tail.replace(" ", "_") if self._style == "plain" else tail
            name = with_mark(column, mark, self._style, f"{column} {tail}")
            if name not in taken:
                return name
            number += 1

    # A table column that is missing

    def _made(self, tx: Transaction, field: str) -> bool:
        columns = next(binding.columns for binding in self.mapping.bindings if field in binding.fields)
        about = self._about(columns[0])

        def add() -> None:
            sql_type = self.types.of(self.board.id, about, with_time_of_day(about))
            tables.add_column(tx, self.mapping.table, self.mapping.places[field].column, sql_type)
            forget_field(tx, self.mapping.entity_type, field)

        return self._tried(tx, f"the table has no column for {about.title!r}", add)

    # Drifts

    def _added(self, tx: Transaction, column: str) -> None:
        about = self._about(column)
        name = free_name(about.title, about.id, self._style, self._taken(tx) - set(self._names_of_gone(tx)))
        made = ProposedColumn(about, name, self.types.of(self.board.id, about, with_time_of_day(about)))
        if not self.mapping.own_table:
            made = made.decide(REJECTED, self.day)  # the user's own table gets no columns
        elif made.hard:
            # a kind that a user decides about
            refused = made.hard in self.rejected or about.id in self.rejected
            made = made.decide(REJECTED if refused else ACCEPTED, self.day)
        if not made.rejected:
            self._set_aside(tx, name)
            tables.add_column(tx, self.mapping.table, name, made.sql_type)
        self.tree["fields"].append(entry_of(made))

    def _as_sets(self, tx: Transaction, due: Sequence[Drift]) -> list[list[Drift]]:
        """Returns renames that need each other's names as one set, and each other rename by itself."""
        together, _ = entangled(self._moves(tx, due))
        columns = {move.column for move in together}
        sets = [[drift for drift in due if drift.column in columns]] if columns else []
        return sets + [[drift] for drift in due if drift.column not in columns]

    def _moves(self, tx: Transaction, due: Sequence[Drift]) -> list[Move]:
        """Returns which table columns get other names. A user's own table keeps its names."""
        renames = []
        for drift in due if self.mapping.own_table else ():
            entry, about = self._entry(drift.column), self._about(drift.column)
            # an entry of several columns, a rejected column
            if entry is None or "field" not in entry:
                continue
            old = column_of(str(entry["field"]))
            # The triggers of a link table know its column by the name that it has.
            if not (about.type == RELATION and link_tables.is_linked(tx, self.mapping, old)):
                renames.append(Rename(drift.column, about.title, old))
        return planned(renames, self._taken(tx) - set(self._names_of_gone(tx)), self._style)

    def _rename_set(self, tx: Transaction, due: Sequence[Drift]) -> None:
        """Renames table columns, those in each other's way by other names in between, and then the titles."""
        moves = [move for move in self._moves(tx, due) if move.new != move.old]
        for move in moves:
            self._set_aside(tx, move.new)
        fields = {move.column: field_name(move.new) for move in moves}
        steps = [(move.old, move.new) for move in moves]
        if len(moves) > 1:
            between = [f"monday_sync_renaming_{number}" for number in range(len(moves))]
            steps = [(move.old, name) for move, name in zip(moves, between, strict=True)]
            steps += [(name, move.new) for move, name in zip(moves, between, strict=True)]
        for old, new in steps:
            tables.rename_column(tx, self.mapping.table, old, new)
            rename_field(tx, self.mapping.entity_type, field_name(old), field_name(new))
        for drift in due:
            # an entry of several columns has none of its own
            if (entry := self._entry(drift.column)) is not None:
                entry["title"] = clean_text(self._about(drift.column).title)
                if drift.column in fields:
                    entry["field"] = fields[drift.column]

    # Names that deleted columns have

    def _names_of_gone(self, tx: Transaction) -> dict[str, CommentedMap]:
        """Returns the names that columns gone from the board still have, with their entries: a column may need one."""
        if not self.mapping.own_table:
            return {}
        gone = [entry for entry in self.tree["fields"] if "gone" in entry and "column" in entry and "field" in entry]
        named = {column_of(str(entry["field"])): entry for entry in gone}
        return {name: entry for name, entry in named.items() if not link_tables.is_linked(tx, self.mapping, name)}

    def _set_aside(self, tx: Transaction, name: str) -> None:
        """Gives a column that is gone from the board another name, when a column of the board needs its name."""
        entry = self._names_of_gone(tx).get(name)
        if entry is None or name not in columns_of(tx, self.mapping.table):
            return
        kept = self._kept_name(tx, name, str(entry["column"]))
        tables.rename_column(tx, self.mapping.table, name, kept)
        rename_field(tx, self.mapping.entity_type, field_name(name), field_name(kept))
        entry["field"] = field_name(kept)

    def _retyped(self, tx: Transaction, column: str) -> None:
        """Keeps the old values in a column of their own, and makes a new column of their name."""
        entry, about = self._entry(column), self._about(column)
        if entry is None or "field" not in entry:
            return  # an entry of several columns, or rejected
        name = column_of(str(entry["field"]))
        if self.mapping.own_table:
            link_tables.unlink(tx, self.mapping, name)
            kept = self._kept_name(tx, name, str(entry.get("type")))
            tables.rename_column(tx, self.mapping.table, name, kept)
            tables.allow_empty(tx, self.mapping.table, kept)
            tables.add_column(tx, self.mapping.table, name, self.types.of(self.board.id, about))
            forget_field(tx, self.mapping.entity_type, str(entry["field"]))
        fresh = entry_of(ProposedColumn(about, name, ""))
        for key in ("type", "as", "labels"):
            if key in fresh:
                entry[key] = fresh[key]
            elif key in entry:
                del entry[key]

    def _deleted(self, tx: Transaction, column: str) -> None:
        if (entry := self._entry(column)) is not None:
            # nothing fills it in new rows
            if self.mapping.own_table and "field" in entry:
                tables.allow_empty(tx, self.mapping.table, column_of(str(entry["field"])))
            entry["gone"] = self.day

    def _returned(self, tx: Transaction, column: str) -> None:
        if (entry := self._entry(column)) is not None:
            entry.pop("gone", None)

    def _relabelled(self, tx: Transaction, column: str) -> None:
        if (entry := self._entry(column)) is not None:
            entry["labels"].update({**entry["labels"], **labels_of(self._about(column))})
