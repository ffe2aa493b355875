"""Tries out what would be applied to a table, in a transaction that leaves nothing, and tells which DDL that runs."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from msgspec import Struct

from boards.drift import WAIT, Drift
from db_connector import Composable, Database, Transaction
from errors import DatabaseError, DatabaseUnreachable

DDL = ("alter ", "create ", "drop ", "comment ")
WITHOUT_WAITING = "set local lock_timeout = '200ms'"
"""A table that is in use is not waited for: whoever reads it would wait behind."""


class Heard(Transaction):
    """Runs statements in a transaction of the caller's, and keeps the DDL among them as PostgreSQL gets it."""

    def __init__(self, tx: Transaction) -> None:
        self.__dict__.update(tx.__dict__)
        self.ddl: list[str] = []

    def execute(self, statement: str | Composable, params: object = None) -> int:
        """Runs a statement."""
        done = super().execute(statement, params)  # type: ignore[arg-type]
        text = statement if isinstance(statement, str) else statement.as_string(self.connection).replace("%%", "%")
        text = textwrap.dedent(text).strip()
        if text.startswith(DDL):
            # the body of a function has comments, which end with their lines
            self.ddl.append(f"{text if '$' in text else ' '.join(text.split())};")
        return done


class TriedOut(Struct, frozen=True):
    """Holds the DDL that a change runs, and the changes that PostgreSQL refuses."""

    ddl: tuple[str, ...]
    refused: tuple[Drift, ...]
    problem: str = ""
    """Why it would end half way; empty when it would not."""


def try_out(db: Database, apply: Callable[[Transaction], Sequence[Drift]]) -> TriedOut:
    """Applies changes and takes them back. The table is locked for some milliseconds, as when they are applied."""
    done: Sequence[Drift] = ()
    ddl: list[str] = []
    try:
        with db.transaction(keep=False) as tx:
            tx.execute(WITHOUT_WAITING)
            heard = Heard(tx)
            ddl = heard.ddl
            done = apply(heard)
    except DatabaseUnreachable:
        raise  # says nothing about the changes
    except DatabaseError as exc:
        return TriedOut(tuple(ddl), tuple(drift for drift in done if drift.move == WAIT), exc.message)
    return TriedOut(tuple(ddl), tuple(drift for drift in done if drift.move == WAIT))
