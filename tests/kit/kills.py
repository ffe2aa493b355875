"""Lets a run come as far as a chosen step, in a process of its own, and kills it there.

Between the tool and the sandbox stands a relay that can hold a request. A step inside PostgreSQL is held by a lock on a
table. Nothing of the tool is patched.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from db_connector import Database
from tests.kit.relay import SECONDS, Hold, Relay
from tests.kit.waiting import until

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.kit.pushes", "tests.kit.query_runs"])


MORTAL = "mortal"


class Mortal(Database):
    """Opens a database whose process dies at a statement, as if the machine had lost its power."""

    dies_at: int | None = None

    def count_statement(self) -> None:
        super().count_statement()
        if self.statements == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


class Order(Protocol):
    """Holds what a run needs to know in another process."""

    def carry_out(self) -> object: ...


def _child(order: Order) -> None:
    os.setpgrp()
    order.carry_out()


class Killed:
    """Runs in another process, and does not come to its end."""

    def __init__(self, order: Order) -> None:
        self.process = FORKS.Process(target=_child, args=(order,), daemon=True)
        self.process.start()

    def kill(self) -> None:
        os.kill(int(self.process.pid or 0), signal.SIGKILL)
        self.process.join(SECONDS)
        assert self.process.exitcode == -signal.SIGKILL


class KillBench:
    """Holds a database and a relay; what a run of its own is, a bench says in `begin`."""

    db: Database
    relay: Relay

    def begin(self, direction: str = "") -> Killed:
        raise NotImplementedError

    def sql(self, statement: str, *params: Any) -> Any:
        return self.db.execute_query(statement, params, fetch=statement.lstrip().startswith(("select", "with")))

    def kill_at(self, operation: str, number: int = 1, after: bool = False, direction: str = "push") -> Hold:
        """Lets a run come as far as this request, and kills it there."""
        hold = self.relay.hold(operation, number, after)
        child = self.begin(direction)
        until(hold.reached.is_set, what=f"{operation} {number}")
        child.kill()
        if after:
            hold.go.set()
        return hold

    def kill_at_lock(self, table: str, mode: str, hold: Hold | None = None, direction: str = "push") -> None:
        """Lets a run come as far as this table (after `hold`, if one is given), and kills it there."""
        with ExitStack() as stack:
            if hold is None:
                stack.enter_context(self.locked(table, mode))
            child = self.begin(direction)
            if hold is not None:
                until(hold.reached.is_set, what=hold.operation)
                stack.enter_context(self.locked(table, mode))
                hold.go.set()
            waiting = "select 1 from pg_locks where not granted and relation = %s::regclass"
            until(lambda: self.sql(waiting, table), what=f"a wait for {table}")
            child.kill()

    @contextmanager
    def locked(self, table: str, mode: str) -> Iterator[None]:
        with self.db.transaction(tool=False) as tx:
            tx.execute(f"lock table {table} in {mode} mode")
            yield
