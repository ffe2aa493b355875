"""Knows which cells and rows need not be taken apart, because an earlier proof has read the very same and found them equal.

A hash of the cells says that they are the same; what else decides how they are read is part of the hash: the columns of the
board, the mapping, and the code. The base that they were found to show is the item's as long as its link was not written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from db_connector import Transaction
from models import Item
from state.proved import Proved, find_proved
from sync.board import BoardSync
from sync.task import Task


class ProvedCells:
    """Finds what earlier proofs have noted, and collects what this one has read. May be used by several threads."""

    def __init__(self, sync: BoardSync) -> None:
        self.sync = sync
        self.new: dict[str, Proved] = {}
        """What is to be noted, by link."""
        self._key = sync.engine.cycle.seal_key
        # what such a cell shows depends on the links of another entity
        self._usable = not any(binding.link_to for binding in sync.mapping.bindings)

    def find(self, tx: Transaction, items: Sequence[Item]) -> dict[str, Proved]:
        """Returns what is known of items, by id; nothing where a cell alone does not decide what it shows."""
        if not self._usable:
            return {}
        content = {item.id: self.sync.reader.fingerprint(item)[0] for item in items}
        cells = {item_id: self._hash(digest) for item_id, digest in content.items()}
        known = find_proved(tx, self.sync.mapping.entity_type, cells)
        return {item_id: found._replace(content=content[item_id]) for item_id, found in known.items()}

    def note(self, task: Task, known: Proved | None, row: str = "", shown: str = "") -> None:
        """Collects an item whose cells show its base; with the hash of its row and the digest where both are equal."""
        if known is None or task.unread or task.unresolved or task.record != task.base_monday:
            return
        # one that was equal is noted until it is again
        if not known.noted or (row and row != known.row):
            self.new[known.link] = known._replace(row=row, shown=shown)

    def take_new(self, at_least: int) -> list[Proved]:
        """Returns what is to be noted, once it is that much, and forgets it."""
        return [self.new.popitem()[1] for _ in range(len(self.new))] if len(self.new) >= at_least else []

    def _hash(self, digest: str) -> str:
        return hashlib.blake2b(digest.encode(), key=self._key, digest_size=16).hexdigest()
