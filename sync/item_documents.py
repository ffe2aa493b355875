"""Sends new items to monday.com in documents, each of which takes effect once, through a kill at any instruction.

Before a document is sent it is written down with its key and committed, and what came of it is committed in one
transaction with the links that say so. What a killed process left in doubt, `recover_items` clears up.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Mapping as Map
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct

from errors import DocumentRefused, MondayError, MondayRefused, RecordRefused
from models import Columns, Item, LogEntry
from state.intents import Intent
from sync.board import BoardSync
from sync.new_items import DocumentRow, NewItems
from sync.settle_items import settle_items
from sync.task import NewItem
from sync.write_items import ending
from values.canonical import dumps

log = logging.getLogger("monday_sync")


class Outcome(Struct, frozen=True):
    """Tells what came of a document that was sent."""

    spoilt: bool
    """It was refused as a whole, for the sake of a row that monday.com does not name."""
    trouble: MondayError | None
    """The error, if any, after which nothing more can be written."""


class Documents:
    """Sends the documents of new items of one board, and remembers them."""

    def __init__(self, sync: BoardSync) -> None:
        self.sync = sync
        self.db, self.state = sync.db, sync.state
        self.items = NewItems(sync)
        self._full: MondayError | None = None
        """Why the board takes no more items, once it has said so."""

    @cached_property
    def maker(self) -> str | None:
        """Gives the user in whose name items are made; None when the token may not ask."""
        try:
            return self.sync.monday.account.me().id
        except MondayRefused:
            return None

    def make(self, rows: Sequence[NewItem]) -> None:
        """Makes items of some rows with a document. Raises what ends the writing, once the rest is taken in."""
        self.sync.may_go_on()
        if (trouble := self._make(rows)) is not None:
            raise trouble

    def _make(self, rows: Sequence[NewItem], instead_of: Intent | None = None) -> MondayError | None:
        # the board is full
        if self._full is not None:
            self.refuse([row.root_id for row in rows], self._full)
            return None
        document = {
            "group": self.items.group(),
            "columns": self.sync.bound.column_ids,
            "selection": self.sync.bound.selection,
            "labels": any(row.new_labels for row in rows),
        }
        intent = self.intend("aliases", rows, document, instead_of)
        return self.send(intent).trouble if intent is not None else None

    # Writing a document down

    def intend(
        self, kind: str, rows: Sequence[NewItem], document: dict[str, Any], instead_of: Intent | None = None
    ) -> Intent | None:
        """Writes down and commits what is about to be created; returns None when other processes have taken all rows."""
        listed = [_listed(row, kind) for row in rows]
        intent = Intent(str(uuid.uuid4()), kind, {**document, "by": self.maker, "rows": listed})
        with self.db.transaction() as tx:
            if instead_of is not None:
                self.state.intents.withdraw(tx, instead_of.key, [row.root_id for row in rows])
            claimed = set(self.state.intents.begin(tx, intent))
            intent.document["rows"] = [row for row in listed if row["entity_id"] in claimed]
            if claimed:
                self.state.intents.keep(tx, intent)
        return intent if claimed else None

    def forget(self, intent: Intent, root_ids: Sequence[str] | None = None) -> None:
        """Ends the document: the rows (when none are named, all) of which it made nothing are new again."""
        with self.db.transaction() as tx:
            self.state.intents.withdraw(tx, intent.key, root_ids)

    # Sending it, the first time or again

    def send(self, intent: Intent) -> Outcome:
        """Sends it and takes in what monday.com answers. Rows about which it says nothing stay in doubt."""
        rows: list[DocumentRow] = intent.document["rows"]
        outcomes = self._tell(intent)
        made: dict[str, Item] = {}
        refused: dict[str, MondayError] = {}
        trouble: MondayError | None = None
        for row, outcome in zip(rows, outcomes, strict=True):
            if isinstance(outcome, Item):
                made[row["entity_id"]] = outcome
            elif self._is_about(outcome, row):
                refused[row["entity_id"]] = outcome
            # nothing is known of it
            else:
                log.error("Row %s: %s", row["entity_id"], outcome.message)
                trouble = trouble or ending(outcome)
        troubles = [trouble, self.settle(intent, made), self._make_bare(intent, refused) if refused else None]
        if unknown := len(outcomes) - len(made) - len(refused):
            self.sync.report.errors += unknown
            log.warning("What became of %d items is not known; the next run finds out before it makes any.", unknown)
        spoilt = any(isinstance(outcome, DocumentRefused) for outcome in outcomes)
        return Outcome(spoilt, next((error for error in troubles if error is not None), None))

    def _tell(self, intent: Intent) -> Sequence[Item | MondayError]:
        document, writing = intent.document, self.sync.monday.writing
        below = self.sync.mapping.parent_field is not None
        act = writing.create_subitems if below else writing.create_items
        return act(
            self.sync.board.id,
            [(row["name"], row["parent"] if below else document["group"], row["values"]) for row in document["rows"]],
            intent.key,
            create_labels=document["labels"],
            columns=Columns(tuple(document["columns"]), document["selection"]),
        )

    def _is_about(self, outcome: MondayError, row: DocumentRow) -> bool:
        """Returns whether a row itself was refused, or a value of it.

        A right that is missing can be the right to edit one column; without values the item tells which it is.
        """
        if isinstance(outcome, RecordRefused) and not _about_the_key(outcome):
            return True
        bare = row["values"] == self.items.values(row["entity_id"], {})
        return isinstance(outcome, MondayRefused) and bool(outcome.path) and not bare

    def send_one_by_one(self, intent: Intent) -> None:
        """Sends a document each for the rows of a document that made nothing, so that a bad row costs only itself."""
        root_ids = [row["entity_id"] for row in intent.document["rows"]]
        self.forget(intent)
        for row in self.items.of_rows(root_ids):
            self.make([row])

    def settle(self, intent: Intent, made: Map[str, Item]) -> MondayError | None:
        """Links what was made (by row id), and sends what it does not show yet."""
        return settle_items(self.sync, intent, made)

    # What was refused

    def _make_bare(self, intent: Intent, refused: Map[str, MondayError]) -> MondayError | None:
        """Makes items without values, to be written one by one: a value that monday.com refuses would cost the item."""
        full = next((error for error in refused.values() if error.code == "ItemsLimitationException"), None)
        self._full = self._full or full
        if self._full is not None:
            log.error("The board is full: %s", self._full.message)
        rows: list[DocumentRow] = [row for row in intent.document["rows"] if row["entity_id"] in refused]
        plain = {row["entity_id"]: self.items.values(row["entity_id"], {}) for row in rows}
        bare = [row for row in rows if self._full is None and row["values"] != plain[row["entity_id"]]]
        hopeless = [row["entity_id"] for row in rows if row not in bare]
        self.forget(intent, hopeless)
        for root_id in hopeless:
            self.refuse([root_id], refused[root_id])
        if not bare:
            return None
        fields = tuple(self.sync.bound.fields)
        again = [
            NewItem(row["entity_id"], row["name"], plain[row["entity_id"]], row["record"], row["parent"], fields)
            for row in bare
        ]
        return self._make(again, instead_of=intent)

    def refuse(self, root_ids: Sequence[str], error: MondayError) -> None:
        """Reports rows of which no item could be made; they are tried again after a pause."""
        kind = self.sync.mapping.entity_type
        log.error("%s %s: %s", kind, ", ".join(root_ids[:3]) + (" ..." if len(root_ids) > 3 else ""), error.message)
        self.sync.report.errors += len(root_ids)
        with self.db.transaction() as tx:
            for root_id in root_ids:
                self.sync.report.set_aside += self.state.waiting.refuse_creation(tx, root_id, error.message)
            entries = [
                LogEntry("create", "error", error.message[:2000], None, root_id, "monday") for root_id in root_ids
            ]
            self.state.log.append(tx, entries)


def _listed(row: NewItem, kind: str) -> DocumentRow:
    sent = kind == "aliases"
    return {
        "entity_id": row.root_id,
        "name": row.name,
        "values": row.values if sent else "",
        "record": row.record,
        "parent": row.parent,
        "unsent": [*row.unsent, *(() if sent else row.new_labels)],
        "hash": hashlib.blake2b(dumps([row.name, row.values, row.record]), digest_size=16).hexdigest(),
    }


def _about_the_key(error: MondayError) -> bool:
    """Returns whether the Idempotency-Key was refused, which says nothing about the rows."""
    return "idempotency" in f"{error.code} {error.message}".lower()
