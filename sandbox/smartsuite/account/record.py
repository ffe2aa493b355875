"""Holds a record: its values by slug, and what the service notes of it."""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

Stored: TypeAlias = Any
"""A value as it is kept; each kind of field knows its own form. None: empty."""


class Record(Struct):
    id: str
    autonumber: int
    values: dict[str, Stored]
    created_by: str
    created_at: float
    updated_by: str
    updated_at: float
    comments_count: int = 0
    deleted_by: str | None = None
    deleted_at: float | None = None

    def copy(self) -> Record:
        return Record(
            self.id,
            self.autonumber,
            dict(self.values),
            self.created_by,
            self.created_at,
            self.updated_by,
            self.updated_at,
            self.comments_count,
            self.deleted_by,
            self.deleted_at,
        )
