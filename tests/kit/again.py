"""Runs the tests that failed once more, alone in one process: a machine that is busy may fail a test that waits.

More failures than a few are not by accident, and end it at once. A test that passes only alone is named, to be mended.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

FAILED = Path(".pytest_cache/v/cache/lastfailed")
AT_MOST = 3
GROUP = re.compile(r"@\w+$")
"""What pytest-xdist adds to the name of a test that belongs to a group."""


def main() -> int:
    failed = [GROUP.sub("", name) for name in json.loads(FAILED.read_text())]
    if not 0 < len(failed) <= AT_MOST or any("::" not in name for name in failed):
        print(f"{len(failed)} failures: too many to be by accident.", file=sys.stderr)
        return 1
    FAILED.unlink()
    ended = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *failed]).returncode
    if ended == 0:
        print(
            "Passed alone, and failed beside other tests: mend what they lean on:", *failed, sep="\n  ", file=sys.stderr
        )
    return ended


if __name__ == "__main__":
    sys.exit(main())
