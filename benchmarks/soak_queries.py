"""Plays random histories of a query of MariaDB and its table of SmartSuite, in a worker of `benchmarks/soak.py`."""

from __future__ import annotations

import shutil
from typing import Any

from benchmarks.soak_worker import made_database, played, silent

_world: Any = None
"""A worker's own servers and stand-in, used for all its batches."""


def begin(connection: dict[str, Any]) -> None:
    """Prepares a worker: its database, its MariaDB and its stand-in."""
    import atexit

    from tests.histories.query_machine import QueryWorld
    from tests.kit.mariadb import MariaDB
    from tests.kit.postgres import Postgres

    global _world
    silent()
    own = made_database(connection)
    server = MariaDB()
    atexit.register(shutil.rmtree, server.folder, ignore_errors=True)  # the server itself ends with this process
    _world = QueryWorld(own, Postgres(connection).url(own["dbname"]), server)


def batch(seed: int, number: int) -> str:
    """Plays the histories of one batch, and returns what went wrong."""
    from tests.histories.query_machine import QueryHistories

    return played(type("QueryHistories", (QueryHistories,), {"world": _world}), seed, number)
