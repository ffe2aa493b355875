"""`boards update`: what has changed on a deployed board and waits for a person is shown, decided and applied."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from boards import deploy, following, scripts
from boards.drift import ADDED, APPLY, WAIT, Drift, sentence
from boards.proposal import propose
from boards.questions import ask_about, auto_decided, today
from boards.types_of_tables import HARD, load_types
from errors import EXIT_IN_STEP, EXIT_LEFTOVERS
from mappings.declaration import Mapping
from mappings.loader import load_mapping
from models import Board
from settings import Settings
from state.turns import working_on
from sync.parts import Parts, open_parts


def run(settings: Settings, name: str, yes: bool, rejected: set[str], as_json: bool, quiet: bool) -> int:
    """Do it; the exit code."""
    with open_parts(settings) as parts:
        mapping = deploy.deployed_mapping(parts, name)
        board = parts.monday.board(str(mapping.board_id))
        with working_on(parts.db, mapping.entity_type):
            found = _update(parts, mapping, board, yes, rejected)
        files = scripts.write(settings.home, mapping, board.name)
        parts.mappings[name] = load_mapping(Path(mapping.path))
        links = deploy.link_up(parts, parts.mappings[name], board) if mapping.own_table else []
    if as_json:
        applied, waits = ([one.as_json() for one in found if one.move == move] for move in (APPLY, WAIT))
        click.echo(json.dumps({"entity": name, "applied": applied, "waits": waits, "links": links}))
    else:
        show(name, found, files)
    return EXIT_LEFTOVERS if any(one.move == WAIT for one in found) else EXIT_IN_STEP


def _update(parts: Parts, mapping: Mapping, board: Board, yes: bool, rejected: set[str]) -> list[Drift]:
    home = parts.settings.home
    new = _new_hard(parts, mapping, board)
    made = propose(board, mapping.entity, "t", load_types(home), monday=parts.monday if new else None, day=today())
    made = replace(made, columns=tuple(one for one in made.columns if one.about.id in new))
    decided = ask_about(auto_decided(made, rejected, yes), yes)
    out = frozenset(one.about.id for one in decided.columns if one.rejected)
    return following.settle(parts.db, mapping, board, home, everything=True, rejected=out, day=today()).drift


def _new_hard(parts: Parts, mapping: Mapping, board: Board) -> set[str]:
    """The new columns that a person decides about."""
    found = following.settle(parts.db, mapping, board, parts.settings.home, dry_run=True).drift
    new = {one.column for one in found if one.kind == ADDED}
    return {one.id for one in board.columns if one.id in new and one.type in HARD}


def show(name: str, found: Sequence[Drift], files: Sequence[Path]) -> None:
    """Lines on stdout."""
    if not found:
        click.echo(f"{name}: the mapping is as the board is; nothing was done.")
    for one in found:
        click.echo(f"{name}: {sentence(one)}")
    if any(one.move == APPLY for one in found):
        click.echo(f"The next run compares everything: python main.py run --entity {name}")
