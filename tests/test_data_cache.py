"""Snapshots of boards: written whole or not at all, read as they were, and no network for what is in one."""

from __future__ import annotations

import gzip
import json
import stat
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from data_cache import DataCache, Snapshot, read_snapshot, write_snapshot
from db_connector import Database
from errors import SettingsError, SyncError
from models import Board, BoardColumn, Item
from sandbox import Sandbox
from tests.kit.shipped import PROJECT

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
BOARD = Board("4711", "Roadmap", (BoardColumn("text", "Text", "text", {"a": [1]}),), (("topics", "Topics"),), 3)
NOWHERE = "http://127.0.0.1:9/v2"


def item(number: int, text: str = "x") -> Item:
    cells = {"text": {"id": "text", "text": text, "value": json.dumps(text)}}
    return Item(str(number), f"item {number}", "active", None, "2026-06-01T00:00:00Z", "topics", "4711", None, cells)


def take(path: Path, pages: Any = None) -> Snapshot:
    return write_snapshot(path, BOARD, ["text"], pages or [[item(1), item(2)], [item(3)]], NOW)


@pytest.mark.parametrize("text", ["plain", "é💧", "\ud83d half a pair", "\x00", ""])
def test_a_snapshot_gives_back_what_it_was_given(tmp_path: Path, text: str):
    take(tmp_path / "a.gz", [[item(1, text)], [], [item(2)]])
    found = read_snapshot(tmp_path / "a.gz")
    assert (found.board, found.items, found.taken_at, found.columns) == (BOARD, 2, NOW, ("text",))
    assert list(found.pages()) == [[item(1, text)], [], [item(2)]]


def test_only_its_owner_may_read_a_snapshot(tmp_path: Path):
    assert stat.S_IMODE(take(tmp_path / "a.gz").path.stat().st_mode) == 0o600


