"""Decides by chance, from a seed: the same seed, board and index always give the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
MASK = (1 << 64) - 1


class Dice:
    """Draws numbers by Splitmix64. To seed a `random.Random` would cost more than to make an item."""

    __slots__ = ("state",)

    def __init__(self, *parts: int) -> None:
        state = 0x9E3779B97F4A7C15
        for part in parts:
            state = ((state ^ part) * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) & MASK
        self.state = state

    def roll(self, sides: int) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return (z ^ (z >> 31)) % sides

    def pick(self, things: Sequence[T]) -> T:
        return things[self.roll(len(things))]

    def chance(self, per_mille: int) -> bool:
        return self.roll(1000) < per_mille

    def some(self, things: Sequence[T], most: int) -> tuple[T, ...]:
        start, count = self.roll(len(things)), self.roll(min(most, len(things)) + 1)
        return tuple(things[(start + n) % len(things)] for n in range(count))
