"""Sends events to the webhooks that subscribed to them, signed as monday.com signs them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import time

from sandbox.common.deliveries import Deliveries, Message, post_json
from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import Webhook
from sandbox.monday.account.world import World
from sandbox.monday.changes.events import Announcement

SIGNATURE_SECONDS = 300


class Subscriptions:
    """Holds the deliveries. With a signing secret the token is an app's, and each request carries a signature."""

    def __init__(self, world: World, signing_secret: str | None = None) -> None:
        self._world, self._signing_secret = world, signing_secret
        self._random = random.Random(world.seed + 1)
        self.deliveries = Deliveries(world.clock, self._random, self._send)

    def announce(self, announcements: list[Announcement]) -> None:
        for announcement in announcements:
            for webhook in list(self._world.webhooks.values()):
                if wants(webhook, announcement):
                    event = {**announcement.payload, "subscriptionId": webhook.id}
                    self.deliveries.add(Message(webhook.id, webhook.event, webhook.url, {"event": event}))

    def challenge(self, url: str) -> bool:
        """Asks the receiver of a new subscription: it must repeat the challenge as JSON with status 200."""
        text = f"{self._random.getrandbits(160):040x}"
        status, body = self._post(url, {"challenge": text})
        try:
            return status == 200 and json.loads(body) == {"challenge": text}
        except ValueError:
            return False

    def _send(self, message: Message, tries: int) -> int:
        event = {**message.body["event"], "isRetry": tries > 0}
        return self._post(message.url, {"event": event})[0]

    def _post(self, url: str, body: JsonObject) -> tuple[int, bytes]:
        return post_json(url, body, {"Authorization": self._signature(url)} if self._signing_secret else {})

    def _signature(self, url: str) -> str:
        now = int(time.time())  # receivers check against the real clock
        claims = {
            "accountId": self._world.account.id,
            "userId": self._world.owner().id,
            "aud": url,
            "exp": now + SIGNATURE_SECONDS,
            "iat": now,
        }
        text = f"{b64({'alg': 'HS256', 'typ': 'JWT'})}.{b64(claims)}"
        mac = hmac.new((self._signing_secret or "").encode(), text.encode(), hashlib.sha256).digest()
        return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def b64(claims: JsonObject) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()


def wants(webhook: Webhook, announcement: Announcement) -> bool:
    """Says whether a subscription asks for this event."""
    # another board or another event
    if webhook.board_id != announcement.board_id or webhook.event not in announcement.events:
        return False
    config, facts = webhook.config, announcement.facts
    # one column, or any
    if webhook.event == "change_specific_column_value":
        return config.get("columnId") in (None, facts.get("columnId"))
    # one column and one label, or any
    if webhook.event == "change_status_column_value":
        value = config.get("columnValue") or {}
        is_column = config.get("columnId") in (None, facts.get("columnId"))
        return is_column and ("index" not in value or value["index"] == facts.get("index"))
    # one group
    if webhook.event == "item_moved_to_specific_group":
        return config.get("groupId") == facts.get("groupId")
    return True
