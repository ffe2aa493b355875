"""Checks which requests the webhook handler lets in, which not, and that a refusal leaves nothing behind."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import jwt
import pytest
import requests

from db_connector import Database
from errors import SettingsError
from services.monday.webhook_signatures import Access, token_of
from terminal.web_server import CONNECTIONS, LARGEST_BODY, WebServer
from tests.kit.live import SECRET, Live, living, world
from tests.kit.shipped import CONTACTS, ORGANIZATIONS
from tests.kit.waiting import until
from webhook_handler import Bucket

EVENT = {"event": {"type": "update_column_value", "boardId": int(CONTACTS), "pulseId": 1, "triggerUuid": "t"}}


@pytest.fixture(scope="module")
def live(postgres, template, tmp_path_factory) -> Iterator[Live]:
    """Starts a daemon for all tests of this file: whatever is thrown at it, it has to stay up for the next."""
    import uuid

    name = f"test_{postgres.run}_{uuid.uuid4().hex[:12]}"
    postgres.create(name, template)
    db = Database(postgres.url(name))
    try:
        home = tmp_path_factory.mktemp("home")
        with world(db, postgres.url(name), home, "organizations:1,contacts:2") as here:
            with living(here, subscribe=False) as found:
                yield found
    finally:
        db.close()
        postgres.drop(name)


@pytest.fixture(autouse=True)
def nothing_is_left(live) -> Iterator[None]:
    """Checks that each test ends with the daemon up."""
    yield
    assert requests.get(f"{live.base}/livez", timeout=5).status_code == 200


def stored(live: Live) -> int:
    return int(live.world.value("select count(*) from sync_inbox"))


def signature(secret: str = SECRET, algorithm: str = "HS256", **claims: object) -> str:
    now = int(time.time())
    return jwt.encode({"iat": now, "exp": now + 300, "accountId": 1, **claims}, secret, algorithm=algorithm)


def signed(event: str = "t") -> dict[str, object]:
    return {"event": {**EVENT["event"], "triggerUuid": event}}


@pytest.mark.parametrize("prefix", ["", "Bearer ", "bearer "])
def test_a_good_signature_opens(live, prefix):
    answer = live.post(signed(f"good {prefix}"), Authorization=prefix + signature())
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "new": True})


def test_a_boards_token_opens_for_what_is_not_signed(live):
    assert live.event(type="update_name", pulseId=1, triggerUuid="by token").status_code == 200


def test_half_a_minute_of_wrong_clocks_is_forgiven(live):
    now = int(time.time())
    assert live.post(signed("skew 1"), Authorization=signature(exp=now - 30)).status_code == 200
    assert live.post(signed("skew 2"), Authorization=signature(iat=now + 30)).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"aud": "https://sync.example.com/webhook"},
        {"aud": ["https://a.example.com"]},
        {"aud": None},
        {"sub": 4711, "jti": 17},
        {"shortLivedToken": "x"},
        {"dat": {"user_id": 1}},
        {"exp": time.time() + 86_400.5},
    ],
)
def test_a_signature_is_good_whatever_else_it_claims(live, claims):
    body = {"event": {"type": "monday_sync_test", "boardId": int(CONTACTS), "triggerUuid": str(claims)}}
    assert live.post(body, Authorization=signature(**claims)).status_code == 200


def none_algorithm() -> str:
    return jwt.encode({"exp": int(time.time()) + 300}, "", algorithm="none")


FORGERIES = {
    "another secret": lambda: signature("another secret of thirty-two bytes and more"),
    "expired": lambda: signature(exp=int(time.time()) - 61),
    "long expired": lambda: signature(exp=1_600_000_000),
    "not yet": lambda: signature(nbf=int(time.time()) + 3600),
    "made in the future": lambda: signature(iat=int(time.time()) + 3600),
    "an end that is no time": lambda: signature(exp=True),
    "a beginning in words": lambda: signature(nbf="now"),
    "no beginning": lambda: signature(iat=None),
    "for ever": lambda: jwt.encode({"accountId": 1}, SECRET, algorithm="HS256"),
    "no algorithm": none_algorithm,
    "another algorithm": lambda: signature(SECRET * 2, "HS512"),
    "cut": lambda: signature()[:-4],
    "empty": lambda: "",
    "blanks": lambda: "Bearer   ",
    "the secret itself": lambda: SECRET,
    "not a token": lambda: "a.b.c",
    "no text": lambda: "\u00ff\u00fe",
    "very long": lambda: "x" * 8000,
    "very deep": lambda: base64.urlsafe_b64encode(b"[" * 12_000).decode() + ".e30.AAAA",
}


@pytest.mark.parametrize("name", FORGERIES)
@pytest.mark.parametrize("address", ["plain", "true token"])
def test_a_bad_signature_is_refused_at_any_address(live, name, address):
    before = stored(live)
    path = "/webhook" if address == "plain" else f"/webhook/{live.gate.token(CONTACTS)}"
    answer = requests.post(
        live.base + path, json=signed(name), headers={"Authorization": FORGERIES[name]().encode("latin-1")}, timeout=5
    )
    assert answer.status_code in (401, 429)
    assert stored(live) == before


@pytest.mark.parametrize(
    "path",
    [
        "/webhook",
        "/webhook/guess",
        "/webhook/" + "0" * 64,
        "/webhook/%00",
        "/webhook/%f0%9f%98%80",
        "/webhook/" + token_of("another secret", CONTACTS),
        "/webhook/" + token_of(SECRET, "4711"),
        "/webhook/" + token_of(SECRET, ORGANIZATIONS),
    ],
)
def test_without_a_signature_only_the_boards_own_token_opens(live, path):
    before = stored(live)
    assert live.post(signed("unsigned"), path).status_code in (401, 429)
    assert stored(live) == before


def test_a_challenge_is_answered_unsigned_and_again(live):
    for path in ("/webhook", f"/webhook/{live.gate.token(CONTACTS)}", "/webhook"):
        answer = live.post({"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}, path)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json() == {"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}


@pytest.mark.parametrize("challenge", [5, None, ["x"], {"a": 1}, "x" * 2000])
def test_what_is_no_challenge_is_not_echoed(live, challenge):
    assert live.post({"challenge": challenge}).status_code == 400


def test_a_challenge_is_no_way_past_the_gate(live):
    before = stored(live)
    assert live.post({"challenge": "x", **EVENT}).status_code in (401, 429)
    assert stored(live) == before


def test_a_replayed_request_is_stored_once(live):
    headers = {"Authorization": signature()}
    body = {"event": {"type": "monday_sync_test", "boardId": int(CONTACTS), "triggerUuid": "replayed"}}
    answers = [live.post(body, **headers).json()["new"] for _ in range(3)]
    assert answers == [True, False, False]
    rows = live.world.sql("select id from sync_inbox where trigger_id like '%%/replayed/%%'")
    assert len(rows) == 1
    until(lambda: live.world.value("select done_at from sync_inbox where id = %s", rows[0]["id"]))
    assert live.post(body, **headers).json()["new"] is False


def test_an_oversized_body_is_refused_unread(live):
    before = stored(live)
    body = b'{"event": "' + b"x" * (LARGEST_BODY + 1) + b'"}'
    url = f"{live.base}/webhook/{live.gate.token(CONTACTS)}"
    assert requests.post(url, data=body, timeout=10).status_code == 413
    assert requests.post(url, headers={"X-Long": "x" * 40_000}, data=b"{}", timeout=10).status_code == 431
    assert stored(live) == before


def raw(live: Live) -> socket.socket:
    where = urlsplit(live.base)
    return socket.create_connection((where.hostname, where.port), timeout=5)


def test_clients_that_never_finish_hold_no_other_up(live):
    before = stored(live)
    lines = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
    slow = [raw(live) for _ in range(60)]
    try:
        for index, connection in enumerate(slow):
            connection.sendall(lines if index % 2 else lines + b"\r\n{")
        assert live.event(type="update_name", pulseId=1, triggerUuid="meanwhile").status_code == 200
        for connection in slow:  # they are all still there
            connection.settimeout(0.01)
            with pytest.raises(TimeoutError):
                connection.recv(1)
    finally:
        for connection in slow:
            connection.close()
    assert stored(live) == before + 1


def test_more_clients_that_never_finish_than_the_house_holds_make_room(live):
    slow = [raw(live) for _ in range(CONNECTIONS + 100)]
    try:
        for index, connection in enumerate(slow):
            connection.sendall(b"POST /webhook HTTP/1.1\r\nX-Slow: " if index % 2 else b"P")
        assert live.event(type="update_name", pulseId=1, triggerUuid="in the crowd").status_code == 200
    finally:
        for connection in slow:
            connection.close()


def test_a_request_that_drips_is_dropped():
    server = WebServer(lambda environ, start: [], "127.0.0.1", 0, patience_s=0.3)
    server.open()
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname, where.port), timeout=5) as connection:
        connection.sendall(b"POST /webhook HTTP/1.1\r\n")
        dropped = False
        for _ in range(40):
            try:
                connection.sendall(b"X")
                time.sleep(0.05)
            except OSError:
                dropped = True
                break
        assert dropped or connection.recv(100) == b""
    server.close()


@pytest.mark.parametrize("host", ["no.such.invalid", "300.1.1.1", "192.0.2.1"])
def test_an_address_that_is_not_this_machines_cannot_be_listened_at(host):
    with pytest.raises(SettingsError, match=f"^{host}:8080 cannot be listened at \\([^()]*[^.]\\)\\.$") as refused:
        WebServer(lambda environ, start: [], host, 8080)
    assert "--host" in refused.value.hint


NOISE = {
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b""),
    "a version of tomorrow": (b"GET / HTTP/9.9\r\n\r\n", b"404"),
    "blank lines": (b"\r\n" * 50, b""),
    "a length below zero": (b"POST /webhook HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"400"),
    "no number": (b"POST /webhook HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
    "a broken chunk": (b"POST /webhook HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", b"400"),
}


@pytest.mark.parametrize("noise", NOISE)
def test_noise_on_the_socket_is_refused_or_ends_the_connection(live, noise):
    before, (sent, status) = stored(live), NOISE[noise]
    with raw(live) as connection:
        connection.settimeout(5)
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert answer.partition(b"\r\n")[0].partition(b" ")[2].partition(b" ")[0] == status
    assert stored(live) == before


@pytest.mark.parametrize("path", ["/", "/webhook", "/webhooks", "/sync/contacts", "/admin", "/static/x"])
def test_nothing_else_is_there_to_be_read(live, path):
    assert requests.get(live.base + path, timeout=5).status_code in (404, 405)


def test_too_many_refusals_are_refused_more_cheaply(live):
    statuses = {live.post({"event": {}}, "/webhook/guess").status_code for _ in range(150)}
    assert statuses <= {401, 429} and 429 in statuses
    assert live.event(type="update_name", pulseId=1, triggerUuid="after the flood").status_code == 200


def test_a_bucket_lets_through_what_its_rate_allows():
    now = [0.0]
    bucket = Bucket(2, 3, lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 1.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]


# The gate alone


def test_both_secrets_are_good_while_one_replaces_the_other():
    gate = Access("new secret of thirty-two bytes or more, " + SECRET, [CONTACTS])
    assert gate.signed(signature()) and gate.signed(signature("new secret of thirty-two bytes or more"))
    assert gate.board_of(token_of(SECRET, CONTACTS)) == CONTACTS
    assert gate.token(CONTACTS) == token_of("new secret of thirty-two bytes or more", CONTACTS)


def test_a_token_tells_neither_the_secret_nor_another_boards():
    assert token_of(SECRET, CONTACTS) != token_of(SECRET, ORGANIZATIONS)
    assert SECRET not in token_of(SECRET, CONTACTS) and len(token_of(SECRET, CONTACTS)) == 64


@pytest.mark.parametrize("secret", [None, "", " , "])
def test_without_a_secret_there_is_no_gate(secret):
    with pytest.raises(SettingsError):
        Access(secret, [CONTACTS])


def test_webhook_does_not_start_without_a_secret(run_cli, database_url):
    done = run_cli(
        "webhook",
        "--port",
        "0",
        env={"DATABASE_URL": database_url, "MONDAY_API_KEY": "key", "MONDAY_BOARD_ID_CONTACTS": CONTACTS},
    )
    assert done.code == 2 and "MONDAY_WEBHOOK_SECRET" in done.err and done.out == ""


def test_secrets_stand_in_no_log(live, caplog):
    live.post(signed("logged"), Authorization=signature("another secret of thirty-two bytes and more"))
    live.event(type="update_name", pulseId=1, triggerUuid="logged too")
    text = caplog.text
    assert SECRET not in text and live.gate.token(CONTACTS) not in text and "eyJ" not in text
