"""Cuts a page out of rows."""

from __future__ import annotations

from typing import TypeVar

from sandbox.monday.errors import bad_argument

Row = TypeVar("Row")


def paged(rows: list[Row], limit: int, page: int, most: int) -> list[Row]:
    if not 1 <= limit <= most:
        raise bad_argument(f"limit must be between 1 and {most}", limit=limit)
    if page < 1:
        raise bad_argument("page must be positive", page=page)
    return rows[(page - 1) * limit : page * limit]
