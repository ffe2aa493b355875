"""Resolves items, their cells and their files."""

from __future__ import annotations

import random

from sandbox.common.clock import iso
from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import ACTIVE, Asset, Group, Item, Update, User
from sandbox.monday.graph.call import Id, Info, number, numbers
from sandbox.monday.graph.selection import Steps
from sandbox.monday.resolvers.fields import Fields
from sandbox.monday.resolvers.people import user_by
from sandbox.monday.resolvers.updates import updates_where


def column_values(
    item: Item, info: Info, ids: list[str] | None = None, types: list[str] | None = None, **_: object
) -> list[JsonObject]:
    call = info.context
    cells = call.cells(item, ids, types)
    fault = call.has_fault("drop_cell")
    if fault:
        gone = fault.settings.get("column_id")
        cells = [cell for cell in cells if cell.column.id != gone] if gone else cells[:-1]
    path: Steps = info.path.as_list() if info.path is not None else ["column_values"]
    return call.selection(info.variable_values).cells(info.field_nodes, cells, path)


def group_of(item: Item, info: Info) -> Group | None:
    return info.context.world.board_of(item).groups.get(item.group_id)


def parent_of(item: Item, info: Info) -> Item | None:
    return info.context.world.items.get(item.parent_id or 0)


def subitems(item: Item, info: Info) -> list[Item]:
    found = (info.context.world.items.get(id) for id in item.subitem_ids or ())
    return [subitem for subitem in found if subitem is not None and subitem.state == ACTIVE]


def linked_items(item: Item, info: Info, link_to_item_column_id: str, linked_board_id: Id) -> list[Item]:
    found = (info.context.world.items.get(id) for id in item.cells.get(link_to_item_column_id) or ())
    return [linked for linked in found if linked is not None and linked.board_id == number(linked_board_id)]


def assets_of(item: Item, info: Info, **_: object) -> list[Asset]:
    world = info.context.world
    columns = (column for column in world.board_of(item).columns.values() if column.type == "file")
    files = (file for column in columns for file in item.cells.get(column.id) or ())
    return [world.assets[file["assetId"]] for file in files if file.get("assetId") in world.assets]


def subscribers(item: Item, info: Info) -> list[User]:
    creator = info.context.world.users.get(item.creator_id)
    return [creator] if creator else []


def url_of(item: Item, info: Info) -> str:
    return f"{info.context.world.account.url}/boards/{item.board_id}/pulses/{item.id}"


def updates_of(item: Item, info: Info, limit: int = 25, page: int = 1, ids: list[Id] | None = None) -> list[Update]:
    return updates_where(info, lambda update: update.item_id == item.id, limit, page, ids)


def assets(root: None, info: Info, ids: list[Id]) -> list[Asset]:
    known = info.context.world.assets
    return [known[id] for id in numbers(ids) or () if id in known]


def asset_url(asset: Asset, info: Info) -> str:
    return f"{info.context.world.account.url}/protected_static/{asset.id}"


def signed_url(asset: Asset, info: Info) -> str:
    """Makes an address that is another one in each request."""
    return f"https://files.example.com/{asset.id}/{asset.name}?sig={random.Random(info.context.request_id).random()}"


ITEM_FIELDS: Fields = {
    "Query": {"assets": assets},
    "Item": {
        "id": lambda item, info: str(item.id),
        "name": lambda item, info: item.name,
        "state": lambda item, info: item.state,
        "created_at": lambda item, info: iso(item.created_at),
        "updated_at": lambda item, info: iso(item.updated_at),
        "creator_id": lambda item, info: str(item.creator_id),
        "creator": user_by(lambda item: item.creator_id),
        "board": lambda item, info: info.context.world.board_of(item),
        "group": group_of,
        "parent_item": parent_of,
        "subitems": subitems,
        "column_values": column_values,
        "linked_items": linked_items,
        "assets": assets_of,
        "updates": updates_of,
        "subscribers": subscribers,
        "url": url_of,
        "relative_link": lambda item, info: f"/boards/{item.board_id}/pulses/{item.id}",
        "email": lambda item, info: f"pulse-{item.id}@example.com",
    },
    "Asset": {
        "id": lambda asset, info: str(asset.id),
        "created_at": lambda asset, info: iso(asset.created_at),
        "uploaded_by": user_by(lambda asset: asset.uploaded_by),
        "public_url": signed_url,
        "url": asset_url,
    },
}
