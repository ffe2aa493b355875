"""Runs a command and writes what it used to a file: `python -S -E benchmarks/child.py FILE COMMAND ARGUMENT...`.

The peak memory that the system reports of a process begins with that of the process which started it. This one is small.
"""

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """Runs the command to its end, with the input, output and errors of this process."""
    target, *command = sys.argv[1:]
    started_at, started = time.time(), time.perf_counter()
    child = subprocess.Popen(command)
    _, status, used = os.wait4(child.pid, 0)
    told = {
        "wall": time.perf_counter() - started,
        "started_at": started_at,
        "code": os.waitstatus_to_exitcode(status),
        "cpu": used.ru_utime + used.ru_stime,
        # In bytes on macOS, in kilobytes elsewhere.
        "memory": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }
    with open(target, "w", encoding="utf-8") as file:
        json.dump(told, file)


if __name__ == "__main__":
    main()
