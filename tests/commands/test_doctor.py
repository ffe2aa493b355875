"""Seeds a fault for each check of `doctor`: it is found and named with a remedy, and the remedy leaves nothing of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from models import State
from sandbox import Sandbox
from tests.kit.patient import Patient

FAULT, WARNING, NOTE, OK = State.FAULT, State.WARNING, State.NOTE, State.OK


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards="users:5,projects:5") as sandbox:
        yield sandbox


def test_an_installation_in_order_is_told_so(patient: Patient):
    done = patient.main("doctor")
    assert done.code == 0, done.out
    assert "MONDAY_API_KEY" in done.out.splitlines()[1] and patient.env["MONDAY_API_KEY"] not in done.out
    assert done.err == ""


# Settings


def test_a_file_of_settings_that_others_can_read(patient: Patient):
    path = patient.home / ".env"
    path.write_text("MONDAY_DAILY_CALLS=1000\n")
    path.chmod(0o644)
    finding = patient.finds("env.file", WARNING, "0644", "chmod 600")
    os.system(finding.remedy)
    patient.is_content("env.file")


def test_every_wrong_setting_is_told_and_the_others_are_looked_at(patient: Patient):
    found, code = patient.look(PORT="eighty", MONDAY_DAILY_CALLS="many")
    assert [finding.affects for finding in found["env.values"]] == ["MONDAY_DAILY_CALLS", "PORT"]
    assert code == 2 and found["pg.reach"][0].state is OK
    patient.is_content("env.values")


def test_a_name_near_that_of_a_setting(patient: Patient):
    path = patient.home / ".env"
    path.write_text("MONDAY_API_KEYS=abc\n")
    path.chmod(0o600)
    assert patient.look("env.names")[1] == 3
    finding = patient.finds("env.names", WARNING, "did you mean MONDAY_API_KEY?", "Rename")
    assert finding.affects == "MONDAY_API_KEYS"
    path.write_text("MONDAY_API_KEY=abc\n")
    patient.is_content("env.names")


def test_a_value_given_twice(patient: Patient):
    key = patient.home / "key"
    key.write_text("abc")
    finding = patient.finds("env.values", FAULT, "both set", "Correct", MONDAY_API_KEY_FILE=str(key))
    assert finding.affects == "MONDAY_API_KEY"
    found, code = patient.look("monday", MONDAY_API_KEY="", MONDAY_API_KEY_FILE=str(key))
    assert code == 2 and found["monday.key"][0].state is FAULT
    key.write_text(patient.env["MONDAY_API_KEY"])
    assert patient.look("monday", MONDAY_API_KEY="", MONDAY_API_KEY_FILE=str(key))[1] == 0


def test_a_value_that_the_environment_hides(patient: Patient):
    path = patient.home / ".env"
    path.write_text("MONDAY_API_URL=https://example.com/v2\n")
    patient.finds("env.hidden", NOTE, "MONDAY_API_URL stands in", "unset MONDAY_API_URL")
    assert patient.look("env.hidden")[1] == 0
    path.write_text("")
    patient.is_content("env.hidden")


def test_a_home_that_is_not_there(patient: Patient, tmp_path: Path):
    missing = tmp_path / "missing"
    finding = patient.finds("home.rights", FAULT, "no folder", "mkdir -p", MONDAY_SYNC_HOME=str(missing))
    os.system(finding.remedy.partition(",")[0])
    patient.is_content("home.rights", MONDAY_SYNC_HOME=str(missing))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc has no room")
def test_a_home_without_room(patient: Patient):
    finding = patient.finds("home.room", FAULT, "0.0 GB free", "MONDAY_SYNC_HOME", MONDAY_SYNC_HOME="/proc")
    assert finding.affects == "/proc"
    patient.is_content("home.room")


def test_another_package_than_tested(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as elsewhere:
        folder = tmp_path / "click-0.0.1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: click\nVersion: 0.0.1\n")
        elsewhere.syspath_prepend(str(tmp_path))
        patient.finds("python.packages", NOTE, "click 0.0.1", "pip install -r requirements.txt")
    patient.is_content("python.packages")


def test_a_mapping_file_that_is_wrong_leaves_the_rest_to_be_looked_at(patient: Patient):
    path = patient.home / "mappings" / "mine.yaml"
    path.parent.mkdir()
    path.write_text("entity: mine\nboard: {id: x}\n")
    patient.finds("mapping.files", FAULT, "mine.yaml", "docs/mappings.md")
    found, code = patient.look()
    assert code == 2 and found["pg.links"][0].state is OK and found["monday.key"][0].state is OK
    path.unlink()
    patient.is_content("mapping.files")


# monday.com


class Page(BaseHTTPRequestHandler):
    """Answers as a web site does that knows nothing of the API."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, kind, body = ANSWERS[self.path.strip("/").partition("/")[0]]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


