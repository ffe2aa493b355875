"""Finds the snapshot that a run reads instead of monday.com, or takes it now."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import chain, islice

from data_cache import DataCache, Snapshot, SnapshotBoard, read_snapshot, utc_now, write_snapshot
from errors import SettingsError
from mappings.bound import bind
from mappings.declaration import Mapping
from models import Item
from services.monday.cells.kinds import MONDAY_KINDS
from services.monday.pages import ReadOptions
from sync.options import RunOptions
from sync.parts import Parts
from values.wording import minute_text

log = logging.getLogger("monday_sync")


def snapshot_of(parts: Parts, mapping: Mapping, board_id: str, options: RunOptions) -> Snapshot:
    """Returns the snapshot to read, taken now when there is none."""
    cache, now = DataCache(parts.settings.home), utc_now()
    path = options.cache_file or cache.newest(board_id)
    if path is None or not path.exists():
        board = parts.monday.board(board_id)
        bound = bind(mapping, board, MONDAY_KINDS)
        pages = parts.monday.pages(board_id, bound.wanted, ReadOptions(prefetch=True))
        path = path or cache.new_path(board_id, now)
        log.info("Fetching %s into the snapshot %s.", mapping.entity, path)
        return write_snapshot(path, board, bound.column_ids, (page.items for page in pages), now)
    snapshot = read_snapshot(path)
    _check_fits(snapshot, mapping, board_id)
    log.info("%s comes from the snapshot %s of %s.", mapping.entity, path, minute_text(snapshot.taken_at))
    return snapshot


def _check_fits(snapshot: Snapshot, mapping: Mapping, board_id: str) -> None:
    if snapshot.board.id != board_id:
        raise SettingsError(
            f"{snapshot.path} holds board {snapshot.board.id}, and {mapping.entity} is on board {board_id}.",
            hint="Name another file with --cache-file; --list-cache lists what there is.",
        )
    if lacking := sorted(set(bind(mapping, snapshot.board, MONDAY_KINDS).column_ids) - set(snapshot.columns)):
        raise SettingsError(
            f"{snapshot.path} was taken without the columns {', '.join(lacking)}, which the mapping reads now.",
            hint="Remove it; the next run with --use-cache takes a new one.",
        )


def items_of(board: SnapshotBoard, limit: int | None) -> Iterator[list[Item]]:
    """Yields the items of a snapshot page by page, or the first of them."""
    pages = (page.items for page in board.pages(board.snapshot.board.id))
    if limit is None:
        yield from pages
    elif first := list(islice(chain.from_iterable(pages), limit)):
        yield first
