"""Makes columns, with the labels and numbers that monday.com gives them."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.monday.account.models import Column, Label

COLORS = (
    ("#fdab3d", "working_orange"),
    ("#00c875", "done_green"),
    ("#e2445c", "stuck_red"),
    ("#0086c0", "dark_blue"),
    ("#a25ddc", "purple"),
    ("#c4c4c4", "explosive"),
    ("#037f4c", "grass_green"),
    ("#579bfc", "bright_blue"),
    ("#cab641", "saladish"),
    ("#ffcb00", "egg_yolk"),
    ("#333333", "blackish"),
    ("#bb3354", "dark_red"),
)
DEFAULT_STATUS = ("Working on it", "Done", "Stuck")
BLANK_STATUS = 5
"""The number of the blank grey label, which every status column has."""


def new_column(id: str, title: str, type: str, **settings: object) -> Column:
    # A status column has labels from the start.
    made = Column(id, title, type, settings=dict(settings))
    if type == "status":
        made.labels = status_labels(DEFAULT_STATUS)
    return made


def status(id: str, title: str, *names: str) -> Column:
    return Column(id, title, "status", labels=status_labels(names))


def status_labels(names: Sequence[str]) -> list[Label]:
    """Numbers the labels in order, except the blank one."""
    numbers = [number for number in range(len(names) + 1) if number != BLANK_STATUS][: len(names)]
    return [
        Label(number, name, *COLORS[number % len(COLORS)], is_done=name == "Done")
        for number, name in zip(numbers, names, strict=True)
    ]


def dropdown(id: str, title: str, *names: str) -> Column:
    labels = [Label(number, name) for number, name in enumerate(names, start=1)]
    return Column(id, title, "dropdown", labels=labels)


def text_columns(*pairs: tuple[str, str]) -> list[Column]:
    return [Column(id, title, "text") for id, title in pairs]
