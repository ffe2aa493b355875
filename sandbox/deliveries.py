"""Carries webhooks to their receivers: challenge, signature, retries once a minute, and the disorder tests ask for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from sandbox.cells import encode
from sandbox.events import Announcement
from sandbox.models import Webhook
from sandbox.world import World

ANSWER_SECONDS = 5
RETRY_EVERY_SECONDS, RETRY_FOR_SECONDS = 60, 1800
SIGNATURE_SECONDS = 300


@dataclass
class Disorder:
    """What may happen to deliveries, each per hundred; `delay_seconds` is by the sandbox's clock."""

    lose_percent: float = 0
    double_percent: float = 0
    reorder: bool = False
    delay_seconds: float = 0
    paused: bool = False


@dataclass
class Delivery:
    webhook: Webhook
    body: dict[str, Any]
    due: float
    first_tried: float | None = None
    tries: int = 0


@dataclass
class Deliveries:
    world: World
    signing_secret: str | None = None
    disorder: Disorder = field(default_factory=Disorder)
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._queue: list[Delivery] = []
        self._busy = 0
        self._changed = self.world.clock.moved
        self._thread: threading.Thread | None = None
        self._closed = False
        self._random = random.Random(self.world.seed + 1)

    # what is heard

    def announce(self, announcements: list[Announcement]) -> None:
        for one in announcements:
            for webhook in list(self.world.webhooks.values()):
                if webhook.board_id == one.board_id and webhook.event in one.events and wanted(webhook, one):
                    self._enqueue(webhook, {"event": {**one.payload, "subscriptionId": webhook.id}})

    def _enqueue(self, webhook: Webhook, body: dict[str, Any]) -> None:
        chaos, due = self.disorder, self.world.clock.now() + self.disorder.delay_seconds
        if self._random.uniform(0, 100) < chaos.lose_percent:
            self._note(webhook, body, "lost")
            return
        copies = 2 if self._random.uniform(0, 100) < chaos.double_percent else 1
        with self._changed:
            for _ in range(copies):
                self._queue.append(Delivery(webhook, body, due))
            if chaos.reorder:
                self._random.shuffle(self._queue)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name="webhooks")
                self._thread.start()
            self._changed.notify_all()

    # how it goes out

    def _work(self) -> None:
        while not self._closed:
            with self._changed:
                delivery = self._next_due()
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
        now = self.world.clock.now()
        return next((d for d in self._queue if d.due <= now), None)

    def _try(self, delivery: Delivery) -> None:
        now = self.world.clock.now()
        delivery.first_tried = delivery.first_tried if delivery.first_tried is not None else now
        event = {**delivery.body["event"], "isRetry": delivery.tries > 0}
        delivery.tries += 1
        status, _ = self.post(delivery.webhook.url, {"event": event})
        self._note(delivery.webhook, delivery.body, status)
        if status != 200 and now - delivery.first_tried < RETRY_FOR_SECONDS:
            delivery.due = now + RETRY_EVERY_SECONDS
            with self._changed:
                self._queue.append(delivery)

    def post(self, url: str, body: dict[str, Any]) -> tuple[int, bytes]:
        """HTTP status and body; 0 when nobody answered."""
        headers = {"Content-Type": "application/json"}
        if self.signing_secret:
            headers["Authorization"] = self.signature(url)
        request = urllib.request.Request(url, encode(body).encode(), headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as exc:
            return exc.code, b""
        except (OSError, ValueError, http.client.HTTPException):  # a receiver may die in the middle of its answer
            return 0, b""

    def challenge(self, url: str) -> bool:
        """A new subscription's receiver must echo the challenge as JSON with status 200."""
        text = f"{self._random.getrandbits(160):040x}"
        status, body = self.post(url, {"challenge": text})
        try:
            return status == 200 and json.loads(body) == {"challenge": text}
        except ValueError:
            return False

    def signature(self, url: str) -> str:
        now = int(time.time())  # receivers check against the real clock
        owner = next(iter(self.world.users))
        claims = {"accountId": self.world.account.id, "userId": owner, "aud": url, "exp": now + SIGNATURE_SECONDS,
                  "iat": now}
        text = f"{b64({'alg': 'HS256', 'typ': 'JWT'})}.{b64(claims)}"
        mac = hmac.new((self.signing_secret or "").encode(), text.encode(), hashlib.sha256).digest()
        return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    # what tests ask

    def waiting(self) -> int:
        return len(self._queue) + self._busy

    def settle(self, seconds: float) -> bool:
        """Waits until everything that is due was tried."""
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

    def _note(self, webhook: Webhook, body: dict[str, Any], status: int | str) -> None:
        self.history.append({"webhook_id": webhook.id, "event": webhook.event, "status": status, "body": body})
        del self.history[:-5_000]


def b64(claims: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()


def wanted(webhook: Webhook, one: Announcement) -> bool:
    """Does the subscription's config ask for this one."""
    config = webhook.config
    if webhook.event in ("change_specific_column_value", "change_status_column_value"):
        if config.get("columnId") not in (None, one.facts.get("columnId")):
            return False
        value = config.get("columnValue") or {}
        return webhook.event != "change_status_column_value" or "index" not in value or (
            value["index"] == one.facts.get("index"))
    if webhook.event == "item_moved_to_specific_group":
        return config.get("groupId") == one.facts.get("groupId")
    return True
