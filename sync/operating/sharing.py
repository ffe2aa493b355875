"""Blanks what a report for others must not hold: ids, hosts, names, paths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from databases.postgres.dsn import parsed
from errors import SyncError
from settings import BOARD, DEFAULTS, PROJECT
from sync.operating.examined import Examined

SHAPES: tuple[tuple[str, str], ...] = (
    (r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b", "<id>"),
    (r"\b[a-z][a-z0-9+.-]*://[^\s,;]+", "<address>"),
    (r"[\w.+-]+@[\w-]+(\.[\w-]+)+", "<e-mail>"),
    (r"\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b", "<host>"),
    (r"(?<![\w:])(?!\d\d:\d\d:\d\d)(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])", "<host>"),
    (r"(?<![\w.<])/[^\s,;:'\")]+", "<path>"),
    (r"\b\d{6,}\b", "<id>"),
)
"""What looks private wherever it stands."""


def private_words(examined: Examined) -> dict[str, str]:
    """Returns the words of this installation, each with what is shown in its place."""
    words = {**examined.private, str(examined.home): "<home>", str(examined.home.absolute()): "<home>"}
    words |= _of_settings(examined)
    if database := examined.database.made():
        words[database.target] = "<database>"
    if whose := examined.whose.made():
        words |= {whose.name: "<user>", whose.account: "<account>"}
    for board in (examined.boards.made() or {}).values():
        if not isinstance(board, SyncError):
            words |= {board.name: "<board>", board.id: "<id>"}
    for mapping in (examined.mappings.made() or {}).values():
        # shipped mappings are known to everybody
        if Path(mapping.path).parent != PROJECT / "mappings":
            words |= {mapping.title: "<title>", mapping.table: "<table>", mapping.entity: "<entity>"}
    return {word: shown for word, shown in words.items() if len(word) > 1}


def _of_settings(examined: Examined) -> dict[str, str]:
    """Returns hosts, names and ids that settings hold; they stand in messages about what cannot be reached."""
    settings, words = examined.settings, dict[str, str]()
    for url in (settings.api_url, settings.webhook_base_url):
        if url and url != DEFAULTS.api_url:
            words |= {url: "<address>", urlsplit(url).netloc: "<host>", urlsplit(url).hostname or "": "<host>"}
    words |= {value: "<id>" for name, value in settings.environment.items() if name.startswith(BOARD)}
    try:
        options = parsed(settings.database_url or "")
    except SyncError:
        return words
    if port := options.get("port"):
        words[f"port {port}"] = "port <port>"
        words |= {f"{host}:{port}": "<host>" for host in str(options.get("host", "")).split(",")}
    shown = {"host": "<host>", "hostaddr": "<host>", "user": "<role>", "dbname": "<database>"}
    for option, blank in shown.items():
        value = str(options.get(option) or "")
        words |= {value: blank, **dict.fromkeys(value.split(","), blank)}
    return words


def blanked(text: str, words: Mapping[str, str]) -> str:
    """Returns the text without private words, and without what has the shape of them."""
    for word in sorted(words, key=len, reverse=True):
        text = re.sub(rf"(?<![\w]){re.escape(word)}(?![\w])", words[word], text)
    for shape, shown in SHAPES:
        text = re.sub(shape, shown, text)
    return text
