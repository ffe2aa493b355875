"""Tells without a look-up that items have no link yet, while an entity that had none is read for the first time."""

from __future__ import annotations

from collections.abc import Collection

MOST_ITEMS = 100_000
"""After so many, links are looked up again: what is kept here must not grow with the board."""


class UnknownItems:
    """Knows which items were taken in since the entity had neither a link nor a skipped item.

    It holds for one reading under the entity's lock, in which no other process makes links.
    """

    def __init__(self, most: int = MOST_ITEMS) -> None:
        self._most = most
        self._taken: set[int] = set()

    def none_is_known(self, item_ids: Collection[str]) -> bool:
        """Returns whether none of these items was asked about before, and notes that they are now."""
        ids = [int(item_id) for item_id in item_ids]
        if len(self._taken) + len(ids) > self._most or not self._taken.isdisjoint(ids):
            self._most = 0  # a page that came twice, or is tried again, may have links: so may all that follows
            return False
        self._taken.update(ids)
        return True
