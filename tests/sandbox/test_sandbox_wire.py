"""Checks HTTP, headers, versions and the shapes of errors."""

import http.client
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from sandbox.__main__ import arguments
from sandbox.client import Admin

ROOT = Path(__file__).resolve().parents[2]


def test_the_command_prints_its_url_first_and_ends_at_once_on_sigterm():
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", "0", "--boards", "users:3", "--token", "t-1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    url = process.stdout.readline().strip()
    assert process.stdout.readline().strip() == f"MONDAY_API_URL={url}/v2"
    assert Admin(url, "t-1").query("{me{id}}")["data"]["me"]["id"]
    with requests.Session() as held, process:
        held.post(f"{url}/v2", json={"query": "{me{id}}"}, headers={"Authorization": "t-1"})
        process.terminate()
        assert process.wait(timeout=5) == 0


def test_an_unknown_board_name_is_refused_with_exit_2():
    done = subprocess.run([sys.executable, "-m", "sandbox", "--boards", "nonsense:3"], cwd=ROOT, capture_output=True)
    assert done.returncode == 2
    assert b"nonsense" in done.stderr


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_without_the_token_nothing_is_answered(shared, token):
    answer = shared.raw("{me{id}}", {"Authorization": token})
    assert answer.status_code == 401
    assert answer.json()["errors"] == [{"message": "Not authenticated", "extensions": {"code": "NOT_AUTHENTICATED"}}]


def test_bearer_before_the_token_is_tolerated(shared):
    assert shared.raw("{me{id}}", {"Authorization": f"Bearer {shared.sandbox.token}"}).status_code == 200


def test_every_answer_names_version_and_request(shared):
    answer = shared.raw("{me{id}}")
    assert answer.headers["Api-Version"] == "2026-10"
    assert answer.headers["X-Request-Id"] == answer.json()["extensions"]["request_id"]


@pytest.mark.parametrize(
    "asked, answered",
    [
        (None, "2026-10"),
        ("2025-10", "2025-10"),
        ("2024-10", "2026-07"),
        ("2031-01", "2026-10"),
    ],
)
def test_versions_answer_as_documented(shared, asked, answered):
    assert shared.raw("{me{id}}", {"API-Version": asked}).headers["Api-Version"] == answered


def test_a_malformed_version_is_an_error(shared):
    assert shared.code("{me{id}}", {"API-Version": "2023"}) == "InvalidVersionException"


def test_import_exists_only_from_2026_07(shared):
    text = 'mutation{ingest_items(board_id:1,group_id:"topics"){job_id}}'
    errors = shared(text, {"API-Version": "2026-04"})["errors"]
    assert errors[0]["message"].startswith('Cannot query field "ingest_items" on type "Mutation".')
    assert shared.code(text) == "InvalidBoardIdException"


def test_typed_settings_exist_only_from_2025_10(shared):
    text = "{boards{columns{settings}}}"
    assert "errors" in shared(text, {"API-Version": "2025-07"})
    assert "errors" not in shared(text, {"API-Version": "2025-10"})


def test_the_status_of_users_came_with_2026_07(shared):
    for text in ("{users{status}}", "{users(status:[ACTIVE]){id}}"):
        assert "errors" in shared(text, {"API-Version": "2026-04"})
        assert "errors" not in shared(text)


def test_a_closed_sandbox_answers_no_more_on_kept_connections(start):
    client = start("empty:0")
    client.data("{me{id}}")
    client.sandbox.close()
    with pytest.raises(requests.ConnectionError):
        client.raw("{me{id}}")


def test_validation_errors_have_no_code_and_no_data(shared):
    answer = shared.raw("{boards{nope}}")
    assert answer.status_code == 200
    assert answer.json()["errors"][0]["message"].startswith('Cannot query field "nope" on type "Board".')
    assert "extensions" not in answer.json()["errors"][0]
    assert "data" not in answer.json()


@pytest.mark.parametrize(
    "body, status",
    [
        ("{", 400),
        ("[]", 400),
        ('{"query": "{me{id}}", "variables": "{}"}', 400),
        ('{"query": "{me{id}"}', 200),
    ],
)
def test_bodies_that_are_no_request(shared, body, status):
    answer = shared.raw("", body=body)
    assert answer.status_code == status
    assert answer.json()["errors"]


def test_an_id_that_is_no_number_makes_monday_stumble(shared):
    error = shared('{boards(ids:["x"]){id}}')["errors"][0]
    assert error["extensions"]["error_code"] == "INTERNAL_SERVER_ERROR"


def test_an_error_names_its_field_and_the_rest_stands(shared):
    found = shared("mutation{a:archive_item(item_id:123){id} complexity{query}}")
    assert found["data"]["a"] is None and found["data"]["complexity"]
    assert found["errors"][0] == {
        "message": "Item not found",
        "locations": [{"line": 1, "column": 10}],
        "path": ["a"],
        "extensions": {
            "code": "InvalidItemIdException",
            "status_code": 200,
            "error_data": {"item_id": 123},
            "service": "monolith",
        },
    }


def test_a_connection_serves_many_requests(shared):
    url = urlsplit(shared.sandbox.url)
    connection = http.client.HTTPConnection(url.hostname, url.port)
    connection.auto_open = 0  # it must not open another one
    connection.connect()
    for _ in range(3):
        connection.request("POST", "/v2", '{"query": "{me{id}}"}', {"Authorization": shared.sandbox.token})
        assert b'"me"' in connection.getresponse().read()
    connection.close()


def test_introspection_answers_with_the_true_schema(shared):
    found = shared.data('{__type(name:"Item"){fields{name type{kind}}}}')
    kinds = {f["name"]: f["type"]["kind"] for f in found["__type"]["fields"]}
    assert kinds["column_values"] == "NON_NULL"


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments(["--port", port])
    assert ended.value.code == 2 and "argument --port" in capsys.readouterr().err
