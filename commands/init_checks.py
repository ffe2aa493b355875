"""Tests the answers that `init` takes: whose key it is, what the database can do, which boards there are."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from databases.postgres.failures import TOOL_TABLES
from db_connector import Database, connect
from errors import BoardNotVisible, DatabaseError, MondayRefused, SettingsError, SyncError
from mappings.declaration import FACTS, ITEM_NAME
from mappings.declaration import Mapping as BoardMapping
from models import Board
from monday_api import Limits, Me, Monday
from services.monday.failures import HINTS_BY_CAUSE
from settings import Settings

ANSWER_S = 20.0
"""A person waits: `init` gives up on monday.com sooner than a run."""
NOT_THE_KEYS = ("address", "address list", "proxy")
"""Causes of a refusal that another key would meet too."""
MOST_BOARDS = 300
ENOUGH = 0.8
"""The share of a mapping's columns that a board must have to be proposed for it."""

# Tables that the tool did not make are not asked about here: `validate` does, for the mappings that are chosen.
FACTS_OF_DATABASE = """
select split_part(current_setting('server_version'), ' ', 1) as version,
       current_user::text as role,
       getdatabaseencoding()::text as encoding,
       pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as read_only,
       current_schema()::text as schema,
       has_schema_privilege(current_schema(), 'create') as may_create,
       (select count(*) from pg_tables where schemaname = current_schema() and tablename = any(%s)) as tables
"""


# monday.com


class Whose(Struct, frozen=True):
    """Says whose key it is, and which version of the API answers."""

    me: Me
    version: str

    def __str__(self) -> str:
        """Says it in a sentence."""
        plan = f" ({self.me.plan_tier} plan)" if self.me.plan_tier else ""
        account = f", account {self.me.account_slug}{plan}" if self.me.account_slug else ""
        return f"monday.com: the key of {self.me.name or 'user'} ({self.me.id}){account}, API version {self.version}."


def client_of(settings: Settings, answered: dict[str, str] | None = None) -> Monday:
    """Returns a client that gives up soon; it notes the version that answers, where that is another than asked for."""

    def note(event: str, facts: Mapping[str, object]) -> None:
        if event == "version" and answered is not None:
            answered["version"] = str(facts["answered"])

    limits = Limits(give_up_after=min(ANSWER_S, settings.give_up_after))
    key = settings.require_key()
    return Monday(token=key, url=settings.api_url, version=settings.api_version, limits=limits, on_event=note)


def whose(settings: Settings) -> Whose:
    """Asks monday.com whose key it is."""
    answered: dict[str, str] = {}
    with client_of(settings, answered) as monday:
        me = monday.account.me()
    return Whose(me, answered.get("version", settings.api_version))


def other_key_helps(exc: SyncError) -> bool:
    """Says whether another key could succeed."""
    if isinstance(exc, MondayRefused):
        return exc.hint not in [HINTS_BY_CAUSE[cause] for cause in NOT_THE_KEYS]
    return type(exc) is SettingsError


# PostgreSQL


def database_in_words(settings: Settings) -> str:
    """Looks at the database, and says what it is. Raises SyncError when the tool cannot work with it.

    An embedded server that was never started is not started: that would make its folders.
    """
    if not settings.database_url and os.name != "nt":
        from databases.postgres.embedded import has_data
        from databases.postgres.programs import find_programs

        if not has_data(settings.home):
            told = subprocess.run([str(find_programs() / "postgres"), "--version"], capture_output=True, text=True)
            version = re.search(r"\) (\S+)", told.stdout)
            folder = settings.home / "data" / "postgres"
            return f"PostgreSQL {version[1] if version else ''}, embedded: its data will be in {folder}."
    db = connect(settings, max_connections=1)
    try:
        return facts_in_words(db)
    finally:
        db.close()


