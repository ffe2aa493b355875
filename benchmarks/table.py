"""Prints the result of a benchmark as a table: a name, a figure, and the goal if there is a goal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from msgspec import Struct, field

Number = float | int


class Figure(Struct, frozen=True):
    """Holds a line of the table. Of several measurements the median is shown and compared with the goal."""

    name: str
    values: tuple[Number, ...]
    unit: str = ""
    digits: int = 2
    at_most: Number | None = None
    at_least: Number | None = None

    @property
    def value(self) -> float:
        """Returns the median."""
        return median(self.values)

    def cells(self) -> tuple[str, str, str]:
        """Returns the name, the figure and the goal as text."""
        shown = self._text(self.value)
        if len(self.values) > 1:
            shown += f"   ({self._number(min(self.values))} .. {self._number(max(self.values))})"
        return self.name, shown, self._verdict()

    def _verdict(self) -> str:
        if self.at_most is not None:
            reached, goal = self.value <= self.at_most, f"at most {self._number(self.at_most)}"
        elif self.at_least is not None:
            reached, goal = self.value >= self.at_least, f"at least {self._number(self.at_least)}"
        else:
            return ""
        return f"{'reached' if reached else 'missed'}: {goal}"

    def _number(self, value: Number) -> str:
        return f"{value:,.{self.digits}f}"

    def _text(self, value: Number) -> str:
        return f"{self._number(value)} {self.unit}".rstrip()


class Table(Struct):
    """Holds figures under a heading."""

    title: str
    figures: list[Figure] = field(default_factory=list)

    def add(
        self,
        name: str,
        values: Number | Iterable[Number],
        unit: str = "",
        digits: int = 2,
        at_most: Number | None = None,
        *,
        at_least: Number | None = None,
    ) -> None:
        """Adds a line."""
        several = tuple(values) if isinstance(values, Iterable) else (values,)
        self.figures.append(Figure(name, several, unit, digits, at_most, at_least))

    def show(self) -> None:
        """Prints the table."""
        rows = [figure.cells() for figure in self.figures]
        widths = [max(len(row[place]) for row in rows) for place in range(3)]
        print(f"\n{self.title}")
        for row in rows:
            print("  " + "   ".join(_padded(row, widths)).rstrip(), flush=True)


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [text.ljust(width) for text, width in zip(row, widths, strict=True)]
