"""Runs a program of the project until the process that started it ends: `python -m commands.child main.py status`.

The starting process holds a pipe to the standard input. The system closes it with that process, also when it is killed.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading


def end_with_starter() -> None:
    """Waits until the pipe is closed, and ends the process then."""
    while os.read(0, 1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_starter, daemon=True).start()
    del sys.argv[0]
    # a module; else a file
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")
