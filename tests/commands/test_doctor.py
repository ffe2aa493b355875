"""Seeds a fault for each check of `doctor`: it is found and named with a remedy, and after the remedy nothing is left of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from db_connector import Database
from main import compose
from models import Finding, State
from sandbox import Sandbox
from settings import read_settings
from sync.operating.checks import all_checks
from sync.operating.doctor import Result, examine, selected, verdict, with_needs
from sync.operating.examined import Examined
from tests.kit.cli import settings_for

FAULT, WARNING, NOTE, OK = State.FAULT, State.WARNING, State.NOTE, State.OK


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards="users:5,projects:5") as sandbox:
        yield sandbox


@dataclass
class Patient:
    """Holds an installation that `doctor` looks at."""

    env: dict[str, str]
    db: Database
    sandbox: Sandbox
    home: Path
    run_cli: Callable[..., Any]

    def look(self, *slugs: str, **more: str) -> tuple[dict[str, list[Finding]], int]:
        """Returns the findings by slug, and the exit code."""
        results = self.results(*slugs, **more)
        return {result.check.slug: list(result.findings) for result in results}, verdict(results)

    def results(self, *slugs: str, **more: str) -> list[Result]:
        with closing(Examined(read_settings({**self.env, **more}, self.home))) as examined:
            checks = all_checks(examined, compose().checks)
            return list(examine(with_needs(checks, selected(checks, slugs)), str))

    def finds(self, slug: str, state: State, told: str, remedy: str, **more: str) -> Finding:
        """Checks that a slug tells of this with that remedy; returns the finding."""
        found = self.look(slug, **more)[0][slug]
        hits = [finding for finding in found if finding.state is state and told in finding.sentence]
        assert hits, found
        assert remedy in hits[0].remedy, hits[0]
        return hits[0]

    def is_content(self, slug: str, **more: str) -> None:
        found = self.look(slug, **more)[0][slug]
        assert {finding.state for finding in found} == {OK}, found

    def sql(self, statement: str) -> None:
        self.db.execute_query(statement, fetch=False)

    def main(self, *arguments: str, **more: str) -> Any:
        return self.run_cli(*arguments, env={**self.env, **more})


@pytest.fixture
def patient(sandbox: Sandbox, database_url: str, db: Database, home: Path, run_cli: Callable[..., Any]) -> Patient:
    env = settings_for(sandbox, database_url, MONDAY_SYNC_HOME=str(home))
    return Patient(env, db, sandbox, home, run_cli)


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


# PostgreSQL


@pytest.mark.parametrize(
    "url, code, told",
    [
        ("postgresql://a:secret-word@127.0.0.1:1/b", 1, "could not be reached"),
        ("mysql://a:secret-word@b/c", 2, "no address"),
        ("postgresql://a:secret-word@no-such-host.invalid/b", 2, "could not be reached"),
    ],
)
def test_a_database_that_cannot_be_reached_hides_what_depends_on_it(patient: Patient, url: str, code: int, told: str):
    found, ended = patient.look(DATABASE_URL=url)
    assert ended == code and told in found["pg.reach"][0].sentence and found["pg.reach"][0].remedy
    assert found["pg.version"][0].sentence == "not looked at, because pg.reach failed"
    assert found["monday.key"][0].state is OK
    assert "secret-word" not in str(found)
    patient.is_content("pg.reach")


def test_tables_that_are_missing(patient: Patient):
    patient.sql("drop table sync_intents")
    finding = patient.finds("pg.schema", FAULT, "sync_intents", "python main.py init-db")
    assert patient.main(*finding.remedy.split()[2:]).code == 0
    patient.is_content("pg.schema")


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
