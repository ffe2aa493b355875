"""The demo: a stand-in for monday.com and a real PostgreSQL are started, a pull is shown, and both are thrown away.

Whatever ends the demo, nothing it started stays: the stand-in ends when the pipe to it closes, which the system does
even for a demo that is killed, and the database goes with its server or is dropped.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commands.demo_live import show_live
from databases.postgres.names import compose, identifier, table_name
from db_connector import Database
from errors import EXIT_USAGE, SettingsError, SyncError
from settings import PROJECT, Settings, load_settings
from state.schema import init_db
from sync.parts import Parts, board_of, mappings_of
from sync.report import EntityReport, RunReport, entity_line, run_line
from sync.run import Run
from terminal import logs
from terminal.console import Progress, say, show_table
from timing import duration

SANDBOX = """
import os, sys, threading
def end_with_the_demo():
    while os.read(0, 1024):
        pass
    os._exit(0)
threading.Thread(target=end_with_the_demo, daemon=True).start()
from sandbox.__main__ import main
os._exit(main(sys.argv[1:]))
"""
SHOWN = {"users": 2000, "projects": 5000}
TABLES = (
    *("users", "sales_teams", "projects", "customers", "properties", "notes", "policies", "insurances"),
    *("insurance_claims", "storms", "pa_law"),
)

JOINED = """
select p.title, p.stage, p.status, c.name as customer, concat_ws(', ', a.street, a.city, a.state) as property,
       i.company_name as insurer, k.claim_number as claim, r.name as sales_rep
