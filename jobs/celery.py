"""The Celery app: queues, and how messages are sent and repeated. The tasks are thin; what they do is in `work.py`."""

from __future__ import annotations

import logging
import multiprocessing
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.signals import (
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutting_down,
)
from celery.worker.state import active_requests
from kombu import Queue
from kombu.exceptions import OperationalError
from kombu.transport import TRANSPORT_ALIASES

from errors import SyncError
from jobs.metrics import WorkerMetrics, metrics_server
from settings import load_settings
from state.due import LIVE, LOOK, POISON, Due
from terminal import logs

if TYPE_CHECKING:
    from jobs.work import Work

LIVE_SHARDS, RUN_SHARDS = 64, 16
"""An account's messages stand in one queue of these: the queues are served in turn, so no account waits behind another."""
LOADS, CONTROL = "loads", "control"
TICK_EVERY_S = 5.0
LONGEST_TASK_S = 840
VISIBLE_AGAIN_S = 900
"""After so long Redis gives a message out again. It is longer than any task, and recovery does not wait for it."""
CONNECT_S = 3

QUEUES = [
    *(f"live.{number}" for number in range(LIVE_SHARDS)),
    *(f"runs.{number}" for number in range(RUN_SHARDS)),
    LOADS,
    CONTROL,
]

# kombu finds a transport by the address of the broker; `celery -A jobs ...` gets this one, too
TRANSPORT_ALIASES |= dict.fromkeys(("redis", "rediss"), "jobs.redis_transport:Transport")

app = Celery("jobs")
app.conf.update(
    broker_url=load_settings().broker_url or "redis://127.0.0.1:6379/0",
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": VISIBLE_AGAIN_S,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": 30,
        "socket_keepalive": True,
    },
    task_queues=[Queue(name) for name in QUEUES],
    task_default_queue=CONTROL,
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_time_limit=LONGEST_TASK_S,
    task_publish_retry=False,
    worker_prefetch_multiplier=1,
    worker_send_task_events=True,
    worker_redirect_stdouts=False,
    imports=("main",),
    beat_schedule={"tick": {"task": "jobs.tick", "schedule": TICK_EVERY_S, "options": {"expires": TICK_EVERY_S}}},
)

_work: list[Work] = []
_stopping = multiprocessing.get_context("fork").Event()
"""Set in the worker's main process, read in its children: SIGTERM lets what they have begun end after its batch."""

_metrics = WorkerMetrics()
"""Told by the children, shown by the main process."""


def work_of_process() -> Work:
    """Returns what this process works with: it is made with the first task, and kept."""
    from jobs.work import Work

    if not _work:
        _work.append(Work(load_settings(), send, _stopping.is_set, _metrics.note))
    return _work[0]


@contextmanager
def _told() -> Iterator[None]:
    """Tells in a sentence what kept a task from beginning or ending: what it was about is due still, and is sent again."""
    try:
        yield
    except SyncError as exc:
        logs.log.error("%s", exc.message, extra={"hint": exc.hint})


@setup_logging.connect
def _log(**_: Any) -> None:
    """Logs as the settings say, masked: Celery's own lines, too."""
    logs.set_up(load_settings())
    for name in ("celery", "kombu"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = logs.log.handlers, False
        logger.setLevel(logging.WARNING)


@worker_init.connect
def _import(**_: Any) -> None:
    """Imports what tasks need, once: the processes that do them are copies of this one."""
    from jobs.program import program

    program()


@worker_shutting_down.connect
def _stop(**_: Any) -> None:
    _stopping.set()


@worker_ready.connect
def _show_metrics(**_: Any) -> None:
    """Shows the metrics of this worker at WORKER_METRICS; at a free port where another worker shows its own."""
    _metrics.listen()
    address = load_settings().worker_metrics
    if address is None:
        return
    try:
        server = metrics_server(address, lambda: _metrics.text(len(active_requests)))
    except SyncError as exc:
        return logs.log.warning("%s", exc.message)
    server.open()
    logs.log.info("Metrics of this worker: %s/metrics", server.url)


@worker_process_init.connect
def _begin(**_: Any) -> None:
    _work.clear()  # connections of the parent process are not this one's


@worker_process_shutdown.connect
def _end(**_: Any) -> None:
    for work in _work:
        work.close()
    _work.clear()


@app.task(name="jobs.live")
def live(account: str, entity: str) -> None:
    """Does the live work that waits for an entity."""
    with _told():
        work_of_process().live(account, entity)


@app.task(name="jobs.run")
def run(account: str, entity: str) -> None:
    """Compares both sides of an entity."""
    with _told():
        work_of_process().run(account, entity)


@app.task(name="jobs.look")
def look(account: str, entity: str = "") -> None:
    """Looks what there is to do for an account."""
    with _told():
        work_of_process().look(account)


@app.task(name="jobs.tick")
def tick() -> None:
    """Sends out what is due and not on its way."""
    with _told():
        work_of_process().tick()


def queue_of(due: Due, starts: int = 0) -> str:
    """Returns the queue for a piece of work."""
    shard = zlib.crc32(due.account.encode())
    if starts >= POISON:
        return LOADS  # what ends its processes does so alone
    if due.task == LIVE:
        return f"live.{shard % LIVE_SHARDS}"
    return CONTROL if due.task == LOOK else f"runs.{shard % RUN_SHARDS}"


def send(due: Due, starts: int = 0) -> bool:
    """Sends a message about a piece of work. False: the broker cannot be reached; the tick sends it again."""
    try:
        app.send_task(
            f"jobs.{due.task}", (due.account, due.entity), queue=queue_of(due, starts), retry=False, ignore_result=True
        )
    except (OperationalError, OSError):
        return False
    return True
