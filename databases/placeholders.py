"""Puts parameters into a query that a user wrote: finds `:last_sync_time` where it is no text, comment or cast."""

from __future__ import annotations

import re

NAME = "last_sync_time"
"""The one parameter that a query can name."""

_PARTS = re.compile(
    r"""
    '(?:[^'\\]|\\.|'')*'       # a text
    | "(?:[^"\\]|\\.|"")*"     # a text of MySQL, or a name of PostgreSQL
    | `[^`]*`                  # a name of MySQL
    | --[^\n]* | \#[^\n]*      # a comment to the end of the line
    | /\*.*?\*/                # a comment
    | ::                       # a cast
    | :last_sync_time\b
    """,
    re.VERBOSE | re.DOTALL,
)
_ASKS_FOR_NULL = re.compile(r":last_sync_time\s+is\s+null", re.IGNORECASE)


def with_parameters(query: str, hash_comments: bool) -> tuple[str, bool]:
    """Returns the query as a driver takes it, each other `%` doubled, and whether it names `:last_sync_time`.

    `hash_comments`: a `#` begins a comment, as in MySQL; in PostgreSQL it is an operator.
    """
    pieces: list[str] = []
    named, at = False, 0
    while found := _PARTS.search(query, at):
        text = found[0]
        if text.startswith("#") and not hash_comments:
            text = "#"
        pieces.append(query[at : found.start()].replace("%", "%%"))
        is_mark = text == f":{NAME}"
        named = named or is_mark
        pieces.append(f"%({NAME})s" if is_mark else text.replace("%", "%%"))
        at = found.start() + len(text)
    pieces.append(query[at:].replace("%", "%%"))
    return "".join(pieces).rstrip().rstrip(";"), named


def asks_for_null(query: str) -> bool:
    """Tells whether the query says itself what a first run reads: `:last_sync_time is null`."""
    return bool(_ASKS_FOR_NULL.search(query))
