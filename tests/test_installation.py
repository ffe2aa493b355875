"""Checks the programs as they are installed: a Python without the packages is told, and each script is its command."""

from __future__ import annotations

import re

import pytest

from tests.kit.cli import run_python


@pytest.mark.parametrize(
    "start",
    [
        "main.py status",
        "sync_monday_to_pg.py --help",
        "sync_pg_to_monday.py --help",
        "webhook_handler.py",
        "-m sandbox --help",
    ],
)
def test_a_python_without_the_packages_is_told_which_one_to_call(start: str):
    done = run_python("-S", *start.split())
    assert done.code == 2
    error, hint = done.err.splitlines()
    assert re.match(r"error: The package \w+ is missing in ", error) and "make install" in hint


@pytest.mark.parametrize("script", ["sync_monday_to_pg.py", "sync_pg_to_monday.py", "webhook_handler.py"])
def test_a_script_is_its_command(script: str):
    done = run_python(script, "--help")
    assert done.code == 0 and done.out.startswith("Usage: python main.py ")
