"""Shows on the dashboard what alerts say, and sends a test to each channel."""

from __future__ import annotations

from state import alerts as kept
from tests.kit.receiver import SECRETS, receiving
from tests.web.conftest import serving


def test_a_test_is_sent_to_each_channel_and_its_answer_is_told_without_its_address(environment):
    with receiving() as receiver, serving({**environment, "ALERT_URLS": receiver.url}) as served:
        assert "Send a test to each channel" in served.get("/alerts").text
        answer = served.post("/alerts/test")
        assert answer.status_code == 200, answer.text
        assert [channel["outcome"] for channel in answer.json()["channels"]] == ["delivered"]
        assert len(receiver.messages) == 1
        assert not [secret for secret in SECRETS if secret in answer.text or secret in served.get("/alerts").text]


def test_without_a_channel_there_is_nothing_to_test(served):
    assert "Send a test" not in served.get("/alerts").text
    answer = served.post("/alerts/test")
    assert answer.status_code == 400 and "ALERT_URLS is not set" in answer.json()["error"]


def test_what_fails_of_no_entity_is_a_thing_that_needs_a_user(served, db):
    with db.transaction() as tx:
        kept.keep(tx, kept.Alert("daemon", "silent", "failing", sentence="The daemon said nothing since 10:00."))
        kept.keep(tx, kept.Alert("contacts", "failed", "failing", sentence="Its own page tells it."))
        kept.keep(tx, kept.Alert("inbox", "old", "ok", sentence="It is well."))
    page = served.json("/")
    assert [need["sentence"] for need in page["needs"]] == ["The daemon said nothing since 10:00."]
    assert page["sentence"] == "1 thing needs you"