from projects as p
join customers as c on c.id = p.customer_id
join properties as a on a.id = p.property_id
join policies as o on o.id = p.policy_id
join insurances as i on i.id = o.insurance_id
join insurance_claims as k on k.id = p.claim_id
join users as r on r.id = p.sales_rep_id
where a.street is not null and p.title = trim(p.title)
order by p.title
limit 4
"""

OPEN_PROJECT = """
select p.title, l.monday_id
from projects as p
join sync_mapping as l on l.entity_id = p.id::text and l.entity_type = 'project'
where p.stage <> 'Completed' and p.title = trim(p.title)
order by p.title
limit 1
"""

EDIT = """
mutation ($board: ID!, $item: ID!, $column: String!, $text: String!) {
  edit: change_simple_column_value(board_id: $board, item_id: $item, column_id: $column, value: $text) { id }
}
"""


def with_both(boards: str) -> str:
    """The boards asked for, and of those that the demo shows the usual number where none was."""
    named = {one.partition(":")[0].strip() for one in boards.split(",")}
    return ",".join([boards, *(f"{name}:{count}" for name, count in SHOWN.items() if name not in named)])


def run_demo(boards: str) -> int:
    """Show it; the exit code."""
    logs.log.setLevel(logging.ERROR)  # what is left out is told below, in one line
    given, begun = load_settings(), time.monotonic()
    with _folder() as folder, _sandbox(with_both(boards)) as sandbox, _database(given, folder) as db:
        url, token = sandbox.ready()
        settings = Settings(home=folder, api_key=token, api_url=f"{url}/v2")
        say(f"A stand-in for monday.com answers at {url}, PostgreSQL {_version(db)} is started; both are thrown away.")
        init_db(db)
        with Progress() as progress:
            parts = Parts(settings, db, mappings_of(Settings(home=folder)), progress)
            try:
                _show(parts, progress)
            finally:
                parts.close()
    say(f"\nThat took {duration(time.monotonic() - begun)}; the stand-in is stopped and the database is gone.")
    return 0


def _show(parts: Parts, progress: Progress) -> None:
    say("\n$ python main.py init-db\n$ python main.py monday-to-pg")
    _run(parts, progress)
    _show_left_out(parts.db)
    _show_rows(parts.db)
    say("\nOnce more, with nothing changed:\n\n$ python main.py monday-to-pg")
    _run(parts, progress)
    _show_edit(parts, progress)
    if _rows(parts.db, "select id from projects where title is not null limit 1"):
        show_live(parts, board_of(parts.settings, parts.mappings["projects"]) or "")


def _run(parts: Parts, progress: Progress) -> None:
    """A pull as the command line would do it. The client is new each time, so that its calls are counted anew."""
    if "monday" in parts.__dict__:
        parts.monday.close()
        del parts.__dict__["monday"]
    chosen = [(parts.mappings[name], board_of(parts.settings, parts.mappings[name]) or "") for name in SHOWN]

    def show(report: EntityReport) -> None:
        progress.done(report.entity)
        say(entity_line(report, "monday_to_pg"))

    report = Run(parts, "monday_to_pg", on_entity=show).of(chosen)
    _raise_problems(report)
    say(run_line(report))


def _raise_problems(report: RunReport) -> None:
    if report.interrupted:
        sys.exit(report.interrupted)
    if report.problems:
        raise report.problems[0]


def _show_left_out(db: Database) -> None:
    rows = _rows(db, "select reason, count(*) as items from sync_skipped group by reason order by 1")
    if rows:
        say("Left out, and told in sync_logs: " + ", ".join(f"{row['items']} {row['reason']!r}" for row in rows) + ".")


def _show_rows(db: Database) -> None:
    say("")
    with db.transaction(read_only=True) as tx:
        counts = [(name, tx.value(compose("select count(*) from {table}", table=table_name(name)))) for name in TABLES]
    show_table("", ("table", "rows"), counts, ("rows",))
    say("")
    joined = _rows(db, JOINED)
    if joined:
        show_table("", [*joined[0]], [list(row.values()) for row in joined])


def _show_edit(parts: Parts, progress: Progress) -> None:
    """Somebody changes one cell on the board."""
    project = _rows(parts.db, OPEN_PROJECT)
    if not project:
        return
    board = board_of(parts.settings, parts.mappings["projects"])
    say(f"\nSomebody moves {project[0]['title']!r} to Completed on the board:\n\n$ python main.py monday-to-pg")
    edit = {"board": board, "item": project[0]["monday_id"], "column": "text95__1", "text": "Completed"}
    answer = parts.monday.mutate(EDIT, edit)
    for error in answer.errors.values():
        raise error
    _run(parts, progress)
    after = _rows(parts.db, "select title, stage, status, updated_at from projects order by updated_at desc limit 1")
    show_table("", [*after[0]], [list(after[0].values())])


def _rows(db: Database, query: str) -> list[dict[str, Any]]:
    with db.transaction(read_only=True) as tx:
        return tx.dicts(query)


def _version(db: Database) -> str:
    with db.transaction(read_only=True) as tx:
        return str(tx.value("show server_version")).split()[0]


# What is started, and stopped


@contextmanager
def _folder() -> Iterator[Path]:
    # As root, PostgreSQL runs as another account, which has to get through.
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    open_to_all = [place for place in places if place.is_dir() and _passable(place)]
    folder = Path(tempfile.mkdtemp(prefix="monday-sync-demo-", dir=(open_to_all or places)[0] if _is_root() else None))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _passable(folder: Path) -> bool:
    return all(one.stat().st_mode & stat.S_IXOTH for one in (folder.resolve(), *folder.resolve().parents))


class _Sandbox:
    """The stand-in for monday.com, in a process of its own."""

    def __init__(self, boards: str, log: Any) -> None:
        self.token = secrets.token_urlsafe(24)
        self._log = log
        self.process = subprocess.Popen(
            [sys.executable, "-c", SANDBOX, "--port", "0", "--boards", boards],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=PROJECT,
            env={**os.environ, "SANDBOX_TOKEN": self.token},
            start_new_session=True,  # Ctrl-C is meant for the demo, which ends it
        )

    def ready(self) -> tuple[str, str]:
        """Its address and token, once it answers."""
        assert self.process.stdout is not None
        url = self.process.stdout.readline().decode().strip()
        if not url:
            usage = self.process.wait(10) == EXIT_USAGE
            self._log.seek(0)
            said = self._log.read().decode(errors="replace").strip().splitlines() or ["it ended without a word"]
            message = f"The stand-in for monday.com did not start: {said[-1]}"
            raise (SettingsError if usage else SyncError)(message, hint="See: python -m sandbox --help")
        return url, self.token

    def stop(self) -> None:
        """End it, kindly first."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def _sandbox(boards: str) -> Iterator[_Sandbox]:
    with tempfile.TemporaryFile() as log:
        sandbox = _Sandbox(boards, log)
        try:
            yield sandbox
        finally:
            sandbox.stop()


@contextmanager
def _database(given: Settings, folder: Path) -> Iterator[Database]:
    """A database of the demo's own: on the server of DATABASE_URL if that is set, else on one started for it."""
    if given.database_url:
        with _on_server(given.database_url) as db:
            yield db
        return
    from databases.postgres.embedded import LocalPostgres

    server = LocalPostgres(folder / "postgres", throwaway=True)
    try:
        db = Database(server=server, **server.start())
        try:
            yield db
        finally:
            db.close()
    finally:
        server.stop()


@contextmanager
def _on_server(url: str) -> Iterator[Database]:
    """A new database beside the one of DATABASE_URL, whose tables are never touched."""
    name = identifier(chosen := f"monday_sync_demo_{secrets.token_hex(4)}")
    admin = Database(url, max_connections=1)
    try:
        with admin.autocommit() as session:
            session.execute(compose("create database {name}", name=name))
        db = Database(url, dbname=chosen)
        try:
            yield db
        finally:
            db.close()
            with admin.autocommit() as session:
                session.execute(compose("drop database if exists {name} with (force)", name=name))
    finally:
        admin.close()
