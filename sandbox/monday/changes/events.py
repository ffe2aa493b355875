"""Makes the payloads of webhooks, member for member as they were recorded, and says which subscriptions each is for."""

from __future__ import annotations

from msgspec import Struct, field

from sandbox.common.clock import iso_ms
from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import ARCHIVED, DELETED, Board, Column, Group, Item, Update
from sandbox.monday.account.world import World
from sandbox.monday.cells.kinds import kind_of


class Trigger(Struct, frozen=True):
    """Says what set an event off: by which user and when, and which event before it, if an automation did."""

    uuid: str
    cause: str | None
    user_id: int
    moment: float


class Announcement(Struct, frozen=True):
    """Holds one thing that happened, for the subscriptions of `board_id` to any of `events`."""

    board_id: int
    events: tuple[str, ...]
    payload: JsonObject
    facts: JsonObject = field(default_factory=dict)


class CellChange(Struct, frozen=True):
    """Holds a changed cell, with its value before and after as events show it."""

    item: Item
    column: Column
    value: object
    before: object


def place(board: Board, item: Item) -> JsonObject:
    """Says where an item is, for the activity log."""
    return {
        "board_id": board.id,
        "group_id": item.group_id,
        "pulse_id": item.id,
        "is_top_group": board.top_group().id == item.group_id,
    }


def internal(column: Column) -> str:
    return kind_of(column.type).internal


def payload(type: str, trigger: Trigger, with_cause: bool = True, **members: object) -> JsonObject:
    found: JsonObject = {
        "app": "monday",
        "type": type,
        "triggerTime": iso_ms(trigger.moment),
        "subscriptionId": None,
        "isRetry": False,
        "userId": trigger.user_id,
    }
    if with_cause:
        found["originalTriggerUuid"] = trigger.cause
    return {**found, **members, "triggerUuid": trigger.uuid}


def parent_as_text(world: World, item: Item) -> JsonObject:
    """Names the parent of a subitem; in create, rename, change and update events its ids are strings."""
    if item.parent_id is None:
        return {}
    return {"parentItemId": str(item.parent_id), "parentItemBoardId": str(world.items[item.parent_id].board_id)}


def heard_on(world: World, item: Item) -> int:
    """Finds the board whose subscriptions hear of an item: subitems are heard on the parent's board."""
    return item.board_id if item.parent_id is None else world.items[item.parent_id].board_id


def is_top(world: World, item: Item) -> bool:
    return world.boards[item.board_id].top_group().id == item.group_id


def created(world: World, item: Item, values: JsonObject, trigger: Trigger) -> list[Announcement]:
    group = world.boards[item.board_id].groups[item.group_id]
    body = payload(
        "create_pulse",
        trigger,
        boardId=item.board_id,
        pulseId=item.id,
        pulseName=item.name,
        groupId=group.id,
        groupName=group.title,
        groupColor=group.color,
        isTopGroup=is_top(world, item),
        columnValues=values,
    )
    body |= parent_as_text(world, item)
    # an item of the board itself
    if item.parent_id is None:
        return [Announcement(item.board_id, ("create_item",), body)]
    body["itemId"] = item.id
    return [Announcement(heard_on(world, item), ("create_subitem",), body), subitem_linked(world, item, trigger)]


def subitem_linked(world: World, item: Item, trigger: Trigger) -> Announcement:
    """Makes the second event of a new subitem: the subitems column of its parent changed."""
    parent = world.items[item.parent_id or 0]
    column = world.boards[parent.board_id].subtasks_column()
    stamp = iso_ms(trigger.moment)[:19].replace("T", " ") + " +0000"
    linked = [{"linkedPulseId": number} for number in parent.subitem_ids or ()]
    # the parent's board has no such column
    if column is None:
        return Announcement(parent.board_id, (), {})
    change = CellChange(parent, column, {"linkedPulseIds": linked, "changed_at": stamp}, {})
    return Announcement(parent.board_id, ("change_column_value",), cell_payload(world, change, trigger))


def cell_payload(world: World, change: CellChange, trigger: Trigger) -> JsonObject:
    item, column = change.item, change.column
    body = payload(
        "update_column_value",
        trigger,
        boardId=item.board_id,
        groupId=item.group_id,
        pulseId=item.id,
        pulseName=item.name,
        columnId=column.id,
        columnType=internal(column),
        columnTitle=column.title,
        value=change.value,
        previousValue=change.before,
        changedAt=trigger.moment,
        isTopGroup=is_top(world, item),
    )
    return body | parent_as_text(world, item)


