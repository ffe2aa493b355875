"""Writes many rows: in documents of bounded size, with an outcome for each row."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import Struct, field

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
from models import NO_CELLS, Columns, Item
from services.monday.agents import explained
from services.monday.calls import Caller
from services.monday.failures import ApiAnswer, Failure, Remedy, gravest, unknown
from services.monday.page_items import read_items
from services.monday.pages import Call
from services.monday.queries import (
    ARCHIVE_ITEMS,
    CHANGE_ITEMS,
    CREATE_ITEMS,
    CREATE_SUBITEMS,
    DELETE_ITEMS,
    ManyMutation,
    Request,
    dump,
)

ROWS_PER_DOCUMENT = 25
CHANGES_PER_DOCUMENT = 50
"""Changing an item is less work for monday.com than making one; 50 aliases are the most it is known to bear."""
BYTES_PER_DOCUMENT = 900_000
ROUNDS = 3
"""How often a row that certainly did not run is sent again in a document of its own kind."""

Outcome: TypeAlias = "Item | MondayError"
"""What became of a row: the item as monday.com answered it, or why not."""
Members = Mapping[str, Any]
"""Cells of one item by column id, as monday.com takes them."""


class MutationAnswer(Struct, frozen=True):
    """Holds `data` by alias, and the error of every alias that has none."""

    data: Mapping[str, Any]
    errors: Mapping[str, MondayError] = field(default_factory=dict)
    replayed: bool = False


class Many(Struct, frozen=True):
    """Describes one mutation over many rows; each row is its variables, without the row's number."""

    mutation: ManyMutation
    rows: Sequence[Mapping[str, Any]]
    key: str
    common: Mapping[str, Any] = field(default_factory=dict)
    board_id: str | None = None
    columns: Columns = NO_CELLS
    repeatable: bool = True
    """Sent twice, it does what it does when it is sent once."""
    at_once: int = ROWS_PER_DOCUMENT

    def request(self, numbers: Sequence[int], key: str) -> Request:
        """Makes the document for some of the rows."""
        variables = {**self.common, **({"columns": list(self.columns.ids)} if self.columns.ids else {})}
        for place, number in enumerate(numbers):
            row = self.rows[number]
            variables |= {f"{name}{place}": value for name, value in row.items() if value is not None}
        text = self.mutation.text(len(numbers), self.columns.selection, bool(self.columns.ids))
        return Request(text, variables, key, len(numbers), 1 if self.repeatable else 0)


def answer_by_alias(answer: ApiAnswer, aliases: Sequence[str]) -> MutationAnswer:
    """Returns which aliases succeeded and which failed, and why; an error of no alias in particular is raised."""
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
    """Makes the error of one alias; `others` of the same document succeeded."""
    if len(failure.path) > 1 or failure.remedy is Remedy.AGAIN:
        return unknown(failure)  # below the alias: the mutation went through, only its answer could not be read
    if others and failure.remedy is Remedy.REFUSED:
        return failure.exception(remedy=Remedy.RECORD)  # a right on this item is missing, not the right to write
    return failure.exception()


class Documents:
    """Sends many rows. `call` sends one request; `exhausted` says that monday.com has been away for too long."""

    def __init__(self, call: Call, pause: Callable[[int, str], None], exhausted: Callable[[], bool]) -> None:
        self._call = call
        self._pause = pause
        self._exhausted = exhausted

    def write(self, many: Many) -> list[Outcome]:
        """Returns the outcome of each row, in their order. Only an error before anything was sent is raised."""
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
        """Sends one document; when it fails as a whole, its halves, until the row that spoils it stands alone.

        Returned are the rows that did not run, or may be sent again, and are worth it.
        """
        try:
            answer = answer_by_alias(self._call(many.request(numbers, key)), [f"a{n}" for n in range(len(numbers))])
        except (QueryTooHeavy, RecordRefused, OutcomeUnknown) as error:
            if len(numbers) > 1 and (many.repeatable or isinstance(error, QueryTooHeavy)) and not self._exhausted():
                middle = len(numbers) // 2
                again = self._send(many, numbers[:middle], f"{key}:a", outcomes)
                return again + self._send(many, numbers[middle:], f"{key}:b", outcomes)
            for number in numbers:
                outcomes[number] = _spoilt(error, len(numbers))  # it cannot be halved, or must not be sent twice
            return []
        for place, number in enumerate(numbers):
            outcomes[number] = _outcome(answer, f"a{place}", many, many.rows[number].get("item"))
        return [number for number in numbers if _worth_repeating(outcomes[number], many.repeatable)]


def _spoilt(error: MondayError, rows: int) -> MondayError:
    """Returns what one error of a whole document says about each of its rows."""
    if rows == 1 or isinstance(error, OutcomeUnknown):
        return error
    return DocumentRefused(f"Some of {rows} rows may have been written. {error}", hint=error.hint, code=error.code)


