"""Serves rendered pages with very little work: `python -m benchmarks.server FOLDER`.

It answers the documents that a pull sends: boards, pages of items with all cells or with none, a filter by update time,
items by id. Its address is the first line it prints; `GET /told` returns what it has counted.
"""

from __future__ import annotations

import argparse
import mmap
import re
import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson

OPERATION = re.compile(r"\s*query\s+(\w+)")
PLENTY = 10_000_000


class Store:
    """Holds the first items of a rendered board."""

    def __init__(self, folder: Path, most: int) -> None:
        index = orjson.loads((folder / "index.json").read_bytes())
        self.places = index["places"][:most]
        self.columns: list[str] = index["columns"]
        self.labels: dict[str, list[int]] = index["labels"]
        self.cost: float = index["cost"]
        self.listed_cost: float = index["listed_cost"]
        self.board = orjson.loads((folder / "board.json").read_bytes()) | {"items_count": len(self.places)}
        self.at = {place[0]: number for number, place in enumerate(self.places)}
        self.by_update = sorted(range(len(self.places)), key=self._update_time)
        self.items, self.listing = (_mapped(folder / name) for name in ("items", "listing"))

    def slice(self, start: int, end: int, cells: bool) -> bytes:
        """Returns neighbouring items, with commas between them."""
        if start >= end:
            return b""
        first, last = self.places[start], self.places[end - 1]
        return self.items[first[2] : last[3]] if cells else self.listing[first[4] : last[5]]

    def some(self, numbers: Sequence[int], cells: bool) -> bytes:
        """Returns the items with these numbers."""
        return b",".join(self.slice(number, number + 1, cells) for number in numbers)

    def chosen(self, filter: Any) -> Sequence[int]:
        """Returns the numbers of the items that a filter selects."""
        filter = filter or {}
        rules = list(filter.get("rules") or ())
        numbers: Sequence[int] = range(len(self.places))
        # monday.com has an index of update times, and does not look at every item
        since = next((rule for rule in rules if rule["column_id"] not in self.labels), None)
        order = filter.get("order_by")
        if since or order:
            first = bisect_left(self.by_update, since["compare_value"][1], key=self._update_time) if since else 0
            newest_last = self.by_update[first:]
            descends = bool(order) and order[0]["direction"] == "desc"
            numbers = newest_last[::-1] if descends else newest_last if order else sorted(newest_last)
        if filter.get("ids"):
            chosen = set(numbers) if since else None
            numbers = [self.at[item_id] for item_id in filter["ids"] if item_id in self.at]
            numbers = [number for number in numbers if chosen is None or number in chosen]
        for rule in rules:
            if rule is not since:
                numbers = [number for number in numbers if self._has_label(rule, number)]
        return numbers

    def _update_time(self, number: int) -> str:
        return self.places[number][1] or ""

    def _has_label(self, rule: Any, number: int) -> bool:
        """Tells whether an item passes a rule: any of these labels, or none of them."""
        return (self.labels[rule["column_id"]][number] in rule["compare_value"]) is (rule["operator"] == "any_of")