ANSWERS = {
    "gone": (404, "text/plain", "not found"),
    "page": (200, "text/html", "<html>Welcome</html>"),
    "login": (401, "text/html", "<html>Who are you?</html>"),
    "json": (404, "application/json", '{"error": "no such route"}'),
    "other": (401, "application/json", '{"error": "unauthorized"}'),
    "text": (200, "text/plain", "ok"),
    "moved": (302, "text/html", ""),
}


@pytest.fixture
def site() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_address_that_is_not_the_api_is_not_taken_for_a_wrong_key(patient: Patient, site: str, answer: str):
    found, code = patient.look("monday", MONDAY_API_URL=f"{site}/{answer}")
    assert code == 2
    assert "is not the API" in found["monday.reach"][0].sentence, found["monday.reach"]
    assert "MONDAY_API_URL" in found["monday.reach"][0].remedy
    assert found["monday.key"][0].sentence == "not looked at, because monday.reach failed"
    patient.is_content("monday.reach")


def test_the_address_without_its_path(patient: Patient):
    url = patient.env["MONDAY_API_URL"].removesuffix("/v2")
    patient.finds("monday.reach", FAULT, "is not the API", "MONDAY_API_URL", MONDAY_API_URL=url)


def test_a_wrong_key_is_told_as_one(patient: Patient):
    found, code = patient.look("monday", MONDAY_API_KEY="wrong")
    assert code == 2 and found["monday.reach"][0].state is OK
    assert "MONDAY_API_KEY" in found["monday.key"][0].remedy
    patient.is_content("monday.key")


@pytest.mark.parametrize("kind", ["guest", "view_only"])
@pytest.mark.parametrize("version", ["2026-10", "2026-07", "2026-04"])
def test_the_key_of_a_guest_or_a_viewer(patient: Patient, kind: str, version: str):
    user = patient.sandbox.admin("users/add", name="Gus", email="gus@example.com", kind=kind)
    patient.sandbox.admin("tokens/add", token="other-token", user_id=user["id"])
    more = {"MONDAY_API_KEY": "other-token", "MONDAY_API_VERSION": version}
    patient.finds("monday.key", WARNING, f"key of Gus ({kind})", "token of a member", **more)
    patient.is_content("monday.key")


def test_the_key_of_an_agent(patient: Patient):
    user = patient.sandbox.admin("users/add", name="Bot", email="bot@example.com", kind="external_agent_member")
    patient.sandbox.admin("tokens/add", token="agent-token", user_id=user["id"])
    patient.finds("monday.key", WARNING, "an agent may", "personal token", MONDAY_API_KEY="agent-token")


def test_another_version_than_asked(patient: Patient):
    finding = patient.finds("monday.version", WARNING, "answers in", "MONDAY_API_VERSION", MONDAY_API_VERSION="2024-10")
    version = finding.remedy.split()[3].rstrip(",")
    patient.is_content("monday.version", MONDAY_API_VERSION=version)


def test_a_clock_that_is_wrong(patient: Patient):
    patient.sandbox.admin("clock/advance", seconds=3600)
    try:
        patient.finds("monday.clock", WARNING, "s apart", "timedatectl")
    finally:
        patient.sandbox.admin("clock/advance", seconds=-3600)
    patient.is_content("monday.clock")


def test_an_api_that_is_slow(patient: Patient):
    patient.sandbox.admin("latency", ms=2200)
    try:
        patient.finds("monday.latency", NOTE, "slow", "proxy")
    finally:
        patient.sandbox.admin("latency", ms=0)
    patient.is_content("monday.latency")


def test_a_day_with_fewer_calls_left_than_a_run_costs(patient: Patient):
    patient.finds("monday.budget", WARNING, "1 of 1 calls left today", "00:00 UTC", MONDAY_DAILY_CALLS="1")
    patient.is_content("monday.budget")
