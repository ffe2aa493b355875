"""Tells monday.com what items are to show, many in a document, and finds out which single value it refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from errors import DailyLimitReached, ItemGone, MondayError, MondayRefused, MondayUnavailable, RecordRefused
from mappings.read_items import ItemReader
from mappings.write_items import CellWriter
from models import Item, Record, Removal
from monday_api import Monday
from services.monday.cells.choices import UnknownTag
from sync.task import Answer, Outgoing, Sent
from values.parsing import CellError

ENDS_EVERYTHING = (MondayUnavailable, DailyLimitReached, MondayRefused)
NO_EFFECT = "monday.com took the change, and the item does not show it"
CANNOT_SHOW = "the board has no cell that could show it"


class Removed(Struct, frozen=True):
    """Tells which items are gone now, why others are not (item id → reason), and what ends the writing."""

    gone: list[Removal]
    failed: dict[str, str]
    trouble: MondayError | None = None


class _Change(Struct, frozen=True):
    """Holds the cells to write for an item, and the fields that no cell can show, with the reason."""

    outgoing: Outgoing
    members: dict[str, Any]
    refused: dict[str, str]


class ItemWriter:
    """Writes items of one board."""

    def __init__(
        self,
        monday: Monday,
        reader: ItemReader,
        cell_writer: CellWriter,
        board_id: str,
        check_turn: Callable[[], None] = lambda: None,
    ) -> None:
        """Takes the parts. `check_turn` is called before each document, and raises when the turn is lost."""
        self.monday = monday
        self.check_turn = check_turn
        self.reader = reader
        self.cell_writer = cell_writer
        self.bound = reader.bound
        self.board_id = board_id
        self._knows_tags = False
        self.may_write = False
        """Set once the board has taken a change, be it of nothing."""

    def send(self, outgoing: Sequence[Outgoing]) -> Sent:
        """Writes them; returns an answer for each item, unless monday.com could not be written at all."""
        plain, labelled = self._by_labels(outgoing)
        sending = _Sending(self)
        answers = sending.send(plain, labels=False) if plain else []
        answers += sending.send(labelled, labels=True) if labelled else []
        return Sent(one_for_each(answers), sending.trouble)

    def remove(self, removals: Sequence[Removal], delete: bool) -> Removed:
        """Archives or deletes items."""
        self.check_turn()
        act = self.monday.writing.delete_items if delete else self.monday.writing.archive_items
        outcomes = act(self.board_id, [removal.item_id for removal in removals])
        gone: list[Removal] = []
        failed: dict[str, str] = {}
        trouble: MondayError | None = None
        for removal, outcome in zip(removals, outcomes, strict=True):
            if isinstance(outcome, Item | ItemGone):
                gone.append(removal)
            else:
                failed[removal.item_id] = outcome.message
                trouble = trouble or ending(outcome)
        return Removed(gone, failed, trouble)

    # The cells

    def change_of(self, outgoing: Outgoing) -> _Change:
        """Returns the cells to write."""
        members: dict[str, Any] = {}
        refused: dict[str, str] = {}
        for fields in self._by_binding(outgoing.fields):
            try:
                cells = self._cells(fields, outgoing)
            except CellError as exc:
                refused.update(dict.fromkeys(fields, str(exc)))
                continue
            members.update(cells)
            if not cells:
                refused.update({name: CANNOT_SHOW for name in fields if not self._shown_already(name, outgoing)})
        if outgoing.clear_sync_id and self.bound.mapping.sync_id:
            members[self.bound.mapping.sync_id[0]] = None
        return _Change(outgoing, members, refused)

    def _cells(self, fields: Sequence[str], outgoing: Outgoing) -> dict[str, Any]:
        try:
            return self.cell_writer.cells(fields, outgoing.wanted, outgoing.agreed, outgoing.item)
        except UnknownTag:
            if self._knows_tags:
                raise
        tags = {str(tag["name"]): int(tag["id"]) for tag in self.monday.account.tags()}
        self.cell_writer.learn("tags", {"tags": tags})
        self._knows_tags = True
        return self.cell_writer.cells(fields, outgoing.wanted, outgoing.agreed, outgoing.item)

    def _shown_already(self, name: str, outgoing: Outgoing) -> bool:
        """Returns whether the cells show all that can be seen of a value; an object may have parts for its row alone."""
        if self.bound.owner[name].transform is None:
            return False
        shown, wanted = self.reader.read(outgoing.item, outgoing.wanted).record.get(name), outgoing.wanted.get(name)
        if isinstance(shown, Mapping) and isinstance(wanted, Mapping):
            return all(self.bound.same(name, shown.get(part), value) for part, value in wanted.items())
        return self.bound.same(name, shown, wanted)

    def _by_binding(self, fields: Sequence[str]) -> list[list[str]]:
        groups: dict[int, list[str]] = {}
        for name in fields:
            groups.setdefault(id(self.bound.owner[name]), []).append(name)
        return list(groups.values())

    def _by_labels(self, outgoing: Sequence[Outgoing]) -> tuple[list[Outgoing], list[Outgoing]]:
        """Returns what goes as it is, and what may make labels: a mistyped word in another column must not become one."""
        plain: list[Outgoing] = []
        labelled: list[Outgoing] = []
        for change in outgoing:
            making = tuple(name for name in change.fields if self.bound.owner[name].create_labels)
            others = tuple(name for name in change.fields if name not in making)
            if making:
                labelled.append(replace(change, fields=making, clear_sync_id=False))
            if others or change.clear_sync_id:
                plain.append(replace(change, fields=others))
        return plain, labelled

    # The answers

    def shown_in(self, change: _Change, columns: Sequence[str]) -> list[str]:
        """Returns the fields of a change that these columns show."""
        wanted = set(columns)
        return [name for name in change.outgoing.fields if not wanted.isdisjoint(self.bound.owner[name].columns)]

    def answer(self, outgoing: Outgoing, item: Item, refused: Mapping[str, str]) -> Answer:
        """Returns what was sent and taken. A field that still shows what it showed before was not."""
        # A line may not fall apart again into the parts that it was made of; what was sent tells what it holds.
        before, after = self.reader.read(outgoing.item).record, self.reader.read(item, outgoing.wanted).record
        sent: Record = {}
        reasons = dict(refused)
        for name in outgoing.fields:
            if name in reasons:
                continue
            had_none = self._same(name, before, after) and not self._has_moved(name, outgoing.item, item)
            if had_none and not self._same(name, after, outgoing.wanted):
                reasons[name] = NO_EFFECT
            else:
                sent[name] = outgoing.wanted.get(name)
        return Answer(item, outgoing.root_id, sent, reasons, counted=outgoing.counted)

    def _has_moved(self, name: str, before: Item, after: Item) -> bool:
        """Returns whether the cells that make a field show something else: an emptied cell may mean what it meant before."""
        owner = self.bound.owner[name]
        texts = [[item.cells.get(column, {}).get("text") for column in owner.columns] for item in (before, after)]
        return owner.transform is not None and texts[0] != texts[1]

    def _same(self, name: str, a: Record, b: Record) -> bool:
        return self.bound.same(name, a.get(name), b.get(name))


class _Sending:
    """Sends lists of changes, and keeps the first error after which nothing more can be written."""

    def __init__(self, writer: ItemWriter) -> None:
        self.writer = writer
        self.trouble: MondayError | None = None

    def send(self, outgoing: Sequence[Outgoing], labels: bool) -> list[Answer]:
        """Writes changes; returns an answer for each, unless monday.com could not be written at all."""
        changes = [self.writer.change_of(change) for change in outgoing]
        quiet = [_agreed(change) for change in changes if not change.members]
        loud = [change for change in changes if change.members]
        return quiet + (self._write(loud, labels) if loud else [])

    def _write(self, changes: Sequence[_Change], labels: bool) -> list[Answer]:
        outcomes = self._told([(change.outgoing.item.id, change.members) for change in changes], labels)
        answers = []
        for change, outcome in zip(changes, outcomes, strict=True):
            # taken
            if isinstance(outcome, Item):
                answers.append(self.writer.answer(change.outgoing, outcome, change.refused))
            # refused for a single value
            elif self._for_a_value(outcome, change.outgoing.item.id, change.members):
                answers += self._one_by_one(change, labels, outcome)
            # gone, or not known: kept with its reason, and looked at again after a pause
            elif not self._note(outcome):
                answers.append(self._nothing_sent(change, outcome))
        return answers

    def _for_a_value(self, outcome: MondayError, item_id: str, members: dict[str, Any]) -> bool:
        """Returns whether a change was, or may have been, refused for the sake of a single value.

        A right that is missing can be the right to edit one column; the other columns tell which it is.
        """
        if isinstance(outcome, MondayRefused) and self.trouble is None:
            return bool(outcome.path) and (len(members) > 1 or self._is_of_a_column(outcome, item_id))
        return isinstance(outcome, RecordRefused) and not isinstance(outcome, ItemGone)

    def _is_of_a_column(self, outcome: MondayError, item_id: str) -> bool:
        """Returns whether a right is missing to edit a column, not to edit items: then a change of nothing is taken."""
        if not isinstance(outcome, MondayRefused) or not outcome.path or self.trouble is not None:
            return False
        if not self.writer.may_write:
            (answer,) = self._told([(item_id, {})], labels=False)
            self.writer.may_write = not isinstance(answer, ENDS_EVERYTHING)
        return self.writer.may_write

    def _one_by_one(self, change: _Change, labels: bool, error: MondayError) -> list[Answer]:
        """Finds the value that monday.com refuses, and writes the others: of a change it takes all values or none."""
        if len(change.members) == 1:
            return [self._nothing_sent(change, error)]
        item = change.outgoing.item
        columns, refused = list(change.members), dict(change.refused)
        outcomes = self._told([(item.id, {column: change.members[column]}) for column in columns], labels)
        for column, outcome in zip(columns, outcomes, strict=True):
            if isinstance(outcome, Item):
                item = outcome
            else:
                refused.update(dict.fromkeys(self.writer.shown_in(change, [column]), outcome.message))
                if not self._is_of_a_column(outcome, item.id):
                    self._note(outcome)
        # Cut off by what ends everything, nothing of it is settled: the next run finds out what the item shows.
        return [] if self.trouble else [self.writer.answer(change.outgoing, item, refused)]

    def _told(self, changes: Sequence[tuple[str, dict[str, Any]]], labels: bool) -> Sequence[Item | MondayError]:
        writer = self.writer
        writer.check_turn()
        try:
            return writer.monday.writing.change_items(writer.board_id, changes, labels, columns=writer.bound.wanted)
        except MondayError as error:
            if not self._note(error):
                raise
            return [error] * len(changes)

    def _nothing_sent(self, change: _Change, error: MondayError) -> Answer:
        why = dict.fromkeys(self.writer.shown_in(change, list(change.members)), error.message)
        outgoing = change.outgoing
        return Answer(outgoing.item, outgoing.root_id, {}, {**change.refused, **why}, counted=outgoing.counted)

    def _note(self, error: MondayError) -> bool:
        """Keeps an error after which nothing more can be written; returns whether it is such an error."""
        self.trouble = self.trouble or ending(error)
        return ending(error) is not None


def ending(error: MondayError) -> MondayError | None:
    """Returns the error if nothing more can be written after it."""
    return error if isinstance(error, ENDS_EVERYTHING) else None


def _agreed(change: _Change) -> Answer:
    """Returns the answer where no cell had to be written: what was not refused, the item shows."""
    outgoing, refused = change.outgoing, change.refused
    sent = {name: outgoing.wanted.get(name) for name in outgoing.fields if name not in refused}
    return Answer(outgoing.item, outgoing.root_id, sent, refused, counted=outgoing.counted)


def one_for_each(answers: Sequence[Answer]) -> list[Answer]:
    """Returns an answer for each item: the last shows all of it."""
    found: dict[str, Answer] = {}
    for answer in answers:
        before = found.get(answer.item.id)
        if before is not None:
            last = answer.item if answer.sent else before.item
            sent, refused = {**before.sent, **answer.sent}, {**before.refused, **answer.refused}
            answer = Answer(last, answer.root_id, sent, refused, counted=answer.counted)
        found[answer.item.id] = answer
    return list(found.values())
