"""Reads and writes cells of words and numbers: text, long text, numbers, rating, colour."""

from __future__ import annotations

import re

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import Datum
from sandbox.monday.cells.kind import Cell, Kind, Writing, as_object, need
from sandbox.monday.errors import BadValue

LONG_TEXT_CHARACTERS = 2_000
NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)\Z")
HEX = re.compile(r"#[0-9A-Fa-f]{6}\Z")


def datum(cell: Cell) -> Datum:
    return cell.datum


def text_or_empty(cell: Cell) -> str:
    return cell.datum or ""


def read_text(sent: object, writing: Writing) -> str | None:
    if not isinstance(sent, str):
        raise BadValue()
    return sent or None


def text_event(cell: Cell) -> JsonObject | None:
    return None if cell.datum is None else {"value": cell.datum}


def long_text_value(cell: Cell) -> JsonObject | None:
    return None if cell.datum is None else {"text": cell.datum, "changed_at": cell.changed_at()}


def read_long_text(sent: object, writing: Writing) -> str | None:
    text = (as_object(sent, "text") or {"text": ""})["text"]
    if not isinstance(text, str) or len(text) > LONG_TEXT_CHARACTERS:
        raise BadValue()
    return text or None


def simple_long_text(text: str, writing: Writing) -> str | None:
    return read_long_text({"text": text}, writing)


# numbers: the author's digits are kept, so "4.50" stays "4.50"


def number_as_float(cell: Cell) -> float | None:
    return None if cell.datum is None else float(cell.datum)


def number_event(cell: Cell) -> JsonObject | None:
    # Events show a number, cells a text.
    number = number_as_float(cell)
    if number is None:
        return None
    return {"value": int(number) if number.is_integer() else number, "unit": cell.column.settings.get("unit")}


def read_numbers(sent: object, writing: Writing) -> str | None:
    """Stores 0 for `""` in the JSON form; only null clears."""
    need(isinstance(sent, (str, int, float)) and not isinstance(sent, bool))
    return simple_numbers(str(sent), writing) if sent != "" else "0"


def simple_numbers(text: str, writing: Writing) -> str | None:
    if text == "":
        return None
    need(NUMBER.match(text))
    return text


def unit_of(cell: Cell, key: str) -> object:
    return (cell.column.settings.get("unit") or {}).get(key)


def rating_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {"rating": cell.datum, "changed_at": cell.changed_at()}


def read_rating(sent: object, writing: Writing) -> int | None:
    wanted = as_object(sent, "rating")
    if wanted is None:
        return None
    try:
        stars = int(wanted["rating"])
    except (TypeError, ValueError):
        raise BadValue() from None
    need(1 <= stars <= int(writing.column.settings.get("limit", 5)))
    return stars


def color_value(cell: Cell) -> JsonObject | None:
    return cell.datum and {"color": {"hex": cell.datum}, "changed_at": cell.changed_at()}


def read_color(sent: object, writing: Writing) -> Datum:
    wanted = as_object(sent, "color")
    if wanted is None:
        return None
    need(isinstance(wanted["color"], dict) and HEX.match(str(wanted["color"].get("hex"))))
    return wanted["color"]["hex"]


TEXT_KINDS = [
    Kind(
        type="text",
        graphql="TextValue",
        internal="text",
        text=text_or_empty,
        value=datum,
        read=read_text,
        simple=read_text,
        event=text_event,
    ),
    Kind(
        type="long_text",
        graphql="LongTextValue",
        internal="long-text",
        text=text_or_empty,
        value=long_text_value,
        read=read_long_text,
        simple=simple_long_text,
    ),
    Kind(
        type="numbers",
        graphql="NumbersValue",
        internal="numeric",
        text=text_or_empty,
        value=datum,
        fields={
            "number": number_as_float,
            "symbol": lambda cell: unit_of(cell, "symbol"),
            "direction": lambda cell: unit_of(cell, "direction"),
        },
        read=read_numbers,
        simple=simple_numbers,
        event=number_event,
    ),
    Kind(
        type="rating",
        graphql="RatingValue",
        internal="rating",
        text=lambda cell: str(cell.datum or ""),
        value=rating_value,
        fields={"rating": datum},
        read=read_rating,
    ),
    Kind(
        type="color_picker",
        graphql="ColorPickerValue",
        internal="color-picker",
        text=text_or_empty,
        value=color_value,
        fields={"color": datum},
        read=read_color,
    ),
]
