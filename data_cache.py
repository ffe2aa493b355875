"""Keeps snapshots of boards as they were fetched: a mapping can be tried again and again without asking monday.com.

A snapshot is one gzip file of JSON lines: what it is, the board, and how many items follow; then a page of items a line.
It gets its name when it is whole. A run from a snapshot removes nothing and moves no watermark.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import asdict

from errors import SettingsError, SyncError
from models import Board, BoardColumn, Item, Page, Pages

FOLDER = "cache"
FORMAT = 1
NAME = re.compile(r"(\d+)-(\d{8}T\d{6}Z)\.jsonl\.gz")
BROKEN = (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError)


class Snapshot(Struct, frozen=True):
    """Holds a snapshot that was found whole; its items are read as they are asked for."""

    path: Path
    board: Board
    taken_at: datetime
    items: int
    columns: tuple[str, ...]

    def pages(self) -> Iterator[list[Item]]:
        """Yields the items, a page at a time."""
        with gzip.open(self.path) as lines:
            next(lines)
            for line in lines:
                try:
                    yield [Item(**raw) for raw in _loads(line)]
                except BROKEN as exc:
                    raise _foreign(self.path, f"a page cannot be read ({type(exc).__name__})") from exc


class SnapshotBoard(Struct, frozen=True):
    """Reads a board from a snapshot, as the client reads it from monday.com."""

    snapshot: Snapshot

    def board(self, board_id: str | int) -> Board:
        """Returns the board as it was."""
        return self.snapshot.board

    def pages(self, board_id: str | int, columns: object = None, options: object = None) -> Pages:
        """Yields all items, with the cells that were fetched then."""
        for items in self.snapshot.pages():
            yield Page(items, None)

    def server_time(self) -> datetime:
        """Returns the present instant by this machine's clock: nothing else can be asked."""
        return datetime.now(timezone.utc)


class DataCache:
    """Finds the snapshots of a home, in `cache/`, by board and time."""

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER

    def newest(self, board_id: str) -> Path | None:
        """Returns the newest snapshot of a board."""
        return max(self._named(board_id), default=None)

    def new_path(self, board_id: str, now: datetime) -> Path:
        """Returns where a snapshot taken now belongs."""
        return self.folder / f"{board_id}-{now:%Y%m%dT%H%M%SZ}.jsonl.gz"

    def all(self) -> Iterator[Snapshot | SyncError]:
        """Yields every snapshot, newest first; for a snapshot that is not whole, what is wrong with it."""
        for path in sorted(self._named(r"\d+"), key=lambda path: path.name.split("-")[1], reverse=True):
            try:
                yield read_snapshot(path)
            except SyncError as exc:
                yield exc

    def _named(self, board_id: str) -> Iterator[Path]:
        for path in self.folder.glob("*.jsonl.gz"):
            found = NAME.fullmatch(path.name)
            if found and re.fullmatch(board_id, found[1]):
                yield path


def write_snapshot(
    path: Path, board: Board, columns: Sequence[str], pages: Iterable[Iterable[Item]], now: datetime
) -> Snapshot:
    """Writes the pages as they come; the file appears under its name when the last page is in."""
    body, whole = path.with_name(path.name + ".items"), path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _created(body) as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=3, filename="") as out:
            items = 0
            for page in pages:
                listed = list(page)
                items += len(listed)
                out.write(_dumps([asdict(item) for item in listed]) + b"\n")
        head = {
            "monday_sync_snapshot": FORMAT,
            "board": {**asdict(board), "columns": [asdict(column) for column in board.columns]},
            "taken_at": now.isoformat(),
            "items": items,
            "columns": list(columns),
        }
        # How many items there are is known last and read first: gzip files can be strung together.
        with _created(whole) as raw, open(body, "rb") as rest:
            raw.write(gzip.compress(_dumps(head) + b"\n"))
            shutil.copyfileobj(rest, raw)
            raw.flush()
            os.fsync(raw.fileno())
        whole.replace(path)
    except OSError as exc:
        raise SyncError(
            f"The snapshot {path} could not be written: {exc.strerror or exc}.",
            hint="Make room or make the folder writable, or name another file with --cache-file.",
        ) from exc
    finally:
        for left in (body, whole):
            with suppress(OSError):
                left.unlink()
    return Snapshot(path, board, now, items, tuple(columns))


def read_snapshot(path: Path) -> Snapshot:
    """Opens a snapshot, once it is sure that it is whole. Raises SettingsError."""
    try:
        with gzip.open(path) as file:
            head = _loads(file.readline(1 << 26))
            if not isinstance(head, dict) or "monday_sync_snapshot" not in head:
                raise _foreign(path, "it was not written by this tool")
            if head["monday_sync_snapshot"] != FORMAT:
                raise _foreign(path, "another version of this tool wrote it")
            while file.read(1 << 20):  # its checksum comes last
                pass
            taken_at = datetime.fromisoformat(head["taken_at"])
            return Snapshot(path, _board(head["board"]), taken_at, int(head["items"]), tuple(head["columns"]))
    except gzip.BadGzipFile as exc:
        raise _foreign(path, "it is damaged, or was not written by this tool") from exc
    except EOFError as exc:
        raise _foreign(path, "it is cut short") from exc
    except OSError as exc:
        raise _foreign(path, exc.strerror or "it cannot be read") from exc
    except BROKEN as exc:
        raise _foreign(path, "it is damaged, or was not written by this tool") from exc


def utc_now() -> datetime:
    """Returns the present second."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def _created(path: Path) -> Any:
    # It has names and addresses of people: no other user may read it.
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _foreign(path: Path, reason: str) -> SettingsError:
    return SettingsError(
        f"{path} is no snapshot that can be used: {reason}.", hint="Remove it, or name another file with --cache-file."
    )


def _board(raw: dict[str, Any]) -> Board:
    columns = tuple(BoardColumn(**column) for column in raw["columns"])
    return Board(**{**raw, "columns": columns, "groups": tuple(tuple(group) for group in raw["groups"])})


def _dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # half of a surrogate pair, which monday.com's texts can hold
        return json.dumps(value).encode()


def _loads(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except ValueError:
        return json.loads(line)
