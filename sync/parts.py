"""Holds what a run is made of: settings, database, mappings, client."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from data_cache import FOLDER as CACHE
from db_connector import Database, connect
from errors import SettingsError
from mappings.declaration import Mapping
from mappings.kept_trees import KeptTrees
from mappings.loader import load_mappings
from mappings.stored import Stored
from models import Board
from monday_api import Limits, Monday
from services.monday.pacing import Left, SharedBudget
from services.monday.waiting import Pause
from settings import PROJECT, Settings
from state.budgets import AccountBudget
from state.control import open_control
from state.mapping_texts import stored_as_far_as_there, stored_mappings
from state.runs import calls_today
from state.schema import check_schema
from state.turns import working_on
from sync.report import EntityReport
from timing import Stop

Chosen = Sequence[tuple[Mapping, str]]
"""Mappings, each with the id of its board."""


class Progress(Protocol):
    """Shows how far each entity is, and what is left of monday.com's budgets."""

    left: Callable[[], str]

    def __call__(self, entity: str, done: int, total: int | None) -> None:
        """Takes how many items are dealt with, and how many the board says it has."""
        ...


class Followed(Protocol):
    """Says how a run goes on with a deployed board, after what has changed on it."""

    @property
    def mapping(self) -> Mapping:
        """Returns the mapping that the run goes by."""
        ...

    @property
    def compare_all(self) -> bool:
        """Returns whether every record has to be compared again."""
        ...


class Follow(Protocol):
    """Follows a deployed board: brings its table and its mapping, in a folder of mappings, up to what it shows now."""

    def __call__(
        self, db: Database, mapping: Mapping, board: Board, home: Path, *, dry_run: bool = False
    ) -> Followed: ...


def cannot_follow(db: Database, mapping: Mapping, board: Board, home: Path, *, dry_run: bool = False) -> Followed:
    """Raises SettingsError: this program was put together without what follows deployed boards."""
    raise SettingsError(
        f"{mapping.entity} is a deployed board, and cannot be synced from here.",
        hint=f"python main.py run --entity {mapping.entity}",
    )


class Client(Struct):
    """Makes the client of monday.com when it is first asked for; threads share it."""

    make: Callable[[], Monday]
    made: Monday | None = None
    making: threading.Lock = field(default_factory=threading.Lock)

    def get(self) -> Monday:
        """Returns the client."""
        with self.making:
            if self.made is None:
                self.made = self.make()
            return self.made


class Parts(Struct):
    """Holds what a run is made of."""

    settings: Settings
    db: Database
    mappings: dict[str, Mapping]
    client: Client
    follow: Follow = cannot_follow
    progress: Progress | None = None
    begun: dict[str, EntityReport] = field(default_factory=dict)
    """What the entities being worked on have done so far, should they not come to their end."""
    stop: Stop = field(default_factory=Stop)
    """Once it is set no other entity is begun, and nothing waits for monday.com to come back."""
    one_large_reading: threading.Lock | None = None
    """Held by the board whose items are all read, where boards are worked on side by side: each takes its memory."""

    @property
    def monday(self) -> Monday:
        """Returns the client. Without a key it raises SettingsError."""
        return self.client.get()

    def costs(self) -> dict[str, float]:
        """Returns what the conversation with monday.com has cost so far."""
        if self.client.made is None:
            return {"calls": 0, "complexity": 0, "retries": 0, "waited_s": 0.0}
        stats = self.client.made.stats
        return {
            "calls": stats.calls,
            "complexity": stats.complexity,
            "retries": stats.retries_total,
            "waited_s": round(stats.waited_total_s, 3),
        }

    def account(self) -> dict[str, Any]:
        """Returns the same for sync_runs, with causes and sizes."""
        if self.client.made is None:
            return self.costs()
        stats = self.client.made.stats
        return {
            **self.costs(),
            "retries_by_cause": dict(stats.retries),
            "waited_by_cause": dict(stats.waited_s),
            "pages": stats.pages,
            "items": stats.items,
            "mutations": stats.mutations,
            "bytes_received": stats.bytes_received,
            "bytes_sent": stats.bytes_sent,
        }

    def pause(self) -> Pause | None:
        """Returns what monday.com is waited for now; None while it is not."""
        return self.client.made.pauses.present if self.client.made is not None else None

    def left(self) -> Left | None:
        """Returns what is left of monday.com's budgets; None before anything was asked."""
        return self.client.made.left if self.client.made is not None else None

    @contextmanager
    def in_turn(
        self, entity_type: str, patience_s: float | None = None, on_wait: Callable[[], None] = lambda: None
    ) -> Iterator[Parts]:
        """Yields the same parts, for work on an entity while no other process works on it. Raises TurnBusy, TurnLost."""
        patience_s = self.settings.give_up_after if patience_s is None else patience_s
        with working_on(self.db, entity_type, on_wait, patience_s) as db:
            yield replace(self, db=db)

    def for_one_run(self) -> Parts:
        """Returns parts with an account and a progress of their own, for a process that makes many runs."""
        stop = Stop(self.stop)
        client = Client(self.client.make, self.monday.counted_apart(stop))
        return replace(self, client=client, progress=None, begun={}, stop=stop)

    def close(self) -> None:
        """Closes the connections."""
        if self.client.made is not None:
            self.client.made.close()
        self.db.close()