def facts_in_words(db: Database) -> str:
    """Returns version, role and encoding. Raises DatabaseError where tables cannot be made or written."""
    with db.transaction() as tx:
        facts = tx.dicts(FACTS_OF_DATABASE, (list(TOOL_TABLES),))[0]
    where = f"PostgreSQL {facts['version']} at {db.target}"
    if facts["read_only"]:
        raise DatabaseError(f"{where} is read-only.", hint="Name a server, or a role, that can be written.")
    if facts["schema"] is None:
        raise DatabaseError(f"{where}: the search_path of {facts['role']} names no schema.", hint="Make it, or set it.")
    if not facts["may_create"]:
        hint = f"grant create on schema {facts['schema']} to {facts['role']}; or use another role."
        raise DatabaseError(f"{where}: {facts['role']} may not make tables in schema {facts['schema']}.", hint=hint)
    return f"{where}, as {facts['role']}, encoding {facts['encoding']}: {_tables(facts)}.{_encoding(facts)}"


def _tables(facts: Mapping[str, Any]) -> str:
    there = int(facts["tables"])
    return f"{there} of the tool's tables are there" if there else "the tables can be made"


def _encoding(facts: Mapping[str, Any]) -> str:
    if facts["encoding"] == "UTF8":
        return ""
    return " Note: a text with characters that this encoding lacks is refused; a database with UTF8 takes all."


# Boards


class Fit(Struct, frozen=True):
    """Says how many of the columns that a mapping names a board has."""

    entity: str
    board: Board
    has: int
    of: int

    @property
    def share(self) -> float:
        """Returns it as a number from 0 to 1."""
        return self.has / self.of if self.of else 0.0

    def __str__(self) -> str:
        """Says it in words."""
        return f"{self.entity}: {self.has} of {self.of} columns"


def boards_of(monday: Monday, wanted: Iterable[str]) -> tuple[list[Board], int]:
    """Returns the boards that the key sees, and how many more there are. Those that are wanted come in any case."""
    listed = [row for row in monday.account.board_list() if row["type"] == "board" and row["state"] == "active"]
    named = set(wanted)
    first = sorted(listed, key=lambda row: row["id"] not in named)[:MOST_BOARDS]
    boards = _readable(monday, [row["id"] for row in first])
    # the number of items may be told in the list alone
    counts = {row["id"]: row["items_count"] for row in first}
    return [replace(board, items_count=counts[board.id]) for board in boards], len(listed) - len(first)


def _readable(monday: Monday, ids: list[str]) -> list[Board]:
    """Returns boards with their columns, without those whose columns the key may not read."""
    try:
        return monday.account.boards(ids)
    except (MondayRefused, BoardNotVisible):
        if len(ids) == 1:
            return []
        half = len(ids) // 2
        return [*_readable(monday, ids[:half]), *_readable(monday, ids[half:])]


def fit_of(mapping: BoardMapping, board: Board) -> Fit:
    """Compares the columns of a board with those that a mapping names."""
    named = {column for binding in mapping.bindings for column in binding.columns} - {ITEM_NAME, *FACTS}
    has = named & {column.id for column in board.columns}
    return Fit(mapping.entity, board, len(has), len(named))


def best_of(mapping: BoardMapping, boards: Sequence[Board], usual: str | None) -> Fit | None:
    """Returns the board to propose: the usual board where the key sees it, else the only board that fits best."""
    fits = [fit_of(mapping, board) for board in boards]
    if found := next((fit for fit in fits if fit.board.id == usual and fit.has), None):
        return found
    good = sorted((fit for fit in fits if fit.share >= ENOUGH), key=lambda fit: -fit.has)
    alone = len(good) == 1 or (len(good) > 1 and good[0].has > good[1].has)
    return good[0] if alone else None


def fitting(mappings: Sequence[BoardMapping], board: Board) -> Iterator[Fit]:
    """Yields the mappings that a board fits."""
    yield from (fit for fit in (fit_of(mapping, board) for mapping in mappings) if fit.share >= ENOUGH)
