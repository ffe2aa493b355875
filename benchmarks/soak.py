"""Runs for a long time: `python -m benchmarks.soak [--histories N] [--seed N] [--only NAME,...]`, which is `make soak`.

`histories` plays random histories of two sides, as the tests do with 200 of them (`tests/histories/`): edits, runs,
`histories` plays random histories of two sides, as the tests do with 200 of them (`tests/histories/`): edits, runs,
failures and kills in any order, after which both sides are equal and nothing is lost or doubled. `queries` does so with a
query of MariaDB and a table of SmartSuite. The seed is printed; the same seed makes the same histories. `kills` kills the
parts of an installation with several accounts: children, workers, doors, the beat, the broker (`tests/jobs/test_kills.py`).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks import soak_queries
from benchmarks.boards import PROJECT
from benchmarks.soak_board import large_board
from benchmarks.soak_worker import PER_BATCH, made_database, played, silent
from databases.mysql.private import INSTALL, is_installed
from databases.postgres.embedded import LocalPostgres

Begin = Callable[[dict[str, Any]], None]
"""Prepares a worker, with a connection to the server of PostgreSQL."""

_world: Any = None
"""A worker's own stand-in for monday.com and database, used for all its batches."""


def histories(options: argparse.Namespace, connection: dict[str, Any]) -> bool:
    """Plays random histories of a board and its tables, and tells whether all of them ended well."""
    return _played(options, connection, "histories", _begin, _batch)


def queries(options: argparse.Namespace, connection: dict[str, Any]) -> bool:
    """Plays random histories of a query and its table of SmartSuite, and tells whether all of them ended well."""
    if not is_installed():
        print(f"queries: left out, needs MariaDB: {INSTALL}", flush=True)
        return True
    return _played(options, connection, "queries", soak_queries.begin, soak_queries.batch)


def _played(
    options: argparse.Namespace, connection: dict[str, Any], name: str, begin: Begin, batch: Callable[[int, int], str]
) -> bool:
    if options.batch is None:
        batches = list(range(-(-options.histories // PER_BATCH)))
    else:
        batches = [options.batch]
    started, done, failed = time.monotonic(), 0, 0
    with _workers(options.workers, connection, begin) as pool:
        running = {pool.submit(batch, options.seed, number): number for number in batches}
        for future in as_completed(running):
            done += 1
            trouble = future.result()
            if trouble:
                failed += 1
                print(f"\nbatch {running[future]} ended badly:\n{trouble}")
                again = f"--only {name} --seed {options.seed} --batch {running[future]}"
                print(f"Again: python -m benchmarks.soak {again}", flush=True)
            if trouble or done % max(1, len(batches) // 40) == 0 or done == len(batches):
                seconds = time.monotonic() - started
                print(
                    f"{done * PER_BATCH:,} of {len(batches) * PER_BATCH:,} histories, {failed} batches ended badly"
                    f" ({seconds:.0f} s)",
                    flush=True,
                )
    return not failed


@contextmanager
def _workers(count: int, connection: dict[str, Any], begin: Begin) -> Iterator[ProcessPoolExecutor]:
    """Starts processes for the batches, and ends them when this process ends for any reason."""
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=begin, initargs=(connection,))
    try:
        yield pool
    except BaseException:  # also SIGTERM and Ctrl-C
        for process in list(pool._processes.values()):
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def kills(options: argparse.Namespace, connection: dict[str, Any]) -> bool:
    """Kills parts of an installation with two accounts, and tells whether nothing was lost or doubled."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/jobs/test_kills.py"],
        cwd=PROJECT,
        env={**os.environ, "KILLS": str(options.kills), "SEED": str(options.seed), "CI": "true"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seconds = time.monotonic() - started
    print(
        f"kills: {options.kills} kills in {seconds:.0f} s, {'in step' if done.returncode == 0 else 'FAILED'}",
        flush=True,
    )
    if done.returncode:
        print(done.stdout[-6000:], flush=True)
        print(
            f"Again: python -m benchmarks.soak --only kills --seed {options.seed} --kills {options.kills}", flush=True
        )
    return done.returncode == 0


SOAKS: dict[str, Callable[[argparse.Namespace, dict[str, Any]], bool]] = {
    "histories": histories,
    "queries": queries,
    "large_board": large_board,
    "kills": kills,
}
"""Each function takes the options and the connection to a server on which it may make databases."""


# In a worker


def _begin(connection: dict[str, Any]) -> None:
    """Prepares a worker: its database and its stand-in."""
    from tests.histories.world import World

    global _world
    silent()
    _world = World(made_database(connection))


def _batch(seed: int, number: int) -> str:
    """Plays the histories of one batch, and returns what went wrong."""
    from tests.histories.machine import Histories

    return played(type("Histories", (Histories,), {"world": _world}), seed, number)


@contextmanager
def _server() -> Iterator[dict[str, Any]]:
    """Starts a server whose data may be lost, in memory where there is room."""
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 1_000_000_000
    folder = Path(tempfile.mkdtemp(prefix="monday-sync-soak-", dir=memory if roomy else None))
    folder.chmod(0o711)  # as root, the server runs as another account and must get through
    server = LocalPostgres(folder / "postgres", throwaway=True)
    try:
        yield dict(server.start())
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def arguments() -> argparse.Namespace:
    """Returns the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description="Random edits, failures and kills for a long time.",
        epilog="Example: python -m benchmarks.soak --histories 1000 --seed 7",
    )
    parser.add_argument("--histories", type=int, default=10_000, help="how many (default: 10,000)")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(1_000_000), help="the same seed makes the same histories"
    )
    parser.add_argument("--items", type=int, default=100_000, help="of the large board (default: 100,000)")
    parser.add_argument("--kills", type=int, default=200, help="of parts of an installation (default: 200)")
    parser.add_argument("--batch", type=int, help=f"only this batch, of {PER_BATCH} histories")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: the number of cores)"
    )
    parser.add_argument("--only", default=",".join(SOAKS), help=f"of {', '.join(SOAKS)}")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := sorted(set(options.only) - SOAKS.keys()):
        parser.error(f"no such soak: {', '.join(unknown)}")
    return options


def main() -> int:
    """Runs the chosen soaks one after another."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    print(f"seed {options.seed}", flush=True)
    with _server() as connection:
        ended = [SOAKS[name](options, connection) for name in options.only]
    return 0 if all(ended) else 1


if __name__ == "__main__":
    sys.exit(main())
