"""Shows what a command does: progress on stderr, lines and tables on stdout."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any

from timing import duration
from values.wording import counted

log = logging.getLogger("monday_sync")

SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """Shows the progress of each entity: bars in a terminal, else a line every 30 s; nothing when quiet."""

    def __init__(self, quiet: bool = False, left: Callable[[], str] = lambda: "") -> None:
        self._bars = _bars() if not quiet and sys.stderr is not None and sys.stderr.isatty() else None
        self._quiet = quiet
        self._tasks: dict[str, Any] = {}
        self._begun: dict[str, tuple[float, int]] = {}
        self._last_line = time.monotonic()
        self._lock = threading.Lock()
        self.left = left
        """Says in words what is left of a budget; empty when nothing is known."""

    def __enter__(self) -> Progress:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def __call__(self, entity: str, done: int, total: int | None) -> None:
        """Notes how many items of the entity are done."""
        with self._lock:
            now = time.monotonic()
            begun, had = self._begun.setdefault(entity, (now, done))
            if self._bars:
                if entity not in self._tasks:
                    self._tasks[entity] = self._bars.add_task(entity, total=total, left="")
                self._bars.update(self._tasks[entity], completed=done, left=self.left())
            elif not self._quiet and now - self._last_line > SECONDS_BETWEEN_LINES:
                self._last_line = now
                log.info("%s", progress_line(entity, done, total, done - had, now - begun, self.left()))

    def done(self, entity: str) -> None:
        """Removes the bar of an entity that is finished: its line of results follows."""
        with self._lock:
            if self._bars and entity in self._tasks:
                self._bars.remove_task(self._tasks.pop(entity))


def progress_line(entity: str, done: int, total: int | None, lately: int, seconds: float, left: str) -> str:
    """Returns `projects: 40,000 of 100,000 items (40 %), 812 a second, 1 min 14 s to go, 900 calls left this minute.`

    `lately` items took `seconds`, waits included; the time to the end is estimated from that.
    """
    rate = lately / seconds if seconds > 0 else 0.0
    share = f" of {counted(total)} items ({100 * min(done, total) // total} %)" if total else " items"
    to_go = f", {duration((total - done) / rate)} to go" if total and rate and total > done else ""
    budget = f", {left}" if left else ""
    return f"{entity}: {counted(done)}{share}, {counted(round(rate))} a second{to_go}{budget}."


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{counted(round(task.speed or 0))}/s", style="dim")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[left]}"),
    )
    # Results on stdout disturb the bars on stderr only when both are the same terminal.
    return Bars(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty())


def say(line: str) -> None:
    """Writes a line to stdout."""
    sys.stdout.write(line + "\n")


def show_table(title: str, headings: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Iterable[str] = ()) -> None:
    """Writes a table to stdout; the columns named in `numbers` are aligned to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    right = set(numbers)
    table = Table(
        title=title or None, title_justify="left", title_style="bold", show_edge=False, pad_edge=False, box=None
    )
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(cell)) for cell in row))
    # In a file no line is cut to the width of a window.
    console = Console(width=None if sys.stdout.isatty() else 240, highlight=False)
    with console.capture() as made:
        console.print(table)
    say("\n".join(line.rstrip() for line in made.get().rstrip("\n").split("\n")))


def _shown(cell: Any) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return counted(cell)
    return str(cell)
