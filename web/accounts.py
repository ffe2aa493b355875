"""Looks into the accounts of an installation: each by its own settings, in its own database."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from db_connector import Database, connect
from errors import SyncError
from settings import Settings
from state.accounts import Account, settings_of
from state.glance import glance_at
from state.mapping_texts import stored_as_far_as_there
from state.overview import status_of
from sync.parts import board_of, mappings_of

AT_ONCE = 8
PATIENCE_S = 2


def glances(accounts: Sequence[Account], folder: Path) -> dict[str, dict[str, Any]]:
    """Returns of each account how its work goes, by name; what is in the way of looking is told as `problem`."""
    with ThreadPoolExecutor(AT_ONCE) as at_once:
        found = at_once.map(lambda account: _glance(account, folder), accounts)
        return {account.name: seen for account, seen in zip(accounts, found, strict=True)}


def _glance(account: Account, folder: Path) -> dict[str, Any]:
    try:
        with _opened(account, folder) as (db, _), db.transaction(read_only=True) as tx:
            seen = glance_at(tx)
    except SyncError as exc:
        return {"problem": exc.message}
    return seen or {"problem": f"Its tables are not made: python main.py --account {account.name} init-db"}


@contextmanager
def _opened(account: Account, folder: Path) -> Iterator[tuple[Database, Settings]]:
    settings = settings_of(account, folder, os.environ)
    patience = {"statement_timeout_s": float(PATIENCE_S), "wait_s": float(PATIENCE_S)}
    db = connect(settings, max_connections=1, connect_timeout=PATIENCE_S, **patience)
    try:
        yield db, settings
    finally:
        db.close()


def state_of_account(account: Account, folder: Path) -> list[dict[str, Any]]:
    """Returns the state of each entity of an account, as `status` shows it."""
    with _opened(account, folder) as (db, settings):
        mappings = mappings_of(settings, keep=False, stored=stored_as_far_as_there(db)).values()
        boards = [(mapping, board) for mapping in mappings if (board := board_of(settings, mapping)) is not None]
        entities: list[dict[str, Any]] = status_of(db, boards)["entities"]
    return entities
