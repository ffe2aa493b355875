"""Makes values as users write them, and brings what either side shows into a form that can be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec import Struct

LABELS = ("Open", "Stuck", "Done")
EMAILS = ("ann@example.com", "bob@example.com", "eve@example.com")

Fields = dict[str, "str | None"]
"""What a record shows: field → value; None when it is empty."""


class Field(Struct, frozen=True):
    """Describes a field as users see it: a column on the board, a column of a table."""

    name: str
    column: str
    kind: str
    sql: str
    shared: bool = False
    """Whether it stands in a row that several records share."""
    distinct: bool = True
    """Whether no two values of it are alike, so that a lost value is missed."""
    document: str | None = None
    """The title under which the value stands in the JSON column `sql`."""

    @property
    def title(self) -> str:
        """Returns the title of the board column when it is new."""
        return self.document or self.name


def new_value(field: Field, number: int, draw: int) -> str | None:
    """Makes a value that was not written before, or one of a few, or none."""
    if draw % 7 == 6 and field.kind != "name":
        return None
    if field.kind == "status":
        return LABELS[draw % len(LABELS)]
    if field.kind == "email":
        return EMAILS[draw % len(EMAILS)] if draw % 4 else f"p{number}@example.com"
    if field.kind == "numbers":
        return str(Decimal(number) + (Decimal("0.25") if draw % 2 else 0))
    if field.kind == "date":
        return (date(2026, 1, 1) + timedelta(days=number)).isoformat()
    if field.kind == "phone":
        return f"+1202555{number:04d}"
    odd = ("", "", " é😀", ' "q" \\', "\nline two" if field.kind == "long_text" else " 100%", "'")[draw % 6]
    return f"t{number}{odd}"


def sent(field: Field, value: str | None) -> Any:
    """Returns a value as the board is told it."""
    if value is None:
        return None
    shapes: dict[str, Callable[[str], Any]] = {
        "status": lambda text: {"label": text},
        "date": lambda text: {"date": text},
        "email": lambda text: {"email": text, "text": text},
        "long_text": lambda text: {"text": text},
        "phone": lambda text: {"phone": text, "countryShortName": "US"},
    }
    return shapes.get(field.kind, str)(value)


def shown(field: Field, item: dict[str, Any]) -> str | None:
    """Returns what an item of a snapshot shows."""
    if field.column == "name":
        return plain(field, item["name"])
    cell = item["cells"][field.column]
    if field.kind in ("email", "phone") and cell["value"]:
        return plain(field, json.loads(cell["value"]).get(field.kind))
    return plain(field, cell["text"])


def plain(field: Field, value: Any) -> str | None:
    """Brings a value of either side into one form; None when it is empty."""
    if value is None or value == "":
        return None
    text = str(value).strip()
    if field.kind == "numbers":
        try:
            return format(Decimal(text).normalize(), "f")
        except InvalidOperation:
            return text
    if field.kind == "phone":
        return "+" + text.lstrip("+")
    if field.kind == "email":
        return text.lower()
    if field.kind == "date":
        return text[:10]
    return text or None
