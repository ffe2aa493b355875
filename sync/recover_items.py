"""What became of items that were about to be created when a process died, or when no answer came.

The board is asked first, by the row key that each item carries in the sync id column, because only monday.com's clock
says whether it still knows an Idempotency-Key. Only when nothing of a document is there is the same document sent again
under the same key: either that returns what was made, or nothing was made.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from errors import MondayRefused, QueryRejected, RecordRefused
from models import Item, LogEntry
from services.monday.answers import LogJson
from state.intents import Intent
from sync.identity import SUSPECTED, earlier, made_since
from sync.import_items import ItemImport

if TYPE_CHECKING:
    from sync.create_items import Creation

log = logging.getLogger("monday_sync")

PAUSES_S = (5.0, 10.0, 20.0, 40.0)
"""Together longer than monday.com works on one call, and than its filtered reads lag behind."""
UNDER_WAY = timedelta(hours=1)
"""No document, and no import, is waited for any longer."""
IN_DOUBT = "an item that is there may be the one made of this row: give it the name of the row if it is, archive it if not"


class Recovery:
    """Clears up the documents in doubt of one board. Nobody else works on the entity meanwhile."""

    def __init__(self, creation: Creation) -> None:
        self.creation = creation
        self.sync = creation.sync
        self.db, self.state, self.bound = creation.db, creation.state, creation.bound
        self.sync_id = creation.sync_id

    def run(self) -> None:
        """Bring each document to its end, oldest first."""
        with self.db.transaction(read_only=True) as tx:
            intents = self.state.intents.open(tx)
        for intent in intents:
            if intent.kind == "import":
                self.finish_import(intent, intent.job_id)
            elif self.sync_id:
                self._recover(intent)
            else:
                self._recover_by_name(intent)
            self.sync.writer.raise_trouble()

    def _open(self, intent: Intent) -> list[str]:
        """The rows of a document that have no item yet."""
        with self.db.transaction(read_only=True) as tx:
            return self.state.intents.rows_of(tx, intent.key)

    def _recover(self, intent: Intent) -> None:
        wanted = self._open(intent)
        found = self._look_up(intent, wanted)
        if not found and len(wanted) == len(intent.document["rows"]):
            self._send_again(intent)
            return
        # Some of it was made, so the document must not be sent again: its key may be forgotten by now.
        self.creation.settle(intent, found)
        for _ in self._while_missing(intent, "An item that was just made may not be found yet.", found):
            more = self._look_up(intent, self._missing(intent, found))
            self.creation.settle(intent, more)
            found |= more
        # What was made and PostgreSQL does not take in stays in doubt: new again, it would be made twice.
        self.creation.forget(intent, self._missing(intent, found))

    def _missing(self, intent: Intent, found: Collection[str]) -> list[str]:
        return [root_id for root_id in self._open(intent) if root_id not in found]

    def _send_again(self, intent: Intent) -> None:
        log.info("Sending again a document of %d items whose answer never came.", len(intent.document["rows"]))
        try:
            spoilt = self.creation.send(intent)
        except QueryRejected:
            log.warning("monday.com does not understand the document any more; its rows are new again.")
            self.creation.forget(intent)
            return
        # Refused again, and still nothing of it is there.
        if spoilt and not (self._look_up(intent, self._open(intent)) if self.sync_id else self._suspects(intent)):
            self.creation.send_one_by_one(intent)

    def _while_missing(self, intent: Intent, reason: str, found: Collection[str] = ()) -> Iterator[None]:
        """One turn after each of some growing pauses, as long as rows of the document have no item."""
        for seconds in PAUSES_S:
            if not self._missing(intent, found):
                return
            log.info("%s", reason)
            self.sync.monday.wait(seconds, "lag")
            yield

    # By the sync id

    def _look_up(self, intent: Intent, wanted: Sequence[str]) -> dict[str, Item]:
        """The items that carry the ids of these rows, also archived ones. What somebody else has made is a copy of one."""
        found = self._look_up_active(intent, wanted)
        return found | self._look_up_gone(intent, [root_id for root_id in wanted if root_id not in found])

    def _look_up_active(self, intent: Intent, wanted: Sequence[str]) -> dict[str, Item]:
        if not wanted:
            return {}
        items = self.sync.monday.find_by_text(self.sync.board.id, str(self.sync_id), wanted, self.bound.wanted)
        return self._first_made(self._made_by_us(intent, items), set(wanted))

    def _look_up_gone(self, intent: Intent, wanted: Sequence[str]) -> dict[str, Item]:
        """Those that somebody has archived or deleted since: no listing shows them, but the board's log does."""
        if not wanted:
            return {}
        monday, board_id = self.sync.monday, self.sync.board.id
        try:
            since, by = self._since(intent) - UNDER_WAY, intent.document.get("by")
            entries = monday.account.activity_logs(board_id, since, user_id=by)
            made = [item_id for entry in entries for item_id in made_items(entry)]
        except (MondayRefused, QueryRejected, RecordRefused) as error:
            log.info("The board's activity log cannot be read (%s); items that are gone are not looked for.", error.message)
            return {}
        gone: list[Item] = []
        for items in monday.items(self._unlinked(made), self.bound.wanted):
            gone += [item for item in items if item.state != "active"]
        return self._first_made(self._made_by_us(intent, gone), set(wanted))

    def _made_by_us(self, intent: Intent, items: Sequence[Item]) -> list[Item]:
        """Those that were made in the name of the user who sent the document, whoever that is today."""
        by = intent.document.get("by")
        if not items or by is None:
            return list(items)
        makers = self.sync.monday.reading.makers([item.id for item in items])
        return [item for item in items if makers.get(item.id, by) == by]

    def _first_made(self, items: Sequence[Item], wanted: Collection[str]) -> dict[str, Item]:
        """By row id; of several items that carry the same one, somebody duplicated the first."""
        found: dict[str, Item] = {}
        for item in sorted(items, key=lambda one: int(one.id)):
            cell = item.cells.get(str(self.sync_id)) or {}
            root_id = str(cell.get("text") or "").strip()
            if root_id in wanted:
                found.setdefault(root_id, item)
        return found

    # Without a sync id column

    def _recover_by_name(self, intent: Intent) -> None:
        """What the tool's own user has made since the intent, and nobody knows, may be what the document made."""
        wanted = self._open(intent)
        rows = {row["entity_id"]: str(row["name"]) for row in intent.document["rows"] if row["entity_id"] in wanted}
        suspects = self._suspects(intent)
        found = only_ones(rows, suspects)
        others = [item for item in suspects if item.id not in {one.id for one in found.values()}]
        names = {item.name for item in others}
        left = [root_id for root_id in rows if root_id not in found]
        # One of the same name that is not the only one; or as many others, which somebody may have renamed.
        doubtful = [root_id for root_id in left if rows[root_id] in names or len(others) >= len(left)]
        if not found and not doubtful and len(wanted) == len(intent.document["rows"]) and not self._was_aside(wanted):
            self._send_again(intent)
            return
        self.creation.settle(intent, found)
        self._set_aside(doubtful, others)
        self.creation.forget(intent, [root_id for root_id in left if root_id not in doubtful])

    def _suspects(self, intent: Intent) -> list[Item]:
        monday, board_id, since = self.sync.monday, self.sync.board.id, self._since(intent)
        young: dict[str, Item] = {}
        for page in monday.pages(board_id, self.bound.wanted):
            young |= {item.id: item for item in page.items if made_since(item, since)}
        # One that was suspected before and that a listing leaves out need not be gone.
        with self.db.transaction(read_only=True) as tx:
            left_out = self.state.skipped.keys_of(tx, SUSPECTED) - young.keys()
        for items in monday.items(sorted(left_out), self.bound.wanted):
            here = [item for item in items if item.is_on(board_id)]
            young |= {item.id: item for item in here if made_since(item, since)}
        return self._made_by_us(intent, [young[item_id] for item_id in self._unlinked(young)])

    def _since(self, intent: Intent) -> datetime:
        """When the document was written down, which this process did a moment ago if the database does not say."""
        now = self.sync.monday.server_time()
        return earlier(intent.created_at or now, intent.age, now)

    def _unlinked(self, item_ids: Iterable[str]) -> list[str]:
        """Those of these items that have no row."""
        asked = list(item_ids)
        with self.db.transaction(read_only=True) as tx:
            linked = self.state.links.find(tx, [(item_id, "") for item_id in asked]).links
        return [item_id for item_id in asked if item_id not in linked]

    def _was_aside(self, root_ids: Sequence[str]) -> bool:
        """Whether a person was asked about them: what was there has been dealt with, and is not to be answered again."""
        with self.db.transaction(read_only=True) as tx:
            links = self.state.links.of_rows(tx, root_ids)
        return any(link.status == "set_aside" for link in links.values())

    def _set_aside(self, doubtful: Sequence[str], suspects: Sequence[Item]) -> None:
        """Leave rows, and the items that may have been made of them, to a person."""
        if not doubtful:
            return
        log.error("%d %s are in doubt: %s", len(doubtful), self.sync.mapping.entity, IN_DOUBT)
        self.sync.report.set_aside += len(doubtful)
        with self.db.transaction() as tx:
            news = self.state.waiting.doubt(tx, doubtful, IN_DOUBT)
            self.state.skipped.add(tx, [(item.id, SUSPECTED, item.id, "") for item in suspects])
            self.state.log.append(tx, [LogEntry("create", "error", IN_DOUBT, None, root_id) for root_id in news])

    # Imports

    def finish_import(self, intent: Intent, job_id: str | None, uploaded: bool = False) -> list[str]:
        """Wait for the end of an import and link what it has made; the rows that it has not."""
        made = 0
        if job_id:
            carrier = ItemImport(self.sync.monday, self.bound, self.sync.board.id, str(self.sync_id))
            made = self._outcome(carrier, job_id, uploaded)
        if made:
            self._read_back(intent, made)
        left = self._open(intent)
        self.creation.forget(intent)
        return left

    def _outcome(self, carrier: ItemImport, job_id: str, uploaded: bool) -> int:
        """How many items an import has made; -1 when it does not say."""
        try:
            if not uploaded and not self._was_uploaded(carrier, job_id):
                return 0
            return carrier.wait(job_id)
        except RecordRefused as error:
            log.warning("The bulk import did not go through (%s); the rows go in documents.", error.message)
            return _made_before(error)

    def _was_uploaded(self, carrier: ItemImport, job_id: str) -> bool:
        """Whether rows reached the job of a process that died; the news of an upload may be under way."""
        for seconds in (*PAUSES_S, 0.0):
            if not carrier.waits_for_rows(job_id):
                return True
            self.sync.monday.wait(seconds, "job")
        return False

    def _read_back(self, intent: Intent, made: int) -> None:
        """Link what was made. Listings lag, so it is looked for until as many are there as the job says."""
        self._read_board(intent)
        rows = len(intent.document["rows"])
        for _ in self._while_missing(intent, "The items of an import may not be listed yet."):
            if 0 <= made <= rows - len(self._open(intent)):
                return
            self._read_board(intent)
        self.creation.settle(intent, self._look_up_gone(intent, self._open(intent)))

    def _read_board(self, intent: Intent) -> None:
        wanted = set(self._open(intent))
        pages = self.sync.monday.pages(self.sync.board.id, self.bound.wanted)
        for page in pages:
            found = self._first_made(page.items, wanted)
            self.creation.settle(intent, found)
            wanted -= found.keys()
            if not wanted:
                return


