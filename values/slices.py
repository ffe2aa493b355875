"""Cuts long lists into slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def batched(rows: Sequence[T], size: int) -> Iterator[list[T]]:
    """Yields the rows in lists of `size`; the last list may be shorter."""
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])
