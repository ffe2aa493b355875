"""Holds an HTTP request and its answer as values, apart from any server."""

from __future__ import annotations

from msgspec import Struct, field

from sandbox.common.json_text import JsonObject

JSON_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


class Request(Struct, frozen=True):
    """Holds one request; the names of its headers are in lower case."""

    headers: dict[str, str]
    body: bytes
    base_url: str
    method: str = "POST"
    path: str = "/"
    query: str = ""


class Answer(Struct, frozen=True):
    """Holds what goes back, and in `end` how the connection goes on.

    keep: it serves the next request; last: it closes after the answer; cut: the body is cut short, and
    its length with it; short: the body ends before its length;
    close, reset: it ends without an answer.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    end: str = "keep"


class Refusal(Exception):
    """Answers a whole request, before or instead of carrying it out."""

    def __init__(self, status: int, body: str | JsonObject, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


class Ended(Refusal):
    """Ends the connection without an answer."""

    def __init__(self, end: str) -> None:
        super().__init__(0, "")
        self.answer = Answer(0, b"", end=end)
