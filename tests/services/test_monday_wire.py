"""Checks what the client sends, and what it does over a connection that breaks."""

from __future__ import annotations

import gzip
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from errors import MondayRefused, MondayUnavailable, SettingsError
from models import Columns
from monday_api import ImportJob, Limits, Monday, ReadOptions
from sandbox.monday.graph.schema import text_for
from services.monday import queries
from tests.kit.clocks import MovingClock
from tests.kit.scripted import CHANGE, ME, TOKEN, URL, failed, first_page, item_json, ok
from tests.kit.shipped import PROJECT

OFFICIAL = [Path(path) for path in os.environ.get("MONDAY_OFFICIAL_SCHEMA", "").split(os.pathsep) if path]
"""The official schemas, if there are any."""


# What is sent


def test_each_call_carries_the_raw_token_and_the_pinned_version(monday):
    client, script = monday(ME)
    client.account.me()
    sent = script.asked[0].headers
    assert (sent["Authorization"], sent["API-Version"], sent["Content-Type"]) == (TOKEN, "2026-10", "application/json")
    assert "gzip" in sent["Accept-Encoding"]
    assert "Idempotency-Key" not in sent


def test_values_travel_as_variables_and_never_in_the_text(monday):
    client, script = monday(first_page(item_json(1, "a")))
    list(client.pages(7, Columns(("a",)), ReadOptions(query_params={"rules": []})))
    assert script.variables[0] == {"board": ["7"], "columns": ["a"], "limit": 500, "filter": {"rules": []}}
    assert '"7"' not in script.bodies[0]["query"]


def test_every_mutation_carries_a_key_of_its_own(monday):
    client, script = monday(ok({"a0": {"id": "1"}, "a1": {"id": "2"}}))
    client.run(CHANGE)
    client.mutate(CHANGE, {})
    client.run("  # a comment first\n" + CHANGE)
    keys = [request.headers["Idempotency-Key"] for request in script.asked]
    assert len(set(keys)) == 3 and all(keys)


def test_a_text_with_half_a_surrogate_pair_can_be_sent_and_read(monday):
    client, script = monday((200, {}, '{"data":{"me":{"id":"1","name":"broken \\ud83d end","account":null}}}'))
    assert client.account.me().name == "broken \ud83d end"
    client.run(CHANGE, {"text": "half \ud83d"})
    assert script.variables[1]["text"] == "half \ud83d"


def test_the_token_is_in_no_log_line_error_or_repr(monday, caplog):
    caplog.set_level(logging.DEBUG)
    client, script = monday(failed("NOT_AUTHENTICATED", f"Bad key {TOKEN}", http=401))
    with pytest.raises(MondayRefused) as refused:
        client.account.me()
    shown = [refused.value.__cause__, client, client._caller.line.wire]
    seen = [str(refused.value), repr(refused.value), *map(repr, shown)]
    assert TOKEN not in " ".join(seen + [record.getMessage() for record in caplog.records])
    assert "***" in str(refused.value)


