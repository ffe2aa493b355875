"""What a person sees while and after a command works: progress on stderr, tables on stdout."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any

from services.monday.pacing import Left
from timing import duration
from values.wording import counted

log = logging.getLogger("monday_sync")

SECONDS_BETWEEN_LINES = 30.0
NO_LIMIT = 2_000_000_000
"""Near GraphQL's largest whole number (2,147,483,647), which an account without a limit answers as what is left."""


class Progress:
    """How far each entity is: bars in a terminal, else a line now and then; nothing when quiet."""

    def __init__(self, quiet: bool = False) -> None:
        self._bars = _bars() if not quiet and sys.stderr is not None and sys.stderr.isatty() else None
        self._quiet = quiet
        self._tasks: dict[str, Any] = {}
        self._begun: dict[str, tuple[float, int]] = {}
        self._told = time.monotonic()
        self._lock = threading.Lock()
        self.left: Callable[[], Left | None] = lambda: None
        """What is left of monday.com's budgets; set by the run."""

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
        """The entity has come so far."""
        with self._lock:
            now = time.monotonic()
            begun, had = self._begun.setdefault(entity, (now, done))
            if self._bars:
                if entity not in self._tasks:
                    self._tasks[entity] = self._bars.add_task(entity, total=total, left="")
                self._bars.update(self._tasks[entity], completed=done, left=_left(self.left()))
            elif not self._quiet and now - self._told > SECONDS_BETWEEN_LINES:
                self._told = now
                log.info("%s", progress_line(entity, done, total, done - had, now - begun, self.left()))

    def done(self, entity: str) -> None:
        """The entity has come to its end; its line of results takes the place of its bar."""
        with self._lock:
            if self._bars and entity in self._tasks:
                self._bars.remove_task(self._tasks.pop(entity))


def progress_line(entity: str, done: int, total: int | None, lately: int, seconds: float, left: Left | None) -> str:
    """`projects: 40,000 of 100,000 items (40 %), 812 a second, 1 min 14 s to go, 900 calls left this minute.`

    `lately` were dealt with in `seconds`, waits included: the time to the end is as honest as the past.
    """
    rate = lately / seconds if seconds > 0 else 0.0
    share = f" of {counted(total)} items ({100 * min(done, total) // total} %)" if total else " items"
    to_go = f", {duration((total - done) / rate)} to go" if total and rate and total > done else ""
    budget = f", {_left(left)}" if _left(left) else ""
    return f"{entity}: {counted(done)}{share}, {counted(round(rate))} a second{to_go}{budget}."


def _left(left: Left | None) -> str:
    if left is None:
        return ""
    known = [
        f"{counted(int(number))} {what}"
        for number, what in ((left.calls, "calls"), (left.complexity, "points"))
        if number is not None and number < NO_LIMIT
    ]
    minute = f"{' and '.join(known)} left this minute" if known else ""
    day = f"{counted(int(left.daily))} calls left today" if left.daily is not None else ""
    return ", ".join(part for part in (minute, day) if part)


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{counted(round(task.speed or 0))}/s", style="dim")

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[left]}"),
    )
    # Results go to stdout while the bars are on stderr; only on one and the same terminal are they in each other's way.
    return Bars(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty())


def say(line: str) -> None:
    """A line on stdout."""
    sys.stdout.write(line + "\n")


def show_table(title: str, headings: Sequence[str], rows: Iterable[Sequence[Any]], numbers: Iterable[str] = ()) -> None:
    """A table on stdout; the columns named in `numbers` are set to the right."""
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
    # Nobody's window cuts what goes to a file.
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
