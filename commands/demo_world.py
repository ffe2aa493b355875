"""Starts the two sides of the demo of boards: a stand-in for monday.com, and a PostgreSQL."""

from __future__ import annotations

import json
import os
import secrets
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from msgspec import Struct

from commands.demo_parts import ANSWER_S, Commands, address_of, demo_database, demo_folder, started, without_settings
from config.hiding import Hiding
from db_connector import Database
from errors import SyncError
from settings import DEFAULTS, Settings


class StandIn(Hiding, Struct, frozen=True):
    """Describes the stand-in for monday.com: where it answers, and the token that it accepts."""

    HIDDEN: ClassVar = frozenset({"token"})

    url: str
    token: str

    @property
    def api_url(self) -> str:
        """Returns the address of its GraphQL API."""
        return f"{self.url}/v2"

    def ask(self, query: str, **variables: str) -> dict[str, Any]:
        """Sends a query as a user's browser would, and returns its data."""
        headers = {
            "Authorization": self.token,
            "Content-Type": "application/json",
            "API-Version": DEFAULTS.api_version,
        }
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self.api_url, body, headers, method="POST")
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answered:
            answer: dict[str, Any] = json.loads(answered.read())
        if answer.get("errors"):
            raise SyncError(f"The stand-in for monday.com refused a change: {answer['errors'][0]['message']}")
        return dict(answer["data"])


class World(Commands, frozen=True):
    """Holds both sides of the demo, and how commands run between them."""

    stand_in: StandIn


@contextmanager
def open_world(given: Settings, boards: str) -> Iterator[World]:
    """Starts both sides. Everything is stopped and removed at the end."""
    token = secrets.token_urlsafe(24)
    words = ["-m", "sandbox", "--port", "0", "--boards", boards]
    with (
        demo_folder() as folder,
        started(words, {**os.environ, "SANDBOX_TOKEN": token}) as child,
        demo_database(given, folder) as target,
    ):
        stand_in = StandIn(address_of(child), token)
        environment = {
            **without_settings(os.environ),
            "MONDAY_SYNC_HOME": str(folder),
            "MONDAY_API_KEY": token,
            "MONDAY_API_URL": stand_in.api_url,
            "DATABASE_URL": target,
        }
        db = Database(target)
        try:
            yield World(db, environment, stand_in)
        finally:
            db.close()
