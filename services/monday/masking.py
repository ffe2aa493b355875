"""Takes the token out of what an answer says went wrong; what an answer tells of items is left as it is."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace

from config.hiding import Hiding
from services.monday.failures import Failure

MASK = "***"
SHORTEST_KEY = 8
"""A shorter token may stand in a code or in the name of a field, which other code compares."""


class Masking(Hiding, Struct, frozen=True):
    """Knows the token, and does not show it."""

    HIDDEN: ClassVar = frozenset({"_token"})

    _token: str

    def text(self, text: str) -> str:
        """Returns the text without the token, also where the text holds it as JSON would write it."""
        return text.replace(self._token, MASK).replace(json.dumps(self._token)[1:-1], MASK)

    def failure(self, failure: Failure) -> Failure:
        """Returns the failure without the token in anything that is shown; it is judged by what was said."""
        return replace(
            failure,
            judged=(failure.remedy, failure.cause),
            code=self._name(failure.code),
            message=self.text(failure.message),
            path=tuple(self._name(part) for part in failure.path),
            error_data=self._inside(failure.error_data),
            rules=tuple(
                (self.text(said), tuple(self._name(column) for column in columns)) for said, columns in failure.rules
            ),
            request_id=self._name(failure.request_id),
        )

    def _name(self, name: Any) -> Any:
        return self.text(name) if isinstance(name, str) and len(self._token) >= SHORTEST_KEY else name

    def _inside(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self._name(name): self._inside(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self._inside(member) for member in value]
        return value
