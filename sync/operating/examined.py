"""Holds what the checks look at: settings, database, mappings, and what monday.com has answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Map
from pathlib import Path

from db_connector import Database, connect
from errors import BoardNotVisible, MondayRefused, SettingsError, SyncError
from mappings.declaration import Mapping
from mappings.loader import choose
from models import Board
from monday_api import Limits, Monday
from services.monday.account import Whose
from settings import Reading
from state.mapping_texts import stored_as_far_as_there
from sync.operating.check import PATIENCE_S, Check, Once
from sync.parts import board_of, has_database, mappings_of
from sync.queries.known import apart

CONNECTIONS = 20
"""One for each check that hangs, and one for the next."""


class Examined:
    """Gives each check what it needs, and asks for nothing twice. The checks' own time-outs are a little longer."""

    def __init__(self, reading: Reading, entities: Sequence[str] = ()) -> None:
        self.reading, self.settings = reading, reading.settings
        named, syncs = apart(reading.settings.home, entities)
        self.entities, self.sync_names = tuple(named), tuple(sync.name for sync in syncs)
        self.closers: list[Callable[[], None]] = []
        self.private: dict[str, str] = {}
        """Words that checks have come upon and that others may not see, each with what is shown in its place."""
        self.database = Once(self._connect)
        self.client = Once(self._client)
        self.whose = Once(self._whose)
        self.budget = Once(lambda: self.client().account.platform_budget())
        self.access = Once(self._access)
        self.mappings = Once(self._mappings)
        self.boards = Once(self._boards)

    def _mappings(self) -> dict[str, Mapping]:
        """Returns the mappings; those of files alone while the database cannot be asked, which other checks tell."""
        try:
            stored = stored_as_far_as_there(self.database()) if has_database(self.settings) else []
        except SyncError:
            stored = []
        return mappings_of(self.settings, stored=stored)

    @property
    def home(self) -> Path:
        """Returns the folder that holds the tool's files."""
        return self.settings.home

    @property
    def embedded(self) -> bool:
        """Returns whether the database is the tool's own server."""
        return self.settings.database_url is None

    def chosen(self) -> list[Mapping]:
        """Returns the mappings to look at. Raises MappingError and, for an unknown name, SettingsError."""
        if self.sync_names and not self.entities:
            return []
        return choose(self.mappings(), self.entities)

    def with_boards(self) -> list[tuple[Mapping, str]]:
        """Returns the mappings to look at that have a board, each with its id."""
        pairs = [(mapping, self.board_id(mapping)) for mapping in self.chosen()]
        return [(mapping, board_id) for mapping, board_id in pairs if board_id is not None]

    def board_id(self, mapping: Mapping) -> str | None:
        """Returns the id of a mapping's board; None while it is not set, or is none."""
        setting = mapping.board_setting
        return None if setting and self.reading.is_wrong(setting) else board_of(self.settings, mapping)

    def board(self, board_id: str) -> Board:
        """Returns a board. Raises BoardNotVisible, or whatever kept all boards from being read."""
        found = self.boards()[board_id]
        if isinstance(found, SyncError):
            raise found
        return found

    def close(self) -> None:
        """Closes the connections."""
        for close in self.closers:
            close()
        if client := self.client.made():
            client.close()
        if database := self.database.made():
            database.close()

    def _connect(self) -> Database:
        """Connects at once, so that a server that does not answer is waited for only once."""
        if self.reading.is_wrong("DATABASE_URL"):
            raise SettingsError("DATABASE_URL is no address.", hint="Correct DATABASE_URL: see env.values.")
        db = connect(
            self.settings,
            max_connections=CONNECTIONS,
            lock_timeout_s=2.0,
            statement_timeout_s=PATIENCE_S - 1,
            wait_s=1.0,
            connect_timeout=int(PATIENCE_S - 1),
        )
        try:
            with db.transaction(read_only=True) as tx:
                tx.execute("select 1")
        except SyncError:
            db.close()
            raise
        return db

    def _client(self) -> Monday:
        patience = min(self.settings.give_up_after, PATIENCE_S - 2)
        limits = Limits(give_up_after=patience, timeout=(patience, PATIENCE_S - 1))
        settings = self.settings
        return Monday(token=settings.require_key(), url=settings.api_url, version=settings.api_version, limits=limits)

    def _whose(self) -> Whose:
        return self.client().account.whose()

    def _access(self) -> Map[str, str]:
        visible = [board_id for board_id, board in self.boards().items() if isinstance(board, Board)]
        return self.client().account.access_to(visible) if visible else {}

    def _boards(self) -> Map[str, Board | SyncError]:
        """Asks for all boards in one call; where some are not visible, for the others again."""
        wanted = list(dict.fromkeys(board_id for _, board_id in self.with_boards()))
        account = self.client().account
        found: dict[str, Board | SyncError] = {}
        try:
            return dict(zip(wanted, account.boards(wanted)))
        except (BoardNotVisible, MondayRefused):
            pass
        for board_id in wanted:
            try:
                found[board_id] = account.board(board_id)
            except SyncError as exc:
                found[board_id] = exc
        return found


Checks = Callable[[Examined], list[Check]]
"""Makes the checks of one field."""
