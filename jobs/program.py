"""Holds the program that `main.py` hands in, for tasks: Celery calls them with names only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sync.run import Compose, Program

_handed_in: list[Compose] = []
_composed: list[Program] = []


def hand_in(compose: Compose) -> None:
    """Takes what puts the program together."""
    _handed_in[:] = [compose]


def program() -> Program:
    """Returns the program, put together when it is first asked for."""
    if not _composed:
        _composed.append(_handed_in[-1]())
    return _composed[0]
