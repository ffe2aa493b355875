"""One board and one entity, made ready for a run: what the pull and the push both stand on."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Map
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from databases.postgres.catalogue import column_types_of
from databases.postgres.names import compose, identifier, table_name
from db_connector import Database, Transaction
from mappings.bound import Types, bind
from mappings.declaration import ROOT, Mapping
from mappings.read_items import ItemReader
from mappings.write_items import CellWriter
from models import Board, Item, LogEntry, Removal
from monday_api import Monday
from rows.item_keys import give_item_ids
from rows.relations import Relations
from rows.store import RecordStore
from rows.tables import is_archived
from services.monday.cells.kinds import MONDAY_KINDS
from state.entity import EntityState
from state.record_settings import note_settings
from state.sync_id import with_own_sync_id
from state.turns import take_turn
from state.values import Values, pull_key, put
from sync.cycle import TO_MONDAY, TO_POSTGRES, Options
from sync.engine import Engine
from sync.report import EntityReport
from sync.task import NO_HINTS, Batch, Hints
from sync.write_items import ItemWriter
from values.wording import NO_ITEM_YET

log = logging.getLogger("monday_sync")

GUARD_SHARE = 0.10
GUARD_RECORDS = 20


@dataclass(frozen=True, slots=True)
class PullOptions:
    """How this pull differs from the usual one."""

    limit: int | None = None
    batch_size: int = 500
    full: bool = False
    sweep: bool = False
    dry_run: bool = False
    prefer: str | None = None
    first: str | None = None
    allow_mass_delete: bool = False
    unify: bool = False
    max_workers: int = 1
    source: Iterable[list[Item]] | None = None


Progress = Callable[[str, int, int | None], None]
"""(entity, items dealt with, items the board claims to have)"""


class BoardSync:
    """The parts of a run over one board: the mapping held against it, its links, and the engine."""

    def __init__(
        self,
        db: Database,
        monday: Monday,
        mapping: Mapping,
        board_id: str,
        *,
        mappings: Map[str, Mapping] | None = None,
        options: PullOptions | None = None,
        run_id: str | None = None,
        progress: Progress | None = None,
        board: Board | None = None,
        writes: tuple[bool, bool] = (True, False),
    ) -> None:
        """`writes` says which sides may be written: PostgreSQL, monday.com."""
        self.db = db
        self.monday = monday
        self.options = options or PullOptions()
        self.board = board or monday.board(board_id)
        self.compare_all = False
        if mapping.deployed and self.options.source is None:
            mapping = self._followed(mapping)
        with db.transaction(read_only=True) as tx:
            mapping = with_own_sync_id(tx, mapping, self.board)
            types = column_types_of(tx, [mapping.table, *(related.table for related in mapping.related.values())])
        self.mapping = mapping
        self.bound = bind(mapping, self.board, MONDAY_KINDS, types, Relations(db, mappings or {}))
        self.reader, self.cell_writer = ItemReader(self.bound), CellWriter(self.bound)
        self.state = EntityState(mapping.entity_type, board_id, run_id)
        self.memory = Values(db)
        self.remembered: dict[str, Any] = self.memory.get(self.pulled) or {}
        self.newest = str(self.remembered.get("watermark") or "")
        self.engine = self._engine(mappings or {}, types, writes)
        self.writer = ItemWriter(monday, self.reader, self.cell_writer, self.board.id)
        self._stranded = 0
        self.progress = progress or (lambda entity, done, total: None)

    def _followed(self, mapping: Mapping) -> Mapping:
        """The mapping of a deployed board, after what has changed on the board."""
        from boards.following import settle

        settled = settle(self.db, mapping, self.board, Path(mapping.path).parent.parent, dry_run=self.options.dry_run)
        self.compare_all = settled.compare_all
        return settled.mapping

    @property
    def report(self) -> EntityReport:
        """What this run has done so far."""
        return self.engine.report

    @property
    def pulled(self) -> str:
        """The name under which the pull's progress is remembered."""
        return pull_key(self.mapping.entity)

    def _engine(self, mappings: Map[str, Mapping], types: Types, writes: tuple[bool, bool]) -> Engine:
        with self.db.transaction(read_only=True) as tx:
            now = tx.value("select now()")
        options = Options(
            prefer=self.options.prefer,
            first=self.options.first,
            dry_run=self.options.dry_run,
            run_started=now,
            server_time=self._server_time,
            write_postgres=writes[0] and self.mapping.direction in TO_POSTGRES,
            write_monday=writes[1] and self.mapping.direction in TO_MONDAY,
            unify=self.options.unify,
        )
        return Engine(self.db, self.reader, RecordStore(self.bound, types, mappings), self.state, options)

    def _server_time(self) -> datetime:
        """Now, by the clock of monday.com; with a snapshot there is nobody to ask."""
        return self.monday.server_time() if self.options.source is None else datetime.now(timezone.utc)

    def titles(self) -> dict[str, str]:
        """Under which key of `metadata` each column stands, or could stand."""
        return {column: self.bound.title(column) for column in self.bound.titled}

    def fingerprint(self) -> str:
        """Changes with the board, its columns and the mapping: whatever makes a comparison of everything necessary."""
        columns = ",".join(f"{column.id}:{column.type}" for column in self.board.columns)
        digest = hashlib.blake2b(columns.encode(), digest_size=8).hexdigest()
        return f"{self.board.id}/{self.mapping.fingerprint}/{digest}"

    def begin(self) -> None:
        """A run begins: take notice of what people have set for single records."""
        self.engine.reset_counts()
        if not self.options.dry_run:
            self._rename_keys()
            if self.compare_all:
                self.remembered.pop("fingerprint", None)
                self.memory.put(self.pulled, self.remembered)
            with self.db.transaction() as tx:
                note_settings(tx, self.mapping)
                self.give_item_ids(tx)

    def give_item_ids(self, tx: Transaction) -> int:
        """New rows whose items exist by now take their ids as keys; how many."""
        fields = [
            one.fields[0] for one in self.bound.bindings if one.fields and self._shows(one.columns[0], "dependency")
        ]
        places = [self.bound.places[name] for name in fields]
        return give_item_ids(tx, self.mapping, [place.column for place in places if place.home == ROOT], NO_ITEM_YET)

    def _shows(self, column: str, kind: str) -> bool:
        return column in self.bound.columns and self.bound.columns[column].type == kind

    def _rename_keys(self) -> None:
        """A column that was renamed on the board takes its key in `metadata` along, before anybody reads a row."""
        before: dict[str, str] = self.remembered.get("titles") or {}
        moved = [
            (before[column], title)
            for column, title in self.titles().items()
            if before.get(column, title) != title
        ]
        if not moved:
            if not before:
                self.remembered["titles"] = self.titles()
                self.memory.put(self.pulled, self.remembered)
            return
        with self.db.transaction() as tx:
            take_turn(tx)
            statement = compose(
                "update {table} as t set {rest} = (t.{rest} - %(old)s) || coalesce((select jsonb_object_agg(r.new,"
                " t.{rest} -> r.old) from unnest(%(old)s, %(new)s) as r (old, new) where t.{rest} ? r.old), '{{}}')"
                " where t.{rest} ?| %(old)s",
                table=table_name(self.mapping.table), rest=identifier(str(self.mapping.rest)),
            )  # fmt: skip
            tx.execute(statement, {"old": [old for old, _ in moved], "new": [new for _, new in moved]})
            renames = [LogEntry("rename", "success", f"column {old!r} is called {new!r} now") for old, new in moved]
            self.state.log.append(tx, renames)
            self.remembered["titles"] = {**before, **self.titles()}
            put(tx, self.pulled, self.remembered)
        log.info("%s: %d columns were renamed on the board.", self.mapping.entity, len(moved))

    def count_leftovers(self) -> None:
        """What waits for a person counts in every run until somebody has dealt with it."""
        table, key = table_name(self.mapping.table), identifier(self.mapping.primary_key)
        with self.db.transaction(read_only=self.options.dry_run) as tx:
            if not self.options.dry_run:
                self.state.links.delete_unmade(tx, table, key)
            left = self.state.waiting.leftovers(tx, table, key, is_archived(self.mapping, "t"))
        self.report.held += left.held - self._stranded
        self._stranded = left.held
        self.report.set_aside = max(self.report.set_aside, left.set_aside)
        self.report.errors = max(self.report.errors, left.pausing)

    def active(self) -> int:
        """How many living links there are."""
        with self.db.transaction(read_only=True) as tx:
            return self.state.links.count_active(tx)

    # What monday.com is to be told

    def deliver(self, batch: Batch, hints: Hints = NO_HINTS) -> None:
        """Send what a batch has for monday.com, and take in what it answers."""
        if self.options.dry_run:
            return
        sent = self.writer.send(batch.outgoing)
        self.engine.settle(sent.answers, hints=hints)
        sent.raise_trouble()
        self.remove_items(batch.removals)

    def remove_items(self, removals: list[Removal]) -> None:
        """Archive (or delete) the items of rows that are gone. One that is gone already is as good."""
        if not removals or self.options.dry_run:
            return
        removed = self.writer.remove(removals, delete=self.mapping.on_row_removed == "delete")
        done, failed = removed.gone, removed.failed
        with self.db.transaction() as tx:
            self.state.links.archive(tx, [removal.item_id for removal in done])
            self.state.log.append_removals(tx, done, failed, self.mapping.on_row_removed)
        self.report.archived += len(done)
        self.report.to_monday.archived += len(done)
        self.report.errors += len(failed)
        if removed.trouble is not None:
            raise removed.trouble


def too_many(removed: int, active: int) -> bool:
    """Whether so much would be removed that a person has to say so first."""
    return removed > GUARD_RECORDS and removed > GUARD_SHARE * active
