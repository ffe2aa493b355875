"""What a change does, whoever makes it: cells, `updated_at`, the activity log, webhooks, automations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox import events
from sandbox.cells import cell_of
from sandbox.deliveries import Deliveries
from sandbox.models import ACTIVE, ARCHIVED, DELETED, Board, Column, Group, Item, Label, LogEntry, Update, new_item
from sandbox.world import AUTOMATION_USER, World


class Edits:
    def __init__(self, world: World, deliveries: Deliveries) -> None:
        self.world, self.deliveries = world, deliveries
        self.pending: list[Callable[[], None]] = []

    # cells and names

    def change(self, item: Item, changes: dict[str, Any], user_id: int, cause: str | None = None,
               moment: float | None = None) -> None:
        """Set cells (None clears). A value that is there already is no news, unless the switch says otherwise."""
        board, moment = self.world.board_of(item), moment or self.world.clock.now()
        self.world.remember(item.id, item)
        for column_id, datum in changes.items():
            if item.cells.get(column_id) != datum or self.world.switches.same_value_is_news:
                self._change_cell(board, item, board.columns[column_id], datum, user_id, moment, cause)

    def _change_cell(self, board: Board, item: Item, column: Column, datum: Any, user_id: int, moment: float,
                     cause: str | None) -> None:
        before = self._event_value(item, column)
        if datum is None:
            item.cells.pop(column.id, None)
        else:
            item.cells[column.id] = datum
        item.mark(column.id, moment)
        self.touch(item, user_id, moment)
        trigger, value = self.world.new_uuid().replace("-", ""), self._event_value(item, column)
        self.log(board, "update_column_value", "pulse", {
            **events.place(board, item), "pulse_name": item.name, "column_id": column.id,
            "column_type": events.internal(column), "column_title": column.title, "value": value,
            "previous_value": before, "is_column_with_hide_permissions": False, "is_undo_action": None,
        }, user_id, moment)
        self.deliveries.announce(events.cell_changed(
            self.world, item, column, value, before, events.Trigger(trigger, cause, user_id, moment)))
        self._automate(item, column, trigger)

    def _event_value(self, item: Item, column: Column) -> Any:
        owner = self.world.users.get(item.creator_id) or next(iter(self.world.users.values()))
        cell = cell_of(self.world, owner, item, column)
        return None if cell.datum is None else cell.kind.event(cell)

    def _automate(self, item: Item, column: Column, cause: str) -> None:
        """Rules of the account answer a moment later: after the mutation has answered."""
        for rule in self.world.automations:
            if rule["board_id"] == item.board_id and rule["column_id"] == column.id:
                self.pending.append(lambda rule=rule: self.change(  # type: ignore[misc]
                    item, {rule["set_column_id"]: rule["datum"]}, rule.get("user_id", AUTOMATION_USER), cause,
                    self.world.clock.now() + 0.001))

    def run_pending(self) -> None:
        """Automations may set off automations; a loop among them ends after a few rounds, as monday's does."""
        for _ in range(20):
            now, self.pending = self.pending, []
            if not now:
                return
            for action in now:
                action()
        self.pending = []

    def rename(self, item: Item, name: str, user_id: int) -> None:
        if name == item.name and not self.world.switches.same_value_is_news:
            return
        board, before, moment = self.world.board_of(item), item.name, self.world.clock.now()
        self.world.remember(item.id, item)
        item.name = name
        self.touch(item, user_id, moment)
        self.log(board, "update_name", "pulse", {
            **events.place(board, item), "value": {"name": name}, "previous_value": {"name": before}}, user_id)
        self.deliveries.announce(events.renamed(self.world, item, before, self.trigger(user_id)))

    # items

    def create(self, board: Board, group_id: str, name: str, cells: dict[str, Any], user_id: int,
               parent: Item | None = None, position: float | None = None) -> Item:
        moment = self.world.clock.now()
        place = position if position is not None else self._bottom(board, group_id)
        item = new_item(self.world.new_id(), board.id, group_id, name, moment, user_id, place,
                        cells={k: v for k, v in cells.items() if v is not None},
                        parent_id=parent.id if parent else None)
        self.world.remember(item.id, None)
        self.world.add_item(board, item)
        board.updated_at = moment
        values = {c: self._event_value(item, board.columns[c]) for c in item.cells}
        self.log(board, "create_pulse", "pulse", {
            **events.place(board, item), "group_name": board.groups[group_id].title,
            "group_color": board.groups[group_id].color, "pulse_name": name, "column_values_json": "{}"}, user_id)
        if parent is not None:
            parent.subitem_ids = [*(parent.subitem_ids or []), item.id]
        self.deliveries.announce(events.created(self.world, item, values, self.trigger(user_id)))
        for column_id in item.cells:
            self._automate(item, board.columns[column_id], self.world.new_uuid().replace("-", ""))
        return item

    def _bottom(self, board: Board, group_id: str) -> float:
        return 65536.0 + max((i.position for i in board.items.values() if i.group_id == group_id), default=0.0) \
            if len(board.items) < 2_000 else board.next_position()

    def set_state(self, item: Item, state: str, user_id: int) -> None:
        """Archive, delete or restore; subitems go along."""
        before = item.state
        if before == state:
            return
        board, moment = self.world.board_of(item), self.world.clock.now()
        self.world.remember(item.id, item)
        item.state = state
        if state == ACTIVE:  # only people restore, and the item comes back as it was
            if item.group_id not in board.groups or board.groups[item.group_id].state != ACTIVE:
                item.group_id = board.top_group().id
        else:
            item.updated_at, item.updater_id = moment, user_id
        board.updated_at = moment
        self.log(board, {ACTIVE: "restore_pulse", ARCHIVED: "archive_pulse", DELETED: "delete_pulse"}[state], "pulse", {
            **events.place(board, item), "item_id": item.id, "item_name": item.name, "pulse_name": item.name}, user_id)
        self.deliveries.announce(events.state_changed(self.world, item, before, self.trigger(user_id)))
        for number in item.subitem_ids or ():
            below = self.world.items[number]
            if below.state == before:
                below.state = state

    def move(self, item: Item, group: Group, user_id: int) -> None:
        if item.group_id == group.id:
            return
        board, source = self.world.board_of(item), item.group_id
        self.world.remember(item.id, item)
        self.log(board, "move_pulse_from_group", "pulse", {**events.place(board, item), "pulse_name": item.name}, user_id)
        item.group_id, item.position = group.id, self._bottom(board, group.id)
        self.touch(item, user_id, self.world.clock.now())
        self.log(board, "move_pulse_into_group", "pulse", {
            **events.place(board, item), "pulse_name": item.name, "source_group_id": source,
            "dest_group_id": group.id}, user_id)
        self.deliveries.announce(events.moved(self.world, item, source, group, self.trigger(user_id)))

    def move_to_board(self, item: Item, board: Board, group: Group, cells: dict[str, Any], user_id: int) -> Item:
        """The id is kept, or not, as the switch says; then the old item is gone and a new one there."""
        source = self.world.board_of(item)
        self.world.remember(item.id, item)
        self.log(source, "move_pulse_from_board", "pulse", {**events.place(source, item), "pulse_name": item.name},
                 user_id)
        if not self.world.switches.moved_item_keeps_id:
            item.state = DELETED
            moved = new_item(self.world.new_id(), board.id, group.id, item.name, item.created_at, user_id,
                             self._bottom(board, group.id), cells=cells)
            self.world.add_item(board, moved)
        else:
            del source.items[item.id]
            item._cells, item.board_id, item.group_id = cells, board.id, group.id
            item.make, item.position, moved = None, self._bottom(board, group.id), item
            board.items[item.id] = item
        self.touch(moved, user_id, self.world.clock.now())
        source.updated_at = moved.updated_at
        self.log(board, "move_pulse_into_board", "pulse", {**events.place(board, moved), "pulse_name": moved.name},
                 user_id)
        self.deliveries.announce(events.moved_to_board(self.world, moved, source, group, self.trigger(user_id)))
        return moved

    # updates

    def post(self, item: Item, body: str, user_id: int, parent_id: int | None = None) -> Update:
        moment = self.world.clock.now()
        update = Update(self.world.new_id(), item.id, item.board_id, body, user_id, moment, moment, parent_id)
        self.world.updates[update.id] = update
        if self.world.switches.updates_move_items:
            self.touch(item, user_id, moment)
        self._tell_update("create_update", update, user_id)
        return update

    def edit_update(self, update: Update, body: str, user_id: int) -> None:
        update.body, update.updated_at = body, self.world.clock.now()
        self._tell_update("edit_update", update, user_id)

    def delete_update(self, update: Update, user_id: int) -> None:
        del self.world.updates[update.id]
        self._tell_update("delete_update", update, user_id)

    def _tell_update(self, event: str, update: Update, user_id: int) -> None:
        board = self.world.boards[update.board_id]
        self.log(board, event, "pulse", {"board_id": board.id, "pulse_id": update.item_id, "update_id": update.id},
                 user_id)
        self.deliveries.announce(events.update_posted(
            self.world, self.world.items[update.item_id], update, event, self.trigger(user_id)))

    # structure

    def add_column(self, board: Board, column: Column, user_id: int, after: str | None = None) -> Column:
        board.add_column(column)
        if after in board.columns:
            order = [c for c in board.columns if c != column.id]
            order.insert(order.index(after) + 1, column.id)
            board.columns = {c: board.columns[c] for c in order}
        self.log(board, "create_column", "board", {
            "board_id": board.id, "column_id": column.id, "column_title": column.title, "column_type": column.type},
            user_id)
        self.deliveries.announce(events.column_created(self.world, board, column, self.trigger(user_id)))
        return column

    def delete_column(self, board: Board, column: Column, user_id: int) -> None:
        del board.columns[column.id]
        for item in board.items.values():
            if item.make is None:
                item.cells.pop(column.id, None)
        self.log(board, "delete_column", "board", {"board_id": board.id, "column_id": column.id,
                                                   "column_title": column.title}, user_id)

    def add_labels(self, board: Board, new_labels: list[tuple[Column, Label]], user_id: int) -> None:
        for column, label in new_labels:
            column.labels.append(label)
            column.revision += 1
            self.log(board, "change_column_settings", "board", {"board_id": board.id, "column_id": column.id}, user_id)

    def touch(self, item: Item, user_id: int, moment: float) -> None:
        item.updated_at, item.updater_id = moment, user_id
        self.world.board_of(item).updated_at = moment

    def trigger(self, user_id: int) -> events.Trigger:
        return events.Trigger(self.world.new_uuid().replace("-", ""), None, user_id, self.world.clock.now())

    def log(self, board: Board, event: str, entity: str, data: dict[str, Any], user_id: int,
            moment: float | None = None) -> None:
        now = moment or self.world.clock.now()
        board.log.append(LogEntry(self.world.new_uuid(), event, entity, data, user_id, now))
        board.updated_at = max(board.updated_at, now)