@pytest.mark.parametrize("token", ["", "   ", "two\nlines", "schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(token):
    with pytest.raises(SettingsError) as refused:
        Monday(token=token, url=URL)
    assert token.strip() == "" or token not in str(refused.value)


def test_another_version_that_answers_is_warned_about_once(monday, caplog):
    events = []
    client, _ = monday(ok(ME[2]["data"], **{"Api-Version": "2027-01"}), on_event=lambda *event: events.append(event))
    client.account.me()
    client.account.me()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["monday.com answers with API version 2027-01; the tool is written for 2026-10."]
    assert [facts for name, facts in events if name == "version"] == [{"pinned": "2026-10", "answered": "2027-01"}]


@pytest.mark.parametrize("schema", [*OFFICIAL, "2026-07", "2026-10"], ids=str)
def test_every_query_text_is_valid_in_the_schema(schema):
    """The sandbox's schemas are a part of the official ones; MONDAY_OFFICIAL_SCHEMA names files of those too."""
    from graphql import build_schema, parse, validate

    schema = build_schema(schema.read_text(encoding="utf-8") if isinstance(schema, Path) else text_for(schema))
    selection = "id type text value ... on StatusValue { index label } ... on MirrorValue { display_value }"
    texts = []
    for name, value in vars(queries).items():
        if name.endswith("_BEFORE_2026_07"):  # sent to earlier versions only
            continue
        if isinstance(value, queries.ManyMutation):
            texts += [value.text(1), value.text(25, selection, True)]
        elif name.isupper() and isinstance(value, str) and value.lstrip().startswith(("query", "mutation")):
            every = [(selection, True), (selection, True, False), ("", False), (selection, False)]
            cells = every if "ITEM }" in value else [("", False)]
            texts += [queries.with_item(value, *cell) for cell in cells]
    assert len(texts) > 25
    for text in texts:
        assert validate(schema, parse(text)) == [], text


# Over a real socket


class RawServer:
    """Answers each connection's requests with the bytes it was given, and closes when told to."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.connections = 0
        self.heads = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/v2"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while self.answers:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection, connection.makefile("rb") as stream:
                while self.answers and self.answer_one(connection, stream):
                    pass

    def answer_one(self, connection, stream):
        length, head = 0, b""
        while (line := stream.readline()).strip():
            head += line
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        stream.read(length)
        if not line:
            return False
        self.heads.append(head)
        answer = self.answers.pop(0)
        connection.sendall(answer)
        return answer.startswith(b"HTTP") and b"CUT" not in answer


def http(body, extra="", length=None, status="200 OK"):
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length or len(body)}\r\n{extra}\r\n"
    )
    return head.encode() + body


@pytest.fixture
def raw():
    servers = []

    def serve(*answers, **options):
        servers.append(RawServer(*answers))
        client = Monday(token=TOKEN, url=servers[-1].url, clock=MovingClock(), limits=Limits(**options))
        return client, servers[-1]

    yield serve
    for server in servers:
        server.socket.close()


ANN = json.dumps(ME[2]).encode()


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"not http at all",
        http(ANN[:30] + b"CUT", length=len(ANN)),
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"dat\r\nCUT',
        http(b"\x1f\x8bCUT no gzip", "Content-Encoding: gzip\r\n"),
    ],
    ids=["closed", "no http", "half a body", "half a chunk", "broken gzip"],
)
def test_a_connection_that_breaks_is_made_again(raw, broken):
    client, server = raw(broken, http(ANN))
    with client:
        assert client.account.me().name == "Ann"
    assert server.connections == 2


def test_an_upload_takes_the_proxy_that_every_call_takes_and_no_key(raw, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine upload.test login ann password crit\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    client, proxy = raw(http(b""))
    monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v2"))
    client.imports.upload(ImportJob("j", upload_url="http://upload.test/x?sig=1"), ["name"], [["A"]])
    assert proxy.heads[0].startswith(b"PUT http://upload.test/x?sig=1 HTTP/1.1\r\n")
    assert b"authorization" not in proxy.heads[0].lower()


def test_an_upload_takes_the_certificates_that_every_call_takes(raw, monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    client, server = raw(http(b""))
    with pytest.raises(MondayUnavailable):
        url = server.url.replace("http:", "https:")
        client.imports.upload(ImportJob("j", upload_url=url), ["name"], [["A"]])
    assert server.connections == 0


def test_one_connection_serves_many_calls(raw):
    client, server = raw(*[http(ANN)] * 5)
    with client:
        for _ in range(5):
            client.account.me()
    assert server.connections == 1


def test_bodies_may_be_packed(raw):
    client, _ = raw(http(gzip.compress(ANN), "Content-Encoding: gzip\r\n"))
    with client:
        assert client.account.me().name == "Ann"


def test_a_server_that_does_not_answer_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v2"
        limits = Limits(give_up_after=1, timeout=(0.2, 0.2))
        with Monday(token=TOKEN, url=url, clock=MovingClock(), limits=limits) as client:
            with pytest.raises(MondayUnavailable):
                client.account.me()


def test_importing_the_client_is_cheap_and_brings_no_requests():
    code = "import sys, monday_api; print('requests' in sys.modules, 'urllib3' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]
