"""Keeps SmartSuite's limits: five calls a second, a block of 30 s after too many, and the calls of a month."""

import pytest
import requests

from errors import SmartSuiteQuota
from sandbox import SmartSuite as StandIn
from services.smartsuite.client import SmartSuite
from tests.kit.clocks import SharedClock

ORDERS = "6451093119bcf22befaed902"


@pytest.fixture
def stand_in():
    with StandIn(tables="orders", limits="standard") as running:
        yield running


def client(stand_in):
    clock = SharedClock(stand_in.url, stand_in.token)
    return SmartSuite(stand_in.api_url, stand_in.token, stand_in.account_id, clock=clock)


def refused(stand_in):
    return [request for request in stand_in.admin("requests") if request["status"] == 429]


def blocked_by_another_program(stand_in):
    """Makes calls with the same key until SmartSuite takes no more."""
    headers = {"Authorization": f"Token {stand_in.token}", "Account-Id": stand_in.account_id}
    for _ in range(30):
        if requests.get(f"{stand_in.api_url}/applications/{ORDERS}/", headers=headers, timeout=10).status_code == 429:
            return
    raise AssertionError("it was never blocked")


def test_many_calls_keep_the_pace_and_none_is_refused(stand_in):
    patient = client(stand_in)
    for _ in range(23):
        patient.table(ORDERS)
    assert (patient.stats.calls, patient.stats.retries_total) == (23, 0)
    assert not refused(stand_in)


def test_a_block_is_waited_out_and_the_call_is_made_once(stand_in):
    blocked_by_another_program(stand_in)
    before = len(refused(stand_in))
    patient = client(stand_in)
    made = patient.create(patient.table(ORDERS), [{"title": "a"}, {"title": "b"}])
    assert len(made) == 2
    assert len(stand_in.admin("tables/snapshot", table_id=ORDERS)) == 2
    # one refusal, and then a pause as long as the block
    assert len(refused(stand_in)) == before + 1
    assert patient.stats.retries == {"speed": 1}
    assert 30 <= patient.stats.waited_total_s < 40


def test_a_longer_wait_that_smartsuite_asks_for_is_kept(stand_in):
    stand_in.admin("limits/set", block_seconds=50)
    stand_in.admin("switches", retry_after="50")
    blocked_by_another_program(stand_in)
    patient = client(stand_in)
    patient.table(ORDERS)
    assert 50 <= patient.stats.waited_total_s < 60


def test_a_month_that_is_used_up_ends_the_run_and_says_so(stand_in):
    stand_in.admin("limits/set", calls_a_month=2)
    patient = client(stand_in)
    with pytest.raises(SmartSuiteQuota) as told:
        for _ in range(20):
            patient.table(ORDERS)
    assert "month" in str(told.value.hint)
