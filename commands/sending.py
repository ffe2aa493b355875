"""Has runs made by a worker instead of here, waits for them, and shows what they did: `run --send`."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

import click

from errors import SettingsError, gravest_code
from terminal.logs import log
from values.wording import utc_or_none

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from db_connector import Database
    from settings import Settings
    from sync.run import Compose

LOOK_EVERY_S = 0.5
NOBODY_S = 30.0
OF_SYNC = "sync:"


def send_and_leave(compose: Compose, settings: Settings, names: Sequence[str], as_json: bool) -> NoReturn:
    """Has a worker run these entities of an account, waits for each, and leaves with the gravest exit code."""
    from db_connector import connect
    from state.runs import now

    send = compose().send
    if send is None:
        raise SettingsError("This program was put together without workers.")
    db = connect(settings, max_connections=1)
    try:
        with db.transaction(read_only=True) as tx:
            since = now(tx)
        runs = [_ended(db, entity.removeprefix(OF_SYNC), since) for entity in send(settings, names)]
    finally:
        db.close()
    codes = {run["exit_code"] for run in runs}
    code = gravest_code(codes)
    if as_json:
        shown = [_as_json(run) for run in runs]
        several = {"exit_code": code, "runs": shown}
        click.echo(json.dumps(shown[0] if len(shown) == 1 else several, default=_number))
    else:
        for run in runs:
            entity = ", ".join(str(one["entity"]) for one in run["entities"])
            click.echo(f"{entity}: {run['outcome']}{_message(run)}")
    sys.exit(code)


def _ended(db: Database, entity: str, since: datetime) -> dict[str, Any]:
    """Waits until a run of an entity has ended that began since then."""
    from state.runs import ended_since

    told, began = False, time.monotonic()
    while True:
        with db.transaction(read_only=True) as tx:
            if (run := ended_since(tx, entity, since)) is not None:
                return run
        if not told and time.monotonic() - began > NOBODY_S:
            told = True
            log.warning("No run of %s has ended yet: python main.py fleet shows what is due, and why it waits.", entity)
        time.sleep(LOOK_EVERY_S)


def _as_json(run: dict[str, Any]) -> dict[str, Any]:
    """Returns a run in the shape of `run --json`."""
    duration_s = (run["finished_at"] - run["started_at"]).total_seconds()
    return {
        "run_id": run["run_id"],
        "direction": run["direction"],
        "started_at": utc_or_none(run["started_at"]),
        "duration_s": round(duration_s, 3),
        "exit_code": run["exit_code"],
        "api": run["api"],
        "entities": [{key: value for key, value in one.items() if key != "problem"} for one in run["entities"]],
    }


def _number(value: Any) -> int | float:
    """Returns a number of stored JSON, which is read as a decimal."""
    return int(value) if value == int(value) else float(value)


def _message(run: dict[str, Any]) -> str:
    return f": {run['message']}" if run["message"] else ""
