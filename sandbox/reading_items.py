"""Resolvers of items, groups, columns, pages, updates and assets."""

from __future__ import annotations

import random
import re
from typing import Any

from sandbox.call import Call, number, numbers
from sandbox.clock import iso
from sandbox.errors import Refusal, bad_argument
from sandbox.listings import visible_board
from sandbox.models import ACTIVE, DELETED, Board, Group, Item, Update
from sandbox.settings_view import legacy_settings_of, settings_of

ITEMS_BY_ID = 100
UPDATES_PER_PAGE = 100


def call_of(info: Any) -> Call:
    return info.context


def paged(rows: list[Any], limit: int, page: int, most: int, newest: bool = False) -> list[Any]:
    if not 1 <= limit <= most:
        raise bad_argument(f"limit must be between 1 and {most}", limit=limit)
    if page < 1:
        raise bad_argument("page must be positive", page=page)
    return rows[(page - 1) * limit:page * limit]


# items

def items(_: Any, info: Any, ids: list[Any] | None = None, limit: int = 25, page: int = 1,
          exclude_nonactive: bool = False, newest_first: bool = False) -> list[Item]:
    """Archived and deleted items too, unless they are excluded. The order is the store's, not that of the ids."""
    call = call_of(info)
    if ids is None:
        raise bad_argument("ids is required")
    if len(ids) > ITEMS_BY_ID:
        raise bad_argument(f"ids can contain up to {ITEMS_BY_ID} ids")
    hidden = call.hidden_boards()
    found = (call.world.items.get(n) for n in sorted(set(numbers(ids) or ()), reverse=newest_first))
    rows = [i for i in found if i and i.board_id not in hidden and (i.state == ACTIVE or not exclude_nonactive)]
    return thinned(call, {"items": paged(rows, limit, page, ITEMS_BY_ID), "cursor": None})["items"]


def board_page(board: Board, info: Any, limit: int, cursor: str | None = None,
               query_params: dict[str, Any] | None = None, **_: Any) -> dict[str, Any]:
    return page_of(call_of(info), board, None, limit, cursor, query_params)


def group_page(group: Group, info: Any, limit: int, cursor: str | None = None,
               query_params: dict[str, Any] | None = None, **_: Any) -> dict[str, Any]:
    call = call_of(info)
    board = next(b for b in call.world.boards.values() if b.groups.get(group.id) is group)
    return page_of(call, board, group.id, limit, cursor, query_params)


def page_of(call: Call, board: Board, group_id: str | None, limit: int, cursor: str | None,
            params: dict[str, Any] | None) -> dict[str, Any]:
    guard_size(call, limit)
    if cursor is not None:
        if params is not None:
            raise bad_argument("You can't use cursor and query_params together")
        return thinned(call, call.service.listings.next_page(call.user, cursor, limit))
    return thinned(call, call.service.listings.first_page(call.user, board, limit, params, group_id))


def next_page(_: Any, info: Any, cursor: str, limit: int) -> dict[str, Any]:
    call = call_of(info)
    guard_size(call, limit)
    return thinned(call, call.service.listings.next_page(call.user, cursor, limit))


def page_by_values(_: Any, info: Any, board_id: Any, limit: int, columns: list[dict[str, Any]] | None = None,
                   cursor: str | None = None, **__: Any) -> dict[str, Any]:
    call = call_of(info)
    if (columns is None) == (cursor is None):
        raise bad_argument("Exactly one of columns and cursor is needed")
    board = visible_board(call.world, number(board_id), call.hidden_boards())
    if cursor is not None:
        return next_page(_, info, cursor, limit)
    guard_size(call, limit)
    return thinned(call, call.service.listings.page_by_values(board, call.user, limit, columns or []))


def guard_size(call: Call, limit: int) -> None:
    fault = call.has_fault("fail_above")
    if fault and limit > int(fault.settings["above"]):
        raise Refusal(504, "<html><head><title>504 Gateway Time-out</title></head></html>")


def thinned(call: Call, page: dict[str, Any]) -> dict[str, Any]:
    """Listings that lie: what the faults of this request leave out of a page."""
    if call.has_fault("empty_listing"):
        return {"cursor": None, "items": []}
    if call.has_fault("drop_page"):
        return {**page, "items": []}
    fault = call.has_fault("drop_item")
    if fault and page["items"]:
        gone = fault.settings.get("item_id")
        keep = [i for i in page["items"] if str(i.id) != str(gone)]
        return {**page, "items": keep if gone else page["items"][:-1]}
    return page


def column_values(item: Item, info: Any, ids: list[str] | None = None, types: list[str] | None = None,
                  capabilities: Any = None) -> list[dict[str, Any]]:
    call = call_of(info)
    cells = call.cells(item, ids, types)
    fault = call.has_fault("drop_cell")
    if fault:
        gone = fault.settings.get("column_id")
        cells = [c for c in cells if c.column.id != gone] if gone else cells[:-1]
    path = info.path.as_list() if info.path is not None else ["column_values"]
    return call.selection(info.variable_values).cells(info.field_nodes, cells, path)


def subitems(item: Item, info: Any) -> list[Item] | None:
    found = (call_of(info).world.items.get(n) for n in item.subitem_ids or ())
    return [i for i in found if i is not None and i.state == ACTIVE]


