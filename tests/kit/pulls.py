"""Pulls one entity over a real database: from items made by hand, or from a sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from databases.postgres.catalogue import column_types_of
from db_connector import Database
from mappings.bound import bind
from mappings.declaration import Mapping as EntityMapping
from mappings.read_items import ItemReader
from models import Board, BoardColumn, Item
from monday_api import Monday
from rows.store import RecordStore
from sandbox import Sandbox
from services.monday.cells.kinds import MONDAY_KINDS
from settings import Settings
from state.entity import EntityState
from sync.engine import Engine, Options
from sync.parts import Parts
from sync.report import EntityReport
from tests.kit.boards import board_for, item_of
from tests.kit.runs import See, parts_of, run
from tests.kit.shipped import MAPPINGS


class PullBench:
    """Pulls one entity into a test database, from items made by hand."""

    def __init__(
        self,
        db: Database,
        entity: str = "projects",
        *more: BoardColumn,
        without: Iterable[str] = (),
        mapping: EntityMapping | None = None,
        board: Board | None = None,
    ) -> None:
        self.db = db
        self.mapping = mapping or MAPPINGS[entity]
        self.board = board or board_for(self.mapping, *more, without=without)
        self.mappings = {**MAPPINGS, self.mapping.entity: self.mapping}
        self.keep_from = 1
        """New records of a page from which on rows are kept for the next."""

    def item(self, item_id: int, name: str | None = None, at: str = "2026-01-01", **cells: Any) -> Item:
        return item_of(self.board, item_id, name, at, **cells)

    def engine(self, **options: Any) -> Engine:
        """Makes the engine of a run that is about to begin."""
        with self.db.transaction(read_only=True) as tx:
            tables = [self.mapping.table, *(related.table for related in self.mapping.related.values())]
            types = column_types_of(tx, tables)
            now = tx.value("select now()")
        bound = bind(self.mapping, self.board, MONDAY_KINDS, types)
        store = RecordStore(bound, types, self.mappings, keep_from=self.keep_from)
        state = EntityState(self.mapping.entity_type, self.board.id)
        return Engine(self.db, ItemReader(bound), store, state, Options(run_started=now, **options))

    def take(self, *items: Item, **options: Any) -> EntityReport:
        """Runs, and reads one page."""
        return self.take_pages(items, **options)

    def take_pages(self, *pages: Sequence[Item], **options: Any) -> EntityReport:
        """Runs, and reads several pages."""
        engine = self.engine(**options)
        for page in pages:
            engine.take(list(page))
        return engine.report

    def with_column(self, column_id: str, **changed: Any) -> PullBench:
        """Returns the same bench with a column of the board changed."""
        columns = tuple(
            replace(column, **changed) if column.id == column_id else column for column in self.board.columns
        )
        return PullBench(self.db, mapping=self.mapping, board=replace(self.board, columns=columns))


class Journey:
    """Runs the shipped mappings over the boards of a sandbox, through a real socket."""

    def __init__(self, db: Database, sandbox: Sandbox) -> None:
        self.db = db
        self.sandbox = sandbox
        self.monday = Monday(token=sandbox.token, url=sandbox.graphql_url)
        self.mappings = dict(MAPPINGS)
        self.settings = Settings()

    def parts(self, progress: See | None = None) -> Parts:
        """Makes the parts of a run."""
        return parts_of(self.db, self.monday, self.mappings, progress, self.settings)

    def run(self, direction: str, entity: str = "users", progress: See | None = None, **options: Any) -> EntityReport:
        return run(direction, self.parts(progress), self.mappings[entity], **options)

    def pull(self, entity: str = "users", progress: See | None = None, **options: Any) -> EntityReport:
        return self.run("pull", entity, progress, **options)

    def calls(self) -> int:
        return int(self.monday.stats.calls)
