"""Checks `webhooks register|list|repair|delete|test`: exactly the needed subscriptions, and where deliveries get stuck."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from db_connector import Database
from monday_api import Monday
from realtime.probe import Probe
from realtime.subscriptions import NEEDED, Step, Subscriptions
from services.monday.webhook_signatures import Access, token_of
from state.turns import working_on
from tests.kit.live import BOARDS, SECOND_PROFILE, SECRET, LiveWorld, living, subscribe_to, world
from tests.kit.shipped import CONTACTS, MAPPINGS, PROJECT

CREATE = "mutation($b:ID!,$u:String!,$e:WebhookEventType!){create_webhook(board_id:$b,url:$u,event:$e){id}}"
SUBSCRIBABLE = re.compile(r"enum WebhookEventType \{(.*?)\}", re.S)


class Echo(BaseHTTPRequestHandler):
    """Answers challenges, as a program that listens at the address does."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def here(db: Database, database_url: str, home: Path) -> Iterator[LiveWorld]:
    with world(db, database_url, home, "organizations:1,contacts:2") as found:
        yield found


class Kept:
    """Holds the subscriptions of the contacts' board."""

    def __init__(self, here: LiveWorld, base: str) -> None:
        self.here = here
        self.monday = Monday(token=here.sandbox.token, url=here.sandbox.graphql_url)
        self.all = Subscriptions(here.db, self.monday, Access(SECRET, BOARDS.values()), base and f"{base}/webhook")

    def register(self) -> list[str]:
        return self._told(self.all.register(MAPPINGS["contacts"], CONTACTS))

    def plan(self) -> list[str]:
        return self._told(self.all.plan(MAPPINGS["contacts"], CONTACTS))

    def delete(self) -> list[str]:
        return self._told(self.all.delete(MAPPINGS["contacts"], CONTACTS))

    def _told(self, steps: list[Step]) -> list[str]:
        assert not [step.problem for step in steps if step.problem]
        return [f"{step.action} {step.event}" for step in steps]

    def there(self) -> list[dict[str, Any]]:
        return self.here.sandbox.admin("webhooks")


@pytest.fixture
def kept(here: LiveWorld, address: str) -> Iterator[Kept]:
    found = Kept(here, address)
    yield found
    found.monday.close()


def test_all_needed_events_are_ones_that_monday_knows():
    schema = PROJECT / "sandbox" / "monday" / "graph" / "schema.graphql"
    known = SUBSCRIBABLE.search(schema.read_text(encoding="utf-8"))
    assert known and set(NEEDED) <= set(known[1].split())


def test_register_makes_each_needed_webhook_once(kept):
    assert kept.register() == [f"create {event}" for event in NEEDED]
    assert sorted(hook["event"] for hook in kept.there()) == sorted(NEEDED)
    assert {hook["url"].rpartition("/")[2] for hook in kept.there()} == {token_of(SECRET, CONTACTS)}
    before = kept.there()
    assert kept.register() == [f"keep {event}" for event in NEEDED]
    assert kept.there() == before


def test_a_plan_changes_nothing(kept):
    assert kept.plan() == [f"create {event}" for event in NEEDED]
    assert kept.there() == [] and kept.here.value("select count(*) from sync_state where name like 'webhooks:%%'") == 0


def test_webhooks_of_others_are_left_alone(kept, address):
    kept.here.sandbox.query(CREATE, b=CONTACTS, u=f"{address}/theirs", e="create_update")
    assert "foreign create_update" in kept.register()
    kept.delete()
    assert [hook["url"] for hook in kept.there()] == [f"{address}/theirs"]


