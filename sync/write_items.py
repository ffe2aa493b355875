"""Tells monday.com what items are to show, many in a document, and finds out which single value it refuses."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from errors import DailyLimitReached, ItemGone, MondayError, MondayRefused, MondayUnavailable, RecordRefused
from mappings.read_items import ItemReader
from mappings.write_items import CellWriter
from models import Item, Record, Removal
from monday_api import Monday
from services.monday.cells.choices import UnknownTag
from sync.task import Answer, Outgoing
from values.parsing import CellError

log = logging.getLogger("monday_sync")

ENDS_EVERYTHING = (MondayUnavailable, DailyLimitReached, MondayRefused)
NO_EFFECT = "monday.com took the change, and the item does not show it"
CANNOT_SHOW = "the board has no cell that could show it"


class ItemWriter:
    """Writes items of one board. What went wrong for all of them is kept until `raise_trouble`."""

    def __init__(self, monday: Monday, reader: ItemReader, cell_writer: CellWriter, board_id: str) -> None:
        self.monday = monday
        self.reader = reader
        self.cell_writer = cell_writer
        self.bound = reader.bound
        self.board_id = board_id
        self._trouble: MondayError | None = None
        self._knows_tags = False

    def raise_trouble(self) -> None:
        """Raise what kept monday.com from being written at all, once what did succeed has been taken in."""
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble

    def send(self, outgoing: Sequence[Outgoing]) -> list[Answer]:
        """Write them; an answer for each item, unless monday.com could not be written at all."""
        plain, labelled = self._by_labels(outgoing)
        answers = self._send(plain, False) if plain else []
        answers += self._send(labelled, True) if labelled else []
        return _one_for_each(answers)

    def remove(self, removals: Sequence[Removal], delete: bool) -> tuple[list[Removal], dict[str, str]]:
        """Archive or delete items: those that are gone now, and why others are not (item id → reason)."""
        act = self.monday.writing.delete_items if delete else self.monday.writing.archive_items
        gone: list[Removal] = []
        failed: dict[str, str] = {}
        for removal, outcome in zip(removals, act(self.board_id, [one.item_id for one in removals]), strict=True):
            if isinstance(outcome, Item | ItemGone):
                gone.append(removal)
            else:
                failed[removal.item_id] = outcome.message
                self.note(outcome)
        return gone, failed

    def members(self, one: Outgoing) -> tuple[dict[str, Any], dict[str, str]]:
        """The cells to write, and the fields that no cell can show with the reason."""
        members: dict[str, Any] = {}
        refused: dict[str, str] = {}
        for fields in self._by_binding(one.fields):
            try:
                cells = self._cells(fields, one)
            except CellError as exc:
                refused.update(dict.fromkeys(fields, str(exc)))
                continue
            members.update(cells)
            if not cells:
                refused.update({name: CANNOT_SHOW for name in fields if not self._shown_already(name, one)})
        if one.clear_sync_id and self.bound.mapping.sync_id:
            members[self.bound.mapping.sync_id[0]] = None
        return members, refused

    def _cells(self, fields: Sequence[str], one: Outgoing) -> dict[str, Any]:
        try:
            return self.cell_writer.cells(fields, one.wanted, one.agreed, one.item)
        except UnknownTag:
            if self._knows_tags:
                raise
        tags = {str(tag["name"]): int(tag["id"]) for tag in self.monday.account.tags()}
        self.cell_writer.learn("tags", {"tags": tags})
        self._knows_tags = True
        return self.cell_writer.cells(fields, one.wanted, one.agreed, one.item)

    def _shown_already(self, name: str, one: Outgoing) -> bool:
        """Whether the cells show all that can be seen of a value; members of an object may be for its row alone."""
        if self.bound.owner[name].transform is None:
            return False
        shown, wanted = self.reader.read(one.item, one.wanted).record.get(name), one.wanted.get(name)
        if isinstance(shown, Mapping) and isinstance(wanted, Mapping):
            return all(self.bound.same(name, shown.get(part), value) for part, value in wanted.items())
        return self.bound.same(name, shown, wanted)

    def _by_binding(self, fields: Sequence[str]) -> list[list[str]]:
        groups: dict[int, list[str]] = {}
        for name in fields:
            groups.setdefault(id(self.bound.owner[name]), []).append(name)
        return list(groups.values())

    def _by_labels(self, outgoing: Sequence[Outgoing]) -> tuple[list[Outgoing], list[Outgoing]]:
        """What goes as it is, and what may make labels: a mistyped word in another column must not become one."""
        plain: list[Outgoing] = []
        labelled: list[Outgoing] = []
        for one in outgoing:
            making = tuple(name for name in one.fields if self.bound.owner[name].create_labels)
            others = tuple(name for name in one.fields if name not in making)
            if making:
                labelled.append(replace(one, fields=making, clear_sync_id=False))
            if others or one.clear_sync_id:
                plain.append(replace(one, fields=others))
        return plain, labelled

    def _send(self, outgoing: Sequence[Outgoing], labels: bool) -> list[Answer]:
        prepared = [(one, *self.members(one)) for one in outgoing]
        quiet = [_agreed(one, refused) for one, members, refused in prepared if not members]
        sent = [(one, members, refused) for one, members, refused in prepared if members]
        return quiet + (self._change(sent, labels) if sent else [])

    def _change(
        self, sent: Sequence[tuple[Outgoing, dict[str, Any], dict[str, str]]], labels: bool
    ) -> list[Answer]:
        outcomes = self._told([(one.item.id, members) for one, members, _ in sent], labels)
        answers = []
        for (one, members, refused), outcome in zip(sent, outcomes, strict=True):
            if isinstance(outcome, Item):
                answers.append(self._answer(one, outcome, refused))
            elif self._for_a_value(outcome, members):
                answers += self._one_by_one(one, members, refused, labels, outcome)
            elif not self.note(outcome):
                # Gone, or nobody knows: kept with its reason, and looked at again after a pause.
                why = dict.fromkeys(self._shown_in(one, members), outcome.message)
                answers.append(_nothing_sent(one, {**refused, **why}))
        return answers

    def _for_a_value(self, outcome: MondayError, members: dict[str, Any]) -> bool:
        """Whether a change was, or may have been, refused for the sake of a single value.

        A right that is missing can be the right to edit one column; the other columns tell which it is.
        """
        if isinstance(outcome, MondayRefused):
            return bool(outcome.path) and len(members) > 1 and self._trouble is None
        return isinstance(outcome, RecordRefused) and not isinstance(outcome, ItemGone)

    def _told(self, changes: Sequence[tuple[str, dict[str, Any]]], labels: bool) -> Sequence[Item | MondayError]:
        try:
            return self.monday.writing.change_items(self.board_id, changes, labels, columns=self.bound.wanted)
        except MondayError as error:
            if not self.note(error):
                raise
            return [error] * len(changes)

    def _one_by_one(
        self, one: Outgoing, members: dict[str, Any], refused: dict[str, str], labels: bool, error: MondayError
    ) -> list[Answer]:
        """monday.com takes all the values of a change or none: find the one it refuses, and write the others."""
        if len(members) == 1:
            why = dict.fromkeys(self._shown_in(one, members), error.message)
            return [_nothing_sent(one, {**refused, **why})]
        columns = list(members)
        outcomes = self._told([(one.item.id, {column: members[column]}) for column in columns], labels)
        last = one.item
        for column, outcome in zip(columns, outcomes, strict=True):
            if isinstance(outcome, Item):
                last = outcome
            else:
                refused = {**refused, **dict.fromkeys(self._shown_in(one, [column]), outcome.message)}
                self.note(outcome)
        # Cut off by what ends everything, nothing of it is settled: the next run finds out what the item shows.
        return [] if self._trouble else [self._answer(one, last, refused)]

    def _shown_in(self, one: Outgoing, columns: Sequence[str] | dict[str, Any]) -> list[str]:
        """The fields that some columns show."""
        return [name for name in one.fields if not set(columns).isdisjoint(self.bound.owner[name].columns)]

    def _answer(self, one: Outgoing, item: Item, refused: dict[str, str]) -> Answer:
        """What was sent and taken. A field that still shows what it showed before was not."""
        try:
            # A line may not fall apart again into the parts that it was made of; what was sent tells what it holds.
            before, after = self.reader.read(one.item).record, self.reader.read(item, one.wanted).record
        except CellError:
            before, after = {}, {}
        sent: Record = {}
        refused = dict(refused)
        for name in one.fields:
            if name in refused:
                continue
            ignored = self._same(name, before, after) and not self._same(name, after, one.wanted)
            if ignored:
                refused[name] = NO_EFFECT
            else:
                sent[name] = one.wanted.get(name)
        return Answer(item, one.root_id, sent, refused, counted=one.counted)

    def _same(self, name: str, a: Record, b: Record) -> bool:
        return self.bound.same(name, a.get(name), b.get(name))

    def note(self, error: MondayError) -> bool:
        """Remember an error after which nothing more can be written; whether it is one."""
        if isinstance(error, ENDS_EVERYTHING):
            self._trouble = self._trouble or error
        return isinstance(error, ENDS_EVERYTHING)


def _nothing_sent(one: Outgoing, refused: dict[str, str]) -> Answer:
    return Answer(one.item, one.root_id, {}, refused, counted=one.counted)


def _agreed(one: Outgoing, refused: dict[str, str]) -> Answer:
    """No cell had to be written: what was not refused, the item shows."""
    sent = {name: one.wanted.get(name) for name in one.fields if name not in refused}
    return Answer(one.item, one.root_id, sent, refused, counted=one.counted)


def _one_for_each(answers: Sequence[Answer]) -> list[Answer]:
    """One answer an item: the last one shows all of it."""
    found: dict[str, Answer] = {}
    for answer in answers:
        before = found.get(answer.item.id)
        if before is not None:
            last = answer.item if answer.sent else before.item
            sent, refused = {**before.sent, **answer.sent}, {**before.refused, **answer.refused}
            answer = Answer(last, answer.root_id, sent, refused, counted=answer.counted)
        found[answer.item.id] = answer
    return list(found.values())
