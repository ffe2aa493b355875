"""What a person sees while and after a command works: progress on stderr, tables on stdout."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

from report import counted

log = logging.getLogger("monday_sync")

SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """How far each entity is: bars in a terminal, else a line now and then; nothing when quiet."""

    def __init__(self, quiet: bool = False) -> None:
        self._bars = _bars() if not quiet and sys.stderr is not None and sys.stderr.isatty() else None
        self._quiet = quiet
        self._tasks: dict[str, Any] = {}
        self._begun: dict[str, float] = {}
        self._told = time.monotonic()
        self._lock = threading.Lock()

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
            begun = self._begun.setdefault(entity, time.monotonic())
            if self._bars:
                if entity not in self._tasks:
                    self._tasks[entity] = self._bars.add_task(entity, total=total)
                self._bars.update(self._tasks[entity], completed=done)
            elif not self._quiet and time.monotonic() - self._told > SECONDS_BETWEEN_LINES:
                self._told = time.monotonic()
                rate = done / max(self._told - begun, 0.001)
                of = f" of {counted(total)}" if total else ""
                log.info("%s: %s%s items, %s a second.", entity, counted(done), of, counted(round(rate)))

    def done(self, entity: str) -> None:
        """The entity has come to its end; its line of results takes the place of its bar."""
        with self._lock:
            if self._bars and entity in self._tasks:
                self._bars.remove_task(self._tasks.pop(entity))


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{counted(round(task.speed or 0))}/s", style="dim")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
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
