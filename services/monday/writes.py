"""Mutations of many rows: put into documents of bounded size, and what became of each row told apart."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from errors import (
    DailyLimitReached,
    DocumentRefused,
    MondayError,
    MondayRefused,
    MondayUnavailable,
    OutcomeUnknown,
    QueryTooHeavy,
    RecordRefused,
)
from models import Item
from services.monday.calls import Conversation
from services.monday.failures import Answer, Failure, Remedy, gravest, unknown
from services.monday.pages import Call, read_items
from services.monday.queries import (
    ARCHIVE_ITEMS,
    CELL,
    CHANGE_ITEMS,
    CREATE_ITEMS,
    CREATE_SUBITEMS,
    DELETE_ITEMS,
    ManyMutation,
    Request,
    dump,
)

ROWS_PER_DOCUMENT = 25
CHANGES_PER_DOCUMENT = 40
"""Changing an item is less work for monday.com than making one; 50 aliases are the most it is known to bear."""
BYTES_PER_DOCUMENT = 900_000
ROUNDS = 3
"""How often a row that certainly did not run is sent again in a document of its own kind."""

Outcome: TypeAlias = "Item | MondayError"
"""What became of one row: the item as monday.com answered it, or why not."""


@dataclass(frozen=True, slots=True)
class MutationAnswer:
    """`data` by alias, and the error of every alias that has none."""

    data: Mapping[str, Any]
    errors: Mapping[str, MondayError] = field(default_factory=dict)
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """One mutation over many rows; each row is its variables, without the row's number."""

    mutation: ManyMutation
    rows: Sequence[Mapping[str, Any]]
    key: str
    common: Mapping[str, Any] = field(default_factory=dict)
    board_id: str | None = None
    columns: tuple[str, ...] = ()
    selection: str = CELL
    repeatable: bool = True
    """Saying it twice does what saying it once does."""
    at_once: int = ROWS_PER_DOCUMENT

    def request(self, numbers: Sequence[int], key: str) -> Request:
        """The document for some of the rows."""
        variables = {**self.common, **({"columns": list(self.columns)} if self.columns else {})}
        for place, number in enumerate(numbers):
            row = self.rows[number]
            variables |= {f"{name}{place}": value for name, value in row.items() if value is not None}
        text = self.mutation.text(len(numbers), self.selection, bool(self.columns))
        return Request(text, variables, key, len(numbers), 1 if self.repeatable else 0)


def answer_by_alias(answer: Answer, aliases: Sequence[str]) -> MutationAnswer:
    """Which alias succeeded and which failed, and why; an error of no alias in particular is raised."""
    data = {alias: value for alias, value in (answer.data or {}).items() if alias != "complexity"}
    names = aliases or list(data)
    failures: dict[str, Failure] = {}
    for failure in answer.failures:
        alias = str(failure.path[0]) if failure.path else ""
        if alias not in names:
            if len(names) != 1 or failure.remedy not in (Remedy.RECORD, Remedy.GONE):
                raise gravest(answer.failures).exception()
            alias = names[0]
        failures[alias] = failure
    others = any(data.get(alias) is not None for alias in names if alias not in failures)
    errors = {alias: _of_alias(failure, others) for alias, failure in failures.items()}
    for alias in names:
        if data.get(alias) is None and alias not in errors:
            errors[alias] = OutcomeUnknown(
                f"monday.com neither confirmed nor refused a change ({alias}).", hint="Read the item again."
            )
    return MutationAnswer({a: v for a, v in data.items() if a not in errors}, errors, answer.replayed)


def _of_alias(failure: Failure, others: bool) -> MondayError:
    """Below the alias the mutation itself went through and only its answer could not be read.

    Whoever may write the `others` lacks a right on this item or one of its columns, not the right to write.
    """
    if len(failure.path) > 1 or failure.remedy is Remedy.AGAIN:
        return unknown(failure)
    if others and failure.remedy is Remedy.REFUSED:
        return failure.exception(remedy=Remedy.RECORD)
    return failure.exception()


