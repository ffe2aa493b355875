"""Checks the process that reads the items of large boards: it reads the same, and a run never depends on it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psutil
import pytest

from models import Item
from sandbox import Sandbox
from services.monday.pages import ReadOptions
from sync.board import BoardSync, open_board
from sync.reading_ahead import WORTH_A_PROCESS, ReadingProcess, how_to_read
from tests.kit.pulls import Journey
from tests.kit.rows import column
from tests.kit.runs import parts_of
from tests.kit.shipped import CONTACTS, MAPPINGS, PROJECTS, USERS
from tests.kit.waiting import until

WAITING = threading.Event()
LOOK_S = 0.02


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards="users:60,projects:60,organizations:5,contacts:5") as running:
        yield running


def opened(journey: Journey, entity: str) -> BoardSync:
    board_id = {"users": USERS, "projects": PROJECTS, "contacts": CONTACTS}[entity]
    return open_board(parts_of(journey.db, journey.monday, MAPPINGS), MAPPINGS[entity], board_id)


def items_of(sync: BoardSync) -> list[Item]:
    pages = sync.destination.pages(sync.board.id, sync.bound.wanted, ReadOptions())
    return [item for page in pages for item in page.items]


@contextmanager
def process(sync: BoardSync) -> Iterator[ReadingProcess]:
    how = how_to_read(sync)
    assert how is not None
    running = ReadingProcess(sync.reader, how)
    try:
        yield running
    finally:
        running.close()


def sent(running: ReadingProcess, items: list[Item]) -> None:
    """Sends a page, once the process is ready."""

    def is_taken() -> bool:
        running.prepare(items, WAITING)
        return items[0].ahead is not None

    until(is_taken, what="the process is ready")


def readers() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it has just ended
            found += [child] if "sync.reading_process" in " ".join(child.cmdline()) else []
    return found


@pytest.mark.parametrize("entity", ["users", "projects"])
def test_the_process_reads_what_the_run_would_read_itself(journey, entity):
    sync = opened(journey, entity)
    items = items_of(sync)
    with process(sync) as running:
        sent(running, items)
        running.arrived(items)
    for item in items:
        own = replace(item, ahead=None)
        sync.reader.read_ahead(own)
        assert (item.ahead.digest, item.ahead.odd) == (own.ahead.digest, own.ahead.odd)
        assert item.ahead.reading.record == own.ahead.reading.record
        assert dict(item.ahead.reading.unread) == dict(own.ahead.reading.unread)


def test_a_cell_that_is_not_understood_costs_its_own_fields_there_too(journey):
    sync = opened(journey, "users")
    items = items_of(sync)
    broken = replace(items[0], cells={**items[0].cells, "email7": {"id": "email7", "text": "x", "value": "[1"}})
    with process(sync) as running:
        page = [broken, *items[1:]]
        sent(running, page)
        running.arrived(page)
    own = replace(broken, ahead=None)
    sync.reader.read_ahead(own)
    assert own.ahead.reading.unread
    assert dict(broken.ahead.reading.unread) == dict(own.ahead.reading.unread)


def test_an_item_with_half_of_a_surrogate_pair_is_left_to_the_run(journey):
    sync = opened(journey, "users")
    items = items_of(sync)
    with process(sync) as running:
        sent(running, items)
        running.arrived(items)
        page = [replace(items[0], name="a\ud800b", ahead=None)]
        running.prepare(page, WAITING)
        assert running.arrived(page)[0].ahead is None


def test_a_process_that_is_killed_leaves_its_pages_to_the_run(journey):
    sync = opened(journey, "projects")
    items = items_of(sync)
    with process(sync) as running:
        sent(running, items)
        running.arrived(items)
        os.kill(readers()[0].pid, signal.SIGKILL)
        for _ in range(3):
            page = [replace(item, ahead=None) for item in items]
            running.prepare(page, WAITING)
            assert [item.ahead for item in running.arrived(page)] == [None] * len(items)


def test_the_process_ends_with_its_run_and_heeds_no_ctrl_c(journey):
    sync = opened(journey, "users")
    items = items_of(sync)
    with process(sync) as running:
        sent(running, items)
        child = readers()[0]
        child.send_signal(signal.SIGINT)
        child.send_signal(signal.SIGTERM)
        assert running.arrived(items)[0].ahead is not None
    assert not child.is_running()


def test_the_process_is_told_no_secret(journey, monkeypatch):
    monkeypatch.setenv("MONDAY_API_KEY", "not-to-be-told")
    sync = opened(journey, "users")
    with process(sync) as running:
        sent(running, items_of(sync))
        child = readers()[0]
        told = [*child.cmdline(), *child.environ().values()]
    assert not any("not-to-be-told" in text or journey.sandbox.token in text for text in told)


def test_a_board_that_shows_rows_of_another_one_is_read_by_the_run(journey):
    assert how_to_read(opened(journey, "users")) is not None
    assert how_to_read(opened(journey, "contacts")) is None


@pytest.mark.parametrize("killed", [False, True])
def test_a_large_board_comes_whole_whether_its_process_lives_or_is_killed(db, killed):
    seen: set[int] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_S):
            for child in readers():
                seen.add(child.pid)
                if killed:
                    child.kill()

    with Sandbox(boards="users:0") as sandbox:
        load(sandbox, WORTH_A_PROCESS)
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            report = Journey(db, sandbox).pull()
        finally:
            over.set()
            watcher.join()
    assert (report.created, report.errors, report.complete) == (WORTH_A_PROCESS, 0, True)
    assert len(set(column(db, "users", "email"))) == WORTH_A_PROCESS
    assert bool(seen) == (len(os.sched_getaffinity(0)) > 1)
    assert not readers()


def load(sandbox: Sandbox, count: int) -> None:
    items = [
        {"name": f"Staff {n}", "values": {"email7": {"email": f"a{n}@example.com", "text": "a"}}} for n in range(count)
    ]
    sandbox.admin("items/load", board_id=USERS, items=items)
