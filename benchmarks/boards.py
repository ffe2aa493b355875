"""Renders boards once: the sandbox's items, in the bytes that monday.com would send, kept in the temp folder.

A rendering is a folder with `board.json`, `items` and `listing` (JSON objects with commas between them, so that a page is
a slice of the file) and `index.json`: the id, the update time and the places of every item.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Map
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import requests
from msgspec import Struct

from mappings.bound import BoundMapping, bind
from mappings.declaration import Mapping
from mappings.loader import load_mappings
from models import Board
from monday_api import Monday
from services.monday.account import board_from
from services.monday.cells.kinds import MONDAY_KINDS
from services.monday.queries import BOARDS, ITEMS_PAGE, NEXT_ITEMS_PAGE, plain, with_item

PROJECT = Path(__file__).resolve().parent.parent
ENTITIES = ("users", "projects")
TOKEN = "benchmark-token-not-a-real-one"
SEED = 1
PAGE = 500
BLANK_LABEL = 5


class Rendering(Struct, frozen=True):
    """Says where rendered boards are, and how many items each has at most."""

    folder: Path
    items: int

    def boards(self) -> list[str]:
        """Returns the ids of the boards, in the order of a run."""
        return [str(mappings()[name].board_id) for name in ENTITIES]


def mappings() -> dict[str, Mapping]:
    """Returns the shipped mappings."""
    return load_mappings([PROJECT / "mappings"])


def rendered(items: int, boards: Map[str, Mapping] | None = None, folder: str = "shipped") -> Rendering:
    """Renders `items` items of each board, by the shipped mappings or by `boards`.

    A rendering with more items is used again instead of a new one.
    """
    wanted = boards or {name: mappings()[name] for name in ENTITIES}
    base = Path(tempfile.gettempdir()) / f"monday-sync-bench-{os.getuid()}" / _key() / folder
    for found in sorted(base.glob("[0-9]*"), key=lambda path: int(path.name)):
        if not _as_asked_now(found, wanted.values()):
            shutil.rmtree(found)  # a mapping has changed since
        elif int(found.name) >= items:
            return Rendering(found, int(found.name))
    whole, part = base / str(items), base / f"part-{os.getpid()}"
    print(
        f"Rendering {items:,} items of {' and '.join(wanted)}; later runs find them in {base.parent}.", file=sys.stderr
    )
    # Renamed when it is complete: an interrupted rendering is never used.
    try:
        with sandbox(",".join(f"{name}:{items}" for name in wanted)) as url:
            for mapping in wanted.values():
                _render(url, mapping, part)
        part.rename(whole)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Rendering(whole, items)


def _as_asked_now(folder: Path, wanted: Iterable[Mapping]) -> bool:
    """Tells whether a rendering holds the cells that the tool asks for today."""
    for mapping in wanted:
        parts = folder / str(mapping.board_id)
        board = board_from(orjson.loads((parts / "board.json").read_bytes()))
        if (
            orjson.loads((parts / "index.json").read_bytes())["columns"]
            != bind(mapping, board, MONDAY_KINDS).column_ids
        ):
            return False
    return True


def _key() -> str:
    """Returns the name of a rendering, made of the sources that decide what its pages hold."""
    parts = ("sandbox/common/*.py", "sandbox/monday/seeding/*.py", "sandbox/monday/cells/*.py", "benchmarks/boards.py")
    sources = [path for part in parts for path in PROJECT.glob(part)]
    content = b"".join(path.read_bytes() for path in sorted(sources)) + f"{SEED}".encode()
    return hashlib.blake2b(content, digest_size=6).hexdigest()


@contextmanager
def sandbox(boards: str) -> Iterator[str]:
    """Starts a sandbox with these boards, and yields the address of its API."""
    command = [
        sys.executable,
        "-m",
        "sandbox",
        "--port",
        "0",
        "--boards",
        boards,
        "--seed",
        str(SEED),
        "--token",
        TOKEN,
    ]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip() + "/v2"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _render(url: str, mapping: Mapping, parent: Path) -> None:
    """Writes the files of a board's rendering."""
    with Monday(token=TOKEN, url=url) as monday:
        board = monday.board(str(mapping.board_id))
    bound = bind(mapping, board, MONDAY_KINDS)
    folder = parent / board.id
    folder.mkdir(parents=True)
    places: list[list[Any]] = []
    status = {column.id for column in board.columns if column.type == "status"} & set(bound.column_ids)
    labels: dict[str, list[int]] = {column: [] for column in sorted(status)}
    points: float = 0.0
    listed = next(_pages(url, bound, listed=True), ([], 0))[1] / PAGE
    with open(folder / "items", "wb") as items, open(folder / "listing", "wb") as listing:
        for rows, cost in _pages(url, bound):
            points += cost
            for row in rows:
                short = {name: row[name] for name in ("id", "state", "updated_at", "group")}
                spans = [_append(items, row), _append(listing, short)]
                places.append([row["id"], row["updated_at"], *spans[0], *spans[1]])
                for cell in row["column_values"]:
                    if cell["id"] in labels:
                        labels[cell["id"]].append(
                            orjson.loads(cell["value"])["index"] if cell["value"] else BLANK_LABEL
                        )
    per_item = points / max(len(places), 1)
    index = {"places": places, "cost": per_item, "listed_cost": listed, "columns": bound.column_ids, "labels": labels}
    (folder / "index.json").write_bytes(orjson.dumps(index))
    (folder / "board.json").write_bytes(orjson.dumps(_raw_board(url, board)))


def _append(file: Any, value: Any) -> tuple[int, int]:
    """Writes a value as JSON with a comma after it, and returns where it begins and ends."""
    start = file.tell()
    text = orjson.dumps(value)
    file.write(text + b",")
    return start, start + len(text)


def _pages(url: str, bound: BoundMapping, listed: bool = False) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Yields the items as they come, and what a page of them costs in points of complexity."""
    listed = listed or not bound.wanted.all
    columns = {"columns": bound.column_ids} if listed else {}
    variables: dict[str, Any] = {"board": [bound.board.id], "limit": PAGE, **columns}
    document = with_item(ITEMS_PAGE, bound.selection, True, listed)
    while True:
        data = _ask(url, document, variables)
        page = data["next_items_page"] if "cursor" in variables else data["boards"][0]["items_page"]
        yield page["items"], data["complexity"]["query"]
        if page["cursor"] is None:
            return
        variables = {"cursor": page["cursor"], "limit": PAGE, **columns}
        document = with_item(NEXT_ITEMS_PAGE, bound.selection, True, listed)


def _raw_board(url: str, board: Board) -> Any:
    return _ask(url, plain(BOARDS), {"ids": [board.id], "limit": 1})["boards"][0]


def _ask(url: str, document: str, variables: dict[str, Any]) -> Any:
    answer = requests.post(
        url,
        data=orjson.dumps({"query": document, "variables": variables}),
        headers={"Authorization": TOKEN, "Content-Type": "application/json", "API-Version": "2026-10"},
        timeout=120,
    )
    return orjson.loads(answer.content)["data"]
