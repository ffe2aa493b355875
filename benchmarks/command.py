"""Runs the tool's command in a process of its own, which writes down at its end what only it can know.

`python -m benchmarks.command monday-to-pg --json` is `python main.py monday-to-pg --json`.
"""

from __future__ import annotations

import atexit
import os
import runpy
import sys
from pathlib import Path

import orjson

from benchmarks.boards import PROJECT
from db_connector import Database

statements = 0
close = Database.close


def closing(database: Database) -> None:
    """Counts what was sent through a database that is closed."""
    global statements
    statements += database.statements
    database.statements = 0
    close(database)


def note() -> None:
    """Writes down the seconds in the address library and the statements sent."""
    from values.addresses import shared_parser

    parser = shared_parser()
    facts = {"statements": statements, "address_seconds": parser.seconds, "addresses": parser.parsed}
    Path(os.environ["BENCHMARK_NOTES"]).write_bytes(orjson.dumps(facts))


if __name__ == "__main__":
    Database.close = closing  # type: ignore[method-assign, assignment]
    atexit.register(note)
    sys.argv[0] = str(PROJECT / "main.py")
    runpy.run_path(sys.argv[0], run_name="__main__")
