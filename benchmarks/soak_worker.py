"""Holds what the workers of `benchmarks/soak.py` share: a database of their own, and how a batch of histories is played."""

from __future__ import annotations

import logging
import os
import traceback
from typing import Any

from databases.postgres.names import compose, identifier
from db_connector import Database
from state.schema import init_db

PER_BATCH = 50
STEPS = 20


def silent() -> None:
    """Lets the tool log nothing but what is critical."""
    logging.getLogger("monday_sync").setLevel(logging.CRITICAL)


def made_database(connection: dict[str, Any]) -> dict[str, Any]:
    """Makes a database with the tool's tables for this process. Returns the connection to it."""
    name = f"soak_{os.getpid()}"
    server = Database(**connection, max_connections=1)
    try:
        with server.autocommit() as session:
            session.execute(compose("create database {name}", name=identifier(name)))
    finally:
        server.close()
    own = {**connection, "dbname": name}
    db = Database(**own)
    init_db(db)
    db.close()
    return own


def played(machine: Any, seed: int, number: int) -> str:
    """Plays a batch of histories of a state machine, and returns what went wrong."""
    import hypothesis
    from hypothesis import HealthCheck, Phase, settings
    from hypothesis.stateful import run_state_machine_as_test

    how = settings(
        max_examples=PER_BATCH,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    try:
        run_state_machine_as_test(hypothesis.seed(seed * 1_000_003 + number)(machine), settings=how)
    except Exception:
        return traceback.format_exc()
    return ""
