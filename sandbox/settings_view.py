"""A column's settings as monday shows them: the JSON of today and the legacy string."""

from __future__ import annotations

from typing import Any

from sandbox.cells import encode
from sandbox.models import Column, Label


def settings_of(column: Column) -> dict[str, Any]:
    if column.type == "status":
        return {"type": "status", "labels": [status_label(n, x) for n, x in enumerate(column.labels)]}
    if column.type == "dropdown":
        labels = [{"id": x.id, "label": x.name, "is_deactivated": x.deactivated} for x in column.labels]
        return {"labels": labels, "limit_select": bool(column.settings.get("limit_select")),
                "label_limit_count": column.settings.get("label_limit_count", 1)}
    return dict(column.settings)


def status_label(position: int, label: Label) -> dict[str, Any]:
    return {"id": label.id, "label": label.name, "color": label.color_name, "hex": label.color, "index": position,
            "is_done": label.is_done, "is_deactivated": label.deactivated, "description": None}


def legacy_settings_of(column: Column) -> str:
    if column.type == "status":
        return encode(legacy_status(column))
    if column.type == "dropdown":
        labels = [{"id": x.id, "name": x.name} for x in column.labels if not x.deactivated]
        gone = [x.id for x in column.labels if x.deactivated]
        return encode({"labels": labels, "limit_select": False, "hide_footer": False, "deactivated_labels": gone})
    if column.type == "mirror":
        shown = column.settings.get("displayed_linked_columns", [])
        return encode({**column.settings,
                       "displayed_linked_columns": {d["board_id"]: d["column_ids"] for d in shown}})
    return encode(column.settings)


def legacy_status(column: Column) -> dict[str, Any]:
    colors = {str(x.id): {"color": x.color, "border": x.color, "var_name": x.color_name} for x in column.labels}
    return {
        "labels": {str(x.id): x.name for x in column.labels},
        "labels_colors": colors,
        "labels_positions_v2": {**{str(x.id): n for n, x in enumerate(column.labels)}, "5": len(column.labels)},
        "done_colors": [x.id for x in column.labels if x.is_done],
        "hide_footer": False,
    }
