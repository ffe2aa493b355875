"""Takes in items that were made of rows: links them, and finds out what they do not show yet."""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from errors import MondayError, RowRejected
from models import Item, Record, Removal
from rows.homes import Stored
from state.intents import Intent
from sync.board import BoardSync
from sync.import_items import GUESSED
from sync.new_items import DocumentRow
from sync.task import Answer, Outgoing
from values.canonical import is_empty
from values.comparing import from_json


class _Made(Struct, frozen=True):
    """Holds items that were made, by the ids of their rows, and what has become of the rows meanwhile."""

    free: Map[str, Item]
    """Those that no other row has: an item whose row went while it was made may have got another row by a pull."""
    stored: Map[str, Stored]
    gone: frozenset[str]
    """Rows that are archived or deleted."""

    @property
    def here(self) -> dict[str, Item]:
        """Returns those whose rows are there, archived or not."""
        return {root_id: item for root_id, item in self.free.items() if root_id in self.stored}

    @property
    def leaving(self) -> list[str]:
        """Returns the rows that are gone and whose items are on the board."""
        return sorted(root_id for root_id, item in self.free.items() if item.state == "active" and root_id in self.gone)


def settle_items(sync: BoardSync, intent: Intent, made: Map[str, Item]) -> MondayError | None:
    """Links what was made, and takes its cells in as what both sides agree on: in one transaction.

    Returns the error, if any, after which nothing more can be written.
    """
    if not made:
        return None
    found = _look_up(sync, made)
    answers, outgoing = _agree(sync, intent, found)
    # Before the links, so that a row with a link says whose it is; a run after a kill in between finds the items again.
    _mark(sync, {root_id: item.id for root_id, item in found.here.items()})
    _link(sync, answers)
    # Linked before it goes: when the item is restored, so is its row.
    if sync.mapping.on_row_removed != "ignore":
        sync.remove_items([Removal(found.free[root_id].id, root_id) for root_id in found.leaving])
    with sync.db.transaction() as tx:
        sync.state.intents.finish(tx, intent.key, [root_id for root_id in made if root_id not in found.here])
    # What a created item does not show was refused, dropped or never sent: sent again as a change, it costs a field.
    sent = sync.writer.send(_after_renaming(sync, outgoing))
    sync.engine.settle(sent.answers, created=True)
    return sent.trouble


def _look_up(sync: BoardSync, made: Map[str, Item]) -> _Made:
    with sync.db.transaction(read_only=True) as tx:
        stored = sync.engine.store.load(tx, list(made))
        gone = [root_id for root_id in made if root_id not in stored or stored[root_id].archived]
        taken = sync.state.links.find(tx, [(made[root_id].id, "") for root_id in gone]).links
    free = {root_id: item for root_id, item in made.items() if item.id not in taken}
    return _Made(free, stored, frozenset(gone))


def _agree(sync: BoardSync, intent: Intent, made: _Made) -> tuple[list[Answer], list[Outgoing]]:
    """Returns what both sides agree on of each item, and what the items are still owed."""
    rows: dict[str, DocumentRow] = {row["entity_id"]: row for row in intent.document["rows"]}
    answers, outgoing = [], []
    for root_id, item in made.here.items():
        agreed, owed = _agreed(sync, intent, rows[root_id], item)
        # row archived: what monday.com adds is no edit
        if root_id in made.gone:
            agreed, owed = sync.reader.read(item, agreed).record, ()
        answers.append(Answer(item, root_id, agreed, made_under=intent.key))
        if owed and item.state == "active":
            outgoing.append(Outgoing(item, root_id, made.stored[root_id].record, agreed, owed))
    return answers, outgoing


def _agreed(sync: BoardSync, intent: Intent, row: DocumentRow, item: Item) -> tuple[Record, tuple[str, ...]]:
    """Returns what both sides agree on, by what was sent and what the item shows; and the fields it is still owed."""
    bound, kinds = sync.bound, sync.bound.kinds
    sent = {name: from_json(kinds[name], value) for name, value in row["record"].items() if name in kinds}
    shown = sync.reader.read(item, sent).record
    agreed: Record = {}
    owed: list[str] = []
    for name in bound.fields:
        cell, value = shown.get(name), sent.get(name)
        # never sent, or empty on both sides
        if name in bound.read_only or (is_empty(cell) and is_empty(value)):
            continue
        agreed[name] = value
        if bound.same(name, cell, value):
            continue
        # not sent, dropped, or misread by the import
        if name in row["unsent"] or is_empty(cell) or (intent.kind == "import" and _guessed(sync, name)):
            agreed[name] = cell
            owed.append(name)
        # Else monday.com, or an edit since, has made another value of it: that is news like any other.
    return agreed, tuple(owed)


def _guessed(sync: BoardSync, name: str) -> bool:
    """Returns whether a field stands in a column whose form in the import is a guess."""
    columns = sync.bound.columns
    return any(columns[column].type in GUESSED for column in sync.bound.owner[name].columns if column in columns)


def _mark(sync: BoardSync, items: dict[str, str]) -> None:
    """Lets rows (id → item id) say which items they have. A row that PostgreSQL will not have changed costs only itself."""
    try:
        sync.db.run_in_transaction(lambda tx: sync.engine.store.set_item_ids(tx, items))
    except RowRejected:
        for root_id in items if len(items) > 1 else ():
            _mark(sync, {root_id: items[root_id]})


def _link(sync: BoardSync, answers: list[Answer]) -> None:
    sync.engine.settle(answers, created=True)
    sync.report.created += len(answers)
    sync.report.to_monday.created += len(answers)


def _after_renaming(sync: BoardSync, outgoing: Sequence[Outgoing]) -> Sequence[Outgoing]:
    """Gives rows the ids of their items where these are keys; what such rows name may have new keys, too."""
    with sync.db.transaction() as tx:
        renamed = sync.give_item_ids(tx)
    if not renamed:
        return outgoing
    with sync.db.transaction(read_only=True) as tx:
        stored = sync.engine.store.load(tx, [change.item.id for change in outgoing])
    return [
        replace(
            change,
            root_id=change.item.id,
            wanted=stored[change.item.id].record if change.item.id in stored else change.wanted,
        )
        for change in outgoing
    ]
