"""Reports the health of a daemon: database, queues, listener, and each entity; for `/health`, `/readyz` and `/metrics`."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from db_connector import Database, Transaction
from errors import DatabaseError
from realtime.live_push import outbox_depth
from realtime.metrics import Metrics
from realtime.worker import EntityWorker
from state import inbox
from state.alerts import count_failing
from state.overview import count_set_aside
from state.pauses import Pause, pauses

READY_INBOX_AGE_S = 300.0


def health_of(
    db: Database, workers: Collection[EntityWorker], boards: Collection[str], listening: bool
) -> dict[str, Any]:
    """Returns what works, what waits, and when each entity last succeeded, in the documented shape."""
    database: dict[str, Any] = {"ok": True}
    events: dict[str, Any] = {}
    changes: dict[str, tuple[int, float]] = {}
    failing: int | None = None
    paused: dict[str, Pause] = {}
    try:
        with db.transaction(read_only=True) as tx:
            failing, paused = count_failing(tx), pauses(tx)
            waiting_for = {worker.board_id for worker in workers if worker.mapping.entity in paused}
            events = _events(tx, set(boards) - waiting_for)
            changes = {worker.mapping.entity: outbox_depth(tx, worker.mapping.entity_type) for worker in workers}
    except DatabaseError as exc:
        database, events, changes = {"ok": False, "problem": exc.message}, {}, {}
    entities = {
        worker.mapping.entity: _entity(worker, changes.get(worker.mapping.entity), paused.get(worker.mapping.entity))
        for worker in workers
    }
    # each entity has to have succeeded once
    ready = (
        database["ok"]
        and listening
        and events["oldest_seconds"] < READY_INBOX_AGE_S
        and all(entity["alive"] and entity["last_success_age_seconds"] is not None for entity in entities.values())
    )
    troubled = any(entity["problem"] for entity in entities.values())
    return {
        "status": "ok" if ready and not troubled else "degraded",
        "ready": ready,
        "database": database,
        "listener": {"ok": listening},
        "inbox": events,
        "alerts": {"failing": failing},
        "entities": entities,
    }


def _events(tx: Transaction, boards: Collection[str]) -> dict[str, Any]:
    waiting, oldest_s, set_aside = inbox.depth(tx, boards)
    return {"entries": waiting, "oldest_seconds": round(oldest_s, 3), "set_aside": set_aside}


def _entity(worker: EntityWorker, changes: tuple[int, float] | None, pause: Pause | None) -> dict[str, Any]:
    number, oldest_s = changes or (0, 0.0)
    succeeded = worker.last_success
    return {
        "board_id": worker.board_id,
        "direction": worker.direction,
        "alive": worker.is_alive(),
        "caught_up": worker.caught_up,
        "paused": pause.as_json() if pause else None,
        "outbox": {"entries": number, "oldest_seconds": round(oldest_s, 3)},
        "last_success_age_seconds": None if succeeded is None else round(time.time() - succeeded, 3),
        "problem": worker.trouble,
    }


def measure_queues(db: Database, workers: Collection[EntityWorker], boards: Collection[str], metrics: Metrics) -> None:
    """Sets the gauges of what waits and of what was given up. Raises DatabaseError."""
    with db.transaction(read_only=True) as tx:
        waiting, oldest_s, set_aside = inbox.depth(tx, boards)
        for worker in workers:
            entity, entity_type = worker.mapping.entity, worker.mapping.entity_type
            changes, oldest_change_s = outbox_depth(tx, entity_type)
            metrics.outbox.labels(entity).set(changes)
            metrics.outbox_age.labels(entity).set(round(oldest_change_s, 3))
            metrics.set_aside.labels(entity).set(count_set_aside(tx, entity_type))
    metrics.inbox.labels("waiting").set(waiting)
    metrics.inbox.labels("set_aside").set(set_aside)
    metrics.inbox_age.set(round(oldest_s, 3))
