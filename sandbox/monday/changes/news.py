"""Reports a change: to the activity log of its board, and to the webhooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import Board, LogEntry
from sandbox.monday.account.world import World
from sandbox.monday.changes.events import Announcement, Trigger

Announce: TypeAlias = Callable[[list[Announcement]], None]


class News:
    def __init__(self, world: World, announce: Announce) -> None:
        self._world, self._announce = world, announce

    def log(
        self, board: Board, event: str, entity: str, data: JsonObject, user_id: int, moment: float | None = None
    ) -> None:
        now = moment or self._world.clock.now()
        board.log.append(LogEntry(self._world.new_uuid(), event, entity, data, user_id, now))
        board.updated_at = max(board.updated_at, now)

    def announce(self, announcements: list[Announcement]) -> None:
        self._announce(announcements)

    def trigger(self, user_id: int) -> Trigger:
        """Makes the trigger of a change that a user, and no automation, makes now."""
        return Trigger(self.new_trigger_uuid(), None, user_id, self._world.clock.now())

    def new_trigger_uuid(self) -> str:
        return self._world.new_uuid().replace("-", "")


class NoNews(News):
    """Reports nothing: `backfill_items` has no activity log and no webhooks."""

    def __init__(self, world: World) -> None:
        super().__init__(world, lambda announcements: None)

    def log(
        self, board: Board, event: str, entity: str, data: JsonObject, user_id: int, moment: float | None = None
    ) -> None:
        pass
