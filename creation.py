"""Making items out of rows, each exactly once, through a kill at any instruction and answers that never come.

Before a document is sent it is written down with its key and committed. Whoever finds it there later looks for the
items first, by the row key that each carries in the board's sync id column, and only then sends the same document under
the same key: within monday.com's 30 minutes that returns what was made, and after them nothing can still be on its way.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from board_sync import BoardSync
from column_types import CellError, dumps
from errors import MondayError, RecordRefused
from item_import import ItemImport
from models import Item, Record
from monday_writes import batches, size_of
from record_store import Stored
from sync_state import Intent
from sync_task import Answer, Outgoing

log = logging.getLogger("monday_sync")

IMPORT_FROM = 200
"""Fewer new rows than this go in documents of aliases, which answer at once."""
ROWS_PER_IMPORT = 10_000
REPLAY_UNTIL_S = 29 * 60.0
LOOKS = 3
SECONDS_BETWEEN_LOOKS = 5.0
NAME_LENGTH = 255


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item that is to be made of a row."""

    root_id: str
    name: str
    members: dict[str, Any]
    record: Record


class Creation:
    """Creates the items of one board."""

    def __init__(self, sync: BoardSync) -> None:
        self.sync = sync
        self.db, self.state, self.bound = sync.db, sync.state, sync.bound
        mapping = sync.mapping
        known = mapping.sync_id is not None and mapping.sync_id[0] in self.bound.columns
        self.sync_id: str | None = mapping.sync_id[0] if mapping.sync_id and known else None
        self._me: str | None = None

    # New rows

    def create(self, root_ids: Sequence[str]) -> None:
        """Make an item of each of these rows that has none."""
        if self.sync_id and len(root_ids) >= IMPORT_FROM:
            root_ids = self._import(root_ids)
        for start in range(0, len(root_ids), self.sync.options.batch_size):
            rows = self._new_items(root_ids[start : start + self.sync.options.batch_size])
            for numbers in batches([size_of({"name": row.name, "values": row.members}) for row in rows]):
                self._create_document([rows[number] for number in numbers])

    def _new_items(self, root_ids: Sequence[str]) -> list[NewItem]:
        with self.db.transaction(read_only=True) as tx:
            stored = self.sync.engine.store.load(tx, root_ids)
        return [self._new_item(stored[root_id]) for root_id in root_ids if root_id in stored]

    def _new_item(self, stored: Stored) -> NewItem:
        members: dict[str, Any] = {}
        name = self.bound.item_name(stored.record)
        for binding in self.bound.bindings:
            fields = [one for one in binding.fields if one not in self.bound.read_only]
            try:
                members.update(self.bound.cells(fields, stored.record, {}, None) if fields else {})
            except CellError as exc:
                log.warning("%s %s: %s", self.sync.mapping.entity_type, stored.root_id, exc)
        name = (str(members.pop("name", None) or name).strip() or f"{self.sync.mapping.entity_type} {stored.root_id[:8]}")
        members = {column: value for column, value in members.items() if value is not None}
        if self.sync_id:
            members[self.sync_id] = stored.root_id
        return NewItem(stored.root_id, name[:NAME_LENGTH], members, stored.record)

    def _group(self) -> str | None:
        wanted = self.sync.mapping.group
        known = [group_id for group_id, title in self.sync.board.groups if wanted in (group_id, title)]
        return known[0] if known else self.sync.board.groups[0][0] if self.sync.board.groups else None

    def _create_document(self, rows: Sequence[NewItem]) -> None:
        document = {"group": self._group(), "columns": self.bound.column_ids, "selection": self.bound.selection}
        intent = self._intend("aliases", rows, document)
        if intent is not None:
            self._send(intent)
            self.sync.writer.raise_trouble()

    def _intend(self, kind: str, rows: Sequence[NewItem], document: dict[str, Any]) -> Intent | None:
        """Write down and commit what is about to be created; None when others have taken all of the rows."""
        listed = [
            {"entity_id": row.root_id, "name": row.name, "members": row.members if kind == "aliases" else {},
             "hash": hashlib.blake2b(dumps([row.name, row.members]), digest_size=16).hexdigest()}
            for row in rows
        ]  # fmt: skip
        intent = Intent(str(uuid.uuid4()), kind, {**document, "rows": listed})
        with self.db.transaction() as tx:
            ours = set(self.state.intend(tx, intent))
            intent.document["rows"] = [row for row in listed if row["entity_id"] in ours]
            if ours:
                self.state.keep_intent(tx, intent)
        return intent if ours else None

    # Sending a document, the first time or again

    def _send(self, intent: Intent) -> None:
        document = intent.document
        outcomes = self.sync.monday.create_items(
            self.sync.board.id,
            [(row["name"], document["group"], row["members"]) for row in document["rows"]],
            intent.key,
            columns=document["columns"],
            selection=document["selection"],
        )
        made: dict[str, Item] = {}
        refused: list[tuple[str, MondayError]] = []
        for row, outcome in zip(document["rows"], outcomes, strict=True):
            if isinstance(outcome, Item):
                made[row["entity_id"]] = outcome
            elif isinstance(outcome, RecordRefused):
                refused.append((row["entity_id"], outcome))
            else:
                log.error("Row %s: %s", row["entity_id"], outcome.message)
                self.sync.writer.note(outcome)
        self._settle(intent, made)
        if refused:
            self._create_bare(intent, refused)
        if len(made) + len(refused) < len(outcomes):
            self.sync.report.errors += len(outcomes) - len(made) - len(refused)
            log.warning("What became of some items is not known; the next run finds out before it makes any.")

    def _settle(self, intent: Intent, made: dict[str, Item]) -> None:
        """Link what was made, and take its cells in as what both sides agree on."""
        if not made:
            return
        with self.db.transaction() as tx:
            stored = self.sync.engine.store.load(tx, list(made))
            self.state.adopt(tx, {item.id: root_id for root_id, item in made.items()})
            self.state.drop_intents(tx, intent.key, [])
        self._agree(made, stored)
        self.sync.report.created += len(made)
        self.sync.report.to_monday.created += len(made)

    def _agree(self, made: dict[str, Item], stored: dict[str, Stored]) -> None:
        """The items are made of their rows: what they do not show yet is written into them."""
        answers, outgoing = [], []
        for root_id, item in made.items():
            record = stored[root_id].record if root_id in stored else {}
            shown = self.bound.read(item).record
            differs = [name for name in self.bound.fields if not self.bound.same(name, record.get(name), shown.get(name))]
            owed = tuple(name for name in differs if name not in self.bound.read_only and not shown.get(name))
            sent = {name: record.get(name) for name in self.bound.fields if name not in owed}
            if owed:
                outgoing.append(Outgoing(item, root_id, record, {}, owed))
            answers.append(Answer(item, root_id, sent))
        self.sync.engine.settle(answers, created=True)
        # What a created item does not show was refused, dropped or never sent: said again as a change, it costs a field.
        self.sync.engine.settle(self.sync.writer.send(outgoing), created=True)

    def _create_bare(self, intent: Intent, refused: Sequence[tuple[str, MondayError]]) -> None:
        """One value that monday.com refuses would cost the item: make it without values, then write them one by one."""
        ids = [root_id for root_id, _ in refused]
        with self.db.transaction() as tx:
            self.state.drop_intents(tx, intent.key, ids)
        bare = [row for row in intent.document["rows"] if row["entity_id"] in set(ids)]
        if all(not row["members"].keys() - {self.sync_id} for row in bare):
            for root_id, error in refused:
                self._refuse(root_id, error)
            return
        rows = [
            NewItem(row["entity_id"], row["name"], {self.sync_id: row["entity_id"]} if self.sync_id else {}, {})
            for row in bare
        ]
        self._create_document(rows)

    def _refuse(self, root_id: str, error: MondayError) -> None:
        self.sync.report.errors += 1
        log.error("%s %s: %s", self.sync.mapping.entity_type, root_id, error.message)
        with self.db.transaction() as tx:
            self.sync.report.set_aside += self.state.refuse_creation(tx, root_id, error.message)

    # Finding out what became of documents

    def recover(self) -> None:
        """Bring every document in doubt to its end, before anything else is created."""
        with self.db.transaction(read_only=True) as tx:
            intents = self.state.intents(tx)
        for intent in intents:
            if intent.kind == "import":
                self._finish_import(intent)
            else:
                self._recover(intent)

    def _recover(self, intent: Intent) -> None:
        found = self._look_up(intent)
        rows = intent.document["rows"]
        if found and len(found) < len(rows) and intent.age_s >= REPLAY_UNTIL_S:
            found |= self._look_again(intent, found)
        self._settle(intent, found)
        left = [row for row in rows if row["entity_id"] not in found]
        if not left:
            self._forget(intent)
        elif found and intent.age_s >= REPLAY_UNTIL_S:
            # Some were made and the key is forgotten: the document as a whole must not be sent again.
            self._forget(intent)
        elif not self.sync_id and intent.age_s >= REPLAY_UNTIL_S:
            self._set_aside(intent, left)
        else:
            log.info("Sending again a document of %d items whose answer never came.", len(rows))
            self._send(intent)
            self._forget_settled(intent)

    def _look_up(self, intent: Intent) -> dict[str, Item]:
        """The items that a document has made, by row id."""
        with self.db.transaction(read_only=True) as tx:
            wanted = self.state.intended(tx, intent.key)
        if not wanted:
            return {}
        if self.sync_id:
            items = self.sync.monday.find_by_text(
                self.sync.board.id, self.sync_id, wanted, self.bound.column_ids, self.bound.selection
            )
            return self._first_made(items, set(wanted))
        return self._by_name(intent, set(wanted))

    def _first_made(self, items: Sequence[Item], wanted: set[str]) -> dict[str, Item]:
        """By sync id; of several that carry the same one, somebody duplicated the first."""
        found: dict[str, Item] = {}
        for item in sorted(items, key=lambda one: int(one.id)):
            cell = item.cells.get(str(self.sync_id)) or {}
            root_id = str(cell.get("text") or "").strip()
            if root_id in wanted:
                found.setdefault(root_id, item)
        return found

    def _by_name(self, intent: Intent, wanted: set[str]) -> dict[str, Item]:
        """Without a sync id column: the only unlinked item of that name, if the tool's own user made it."""
        names: dict[str, list[str]] = {}
        for row in intent.document["rows"]:
            if row["entity_id"] in wanted:
                names.setdefault(row["name"], []).append(row["entity_id"])
        items = self.sync.monday.find_by_text(
            self.sync.board.id, "name", list(names), self.bound.column_ids, self.bound.selection
        )
        with self.db.transaction(read_only=True) as tx:
            linked = self.state.find(tx, [(item.id, "") for item in items]).links
        found: dict[str, Item] = {}
        for name, root_ids in names.items():
            unlinked = [item for item in items if item.name == name and item.id not in linked]
            if len(unlinked) == 1 and len(root_ids) == 1:
                found[root_ids[0]] = unlinked[0]
        return found

    def _look_again(self, intent: Intent, found: dict[str, Item]) -> dict[str, Item]:
        """Filtered reads lag; an item that was made is seen after some seconds."""
        for _ in range(LOOKS):
            self.sync.monday.wait(SECONDS_BETWEEN_LOOKS, "lag")
            found = found | self._look_up(intent)
        return found

    def _set_aside(self, intent: Intent, left: Sequence[dict[str, Any]]) -> None:
        message = f"it may have been created as {left[0]['name']!r}; look, then: python main.py retry now"
        log.error("%d items are in doubt: %s", len(left), message)
        self.sync.report.set_aside += len(left)

    def _forget(self, intent: Intent) -> None:
        with self.db.transaction() as tx:
            self.state.drop_intents(tx, intent.key)

    def _forget_settled(self, intent: Intent) -> None:
        with self.db.transaction() as tx:
            self.state.drop_intents(tx, intent.key, [])

    # Many at once

    def _import(self, root_ids: Sequence[str]) -> Sequence[str]:
        """Bring many rows in through the bulk import, and return those that did not get through."""
        left: list[str] = []
        for start in range(0, len(root_ids), ROWS_PER_IMPORT):
            left += self._import_file(root_ids[start : start + ROWS_PER_IMPORT])
        return left

    def _import_file(self, root_ids: Sequence[str]) -> list[str]:
        carrier = ItemImport(self.sync.monday, self.bound, self.sync.board.id, str(self.sync_id))
        group = self._group()
        rows = list(self._in_pages(root_ids))
        intent = self._intend("import", rows, {}) if group else None
        if intent is None or group is None:
            return list(root_ids)
        ours = {row["entity_id"] for row in intent.document["rows"]}
        try:
            job = carrier.start(group)
            with self.db.transaction() as tx:
                self.state.note_job(tx, intent.key, job.job_id)
            carrier.upload(job, [(row.root_id, row.name, row.record) for row in rows if row.root_id in ours])
            carrier.wait(job)
        except (RecordRefused, MondayError) as error:
            log.warning("The bulk import did not go through (%s); the rows go one by one.", error.message)
        return self._read_back(intent)

    def _in_pages(self, root_ids: Sequence[str]) -> Iterator[NewItem]:
        for start in range(0, len(root_ids), self.sync.options.batch_size):
            yield from self._new_items(root_ids[start : start + self.sync.options.batch_size])

    def _read_back(self, intent: Intent) -> list[str]:
        """Link what an import has made; the rows that it has not."""
        wanted = {row["entity_id"] for row in intent.document["rows"]}
        for page in self.sync.monday.pages(self.sync.board.id, self.bound.column_ids, self.bound.selection):
            found = self._first_made(page.items, wanted)
            self._settle(intent, found)
            wanted -= found.keys()
        self._forget(intent)
        return sorted(wanted)

    def _finish_import(self, intent: Intent) -> None:
        """An import that a process began and did not see the end of."""
        if intent.job_id:
            carrier = ItemImport(self.sync.monday, self.bound, self.sync.board.id, str(self.sync_id))
            carrier.await_end(intent.job_id)
        self._read_back(intent)
