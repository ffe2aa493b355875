"""Carries out what a change of an item does, by any user: cells, `updated_at`, activity log, webhooks, automations."""

from __future__ import annotations

from msgspec import Struct, field

from sandbox.monday.account.models import (
    ACTIVE,
    ARCHIVED,
    DELETED,
    POSITION_STEP,
    Automation,
    Board,
    Cells,
    Column,
    Datum,
    Group,
    Item,
)
from sandbox.monday.account.world import World
from sandbox.monday.cells.kinds import cell_of
from sandbox.monday.changes import events
from sandbox.monday.changes.automations import Automations
from sandbox.monday.changes.events import CellChange, Trigger
from sandbox.monday.changes.news import News

ITEMS_TO_LOOK_THROUGH = 2_000
STATE_EVENTS = {ACTIVE: "restore_pulse", ARCHIVED: "archive_pulse", DELETED: "delete_pulse"}


class NewItem(Struct, frozen=True):
    """Holds an item to be created. Without a position it goes to the end of its group."""

    name: str
    group_id: str
    cells: Cells = field(default_factory=dict)
    parent: Item | None = None
    position: float | None = None


class ItemEdits:
    def __init__(self, world: World, news: News, automations: Automations | None) -> None:
        self._world, self._news, self._automations = world, news, automations

    # cells and names

    def change(self, item: Item, changes: Cells, user_id: int) -> None:
        """Sets cells (None clears)."""
        self._change(item, changes, user_id, None, self._world.clock.now())

    def apply(self, automation: Automation, item: Item, cause: str) -> None:
        """Sets the cell of an automation, a millisecond later than now."""
        changes, later = {automation.set_column_id: automation.datum}, self._world.clock.now() + 0.001
        self._change(item, changes, automation.user_id, cause, later)

    def _change(self, item: Item, changes: Cells, user_id: int, cause: str | None, moment: float) -> None:
        board = self._world.board_of(item)
        self._world.remember(item.id, item)
        for column_id, datum in changes.items():
            # A value that is there already is no news, unless the switch says so.
            if item.cells.get(column_id) != datum or self._world.switches.same_value_is_news:
                change = self._set_cell(item, board.columns[column_id], datum, moment)
                touch(self._world, item, user_id, moment)
                trigger = Trigger(self._news.new_trigger_uuid(), cause, user_id, moment)
                self._report_cell(board, change, trigger)

    def _set_cell(self, item: Item, column: Column, datum: Datum, moment: float) -> CellChange:
        before = self._event_value(item, column)
        if datum is None:
            item.cells.pop(column.id, None)
        else:
            item.cells[column.id] = datum
        item.mark(column.id, moment)
        return CellChange(item, column, self._event_value(item, column), before)

    def _report_cell(self, board: Board, change: CellChange, trigger: Trigger) -> None:
        item, column = change.item, change.column
        data = {
            **events.place(board, item),
            "pulse_name": item.name,
            "column_id": column.id,
            "column_type": events.internal(column),
            "column_title": column.title,
            "value": change.value,
            "previous_value": change.before,
            "is_column_with_hide_permissions": False,
            "is_undo_action": None,
        }
        self._news.log(board, "update_column_value", "pulse", data, trigger.user_id, trigger.moment)
        self._news.announce(events.cell_changed(self._world, change, trigger))
        self._automate(item, column.id, trigger.uuid)

    def _event_value(self, item: Item, column: Column) -> object:
        viewer = self._world.users.get(item.creator_id) or self._world.owner()
        cell = cell_of(self._world, viewer, item, column)
        return None if cell.datum is None else cell.kind.event(cell)

    def _automate(self, item: Item, column_id: str, cause: str) -> None:
        if self._automations is not None:
            self._automations.after_change(item, column_id, cause)

    def rename(self, item: Item, name: str, user_id: int) -> None:
        if name == item.name and not self._world.switches.same_value_is_news:
            return
        board, before, moment = self._world.board_of(item), item.name, self._world.clock.now()
        self._world.remember(item.id, item)
        item.name = name
        touch(self._world, item, user_id, moment)
        data = {**events.place(board, item), "value": {"name": name}, "previous_value": {"name": before}}
        self._news.log(board, "update_name", "pulse", data, user_id)
        self._news.announce(events.renamed(self._world, item, before, self._news.trigger(user_id)))

    # items

    def create(self, board: Board, new: NewItem, user_id: int) -> Item:
        moment, parent = self._world.clock.now(), new.parent
        position = new.position if new.position is not None else end_of(board, new.group_id)
        item = Item(
            id=self._world.new_id(),
            board_id=board.id,
            group_id=new.group_id,
            name=new.name,
            created_at=moment,
            updated_at=moment,
            creator_id=user_id,
            updater_id=user_id,
            position=position,
            parent_id=parent.id if parent else None,
            stored={column_id: datum for column_id, datum in new.cells.items() if datum is not None},
        )
        self._world.remember(item.id, None)
        self._world.add_item(board, item)
        board.updated_at = moment
        self._report_created(board, item, parent, user_id)
        for column_id in item.cells:
            self._automate(item, column_id, self._news.new_trigger_uuid())
        return item

    def _report_created(self, board: Board, item: Item, parent: Item | None, user_id: int) -> None:
        group = board.groups[item.group_id]
        values = {column_id: self._event_value(item, board.columns[column_id]) for column_id in item.cells}
        data = {
            **events.place(board, item),
            "group_name": group.title,
            "group_color": group.color,
            "pulse_name": item.name,
            "column_values_json": "{}",
        }
        self._news.log(board, "create_pulse", "pulse", data, user_id)
        if parent is not None:
            parent.subitem_ids = [*(parent.subitem_ids or []), item.id]
        self._news.announce(events.created(self._world, item, values, self._news.trigger(user_id)))

    def set_state(self, item: Item, state: str, user_id: int) -> None:
        """Archives, deletes or restores an item; its subitems go along."""
        before = item.state
        if before == state:
            return
        board, moment = self._world.board_of(item), self._world.clock.now()
        self._world.remember(item.id, item)
        item.state = state
        # archived or deleted by this user
        if state != ACTIVE:
            item.updated_at, item.updater_id = moment, user_id
        elif item.group_id not in board.groups or board.groups[item.group_id].state != ACTIVE:
            # restored as it was, but its group is gone
            item.group_id = board.top_group().id
        board.updated_at = moment
        data = {**events.place(board, item), "item_id": item.id, "item_name": item.name, "pulse_name": item.name}
        self._news.log(board, STATE_EVENTS[state], "pulse", data, user_id)
        self._news.announce(events.state_changed(self._world, item, before, self._news.trigger(user_id)))
        # Only subitems in the same state go along.
        for number in item.subitem_ids or ():
            subitem = self._world.items[number]
            if subitem.state == before:
                subitem.state = state

    def move(self, item: Item, group: Group, user_id: int) -> None:
        if item.group_id == group.id:
            return
        board, source = self._world.board_of(item), item.group_id
        self._world.remember(item.id, item)
        leaving = {**events.place(board, item), "pulse_name": item.name}
        self._news.log(board, "move_pulse_from_group", "pulse", leaving, user_id)
        item.group_id, item.position = group.id, end_of(board, group.id)
        touch(self._world, item, user_id, self._world.clock.now())
        groups = {"source_group_id": source, "dest_group_id": group.id}
        arriving = {**events.place(board, item), "pulse_name": item.name, **groups}
        self._news.log(board, "move_pulse_into_group", "pulse", arriving, user_id)
        self._news.announce(events.moved(self._world, item, source, group, self._news.trigger(user_id)))

    def move_to_board(self, item: Item, board: Board, group: Group, cells: Cells, user_id: int) -> Item:
        source = self._world.board_of(item)
        self._world.remember(item.id, item)
        leaving = {**events.place(source, item), "pulse_name": item.name}
        self._news.log(source, "move_pulse_from_board", "pulse", leaving, user_id)
        moved = self._moved(item, board, group, cells, user_id)
        touch(self._world, moved, user_id, self._world.clock.now())
        source.updated_at = moved.updated_at
        arriving = {**events.place(board, moved), "pulse_name": moved.name}
        self._news.log(board, "move_pulse_into_board", "pulse", arriving, user_id)
        trigger = self._news.trigger(user_id)
        self._news.announce(events.moved_to_board(self._world, moved, source, group, trigger))
        return moved

    def _moved(self, item: Item, board: Board, group: Group, cells: Cells, user_id: int) -> Item:
        # the same item, on the other board
        if self._world.switches.moved_item_keeps_id:
            del self._world.board_of(item).items[item.id]
            item.stored, item.make = cells, None
            item.board_id, item.group_id, item.position = board.id, group.id, end_of(board, group.id)
            board.items[item.id] = item
            return item
        # the old item is deleted, and a new one is made there
        item.state = DELETED
        copy = Item(
            id=self._world.new_id(),
            board_id=board.id,
            group_id=group.id,
            name=item.name,
            created_at=item.created_at,
            updated_at=item.created_at,
            creator_id=user_id,
            updater_id=user_id,
            position=end_of(board, group.id),
            stored=cells,
        )
        return self._world.add_item(board, copy)


def touch(world: World, item: Item, user_id: int, moment: float) -> None:
    """Notes the user and the time of a change; the board counts as changed with its item."""
    item.updated_at, item.updater_id = moment, user_id
    world.board_of(item).updated_at = moment


def end_of(board: Board, group_id: str) -> float:
    """Finds the position after the last item of a group; of a long board, after the last item of all."""
    # too many to look through at every create
    if len(board.items) >= ITEMS_TO_LOOK_THROUGH:
        return board.next_position()
    positions = (item.position for item in board.items.values() if item.group_id == group_id)
    return POSITION_STEP + max(positions, default=0.0)
