"""Carries an import out: matches its rows with the items of the board, and creates or changes items."""

from __future__ import annotations

from graphql import GraphQLError

from sandbox.monday.account.models import ACTIVE, Item
from sandbox.monday.account.world import World
from sandbox.monday.cells.kinds import cell_of
from sandbox.monday.changes.checks import Checked, Checker, check_name
from sandbox.monday.changes.item_edits import ItemEdits, NewItem
from sandbox.monday.imports.csv_cells import key_of, sent_by_csv
from sandbox.monday.imports.job import Job

CLEAR = "<NULL>"


def run_job(job: Job, world: World, edits: ItemEdits) -> None:
    board, rows = job.order.board, job.rows
    active, known = board.active_count(), known_items(job, world)
    fresh = sum(1 for row in rows if not job.order.on_match or key_of_row(job, row) not in known)
    if active + fresh > board.items_limit:
        job.failure = ("BOARD_CAPACITY_EXCEEDED", "The board would be over its items limit")
        # nothing is imported, or, by the switch, as many rows as there is room for
        rows = rows[: max(0, board.items_limit - active)] if world.switches.import_until_full else []
    last = {key_of_row(job, row): number for number, row in enumerate(job.rows)}
    for number, row in enumerate(rows):
        key = key_of_row(job, row)
        # Several rows with one key: the last wins.
        if key and last[key] != number:
            job.note(number, "skipped", "A later row has the same key")
        else:
            import_row(job, number, known.get(key) if key else None, world, edits)
    job.status = "FAILED" if job.failure else "COMPLETED"


def key_of_row(job: Job, row: dict[str, str]) -> str:
    return row[job.order.match_column_id] if job.order.match_column_id is not None else ""


def known_items(job: Job, world: World) -> dict[str, Item]:
    """Finds the items of the whole board by their key; of several with one key, the newest."""
    order = job.order
    found: dict[str, Item] = {}
    if order.match_column_id is None:
        return found
    column = order.board.columns[order.match_column_id]
    for item in sorted(order.board.items.values(), key=lambda item: (item.created_at, item.id)):
        key = key_of(cell_of(world, order.user, item, column))
        if item.state == ACTIVE and key:
            found[key] = item
    return found


def import_row(job: Job, number: int, item: Item | None, world: World, edits: ItemEdits) -> None:
    # matched, and left as it is
    if item is not None and job.order.skips_matches:
        return job.note(number, "skipped", "Matched", item)
    try:
        checked = check_row(job, job.rows[number], item, world)
    except GraphQLError as exc:
        return job.note(number, "invalid", exc.message)
    store_row(job, number, item, checked, edits)


def check_row(job: Job, row: dict[str, str], item: Item | None, world: World) -> Checked:
    checker, checked = Checker(world, job.order.user, item), Checked()
    for column_id, text in row.items():
        column = job.order.board.columns[column_id]
        if column.type == "name":
            checked.name = check_name(text) if text or item is None else None
        # cleared on purpose
        elif text == CLEAR:
            checked.cells[column_id] = None
        # An empty field leaves the cell as it is.
        elif text != "":
            checked.cells[column_id] = checker.check_one(column, sent_by_csv(column, text, world), checked)
    return checked


def store_row(job: Job, number: int, item: Item | None, checked: Checked, edits: ItemEdits) -> None:
    user_id = job.order.user.id
    # no match: a new item
    if item is None:
        new = NewItem(checked.name or "", job.order.group.id, checked.cells)
        return job.note(number, "created", "", edits.create(job.order.board, new, user_id))
    if checked.name and checked.name != item.name:
        edits.rename(item, checked.name, user_id)
    edits.change(item, checked.cells, user_id)
    job.note(number, "updated", "", item)
