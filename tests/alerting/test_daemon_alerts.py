"""Looks at what a daemon tells while it runs."""

from __future__ import annotations

import requests

from tests.kit.live import LiveWorld, running
from tests.kit.receiver import receiving
from tests.kit.waiting import until

RUN = """
insert into sync_runs (kind, direction, outcome, entities, finished_at, heartbeat_at, started_at)
select 'command', 'monday_to_pg', 'failed', '[{"entity": "contacts", "problem": "MondayUnavailable"}]', now(), now(),
       now() + interval '1 minute'
from generate_series(1, 2)
"""


def test_a_daemon_tells_of_failures_while_it_runs_and_health_counts_them(here: LiveWorld) -> None:
    with receiving() as receiver:
        more = {"ALERT_URLS": receiver.url, "HEARTBEAT_URL": receiver.ping_url}
        with running(here, "webhook", "--port", "0", **more) as daemon:
            until(lambda: requests.get(f"{daemon.base}/readyz", timeout=5).status_code == 200, what="a daemon")
            assert requests.get(f"{daemon.base}/health", timeout=5).json()["alerts"] == {"failing": 0}
            assert receiver.pings[:2] == ["/ping/abc/start", "/ping/abc"]  # its first comparison
            here.change(RUN)
            until(lambda: receiver.messages, what="a message")
            assert receiver.titles == ["[monday-sync] contacts: fails"]
            assert requests.get(f"{daemon.base}/health", timeout=5).json()["alerts"] == {"failing": 1}
            assert daemon.end() == 0