def make_client(settings: Settings, db: Database, stop: Stop, shared: SharedBudget | None = None) -> Monday:
    """Returns a client by the settings, which counts what other runs have used of the day's share.

    `shared` keeps the budgets of an account for several processes.
    """
    if shared is None and settings.account and settings.control_database_url:
        shared = AccountBudget(open_control(settings, max_connections=2), settings.account, settings.daily_calls)
    limits = Limits(
        give_up_after=settings.give_up_after,
        daily_share=None if shared else settings.daily_calls,
        daily_used=_calls_today(db) if settings.daily_calls else 0,
        stop=stop,
        shared=shared,
    )
    return Monday(token=settings.require_key(), url=settings.api_url, version=settings.api_version, limits=limits)


def _calls_today(db: Database) -> float:
    with db.transaction(read_only=True) as tx:
        return calls_today(tx)


@contextmanager
def open_parts(
    settings: Settings,
    follow: Follow = cannot_follow,
    *,
    mappings: dict[str, Mapping] | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Parts]:
    """Yields the parts by the settings, and closes them. Raises SchemaMissing and what else is wrong with them."""
    own, db = Stop(stop), connect(settings)
    parts = Parts(settings, db, {}, Client(partial(make_client, settings, db, own)), follow, progress, stop=own)
    try:
        check_schema(parts.db)
        parts.mappings = mappings_of(settings, stored=stored_mappings(db)) if mappings is None else mappings
        yield parts
    finally:
        parts.close()


def mappings_of(settings: Settings, keep: bool = True, stored: Iterable[Stored] = ()) -> dict[str, Mapping]:
    """Returns the shipped mappings, over them those of the database (`stored`), and over both the user's own files.

    `keep`: the next reading of the files may be quicker.
    """
    folders = [PROJECT / "mappings", settings.home / "mappings"]
    return load_mappings(folders, KeptTrees(settings.home / CACHE) if keep else None, stored)


@contextmanager
def known_mappings(settings: Settings, keep: bool = True) -> Iterator[dict[str, Mapping]]:
    """Yields the mappings of files and database; an embedded server that was started for it goes on until the end.

    Where the tool's tables are not made yet there are only files. `keep`: as for `mappings_of`.
    """
    if not has_database(settings):
        yield mappings_of(settings, keep)
        return
    db = connect(settings)
    try:
        yield mappings_of(settings, keep, stored=stored_as_far_as_there(db))
    finally:
        db.close()


def has_database(settings: Settings) -> bool:
    """Says whether there is a database to ask; the tool's own server is not made by a mere question."""
    if settings.database_url or os.name == "nt":
        return True
    from databases.postgres.embedded import server_of  # with its own imports; not needed where there is a server

    return server_of(settings.home).is_made()


def board_of(settings: Settings, mapping: Mapping) -> str | None:
    """Returns the id of a mapping's board; None while it is not set."""
    by_setting = settings.board_id(mapping.board_setting) if mapping.board_setting else None
    if settings.account and mapping.board_setting:
        return by_setting  # the board that a shipped file names is of one account alone
    return by_setting or mapping.board_id


class Updates(Struct, frozen=True):
    """Holds how changes of a deployed board are shown before they are applied, and applied without the rejected columns."""

    plan: Callable[[Parts, str], dict[str, Any]]
    apply: Callable[[Parts, str, Collection[str]], dict[str, Any]]
