"""Resolves updates (posts on items) and their replies, and the mutations of both."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.common.clock import iso
from sandbox.monday.account.models import Item, Update
from sandbox.monday.errors import MondayError
from sandbox.monday.graph.call import Call, Id, Info, number, numbers
from sandbox.monday.resolvers.fields import Fields
from sandbox.monday.resolvers.paging import paged
from sandbox.monday.resolvers.people import user_by

UPDATES_PER_PAGE = 100


def updates_where(
    info: Info, test: Callable[[Update], bool], limit: int, page: int, ids: list[Id] | None = None
) -> list[Update]:
    """Lists a page of the updates that pass a test, the newest first, without the replies."""
    wanted = numbers(ids)
    rows = [
        update
        for update in info.context.world.updates.values()
        if update.parent_id is None and test(update) and (wanted is None or update.id in wanted)
    ]
    rows.sort(key=lambda update: (update.created_at, update.id), reverse=True)
    return paged(rows, limit, page, UPDATES_PER_PAGE)


def updates(
    root: None, info: Info, limit: int = 25, page: int = 1, ids: list[Id] | None = None, **_: object
) -> list[Update]:
    return updates_where(info, lambda update: True, limit, page, ids)


def replies(update: Update, info: Info) -> list[Update]:
    return [reply for reply in info.context.world.updates.values() if reply.parent_id == update.id]


def item_of(update: Update, info: Info) -> Item | None:
    return info.context.world.items.get(update.item_id)


# mutations


def find_update(call: Call, update_id: Id) -> Update:
    found = call.world.updates.get(number(update_id))
    if found is None:
        data = {"resource_type": "update", "update_id": number(update_id)}
        raise MondayError("ResourceNotFoundException", "Update not found", status=404, data=data)
    return found


def create_update(root: None, info: Info, body: str, item_id: Id | None = None, parent_id: Id | None = None) -> Update:
    call = info.context
    parent = find_update(call, parent_id) if parent_id is not None else None
    # A reply belongs to the item of its parent.
    item = call.item(parent.item_id if parent else item_id)
    return call.service.updates.post(item, body, call.user.id, parent.id if parent else None)


def edit_update(root: None, info: Info, id: Id, body: str) -> Update:
    call = info.context
    update = find_update(call, id)
    call.service.updates.edit(update, body, call.user.id)
    return update


def delete_update(root: None, info: Info, id: Id) -> Update:
    call = info.context
    update = find_update(call, id)
    call.service.updates.delete(update, call.user.id)
    return update


def clear_updates(root: None, info: Info, item_id: Id) -> Item:
    call = info.context
    item = call.item(item_id)
    for update in [update for update in call.world.updates.values() if update.item_id == item.id]:
        call.service.updates.delete(update, call.user.id)
    return item


POST_FIELDS = {
    "id": lambda update, info: str(update.id),
    "body": lambda update, info: update.body,
    "text_body": lambda update, info: update.plain_text(),
    "creator_id": lambda update, info: str(update.creator_id),
    "creator": user_by(lambda update: update.creator_id),
    "created_at": lambda update, info: iso(update.created_at),
    "updated_at": lambda update, info: iso(update.updated_at),
    "edited_at": lambda update, info: iso(update.updated_at),
}
UPDATE_FIELDS: Fields = {
    "Query": {"updates": updates},
    "Mutation": {
        "create_update": create_update,
        "edit_update": edit_update,
        "delete_update": delete_update,
        "clear_item_updates": clear_updates,
    },
    "Update": {
        **POST_FIELDS,
        "item_id": lambda update, info: str(update.item_id),
        "item": item_of,
        "assets": lambda update, info: [],
        "replies": replies,
    },
    "Reply": {**POST_FIELDS, "kind": lambda update, info: "reply"},
}
