"""Words numbers and nouns for people."""

from __future__ import annotations

NO_ITEM_YET = "has no item yet"
"""What keeps a cell waiting that points at a record."""


def plural(number: int, noun: str) -> str:
    """`1 item`, `2,000 items`."""
    return f"{counted(number)} {noun}{'' if number == 1 else 's'}"


def counted(number: int) -> str:
    """A number with a comma for every three digits."""
    return f"{number:,}"
