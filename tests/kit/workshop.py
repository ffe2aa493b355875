"""Makes what a worker works with, in the process of the test, for one account."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct, field

import main  # noqa: F401 - it hands the program in
from jobs.work import Work
from settings import Settings
from state.accounts import Accounts
from tests.kit.live import BOARDS, LiveWorld


class Workshop(Struct):
    """Holds the work of one process, and what became of its tasks."""

    work: Work
    outcomes: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    """Asks what is being done to end after its batch, as SIGTERM does."""


@contextmanager
def workshop(here: LiveWorld, folder: Path, **more: str) -> Iterator[Workshop]:
    """Adds the account acme, and looks at it once. Messages go nowhere: the test does what is due."""
    for name, text in (("key", here.sandbox.token), ("url", here.url)):
        (folder / name).write_text(text)
    settings = Settings(home=folder, database_url=here.url, accounts=folder / "accounts")
    outcomes, stopping = list[str](), threading.Event()
    work = Work(settings, lambda due, starts: True, stopping.is_set, lambda task, outcome, *_: outcomes.append(outcome))
    files = {"MONDAY_API_KEY_FILE": str(folder / "key"), "DATABASE_URL_FILE": str(folder / "url")}
    Accounts(work._control).add("acme", {"MONDAY_API_URL": here.sandbox.graphql_url, **files, **BOARDS, **more})
    work.look("acme")
    try:
        yield Workshop(work, outcomes, stopping)
    finally:
        work.close()