def linked_items(item: Item, info: Any, link_to_item_column_id: str, linked_board_id: Any) -> list[Item]:
    found = (call_of(info).world.items.get(n) for n in item.cells.get(link_to_item_column_id) or ())
    return [i for i in found if i is not None and i.board_id == number(linked_board_id)]


def item_assets(item: Item, info: Any, **_: Any) -> list[Any]:
    call = call_of(info)
    files = [f for c in call.world.boards[item.board_id].columns.values() if c.type == "file"
             for f in item.cells.get(c.id) or ()]
    return [call.world.assets[f["assetId"]] for f in files if f.get("assetId") in call.world.assets]


def item_url(item: Item, info: Any) -> str:
    return f"https://{call_of(info).world.account.slug}.monday.com/boards/{item.board_id}/pulses/{item.id}"


def item_updates(item: Item, info: Any, limit: int = 25, page: int = 1, ids: list[Any] | None = None) -> list[Update]:
    return updates_where(call_of(info), lambda u: u.item_id == item.id, limit, page, ids)


def updates_where(call: Call, test: Any, limit: int, page: int, ids: list[Any] | None = None) -> list[Update]:
    wanted = numbers(ids)
    rows = [u for u in call.world.updates.values()
            if u.parent_id is None and test(u) and (wanted is None or u.id in wanted)]
    rows.sort(key=lambda u: (u.created_at, u.id), reverse=True)
    return paged(rows, limit, page, UPDATES_PER_PAGE)


def user_by(number_of: Any) -> Any:
    return lambda source, info: call_of(info).world.users.get(number_of(source))


def plain_text(html: str) -> str:
    return re.sub(r"<[^>]*>", "", html)


def update_fields(kind: str | None = None) -> dict[str, Any]:
    return {
        "id": lambda u, i: str(u.id), "item_id": lambda u, i: str(u.item_id), "body": lambda u, i: u.body,
        "text_body": lambda u, i: plain_text(u.body), "creator_id": lambda u, i: str(u.creator_id),
        "creator": user_by(lambda u: u.creator_id), "created_at": lambda u, i: iso(u.created_at),
        "updated_at": lambda u, i: iso(u.updated_at), "edited_at": lambda u, i: iso(u.updated_at),
        "item": lambda u, i: call_of(i).world.items.get(u.item_id), "assets": lambda u, i: [],
        "replies": lambda u, i: [r for r in call_of(i).world.updates.values() if r.parent_id == u.id],
        "kind": lambda u, i: "reply",
    }


def asset_link(asset: dict[str, Any], info: Any) -> str:
    call = call_of(info)
    return f"https://files.example.com/{asset['id']}/{asset['name']}?sig={random.Random(call.request_id).random()}"


ITEM_FIELDS: dict[str, dict[str, Any]] = {
    "Item": {
        "id": lambda x, i: str(x.id), "name": lambda x, i: x.name, "state": lambda x, i: x.state,
        "created_at": lambda x, i: iso(x.created_at), "updated_at": lambda x, i: iso(x.updated_at),
        "creator_id": lambda x, i: str(x.creator_id), "creator": user_by(lambda x: x.creator_id),
        "board": lambda x, i: call_of(i).world.boards[x.board_id],
        "group": lambda x, i: call_of(i).world.boards[x.board_id].groups.get(x.group_id),
        "parent_item": lambda x, i: call_of(i).world.items.get(x.parent_id or 0),
        "subitems": subitems, "column_values": column_values, "linked_items": linked_items, "assets": item_assets,
        "updates": item_updates, "subscribers": lambda x, i: [u for u in [call_of(i).world.users.get(x.creator_id)] if u],
        "url": item_url, "relative_link": lambda x, i: f"/boards/{x.board_id}/pulses/{x.id}",
        "email": lambda x, i: f"pulse-{x.id}@example.com",
    },
    "Column": {
        "type": lambda c, i: c.type, "archived": lambda c, i: False, "settings": lambda c, i: settings_of(c),
        "settings_str": lambda c, i: legacy_settings_of(c), "revision": lambda c, i: str(c.revision),
        "capabilities": lambda c, i: {"visibility": None},
    },
    "Group": {
        "archived": lambda g, i: g.state == "archived", "deleted": lambda g, i: g.state == DELETED,
        "position": lambda g, i: f"{g.position:.1f}", "items_page": group_page,
    },
    "Update": update_fields(), "Reply": update_fields(),
    "Asset": {
        "id": lambda a, i: str(a["id"]), "created_at": lambda a, i: iso(a["created_at"]),
        "uploaded_by": lambda a, i: call_of(i).world.users.get(a["uploaded_by"]), "public_url": asset_link,
        "url": lambda a, i: f"https://{call_of(i).world.account.slug}.monday.com/protected_static/{a['id']}",
    },
    "Query": {
        "items": items, "next_items_page": next_page, "items_page_by_column_values": page_by_values,
        "updates": lambda _, i, limit=25, page=1, ids=None, from_date=None, to_date=None: updates_where(
            call_of(i), lambda u: True, limit, page, ids),
        "assets": lambda _, i, ids: [a for n in numbers(ids) or () if (a := call_of(i).world.assets.get(n))],
    },
}
ITEM_FIELDS["Update"].pop("kind")
for _gone in ("item_id", "item", "replies", "assets"):
    ITEM_FIELDS["Reply"].pop(_gone)
