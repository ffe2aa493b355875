"""Checks the second process that reads the pages of large boards: what it reads, and what happens when it cannot."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from mappings.read_items import ItemReader
from monday_api import loads
from sandbox import Sandbox
from services.monday.pages import ReadOptions
from settings import Settings
from sync.board import open_board
from sync.options import PullOptions, RunOptions
from sync.read_ahead import reading_ahead
from sync.reading_process import ReadingProcess
from sync.second_process import Wanted
from sync_monday_to_pg import pull_entity
from tests.kit.cli import settings_for, start_main
from tests.kit.rows import MEMORY, rows
from tests.kit.shipped import CONTACTS, ORGANIZATIONS, PROJECTS, USERS
from tests.kit.waiting import until
from values import addresses
from values.canonical import as_kept

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="there is none on this machine"
)
BOARDS = {"users": USERS, "projects": PROJECTS, "organizations": ORGANIZATIONS, "contacts": CONTACTS}
SHOWN = {
    "users": "select monday_id, email, name, role, metadata from users order by 1",
    "projects": """
        select p.monday_id, p.title, p.metadata, c.name, c.email, o.city, o.address_raw, u.email
        from projects as p
        left join customers as c on c.id = p.customer_id
        left join properties as o on o.id = p.property_id
        left join users as u on u.id = p.sales_rep_id
        order by 1
    """,
    "contacts": """
        select c.monday_id, c.name, c.email, o.name
        from contacts as c left join organizations as o on o.id = c.organization_id
        order by 1
    """,
}
LINKS = """
select entity_type, monday_id, monday_hash, base - 'organization_id', base_postgres is null, seal is null,
    monday_updated_at, sync_status
from sync_mapping order by 1, 2
"""
HASHES = "select entity_type, monday_id, monday_hash from sync_mapping order by 1, 2"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(boards="users:60,projects:60,organizations:12,contacts:40") as running:
        yield running


@pytest.fixture
def board(journey):
    """Opens the board of an entity."""

    def opened(entity: str = "users"):
        return open_board(journey.parts(), journey.mappings[entity], BOARDS[entity])

    return opened


@contextmanager
def second(sync, patience_s: float = 10.0, known: tuple[str, ...] = ()):
    """Starts a second process for a board, and ends it."""
    process = ReadingProcess(sync.reader, Wanted(sync.board.id, sync.bound.wanted, known), patience_s)
    try:
        yield process
    finally:
        process.close()


def items_of(sync, decode=None, seen=lambda page: None):
    """Returns the board's items, read ten a page."""
    found = []
    for page in sync.destination.pages(sync.board.id, sync.bound.wanted, ReadOptions(limit=10, decode=decode)):
        seen(page)
        found += page.items
    return found


def told(reader: ItemReader, items):
    """Returns all that is known of items."""
    facts = [(item.id, item.name, item.state, item.updated_at, item.group_id, item.board_id) for item in items]
    readings = [reader.read(item) for item in items]
    assert all(reading.kept in (None, as_kept(reading.record)) for reading in readings)
    return facts, [reader.fingerprint(item) for item in items], [reading[:3] for reading in readings]


def is_there(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


# What it reads


@pytest.mark.parametrize("entity", BOARDS)
def test_items_read_in_a_second_process_are_those_that_this_one_reads(board, entity):
    sync = board(entity)
    expected = told(sync.reader, items_of(sync))
    with second(sync) as process:
        assert told(sync.reader, items_of(sync, process.decode)) == expected


def test_a_cell_that_is_asked_for_later_is_the_one_that_came(board):
    sync = board("projects")
    plain = items_of(sync)
    with second(sync, known=("status", "no_such_column")) as process:
        late = items_of(sync, process.decode)
    for mine, other in zip(late, plain, strict=True):
        assert mine.cells.get("no_such_column") is None
        assert {column: mine.cells[column] for column in mine.cells} == other.cells
        assert len(mine.cells) == len(other.cells)


@pytest.mark.parametrize(
    ("workers", "statements"),
    [
        pytest.param(1, (*SHOWN.values(), LINKS), id="one cursor"),
        # which of several records fills a shared row depends on the pages that happen to be ready together
        pytest.param(4, (HASHES,), id="four cursors"),
    ],
)
def test_a_board_leaves_the_same_whichever_process_reads_it(journey, db, workers, statements):
    found = []
    for items in (None, 1):
        journey.settings = replace(Settings(), second_process_from=items)
        for entity, board_id in BOARDS.items():
            options = RunOptions(PullOptions(max_workers=workers, batch_size=10))
            assert pull_entity(journey.parts(), journey.mappings[entity], board_id, options, None).complete
        found.append(([db.execute_query(statement) for statement in statements], len(rows(db, "sync_logs"))))
        db.execute_query(f"truncate {', '.join((*BOARDS, *MEMORY, 'customers', 'properties'))} cascade", fetch=False)
    assert all(found[0][0]) and found[0] == found[1]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Bad gateway</html>",
        b'{"data": {"next_items_page": {"cursor": null, "ite',
        b'{"errors": [{"message": "no"}], "data": null}',
        b'{"data": {"next_items_page": {"cursor": null, "items": []}}}',
        b'{"data": {"next_items_page": {"cursor": null, "items": [{"id": "1"}]}}}',
        b'{"data": {"next_items_page": {"cursor": null, "items": null}}}',
        b'{"data": {"boards": []}}',
        b'{"data": {"boards": [{"groups": [{"items_page": null}]}]}}',
        b"[1]",
        b"",
    ],
)
def test_an_answer_that_is_not_in_order_is_decoded_here(board, body):
    with second(board()) as process:
        assert process.decode(body) == loads(body)


