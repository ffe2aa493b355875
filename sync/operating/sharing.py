"""Blanks what a report for others must not hold: ids, hosts, names, paths."""

from __future__ import annotations

import re
from collections.abc import Mapping

from errors import SyncError
from sync.operating.examined import Examined

SHAPES: tuple[tuple[str, str], ...] = (
    (r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b", "<id>"),
    (r"\b[a-z][a-z0-9+.-]*://[^\s,;]+", "<address>"),
    (r"[\w.+-]+@[\w-]+(\.[\w-]+)+", "<e-mail>"),
    (r"\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b", "<host>"),
    (r"(?<![\w.<])/[^\s,;:'\")]+", "<path>"),
    (r"\b\d{6,}\b", "<id>"),
)
"""What looks private wherever it stands."""


def private_words(examined: Examined) -> dict[str, str]:
    """Returns the words of this installation, each with what is shown in its place."""
    words: dict[str, str] = {str(examined.home): "<home>", str(examined.home.absolute()): "<home>"}
    if database := examined.database.made():
        host, _, name = database.target.rpartition("/")
        words |= {database.target: "<database>", host: "<host>", host.partition(":")[0]: "<host>", name: "<database>"}
    if whose := examined.whose.made():
        words |= {whose.name: "<user>", whose.account: "<account>"}
    for board in (examined.boards.made() or {}).values():
        if not isinstance(board, SyncError):
            words |= {board.name: "<board>", board.id: "<id>"}
    return {word: shown for word, shown in words.items() if len(word) > 1}


def blanked(text: str, words: Mapping[str, str]) -> str:
    """Returns the text without private words, and without what has the shape of them."""
    for word in sorted(words, key=len, reverse=True):
        text = re.sub(rf"(?<![\w]){re.escape(word)}(?![\w])", words[word], text)
    for shape, shown in SHAPES:
        text = re.sub(shape, shown, text)
    return text
