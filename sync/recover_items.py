"""Finds out what became of items that were about to be created when a process died, or when no answer came.

The board is asked first, by the row key that each item carries in the sync id column, because only monday.com's clock
says whether it still knows an Idempotency-Key. Only when nothing of a document is there is the same document sent again
under the same key: either that returns what was made, or nothing was made.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from databases.postgres.names import compose, identifier, table_name
from errors import MondayError, QueryRejected, RecordRefused
from models import Item, LogEntry
from state.intents import Intent
from state.sight import why_unsure
from sync.identity import SUSPECTED
from sync.import_items import ItemImport
from sync.item_documents import Documents
from sync.search_items import Search

log = logging.getLogger("monday_sync")

PAUSES_S = (5.0, 10.0, 20.0, 40.0)
"""Together longer than monday.com works on one call, and than its filtered reads lag behind."""
IN_DOUBT = (
    "an item that is there may be the one made of this row: give it the name of the row if it is, archive it if not"
)
GONE = """
select new.id
from unnest(%s::text[]) as new (id)
where not exists (select from {table} as t where t.{key}::text = new.id)
"""


class Imported(Struct, frozen=True):
    """Tells which rows an import has made no items of, and the error, if any, after which nothing more can be written."""

    left: Sequence[str]
    trouble: MondayError | None = None


class Recovery:
    """Clears up the documents in doubt of one board. No other process works on the entity meanwhile."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.sync = documents.sync
        self.db, self.state = documents.db, documents.state
        self.search = Search(documents)

    def run(self) -> None:
        """Brings each document to its end, oldest first."""
        with self.db.transaction(read_only=True) as tx:
            intents = self.state.intents.open(tx)
        for intent in intents:
            if intent.kind == "import":
                trouble = self.finish_import(intent, intent.job_id).trouble
            elif self.documents.items.sync_id:
                trouble = self._recover(intent)
            else:
                trouble = self._recover_by_name(intent)
            if trouble is not None:
                raise trouble

    def _open(self, intent: Intent) -> list[str]:
        """Returns the rows of a document that have no item yet."""
        with self.db.transaction(read_only=True) as tx:
            return self.state.intents.rows_of(tx, intent.key)

    def _recover(self, intent: Intent) -> MondayError | None:
        wanted = self._open(intent)
        found = self.search.by_sync_id(intent, wanted)
        # nothing is there: the same document again
        if not found and len(wanted) == len(intent.document["rows"]):
            return self._send_again(intent)
        # Some of it was made, so the document must not be sent again: its key may be forgotten by now.
        trouble = self.documents.settle(intent, found)
        for _ in self._while_missing(intent, "An item that was just made may not be found yet.", found):
            more = self.search.by_sync_id(intent, self._missing(intent, found))
            trouble = _first(trouble, self.documents.settle(intent, more))
            found |= more
        # What was made and PostgreSQL does not take in stays in doubt: new again, it would be made twice.
        self.documents.forget(intent, self._missing(intent, found))
        return trouble

    def _missing(self, intent: Intent, found: Collection[str]) -> list[str]:
        return [root_id for root_id in self._open(intent) if root_id not in found]

    def _send_again(self, intent: Intent) -> MondayError | None:
        log.info("Sending again a document of %d items whose answer never came.", len(intent.document["rows"]))
        try:
            outcome = self.documents.send(intent)
        except QueryRejected:
            log.warning("monday.com does not understand the document any more; its rows are new again.")
            self.documents.forget(intent)
            return None
        # refused again, and still nothing of it is there
        if outcome.spoilt and not self._any_made(intent):
            self.documents.send_one_by_one(intent)
        return outcome.trouble

    def _any_made(self, intent: Intent) -> bool:
        if self.documents.items.sync_id:
            return bool(self.search.by_sync_id(intent, self._open(intent)))
        return bool(self.search.suspects(intent))

    def _while_missing(self, intent: Intent, reason: str, found: Collection[str] = ()) -> Iterator[None]:
        """Yields after each of some growing pauses, as long as rows of the document have no item."""
        for seconds in PAUSES_S:
            if not self._missing(intent, found):
                return
            log.info("%s", reason)
            self.sync.monday.wait(seconds, "lag")
            yield

    # Without a sync id column

    def _recover_by_name(self, intent: Intent) -> MondayError | None:
        """Links what the document may have made: items that the tool's own user has made since, and that have no row."""
        wanted = self._open(intent)
        rows = {row["entity_id"]: str(row["name"]) for row in intent.document["rows"] if row["entity_id"] in wanted}
        suspects = self.search.suspects(intent)
        gone = self._rows_gone(wanted)
        found = only_ones(rows, suspects)
        found |= of_gone({root_id: name for root_id, name in rows.items() if root_id not in found}, gone, suspects)
        known = {item.id for item in found.values()}
        others = [item for item in suspects if item.id not in known]
        names = {item.name for item in others}
        left = [root_id for root_id in rows if root_id not in found]
        # Several of the same name; or as many others, which may have been renamed.
        doubtful = [root_id for root_id in left if rows[root_id] in names or len(others) >= len(left)]
        whole = not found and not doubtful and len(wanted) == len(intent.document["rows"])
        # nothing is there: the same document again
        if whole and not self._was_aside(wanted):
            return self._send_again(intent)
        trouble = self.documents.settle(intent, found)
        self._end_doubt(intent, [root_id for root_id in doubtful if root_id in gone])
        doubtful = [root_id for root_id in doubtful if root_id not in gone]
        self._set_aside(doubtful, others)
        self.documents.forget(intent, [root_id for root_id in left if root_id not in doubtful])
        return trouble

    def _rows_gone(self, root_ids: Sequence[str]) -> set[str]:
        """Returns those of these rows that are not in their table any more."""
        mapping = self.sync.mapping
        with self.db.transaction(read_only=True) as tx:
            if why_unsure(tx, mapping) is not None:
                return set()
            names = {"table": table_name(mapping.table), "key": identifier(mapping.primary_key)}
            return {row[0] for row in tx.rows(compose(GONE, **names), (list(root_ids),))}

    def _end_doubt(self, intent: Intent, gone: Sequence[str]) -> None:
        """Gives up rows that are gone: what may have been made of them comes as new, and holds up nothing."""
        if not gone:
            return
        log.warning(
            "%d %s in doubt are gone; the items that may have been made of them come as new.",
            len(gone),
            self.sync.mapping.entity,
        )
        with self.db.transaction() as tx:
            self.state.intents.finish(tx, intent.key, gone)

    def _was_aside(self, root_ids: Sequence[str]) -> bool:
        """Returns whether a user was asked about them: what was there has been dealt with, and is not asked again."""
        with self.db.transaction(read_only=True) as tx:
            links = self.state.links.of_rows(tx, root_ids)
        return any(link.status == "set_aside" for link in links.values())

    def _set_aside(self, doubtful: Sequence[str], suspects: Sequence[Item]) -> None:
        """Leaves rows, and the items that may have been made of them, to a user."""
        if not doubtful:
            return
        log.error("%d %s are in doubt: %s", len(doubtful), self.sync.mapping.entity, IN_DOUBT)
        self.sync.report.set_aside += len(doubtful)
        with self.db.transaction() as tx:
            news = self.state.waiting.doubt(tx, doubtful, IN_DOUBT)
            self.state.skipped.add(tx, [(item.id, SUSPECTED, item.id, "") for item in suspects])
            self.state.log.append(
                tx, [LogEntry("create", "error", IN_DOUBT, None, root_id, "monday") for root_id in news]
            )

    # Imports

    def finish_import(self, intent: Intent, job_id: str | None, uploaded: bool = False) -> Imported:
        """Waits for the end of an import and links what it has made."""
        made = 0
        if job_id:
            sync, sync_id = self.sync, str(self.documents.items.sync_id)
            carrier = ItemImport(sync.monday, sync.bound, sync.board.id, sync_id)
            made = self._outcome(carrier, job_id, uploaded)
        trouble = self._read_back(intent, made) if made else None
        left = self._open(intent)
        self.documents.forget(intent)
        return Imported(left, trouble)

    def _outcome(self, carrier: ItemImport, job_id: str, uploaded: bool) -> int:
        """Returns how many items an import has made; -1 when it does not say."""
        try:
            if not uploaded and not self._was_uploaded(carrier, job_id):
                return 0
            return carrier.wait(job_id)
        except RecordRefused as error:
            log.warning("The bulk import did not go through (%s); the rows go in documents.", error.message)
            return _made_before(error)

    def _was_uploaded(self, carrier: ItemImport, job_id: str) -> bool:
        """Returns whether rows reached the job of a process that died; the news of an upload may be under way."""
        for seconds in (*PAUSES_S, 0.0):
            if not carrier.waits_for_rows(job_id):
                return True
            self.sync.monday.wait(seconds, "job")
        return False

    def _read_back(self, intent: Intent, made: int) -> MondayError | None:
        """Links what was made. Listings lag, so it is looked for until as many are there as the job says."""
        trouble = self._read_board(intent)
        rows = len(intent.document["rows"])
        for _ in self._while_missing(intent, "The items of an import may not be listed yet."):
            if 0 <= made <= rows - len(self._open(intent)):
                return trouble
            trouble = _first(trouble, self._read_board(intent))
        gone = self.search.gone(intent, self._open(intent))
        return _first(trouble, self.documents.settle(intent, gone))

    def _read_board(self, intent: Intent) -> MondayError | None:
        wanted = set(self._open(intent))
        trouble: MondayError | None = None
        for page in self.sync.monday.pages(self.sync.board.id, self.sync.bound.wanted):
            found = self.search.first_made(page.items, wanted)
            trouble = _first(trouble, self.documents.settle(intent, found))
            wanted -= found.keys()
            if not wanted:
                break
        return trouble


