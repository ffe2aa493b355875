"""Holds the ids that made-up cells may name."""

from __future__ import annotations

from msgspec import Struct

from sandbox.monday.account.world import World


class Known(Struct, frozen=True):
    users: list[int]
    teams: list[int]
    tags: list[int]
    asset: int = 0
    """The one uploaded file, on the board that has a column of every type."""


def known_of(world: World, asset: int = 0) -> Known:
    return Known(list(world.users), list(world.teams), list(world.tags), asset)
