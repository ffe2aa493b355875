"""Takes the text of a `.env` file apart, so that it can be put together again without a loss."""

from __future__ import annotations

import io
from typing import ClassVar

from dotenv.parser import parse_stream
from msgspec import Struct

from config.hiding import Hiding


class Piece(Hiding, Struct, frozen=True):
    """Holds a piece of a `.env` file: a setting, or a comment, or what is neither and wrong."""

    HIDDEN: ClassVar = frozenset({"text", "value"})

    text: str
    line: int
    name: str | None
    value: str | None
    wrong: bool


def pieces_of(text: str) -> list[Piece]:
    """Takes the text of a `.env` file apart. Put together, the texts of the pieces are that text again."""
    bindings = parse_stream(io.StringIO(text, newline=""))
    return [
        Piece(found.original.string, found.original.line, found.key, found.value, found.error) for found in bindings
    ]
