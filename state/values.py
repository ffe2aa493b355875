"""Keeps single values in `sync_state`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from db_connector import Transaction
from values.canonical import dumps
from values.parsing import iso_moment


def put(tx: Transaction, name: str, value: Any) -> None:
    """Remember a value under a name, in a transaction that does more."""
    tx.execute(
        "insert into sync_state (name, value) values (%s, %s)"
        " on conflict (name) do update set value = excluded.value, updated_at = now()"
        " where sync_state.value is distinct from excluded.value",
        (name, dumps(value).decode()),
    )


def watermark(value: str | None) -> datetime | None:
    """A time that was kept as text."""
    return iso_moment(value) if value else None
