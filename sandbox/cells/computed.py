"""Cells that nobody writes: mirror, formula, subitems, logs, ids, button, progress, integration."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.cells.kind import Cell, Kind
from sandbox.clock import iso, text_utc
from sandbox.models import Column, Item

FORMULA = re.compile(r"\{(\w+)\}\s*([*/+-])\s*(\d+(?:\.\d+)?)\Z")


def other_cell(cell: Cell, item: Item, column: Column) -> Cell:
    from sandbox.cells import kind_of

    return Cell(cell.world, cell.user, item, column, kind_of(column.type))


def mirrored(cell: Cell) -> list[tuple[Item, str]]:
    """The linked items and what the mirror shows of each."""
    relation = next(iter(cell.column.settings.get("relation_column") or {}), "")
    shown = {int(d["board_id"]): d["column_ids"] for d in cell.column.settings.get("displayed_linked_columns", [])}
    found = []
    for number in cell.item.cells.get(relation) or ():
        item = cell.world.items.get(number)
        if item is not None:
            found.append((item, mirror_text(cell, item, shown.get(item.board_id, []))))
    return found


def mirror_text(cell: Cell, item: Item, column_ids: list[str]) -> str:
    columns = cell.world.boards[item.board_id].columns
    texts = (other_cell(cell, item, columns[c]).text() for c in column_ids if c in columns)
    return ", ".join(text for text in texts if text)


def mirror_display(cell: Cell) -> str:
    return ", ".join(text for _, text in mirrored(cell) if text)


def mirrored_items(cell: Cell) -> list[dict[str, Any]]:
    return [
        {"linked_item": item, "linked_board": cell.world.boards[item.board_id], "linked_board_id": str(item.board_id)}
        for item, _ in mirrored(cell)
    ]


def formula_display(cell: Cell) -> str:
    """One number column and one number: as much of monday's formula language as a sync tool needs to see."""
    parts = FORMULA.match(str(cell.column.settings.get("formula", "")))
    if not parts or parts[1] not in cell.item.cells:
        return ""
    try:
        number, factor = Decimal(str(cell.item.cells[parts[1]])), Decimal(parts[3])
    except InvalidOperation:
        return "null"
    results = {"*": number * factor, "+": number + factor, "-": number - factor,
               "/": number / factor if factor else Decimal(0)}
    return f"{results[parts[2]].normalize():f}"


def subitems(cell: Cell) -> list[Item]:
    items = (cell.world.items.get(n) for n in cell.item.subitem_ids or ())
    return [item for item in items if item is not None and item.state == "active"]


def created_value(cell: Cell) -> Any:
    return {"created_at": iso(cell.item.created_at), "creator_id": cell.item.creator_id}


def updated_value(cell: Cell) -> Any:
    return {"updated_at": iso(cell.item.updated_at), "updater_id": cell.item.updater_id}


COMPUTED_KINDS = [
    Kind("mirror", "MirrorValue", "lookup",
         fields={"display_value": mirror_display, "mirrored_items": mirrored_items}),
    Kind("formula", "FormulaValue", "formula", lambda c: "", fields={"display_value": formula_display}),
    Kind("subtasks", "SubtasksValue", "subtasks",
         fields={"subitems": subitems, "subitems_ids": lambda c: [str(i.id) for i in subitems(c)],
                 "display_value": lambda c: ", ".join(i.name for i in subitems(c))}),
    Kind("button", "ButtonValue", "button", lambda c: "",
         fields={"label": lambda c: c.column.settings.get("label", "Click me"), "color": lambda c: "#0073ea"}),
    Kind("progress", "ProgressValue", "columns-battery", lambda c: ""),
    Kind("creation_log", "CreationLogValue", "pulse-log", lambda c: text_utc(c.item.created_at), created_value,
         {"created_at": lambda c: iso(c.item.created_at), "creator_id": lambda c: str(c.item.creator_id),
          "creator": lambda c: c.world.users.get(c.item.creator_id)}),
    Kind("last_updated", "LastUpdatedValue", "pulse-updated", lambda c: text_utc(c.item.updated_at), updated_value,
         {"updated_at": lambda c: iso(c.item.updated_at), "updater_id": lambda c: str(c.item.updater_id),
          "updater": lambda c: c.world.users.get(c.item.updater_id)}),
    Kind("item_id", "ItemIdValue", "pulse-id", lambda c: str(c.item.id), lambda c: {"item_id": str(c.item.id)},
         {"item_id": lambda c: str(c.item.id)}),
    Kind("integration", "IntegrationValue", "integration", lambda c: c.datum[1] if c.datum else "",
         lambda c: c.datum and {"entity_id": c.datum[0], "issue_id": c.datum[1]},
         {"entity_id": lambda c: c.datum and str(c.datum[0]), "issue_id": lambda c: c.datum and c.datum[1],
          "issue_api_url": lambda c: None}),
    # A column of its own in the list of columns, but without a cell type in the schema: never among column_values.
    Kind("auto_number", "UnsupportedValue", "autonumber", delivered=False),
    Kind("name", "UnsupportedValue", "name", delivered=False),
    Kind("group", "GroupValue", "group", lambda c: "",
         fields={"group_id": lambda c: c.item.group_id,
                 "group": lambda c: c.world.boards[c.item.board_id].groups.get(c.item.group_id)}),
    Kind("item_assignees", "UnsupportedValue", "item-assignees", lambda c: "", lambda c: c.datum),
    Kind("unsupported", "UnsupportedValue", "unsupported", lambda c: "", lambda c: c.datum),
]
