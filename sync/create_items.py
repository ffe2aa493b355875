"""Making items out of rows, each exactly once, through a kill at any instruction and answers that never come.

Before a document is sent it is written down with its key and committed, and what came of it is committed in one
transaction with the links that say so. What a process left in doubt is cleared up by `recover_items` before anything else.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from errors import DocumentRefused, MondayError, MondayRefused, RecordRefused, RowRejected
from models import Columns, Item, LogEntry, Record, Removal
from rows.homes import Stored
from services.monday.writes import batches, json_text, size_of
from state.intents import Intent
from sync.board import BoardSync
from sync.import_items import GUESSED, ItemImport
from sync.recover_items import Recovery
from sync.task import Answer, Outgoing
from values.canonical import dumps, is_empty
from values.comparing import from_json
from values.parsing import CellError
from values.slices import batched

log = logging.getLogger("monday_sync")

IMPORT_FROM = 200
"""Fewer new rows than this go in documents of aliases, which answer at once."""
ROWS_PER_IMPORT = 10_000
NAME_LENGTH = 255


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item that is to be made of a row: its name, the text of its `column_values`, and the record it is to show."""

    root_id: str
    name: str
    values: str
    record: Record
    parent: str = ""
    """The item that a subitem is to stand under."""
    unsent: tuple[str, ...] = ()
    """Fields that do not go along: monday.com would refuse the item for their sake."""
    new_labels: tuple[str, ...] = ()
    """Fields whose labels the board does not have yet, and the mapping says to make."""