class BoardLocks:
    """Lets only one thread at a time write to a board: monday.com locks a board for each change."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.RLock] = {}
        self._lock = threading.Lock()

    def of(self, board_id: str) -> threading.RLock:
        """Returns the lock of a board."""
        with self._lock:
            return self._locks.setdefault(board_id, threading.RLock())


class ItemWriting:
    """Writes items. Rows of one board are never written by two threads at a time."""

    def __init__(self, caller: Caller, locks: BoardLocks) -> None:
        self._caller = caller
        self._documents = Documents(caller.call, caller.pauses.before_retry, lambda: caller.silence.is_too_long)
        self._locks = locks

    def change_items(
        self,
        board_id: str | int,
        changes: Sequence[tuple[str, Members]],
        create_labels: bool = False,
        key: str | None = None,
        columns: Columns | None = None,
    ) -> list[Outcome]:
        """Changes cells of items, `{column id: value as monday.com takes it}` each; returns their outcomes, in their order.

        The items returned hold the cells of `columns` (those changed, when not given) as monday.com answered them.
        """
        rows = [{"item": str(item_id), "values": json_text(members)} for item_id, members in changes]
        common = {"board": str(board_id), "labels": create_labels}
        asked = columns or _written(members for _, members in changes)
        return self._write(
            Many(CHANGE_ITEMS, rows, _key(key), common, str(board_id), asked, at_once=CHANGES_PER_DOCUMENT)
        )

    def create_items(
        self,
        board_id: str | int,
        rows: Sequence[tuple[str, str | None, Members | str]],
        key: str | None = None,
        create_labels: bool = False,
        columns: Columns | None = None,
    ) -> list[Outcome]:
        """Creates items from (name, group id or None, cells or their text).

        The same rows with the same key, within 30 minutes, make nothing twice. A row whose outcome is unknown is
        returned as unknown, and is not sent again under another key.
        """
        many = [{"name": name, "group": group, "values": json_text(members)} for name, group, members in rows]
        common = {"board": str(board_id), "labels": create_labels}
        asked = columns or _written(members for _, _, members in rows if not isinstance(members, str))
        return self._write(Many(CREATE_ITEMS, many, _key(key), common, str(board_id), asked, repeatable=False))

    def create_subitems(
        self,
        board_id: str | int,
        rows: Sequence[tuple[str, str, str]],
        key: str | None = None,
        create_labels: bool = False,
        columns: Columns = NO_CELLS,
    ) -> list[Outcome]:
        """Creates items on a board of subitems, from (name, id of the parent item, text of the cells)."""
        many = [{"name": name, "parent": parent, "values": values} for name, parent, values in rows]
        labels = {"labels": create_labels}
        return self._write(Many(CREATE_SUBITEMS, many, _key(key), labels, str(board_id), columns, repeatable=False))

    def archive_items(self, board_id: str | int, ids: Sequence[str | int], key: str | None = None) -> list[Outcome]:
        """Archives items. An item that is already gone is answered with `ItemGone`."""
        outcomes = self._write(Many(ARCHIVE_ITEMS, [{"item": str(i)} for i in ids], _key(key), {}, str(board_id)))
        refusal = next((outcome for outcome in outcomes if isinstance(outcome, MondayRefused)), None)
        if refusal is None:
            return outcomes
        told = explained(self._caller, refusal, "archive items")
        return [told if isinstance(outcome, MondayRefused) else outcome for outcome in outcomes]

    def delete_items(self, board_id: str | int, ids: Sequence[str | int], key: str | None = None) -> list[Outcome]:
        """Deletes items. An item that is already gone is answered with `ItemGone`."""
        return self._write(Many(DELETE_ITEMS, [{"item": str(i)} for i in ids], _key(key), {}, str(board_id)))

    def _write(self, many: Many) -> list[Outcome]:
        with self._locks.of(many.board_id or ""):
            return self._documents.write(many)


def _written(cells: Iterable[Members]) -> Columns:
    """Returns the columns that are written, to see what monday.com made of them; the name is no cell."""
    return Columns(tuple(dict.fromkeys(column for members in cells for column in members if column != "name")))


def _key(key: str | None) -> str:
    return key or str(uuid.uuid4())


def _outcome(answer: MutationAnswer, alias: str, many: Many, item_id: str | None) -> Outcome:
    """Returns what became of a row; `item_id` is the item that the document named, None for an item to be made."""
    if alias in answer.errors:
        return answer.errors[alias]  # refused
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
    """Yields numbers of rows that go together. The same rows always make the same documents, so a key can be replayed."""
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
    """Returns the bytes that a row adds to a document, roughly; its texts are escaped once more on their way."""
    return sum(len(str(value).encode("utf-8", "surrogatepass")) + 40 for value in row.values()) + 400


def json_text(members: Members | str) -> str:
    """Writes column values as the JSON *text* that monday.com wants in a variable; an object would be refused."""
    return members if isinstance(members, str) else dump(members).decode()