def _mapped(path: Path) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class Answers:
    """Answers the documents, and counts them."""

    def __init__(self, folder: Path, most: int, largest_share: float = 1.0) -> None:
        self.largest_share = largest_share
        self.stores = {path.name: Store(path, most) for path in sorted(folder.iterdir())}
        self.cursors: dict[str, tuple[Store, Sequence[int], int]] = {}
        self.lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Begins to count from zero."""
        self.calls, self.first_at, self.points = 0, 0.0, 0.0
        self.by_operation: dict[str, int] = {}

    def answer(self, body: bytes) -> bytes:
        """Returns the answer to one document."""
        asked = orjson.loads(body)
        found = OPERATION.match(asked["query"])
        name = found[1] if found else "?"
        with self.lock:
            self.calls += 1
            self.first_at = self.first_at or time.time()
            self.by_operation[name] = self.by_operation.get(name, 0) + 1
        answer = getattr(self, f"_{name}", None)
        if answer is None:
            return orjson.dumps({"errors": [{"message": f"{name} was not rendered"}]})
        try:
            return answer({**(asked.get("variables") or {}), "cells": "column_values" in asked["query"]})
        except KeyError as exc:
            return orjson.dumps({"errors": [{"message": f"not rendered: {exc}"}]})

    def _Me(self, variables: dict[str, Any]) -> bytes:
        return b'{"data":{"me":{"id":"1","name":"B","account":{"id":"1","slug":"b","plan":{"tier":"pro"}}}}}'

    def _Boards(self, variables: dict[str, Any]) -> bytes:
        boards = [self.stores[board_id].board for board_id in variables["ids"] if board_id in self.stores]
        return b'{"data":{"boards":%b,%b}}' % (orjson.dumps(boards), self._cost(10 * len(boards)))

    def _Users(self, variables: dict[str, Any]) -> bytes:
        return b'{"data":{"users":[],%b}}' % self._cost(10)

    def _Teams(self, variables: dict[str, Any]) -> bytes:
        return b'{"data":{"teams":[],%b}}' % self._cost(10)

    def _BoardMarks(self, variables: dict[str, Any]) -> bytes:
        return self._Boards(variables)

    def _ItemsPage(self, variables: dict[str, Any]) -> bytes:
        store = self.stores[variables["board"][0]]
        numbers = store.chosen(variables.get("filter"))
        page, cost = self._page(store, numbers, 0, variables)
        return b'{"data":{"boards":[{"id":"%b","items_page":%b}],%b}}' % (store.board["id"].encode(), page, cost)

    def _GroupPage(self, variables: dict[str, Any]) -> bytes:
        """Answers a page of a group: the first group holds the largest share, the others the rest in equal parts."""
        store, group = self.stores[variables["board"][0]], variables["group"][0]
        groups = [group["id"] for group in store.board["groups"]]
        many, at = len(store.places), groups.index(group)
        first = round(many * self.largest_share)
        rest = (many - first) / max(len(groups) - 1, 1)
        start, end = (0, first) if at == 0 else (first + round((at - 1) * rest), first + round(at * rest))
        numbers = [number for number in store.chosen(variables.get("filter")) if start <= number < end]
        page, cost = self._page(store, numbers, 0, variables)
        names = (store.board["id"].encode(), group.encode(), page, cost)
        return b'{"data":{"boards":[{"id":"%b","groups":[{"id":"%b","items_page":%b}]}],%b}}' % names

    def _NextItemsPage(self, variables: dict[str, Any]) -> bytes:
        store, numbers, start = self.cursors[variables["cursor"]]
        page, cost = self._page(store, numbers, start, variables)
        return b'{"data":{"next_items_page":%b,%b}}' % (page, cost)

    def _Items(self, variables: dict[str, Any]) -> bytes:
        found = []
        for store in self.stores.values():
            numbers = [store.at[item_id] for item_id in variables["ids"] if item_id in store.at]
            if numbers:
                home = b'{"board":{"id":"%b"},' % store.board["id"].encode()
                found += [
                    home + store.slice(number, number + 1, self._cells(store, variables))[1:] for number in numbers
                ]
        return b'{"data":{"items":[%b],%b}}' % (b",".join(found), self._cost(100 * len(found)))

    def _page(self, store: Store, numbers: Sequence[int], start: int, variables: dict[str, Any]) -> tuple[bytes, bytes]:
        """Returns a page and its complexity, and remembers its cursor."""
        cells = self._cells(store, variables)
        end = min(start + variables["limit"], len(numbers))
        # Without a filter, a page is a slice of the file.
        rows = store.slice(start, end, cells) if isinstance(numbers, range) else store.some(numbers[start:end], cells)
        cursor = b"null"
        if end < len(numbers):
            name = f"{store.board['id']}-{id(numbers) if not isinstance(numbers, range) else 0}-{end}"
            self.cursors[name] = (store, numbers, end)
            cursor = b'"%b"' % name.encode()
        price = store.listed_cost if variables.get("columns") else store.cost if cells else store.cost / 20
        cost = self._cost(price * (end - start))
        return b'{"cursor":%b,"items":[%b]}' % (cursor, rows), cost

    def _cells(self, store: Store, variables: dict[str, Any]) -> bool:
        """Tells whether cells are asked for. Only the columns that were rendered can be."""
        columns = variables.get("columns")
        if columns and sorted(columns) != store.columns:
            raise KeyError("these columns")
        return bool(variables["cells"])

    def _cost(self, points: float) -> bytes:
        self.points += points
        told = {"before": PLENTY, "query": round(points), "after": PLENTY, "reset_in_x_seconds": 60}
        return b'"complexity":' + orjson.dumps(told)

    def told(self) -> bytes:
        """Returns the counts as JSON."""
        facts = {"calls": self.calls, "first_at": self.first_at, "points": self.points, "by": self.by_operation}
        return orjson.dumps(facts)


class Handler(BaseHTTPRequestHandler):
    """Receives and sends the answers by HTTP. `DELETE /told` begins to count from zero."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    answers: Answers
    latency_s = 0.0

    def do_POST(self) -> None:
        time.sleep(self.latency_s)
        self._send(self.answers.answer(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_GET(self) -> None:
        self._send(self.answers.told())

    def do_DELETE(self) -> None:
        self.answers.forget()
        self._send(b"{}")

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Api-Version", self.headers.get("API-Version", ""))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Prints nothing, so that only the figures are shown."""


def main() -> None:
    """Serves until the end of the process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=1 << 40, help="of each board, at most")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that each answer takes")
    parser.add_argument("--largest-group", type=float, default=1.0, help="its share of the items")
    options = parser.parse_args()
    Handler.answers, Handler.latency_s = Answers(options.folder, options.items, options.largest_group), options.latency
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