class Creation:
    """Creates the items of one board."""

    def __init__(self, sync: BoardSync) -> None:
        self.sync = sync
        self.db, self.state, self.bound = sync.db, sync.state, sync.bound
        column = sync.mapping.sync_id[0] if sync.mapping.sync_id else None
        self.sync_id: str | None = column if column in self.bound.columns else None
        self._imports = True
        self._full: MondayError | None = None

    @cached_property
    def maker(self) -> str | None:
        """The user in whose name items are made; None when the token may not ask."""
        try:
            return self.sync.monday.account.me().id
        except MondayRefused:
            return None

    def recover(self) -> None:
        """Bring every document in doubt to its end, before anything else is created."""
        Recovery(self).run()

    # New rows

    def create(self, root_ids: Sequence[str]) -> None:
        """Make an item of each of these rows that has none."""
        if self.sync_id and self._imports and len(root_ids) >= IMPORT_FROM and not self.sync.mapping.parent_field:
            root_ids = self._import(root_ids)
        for some in batched(root_ids, self.sync.options.batch_size):
            rows = self._with_parents(self._new_items(some))
            for numbers in batches([size_of(_variables(row, self.group())) for row in rows]):
                self._create_document([rows[number] for number in numbers])

    def _new_items(self, root_ids: Sequence[str]) -> list[NewItem]:
        with self.db.transaction(read_only=True) as tx:
            stored = self.sync.engine.store.load(tx, root_ids)
        return [self._new_item(stored[root_id]) for root_id in root_ids if root_id in stored]

    def _new_item(self, stored: Stored) -> NewItem:
        members: dict[str, Any] = {}
        unsent: list[str] = []
        new_labels: list[str] = []
        for binding in self.bound.bindings:
            fields = [one for one in binding.fields if one not in self.bound.read_only]
            try:
                cells = self.sync.cell_writer.cells(fields, stored.record, {}, None) if fields else {}
            except CellError:
                unsent += fields  # said, and kept for another try, when it is written as a change
                continue
            if any(_names_a_label(member) for member in cells.values()):
                if not binding.create_labels:
                    unsent += fields
                    continue
                new_labels += fields
            members.update(cells)
        kind = self.sync.mapping.entity_type
        name = str(members.pop("name", None) or self.sync.cell_writer.item_name(stored.record)).strip()
        return NewItem(
            stored.root_id,
            (name or f"{kind} {stored.root_id[:8]}")[:NAME_LENGTH],
            self._values(stored.root_id, members),
            stored.record,
            str(stored.record.get(self.sync.mapping.parent_field or "") or ""),
            tuple(unsent),
            tuple(new_labels),
        )

    def _with_parents(self, rows: list[NewItem]) -> list[NewItem]:
        """Where items stand under others, those that name none cannot be made."""
        if self.sync.mapping.parent_field is None:
            return rows
        if lost := [row.root_id for row in rows if not row.parent]:
            self._refuse(lost, RecordRefused(f"A subitem needs a parent: {self.sync.mapping.parent_field} is empty."))
        return [row for row in rows if row.parent]

    def _values(self, root_id: str, members: dict[str, Any]) -> str:
        filled = {column: value for column, value in members.items() if value is not None}
        return json_text({**filled, **({self.sync_id: root_id} if self.sync_id else {})})

    def group(self) -> str | None:
        """Where new items go: the mapping's group, else the board's first."""
        wanted = self.sync.mapping.group
        known = [group_id for group_id, title in self.sync.board.groups if wanted in (group_id, title)]
        return known[0] if known else self.sync.board.groups[0][0] if self.sync.board.groups else None

    def _create_document(self, rows: Sequence[NewItem], instead_of: Intent | None = None) -> None:
        if self._full is not None:
            self._refuse([row.root_id for row in rows], self._full)
            return
        document = {
            "group": self.group(), "columns": self.bound.column_ids, "selection": self.bound.selection,
            "labels": any(row.new_labels for row in rows),
        }  # fmt: skip
        intent = self._intend("aliases", rows, document, instead_of)
        if intent is not None:
            self.send(intent)
            self.sync.writer.raise_trouble()

    def _intend(
        self, kind: str, rows: Sequence[NewItem], document: dict[str, Any], instead_of: Intent | None = None
    ) -> Intent | None:
        """Write down and commit what is about to be created; None when others have taken all of the rows.

        Whoever finds it there must be able to send the same bytes again, so cells are kept as the text that is sent.
        """
        sent = kind == "aliases"
        listed = [
            {"entity_id": row.root_id, "name": row.name, "values": row.values if sent else "", "record": row.record,
             "parent": row.parent, "unsent": [*row.unsent, *(() if sent else row.new_labels)], "hash": _hash(row)}
            for row in rows
        ]  # fmt: skip
        intent = Intent(str(uuid.uuid4()), kind, {**document, "by": self.maker, "rows": listed})
        with self.db.transaction() as tx:
            if instead_of is not None:
                self.state.intents.withdraw(tx, instead_of.key, [row.root_id for row in rows])
            ours = set(self.state.intents.begin(tx, intent))
            intent.document["rows"] = [row for row in listed if row["entity_id"] in ours]
            if ours:
                self.state.intents.keep(tx, intent)
        return intent if ours else None

    # Sending a document, the first time or again

    def send(self, intent: Intent) -> bool:
        """Send it and take in what monday.com answers. What it says nothing about stays in doubt.

        Returned is whether it was refused as a whole, for the sake of a row that monday.com does not name.
        """
        document, monday = intent.document, self.sync.monday
        below = self.sync.mapping.parent_field is not None
        outcomes = (monday.writing.create_subitems if below else monday.writing.create_items)(
            self.sync.board.id,
            [(row["name"], row["parent"] if below else document["group"], row["values"]) for row in document["rows"]],
            intent.key,
            create_labels=document["labels"],
            columns=Columns(tuple(document["columns"]), document["selection"]),
        )
        made: dict[str, Item] = {}
        refused: dict[str, MondayError] = {}
        for row, outcome in zip(document["rows"], outcomes, strict=True):
            if isinstance(outcome, Item):
                made[row["entity_id"]] = outcome
            elif isinstance(outcome, RecordRefused) and not _about_the_key(outcome) or self._for_a_value(outcome, row):
                refused[row["entity_id"]] = outcome
            else:
                log.error("Row %s: %s", row["entity_id"], outcome.message)
                self.sync.writer.note(outcome)
        self.settle(intent, made)
        if refused:
            self._create_bare(intent, refused)
        if unknown := len(outcomes) - len(made) - len(refused):
            self.sync.report.errors += unknown
            log.warning("What became of %d items is not known; the next run finds out before it makes any.", unknown)
        return any(isinstance(outcome, DocumentRefused) for outcome in outcomes)

    def send_one_by_one(self, intent: Intent) -> None:
        """A document each for the rows of one that made nothing, so that the row that spoils it costs only itself."""
        root_ids = [row["entity_id"] for row in intent.document["rows"]]
        self.forget(intent)
        for row in self._new_items(root_ids):
            self._create_document([row])

    def _for_a_value(self, outcome: MondayError, row: dict[str, Any]) -> bool:
        """A right that is missing can be the right to edit one column; without values the item tells which it is."""
        bare = row["values"] == self._values(row["entity_id"], {})
        return isinstance(outcome, MondayRefused) and bool(outcome.path) and not bare

    def settle(self, intent: Intent, made: dict[str, Item]) -> None:
        """Link what was made, and take its cells in as what both sides agree on: in one transaction."""
        if not made:
            return
        with self.db.transaction(read_only=True) as tx:
            stored = self.sync.engine.store.load(tx, list(made))
            gone = [root_id for root_id in made if root_id not in stored or stored[root_id].archived]
            taken = self.state.links.find(tx, [(made[root_id].id, "") for root_id in gone]).links
        rows = {row["entity_id"]: row for row in intent.document["rows"]}
        # An item whose row went while it was made may have got another row by a pull.
        free = {root_id: item for root_id, item in made.items() if item.id not in taken}
        here = {root_id: item for root_id, item in free.items() if root_id in stored}
        active = {root_id for root_id, item in free.items() if item.state == "active"}
        leaving = active & set(gone) if self.sync.mapping.on_row_removed != "ignore" else set()
        answers, outgoing = [], []
        for root_id, item in here.items():
            agreed, owed = self._agreed(intent, rows[root_id], item)
            if root_id in gone:
                agreed, owed = self.sync.reader.read(item, agreed).record, ()  # what monday.com adds is nobody's edit
            answers.append(Answer(item, root_id, agreed, made_under=intent.key))
            if owed and root_id in active:
                outgoing.append(Outgoing(item, root_id, stored[root_id].record, agreed, owed))
        # Before the links, so that a row with a link says whose it is; whoever is killed in between finds the items again.
        self._mark({root_id: item.id for root_id, item in here.items()})
        self.sync.engine.settle(answers, created=True)
        self.sync.report.created += len(here)
        self.sync.report.to_monday.created += len(here)
        # Linked before it goes: who brings it back brings back its row.
        self.sync.remove_items([Removal(free[root_id].id, root_id) for root_id in sorted(leaving)])
        with self.db.transaction() as tx:
            self.state.intents.finish(tx, intent.key, [root_id for root_id in made if root_id not in here])
        with self.db.transaction() as tx:
            renamed = self.sync.give_item_ids(tx)
        if renamed:
            outgoing = self._renamed(outgoing)
        # What a created item does not show was refused, dropped or never sent: said again as a change, it costs a field.
        self.sync.engine.settle(self.sync.writer.send(outgoing), created=True)

    def _mark(self, items: dict[str, str]) -> None:
        """Rows (id → item id) say which items they have. One that PostgreSQL will not have changed costs only itself."""
        try:
            self.db.run_in_transaction(lambda tx: self.sync.engine.store.set_item_ids(tx, items))
        except RowRejected:
            for root_id in items if len(items) > 1 else ():
                self._mark({root_id: items[root_id]})

    def _renamed(self, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        """The same of rows that have taken the ids of their items; what they name may have, too."""
        with self.db.transaction(read_only=True) as tx:
            stored = self.sync.engine.store.load(tx, [one.item.id for one in outgoing])
        return [
            replace(one, root_id=one.item.id, wanted=stored[one.item.id].record if one.item.id in stored else one.wanted)
            for one in outgoing
        ]

    def _agreed(self, intent: Intent, row: dict[str, Any], item: Item) -> tuple[Record, tuple[str, ...]]:
        """What both sides agree on, by what was sent and what the item shows; and the fields it is still owed."""
        kinds = self.bound.kinds
        sent = {name: from_json(kinds[name], value) for name, value in row["record"].items() if name in kinds}
        shown = self.sync.reader.read(item, sent).record
        agreed: Record = {}
        owed: list[str] = []
        for name in self.bound.fields:
            ours, theirs = shown.get(name), sent.get(name)
            if name in self.bound.read_only or (is_empty(ours) and is_empty(theirs)):
                continue
            agreed[name] = theirs
            if self.bound.same(name, ours, theirs):
                continue
            if name in row["unsent"] or is_empty(ours) or (intent.kind == "import" and self._guessed(name)):
                agreed[name] = ours
                owed.append(name)
            # Else monday.com, or somebody since, has made something else of it: that is news like any other.
        return agreed, tuple(owed)

    def _guessed(self, name: str) -> bool:
        columns = [self.bound.columns[one] for one in self.bound.owner[name].columns if one in self.bound.columns]
        return any(column.type in GUESSED for column in columns)

    def _create_bare(self, intent: Intent, refused: dict[str, MondayError]) -> None:
        """One value that monday.com refuses would cost the item: make it without values, then write them one by one."""
        full = next((error for error in refused.values() if error.code == "ItemsLimitationException"), None)
        self._full = self._full or full
        if self._full is not None:
            log.error("The board is full: %s", self._full.message)
        rows = [row for row in intent.document["rows"] if row["entity_id"] in refused]
        plain = {row["entity_id"]: self._values(row["entity_id"], {}) for row in rows}
        bare = [row for row in rows if self._full is None and row["values"] != plain[row["entity_id"]]]
        hopeless = [row["entity_id"] for row in rows if row not in bare]
        self.forget(intent, hopeless)
        for root_id in hopeless:
            self._refuse([root_id], refused[root_id])
        if bare:
            fields = tuple(self.bound.fields)
            again = [
                NewItem(row["entity_id"], row["name"], plain[row["entity_id"]], row["record"], row["parent"], fields)
                for row in bare
            ]
            self._create_document(again, instead_of=intent)

    def _refuse(self, root_ids: Sequence[str], error: MondayError) -> None:
        """No item could be made of these rows: said, and tried again after a pause."""
        kind = self.sync.mapping.entity_type
        log.error("%s %s: %s", kind, ", ".join(root_ids[:3]) + (" ..." if len(root_ids) > 3 else ""), error.message)
        self.sync.report.errors += len(root_ids)
        with self.db.transaction() as tx:
            for root_id in root_ids:
                self.sync.report.set_aside += self.state.waiting.refuse_creation(tx, root_id, error.message)
            entries = [LogEntry("create", "error", error.message[:2000], None, root_id) for root_id in root_ids]
            self.state.log.append(tx, entries)

    def forget(self, intent: Intent, root_ids: Sequence[str] | None = None) -> None:
        """The document is at its end; the rows (when none are named, all) of which it made nothing are new again."""
        with self.db.transaction() as tx:
            self.state.intents.withdraw(tx, intent.key, root_ids)

    # Many at once

    def _import(self, root_ids: Sequence[str]) -> Sequence[str]:
        """Bring many rows in through the bulk import, and return those that did not get through."""
        left: list[str] = []
        for some in batched(root_ids, ROWS_PER_IMPORT):
            left += self._import_file(some) if self._imports else some
        return left

    def _import_file(self, root_ids: Sequence[str]) -> Sequence[str]:
        carrier = ItemImport(self.sync.monday, self.bound, self.sync.board.id, str(self.sync_id))
        group = self.group()
        rows = list(self._in_pages(root_ids))
        intent = self._intend("import", rows, {}) if group else None
        if intent is None or group is None:
            return root_ids
        ours = {row["entity_id"] for row in intent.document["rows"]}
        try:
            job = carrier.start(group)
        except MondayError as error:
            # A job that nobody uploads to makes nothing.
            self.forget(intent)
            if not isinstance(error, MondayRefused):  # who may not import may still make items; if not, that is told then
                self.sync.writer.note(error)
            self.sync.writer.raise_trouble()
            self._imports = False
            log.warning("There is no bulk import here (%s); the rows go in documents.", error.message)
            return root_ids
        with self.db.transaction() as tx:
            self.state.intents.note_job(tx, intent.key, job.job_id)
        try:
            carrier.upload(job, [row for row in rows if row.root_id in ours])
        except MondayError as error:
            log.warning("The rows may not have been uploaded (%s); the job knows.", error.message)
            return Recovery(self).finish_import(intent, job.job_id)
        return Recovery(self).finish_import(intent, job.job_id, uploaded=True)

    def _in_pages(self, root_ids: Sequence[str]) -> Iterator[NewItem]:
        for some in batched(root_ids, self.sync.options.batch_size):
            yield from self._new_items(some)


def _variables(row: NewItem, group: str | None) -> dict[str, Any]:
    """What a document says of one row: its size decides how many rows go together, so that one key is one document."""
    return {"name": row.name, "group": group, "values": row.values}


def _hash(row: NewItem) -> str:
    return hashlib.blake2b(dumps([row.name, row.values, row.record]), digest_size=16).hexdigest()


def _names_a_label(member: Any) -> bool:
    """Labels that the board has are written by id; one by name is one that it does not have, or not yet."""
    return isinstance(member, dict) and ("label" in member or "labels" in member)


def _about_the_key(error: MondayError) -> bool:
    """A refusal of the Idempotency-Key says nothing about the rows."""
    return "idempotency" in f"{error.code} {error.message}".lower()
