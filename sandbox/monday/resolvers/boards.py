"""Resolves boards, and their groups and columns."""

from __future__ import annotations

from sandbox.common.clock import iso
from sandbox.monday.account.models import ACTIVE, DELETED, Board, Column, Group, Tag, Update, User, Workspace
from sandbox.monday.graph.call import Id, Info, numbers
from sandbox.monday.resolvers.activity_logs import activity_logs
from sandbox.monday.resolvers.column_settings import legacy_settings_of, settings_of
from sandbox.monday.resolvers.fields import Fields
from sandbox.monday.resolvers.pages import board_page, group_page
from sandbox.monday.resolvers.paging import paged
from sandbox.monday.resolvers.people import user_by
from sandbox.monday.resolvers.updates import updates_where

BOARDS_PER_PAGE = 500


def boards(
    root: None,
    info: Info,
    ids: list[Id] | None = None,
    limit: int | None = 25,
    page: int | None = 1,
    state: str | None = "active",
    board_kind: str | None = None,
    workspace_ids: list[Id] | None = None,
    order_by: str | None = None,
    hierarchy_types: list[str] | None = None,
    **_: object,
) -> list[Board]:
    """Leaves a board out, without an error, that the token cannot see."""
    wanted, hidden, spaces = numbers(ids), info.context.hidden_boards(), numbers(workspace_ids)
    rows = [
        board
        for board in info.context.world.boards.values()
        if board.id not in hidden
        and (wanted is None or board.id in wanted)
        and state in ("all", None, board.state)
        and (board_kind is None or board.kind == board_kind)
        and (spaces is None or board.workspace_id in spaces)
        and (hierarchy_types is None or "classic" in hierarchy_types)
    ]
    rows.sort(key=lambda board: board.updated_at if order_by == "used_at" else board.created_at, reverse=True)
    return paged(rows, 25 if limit is None else limit, page or 1, BOARDS_PER_PAGE)


def columns(
    board: Board, info: Info, ids: list[str] | None = None, types: list[str] | None = None, **_: object
) -> list[Column]:
    return [
        column
        for column in board.columns.values()
        if (ids is None or column.id in ids) and (types is None or column.type in types)
    ]


def groups(board: Board, info: Info, ids: list[str] | None = None) -> list[Group]:
    rows = [group for group in board.groups.values() if group.state == ACTIVE and (ids is None or group.id in ids)]
    return sorted(rows, key=lambda group: group.position)


def items_count(board: Board, info: Info) -> int:
    world = info.context.world
    # Counts lag behind like filtered reads.
    return len(world.listed(board, lagging=True)) if world.switches.lag_seconds else len(board.active_items())


def tags_of(board: Board, info: Info) -> list[Tag]:
    used = {
        tag_id
        for column in board.columns.values()
        if column.type == "tags"
        for item in board.items.values()
        for tag_id in item.cells.get(column.id) or ()
    }
    return [tag for tag in info.context.world.tags.values() if tag.id in used]


def updates_of(
    board: Board, info: Info, limit: int = 25, page: int = 1, ids: list[Id] | None = None, **_: object
) -> list[Update]:
    return updates_where(info, lambda update: update.board_id == board.id, limit, page, ids)


def url_of(board: Board, info: Info) -> str:
    return f"{info.context.world.account.url}/boards/{board.id}"


def owners(board: Board, info: Info) -> list[User]:
    return [info.context.world.users[board.creator_id]]


def workspace_of(board: Board, info: Info) -> Workspace | None:
    return info.context.world.workspaces.get(board.workspace_id or 0)


BOARD_FIELDS: Fields = {
    "Query": {"boards": boards},
    "Board": {
        "access_level": lambda board, info: "view" if board.protected else "edit",
        "activity_logs": activity_logs,
        "board_folder_id": lambda board, info: None,
        "board_kind": lambda board, info: board.kind,
        "columns": columns,
        "created_at": lambda board, info: iso(board.created_at),
        "creator": user_by(lambda board: board.creator_id),
        "description": lambda board, info: board.description,
        "groups": groups,
        "hierarchy_type": lambda board, info: "classic",
        "id": lambda board, info: str(board.id),
        "item_terminology": lambda board, info: "Item",
        "items_count": items_count,
        "items_page": board_page,
        "owners": owners,
        "permissions": lambda board, info: "everyone",
        "subscribers": owners,
        "tags": tags_of,
        "top_group": lambda board, info: board.top_group(),
        "updated_at": lambda board, info: iso(board.updated_at),
        "updates": updates_of,
        "url": url_of,
        "workspace": workspace_of,
        "workspace_id": lambda board, info: board.workspace_id and str(board.workspace_id),
    },
    "Column": {
        "type": lambda column, info: column.type,
        "archived": lambda column, info: False,
        "settings": lambda column, info: settings_of(column),
        "settings_str": lambda column, info: legacy_settings_of(column),
        "revision": lambda column, info: str(column.revision),
        "capabilities": lambda column, info: {"visibility": None},
    },
    "Group": {
        "archived": lambda group, info: group.state == "archived",
        "deleted": lambda group, info: group.state == DELETED,
        "position": lambda group, info: f"{group.position:.1f}",
        "items_page": group_page,
    },
}
