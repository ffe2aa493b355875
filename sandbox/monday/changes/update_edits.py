"""Carries out what a change of an update (a post on an item) does."""

from __future__ import annotations

from sandbox.monday.account.models import Item, Update
from sandbox.monday.account.world import World
from sandbox.monday.changes import events
from sandbox.monday.changes.item_edits import touch
from sandbox.monday.changes.news import News


class UpdateEdits:
    def __init__(self, world: World, news: News) -> None:
        self._world, self._news = world, news

    def post(self, item: Item, body: str, user_id: int, parent_id: int | None = None) -> Update:
        moment = self._world.clock.now()
        update = Update(self._world.new_id(), item.id, item.board_id, body, user_id, moment, moment, parent_id)
        self._world.updates[update.id] = update
        if self._world.switches.updates_move_items:
            touch(self._world, item, user_id, moment)
        self._report("create_update", update, user_id)
        return update

    def edit(self, update: Update, body: str, user_id: int) -> None:
        update.body, update.updated_at = body, self._world.clock.now()
        self._report("edit_update", update, user_id)

    def delete(self, update: Update, user_id: int) -> None:
        del self._world.updates[update.id]
        self._report("delete_update", update, user_id)

    def _report(self, event: str, update: Update, user_id: int) -> None:
        board, item = self._world.boards[update.board_id], self._world.items[update.item_id]
        data = {"board_id": board.id, "pulse_id": update.item_id, "update_id": update.id}
        self._news.log(board, event, "pulse", data, user_id)
        self._news.announce(events.update_posted(self._world, item, update, event, self._news.trigger(user_id)))
