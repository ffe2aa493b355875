"""Starts proofs on the page of the proofs, sees how far they are, and stops them."""

from __future__ import annotations

import pytest

from tests.kit.waiting import until

pytestmark = pytest.mark.xdist_group("browser")


def outcomes(served) -> list[str]:
    return [run["outcome"] for run in served.json("/runs?kind=verify")["runs"]]


@pytest.mark.parametrize("script", [True, False], ids=["live", "without JavaScript"])
def test_a_proof_is_a_run_that_shows_itself_and_is_stopped(served, opened, sides, script):
    from playwright.sync_api import expect

    sides.items(1_200, A="a")
    sides.sandbox.admin("switches", latency_ms=3_000)
    page = opened(java_script_enabled=script).page
    page.goto(served.url + "/proofs")
    page.get_by_label("Entity").select_option("contacts")
    page.get_by_role("button", name="Prove it now").click()
    expect(page.get_by_role("heading", name="contacts: works")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Stop after this page").click()
    sides.sandbox.admin("switches", latency_ms=0)
    until(lambda: outcomes(served) == ["interrupted"], what="the end of the proof")
    page.goto(served.url + "/proofs")
    expect(page.locator("#going")).to_contain_text("a user asked it to stop")
    (proof,) = served.json("/proofs")["proofs"]
    assert proof["outcome"] == "incomplete" and "asked it to stop" in proof["message"]


def test_a_proof_that_fails_says_why_on_the_page(served, sides):
    sides.sandbox.admin("boards/set", board_id=sides.board_id, state="archived")
    assert served.post("/proofs", entity="contacts").json()["pid"]
    (failed,) = until(lambda: [run for run in served.json("/proofs")["going"] if run["outcome"] == "failed"])
    assert "not visible" in failed["message"] and failed["message"] in served.get("/proofs").text


def test_what_cannot_be_proved_is_refused_at_once(served):
    assert served.post("/proofs", entity="nobody").status_code == 400
    assert served.json("/proofs")["going"] == []


def test_a_proof_whose_process_was_killed_is_told_as_died(served, db):
    from state.runs import Runs

    run_id = Runs(db).start("verify", "verify")
    db.execute_query(
        "insert into sync_proofs (id, entity_type, monday_board_id, kind)"
        " values (gen_random_uuid(), 'contact', '1', 'whole')",
        fetch=False,
    )
    assert served.json("/proofs")["proofs"][0]["outcome"] == "running"
    db.execute_query(
        "update sync_runs set heartbeat_at = now() - interval '31 s' where id = %s", (run_id,), fetch=False
    )
    shown = served.json("/proofs")
    assert (shown["proofs"][0]["outcome"], shown["going"][0]["outcome"]) == ("died", "died")
