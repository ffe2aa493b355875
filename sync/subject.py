"""States what a run works on: a mapping, or the sync of a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar


class Subject(Protocol):
    """Says what a run needs to know of what it works on: a mapping, or the sync of a query."""

    @property
    def entity(self) -> str:
        """Returns its name."""

    @property
    def entity_type(self) -> str:
        """Returns the type under which its log and its conflicts are kept."""

    @property
    def turn(self) -> str:
        """Returns the name of the turn in which one process at a time works on it."""

    @property
    def after(self) -> Sequence[str]:
        """Returns what has to be worked on before."""


S = TypeVar("S", bound=Subject)
Pairs = Sequence[tuple[S, str]]
"""What is worked on, each with the id of its board or table."""