def made_items(entry: LogJson) -> list[str]:
    """The ids of the items that an entry of the activity log says were made."""
    if entry["event"] not in ("create_pulse", "batch_create_pulses"):
        return []
    one, other, several = (entry["data"].get(name) for name in ("pulse_id", "item_id", "pulse_ids"))
    return [str(item_id) for item_id in (one, other, *(several or ())) if str(item_id).isdecimal()]


def _made_before(error: RecordRefused) -> int:
    """How many items an import made before it failed; -1 when it does not say. A rejected one was not begun."""
    if error.error_data.get("status") == "REJECTED":
        return 0
    counts = error.error_data.get("counts") or {}
    if error.code in ("", "INTERNAL_ERROR") or counts.get("created") is None:
        return -1
    return int(counts["created"]) + int(counts.get("updated") or 0)


def only_ones(rows: dict[str, str], items: Sequence[Item]) -> dict[str, Item]:
    """The items that are the only one of their name, of rows (id → name) that are too."""
    named: dict[str, list[str]] = {}
    for root_id, name in rows.items():
        named.setdefault(name, []).append(root_id)
    same: dict[str, list[Item]] = {}
    for item in items:
        same.setdefault(item.name, []).append(item)
    return {ids[0]: same[name][0] for name, ids in named.items() if len(ids) == 1 and len(same.get(name, ())) == 1}
