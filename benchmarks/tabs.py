"""Keeps tabs open: reads pages of the dashboard again and again, as its script does."""

from __future__ import annotations

import sys
import threading
import time

import requests

PAUSE_S = 2.0
"""The shortest pause of a page, that of one on which a run goes on."""


def main(base: str, paths: list[str]) -> None:
    """Reads each page in a thread of its own until the process is ended."""
    for path in paths:
        threading.Thread(target=tab, args=(base + path,), daemon=True).start()
    print("open", flush=True)
    time.sleep(3600)


def tab(url: str) -> None:
    """Reads a page again and again, and sends the tag of what it has."""
    session, tag = requests.Session(), ""
    while True:
        answer = session.get(url, headers={"Accept": "text/html", "If-None-Match": tag}, timeout=30)
        tag = answer.headers.get("ETag", tag)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
