"""Makes the values of fields from the values of board columns, and back.

On the way back, a column whose own part did not change keeps exactly its value, so that it is not written again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from models import Value
from values.canonical import is_empty
from values.comparing import same
from values.folding import fold
from values.parsing import CellError

Values = Sequence[Value]
Made = tuple[Value, ...]


class Transform(Protocol):
    """Makes fields of columns and columns of fields, over canonical values."""

    @property
    def kinds(self) -> tuple[str | None, ...]:
        """Returns for each field what `Kinds.comparison` is asked for; None for the type of its column."""

    def read(self, cells: Values, before: Values | None = None) -> Made:
        """Returns a value for each field. `before` holds what they last showed, to spare work on what did not change."""

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        """Returns a value for each column, so that the fields show `fields`; `cells` are the present values."""


# What all of them use


def alike(a: Value, b: Value) -> bool:
    """Says whether two values read the same."""
    return same("json", a, b)


def trimmed(value: Value) -> str:
    """Returns a value as text without outer blanks; "" for none."""
    return value.strip() if isinstance(value, str) else "" if value is None else str(value)


def word_of(value: Value) -> str:
    """Returns a text as words are compared."""
    return fold(trimmed(value))


def is_news(field: Value, was: Value, present: Value) -> bool:
    """Says whether a field asks for something new: neither what it last showed nor what the board shows by now."""
    return not alike(field, was) and not alike(field, present)


def changed_fields(fields: Values, agreed: Values | None, present: Values) -> list[bool]:
    """Returns for each field whether it asks for something new; where none does, whether the board shows something else."""
    from_present = [not alike(new, now) for new, now in zip(fields, present, strict=True)]
    if agreed is None:
        return from_present
    both = [new and not alike(field, was) for new, field, was in zip(from_present, fields, agreed, strict=True)]
    return both if any(both) else from_present


def kept_cells(parts: Values, cells: Values) -> Made:
    """Returns the parts, but each column's present value where it says the same."""
    return tuple(cell if alike(part, cell) else part for part, cell in zip(parts, cells, strict=True))


# The transforms. The names of the classes and of their members are a part of a mapping's fingerprint, so they stay.


class Copy(Struct, frozen=True):
    """Takes each column as a field."""

    kinds: tuple[str | None, ...] = (None,)

    def read(self, cells: Values, before: Values | None = None) -> Made:
        return tuple(cells)

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        return kept_cells(fields, cells)


class Adapted(Struct, frozen=True):
    """Makes a field of a column by a function, and back by its inverse, which also sees the present cell."""

    there: Callable[[Value], Value]
    kinds: tuple[str | None, ...] = (None,)
    back: Callable[[Value, Value], Value] = lambda field, cell: field

    def read(self, cells: Values, before: Values | None = None) -> Made:
        return (None if is_empty(cells[0]) else self.there(cells[0]),)

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        if self._shows(fields[0], cells[0]):
            return (cells[0],)
        return (None if is_empty(fields[0]) else self.back(fields[0], cells[0]),)

    def _shows(self, field: Value, cell: Value) -> bool:
        try:
            return same(self.kinds[0] or "json", field, self.read((cell,))[0])
        except CellError:
            return False  # the cell holds what this transform cannot read, and may be overwritten


class Constant(Struct, frozen=True):
    """Lets the field always show the same; nothing is ever written."""

    value: Value
    kinds: tuple[str | None, ...] = ("json",)

    def read(self, cells: Values, before: Values | None = None) -> Made:
        return (self.value,)

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        return tuple(cells)


class Join(Struct, frozen=True):
    """Joins several columns to a text. Going back it is split at the last separator."""

    separator: str
    columns: int
    kinds: tuple[str | None, ...] = ("text",)

    def read(self, cells: Values, before: Values | None = None) -> Made:
        return (self.separator.join([text for cell in cells if (text := trimmed(cell))]) or None,)

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        if alike(fields[0], self.read(cells)[0]):
            return tuple(cells)
        return kept_cells(self.parts(trimmed(fields[0]), trimmed(cells[-1])), cells)

    def parts(self, text: str, last: str = "") -> list[str | None]:
        """Returns the text in as many parts as there are columns; `last` stays whole if the text still ends with it."""
        ending = self.separator + last
        if last and text.endswith(ending):
            return [*self._split(text[: -len(ending)], self.columns - 1), last]
        return self._split(text, self.columns)

    def _split(self, text: str, most: int) -> list[str | None]:
        blank = not self.separator.strip()
        # Any run of blanks parts two words.
        pieces = text.rsplit(None if blank else self.separator, most - 1)
        found: list[str | None] = [piece.strip() or None for piece in pieces]
        return [*found, *[None] * (most - len(found))]


class Split(Struct, frozen=True):
    """Splits a column at the last separator into several texts. Going back they are joined."""

    joined: Join

    @property
    def kinds(self) -> tuple[str | None, ...]:
        """Returns `text` for each field."""
        return ("text",) * self.joined.columns

    def read(self, cells: Values, before: Values | None = None) -> Made:
        # the parts, joined, still say what the cell says
        if before is not None and before[0] and alike(self.joined.read(before)[0], cells[0]):
            return tuple(before)
        return tuple(self.joined.parts(trimmed(cells[0])))

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        if alike(fields, self.read(cells, agreed)):
            return tuple(cells)
        return kept_cells(self.joined.read(fields), cells)


class FirstFilled(Struct, frozen=True):
    """Takes the first column that holds something. Going back, only the first column is ever written."""

    kinds: tuple[str | None, ...] = (None,)

    def read(self, cells: Values, before: Values | None = None) -> Made:
        for cell in cells:
            if trimmed(cell):
                return (cell,)
        return (None,)

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        if alike(fields[0], self.read(cells)[0]):
            return tuple(cells)
        return (fields[0], *cells[1:])


class ValueMap(Struct, frozen=True):
    """Maps a text to what it means: the fields are the text as shown and its meaning, or the meaning alone."""

    meanings: Mapping[str, Value]
    words: Mapping[str, str]
    default: Value
    kinds: tuple[str | None, ...]

    def read(self, cells: Values, before: Values | None = None) -> Made:
        meaning = self._meaning(cells[0])
        return (cells[0], meaning) if len(self.kinds) == 2 else (meaning,)

    def write(self, fields: Values, agreed: Values | None, cells: Values) -> Made:
        cell, meaning = cells[0], fields[-1]
        # the text itself was changed
        if len(self.kinds) == 2 and is_news(fields[0], None if agreed is None else agreed[0], cell):
            return (fields[0],)
        was = None if agreed is None else agreed[-1]
        # the meaning is as it was, or as the cell says
        if word_of(meaning) == word_of(was) or (
            not is_empty(cell) and word_of(self._meaning(cell)) == word_of(meaning)
        ):
            return (cell,)
        return (self._word_for(meaning),)

    def _meaning(self, text: Value) -> Value:
        return self.meanings.get(word_of(text), self.default)

    def _word_for(self, meaning: Value) -> Value:
        if is_empty(meaning):
            return None
        if word_of(meaning) not in self.words:
            raise CellError(f"no word of the value map means {trimmed(meaning)[:40]!r}")
        return self.words[word_of(meaning)]