def test_a_subscription_that_is_in_the_way_is_said_and_removed_on_demand_only(kept, address):
    kept.here.sandbox.query(CREATE, b=CONTACTS, u=f"{address}/theirs", e="change_name")
    problems = [step.problem for step in kept.all.register(MAPPINGS["contacts"], CONTACTS) if step.problem]
    assert len(problems) == 1 and "--take-over" in problems[0]
    assert f"{address}/theirs" in [hook["url"] for hook in kept.there()]
    kept.all.register(MAPPINGS["contacts"], CONTACTS, take_over=True)
    assert sorted(hook["event"] for hook in kept.there()) == sorted(NEEDED)
    assert f"{address}/theirs" not in [hook["url"] for hook in kept.there()]


def test_a_subscription_that_disappeared_is_made_again_and_the_others_stay(kept):
    kept.register()
    gone = kept.there()[2]
    kept.here.sandbox.admin("webhooks/remove", id=gone["id"])
    assert [step for step in kept.register() if not step.startswith("keep")] == [f"create {gone['event']}"]
    assert sorted(hook["event"] for hook in kept.there()) == sorted(NEEDED)


def test_a_new_address_replaces_every_webhook(kept, here, address):
    kept.register()
    moved = Kept(here, address + "/elsewhere")
    steps = moved.register()
    moved.monday.close()
    assert len([step for step in steps if step.startswith("create")]) == len(NEEDED)
    assert len([step for step in steps if step.startswith("delete")]) == len(NEEDED)
    assert len(kept.there()) == len(NEEDED) and all("/elsewhere/" in hook["url"] for hook in kept.there())


def test_a_webhook_whose_making_was_cut_off_is_found_again(kept):
    kept.register()
    state = kept.here.value("select value from sync_state where name = %s", f"webhooks:{CONTACTS}")
    state["change_name"]["id"] = None  # killed between monday's answer and the commit
    kept.here.change("update sync_state set value = %s where name = %s", json.dumps(state), f"webhooks:{CONTACTS}")
    before = kept.there()
    assert kept.register() == [f"keep {event}" for event in NEEDED]
    assert kept.there() == before


def test_a_subscription_whose_making_was_cut_off_before_it_was_made_is_made(kept):
    kept.register()
    hook = next(hook for hook in kept.there() if hook["event"] == "change_name")
    state = kept.here.value("select value from sync_state where name = %s", f"webhooks:{CONTACTS}")
    state["change_name"]["id"] = None
    kept.here.change("update sync_state set value = %s where name = %s", json.dumps(state), f"webhooks:{CONTACTS}")
    kept.here.sandbox.admin("webhooks/remove", id=hook["id"])
    assert "create change_name" in kept.register()
    assert sorted(hook["event"] for hook in kept.there()) == sorted(NEEDED)


def test_delete_removes_all_and_can_be_repeated(kept):
    kept.register()
    assert len(kept.delete()) == len(NEEDED)
    assert kept.there() == [] and kept.delete() == []


# The command line


def run(run_cli, here: LiveWorld, address: str, *words: str) -> Any:
    env = {**here.environment, "WEBHOOK_BASE_URL": address}
    return run_cli("webhooks", *words, "--entity", "contacts", env=env)


def test_the_commands_show_what_there_is_and_what_they_did(run_cli, here, address):
    assert run(run_cli, here, address, "list").code == 3
    planned = run(run_cli, here, address, "register", "--dry-run", "--json")
    assert {step["action"] for step in json.loads(planned.out)["webhooks"]} == {"create"}
    done = run(run_cli, here, address, "register")
    assert done.code == 0 and done.out.count("made") == len(NEEDED)
    listed = run(run_cli, here, address, "list", "--json")
    assert listed.code == 0 and {step["action"] for step in json.loads(listed.out)["webhooks"]} == {"keep"}
    assert run(run_cli, here, address, "repair").code == 0
    assert SECRET not in done.out + done.err and token_of(SECRET, CONTACTS) not in done.out + done.err