def cell_changed(world: World, change: CellChange, trigger: Trigger) -> list[Announcement]:
    item, column, body = change.item, change.column, cell_payload(world, change, trigger)
    if item.parent_id is not None:
        return [Announcement(heard_on(world, item), ("change_subitem_column_value",), body)]
    names = ["change_column_value", "change_specific_column_value"]
    index = None
    if column.type == "status":
        names.append("change_status_column_value")
        index = change.value["label"]["index"] if isinstance(change.value, dict) else None
    return [Announcement(item.board_id, tuple(names), body, {"columnId": column.id, "index": index})]


def renamed(world: World, item: Item, before: str, trigger: Trigger) -> list[Announcement]:
    body = payload(
        "update_name",
        trigger,
        boardId=item.board_id,
        groupId=item.group_id,
        pulseId=item.id,
        value={"name": item.name},
        previousValue={"name": before},
    )
    name = "change_name" if item.parent_id is None else "change_subitem_name"
    return [Announcement(heard_on(world, item), (name,), body | parent_as_text(world, item))]


def state_changed(world: World, item: Item, before: str, trigger: Trigger) -> list[Announcement]:
    # active again
    if item.state not in (ARCHIVED, DELETED):
        return restored(item, before, trigger)
    type, what = ("archive_pulse", "archived") if item.state == ARCHIVED else ("delete_pulse", "deleted")
    body = payload(type, trigger, boardId=item.board_id, itemId=item.id, itemName=item.name)
    if item.parent_id is None:
        return [Announcement(item.board_id, (f"item_{what}",), body)]
    parent = world.items[item.parent_id]
    uuid = body.pop("triggerUuid")
    body |= {"parentBoardId": parent.board_id, "parentItemId": parent.id, "triggerUuid": uuid, "pulseId": item.id}
    return [Announcement(parent.board_id, (f"subitem_{what}",), body)]


def restored(item: Item, before: str, trigger: Trigger) -> list[Announcement]:
    """Makes the event of a restored item; there is none for a restored subitem."""
    if item.parent_id is not None:
        return []
    body = payload(
        "restore_pulse",
        trigger,
        with_cause=False,
        value={"state": 1, "is_undo": True},
        previousValue={"state": 2 if before == ARCHIVED else 3},
        boardId=item.board_id,
        itemId=item.id,
        itemName=item.name,
    )
    return [Announcement(item.board_id, ("item_restored",), body)]


def destination(world: World, item: Item, group: Group) -> JsonObject:
    shown = {"id": group.id, "title": group.title, "color": group.color, "is_top_group": is_top(world, item)}
    return {"destGroupId": group.id, "destGroup": shown}


def moved(world: World, item: Item, source: str, group: Group, trigger: Trigger) -> list[Announcement]:
    body = payload(
        "move_pulse_into_group",
        trigger,
        boardId=item.board_id,
        pulseId=item.id,
        sourceGroupId=source,
        **destination(world, item, group),
    )
    names = ("item_moved_to_any_group", "item_moved_to_specific_group")
    return [Announcement(item.board_id, names, body, {"groupId": group.id})]


def moved_to_board(world: World, item: Item, source: Board, group: Group, trigger: Trigger) -> list[Announcement]:
    body = payload(
        "move_pulse_into_board",
        trigger,
        boardId=item.board_id,
        pulseId=item.id,
        sourceBoardId=source.id,
        destBoardId=item.board_id,
        **destination(world, item, group),
    )
    return [Announcement(item.board_id, ("item_moved_to_any_group",), body)]


def column_created(world: World, board: Board, column: Column, trigger: Trigger) -> list[Announcement]:
    body = payload(
        "create_column",
        trigger,
        with_cause=False,
        accountId=world.account.id,
        entity="board",
        boardId=board.id,
        columnId=column.id,
        columnTitle=column.title,
        columnType=internal(column),
        createdAt=trigger.moment,
        retryCount=0,
    )
    return [Announcement(board.id, ("create_column",), body)]


def update_posted(world: World, item: Item, update: Update, event: str, trigger: Trigger) -> list[Announcement]:
    is_reply = update.parent_id is not None
    body = payload(
        event,
        trigger,
        boardId=item.board_id,
        pulseId=item.id,
        body=update.body,
        textBody=update.plain_text(),
        updateId=update.parent_id if is_reply else update.id,
        replyId=update.id if is_reply else None,
    )
    body |= parent_as_text(world, item)
    if item.parent_id is None:
        return [Announcement(item.board_id, (event,), body)]
    return [Announcement(heard_on(world, item), ("create_subitem_update",), body)] if event == "create_update" else []