def test_a_board_that_stops_half_way_leaves_nothing(tmp_path: Path):
    def pages() -> Iterator[list[Item]]:
        yield [item(1)]
        raise SyncError("the page is lost")

    with pytest.raises(SyncError, match="the page is lost"):
        take(tmp_path / "a.gz", pages())
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_that_was_there_stays_when_the_next_one_fails(tmp_path: Path):
    before = take(tmp_path / "a.gz").path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        take(tmp_path / "a.gz", ([item(1 // number)] for number in (1, 0)))
    assert (tmp_path / "a.gz").read_bytes() == before


@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.99])
def test_a_snapshot_that_is_cut_short_is_refused(tmp_path: Path, part: float):
    whole = take(tmp_path / "a.gz", [[item(number) for number in range(200)]]).path.read_bytes()
    (tmp_path / "a.gz").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(SettingsError, match=r"a\.gz is no snapshot"):
        read_snapshot(tmp_path / "a.gz")


@pytest.mark.parametrize(
    "content", ["[]", "not json", '{"monday_sync_snapshot": 9}', '{"monday_sync_snapshot": 1}', ""]
)
@pytest.mark.parametrize("packed", [True, False])
def test_a_file_of_another_program_is_refused(tmp_path: Path, content: str, packed: bool):
    text = content.encode() + b"\n"
    (tmp_path / "a.gz").write_bytes(gzip.compress(text) if packed else text)
    with pytest.raises(SettingsError, match="is no snapshot"):
        read_snapshot(tmp_path / "a.gz")


def test_the_newest_snapshot_of_a_board_is_found_by_its_name(tmp_path: Path):
    cache = DataCache(tmp_path)
    paths = [cache.new_path("4711", NOW + timedelta(hours=hour)) for hour in (0, 5, 3)]
    for path in paths:
        take(path)
    take(cache.new_path("47110", NOW + timedelta(days=1)))
    (cache.folder / "4711-notes.jsonl.gz").touch()
    assert cache.newest("4711") == paths[1]
    assert cache.newest("5") is None
    assert len(list(cache.all())) == 4


# Over the command line


@pytest.fixture
def online(database_url: str) -> Iterator[dict[str, str]]:
    with Sandbox(boards="users:30,projects:5") as sandbox:
        key = {"MONDAY_API_URL": sandbox.graphql_url, "MONDAY_API_KEY": sandbox.token}
        yield {"DATABASE_URL": database_url, "MONDAY_GIVE_UP_AFTER": "2", **key}


def test_a_snapshot_needs_neither_network_nor_key(run_cli: Callable[..., Any], online, db: Database):
    taken = run_cli("monday-to-pg", "--use-cache", "--json", env=online)
    offline = {**online, "MONDAY_API_URL": NOWHERE, "MONDAY_API_KEY": ""}
    again = run_cli("monday-to-pg", "--use-cache", "--json", env=offline)
    assert (taken.code, again.code) == (0, 0), taken.err + again.err
    assert [entity["read"] for entity in json.loads(again.out)["entities"]] == [30, 5]
    assert json.loads(again.out)["api"]["calls"] == 0
    assert all(
        entity["unchanged"] + entity["skipped"] == entity["read"] for entity in json.loads(again.out)["entities"]
    )
    assert db.execute_query("select count(*) from projects") == [{"count": 5}]


def test_a_run_from_a_snapshot_removes_nothing_and_moves_no_watermark(run_cli, online, db: Database):
    run_cli("monday-to-pg", env=online)
    before = db.execute_query("select name, value from sync_state where name like 'pull:%' order by name")
    done = run_cli("monday-to-pg", "--use-cache", "--limit", "2", "--json", env=online)
    assert [entity["archived"] for entity in json.loads(done.out)["entities"]] == [0, 0]
    assert db.execute_query("select name, value from sync_state where name like 'pull:%' order by name") == before


def test_a_named_file_is_written_when_it_is_not_there_and_read_when_it_is(run_cli, online, tmp_path: Path):
    arguments = ("monday-to-pg", "--entity", "users", "--cache-file", str(tmp_path / "users.gz"), "--json")
    first = run_cli(*arguments, env=online)
    written = (tmp_path / "users.gz").read_bytes()
    second = run_cli(*arguments, env={**online, "MONDAY_API_URL": NOWHERE})
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert (tmp_path / "users.gz").read_bytes() == written


def test_a_snapshot_of_another_board_is_refused(run_cli, online, tmp_path: Path):
    path = str(tmp_path / "users.gz")
    run_cli("monday-to-pg", "--entity", "users", "--cache-file", path, env=online)
    done = run_cli("monday-to-pg", "--entity", "projects", "--cache-file", path, env=online)
    assert done.code == 2 and "holds board 5764059860" in done.err


def test_a_snapshot_without_a_column_that_is_mapped_now_is_refused(run_cli, online, home: Path):
    (home / "mappings").mkdir()
    mapping = home / "mappings" / "users.yaml"
    shipped = (PROJECT / "mappings" / "users.yaml").read_text()
    mapping.write_text("\n".join(line for line in shipped.splitlines() if "text6" not in line and "rest:" not in line))
    run_cli("monday-to-pg", "--entity", "users", "--use-cache", env=online)
    mapping.write_text(shipped)
    done = run_cli("monday-to-pg", "--entity", "users", "--use-cache", env=online)
    assert done.code == 2 and "text6" in done.err


def test_the_snapshots_are_listed_without_database_or_network(run_cli, online):
    empty = run_cli("monday-to-pg", "--list-cache")
    run_cli("monday-to-pg", "--use-cache", env=online)
    listed = run_cli("monday-to-pg", "--list-cache", "--json")
    assert empty.code == 0 and "no snapshots" in empty.out
    items = {entry["board_id"]: entry["items"] for entry in json.loads(listed.out)["snapshots"]}
    assert items == {"5764059860": 30, "6727219152": 5}
    assert "SALES STAFF BOARD" in run_cli("monday-to-pg", "--list-cache").out
