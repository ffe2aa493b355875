"""Runs the demo over real processes: it shows what it says, and leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from commands.demo import with_both
from tests.kit.cli import start_main
from tests.kit.forked import Child
from tests.kit.mariadb import needed

SMALL = ("demo", "--boards", "users:30,projects:40")
OF_QUERIES = ("demo", "--smartsuite")


@pytest.fixture
def environment(home: Path) -> Iterator[dict[str, str]]:
    temporary = Path(tempfile.mkdtemp(dir="/tmp"))
    temporary.chmod(0o711)  # as root, PostgreSQL runs as another account, which has to get through
    yield {"MONDAY_SYNC_HOME": str(home), "TMPDIR": str(temporary)}
    shutil.rmtree(temporary)


def started(environment: dict[str, str], *words: str) -> Child:
    pipe = subprocess.PIPE
    return start_main(*(words or SMALL), env=environment, stdout=pipe, stderr=pipe)


def gone(processes: list[psutil.Process], seconds: float = 15.0) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not [process for process in alive if told(process.status) not in (None, psutil.STATUS_ZOMBIE)]


def told(ask: Callable[[], Any]) -> Any:
    """Returns what is asked of a process; None when it ends meanwhile."""
    try:
        return ask()
    except psutil.NoSuchProcess:
        return None


def children_at(demo: Child, beginning: str) -> list[psutil.Process]:
    """Returns what the demo has started when it shows a line with that beginning."""
    assert demo.stdout is not None
    assert any(line.startswith(beginning) for line in demo.stdout)
    return psutil.Process(demo.pid).children(recursive=True)


def test_the_demo_shows_a_pull_its_rows_and_that_a_second_one_changes_nothing(environment: dict[str, str]):
    demo = started(environment)
    out, err = demo.communicate(timeout=100)
    assert demo.returncode == 0, err
    assert "Pulled projects: 40 items read, 40 new" in out
    assert "\n0 changes in " in out and "\n1 change in " in out
    assert "Completed  completed" in out
    assert "its row shows it after" in out and "the board shows it after" in out
    assert os.listdir(environment["TMPDIR"]) == []


@pytest.mark.parametrize("database", ["MariaDB", "PostgreSQL"])
def test_the_demo_of_queries_shows_a_first_run_an_idle_one_and_a_conflict(
    environment: dict[str, str], database: str, tmp_path: Path
):
    if database == "MariaDB":
        needed()
    else:
        environment["PATH"] = str(tmp_path)  # no MariaDB is found there
    demo = started(environment, *OF_QUERIES)
    out, err = demo.communicate(timeout=100)
    assert demo.returncode == 0, err
    assert f", {database} " in out and ("database: postgres" in out) == (database == "PostgreSQL")
    assert "Copied customers_sync: 30 rows read, 30 new" in out and "Copied orders_sync: 40 rows read, 40 new" in out
    assert "\n0 changes in " in out and ", 0 calls to SmartSuite." in out
    assert "gone   480.25" in out
    assert '"99.9" counts, "75" does not' in out and "active    99.9" in out
    assert os.listdir(environment["TMPDIR"]) == []


@pytest.mark.parametrize("line", ["A stand-in", "$ python main.py run"])
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_of_queries_leaves_no_process_and_no_file(
    environment: dict[str, str], number: int, code: int, line: str
):
    needed()
    demo = started(environment, *OF_QUERIES)
    children = children_at(demo, line)
    assert "mariadbd" in [told(child.name) for child in children]
    demo.send_signal(number)
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == code and "Traceback" not in err
    assert gone(children)
    assert os.listdir(environment["TMPDIR"]) == []


def test_the_demo_of_queries_takes_no_boards(run_cli: Callable[..., Any]):
    done = run_cli(*OF_QUERIES, "--boards", "users:3")
    assert done.code == 2 and "--smartsuite is a demo of its own" in done.err


@pytest.mark.parametrize(
    "asked, made",
    [
        ("", ",users:2000,projects:5000"),
        ("users:20", "users:20,projects:5000"),
        ("projects:7 , users:3", "projects:7 , users:3"),
        ("everything:2", "everything:2,users:2000,projects:5000"),
    ],
)
def test_a_board_that_is_not_named_has_as_many_items_as_usual(asked: str, made: str):
    assert with_both(asked) == made


def test_the_demo_serves_the_dashboard_until_ctrl_c(environment: dict[str, str]):
    pipe = subprocess.PIPE
    demo = start_main(*SMALL, "--dashboard", env=environment, stdout=pipe, stderr=pipe)
    assert demo.stdout is not None
    address = next(line.split()[1] for line in demo.stdout if line.startswith("Open http://"))
    children = psutil.Process(demo.pid).children(recursive=True)
    answer = requests.get(address, headers={"Accept": "application/json"}, timeout=30)
    assert [card["entity"] for card in answer.json()["cards"]] == ["users", "projects"]
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 0 and "the database is gone" in out, err
    assert gone(children)


def test_the_demo_of_a_board_without_items_comes_to_its_end(run_cli: Callable[..., Any]):
    done = run_cli("demo", "--boards", "users:20,projects:0", timeout=100)
    assert done.code == 0, done.err


@pytest.mark.parametrize("line", ["A stand-in", "$ python main.py monday-to-pg", "listening on", "A user edits"])
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_leaves_no_process_and_no_file(
    environment: dict[str, str], number: int, code: int, line: str
):
    demo = started(environment)
    children = children_at(demo, line)
    assert len(children) >= 2
    demo.send_signal(number)
    _, err = demo.communicate(timeout=30)
    assert demo.returncode == code and "Traceback" not in err
    assert gone(children)
    assert os.listdir(environment["TMPDIR"]) == []


@pytest.mark.parametrize("words, line", [(SMALL, "listening on"), (OF_QUERIES, "$ python main.py run")])
def test_the_stand_in_and_the_commands_end_with_a_demo_that_is_killed(
    environment: dict[str, str], words: tuple[str, ...], line: str
):
    demo = started(environment, *words)
    children = children_at(demo, line)
    servers = [child for child in children if (told(child.name) or "").startswith("postgres")]
    others = [child for child in children if child not in servers]
    demo.kill()
    demo.communicate()
    assert len(others) >= 2 and gone(others)
    for server in servers:
        told(server.terminate)
    assert gone(servers)


def test_the_demo_on_a_server_of_ones_own_uses_a_database_of_its_own_and_drops_it(
    run_cli: Callable[..., Any], postgres, database_url
):
    server = postgres.database(postgres.connection["dbname"])
    names = "select datname from pg_database where datname like 'monday_sync_demo_%'"
    done = run_cli(*SMALL, env={"DATABASE_URL": database_url}, timeout=100)
    assert done.code == 0, done.err
    assert server.execute_query(names) == []
    server.close()


def test_boards_that_there_are_not_are_told(run_cli: Callable[..., Any], environment: dict[str, str]):
    done = run_cli("demo", "--boards", "nonsense:5", env=environment)
    assert done.code == 2 and "'nonsense:5' is no board" in done.err and "Traceback" not in done.err
    assert os.listdir(environment["TMPDIR"]) == []
