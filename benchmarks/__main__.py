"""Runs the benchmarks: `python -m benchmarks [--quick] [--items N] [--rows N] [--only pull,memory]`."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module

from benchmarks.bench import Bench, scratch
from benchmarks.database import running
from benchmarks.measure import Failed

BENCHMARKS = (
    *("pull", "first_pull", "client", "memory", "large_boards", "both_ways", "deployed", "loader"),
    *("startup", "realtime", "idle", "proof", "dashboard", "syncs", "fleet"),
)
"""Names of files in this folder, each with `ABOUT` and `run`."""


def arguments() -> argparse.Namespace:
    """Returns the options of the command line."""
    about = "\n".join(f"  {name:<12} {import_module(f'benchmarks.{name}').ABOUT}" for name in BENCHMARKS)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure how fast the tool is on this machine.",
        epilog=f"benchmarks:\n{about}\n\nExample: python -m benchmarks --quick --only pull,memory",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--items", type=int, default=50_000, help="of each of the two boards (default: 50,000)")
    parser.add_argument("--rows", type=int, default=100_000, help="of the query of syncs (default: 100,000)")
    parser.add_argument("--quick", action="store_true", help="the same as --items 5000 --rows 10000")
    parser.add_argument("--repeat", type=int, default=2, help="measurements, of which the median is shown (default: 2)")
    parser.add_argument("--only", default=",".join(BENCHMARKS), help="names with commas between them")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := sorted(set(options.only) - set(BENCHMARKS)):
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    return options


def main() -> int:
    """Runs the benchmarks one after another."""
    options = arguments()
    items, rows = (5_000, 10_000) if options.quick else (options.items, options.rows)
    with scratch() as home, running() as postgres:
        bench = Bench(items, options.repeat, postgres, home, rows)
        if set(options.only) - {"realtime", "idle", "dashboard", "syncs", "fleet"}:
            bench.rendering  # noqa: B018 - rendered now, so that no measurement includes it
        load = os.getloadavg()[0]
        python = sys.version.split()[0]
        print(f"{os.cpu_count()} cores, load {load:.1f}, Python {python}; seconds are of wall time.", flush=True)
        for name in options.only:
            try:
                import_module(f"benchmarks.{name}").run(bench)
            except Failed as exc:
                print(f"error: {name}: {exc}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