class Writer:
    """Sends many rows. `call` sends one request; `exhausted` says that monday.com has been away for too long."""

    def __init__(self, call: Call, pause: Callable[[int, str], None], exhausted: Callable[[], bool]) -> None:
        self._call = call
        self._pause = pause
        self._exhausted = exhausted

    def write(self, many: Many) -> list[Outcome]:
        """What became of each row, in their order. Only an error before anything was sent is raised."""
        outcomes: list[Outcome | None] = [None] * len(many.rows)
        sent = False
        for place, numbers in enumerate(batches([size_of(row) for row in many.rows], many.at_once)):
            key = many.key if place == 0 else f"{many.key}-{place}"
            try:
                if sent and self._exhausted():
                    raise MondayUnavailable("monday.com is away; this was not sent.", hint="Run again later.")
                self._document(many, numbers, key, outcomes)
            except (DailyLimitReached, MondayRefused, MondayUnavailable) as error:
                if not sent and all(outcome is None for outcome in outcomes):
                    raise
                _fill(outcomes, error)
                break
            sent = True
        _fill(outcomes, OutcomeUnknown("monday.com did not say what became of a change."))
        return [outcome for outcome in outcomes if outcome is not None]

    def _document(self, many: Many, numbers: Sequence[int], key: str, outcomes: list[Outcome | None]) -> None:
        for attempt in range(ROUNDS):
            numbers = self._send(many, numbers, key if attempt == 0 else f"{key}.{attempt}", outcomes)
            if not numbers or self._exhausted():
                return
            if attempt + 1 < ROUNDS:
                self._pause(attempt, "server")

    def _send(self, many: Many, numbers: Sequence[int], key: str, outcomes: list[Outcome | None]) -> list[int]:
        """One document; when it fails as a whole, its halves, until the row that spoils it stands alone.

        Returned are the rows that did not run, or may be said again, and are worth it.
        """
        try:
            answer = answer_by_alias(self._call(many.request(numbers, key)), [f"a{n}" for n in range(len(numbers))])
        except (QueryTooHeavy, RecordRefused, OutcomeUnknown) as error:
            if len(numbers) > 1 and (many.repeatable or isinstance(error, QueryTooHeavy)) and not self._exhausted():
                middle = len(numbers) // 2
                again = self._send(many, numbers[:middle], f"{key}:a", outcomes)
                return again + self._send(many, numbers[middle:], f"{key}:b", outcomes)
            for number in numbers:
                outcomes[number] = _spoilt(error, len(numbers))
            return []
        for place, number in enumerate(numbers):
            outcomes[number] = _outcome(answer, f"a{place}", many, many.rows[number].get("item"))
        return [number for number in numbers if _worth_repeating(outcomes[number], many.repeatable)]


def _spoilt(error: MondayError, rows: int) -> MondayError:
    """What one error of a whole document says about each of its rows."""
    if rows == 1 or isinstance(error, OutcomeUnknown):
        return error
    return DocumentRefused(f"Some of {rows} rows may have been written. {error}", hint=error.hint, code=error.code)


