"""Knows the names of users and teams by their ids: a cell lists names in one text, and a name may hold a comma."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from errors import MondayRefused, QueryRejected
from services.monday.account import Account

log = logging.getLogger("monday_sync")

Person = tuple[str, str]
"""A kind (`person`, `team`) and an id."""


class PeopleNames:
    """Asks for all names when one is first needed; threads share it."""

    def __init__(self, account: Callable[[], Account]) -> None:
        self._account = account
        self._known: dict[Person, str] | None = None
        self._lock = threading.Lock()

    def all(self) -> Mapping[Person, str]:
        """Returns the names; none where the token may not see them."""
        with self._lock:
            if self._known is None:
                self._known = self._asked()
            return self._known

    def of(self, person: Mapping[str, Any]) -> str | None:
        """Returns the name of a person or a team of a cell."""
        return self.all().get((str(person.get("kind") or "person"), str(person["id"])))

    def _asked(self) -> dict[Person, str]:
        try:
            account = self._account()
            named: dict[Person, str] = {("person", str(user["id"])): user["name"] for user in account.users()}
            return named | {("team", str(team["id"])): team["name"] for team in account.teams()}
        except (MondayRefused, QueryRejected) as error:
            log.warning("Names of users cannot be read (%s); cells with several people hold ids alone.", error.message)
            return {}
