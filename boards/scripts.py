"""Writes what orchestrators run for a deployed board: a short script over the engine, and a Kestra flow."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mappings.declaration import Mapping
from mappings.files import write_text
from settings import PROJECT

FOLDER = "generated"


def write(home: Path, mapping: Mapping, board_name: str) -> list[Path]:
    """Writes both files anew; returns their paths."""
    made = []
    for template, name, values in (
        ("get_board.py.j2", f"get_board_{mapping.entity}.py", _for_python),
        ("kestra.yml.j2", f"{mapping.entity}.yml", _for_kestra),
    ):
        path = home / FOLDER / name
        write_text(path, _environment().get_template(template).render(values(home.resolve(), mapping, board_name)))
        made.append(path)
    made[0].chmod(0o755)
    return made


def _for_python(home: Path, mapping: Mapping, board_name: str) -> dict[str, str]:
    return {
        "python": sys.executable,
        "board_name": in_comment(board_name),
        "table": in_comment(mapping.table),
        "project": repr(str(PROJECT)),
        "home": repr(str(home)),
        "entity": repr(mapping.entity),
    }


def _for_kestra(home: Path, mapping: Mapping, board_name: str) -> dict[str, str]:
    entity = mapping.entity
    script = f"{shlex.quote(sys.executable)} {shlex.quote(str(PROJECT / 'main.py'))} run --entity {entity} --json"
    return {
        "board_name": in_comment(board_name),
        "table": in_comment(mapping.table),
        "entity": entity,
        # JSON is YAML, and quotes whatever a title may hold.
        "description": json.dumps(f"Keeps the board {board_name} and the table {mapping.table} in step."),
        "home": json.dumps(str(home)),
        # exit code 3, records that wait, is no failure of the flow
        "command": json.dumps(f"{script} || [ $? -eq 3 ]"),
    }


def in_comment(text: str) -> str:
    """Returns a title without the characters that would end the comment or the docstring around it."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return shown.replace("\\", "/").replace('"', "'")


def _environment() -> Environment:
    loader = FileSystemLoader(PROJECT / "boards" / "templates")
    return Environment(loader=loader, undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
