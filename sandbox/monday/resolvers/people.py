"""Resolves the users that other things name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.monday.account.models import User
from sandbox.monday.graph.call import Info
from sandbox.monday.resolvers.fields import Resolver


def user_by(id_of: Callable[[Any], int]) -> Resolver:
    def user(source: object, info: Info) -> User | None:
        return info.context.world.users.get(id_of(source))

    return user
