"""Shows a column's settings as monday.com does: the JSON of today and the legacy string."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject, encode
from sandbox.monday.account.models import Column, Label
from sandbox.monday.account.new_columns import BLANK_STATUS


def settings_of(column: Column) -> JsonObject:
    if column.type == "status":
        labels = [status_label(position, label) for position, label in enumerate(column.labels)]
        return {"type": "status", "labels": labels}
    if column.type == "dropdown":
        return {
            "labels": [
                {"id": label.id, "label": label.name, "is_deactivated": label.deactivated} for label in column.labels
            ],
            "limit_select": bool(column.settings.get("limit_select")),
            "label_limit_count": column.settings.get("label_limit_count", 1),
        }
    return dict(column.settings)


def status_label(position: int, label: Label) -> JsonObject:
    return {
        "id": label.id,
        "label": label.name,
        "color": label.color_name,
        "hex": label.color,
        "index": position,
        "is_done": label.is_done,
        "is_deactivated": label.deactivated,
        "description": None,
    }


def legacy_settings_of(column: Column) -> str:
    if column.type == "status":
        return encode(legacy_status(column))
    if column.type == "dropdown":
        return encode(legacy_dropdown(column))
    if column.type == "mirror":
        shown = column.settings.get("displayed_linked_columns", [])
        by_board = {entry["board_id"]: entry["column_ids"] for entry in shown}
        return encode({**column.settings, "displayed_linked_columns": by_board})
    return encode(column.settings)


def legacy_dropdown(column: Column) -> JsonObject:
    return {
        "labels": [{"id": label.id, "name": label.name} for label in column.labels if not label.deactivated],
        "limit_select": False,
        "hide_footer": False,
        "deactivated_labels": [label.id for label in column.labels if label.deactivated],
    }


def legacy_status(column: Column) -> JsonObject:
    positions = {str(label.id): position for position, label in enumerate(column.labels)}
    return {
        "labels": {str(label.id): label.name for label in column.labels},
        "labels_colors": {
            str(label.id): {"color": label.color, "border": label.color, "var_name": label.color_name}
            for label in column.labels
        },
        "labels_positions_v2": {**positions, str(BLANK_STATUS): len(column.labels)},
        "done_colors": [label.id for label in column.labels if label.is_done],
        "hide_footer": False,
    }