@pytest.mark.parametrize("command", ["register", "repair", "list", "delete"])
def test_a_board_that_is_refused_keeps_no_other_from_its_webhooks(run_cli, here, address, command):
    subscribe_to(here, address, frozenset(BOARDS.values()))
    if command != "delete":
        for hook in here.sandbox.admin("webhooks"):
            here.sandbox.admin("webhooks/remove", id=hook["id"])
    here.sandbox.admin(
        "faults/add",
        kind="error",
        match={"field": "webhooks"},
        count=1,
        code="USER_UNAUTHORIZED",
        message="User unauthorized to perform action",
        status=403,
    )
    entities = [word for name in SECOND_PROFILE for word in ("--entity", name)]
    done = run_cli("webhooks", command, "--json", *entities, env={**here.environment, "WEBHOOK_BASE_URL": address})
    steps = json.loads(done.out)["webhooks"]
    (refused,) = [step for step in steps if step["problem"]]
    assert done.code == 2 and (refused["action"], refused["event"]) == ("none", "")
    assert refused["board_id"] in BOARDS.values() and "unauthorized" in refused["problem"]
    others = [step for step in steps if step["board_id"] != refused["board_id"]]
    assert [step["action"] for step in others] == ["delete" if command == "delete" else "create"] * len(NEEDED)
    assert len(here.sandbox.admin("webhooks")) == (0 if command == "list" else len(NEEDED))


def test_when_monday_is_away_the_boards_are_not_tried_one_after_another(run_cli, here, address):
    here.sandbox.admin("faults/add", kind="html_503", count=1000)
    entities = [word for name in SECOND_PROFILE for word in ("--entity", name)]
    env = {**here.environment, "WEBHOOK_BASE_URL": address, "MONDAY_GIVE_UP_AFTER": "1"}
    done = run_cli("webhooks", "register", "--json", *entities, env=env)
    problems = [step["problem"] for step in json.loads(done.out)["webhooks"]]
    assert done.code == 1 and len(problems) == 2 and problems[1] == "not done"


def test_an_address_that_answers_no_challenge_is_said(run_cli, here):
    done = run(run_cli, here, "http://127.0.0.1:9", "register")
    assert done.code == 1 and "main.py webhook" in done.out.replace("\n", " ")
    assert here.sandbox.admin("webhooks") == []


def test_without_an_address_nothing_is_registered(run_cli, here):
    done = run_cli("webhooks", "register", "--entity", "contacts", env=here.environment)
    assert done.code == 2 and "WEBHOOK_BASE_URL" in done.err


# Where it gets stuck


def stages(run_cli, here: LiveWorld, address: str, **env: str) -> tuple[int, list[dict[str, Any]]]:
    environment = {**here.environment, "WEBHOOK_BASE_URL": address, **env}
    done = run_cli("webhooks", "test", "--entity", "contacts", "--json", env=environment)
    return done.code, json.loads(done.out)["stages"]


def test_a_test_event_passes_every_stage_of_a_daemon_that_works(run_cli, here):
    with living(here, subscribe=False) as live:
        code, passed = stages(run_cli, here, live.base)
        assert code == 0 and [stage["ok"] for stage in passed] == [True] * 6
        code, passed = stages(run_cli, here, live.base, MONDAY_WEBHOOK_SECRET="another secret of thirty-two bytes")
        assert (
            code == 1
            and passed[-1]["name"] == "accept a signed event"
            and "MONDAY_WEBHOOK_SECRET" in passed[-1]["hint"]
        )


def test_a_test_event_says_that_no_daemon_is_there_or_another_program(run_cli, here, address):
    code, passed = stages(run_cli, here, "http://127.0.0.1:9")
    assert (
        code == 1
        and [stage["name"] for stage in passed] == ["reach the address"]
        and "main.py webhook" in passed[0]["hint"]
    )
    code, passed = stages(run_cli, here, here.sandbox.url)
    assert code == 1 and passed[-1]["name"] == "answer the challenge"
    assert "something else" in passed[-1]["hint"].lower()


