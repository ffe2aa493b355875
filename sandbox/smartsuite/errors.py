"""Makes refusals in the shapes of the reference."""

from __future__ import annotations

from sandbox.common.wire import Refusal

NOT_FOUND = "Not found."
REQUIRED = "This field is required."
NOT_NULL = "This field may not be null."
NOT_BLANK = "This field may not be blank."


class Invalid(Exception):
    """Says what is not valid in one value."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRecord(Exception):
    """Holds the messages of a record by slug; `required_only`: nothing but missing required fields is wrong."""

    def __init__(self, messages: dict[str, list[str]], required_only: bool = False) -> None:
        super().__init__(messages)
        self.messages, self.required_only = messages, required_only


def detail(status: int, text: str) -> Refusal:
    """Refuses with JSON, `{"detail": text}`."""
    return Refusal(status, {"detail": text})


def not_found() -> Refusal:
    return detail(404, NOT_FOUND)


def plain(status: int, text: str) -> Refusal:
    """Refuses with plain text."""
    return Refusal(status, text, {"Content-Type": "text/plain"})
