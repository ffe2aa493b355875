"""Carries out the mutations of columns."""

from __future__ import annotations

import re

from sandbox.monday.account.models import Column, Label
from sandbox.monday.account.new_columns import DEFAULT_STATUS, status_labels
from sandbox.monday.changes.checks import decoded
from sandbox.monday.errors import bad_argument
from sandbox.monday.graph.call import Id, Info
from sandbox.monday.resolvers.access import board_for, column_on
from sandbox.monday.resolvers.board_writes import unused
from sandbox.monday.resolvers.fields import Fields

COLUMN_ID = re.compile(r"[a-z][a-z0-9_]{0,19}\Z")
NOT_CREATED = ("name", "subtasks", "unsupported")


def create_column(
    root: None,
    info: Info,
    board_id: Id,
    title: str,
    column_type: str,
    id: str | None = None,
    description: str | None = None,
    defaults: str | None = None,
    after_column_id: str | None = None,
) -> Column:
    call = info.context
    board = board_for(call, board_id)
    # An id is never given twice, also after the column was deleted.
    if id is not None and (not COLUMN_ID.match(id) or id in board.used_column_ids):
        raise bad_argument(f"Column id {id!r} is invalid or was used on this board before", column_id=id)
    if column_type in NOT_CREATED:
        raise bad_argument(f"Column type {column_type} can't be created", column_type=column_type)
    column_id = id or unused(f"{column_type}_mk", board.used_column_ids)
    made = Column(column_id, title, column_type, description=description)
    take_defaults(made, decoded(defaults, "defaults") or {})
    return call.service.boards.add_column(board, made, call.user.id, after_column_id)


def take_defaults(column: Column, defaults: object) -> None:
    if not isinstance(defaults, dict):
        raise bad_argument("defaults must be a JSON object")
    labels = defaults.pop("labels", None)
    column.settings = dict(defaults.pop("settings", None) or defaults)
    if column.type == "status":
        column.labels = labels_from(labels) if labels else status_labels(DEFAULT_STATUS)
    elif column.type == "dropdown":
        column.labels = labels_from(labels or column.settings.pop("labels", None) or [])


def labels_from(sent: object) -> list[Label]:
    """Reads both shapes in use: the legacy dictionary of numbers and names, and the list of label objects."""
    if isinstance(sent, dict):
        return [Label(int(number), str(name)) for number, name in sent.items()]
    entries = sent if isinstance(sent, list) else []
    return [
        Label(int(entry.get("id", number)), str(entry.get("label") or entry.get("name") or ""))
        for number, entry in enumerate(entries, start=1)
    ]


def delete_column(root: None, info: Info, board_id: Id, column_id: str) -> Column:
    call = info.context
    board = board_for(call, board_id)
    column = column_on(board, column_id)
    if column.type == "name":
        raise bad_argument("The name column can't be deleted", column_id=column.id)
    call.service.boards.delete_column(board, column, call.user.id)
    return column


def change_title(root: None, info: Info, board_id: Id, column_id: str, title: str) -> Column:
    return change_metadata(root, info, board_id, column_id, "title", title)


def change_metadata(
    root: None,
    info: Info,
    board_id: Id,
    column_id: str,
    column_property: str | None = None,
    value: str | None = None,
) -> Column:
    call = info.context
    board = board_for(call, board_id)
    column = column_on(board, column_id)
    setattr(column, column_property or "title", value or "")
    column.revision += 1
    shown = {"column_id": column.id, "column_title": column.title}
    call.service.boards.log(board, "update_column_name", call.user.id, **shown)
    return column


COLUMN_WRITES: Fields = {
    "Mutation": {
        "create_column": create_column,
        "delete_column": delete_column,
        "change_column_title": change_title,
        "change_column_metadata": change_metadata,
    },
}