class Proxy(BaseHTTPRequestHandler):
    """Stands in front of a daemon and spoils one thing."""

    daemon_at = ""
    spoils = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        challenge = b"challenge" in body
        if self.spoils == "asks for a login" and challenge:
            self._tell(302, b"", Location="/login")
        elif self.spoils == "takes anything" and not challenge:
            self._tell(200, b'{"ok": true}')
        elif self.spoils == "signs anew" and self.headers["Authorization"]:
            self._hand_on(body, Authorization="Basic cHJveHk6cHJveHk=")
        elif self.spoils == "has too little room" and not challenge and self.headers["Authorization"]:
            self._tell(413, b"too large")
        else:
            self._hand_on(body)

    def do_GET(self) -> None:
        hidden = self.spoils == "hides all but the webhooks" and not self.path.startswith("/webhook")
        answer = requests.get(self.daemon_at + ("/nothing" if hidden else self.path), timeout=10)
        self._tell(answer.status_code, answer.content)

    def _hand_on(self, body: bytes, **changed: str) -> None:
        headers = {name: value for name, value in self.headers.items() if name == "Authorization"} | changed
        answer = requests.post(self.daemon_at + self.path, data=body, headers=headers, timeout=10)
        self._tell(answer.status_code, answer.content)

    def _tell(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def followed(here: LiveWorld, base: str, patience_s: float = 5.0) -> tuple[int, str]:
    """Returns how many stages a test event has passed, and what the user is told."""
    passed = list(Probe(f"{base}/webhook", Access(SECRET, [CONTACTS]), here.db, CONTACTS, patience_s).stages())
    return sum(stage.ok for stage in passed), passed[-1].name + ": " + passed[-1].hint


@pytest.mark.parametrize(
    ("spoils", "passed", "told"),
    [
        ("nothing", 6, "work it off: "),
        ("hides all but the webhooks", 6, "work it off: "),
        ("asks for a login", 1, "answer the challenge: A proxy may be asking for a login"),
        ("takes anything", 2, "refuse what is not signed: Another program answers there"),
        ("signs anew", 3, "accept a signed event: The daemon has another MONDAY_WEBHOOK_SECRET, a clock is wrong"),
        ("has too little room", 3, "accept a signed event"),
    ],
)
def test_a_test_event_says_what_a_proxy_spoils(here, spoils, passed, told):
    with living(here, subscribe=False) as live:
        handler = type("Spoiling", (Proxy,), {"daemon_at": live.base, "spoils": spoils})
        with HTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                count, words = followed(here, f"http://127.0.0.1:{server.server_address[1]}")
            finally:
                server.shutdown()
                thread.join()
    assert (count, words[: len(told)]) == (passed, told)


def test_a_test_event_says_that_no_worker_works_it_off(here):
    with living(here, subscribe=False) as live:
        with working_on(here.db, "contact"):
            assert followed(here, live.base, 0.3) == (
                5,
                "work it off: The worker is busy or in trouble; /health and webhook_handler.log say what it does.",
            )


def test_a_test_event_says_that_the_daemon_cannot_write(here):
    with living(here, subscribe=False) as live:
        here.change("alter table sync_inbox rename to sync_inbox_away")
        count, words = followed(here, live.base)
        here.change("alter table sync_inbox_away rename to sync_inbox")
    assert count == 3 and "/readyz" in words


def test_a_test_event_says_that_it_came_into_another_database(run_cli, here, postgres, template):
    import uuid

    name = f"test_{postgres.run}_{uuid.uuid4().hex[:12]}"
    postgres.create(name, template)
    with living(here, subscribe=False) as live:
        code, passed = stages(run_cli, here, live.base, DATABASE_URL=postgres.url(name))
    postgres.drop(name)
    assert code == 1 and passed[-1]["name"] == "write it into the inbox" and "DATABASE_URL" in passed[-1]["hint"]
