"""What was imported is not searched for garbage; what a command leaves behind is."""

from __future__ import annotations

import subprocess
import sys

from tests.kit.shipped import PROJECT

AT_THE_END = """
import atexit, gc, runpy, sys
atexit.register(lambda: print("collects" if gc.isenabled() else "never", gc.get_freeze_count() > 10_000))
sys.argv = ["main.py", "--help"]
runpy.run_path("main.py", run_name="__main__")
"""


def test_python_looks_for_garbage_in_a_command_and_not_in_what_the_program_is_made_of() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "collects True"
