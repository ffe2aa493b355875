"""Puts parameters into a query that a user wrote: finds `:last_sync_time` where it is no text, comment or cast."""

from __future__ import annotations

import re

NAME = "last_sync_time"
"""The one parameter that a query can name."""

_PARTS = r"""
    '(?:[^'{escape}]{escaped}|'')*'    # a text
    | "(?:[^"{escape}]{escaped}|"")*"    # a text of MySQL, or a name of PostgreSQL
    | `[^`]*`                            # a name of MySQL
    | --[^\n]* | \#[^\n]*                # a comment to the end of the line
    | /\*.*?\*/                          # a comment
    | ::                                 # a cast
    | :last_sync_time\b
"""
_FLAGS = re.VERBOSE | re.DOTALL
_OF_MYSQL = re.compile(_PARTS.format(escape=r"\\", escaped=r"|\\."), _FLAGS)
_OF_POSTGRES = re.compile(_PARTS.format(escape="", escaped=""), _FLAGS)
"""There a backslash in a text is a letter like any other."""
_ASKS_FOR_NULL = re.compile(r":last_sync_time\s+is\s+null", re.IGNORECASE)


def with_parameters(query: str, mysql: bool) -> tuple[str, bool]:
    """Returns the query as a driver takes it, each other `%` doubled, and whether it names `:last_sync_time`.

    `mysql`: a `#` begins a comment and a backslash escapes; in PostgreSQL they do neither.
    """
    pieces: list[str] = []
    parts = _OF_MYSQL if mysql else _OF_POSTGRES
    named, at = False, 0
    while found := parts.search(query, at):
        text = found[0]
        if text.startswith("#") and not mysql:
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
