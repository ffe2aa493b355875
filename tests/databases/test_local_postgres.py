"""Checks the embedded server with real processes: cold, warm, shared, killed, and in folders with awkward names."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from databases.postgres import embedded, programs
from databases.postgres.embedded import LocalPostgres
from db_connector import Database, connect
from errors import DatabaseError
from settings import Settings
from tests.kit.shipped import PROJECT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
USER = """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    from db_connector import Database
    from databases.postgres.embedded import LocalPostgres

    server = LocalPostgres(Path(sys.argv[2]), throwaway=True)
    database = Database(**server.start())
    print(database.execute_query("show data_directory")[0]["data_directory"], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def server(folder: Path) -> LocalPostgres:
    return LocalPostgres(folder / "postgres", throwaway=True)


@pytest.fixture
def user() -> Iterator[Callable[[LocalPostgres], subprocess.Popen[str]]]:
    """Starts another process, which uses a server until its standard input ends."""
    started: list[subprocess.Popen[str]] = []

    def start(server: LocalPostgres) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", textwrap.dedent(USER), str(PROJECT), str(server.root)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        assert process.stdout.readline().strip() == str(server.data)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def pid_of(server: LocalPostgres) -> int:
    pid, _ = server._postmaster()
    assert pid is not None
    return pid


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pid: int, patience: float = 10.0) -> bool:
    end = time.monotonic() + patience
    while lives(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not lives(pid)


def ask(server: LocalPostgres, statement: str) -> object:
    database = Database(**server.start())
    try:
        with database.transaction() as tx:
            return tx.value(statement)
    finally:
        database.close()


def test_a_server_starts_from_nothing_and_stops_with_its_only_user(server: LocalPostgres) -> None:
    assert ask(server, "select 1 + 1") == 2
    pid = pid_of(server)
    server.stop()
    assert gone(pid)
    assert list(server.sockets.iterdir()) == []


def test_what_was_written_is_there_after_a_restart(server: LocalPostgres) -> None:
    ask(server, "create table kept as select 7 as n; select 1")
    server.stop()
    assert ask(server, "select n from kept") == 7
    server.stop()


def test_starting_twice_is_starting_once(server: LocalPostgres) -> None:
    server.start()
    pid = pid_of(server)
    server.start()
    assert pid_of(server) == pid
    server.stop()
    assert gone(pid)


def test_a_second_process_attaches_and_the_last_one_out_stops_the_server(server: LocalPostgres, user: Callable) -> None:
    first, second = user(server), user(server)
    pid = pid_of(server)
    first.communicate("")
    assert first.returncode == 0
    assert lives(pid)
    second.communicate("")
    assert gone(pid)


def test_processes_that_start_together_share_one_server(server: LocalPostgres) -> None:
    command = [sys.executable, "-c", textwrap.dedent(USER), str(PROJECT), str(server.root)]
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    starters = [subprocess.Popen(command, **options) for _ in range(4)]  # type: ignore[call-overload]
    ends = [(*starter.communicate(timeout=60), starter.returncode) for starter in starters]
    assert [end for end in ends if end != (f"{server.data}\n", "", 0)] == []
    assert not (server.data / "postmaster.pid").exists()


def test_after_a_kill_the_server_lives_and_the_next_run_finds_and_stops_it(
    server: LocalPostgres, user: Callable
) -> None:
    killed = user(server)
    pid = pid_of(server)
    killed.kill()
    killed.wait()
    assert lives(pid)
    assert ask(server, "select 1") == 1
    assert pid_of(server) == pid
    server.stop()
    assert gone(pid)


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(server: LocalPostgres, user: Callable) -> None:
    process = user(server)
    assert os.getsid(pid_of(server)) != os.getsid(process.pid)


def test_a_database_of_its_own_is_named_by_the_folder_that_lasts(server: LocalPostgres) -> None:
    database = Database(server=server, **server.start())
    assert database.target == str(server.root)
    database.close()


def test_a_server_that_was_killed_is_started_again_by_its_next_user(folder: Path) -> None:
    server = LocalPostgres(folder / "postgres")
    database = Database(server=server, **server.start())
    database.execute_query("create table kept (n int)")
    session = database.execute_query("select pg_backend_pid() as pid")[0]["pid"]
    os.kill(pid_of(server), signal.SIGKILL)
    assert gone(session)  # an idle session outlives its server by a moment, long enough to begin a transaction
    assert database.execute_query("select count(*) as n from kept") == [{"n": 0}]
    database.close()


@pytest.mark.parametrize("whose", ["no process's", "another program's", "another server's"])
def test_a_stale_process_number_is_not_trusted(server: LocalPostgres, folder: Path, whose: str) -> None:
    other = LocalPostgres(folder / "other", throwaway=True)
    other.start()
    server.start()
    lines = (server.data / "postmaster.pid").read_text().splitlines()
    server.stop()
    number = {"no process's": 2**22 + 1, "another program's": os.getpid(), "another server's": pid_of(other)}[whose]
    (server.data / "postmaster.pid").write_text("\n".join([str(number), *lines[1:7], "ready   "]) + "\n")
    (server.sockets / ".s.PGSQL.5432.lock").write_text(f"{number}\n")
    assert ask(server, "select 1") == 1
    server.stop()
    assert lives(pid_of(other))
    other.stop()


def test_an_initdb_that_was_killed_half_way_is_begun_anew(server: LocalPostgres) -> None:
    half = server.root / "data.new" / "base"
    half.mkdir(parents=True)
    (half.parent / "PG_VERSION").write_text("18\n")
    assert ask(server, "select 1") == 1
    server.stop()


@pytest.mark.parametrize("name", ["with a space", "q'uo\"te", "com,ma", "long" * 30, "ümläut {} %s"])
def test_the_folders_name_may_be_awkward(folder: Path, name: str) -> None:
    server = LocalPostgres(folder / name, throwaway=True)
    assert ask(server, "select 1") == 1
    server.stop()
    assert not (server.data / "postmaster.pid").exists()
    if server.sockets.parent != server.root:
        server.sockets.rmdir()


def test_a_folder_that_was_moved_is_found_where_it_is_now(server: LocalPostgres, folder: Path) -> None:
    server.start()
    server.stop()
    (folder / "elsewhere").mkdir(mode=0o711)
    server.root.rename(folder / "elsewhere" / "postgres")
    moved = LocalPostgres(folder / "elsewhere" / "postgres", throwaway=True)
    assert ask(moved, "select 1") == 1
    moved.stop()


def test_a_cluster_of_another_major_version_is_refused(server: LocalPostgres) -> None:
    server.start()
    server.stop()
    (server.data / "PG_VERSION").write_text("15\n")
    with pytest.raises(DatabaseError, match="written by PostgreSQL 15") as caught:
        server.start()
    assert "pg_dump 15" in caught.value.hint
    server.stop()


def test_a_server_that_does_not_start_says_why(server: LocalPostgres) -> None:
    server.start()
    server.stop()
    with open(server.data / "postgresql.conf", "a") as configuration:
        configuration.write("no_such_setting = 1\n")
    with pytest.raises(DatabaseError, match="no_such_setting"):
        server.start()
    server.stop()


def test_a_folder_that_cannot_be_made_is_explained(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(DatabaseError, match="cannot use") as caught:
        LocalPostgres(folder / "file" / "postgres").start()
    assert "MONDAY_SYNC_HOME" in caught.value.hint


def test_without_the_wheel_the_hint_names_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "WHEELS", (("no_such_package", "bin"),))
    with pytest.raises(DatabaseError, match="not installed") as caught:
        programs.find_programs()
    assert "pip install" in caught.value.hint
    assert "DATABASE_URL" in caught.value.hint


def test_peoples_data_is_written_to_the_disk_and_only_test_data_is_not(folder: Path) -> None:
    kept, thrown = LocalPostgres(folder / "kept"), LocalPostgres(folder / "thrown", throwaway=True)
    assert (ask(kept, "show fsync"), ask(thrown, "show fsync")) == ("on", "off")
    kept.stop()
    thrown.stop()


def test_only_its_own_account_can_enter(server: LocalPostgres) -> None:
    server.start()
    assert [oct(path.stat().st_mode & 0o777) for path in (server.root, server.sockets, server.data)] == ["0o700"] * 3
    assert oct((server.sockets / ".s.PGSQL.5432").stat().st_mode & 0o777) == "0o700"
    assert ask(server, "show listen_addresses") == ""
    server.stop()


def test_without_a_database_url_the_home_has_a_server(folder: Path) -> None:
    database = connect(Settings(home=folder))
    assert database.execute_query("select 1 as one") == [{"one": 1}]
    pid = pid_of(LocalPostgres(folder / "data" / "postgres"))
    database.close()
    assert gone(pid)


@as_root
def test_as_root_the_server_runs_as_another_account(server: LocalPostgres) -> None:
    server.start()
    assert psutil.Process(pid_of(server)).uids().effective != 0
    server.stop()


@as_root
def test_as_root_a_home_that_others_cannot_enter_keeps_its_data_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(embedded, "ROOTS_DATA", folder / "var")
    server = embedded.server_of(closed)
    assert server.root.parent == folder / "var"
    assert ask(server, "select 1") == 1
    server.stop()
    assert closed.stat().st_mode & 0o777 == 0o700


@as_root
def test_as_root_a_database_that_cannot_be_entered_any_more_is_not_replaced_by_an_empty_one(folder: Path) -> None:
    (folder / "data" / "postgres" / "data").mkdir(parents=True)
    (folder / "data" / "postgres" / "data" / "PG_VERSION").write_text("18\n")
    (folder / "data").chmod(0o700)
    with pytest.raises(DatabaseError, match="cannot be entered"):
        embedded.server_of(folder)


@as_root
def test_as_root_programs_out_of_reach_are_copied_and_their_home_stays_closed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = programs.find_programs().parent.parent
    closed = folder / "closed"
    shutil.copytree(package, closed / package.name, symlinks=True)
    shutil.copytree(package.with_name(package.name + ".libs"), closed / (package.name + ".libs"), symlinks=True)
    closed.chmod(0o700)
    monkeypatch.setattr(embedded, "find_programs", lambda: closed / package.name / "pginstall" / "bin")
    server = LocalPostgres(folder / "postgres", throwaway=True)
    assert ask(server, "select 1") == 1
    assert str(server._programs).startswith(str(server.root))
    server.stop()
    assert closed.stat().st_mode & 0o777 == 0o700
