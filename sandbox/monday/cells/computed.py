"""Reads cells that no client writes: mirror, formula, subitems, logs, ids, button, progress, integration."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from sandbox.common.clock import iso
from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import ACTIVE, Column, Group, Item, User
from sandbox.monday.account.world import World
from sandbox.monday.cells.kind import Cell, Field, Kind, no_value

FORMULA = re.compile(r"\{(\w+)\}\s*([*/+-])\s*(\d+(?:\.\d+)?)\Z")

CellOf: TypeAlias = Callable[[World, User, Item, Column], Cell]


def mirror_kind(cell_of: CellOf) -> Kind:
    """Makes the kind of a mirror, which shows cells of any other kind."""

    def text_of(cell: Cell, item: Item, column_ids: list[str]) -> str:
        columns = cell.world.boards[item.board_id].columns
        texts = (cell_of(cell.world, cell.user, item, columns[c]).text() for c in column_ids if c in columns)
        return ", ".join(text for text in texts if text)

    def display_value(cell: Cell) -> str:
        shown = shown_columns(cell.column)
        texts = (text_of(cell, item, shown.get(item.board_id, [])) for item in mirrored(cell))
        return ", ".join(text for text in texts if text)

    fields: dict[str, Field] = {"display_value": display_value, "mirrored_items": mirrored_items}
    return Kind(type="mirror", graphql="MirrorValue", internal="lookup", fields=fields)


def shown_columns(column: Column) -> dict[int, list[str]]:
    """Finds which columns a mirror shows, by the linked board."""
    shown = column.settings.get("displayed_linked_columns", [])
    return {int(entry["board_id"]): entry["column_ids"] for entry in shown}


def mirrored(cell: Cell) -> list[Item]:
    """Lists the items that the mirror's relation column links."""
    relation = next(iter(cell.column.settings.get("relation_column") or {}), "")
    items = (cell.world.items.get(number) for number in cell.item.cells.get(relation) or ())
    return [item for item in items if item is not None]


def mirrored_items(cell: Cell) -> list[JsonObject]:
    return [
        {
            "linked_item": item,
            "linked_board": cell.world.boards[item.board_id],
            "linked_board_id": str(item.board_id),
        }
        for item in mirrored(cell)
    ]


def formula_display(cell: Cell) -> str:
    """Computes a number column, an operator and a number: as much of the formula language as a sync tool has to see."""
    parts = FORMULA.match(str(cell.column.settings.get("formula", "")))
    # other formulas, and empty numbers, show nothing
    if not parts or parts[1] not in cell.item.cells:
        return ""
    try:
        number, factor = Decimal(str(cell.item.cells[parts[1]])), Decimal(parts[3])
    except InvalidOperation:
        return "null"
    results = {
        "*": number * factor,
        "+": number + factor,
        "-": number - factor,
        "/": number / factor if factor else Decimal(0),
    }
    return f"{results[parts[2]].normalize():f}"


def subitems(cell: Cell) -> list[Item]:
    items = (cell.world.items.get(number) for number in cell.item.subitem_ids or ())
    return [item for item in items if item is not None and item.state == ACTIVE]


def subitem_ids(cell: Cell) -> list[str]:
    return [str(item.id) for item in subitems(cell)]


def subitem_names(cell: Cell) -> str:
    return ", ".join(item.name for item in subitems(cell))


def text_utc(moment: str) -> str:
    return moment.replace("T", " ").replace("Z", " UTC")


def created_at(cell: Cell) -> str:
    return iso(cell.item.created_at)


def updated_at(cell: Cell) -> str:
    return iso(cell.item.updated_at)


def created_value(cell: Cell) -> JsonObject:
    return {"created_at": created_at(cell), "creator_id": cell.item.creator_id}


def updated_value(cell: Cell) -> JsonObject:
    return {"updated_at": updated_at(cell), "updater_id": cell.item.updater_id}


def item_id(cell: Cell) -> str:
    return str(cell.item.id)


def integration_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {"entity_id": cell.datum[0], "issue_id": cell.datum[1]}


def group_of(cell: Cell) -> Group | None:
    return cell.world.boards[cell.item.board_id].groups.get(cell.item.group_id)


def empty_text(cell: Cell) -> str:
    return ""


COMPUTED_KINDS = [
    Kind(
        type="formula",
        graphql="FormulaValue",
        internal="formula",
        text=empty_text,
        fields={"display_value": formula_display},
    ),
    Kind(
        type="subtasks",
        graphql="SubtasksValue",
        internal="subtasks",
        fields={"subitems": subitems, "subitems_ids": subitem_ids, "display_value": subitem_names},
    ),
    Kind(
        type="button",
        graphql="ButtonValue",
        internal="button",
        text=empty_text,
        fields={
            "label": lambda cell: cell.column.settings.get("label", "Click me"),
            "color": lambda cell: "#0073ea",
        },
    ),
    Kind(type="progress", graphql="ProgressValue", internal="columns-battery", text=empty_text),
    Kind(
        type="creation_log",
        graphql="CreationLogValue",
        internal="pulse-log",
        text=lambda cell: text_utc(created_at(cell)),
        value=created_value,
        fields={
            "created_at": created_at,
            "creator_id": lambda cell: str(cell.item.creator_id),
            "creator": lambda cell: cell.world.users.get(cell.item.creator_id),
        },
    ),
    Kind(
        type="last_updated",
        graphql="LastUpdatedValue",
        internal="pulse-updated",
        text=lambda cell: text_utc(updated_at(cell)),
        value=updated_value,
        fields={
            "updated_at": updated_at,
            "updater_id": lambda cell: str(cell.item.updater_id),
            "updater": lambda cell: cell.world.users.get(cell.item.updater_id),
        },
    ),
    Kind(
        type="item_id",
        graphql="ItemIdValue",
        internal="pulse-id",
        text=item_id,
        value=lambda cell: {"item_id": item_id(cell)},
        fields={"item_id": item_id},
    ),
    Kind(
        type="integration",
        graphql="IntegrationValue",
        internal="integration",
        text=lambda cell: cell.datum[1] if cell.datum else "",
        value=integration_value,
        fields={
            "entity_id": lambda cell: cell.datum and str(cell.datum[0]),
            "issue_id": lambda cell: cell.datum and cell.datum[1],
            "issue_api_url": no_value,
        },
    ),
    # A column of its own in the list of columns, but without a cell type in the schema: never among column_values.
    Kind(type="auto_number", graphql="UnsupportedValue", internal="autonumber", delivered=False),
    Kind(type="name", graphql="UnsupportedValue", internal="name", delivered=False),
    Kind(
        type="group",
        graphql="GroupValue",
        internal="group",
        text=empty_text,
        fields={"group_id": lambda cell: cell.item.group_id, "group": group_of},
    ),
    Kind(
        type="item_assignees",
        graphql="UnsupportedValue",
        internal="item-assignees",
        text=empty_text,
        value=lambda cell: cell.datum,
    ),
    Kind(
        type="unsupported",
        graphql="UnsupportedValue",
        internal="unsupported",
        text=empty_text,
        value=lambda cell: cell.datum,
    ),
]
