"""Imitates many accounts of monday.com whose boards stand still: `python -m benchmarks.null_account`.

Every account has the same boards of some items, and every call takes the time that monday.com takes, so that what is
measured is the tool. Its address is the first line it prints; `GET /told` returns what it has counted.
"""

from __future__ import annotations

import argparse
from http.server import ThreadingHTTPServer
from typing import Any

import orjson

from benchmarks.server import OPERATION, PLENTY, Handler

FIRST_BOARD = 9_100_000_000
UPDATED_AT = "2026-01-01T00:00:00Z"
GROUP = {"id": "topics", "title": "Topics", "archived": False, "deleted": False}
COLUMNS = [
    {"id": "name", "title": "Name", "type": "name", "archived": False, "settings": {}},
    {"id": "text1", "title": "Notes", "type": "text", "archived": False, "settings": {}},
]


def board_ids(boards: int) -> list[str]:
    """Returns the boards that each account has."""
    return [str(FIRST_BOARD + number) for number in range(boards)]


def item_ids(board_id: str, items: int) -> list[str]:
    """Returns the items of a board."""
    return [f"{board_id}{number:06d}" for number in range(items)]


class NullAccounts:
    """Answers the documents of pulls, and counts them."""

    def __init__(self, items: int) -> None:
        self.items = items
        self.forget()

    def forget(self) -> None:
        """Begins to count from zero."""
        self.calls: dict[str, int] = {}

    def told(self) -> bytes:
        """Returns the counts as JSON."""
        return orjson.dumps({"calls": sum(self.calls.values()), "by": self.calls})

    def answer(self, body: bytes) -> bytes:
        """Returns the answer to one document."""
        asked = orjson.loads(body)
        found = OPERATION.match(asked["query"])
        name = found[1] if found else "?"
        self.calls[name] = self.calls.get(name, 0) + 1
        answer = getattr(self, f"_{name}", None)
        if answer is None:
            return orjson.dumps({"errors": [{"message": f"{name} is not imitated"}]})
        cost = {"before": PLENTY, "query": 10, "after": PLENTY, "reset_in_x_seconds": 60}
        return orjson.dumps({"data": {**answer(asked.get("variables") or {}), "complexity": cost}})

    def _Me(self, variables: dict[str, Any]) -> dict[str, Any]:
        account = {"id": "1", "slug": "null", "plan": {"tier": "pro"}}
        return {"me": {"id": "1", "name": "Null", "account": account}}

    def _Boards(self, variables: dict[str, Any]) -> dict[str, Any]:
        about = {"state": "active", "updated_at": UPDATED_AT, "items_count": self.items, "items_limit": None}
        parts = {"columns": COLUMNS, "groups": [GROUP]}
        return {"boards": [{"id": board, "name": f"Board {board}", **about, **parts} for board in variables["ids"]]}

    _BoardMarks = _Boards

    def _ItemsPage(self, variables: dict[str, Any]) -> dict[str, Any]:
        board, chosen = variables["board"][0], variables.get("filter") or {}
        ids = item_ids(board, self.items)
        if chosen.get("ids"):
            ids = [item_id for item_id in ids if item_id in set(chosen["ids"])]
        elif chosen.get("rules"):  # what was updated since: nothing
            ids = []
        return {"boards": [{"id": board, "items_page": {"cursor": None, "items": [_item(i) for i in ids]}}]}

    def _Items(self, variables: dict[str, Any]) -> dict[str, Any]:
        return {"items": [{"board": {"id": item_id[:-6]}, **_item(item_id)} for item_id in variables["ids"]]}


def _item(item_id: str) -> dict[str, Any]:
    cell = {"id": "text1", "type": "text", "text": f"note of {item_id}", "value": f'"note of {item_id}"'}
    return {
        **{"id": item_id, "name": f"Item {item_id}", "state": "active", "parent_item": None, "group": {"id": "topics"}},
        **{"created_at": UPDATED_AT, "updated_at": UPDATED_AT, "column_values": [cell]},
    }


def main() -> None:
    """Serves until the end of the process."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.null_account", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--items", type=int, default=10, help="of each board")
    parser.add_argument("--latency", type=float, default=0.3, help="seconds that each answer takes")
    options = parser.parse_args()
    Handler.answers, Handler.latency_s = NullAccounts(options.items), options.latency  # type: ignore[assignment]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.request_queue_size = True, 1024
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
