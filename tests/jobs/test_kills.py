"""Kills children, workers, doors, the beat and the broker at random moments, while users edit both sides of some accounts.

Some kills are enough for every run of the suite. For two hundred, of more:
KILLS=200 ACCOUNTS=5 WORKERS=3 make test TESTS=tests/jobs/test_kills.py
"""

from __future__ import annotations

import functools
import os
import random
import time
from contextlib import ExitStack

import psutil
import pytest

from tests.kit.fleet import Fleet
from tests.kit.fleet import fleet as made_fleet
from tests.kit.live import SECRET, LiveWorld, subscribe_to
from tests.kit.people import People
from tests.kit.shipped import CONTACTS, ORGANIZATIONS
from tests.kit.waiting import until

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("SEED", "1"))
ACCOUNTS = ["acme", "globex", "initech", "umbrella", "hooli"][: int(os.environ.get("ACCOUNTS", "2"))]
WORKERS = [f"w{number}" for number in range(1, 1 + int(os.environ.get("WORKERS", "2")))]

pytestmark = pytest.mark.xdist_group("fleet")


@pytest.fixture
def fleet(databases, broker, tmp_path):
    """Makes an installation with these accounts."""
    with made_fleet(databases, broker, tmp_path, ACCOUNTS) as made:
        yield made


class Machines:
    """Runs a door, workers and a beat, and kills them and the broker."""

    def __init__(self, fleet: Fleet, dice: random.Random) -> None:
        self.fleet, self.dice = fleet, dice
        self.base = fleet.door()
        self.port = self.base.rpartition(":")[2]
        self.parts = {"door": fleet.processes[-1], "beat": fleet.start("beat")}
        self.parts |= {name: fleet.worker(name=name) for name in WORKERS}
        self.killed: dict[str, int] = {}

    def kill_one(self) -> None:
        """Kills something, and starts it again."""
        what = self.dice.choice(["child", "child", *WORKERS, "door", "beat", "broker"])
        self.killed[what] = self.killed.get(what, 0) + 1
        if what == "child":
            return self._kill_child()
        if what == "broker":
            self.fleet.broker.kill()
            time.sleep(self.dice.uniform(0, 1.0))
            return self.fleet.broker.start()
        self.fleet.stop(self.parts[what])
        if what == "door":
            self.parts[what] = self.fleet.start("door", "--port", self.port)
        elif what == "beat":
            self.parts[what] = self.fleet.start("beat")
        else:
            self.parts[what] = self.fleet.worker(name=what)

    def _kill_child(self) -> None:
        worker = psutil.Process(self.parts[self.dice.choice(WORKERS)].pid)
        children = worker.children()
        if children:
            self.dice.choice(children).kill()


def is_equal(here: LiveWorld) -> bool:
    """Returns whether nothing waits, and both sides show the same."""
    return here.waiting() == (0, 0) and not here.differences()


@pytest.mark.slow
@pytest.mark.timeout(180 + 12 * KILLS)
@pytest.mark.parametrize("databases", [len(ACCOUNTS)], indirect=True, ids=[""])
def test_kills_of_all_parts_lose_nothing_and_double_nothing(fleet):
    dice = random.Random(SEED)
    for here in fleet.worlds.values():
        for board in (CONTACTS, ORGANIZATIONS):
            here.sandbox.admin("columns/add", board_id=board, id="sync_id", title="Sync ID", type="text")
    machines = Machines(fleet, dice)
    for name, here in fleet.worlds.items():
        until(lambda here=here: len(here.pairs()) == 6, 60, "the first runs")
        subscribe_to(here, machines.base, (CONTACTS, ORGANIZATIONS), SECRET + name, name)
    with ExitStack() as stack:
        people = [stack.enter_context(People(here, SEED + n)) for n, here in enumerate(fleet.worlds.values())]
        for _ in range(KILLS):
            time.sleep(dice.uniform(0, 1.5))
            machines.kill_one()
    for here, some in zip(fleet.worlds.values(), people, strict=True):
        assert some.problem is None, some.problem
        here.sandbox.admin("clock/advance", seconds=61)
        equal = functools.partial(is_equal, here)
        try:
            until(equal, 120, f"equality after {machines.killed}")
        except AssertionError as exc:
            raise AssertionError(f"{exc}: {here.waiting()}, {here.differences()}, {fleet.fleet()}") from None
        some.check()
    assert sum(machines.killed.values()) == KILLS
