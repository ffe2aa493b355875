"""Runs `main.py doctor`: its exit codes, its JSON, what it blanks, what it mends, how much it asks and how long it takes."""

from __future__ import annotations

import json
import re
import shutil
import socket
import time
from collections.abc import Iterator

import pytest

from models import State
from sandbox import Sandbox
from sync.operating.check import Check, ok
from sync.operating.doctor import examine, selected, verdict
from tests.kit.cli import on_a_terminal
from tests.kit.patient import Patient
from tests.kit.shipped import PROJECT


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards="users:5,projects:5") as sandbox:
        yield sandbox


def test_an_installation_in_order_is_told_so_in_time_and_in_few_calls(patient: Patient):
    patient.sandbox.admin("requests/reset")
    done = patient.main("doctor")
    took = float(re.search(r" in ([\d.]+) s: ", done.out)[1])  # type: ignore[index]
    assert done.code == 0 and done.err == "", done
    assert took <= 3
    assert len(patient.sandbox.admin("requests")) <= 4
    assert patient.env["MONDAY_API_KEY"] not in done.out
    assert "settings from the environment: DATABASE_URL, MONDAY_API_KEY, " in done.out


def test_the_file_of_each_setting_is_told_and_no_value(patient: Patient):
    (patient.home / "key").write_text(patient.env.pop("MONDAY_API_KEY"))
    path = patient.home / ".env"
    path.write_text("MONDAY_API_KEY_FILE=key\nMONDAY_DAILY_CALLS=54321\n")
    path.chmod(0o600)
    out = patient.main("doctor", "env").out
    assert f"settings from {path}: MONDAY_DAILY_CALLS\n" in out
    assert f"settings from {patient.home / 'key'}: MONDAY_API_KEY\n" in out
    assert "54321" not in out


def test_json_is_one_object_of_findings(patient: Patient):
    done = patient.main("doctor", "--json", PORT="eighty")
    found = json.loads(done.out)
    assert done.code == found["exit_code"] == 2
    assert set(found) == {"facts", "findings", "seconds", "exit_code"}
    wrong = next(finding for finding in found["findings"] if finding["state"] == "fault")
    assert set(wrong) == {"slug", "state", "sentence", "affects", "remedy", "group", "looked", "seconds"}
    assert (wrong["slug"], wrong["affects"]) == ("env.values", "PORT")


def test_a_shared_report_has_no_id_host_name_or_path(patient: Patient):
    private = ["5764059860", "6727219152", str(patient.home), "127.0.0.1", "STAFF BOARD", str(PROJECT)]
    private += ["Loremworth", "example-roofing", "/dev/shm"]
    for arguments in (("--share",), ("--share", "--json")):
        out = patient.main("doctor", *arguments, WEBHOOK_BASE_URL="http://hooks.example.com").out
        assert "board.users" in out and "PostgreSQL" in out
        assert [word for word in (*private, "hooks.example") if word in out] == []


@pytest.mark.parametrize(
    "more, private",
    [
        ({"DATABASE_URL": "postgresql://zebulon@db.acme.invalid:5433/ledger"}, ("acme", "ledger", "5433", "zebulon")),
        ({"DATABASE_URL": "postgresql://zebulon@127.0.0.1:1/ledger"}, ("127.0.0.1", "ledger")),
        ({"DATABASE_URL": "postgresql://zebulon@[::1]:1/ledger"}, ("::1", "ledger")),
        ({"MONDAY_API_URL": "http://api.acme.invalid/v2"}, ("acme",)),
        ({"MONDAY_BOARD_ID_USERS": "acme"}, ("acme",)),
        ({"MONDAY_BOARD_ID_USERS": "4711"}, ("4711",)),
        ({"WEBHOOK_BASE_URL": "http://hooks.acme.invalid"}, ("acme",)),
    ],
)
def test_what_cannot_be_reached_is_not_named_in_a_shared_report(patient: Patient, more, private):
    (patient.home / "mappings").mkdir()
    (patient.home / "mappings" / "ours.yaml").write_text(
        "entity: secret_deals\nboard: {id: 6727219152}\ntable: dark_table\nfields:\n  - {column: name, field: name}\n"
    )
    out = patient.main("doctor", "--share", **more).out
    assert "<home>" in out
    assert [word for word in (*private, "secret_deals", "dark_table") if word in out] == []


def test_without_an_address_no_server_is_made(patient: Patient):
    done = patient.main("doctor", "pg", "--json", DATABASE_URL="")
    first = json.loads(done.out)["findings"][0]
    assert (done.code, first["slug"], first["remedy"]) == (2, "pg.reach", "python main.py init-db")
    assert not (patient.home / "data" / "postgres").exists()


