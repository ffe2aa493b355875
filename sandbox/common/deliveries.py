"""Carries webhooks to their receivers: one after another, again every minute, in the disorder that a test asks for."""

from __future__ import annotations

import http.client
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from sandbox.common.clock import Clock
from sandbox.common.json_text import JsonObject, encode

ANSWER_SECONDS = 5
RETRY_EVERY_SECONDS, RETRY_FOR_SECONDS = 60, 1800
HISTORY_KEPT = 5_000


class Disorder(Struct):
    """Says what may happen to deliveries, each per hundred; `delay_seconds` is by the stand-in's clock."""

    lose_percent: float = 0
    double_percent: float = 0
    reorder: bool = False
    delay_seconds: float = 0
    paused: bool = False


class Message(Struct, frozen=True):
    """Holds what a webhook carries to its receiver."""

    webhook_id: int
    event: str
    url: str
    body: JsonObject


Send: TypeAlias = Callable[[Message, int], int]
"""Sends a message that was tried so many times before; returns the HTTP status, 0 when there is no answer."""


class Delivery(Struct):
    """Holds a message in the queue."""

    message: Message
    due: float
    first_tried: float | None = None
    tries: int = 0


class Deliveries:
    """Holds the queue, and the thread that empties it, which starts with the first message."""

    def __init__(self, clock: Clock, chance: random.Random, send: Send) -> None:
        self.disorder = Disorder()
        self.history: list[JsonObject] = []
        self._clock, self._random, self._send = clock, chance, send
        self._queue: list[Delivery] = []
        self._busy = 0
        self._changed = clock.moved
        self._thread: threading.Thread | None = None
        self._closed = False

    def add(self, message: Message) -> None:
        disorder, due = self.disorder, self._clock.now() + self.disorder.delay_seconds
        if self._random.uniform(0, 100) < disorder.lose_percent:
            self._note(message, "lost")
            return
        copies = 2 if self._random.uniform(0, 100) < disorder.double_percent else 1
        with self._changed:
            for _ in range(copies):
                self._queue.append(Delivery(message, due))
            if disorder.reorder:
                self._random.shuffle(self._queue)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name="webhooks")
                self._thread.start()
            self._changed.notify_all()

    def _work(self) -> None:
        while not self._closed:
            with self._changed:
                delivery = self._next_due()
                # nothing due, or paused
                if delivery is None:
                    self._changed.wait(0.05)
                    continue
                self._queue.remove(delivery)
                self._busy += 1
            try:
                self._try(delivery)
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()

    def _next_due(self) -> Delivery | None:
        if self.disorder.paused:
            return None
        now = self._clock.now()
        return next((delivery for delivery in self._queue if delivery.due <= now), None)

    def _try(self, delivery: Delivery) -> None:
        now = self._clock.now()
        delivery.first_tried = delivery.first_tried if delivery.first_tried is not None else now
        delivery.tries += 1
        status = self._send(delivery.message, delivery.tries - 1)
        self._note(delivery.message, status)
        # refused or not reachable: again later
        if status != 200 and now - delivery.first_tried < RETRY_FOR_SECONDS:
            delivery.due = now + RETRY_EVERY_SECONDS
            with self._changed:
                self._queue.append(delivery)

    def waiting(self) -> int:
        return len(self._queue) + self._busy

    def settle(self, seconds: float) -> bool:
        """Waits until everything that is due was tried; False when the seconds are over before."""
        end = time.monotonic() + seconds
        with self._changed:
            while self._busy or self._next_due():
                if time.monotonic() > end:
                    return False
                self._changed.wait(0.05)
        return True

    def close(self) -> None:
        self._closed = True
        with self._changed:
            self._changed.notify_all()

    def _note(self, message: Message, status: int | str) -> None:
        entry = {"webhook_id": message.webhook_id, "event": message.event, "status": status, "body": message.body}
        self.history.append(entry)
        del self.history[:-HISTORY_KEPT]


def post_json(url: str, body: JsonObject, headers: dict[str, str]) -> tuple[int, bytes]:
    """Posts to a receiver; returns status and body, 0 when there is no answer."""
    request = urllib.request.Request(
        url, encode(body).encode(), {"Content-Type": "application/json", **headers}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as exc:
        return exc.code, b""
    except (OSError, ValueError, http.client.HTTPException):  # a receiver may die in the middle of its answer
        return 0, b""
