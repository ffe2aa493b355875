"""Searches monday.com for items that a document in doubt may have made."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from errors import MondayRefused, QueryRejected, RecordRefused
from models import Item
from services.monday.answers import LogJson
from state.intents import Intent
from sync.identity import SUSPECTED, earlier, made_since
from sync.item_documents import Documents

log = logging.getLogger("monday_sync")

UNDER_WAY = timedelta(hours=1)
"""No document, and no import, is waited for any longer."""


class Search:
    """Finds the items of documents in doubt on one board."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.sync = documents.sync

    # By the sync id

    def by_sync_id(self, intent: Intent, wanted: Sequence[str]) -> dict[str, Item]:
        """Returns the items that carry the ids of these rows, also archived ones. What another user has made is a copy."""
        found = self._active(intent, wanted)
        return found | self.gone(intent, [root_id for root_id in wanted if root_id not in found])

    def _active(self, intent: Intent, wanted: Sequence[str]) -> dict[str, Item]:
        if not wanted:
            return {}
        sync, sync_id = self.sync, str(self.documents.items.sync_id)
        items = sync.monday.find_by_text(sync.board.id, sync_id, wanted, sync.bound.wanted)
        return self.first_made(self._made_by_us(intent, items), set(wanted))

    def gone(self, intent: Intent, wanted: Sequence[str]) -> dict[str, Item]:
        """Returns those that were archived or deleted since: no listing shows them, but the board's log does."""
        if not wanted:
            return {}
        monday, board_id = self.sync.monday, self.sync.board.id
        try:
            since, by = self._since(intent) - UNDER_WAY, intent.document.get("by")
            entries = monday.account.activity_logs(board_id, since, user_id=by)
            made = [item_id for entry in entries for item_id in made_items(entry)]
        except (MondayRefused, QueryRejected, RecordRefused) as error:
            log.info(
                "The board's activity log cannot be read (%s); items that are gone are not looked for.", error.message
            )
            return {}
        gone: list[Item] = []
        for items in monday.items(self._unlinked(made), self.sync.bound.wanted):
            gone += [item for item in items if item.state != "active"]
        return self.first_made(self._made_by_us(intent, gone), set(wanted))

    def _made_by_us(self, intent: Intent, items: Sequence[Item]) -> list[Item]:
        """Returns those that were made in the name of the user in whose name the document was sent."""
        by = intent.document.get("by")
        if not items or by is None:
            return list(items)
        makers = self.sync.monday.reading.makers([item.id for item in items])
        return [item for item in items if makers.get(item.id, by) == by]

    def first_made(self, items: Sequence[Item], wanted: Collection[str]) -> dict[str, Item]:
        """Returns items by row id; of several that carry the same id, the others are copies of the first."""
        found: dict[str, Item] = {}
        for item in sorted(items, key=lambda item: int(item.id)):
            cell = item.cells.get(str(self.documents.items.sync_id)) or {}
            root_id = str(cell.get("text") or "").strip()
            if root_id in wanted:
                found.setdefault(root_id, item)
        return found

    # Without a sync id column

    def suspects(self, intent: Intent) -> list[Item]:
        """Returns what the tool's own user has made since the document, and that has no row."""
        monday, board_id, since = self.sync.monday, self.sync.board.id, self._since(intent)
        young: dict[str, Item] = {}
        for page in monday.pages(board_id, self.sync.bound.wanted):
            young |= {item.id: item for item in page.items if made_since(item, since)}
        # An item that was suspected before and that a listing leaves out need not be gone.
        with self.sync.db.transaction(read_only=True) as tx:
            left_out = self.sync.state.skipped.keys_of(tx, SUSPECTED) - young.keys()
        for items in monday.items(sorted(left_out), self.sync.bound.wanted):
            here = [item for item in items if item.is_on(board_id)]
            young |= {item.id: item for item in here if made_since(item, since)}
        return self._made_by_us(intent, [young[item_id] for item_id in self._unlinked(young)])

    def _since(self, intent: Intent) -> datetime:
        """Returns when the document was written down: a moment ago, by this process, if the database does not say."""
        now = self.sync.monday.server_time()
        return earlier(intent.created_at or now, intent.age, now)

    def _unlinked(self, item_ids: Iterable[str]) -> list[str]:
        """Returns those of these items that have no row."""
        asked = list(item_ids)
        with self.sync.db.transaction(read_only=True) as tx:
            linked = self.sync.state.links.find(tx, [(item_id, "") for item_id in asked]).links
        return [item_id for item_id in asked if item_id not in linked]


def made_items(entry: LogJson) -> list[str]:
    """Returns the ids of the items that an entry of the activity log says were made."""
    if entry["event"] not in ("create_pulse", "batch_create_pulses"):
        return []
    pulse, item, several = (entry["data"].get(name) for name in ("pulse_id", "item_id", "pulse_ids"))
    return [str(item_id) for item_id in (pulse, item, *(several or ())) if str(item_id).isdecimal()]