def test_only_what_is_named_is_looked_at(patient: Patient):
    done = patient.main("doctor", "pg.clock", "triggers.users", "--json")
    assert {finding["slug"] for finding in json.loads(done.out)["findings"]} == {"pg.clock", "triggers.users"}
    done = patient.main("doctor", "--entity", "users", "--json")
    groups = {finding["group"] for finding in json.loads(done.out)["findings"]}
    assert "users" in groups and "projects" not in groups
    done = patient.main("doctor", "no.such")
    assert done.code == 2 and "There is no check no.such" in done.err and "--list" in done.err
    assert patient.main("doctor", "--entity", "no_such").code == 2


def test_offline_asks_neither_side(patient: Patient):
    env = {"DATABASE_URL": "postgresql://127.0.0.1:1/a", "MONDAY_API_URL": "http://127.0.0.1:1/v2"}
    done = patient.main("doctor", "--offline", **env)
    assert done.code == 0 and "PostgreSQL " not in done.out and "python.packages" not in done.out


def test_the_gravest_fault_decides_the_exit_code(patient: Patient):
    away = {"DATABASE_URL": "postgresql://a@127.0.0.1:1/b"}
    assert patient.main("doctor", **away, MONDAY_API_KEY="wrong").code == 1
    assert patient.main("doctor", MONDAY_API_KEY="wrong").code == 2
    assert patient.main("doctor", MONDAY_API_KEYS="wrong").code == 3


def test_what_can_be_repeated_without_harm_is_mended_after_a_question(patient: Patient):
    patient.sql("drop table sync_intents")
    done = patient.main("doctor", "--fix")
    assert done.code == 2 and "--fix would run: python main.py init-db" in done.err and "--yes" in done.err
    code, shown = on_a_terminal(["doctor", "--fix", "pg.schema"], ["n"], patient.env)
    assert code == 2 and "Run python main.py init-db?" in shown
    done = patient.main("doctor", "--fix", "--yes")
    assert done.code == 0, done
    assert "python main.py init-db: done." in done.out and "python main.py setup: done." in done.out
    assert "sync_intents" not in done.out.rpartition("init-db: done.")[2]
    done = patient.main("doctor", "--fix", "--yes", "pg")
    assert done.code == 0 and "Nothing of this can be mended by --fix" in done.out


def test_every_check_is_in_the_table_of_the_docs(patient: Patient):
    text = (PROJECT / "docs" / "doctor.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([a-z_.]+(?:<entity>|<sync>)?)` \|", text, re.M))
    (patient.home / "config").mkdir()
    shutil.copy(PROJECT / "config" / "sync_mappings.example.yml", patient.home / "config" / "sync_mappings.yml")
    listed = json.loads(patient.main("doctor", "--list", "--json").out)["checks"]
    entities = {"users", "projects", "contacts", "organizations"}
    slugs = {re.sub(rf"\.({'|'.join(entities)})$", ".<entity>", check["slug"]) for check in listed}
    assert told == {re.sub(r"\.(customers_sync|orders_sync)$", ".<sync>", slug) for slug in slugs}


@pytest.fixture
def silent() -> Iterator[int]:
    """Listens on a port and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_what_never_answers_is_left_in_time(patient: Patient, silent: int):
    began = time.monotonic()
    found, code = patient.look(
        MONDAY_API_URL=f"http://127.0.0.1:{silent}/v2", DATABASE_URL=f"postgresql://a@127.0.0.1:{silent}/b"
    )
    assert code == 1 and time.monotonic() - began < 15
    for slug in ("pg.reach", "monday.reach"):
        assert found[slug][0].state is State.FAULT and found[slug][0].remedy, found[slug]
    assert found["board.users"][0].sentence == "not looked at, because monday.reach failed"


# What a check may do


def seen(*checks: Check) -> list[tuple[str, State, str]]:
    return [
        (result.check.slug, finding.state, finding.sentence)
        for result in examine(checks, lambda text: text.replace("secret", "***"))
        for finding in result.findings
    ]


def test_a_check_that_crashes_or_hangs_is_a_finding_and_the_others_go_on():
    def crash() -> list[object]:
        raise ZeroDivisionError("the secret")

    checks = [
        Check("a.crash", "a", crash),  # type: ignore[arg-type]
        Check("a.hangs", "a", lambda: time.sleep(5) or [], patience_s=0.1),  # type: ignore[func-returns-value]
        Check("a.needs", "a", lambda: [ok("never")], ("a.hangs",)),
        Check("a.more", "a", lambda: [ok("never")], ("a.needs",)),
        Check("a.fine", "a", lambda: [ok("fine")]),
    ]
    found = seen(*checks)
    assert found[0][1] is State.FAULT and "(ZeroDivisionError): the ***" in found[0][2]
    assert found[1][1:] == (State.FAULT, "It gave no answer within 0.1 s, and was left.")
    assert found[2][2] == found[3][2] == "not looked at, because a.hangs failed"
    assert found[4][1] is State.OK
    assert verdict(examine(checks, str)) == 1
    assert [check.slug for check in selected(checks, ["a.f", "a.crash"])] == ["a.crash", "a.fine"]
