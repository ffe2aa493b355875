"""Shorthand for the columns of the built-in boards."""

from __future__ import annotations

from typing import Any

from sandbox.models import Column, Label

COLORS = (("#fdab3d", "working_orange"), ("#00c875", "done_green"), ("#e2445c", "stuck_red"), ("#0086c0", "dark_blue"),
          ("#a25ddc", "purple"), ("#c4c4c4", "explosive"), ("#037f4c", "grass_green"), ("#579bfc", "bright_blue"),
          ("#cab641", "saladish"), ("#ffcb00", "egg_yolk"), ("#333333", "blackish"), ("#bb3354", "dark_red"))
DEFAULT_STATUS = ("Working on it", "Done", "Stuck")


def column(id: str, title: str, type: str, **settings: Any) -> Column:
    made = Column(id, title, type, settings=dict(settings))
    if type == "status" and not made.labels:
        made.labels = status_labels(DEFAULT_STATUS)
    return made


def status(id: str, title: str, *names: str) -> Column:
    return Column(id, title, "status", labels=status_labels(names))


def status_labels(names: tuple[str, ...]) -> list[Label]:
    """Numbers in order, except 5, which is the blank grey label of every status column."""
    numbers = [n for n in range(len(names) + 1) if n != 5][: len(names)]
    return [
        Label(number, name, *COLORS[number % len(COLORS)], is_done=name == "Done")
        for number, name in zip(numbers, names, strict=True)
    ]


def dropdown(id: str, title: str, *names: str, **settings: Any) -> Column:
    return Column(id, title, "dropdown", settings=dict(settings),
                  labels=[Label(number, name) for number, name in enumerate(names, start=1)])


def text_columns(*pairs: tuple[str, str]) -> list[Column]:
    return [Column(id, title, "text") for id, title in pairs]
