"""Opens one board for a run: mapping, links, engine, writer."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from collections.abc import Mapping as Map
from datetime import datetime
from functools import cached_property
from typing import Any

from msgspec import Struct, field

from databases.postgres.catalogue import column_types_of
from databases.postgres.names import compose, identifier, table_name
from databases.postgres.sight import refuse_hidden, refuse_no_tables
from db_connector import Database, Transaction
from mappings.bound import BoundMapping, bind
from mappings.declaration import ROOT, Mapping
from mappings.read_items import MOST_TOLD, ItemReader
from mappings.stored import own_file_in_words
from mappings.write_items import CellWriter
from models import Board, LogEntry, Removal
from monday_api import Monday
from rows.item_keys import give_item_ids
from rows.kept_rows import WORTH_KEEPING
from rows.relations import Relations
from rows.store import RecordStore
from rows.tables import is_archived
from services.monday.cells.kinds import MONDAY_KINDS
from services.monday.cells.people_and_places import NAMED_PEOPLE, NAMES
from services.monday.people_names import PeopleNames
from state.aims import check_aim, note_aim
from state.entity import EntityState
from state.record_settings import note_settings
from state.sight import note_table
from state.sync_id import with_own_sync_id
from state.turns import take_turn
from state.values import Values, pull_key, put, value_of
from sync.cycle import TO_MONDAY, TO_POSTGRES, Options
from sync.engine import Engine
from sync.options import PullOptions
from sync.parts import Parts
from sync.report import EntityReport
from sync.sides import BoardReader, Destination
from sync.task import NO_HINTS, Batch, Hints
from sync.write_items import ItemWriter
from values.wording import NO_ITEM_YET, plural

log = logging.getLogger("monday_sync")

RENAME_KEYS = """
update {table} as t
set {rest} = (t.{rest} - %(old)s) || coalesce(
    (select jsonb_object_agg(key.new, t.{rest} -> key.old)
     from unnest(%(old)s, %(new)s) as key (old, new)
     where t.{rest} ? key.old),
    '{{}}')
where t.{rest} ?| %(old)s
"""
MEMORY = ("sync_mapping", "sync_state", "sync_outbox", "sync_intents", "sync_skipped", "sync_listing")
"""Tables of the tool's own by which it knows what is new."""
WORDS_FOR = {"whole": "whole number", "day": "date", "moment": "date or time", "minute": "time", "flag": "yes or no"}
"""Comparisons that are not called what they are about."""
GUARD_SHARE = 0.10
GUARD_RECORDS = 20


class Opening(Struct, frozen=True):
    """Says how a board is opened for one run."""

    options: PullOptions = field(default_factory=PullOptions)
    writes: tuple[bool, bool] = (True, False)
    """Which sides may be written: PostgreSQL, monday.com."""
    run_id: str | None = None
    board: Board | None = None
    """The board, when it has been read already."""
    snapshot: BoardReader | None = None
    """Where everything is read, instead of monday.com."""


