"""Checks headers, addresses and bodies of the stand-in for SmartSuite, and how it is started."""

import subprocess
import sys
from pathlib import Path

import pytest
import requests
from msgspec.structs import asdict, fields

from sandbox import SmartSuite
from sandbox.client import Admin, AdminError
from sandbox.smartsuite.account.switches import CHOICES, Switches
from sandbox.smartsuite.service import FAULTS
from tests.sandbox.suite import Suite

ROOT = Path(__file__).resolve().parents[2]


def test_a_record_is_made_read_found_changed_deleted_and_restored(suite):
    table = suite.table({"slug": "s1f0c2b3a4", "label": "External id", "field_type": "textfield"})
    made = table.create({"title": "ORD-17", "s1f0c2b3a4": "17"})
    assert made.status_code == 200
    record = made.json()
    assert len(record["id"]) == 24 and record["application_id"] == table.id and record["autonumber"] == 1
    assert record["s1f0c2b3a4"] == "17" and record["deleted_date"] == {"date": None, "include_time": False}
    assert record["first_created"]["on"].endswith("Z") and record["deleted_by"] is None
    assert table.get(record["id"]).json() == record
    assert table.found("s1f0c2b3a4", "is", "17") == ["ORD-17"]
    changed = table.update(record["id"], {"title": "ORD-18"}).json()
    assert changed["title"] == "ORD-18" and changed["s1f0c2b3a4"] == "17"
    gone = table.delete(record["id"])
    assert gone.status_code == 204 and gone.content == b""
    assert table.get(record["id"]).status_code == 404 and table.titles() == []
    restored = suite("POST", f"{table.path}records/{record['id']}/restore/", {}).json()
    assert restored["title"] == "ORD-18 (Restored)" and table.titles() == ["ORD-18 (Restored)"]


def test_the_command_prints_its_addresses_and_ends_on_sigterm():
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--service", "smartsuite", "--port", "0", "--token", "t-1"]
        + ["--account", "sxyz0001", "--tables", "customers,orders", "--limits", "standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        url = process.stdout.readline().strip()
        assert process.stdout.readline().strip() == f"SMARTSUITE_API_URL={url}/api/v1"
        assert process.stdout.readline().strip() == "SMARTSUITE_ACCOUNT_ID=sxyz0001"
        state = Admin(f"{url}/api/v1", "t-1")("state")
        assert [table["name"] for table in state["tables"]] == ["Customers", "Orders"] and state["limited"]
        process.terminate()
        assert process.wait(timeout=5) == 0


@pytest.mark.parametrize("options", [["--tables", "nonsense"], ["--limits", "pro"], ["--service", "other"]])
def test_a_start_that_asks_for_what_there_is_not_is_refused(options):
    command = [sys.executable, "-m", "sandbox", "--service", "smartsuite", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    assert done.returncode == 2 and options[1] in done.stderr.decode() or "standard" in done.stderr.decode()


def test_a_missing_account_is_told_in_plain_text_before_the_token_is_looked_at(suite):
    answer = suite("GET", "applications/", headers={"Account-Id": None, "Authorization": "Token wrong"})
    assert (answer.status_code, answer.text) == (400, "Account ID is not specified")
    answer = suite("GET", "applications/", headers={"Account-Id": "snothere"})
    assert (answer.status_code, answer.text) == (400, "Account ID snothere is not valid")


@pytest.mark.parametrize("token", [None, "Token wrong", "Bearer {}", "{}", "Token  {}", "token {}"])
def test_the_word_token_one_space_and_the_key_are_needed(suite, token):
    sent = token.format(suite.suite.token) if token else None
    answer = suite("GET", "applications/", headers={"Authorization": sent})
    assert answer.status_code == 401 and "detail" in answer.json()
    suite.admin("switches", wrong_token_status=403)
    assert suite("GET", "applications/", headers={"Authorization": sent}).status_code == 403


def test_the_token_alone_lists_the_workspaces(suite):
    answer = suite("GET", "accounts/", headers={"Account-Id": None})
    assert [account["slug"] for account in answer.json()] == [suite.suite.account_id]
    assert suite("GET", "accounts/", headers={"Account-Id": None, "Authorization": None}).status_code == 401
    assert suite("GET", "current-member/").json()["id"] == suite.admin("state")["members"][0]["id"]


@pytest.mark.parametrize("name", ["ACCOUNT-ID", "Account-ID", "account-id"])
def test_names_of_headers_ignore_case(suite, name):
    assert suite("GET", "applications/", headers={"Account-Id": None, name: "sab12cd3"}).status_code == 200


def test_without_the_slash_a_call_is_sent_elsewhere_and_nothing_is_done(suite):
    table = suite.table()
    answer = suite("POST", f"{table.path}records", {"title": "x"})
    assert (answer.status_code, answer.headers["Location"]) == (301, f"/api/v1/{table.path}records/")
    answer = suite("POST", f"{table.path}records/list?limit=5", {})
    assert answer.headers["Location"] == f"/api/v1/{table.path}records/list/?limit=5"
    assert table.titles() == []


def test_unknown_addresses_tables_and_records_are_404_with_json(suite):
    table = suite.table()
    paths = ("nonsense/", "applications/6451093119bcf22befaed9ff/", f"{table.path}records/6451093119bcf22befaed9ff/")
    for path in paths:
        answer = suite("GET", path)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})
    assert suite("DELETE", "applications/").status_code == 405


