"""The control database is killed, or says nothing more, while events come and workers work: nothing is lost for that.

For ten minutes with 10,000 events: AWAY_S=600 EVENTS=10000 make test TESTS=tests/jobs/test_control_database.py
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import requests

from databases.postgres.embedded import LocalPostgres
from tests.kit.fleet import Fleet, databases
from tests.kit.fleet import fleet as made_fleet
from tests.kit.postgres import Postgres, server_folder
from tests.kit.traffic import are_equal, edits_and_events, until_equal
from tests.kit.waiting import until

pytestmark = pytest.mark.xdist_group("fleet")

AWAY_S = float(os.environ.get("AWAY_S", "12"))
EVENTS = int(os.environ.get("EVENTS", "120"))
PROBES = 20
"""Of a door's state: more than a door has threads."""


class Server:
    """Runs PostgreSQL for the control database alone, and keeps it from answering."""

    def __init__(self, root: Path) -> None:
        self._local = LocalPostgres(root / "postgres", throwaway=True)
        self.url = Postgres(self._local.start()).url("postgres")

    @contextmanager
    def killed(self) -> Iterator[None]:
        """Kills it with all its processes, and starts it again at the end of the block."""
        self._signal(signal.SIGKILL)
        try:
            yield
        finally:
            self._local.start()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Has it say nothing until the end of the block; connections are taken all the same."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        postmaster = psutil.Process(int((self._local.data / "postmaster.pid").read_text().split()[0]))
        for process in (postmaster, *postmaster.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def end(self) -> None:
        """Ends it."""
        self._local.stop()


@pytest.fixture
def control() -> Iterator[Server]:
    with server_folder() as root:
        server = Server(root)
        yield server
        server.end()


@pytest.fixture
def fleet(control: Server, postgres, template, broker, tmp_path):
    """Makes an installation with two accounts, whose control database stands on a server of its own."""
    with databases(postgres, template) as made, made_fleet([control.url, *made[1:]], broker, tmp_path) as fleet:
        yield fleet


def probed(door: str, path: str = "/readyz") -> int:
    return requests.get(door + path, timeout=60).status_code


@pytest.mark.timeout(240 + 2 * AWAY_S)
@pytest.mark.parametrize("away", [Server.killed, Server.silent])
def test_without_the_control_database_all_events_are_taken_and_all_is_done_once_it_is_back(
    fleet: Fleet, control: Server, away: Callable
):
    doors = [fleet.door(), fleet.door()]
    fleet.worker()
    fleet.start("beat")
    until(lambda: all(len(here.pairs()) == 6 for here in fleet.worlds.values()) and are_equal(fleet), 120, "first runs")
    for here in fleet.worlds.values():
        here.sandbox.admin("latency", ms=300)
    for door in doors:
        for name, here in fleet.worlds.items():
            assert fleet.event(door, name, min(here.pairs())).status_code == 200
    with away(control), ThreadPoolExecutor(PROBES) as asking:
        probes = [asking.submit(probed, door) for door in doors for _ in range(PROBES // 2)]
        assert edits_and_events(fleet, doors, EVENTS, AWAY_S) == {200: EVENTS}
        assert [probed(door, "/livez") for door in doors] == [200, 200]
        unknown = [fleet.event(door, "initech", "1", wait_s=60).status_code for door in doors]
        assert {probe.result() for probe in probes} == {503}
        assert unknown == [503, 503], "an account that may have been added meanwhile"
    print(f"{away.__name__}: equal {until_equal(fleet, 120, 'equality'):.1f} s after its return")
    until(lambda: all(row["due"] == 0 and row["message"] is None for row in fleet.fleet()), 60, "an end of all work")
    assert fleet.event(doors[0], "initech", "1").status_code == 404
    assert len(fleet.alive()) == 4, "nothing has ended"
    assert "Traceback" not in fleet.said()
