"""Holds what a run is made of: settings, database, mappings, client."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from db_connector import Database, connect
from mappings.declaration import Mapping
from mappings.loader import load_mappings
from settings import PROJECT, Settings
from sync.report import EntityReport
from sync_monday_to_pg import Progress

if TYPE_CHECKING:
    from monday_api import Monday
    from services.monday.pacing import Left
from state.runs import calls_today
from state.schema import check_schema

Chosen = Sequence[tuple[Mapping, str]]
"""Mappings, each with the id of its board."""


@dataclass
class Parts:
    """What a run is made of."""

    settings: Settings
    db: Database
    mappings: dict[str, Mapping]
    progress: Progress | None = None
    begun: dict[str, EntityReport] = field(default_factory=dict)
    """What the entities being worked on have done so far, should they not come to their end."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Once it is set no other entity is begun, and nobody waits for monday.com to come back."""

    @cached_property
    def monday(self) -> Monday:
        """The client, made when it is first asked something."""
        from monday_api import Limits, Monday

        settings = self.settings
        limits = Limits(
            give_up_after=settings.give_up_after,
            daily_share=settings.daily_calls,
            daily_used=self._calls_today() if settings.daily_calls else 0,
            stop=self.stop,
        )
        return Monday(
            token=settings.require_key(), url=settings.api_url, version=settings.api_version, limits=limits
        )

    def _calls_today(self) -> float:
        with self.db.transaction(read_only=True) as tx:
            return calls_today(tx)

    def costs(self) -> dict[str, float]:
        """What the conversation with monday.com has cost so far."""
        if "monday" not in self.__dict__:
            return {"calls": 0, "complexity": 0, "retries": 0, "waited_s": 0.0}
        stats = self.monday.stats
        return {
            "calls": stats.calls,
            "complexity": stats.complexity,
            "retries": stats.retries_total,
            "waited_s": round(stats.waited_total_s, 3),
        }

    def account(self) -> dict[str, Any]:
        """The same for sync_runs, with causes and sizes."""
        if "monday" not in self.__dict__:
            return self.costs()
        stats = self.monday.stats
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

    def left(self) -> Left | None:
        """What is left of monday.com's budgets."""
        return self.monday.left if "monday" in self.__dict__ else None

    def for_one_run(self) -> Parts:
        """For a process that makes many runs: an account and a progress for one of them alone."""
        parts = replace(self, progress=None, begun={})
        parts.__dict__["monday"] = self.monday.counted_apart()
        return parts

    def close(self) -> None:
        """Let go of the connections."""
        if "monday" in self.__dict__:
            self.monday.close()
        self.db.close()


@contextmanager
def open_parts(
    settings: Settings,
    mappings: dict[str, Mapping] | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Parts]:
    """The parts by the settings, closed at the end. Raises SchemaMissing and what else is wrong with them."""
    mappings = mappings_of(settings) if mappings is None else mappings
    parts = Parts(settings, connect(settings), mappings, progress, stop=stop or threading.Event())
    try:
        check_schema(parts.db)
        yield parts
    finally:
        parts.close()


def mappings_of(settings: Settings) -> dict[str, Mapping]:
    """The shipped mappings, and over them those of the user's own."""
    return load_mappings([PROJECT / "mappings", settings.home / "mappings"])


def board_of(settings: Settings, mapping: Mapping) -> str | None:
    """The board of a mapping; None while it is not set."""
    by_setting = settings.board_id(mapping.board_setting) if mapping.board_setting else None
    return by_setting or mapping.board_id
