"""The end of the demo: a daemon on a loopback port, and one edit that arrives each way while one looks on."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from errors import SyncError
from models import Columns, Item
from realtime.daemon import Daemon
from realtime.subscriptions import Subscriptions
from realtime.worker import Habits
from services.monday.webhook_signatures import Access
from state import triggers
from sync.parts import Parts
from terminal.console import say
from webhook_handler import serve

EDIT = """
mutation ($board: ID!, $item: ID!, $column: String!, $text: String!) {
  edit: change_simple_column_value(board_id: $board, item_id: $item, column_id: $column, value: $text) { id }
}
"""
COLUMN = "text40__1"
PATIENCE_S = 60.0


def show_live(parts: Parts, board_id: str) -> None:
    """Start a daemon over the projects, and change the same one on the board and with SQL."""
    settings = replace(parts.settings, webhook_secret=secrets.token_hex(32))
    mapping = parts.mappings["projects"]
    with parts.db.transaction() as tx:
        triggers.install(tx, [mapping])
    live = Parts(settings, parts.db, parts.mappings)
    daemon = Daemon(live, [(mapping, board_id)], Habits())
    door = serve(daemon, "127.0.0.1", 0, settings.webhook_secret)
    try:
        gate = Access(settings.webhook_secret, [board_id])
        say(f"\nAnd live:\n\n$ python main.py webhook\nlistening on {door.url}\n$ python main.py webhooks register")
        Subscriptions(live.db, live.monday, gate, door.url).register(mapping, board_id)
        daemon.start()
        _until(lambda: all(worker.caught_up for worker in daemon.workers.values()))
        _show_both_ways(live, board_id)
    finally:
        door.close()
        daemon.stop()
        live.monday.close()


def _show_both_ways(parts: Parts, board_id: str) -> None:
    with parts.db.transaction(read_only=True) as tx:
        row = tx.rows(
            "select p.id::text, p.title, l.monday_id from projects as p join sync_mapping as l on l.entity_id = p.id::text"
            " and l.entity_type = 'project' where p.title is not null and l.archived_at is null order by p.title limit 1"
        )[0]
    row_id, title, item_id = row
    edit = {"board": board_id, "item": item_id, "column": COLUMN, "text": "New roof, said on the board"}
    _raise(parts.monday.mutate(EDIT, edit).errors)
    took = _until(lambda: _in_row(parts, row_id) == edit["text"])
    say(f"\nSomebody edits {title!r} on the board; its row shows it after {took:.2f} s.")
    with parts.db.transaction(tool=False) as tx:
        tx.execute("update projects set description = 'New roof, said with SQL' where id = %s", (row_id,))
    took = _until(lambda: _on_board(parts, item_id) == "New roof, said with SQL")
    say(f"An application updates the row with SQL; the board shows it after {took:.2f} s.")


def _raise(errors: Any) -> None:
    for error in errors.values():
        raise error


def _in_row(parts: Parts, row_id: str) -> Any:
    with parts.db.transaction(read_only=True) as tx:
        return tx.value("select description from projects where id = %s", (row_id,))


def _on_board(parts: Parts, item_id: str) -> Any:
    items: list[Item] = [item for page in parts.monday.items([item_id], Columns((COLUMN,))) for item in page]
    return items[0].cells[COLUMN].get("text") if items else None


def _until(true: Callable[[], bool]) -> float:
    """How long it took to become true."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > PATIENCE_S:
            raise SyncError("The live part of the demo did not come to its end.")
        time.sleep(0.01)
    return time.monotonic() - began
