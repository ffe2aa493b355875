"""Scripts monday.com's answers at the edge of HTTP, on a clock that moves by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
import responses

from monday_api import Limits, Monday
from services.monday.waiting import Notify
from tests.kit.clocks import MovingClock

URL = "http://monday.test/v2"
TOKEN = "made-up-token-of-no-account"

Reply = tuple[int, dict[str, str], Any]
"""Status, headers, and a body: text, bytes, or what becomes JSON."""


class Script:
    """Answers in order, the last one again and again; keeps what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[requests.PreparedRequest] = []
        self.took = 0.0
        self.clock = MovingClock()

    def __call__(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str | bytes]:
        self.asked.append(request)
        self.clock.at += self.took
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = answer(json.loads(request.body or b""))
        if isinstance(answer, Exception):
            raise answer
        status, headers, body = answer
        return status, headers, body if isinstance(body, (str, bytes)) else json.dumps(body)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.body or b"") for request in self.asked]

    @property
    def variables(self) -> list[Any]:
        return [body["variables"] for body in self.bodies]


@contextmanager
def scripted() -> Iterator[Callable[..., tuple[Monday, Script]]]:
    """Makes clients whose answers are scripted, with the middle of every random pause."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        made: list[Monday] = []

        def make(
            *answers: Any, on_event: Notify | None = None, token: str = TOKEN, **options: Any
        ) -> tuple[Monday, Script]:
            script = Script(*answers)
            mock.reset()
            mock.add_callback(responses.POST, URL, script)
            limits = Limits(**{"random": lambda: 0.5, **options})
            made.append(Monday(token=token, url=URL, clock=script.clock, limits=limits, on_event=on_event))
            return made[-1], script

        yield make
        for client in made:
            client.close()


def ok(data: Any, **headers: str) -> Reply:
    return 200, {"Api-Version": "2026-10", **headers}, {"data": data, "extensions": {"request_id": "r-1"}}


def failed(
    code: str, message: str = "Something", http: int = 200, path: Any = None, data: Any = None, **extensions: Any
) -> Reply:
    entry: dict[str, Any] = {"message": message, "extensions": {"code": code, **extensions}}
    if path:
        entry["path"] = path
    return http, {}, {"data": data, "errors": [entry]}


def item_json(number: int, *columns: str, **changes: Any) -> dict[str, Any]:
    """Returns an item as a page holds it."""
    cells = [{"id": column, "text": f"{column} of {number}", "value": None} for column in columns]
    item = {
        "id": str(number),
        "name": f"Item {number}",
        "state": "active",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-02T00:00:00Z",
        "group": {"id": "topics"},
        "parent_item": None,
    }
    return {**item, **({"column_values": cells} if columns else {}), **changes}


def first_page(*items: Any, cursor: str | None = None) -> Reply:
    return ok({"boards": [{"id": "7", "items_page": {"cursor": cursor, "items": list(items)}}]})


def next_page(*items: Any, cursor: str | None = None) -> Reply:
    return ok({"next_items_page": {"cursor": cursor, "items": list(items)}})


ME = ok({"me": {"id": "1", "name": "Ann", "account": {"id": "2", "slug": "acme", "plan": {"tier": "pro"}}}})
GATEWAY = (502, {}, "<html>Bad gateway</html>")
BUSY = failed("RATE_LIMIT_EXCEEDED", http=429, retry_in_seconds=28)
HALF = (200, {}, '{"data":{"me":{"id":"1","na')
CUT = requests.exceptions.ConnectionError("Connection reset by peer")
CHANGE = "mutation Change { a0: archive_item(item_id: 1) { id } a1: archive_item(item_id: 2) { id } }"
