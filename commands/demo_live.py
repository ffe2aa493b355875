"""Shows real-time sync: with the daemon running, one edit goes each way, and its time is measured from outside."""

from __future__ import annotations

import json
import secrets
import time
import urllib.request
from collections.abc import Callable

from commands.demo_parts import show, show_command
from commands.demo_world import World
from errors import SyncError

PROJECTS = ("--entity", "projects")
DAEMON = ("webhook", *PROJECTS, "--port", "0")
PATIENCE_S = 60.0
FIELD, COLUMN = "description", "text40__1"
ON_BOARD, BY_SQL = "New roof, said on the board", "New roof, said with SQL"

A_PROJECT = """
select p.id::text, p.title, l.monday_id as item, l.monday_board_id as board
from projects as p
join sync_mapping as l on l.entity_id = p.id::text and l.entity_type = 'project'
where p.title is not null and l.archived_at is null
order by p.title
limit 1
"""

EDIT = """
mutation ($board: ID!, $item: ID!, $column: String!, $text: String!) {
  edit: change_simple_column_value(board_id: $board, item_id: $item, column_id: $column, value: $text) { id }
}
"""

CELL = """
query ($item: ID!, $column: String!) {
  items(ids: [$item]) { column_values(ids: [$column]) { text } }
}
"""


def show_live(world: World) -> None:
    """Starts the daemon over the projects, and changes the same project on the board and with SQL."""
    projects = world.rows(A_PROJECT)
    if not projects:
        return  # the user chose no projects
    project = projects[0]
    show("\nAnd live:")
    secret = secrets.token_hex(32)
    show_command(*DAEMON)
    with world.started(*DAEMON, MONDAY_WEBHOOK_SECRET=secret) as daemon:
        listening = next(daemon.lines(), "")
        # it ended before it listened
        if not listening:
            raise SyncError("The daemon did not start.", hint=daemon.complaint().strip())
        show(listening)
        url = listening.rpartition(" ")[2]
        world.run("webhooks", "register", *PROJECTS, MONDAY_WEBHOOK_SECRET=secret, WEBHOOK_BASE_URL=url)
        _until(lambda: _caught_up(url))
        _show_both_ways(world, project)


def _show_both_ways(world: World, project: dict[str, str]) -> None:
    world.stand_in.ask(EDIT, board=project["board"], item=project["item"], column=COLUMN, text=ON_BOARD)
    took = _until(lambda: _in_row(world, project["id"]) == ON_BOARD)
    show(f"\nA user edits {project['title']!r} on the board; its row shows it after {took:.2f} s.")
    # Without the tool's mark, the triggers note it as a change of an application.
    with world.db.transaction(tool=False) as tx:
        tx.execute(f"update projects set {FIELD} = %s where id = %s", (BY_SQL, project["id"]))
    took = _until(lambda: _on_board(world, project["item"]) == BY_SQL)
    show(f"An application updates the row with SQL; the board shows it after {took:.2f} s.")


def _caught_up(url: str) -> bool:
    """Asks the daemon whether both sides were compared since it was started."""
    with urllib.request.urlopen(f"{url}/health", timeout=PATIENCE_S) as answer:
        return all(entity["caught_up"] for entity in json.loads(answer.read())["entities"].values())


def _in_row(world: World, row_id: str) -> str | None:
    with world.db.transaction(read_only=True) as tx:
        found: str | None = tx.value(f"select {FIELD} from projects where id = %s", (row_id,))
    return found


def _on_board(world: World, item: str) -> str | None:
    items = world.stand_in.ask(CELL, item=item, column=COLUMN)["items"]
    return str(items[0]["column_values"][0]["text"]) if items else None


def _until(true: Callable[[], bool]) -> float:
    """Waits until `true` returns true, and returns the seconds that it took."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > PATIENCE_S:
            raise SyncError("The live part of the demo did not come to its end.")
        time.sleep(0.01)
    return time.monotonic() - began
