"""Answers admin calls on users and their tokens."""

from __future__ import annotations

from typing import Any

from sandbox.common.json_text import JsonObject
from sandbox.monday.account.models import User
from sandbox.monday.admin.finding import Calls, Id, set_known
from sandbox.monday.service import Service

SETTABLE = ("name", "email", "status", "time_zone", "kind", "phone")


class UserCalls:
    def __init__(self, service: Service) -> None:
        self._service, self._users = service, service.world.users
        self.calls: Calls = {"users/add": self.add, "users/set": self.set, "tokens/add": self.add_token}

    def add(self, name: str, email: str, **more: Any) -> JsonObject:
        user = User(max(self._users) + 13, name, email, created_at=self._service.clock.now(), **more)
        self._users[user.id] = user
        return {"id": str(user.id)}

    def set(self, id: Id, **wanted: object) -> JsonObject:
        user = self._users[int(id)]
        set_known(user, SETTABLE, wanted)
        return {"id": str(user.id), **wanted}

    def add_token(self, token: str, user_id: Id) -> JsonObject:
        """Adds a token for another user of the account."""
        self._service.tokens[token] = self._users[int(user_id)].id
        return {"ok": True}