def _first(trouble: MondayError | None, more: MondayError | None) -> MondayError | None:
    return more if trouble is None else trouble


def _made_before(error: RecordRefused) -> int:
    """Returns how many items an import made before it failed; -1 when it does not say. A rejected import was not begun."""
    if error.error_data.get("status") == "REJECTED":
        return 0
    counts = error.error_data.get("counts") or {}
    if error.code in ("", "INTERNAL_ERROR") or counts.get("created") is None:
        return -1
    return int(counts["created"]) + int(counts.get("updated") or 0)


def only_ones(rows: dict[str, str], items: Sequence[Item]) -> dict[str, Item]:
    """Returns the items that are alone with their name, of rows (id → name) that are, too."""
    named: dict[str, list[str]] = {}
    for root_id, name in rows.items():
        named.setdefault(name, []).append(root_id)
    same: dict[str, list[Item]] = {}
    for item in items:
        same.setdefault(item.name, []).append(item)
    return {ids[0]: same[name][0] for name, ids in named.items() if len(ids) == 1 and len(same.get(name, ())) == 1}


def of_gone(rows: dict[str, str], gone: Collection[str], items: Sequence[Item]) -> dict[str, Item]:
    """Returns items for rows (id → name) of which all of that name are gone, and are as many as the items of the name."""
    found: dict[str, Item] = {}
    for name in set(rows.values()):
        ids = [root_id for root_id in rows if rows[root_id] == name]
        same = [item for item in items if item.name == name]
        if len(ids) == len(same) and all(root_id in gone for root_id in ids):
            found |= dict(zip(ids, same, strict=True))
    return found
