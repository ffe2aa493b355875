"""Runs the automations of the account: they follow a change after its mutation has answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sandbox.monday.account.models import Automation, Item
from sandbox.monday.account.world import World

ROUNDS = 20

Apply: TypeAlias = Callable[[Automation, Item, str], None]
"""Carries an automation out on an item; the text names the event that caused it."""


class Automations:
    def __init__(self, world: World) -> None:
        self._world = world
        self._pending: list[tuple[Automation, Item, str]] = []

    def after_change(self, item: Item, column_id: str, cause: str) -> None:
        """Notes the automations that a changed cell sets off."""
        for automation in self._world.automations:
            if (automation.board_id, automation.column_id) == (item.board_id, column_id):
                self._pending.append((automation, item, cause))

    def run_pending(self, apply: Apply) -> None:
        """Carries out what is noted. A loop of automations ends after some rounds, as on monday.com."""
        for _ in range(ROUNDS):
            # What these set off is noted for the next round.
            pending, self._pending = self._pending, []
            if not pending:
                return
            for automation, item, cause in pending:
                apply(automation, item, cause)
        self._pending = []