def test_bodies_have_to_be_json_and_say_so(suite):
    table = suite.table()
    assert table.create("{").status_code == 400
    answer = suite("POST", f"{table.path}records/", '{"title":"x"}', {"Content-Type": "text/plain"})
    assert answer.status_code == 415
    assert table.create([]).status_code == 400
    suite.admin("switches", body_limit=50)
    answer = table.create({"title": "x" * 100})
    assert answer.status_code == 413 and answer.text.startswith("<html>")


def test_a_table_of_a_hidden_solution_is_403(suite):
    table = suite.table()
    suite.admin("solutions/hide")
    assert suite("GET", table.path).status_code == 403
    assert suite("GET", "applications/").json() == []


def test_requests_are_kept_for_the_admin_without_their_headers(suite):
    table = suite.table()
    table.made(title="a")
    table.bulk([{"title": "b"}, {"title": "c"}])
    kept = suite.admin("requests", table=table.id)
    assert [entry["call"] for entry in kept] == ["records/create", "bulk/create"]
    assert kept[1]["items"] == 2 and '"title"' in kept[1]["body"] and kept[1]["status"] == 200
    assert suite.suite.token not in str(kept)
    suite.admin("requests/reset")
    assert suite.admin("requests") == []


def test_admin_needs_the_token_and_known_calls(suite):
    answer = requests.post(f"{suite.suite.url}/admin/state", json={}, headers={"Authorization": "no"}, timeout=5)
    assert answer.status_code == 401
    for call, settings in (("nonsense", {}), ("switches", {"mood": 1}), ("switches", {"unique": "perhaps"})):
        with pytest.raises(AdminError, match="unknown|no admin call|must be one of"):
            suite.admin(call, **settings)


def test_a_closed_stand_in_answers_no_more():
    with SmartSuite() as running:
        client = Suite(running)
        assert client("GET", "applications/").status_code == 200
    with pytest.raises(requests.ConnectionError):
        client("GET", "applications/")


def test_the_page_names_every_switch_admin_call_and_fault(suite):
    page = (ROOT / "sandbox" / "smartsuite" / "README.md").read_text(encoding="utf-8")
    assert [field.name for field in fields(Switches) if f"`{field.name}`" not in page] == []
    assert [kind for kind in FAULTS if f"`{kind}`" not in page] == []
    with pytest.raises(AdminError) as refused:
        suite.admin("nonsense")
    known = str(refused.value).rstrip("'\"}").split("known: ")[1].split(", ")
    assert len(known) > 30 and [call for call in known if f"`{call.strip()}`" not in page] == []


def test_the_first_choice_of_a_switch_is_the_one_at_the_start():
    at_start = asdict(Switches())
    assert {name: choices[0] for name, choices in CHOICES.items()} == {name: at_start[name] for name in CHOICES}