def test_an_item_that_comes_twice_or_lacks_a_cell_is_reported_as_always(board):
    sync = board()
    answers = []

    def noted(body):
        answers.append(loads(body))
        return loads(body)

    items_of(sync, noted)
    (page,) = [answer for answer in answers if "boards" in answer["data"]]
    rows_of = page["data"]["boards"][0]["items_page"]["items"]
    for spoil in (lambda: rows_of.append(rows_of[0]), lambda: rows_of[0]["column_values"].pop()):
        spoil()
        body = json.dumps(page).encode()
        with second(sync) as process:
            assert process.decode(body) == json.loads(body)


# When it cannot


def test_when_it_dies_this_process_reads_the_rest(board):
    sync = board()
    expected = told(sync.reader, items_of(sync))
    pages = []
    with second(sync) as process:

        def kill(page):
            pages.append(page)
            if len(pages) == 2:
                os.kill(process.pid, signal.SIGKILL)

        assert told(sync.reader, items_of(sync, process.decode, kill)) == expected
    assert len(pages) == 6


def test_when_it_hangs_this_process_reads_the_rest_and_it_is_ended(board):
    sync = board()
    expected = told(sync.reader, items_of(sync))
    pages = []
    with second(sync, patience_s=0.3) as process:

        def stop(page):
            pages.append(page)
            if len(pages) == 2:
                os.kill(process.pid, signal.SIGSTOP)

        started = time.monotonic()
        assert told(sync.reader, items_of(sync, process.decode, stop)) == expected
        assert not is_there(process.pid)
        waited = time.monotonic() - started
    assert waited < 5.0, "each page, or each item, was waited for anew"


def test_what_was_under_way_when_it_dies_is_not_waited_for(board):
    found: list[object] = []
    with second(board(), patience_s=60.0) as process:
        os.kill(process.pid, signal.SIGSTOP)
        asking = threading.Thread(target=lambda: found.append(process.decode(b'{"data": {}}')), daemon=True)
        asking.start()
        asking.join(0.3)
        assert not found
        os.kill(process.pid, signal.SIGKILL)
        asking.join(10.0)
    assert found == [{"data": {}}]


def test_one_that_takes_nothing_more_does_not_hold_who_sends(board):
    sync = board()
    with second(sync, patience_s=0.3) as process:
        os.kill(process.pid, signal.SIGSTOP)
        body = b'{"data": "' + b"x" * 50_000_000 + b'"}'
        assert process.decode(body) == loads(body)


def test_several_threads_can_use_it(board):
    sync = board("projects")
    expected = told(sync.reader, items_of(sync))
    found: list[object] = []
    with second(sync) as process:
        threads = [
            threading.Thread(target=lambda: found.append(told(sync.reader, items_of(sync, process.decode))))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [expected] * 4


def test_addresses_are_read_although_another_thread_was_reading_one_when_it_began(board):
    addresses.shared_parser.cache_clear()  # no address is known
    sync = board("projects")
    addresses._ONE_AT_A_TIME.acquire()
    with second(sync, patience_s=3.0) as process:
        addresses._ONE_AT_A_TIME.release()
        found = told(sync.reader, items_of(sync, process.decode))
        assert is_there(process.pid)
    assert found == told(sync.reader, items_of(sync))


# What it is


def test_it_keeps_no_connection_and_no_file_open(board):
    sync = board()
    with second(sync) as process:
        items_of(sync, process.decode)
        kept = sorted(int(name) for name in os.listdir(f"/proc/{process.pid}/fd"))
        assert [number for number in kept if number > 2] == kept[3:] and len(kept) <= 4


def test_it_is_gone_and_waited_for_once_the_board_is_read(journey, board):
    me = psutil.Process()
    journey.settings = replace(Settings(), second_process_from=1)
    before, sync = me.children(), board()
    with reading_ahead(sync) as ahead:
        assert ahead.decode is not None
        items = items_of(sync, ahead.decode)
        assert len(me.children()) == len(before) + 1
    assert me.children() == before
    assert all(sync.reader.read(item) for item in items)


@pytest.mark.parametrize(
    ("entity", "items"),
    [
        pytest.param("users", None, id="switched off"),
        pytest.param("users", 61, id="a small board"),
        pytest.param("contacts", 1, id="a board whose cells show rows of others"),
    ],
)
def test_there_is_none_where_it_would_not_help(journey, board, entity, items):
    journey.settings = replace(Settings(), second_process_from=items)
    with reading_ahead(board(entity)) as ahead:
        assert ahead.decode is None and ahead.prepare is not None


def test_it_ends_with_a_first_process_that_is_killed(sandbox, database_url, home: Path):
    env = settings_for(sandbox, database_url, MONDAY_SYNC_HOME=str(home), MONDAY_SECOND_PROCESS_FROM="1")
    child = start_main("monday-to-pg", "--entity", "users", "--batch-size", "5", env=env)
    try:
        until(lambda: psutil.Process(child.pid).children(), 20)
        (other,) = psutil.Process(child.pid).children()
        child.kill()
        child.wait()
        until(lambda: not is_there(other.pid), 5)
    finally:
        child.kill()
        child.wait()
