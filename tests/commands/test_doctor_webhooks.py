"""Seeds faults of what comes to the tool over webhooks, which `doctor` finds, and carries out the remedies."""

from __future__ import annotations

from typing import Any

from models import State
from tests.kit.live import SECRET
from tests.kit.patient import Patient

WARNING, NOTE, OK = State.WARNING, State.NOTE, State.OK
SLUGS = ("webhooks.contacts", "webhooks.organizations")


def patient_of(live: Any, run_cli: Any) -> Patient:
    world = live.world
    env = {**world.environment, "WEBHOOK_BASE_URL": live.base, "MONDAY_WEBHOOK_SECRET": SECRET}
    env |= {"MONDAY_BOARD_ID_USERS": "1", "MONDAY_BOARD_ID_DATA": "1"}
    return Patient(env, world.db, world.sandbox, world.home, run_cli)


def test_webhooks_that_are_missing_are_made_by_the_remedy(live, run_cli):
    patient = patient_of(live, run_cli)
    patient.carry_out("python main.py webhooks delete --entity contacts --entity organizations")
    finding = patient.finds(
        "webhooks.contacts", WARNING, "8 of 8 webhooks are missing", "python main.py webhooks repair"
    )
    patient.carry_out(f"{finding.remedy} --entity contacts --entity organizations")
    for slug in SLUGS:
        patient.is_content(slug)
    patient.is_content("webhooks.path")


def test_a_webhook_that_disappeared_and_one_of_another_program(live, run_cli):
    patient = patient_of(live, run_cli)
    board, query = patient.env["MONDAY_BOARD_ID_CONTACTS"], patient.sandbox.client.query
    text = "query ($board: ID!) { webhooks(board_id: $board) { id } }"
    gone = query(text, board=board)["data"]["webhooks"][0]["id"]
    patient.sandbox.admin("webhooks/remove", id=gone)
    finding = patient.finds(
        "webhooks.contacts", WARNING, "1 of 8 webhooks are missing", "python main.py webhooks repair"
    )
    patient.carry_out(f"{finding.remedy} --entity contacts")
    patient.is_content("webhooks.contacts")
    made = query(
        "mutation ($board: ID!, $url: String!) { create_webhook(board_id: $board, url: $url, event: create_update) { id } }",
        board=board,
        url=f"{live.base}/webhook/{live.gate.token(board)}",
    )
    patient.finds("webhooks.contacts", NOTE, "1 webhook of another program", "python main.py webhooks list")
    patient.sandbox.admin("webhooks/remove", id=made["data"]["create_webhook"]["id"])
    patient.is_content("webhooks.contacts")


def test_an_address_that_leads_nowhere(live, run_cli):
    patient = patient_of(live, run_cli)
    more = {"WEBHOOK_BASE_URL": "http://127.0.0.1:9"}
    patient.finds("webhooks.path", WARNING, "could not reach the address", "main.py webhook", **more)
    patient.is_content("webhooks.path")


def test_without_an_address_no_webhook_is_missed(live, run_cli):
    patient = patient_of(live, run_cli)
    found, code = patient.look(*SLUGS, "webhooks.path", WEBHOOK_BASE_URL="")
    assert found["webhooks.contacts"][0].state is OK and code == 0


def test_no_daemon_where_webhooks_are_wanted(patient: Patient):
    finding = patient.finds(
        "work.daemon", WARNING, "No daemon has ever run", "main.py webhook", WEBHOOK_BASE_URL="http://a"
    )
    assert finding.slug == "work.daemon"
    patient.is_content("work.daemon")