def open_board(parts: Parts, mapping: Mapping, board_id: str, opening: Opening | None = None) -> BoardSync:
    """Reads the board, follows what changed on it when it is a deployed one, and makes it ready for a run."""
    opening = opening or Opening()
    with parts.db.transaction(read_only=True) as tx:
        aim = check_aim(tx, mapping, board_id)
    reader: BoardReader = opening.snapshot or parts.monday
    board = opening.board or reader.board(board_id)
    mapping, compare_all = _followed(parts, mapping, board, opening)
    with parts.db.transaction(read_only=True) as tx:
        mapping = with_own_sync_id(tx, mapping, board)
        tables = [mapping.table, *(related.table for related in mapping.related.values())]
        types = column_types_of(tx, tables)
        refuse_hidden(tx, [*tables, *MEMORY])
        refuse_no_tables(tx, tables[1:])
        began = tx.value("select now()")
        remembered = value_of(tx, pull_key(mapping.entity)) or {}
    item_reader = ItemReader(
        bind(mapping, board, MONDAY_KINDS, types, Relations(parts.db, parts.mappings, mapping.entity))
    )
    if opening.snapshot is None:
        know_people(item_reader.bound, parts)
    state = EntityState(mapping.entity_type, board_id, opening.run_id)
    options = _engine_options(opening, mapping, began, reader)
    keep_from = min(WORTH_KEEPING, max(1, opening.options.batch_size // 10))
    store = RecordStore(item_reader.bound, types, parts.mappings, keep_from)
    return BoardSync(
        parts=parts,
        mapping=mapping,
        board=board,
        options=opening.options,
        reader=item_reader,
        cell_writer=CellWriter(item_reader.bound),
        state=state,
        store=store,
        engine=Engine(parts.db, item_reader, store, state, options),
        remembered=remembered,
        aim=aim,
        compare_all=compare_all,
    )


def _followed(parts: Parts, mapping: Mapping, board: Board, opening: Opening) -> tuple[Mapping, bool]:
    """Returns the mapping as the board is now, and whether every record has to be compared again."""
    compare_all = False
    if mapping.deployed and opening.snapshot is None:
        followed = parts.follow(parts.db, mapping, board, parts.settings.home, dry_run=opening.options.dry_run)
        mapping, compare_all = followed.mapping, followed.compare_all
    if said := own_file_in_words(mapping):
        log.info("%s: %s", mapping.entity, said)
    return mapping, compare_all


def know_people(bound: BoundMapping, parts: Parts) -> None:
    """Lets columns of people know the names of users, which are asked for when a cell with several is first read."""
    names = PeopleNames(lambda: parts.monday.account)
    for binding in bound.bindings:
        if binding.kind == NAMED_PEOPLE:
            bound.columns[binding.columns[0]].parsed[NAMES] = names


def _engine_options(opening: Opening, mapping: Mapping, began: datetime, reader: BoardReader) -> Options:
    options = opening.options
    return Options(
        prefer=options.prefer,
        first=options.first,
        dry_run=options.dry_run,
        run_started=began,
        server_time=reader.server_time,
        write_postgres=opening.writes[0] and mapping.direction in TO_POSTGRES,
        write_monday=opening.writes[1] and mapping.direction in TO_MONDAY,
        unify=options.unify,
    )


class BoardSync(Struct, dict=True):
    """Holds the parts of a run over one board: the mapping held against it, its links, and the engine."""

    parts: Parts
    mapping: Mapping
    board: Board
    options: PullOptions
    reader: ItemReader
    cell_writer: CellWriter
    state: EntityState
    store: RecordStore
    engine: Engine
    remembered: dict[str, Any]
    """How far the pull has come; kept under `pulled`."""
    aim: Map[str, Any]
    """What the mapping points at."""
    compare_all: bool = False
    """What has changed on the board makes every record news."""

    @property
    def db(self) -> Database:
        """Returns the database."""
        return self.parts.db

    @property
    def monday(self) -> Monday:
        """Returns the client. For a snapshot it is never asked for, so that none needs a key."""
        return self.parts.monday

    @property
    def destination(self) -> Destination:
        """Returns where the board's items are read."""
        return self.parts.monday

    @property
    def bound(self) -> BoundMapping:
        """Returns the mapping, held against the board."""
        return self.reader.bound

    @property
    def memory(self) -> Values:
        """Returns the values that runs keep."""
        return Values(self.parts.db)

    @cached_property
    def writer(self) -> ItemWriter:
        """Returns what changes the board's items."""
        return ItemWriter(self.monday, self.reader, self.cell_writer, self.board.id, self.db.check_turn)

    def progress(self, entity: str, done: int, total: int | None) -> None:
        """Reports how far the run is."""
        if self.parts.progress is not None:
            self.parts.progress(entity, done, total)

    def may_go_on(self) -> None:
        """Raises Stopped when a user has asked the run to stop. To be called before a batch that tells no progress."""
        self.parts.stop.check()

    @property
    def report(self) -> EntityReport:
        """Returns what this run has done so far."""
        return self.engine.report

    @property
    def pulled(self) -> str:
        """Returns the name under which the pull's progress is remembered."""
        return pull_key(self.mapping.entity)

    def titles(self) -> dict[str, str]:
        """Returns the key of `metadata` under which each column stands, or could stand."""
        return {column: self.bound.title(column) for column in self.bound.titled}

    def fingerprint(self) -> str:
        """Returns a text that changes with the board, its columns and the mapping: then everything has to be compared."""
        columns = ",".join(f"{column.id}:{column.type}" for column in self.board.columns)
        digest = hashlib.blake2b(columns.encode(), digest_size=8).hexdigest()
        return f"{self.board.id}/{self.mapping.fingerprint}/{digest}"

    def begin(self) -> None:
        """Begins a run: takes notice of what users have set for single records."""
        self.engine.reset_counts()
        if not self.options.dry_run:
            self._rename_keys()
            if self.compare_all:
                self.remembered.pop("fingerprint", None)
                self.memory.put(self.pulled, self.remembered)
            with self.db.transaction() as tx:
                note_table(tx, self.mapping)
                note_aim(tx, self.mapping, self.aim)
                note_settings(tx, self.mapping)
                self.give_item_ids(tx)

    def give_item_ids(self, tx: Transaction) -> int:
        """Gives new rows whose items exist by now the ids of these as keys. Returns how many."""
        fields = [
            binding.fields[0]
            for binding in self.bound.bindings
            if binding.fields and self._shows(binding.columns[0], "dependency")
        ]
        places = [self.bound.places[name] for name in fields]
        return give_item_ids(tx, self.mapping, [place.column for place in places if place.home == ROOT], NO_ITEM_YET)

    def _shows(self, column: str, kind: str) -> bool:
        return column in self.bound.columns and self.bound.columns[column].type == kind

    def _rename_keys(self) -> None:
        """Renames the keys in `metadata` of columns that were renamed on the board, before a row is read."""
        before: dict[str, str] = self.remembered.get("titles") or {}
        moved = [
            (before[column], title) for column, title in self.titles().items() if before.get(column, title) != title
        ]
        if not moved:
            if not before and self.titles():
                self.remembered["titles"] = self.titles()
                self.memory.put(self.pulled, self.remembered)
            return
        with self.db.transaction() as tx:
            take_turn(tx)
            names = {"table": table_name(self.mapping.table), "rest": identifier(str(self.mapping.rest))}
            keys = {"old": [old for old, _ in moved], "new": [new for _, new in moved]}
            tx.execute(compose(RENAME_KEYS, **names), keys)
            renames = [LogEntry("rename", "success", f"column {old!r} is called {new!r} now") for old, new in moved]
            self.state.log.append(tx, renames)
            self.remembered["titles"] = {**before, **self.titles()}
            put(tx, self.pulled, self.remembered)
        log.info("%s: %d columns were renamed on the board.", self.mapping.entity, len(moved))

    def count_leftovers(self) -> None:
        """Counts what waits for a user: in every run, until a user has dealt with it. To be called once in a run."""
        table, key = table_name(self.mapping.table), identifier(self.mapping.primary_key)
        with self.db.transaction(read_only=self.options.dry_run) as tx:
            if not self.options.dry_run:
                self.state.links.delete_unmade(tx, table, key)
            left = self.state.waiting.leftovers(tx, table, key, is_archived(self.mapping, "t"))
        self.report.held += left.held
        self.report.set_aside = max(self.report.set_aside, left.set_aside)
        self.report.errors = max(self.report.errors, left.pausing)

    def active(self) -> int:
        """Returns how many living links there are."""
        with self.db.transaction(read_only=True) as tx:
            return self.state.links.count_active(tx)

    # What monday.com is to show

    def deliver(self, batch: Batch, hints: Hints = NO_HINTS) -> None:
        """Sends what a batch has for monday.com, and takes in what it answers."""
        if self.options.dry_run or not self.engine.options.write_monday:
            return
        sent = self.writer.send(batch.outgoing)
        self.engine.settle(sent.answers, hints=hints)
        sent.raise_trouble()
        self.remove_items(batch.removals)

    def remove_items(self, removals: list[Removal]) -> None:
        """Archives (or deletes) the items of rows that are gone; an item that is gone already is as good."""
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


def tell_unparsed(sync: BoardSync) -> None:
    """Tells which texts of computed columns showed no value of the type that the mapping gives them."""
    entries = []
    for column, texts in sync.reader.unparsed.items():
        number = "1,000 or more items" if len(texts) >= MOST_TOLD else plural(len(texts), "item")
        item_id, text = next(iter(texts.items()))
        name = next(name for name in sync.bound.parsed if column in sync.bound.owner[name].columns)
        kind = WORDS_FOR.get(sync.bound.kinds[name], sync.bound.kinds[name])
        why = f"column {column} ({sync.bound.title(column)}) shows no {kind} in {number}, and is NULL there"
        log.warning("%s: %s: %r in item %s.", sync.mapping.entity, why, text, item_id)
        entries.append(LogEntry("read", "skipped", f"{why}: {text!r}", item_id))
    sync.reader.unparsed.clear()
    if entries and not sync.options.dry_run:
        with sync.db.transaction() as tx:
            sync.state.log.append(tx, entries)


def work_in_view(sync: BoardSync, work: Callable[[BoardSync], EntityReport]) -> EntityReport:
    """Works on one board for a run, with the report in sight should it be cut short."""
    sync.parts.begun[sync.mapping.entity] = sync.report
    sync.report.missing = list(sync.bound.missing)
    sync.report.mark = [sync.board.updated_at, sync.board.items_count]
    report = work(sync)
    tell_unparsed(sync)
    report.plans = sync.engine.plans
    return report


def too_many(removed: int, active: int) -> bool:
    """Returns whether so much would be removed that a user has to agree first."""
    return removed > GUARD_RECORDS and removed > GUARD_SHARE * active