class ItemWrites(Conversation):
    """The part of the client that writes items. Rows of one board are never written by two threads at a time."""

    _writer: Writer
    _lock: threading.Lock
    _board_locks: dict[str, threading.RLock]

    def change_items(
        self,
        board_id: str | int,
        changes: Sequence[tuple[str, Mapping[str, Any]]],
        create_labels: bool = False,
        key: str | None = None,
        *,
        columns: Sequence[str] | None = None,
        selection: str = CELL,
    ) -> list[Outcome]:
        """Change cells of items, `{column id: value as monday.com takes it}` each; what became of each, in their order.

        The items returned hold the cells of `columns` (those changed, when not given) as monday.com answered them.
        """
        written = dict.fromkeys(column for _, members in changes for column in members if column != "name")
        rows = [{"item": str(item_id), "values": json_text(members)} for item_id, members in changes]
        common = {"board": str(board_id), "labels": create_labels}
        asked = tuple(written) if columns is None else tuple(columns)
        return self._write(
            Many(
                CHANGE_ITEMS, rows, _key(key), common, str(board_id), asked, selection, at_once=CHANGES_PER_DOCUMENT
            )
        )  # fmt: skip

    def create_items(
        self,
        board_id: str | int,
        rows: Sequence[tuple[str, str | None, Mapping[str, Any] | str]],
        key: str | None = None,
        *,
        create_labels: bool = False,
        columns: Sequence[str] | None = None,
        selection: str = CELL,
    ) -> list[Outcome]:
        """Create items from (name, group id or None, cells or their text). The same rows with the same key, within 30
        minutes, make nothing twice; a row whose fate is unknown is said to be so, and is not sent again under another
        key."""
        given = [members for _, _, members in rows if not isinstance(members, str)]
        written = dict.fromkeys(column for members in given for column in members if column != "name")
        many = [{"name": name, "group": group, "values": json_text(members)} for name, group, members in rows]
        common = {"board": str(board_id), "labels": create_labels}
        asked = tuple(written) if columns is None else tuple(columns)
        return self._write(
            Many(CREATE_ITEMS, many, _key(key), common, str(board_id), asked, selection, repeatable=False)
        )

    def create_subitems(
        self,
        board_id: str | int,
        rows: Sequence[tuple[str, str, str]],
        key: str | None = None,
        *,
        create_labels: bool = False,
        columns: Sequence[str] = (),
        selection: str = CELL,
    ) -> list[Outcome]:
        """The same on a board of subitems, from (name, id of the parent item, text of the cells)."""
        many = [{"name": name, "parent": parent, "values": values} for name, parent, values in rows]
        labels = {"labels": create_labels}
        return self._write(
            Many(CREATE_SUBITEMS, many, _key(key), labels, str(board_id), tuple(columns), selection, repeatable=False)
        )

    def archive_items(self, board_id: str | int, ids: Sequence[str | int], key: str | None = None) -> list[Outcome]:
        """Archive items. One that is already gone is answered with `ItemGone`."""
        return self._write(Many(ARCHIVE_ITEMS, [{"item": str(i)} for i in ids], _key(key), {}, str(board_id)))

    def delete_items(self, board_id: str | int, ids: Sequence[str | int], key: str | None = None) -> list[Outcome]:
        """Delete items. One that is already gone is answered with `ItemGone`."""
        return self._write(Many(DELETE_ITEMS, [{"item": str(i)} for i in ids], _key(key), {}, str(board_id)))

    def _write(self, many: Many) -> list[Outcome]:
        with self._lock:
            lock = self._board_locks.setdefault(many.board_id or "", threading.RLock())
        with lock:
            return self._writer.write(many)


def _key(key: str | None) -> str:
    return key or str(uuid.uuid4())


def _outcome(answer: MutationAnswer, alias: str, many: Many, item_id: str | None) -> Outcome:
    """`item_id` is the item that the document named; none for one that is to be made."""
    if alias in answer.errors:
        return answer.errors[alias]
    items, faults = read_items([answer.data[alias]], many.board_id, many.columns)
    if not items:
        return OutcomeUnknown(f"monday.com's answer to a change is not whole: {faults[0].reason}.")
    if item_id is not None and items[0].id != item_id:
        return OutcomeUnknown(f"monday.com was told of item {item_id}, and answered about {items[0].id}.")
    return items[0]


def _worth_repeating(outcome: Outcome | None, repeatable: bool) -> bool:
    return isinstance(outcome, MondayUnavailable) or (repeatable and isinstance(outcome, OutcomeUnknown))


def _fill(outcomes: list[Outcome | None], error: MondayError) -> None:
    for number, outcome in enumerate(outcomes):
        if outcome is None:
            outcomes[number] = error


def batches(
    sizes: Sequence[int], rows: int = ROWS_PER_DOCUMENT, limit: int = BYTES_PER_DOCUMENT
) -> Iterator[list[int]]:
    """Numbers of rows that go together. The same rows always make the same documents, so a key can be replayed."""
    batch: list[int] = []
    total = 0
    for number, size in enumerate(sizes):
        if batch and (len(batch) == rows or total + size > limit):
            yield batch
            batch, total = [], 0
        batch.append(number)
        total += size
    if batch:
        yield batch


def size_of(row: Mapping[str, Any]) -> int:
    """Bytes that a row adds to a document, roughly; its texts are escaped once more on their way."""
    return sum(len(str(value).encode("utf-8", "surrogatepass")) + 40 for value in row.values()) + 400


def json_text(members: Mapping[str, Any] | str) -> str:
    """Column values as the JSON *text* that monday.com wants in a variable; an object would be refused."""
    return members if isinstance(members, str) else dump(members).decode()
