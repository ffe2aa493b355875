"""Says who reads the items of a board before the engine asks for them: a thread, or of a large board a second process."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from services.monday.prefetch import Prepare
from services.monday.queries import Decode
from sync.board import BoardSync
from sync.options import processors

if TYPE_CHECKING:
    from sync.reading_process import ReadingProcess

log = logging.getLogger("monday_sync")


class ReadAhead(NamedTuple):
    """Says who reads items before they are asked for: the thread that fetches them, or another process."""

    prepare: Prepare | None = None
    decode: Decode | None = None


@contextmanager
def reading_ahead(sync: BoardSync) -> Iterator[ReadAhead]:
    """Makes ready to read all items of a board that mostly are new."""
    process = _start(sync) if _is_worth_it(sync) else None
    try:
        yield ReadAhead(sync.reader.read_ahead, process.decode if process else None)
        if process is not None:
            process.finish()
    finally:
        if process is not None:
            process.close()


def _is_worth_it(sync: BoardSync) -> bool:
    """Returns whether the board is large, and there is a processor for another process. On macOS a copy may not live."""
    from_items = sync.parts.settings.second_process_from
    if from_items is None or (sync.board.items_count or 0) < from_items or not sync.reader.reads_alone:
        return False
    return sys.platform == "linux" and processors() > 1


def _start(sync: BoardSync) -> ReadingProcess | None:
    from sync.reading_process import ReadingProcess  # most runs need none
    from sync.second_process import Wanted

    known = [sync.mapping.sync_id[0]] if sync.mapping.sync_id else []
    try:
        return ReadingProcess(sync.reader, Wanted(sync.board.id, sync.bound.wanted, known))
    except OSError as error:  # no more processes, or no memory for one
        log.debug("%s: read in this process alone (%s).", sync.mapping.entity, error)
        return None
