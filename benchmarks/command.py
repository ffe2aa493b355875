"""Runs the tool's command in a process of its own, and writes counts that only this process knows to a file at its end.

`python -m benchmarks.command monday-to-pg --json` is `python main.py monday-to-pg --json`.
"""

from __future__ import annotations

import atexit
import os
import runpy
import sys
from pathlib import Path

import orjson

from db_connector import Database

PROJECT = Path(__file__).resolve().parent.parent
"""Found here, because `benchmarks.boards` would import more than the command does."""

statements = 0
close = Database.close


def closing(database: Database) -> None:
    """Closes a database, and adds its statements to the count."""
    global statements
    statements += database.statements
    database.statements = 0
    close(database)


def note() -> None:
    """Writes the seconds in the address library and the number of statements to the file."""
    from values.addresses import shared_parser

    parser = shared_parser()
    facts = {"statements": statements, "address_seconds": parser.seconds, "addresses": parser.parsed}
    Path(os.environ["BENCHMARK_NOTES"]).write_bytes(orjson.dumps(facts))


if __name__ == "__main__":
    Database.close = closing  # type: ignore[method-assign, assignment]
    atexit.register(note)
    sys.argv[0] = str(PROJECT / "main.py")
    runpy.run_path(sys.argv[0], run_name="__main__")
