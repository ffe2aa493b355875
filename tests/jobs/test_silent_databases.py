"""A database server that takes connections and says nothing keeps no event of another account waiting at a door."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from tests.kit.live import first_item
from tests.kit.waiting import until

pytestmark = pytest.mark.xdist_group("fleet")

EVENTS = 40
"""More than a door has threads."""


@pytest.fixture
def silent():
    """Listens like a database server, and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=4 * EVENTS) as server:
        yield f"postgresql://acme@127.0.0.1:{server.getsockname()[1]}/acme"


def test_a_silent_database_keeps_no_event_of_another_account_waiting(fleet, silent):
    (fleet.home / "silent.url").write_text(silent)
    assert fleet.main("accounts", "set", "acme", f"DATABASE_URL_FILE={fleet.home / 'silent.url'}").code == 0
    base, (acme, globex) = fleet.door(), fleet.worlds.values()
    other = first_item(globex)
    assert fleet.event(base, "globex", other, triggerUuid="before").status_code == 200
    with ThreadPoolExecutor(EVENTS) as senders:
        sent = [
            senders.submit(fleet.event, base, "acme", first_item(acme), triggerUuid=str(n), wait_s=60)
            for n in range(EVENTS)
        ]
        until(lambda: sum(one.done() for one in sent) >= EVENTS // 2, 50, "answers to most events")
        assert not all(one.done() for one in sent), "some are asking the silent server"
        assert fleet.event(base, "globex", other, triggerUuid="meanwhile").status_code == 200
        assert not all(one.done() for one in sent), "the other account waited for them"
        wait(sent)
    assert {one.result().status_code for one in sent} == {503}
