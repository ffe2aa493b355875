"""Checks for `doctor` the boards that were made into tables: their files, their tables, what has changed on them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from boards.registry import LOADING, BoardStatus, status_of
from databases.postgres.catalogue import exists
from mappings.stored import own_file_in_words
from sync.operating.check import Check, Seen, fault, note, ok, unseen, warning
from sync.operating.examined import Examined
from values.wording import plural


def checks(examined: Examined) -> list[Check]:
    """Returns the check of all deployed boards."""
    return [Check("boards.deployed", "deployed boards", partial(_every, examined), ("pg.schema",))]


def _every(examined: Examined) -> Iterator[Seen]:
    wanted = examined.entities
    found = [board for board in status_of(examined.database()) if not wanted or board["name"] in wanted]
    for board in found:
        yield from _deployed(examined, board)
    if not found:
        yield unseen("no board is deployed")


def _deployed(examined: Examined, board: BoardStatus) -> Iterator[Seen]:
    name, path = board["name"], Path(board["mapping_path"])
    fine = True
    if board["status"] == LOADING:
        fine = False
        told = f"The table of {name} was never loaded to the end: its deploy was interrupted."
        yield fault(told, f"python main.py boards deploy --board-id {board['board_id']} --name {name}", name)
    mapping = examined.mappings().get(name)
    if mapping is None:
        fine = False
        told = f"The mapping file of {name} is gone: {path}."
        yield fault(told, f"Bring it back, or: python main.py boards remove {name}", name)
    if mapping is not None and (said := own_file_in_words(mapping)):
        yield note(said, "python main.py mapping diff", name)
    with examined.database().transaction(read_only=True) as tx:
        if not exists(tx, board["table_name"]):
            fine = False
            yield fault(
                f"The table of {name} is gone: {board['table_name']}.", f"python main.py boards reload {name}", name
            )
    if waiting := [drift for drift in board["drift"] if drift.get("waits")]:
        fine = False
        told = f"{plural(len(waiting), 'change')} of the board of {name} wait for a decision."
        yield warning(told, f"python main.py boards update {name}", name)
    if fine:
        yield ok(f"{name} is table {board['table_name']}")
