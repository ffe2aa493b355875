"""Serves the dashboard in a process of its own, over two sides that tests can edit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from msgspec import Struct, field

from settings import Settings
from tests.kit.cli import start_main
from tests.kit.forked import Child
from tests.kit.waiting import until
from values.canonical import dumps


class Served(Struct):
    """Holds a dashboard that runs in a process of its own."""

    url: str
    child: Child
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **options: Any) -> requests.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        return requests.get(self.url + path, headers=headers, timeout=30, **options)

    def json(self, path: str) -> Any:
        answer = self.get(path, headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, headers: dict[str, str] | None = None, **form: Any) -> requests.Response:
        """Sends a form as a browser does from a page of the dashboard, unless the headers say otherwise."""
        given = {"Sec-Fetch-Site": "same-origin", "Accept": "application/json"} if headers is None else headers
        return requests.post(
            self.url + path, data=form, headers={**self.headers, **given}, timeout=60, allow_redirects=False
        )


def proved(served: Served, entity: str = "contacts") -> dict[str, Any]:
    """Has an entity or a sync proved by the page, waits for the end, and returns the proof as it is listed."""
    known = {proof["id"] for proof in served.json("/proofs")["proofs"]}
    assert served.post("/proofs", entity=entity, kind="whole").json()["pid"]

    def ended() -> list[dict[str, Any]]:
        shown = served.json("/proofs")
        new = [found for found in shown["proofs"] if found["id"] not in known and found["finished_at"]]
        return [] if any(run["outcome"] == "running" for run in shown["going"]) else new

    (made,) = until(ended, what="the proof")
    return dict(made)


@contextmanager
def serving(env: dict[str, str], *arguments: str, account: str = "") -> Iterator[Served]:
    """Starts `main.py dashboard` on a free port, and ends it. `account`: that of one account."""
    errors = Path(env["MONDAY_SYNC_HOME"]) / "stderr.txt"
    with errors.open("a") as said:
        of_one = ("--account", account) if account else ()
        child = start_main(
            *of_one, "dashboard", "--port", "0", *arguments, env=env, stdout=subprocess.PIPE, stderr=said
        )
    assert child.stdout is not None
    watchdog = threading.Timer(110, child.kill)
    watchdog.start()
    try:
        line = child.stdout.readline()
        assert line.startswith("listening on http://"), errors.read_text()
        yield Served(line.split()[-1], child)
    finally:
        watchdog.cancel()
        child.terminate()
        child.wait(20)
        child.stdout.close()


@pytest.fixture
def served(environment: dict[str, str]) -> Iterator[Served]:
    """Serves the dashboard of the test's two sides."""
    with serving(environment) as found:
        yield found


@pytest.fixture(scope="session")
def app() -> Iterator[Any]:
    """Makes the app for what it can tell of its own routes; it asks no database."""
    from main import compose
    from web.app import make_app
    from web.site import Site

    with closing(Site(compose(), Settings(database_url="postgresql://nobody@127.0.0.1:1/none"))) as site:
        yield make_app(site)


def routes(app: Any, method: str) -> list[str]:
    """Returns the addresses that take a method, with their variable parts filled in."""
    parts = {"entity": "contacts", "act": "now", "key": "1", "name": "staff", "number": "1", "filename": "site.css"}
    found = []
    for rule in app.url_map.iter_rules():
        if method in rule.methods:
            given = {name: parts.get(name, "00000000-0000-4000-8000-000000000000") for name in rule.arguments}
            found.append(re.sub(r"<(?:\w+:)?(\w+)>", lambda part, given=given: given[part[1]], rule.rule))
    return sorted(found)


@pytest.fixture
def dispute(sides_with_bob: Any) -> Callable[..., tuple[str, str]]:
    """Makes a record that both sides have changed to different values, and which waits for a user."""

    def make(monday: str = "X", postgres: str = "Y", name: str = "ann") -> tuple[str, str]:
        sides = sides_with_bob
        item_id = sides.item(name, A="a", B="b")
        sides.sync()
        row_id = str(sides.link(item_id)["entity_id"])
        sides.edit(item_id, A=monday)
        sides.update(row_id, A=postgres)
        sides.sync(prefer="manual")
        return item_id, row_id

    return make


# A browser

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
TO_INSTALL = "no browser: sudo apt-get install chromium-headless-shell"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Starts the browser of this worker. Without one the tests are skipped, and fail where CI is set."""
    program = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(TO_INSTALL)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=program, args=["--host-resolver-rules=MAP *.test 127.0.0.1"]
        )
        yield running
        running.close()


class Watched(Struct):
    """Holds a page of the browser, and what went wrong on it."""

    page: Any
    wrong: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.set_default_timeout(8_000)
        self.page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" else None)
        self.page.on("dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def shows(self, told: str) -> None:
        """Waits until the page has this text. A click does not wait for the page that it asks for."""
        from playwright.sync_api import expect

        expect(self.page.locator("main")).to_contain_text(told)


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Watched]]:
    """Opens a page: `opened(width=360, dark=True)`. What went wrong on any is told at the end."""
    contexts, pages = [], []

    def open_page(width: int = 1280, dark: bool = False, **options: Any) -> Watched:
        scheme = "dark" if dark else "light"
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce", **options
        )
        contexts.append(context)
        pages.append(Watched(context.new_page()))
        pages[-1].watch()
        return pages[-1]

    yield open_page
    for context in contexts:
        context.close()
    # the answer to a foreign form, or to a question while PostgreSQL is away, is taken off by the test
    assert not [wrong for watched in pages for wrong in watched.wrong]


HOSTILE = '<img src=x onerror=alert(1)>"><script>alert(2)</script>\u202egnp.exe'


DRIFT = {
    "kind": "renamed",
    "column": HOSTILE,
    "title": HOSTILE,
    "what": HOSTILE,
    "at": "",
    "waits": True,
    "passed": False,
}
HOSTILE_ROWS = (
    "insert into sync_state (name, value) values ('drift:staff', %(drift)s)",
    "insert into sync_skipped (monday_id, entity_type, reason, attempts) values ('7', 'contact', 'error: ' || %(text)s, 9)",
    "insert into sync_skipped (monday_id, entity_type, reason, key) values ('8', 'contact', %(text)s, %(text)s)",
    "insert into sync_latency values (now(), %(text)s, 'monday', 1, 2, 2, 2, '{0,0,0,0,1,0,0,0,0,0,0,0}')",
    "insert into sync_latency values (now(), 'contact', 'postgres', 1, 9999, 9999, 9999, '{0,0,0,0,0,0,0,0,0,0,0,1}')",
    "insert into sync_alert_deliveries (subject, rule, kind, title, body, channel, state, answer)"
    " values (%(text)s, 'failed', 'failing', %(text)s, %(text)s, %(text)s, 'refused', %(text)s)",
)


def hostile_on_both_sides(sides: Any, dispute: Callable[..., Any]) -> None:
    values = {"email": {"email": "eve@example.com", "text": HOSTILE}, "role_title": HOSTILE, "notes": {"text": HOSTILE}}
    sides.sandbox.admin("items/create", board_id=sides.board_id, name=HOSTILE, values=values)
    _, differs = sides.pair(A="a")
    dispute(monday=HOSTILE, postgres="long " * 1000, name="zoe")
    sides.sql("alter table contacts disable trigger user")
    sides.update(differs, A=HOSTILE)
    sides.sql("alter table contacts enable trigger user")


def hostile_runs(db: Any) -> None:
    from state.runs import Runs

    runs = Runs(db)
    shape = {"contacts": {"done": 3, "total": 9, "phase": "reading", "rate": 2, "waits_for": None, "until": None}}
    runs.finish(runs.start("command", "bidirectional"), 1, "failed", HOSTILE, [{"entity": "contacts"}], {"calls": 3})
    runs.start("command", "bidirectional", shape)


@pytest.fixture
def full(dispute: Callable[..., Any], sides_with_bob: Any) -> None:
    """Fills every table that a page shows, with values that would like to be more than text."""
    from models import LogEntry
    from state.alerts import Alert, keep
    from state.log import Log

    sides, db = sides_with_bob, sides_with_bob.db
    hostile_on_both_sides(sides, dispute)
    subject = Alert(HOSTILE, "failed", "failing", sentence=HOSTILE, command=HOSTILE)
    with db.transaction() as tx:
        keep(tx, subject)
        Log("contact", None).append(
            tx, [LogEntry("update", word, HOSTILE, "1", "2") for word in ("success", "error")] * 60
        )
        for statement in HOSTILE_ROWS:
            tx.execute(statement, {"text": HOSTILE, "drift": dumps({"drift": [DRIFT]}).decode()})
        tx.execute(
            "update sync_mapping set sync_status = 'error', attempts = 3, next_try_at = now(), last_error = %s"
            " where monday_id = (select min(monday_id) from sync_mapping)",
            (HOSTILE,),
        )
        tx.execute(
            "insert into sync_inbox (trigger_id, monday_board_id, monday_id, event, body, attempts, last_error)"
            " values ('t', %s, '1', 'update', '{}', 1, %s)",
            (sides_with_bob.board_id, HOSTILE),
        )
        tx.execute(
            "insert into sync_proofs (id, entity_type, monday_board_id, kind, outcome, message, counts, finished_at)"
            " values (gen_random_uuid(), 'contact', '1', 'whole', 'different', %s, '{\"equal\": 3}', now())",
            (HOSTILE,),
        )
        tx.execute(
            "insert into board_registry (name, board_id, board_name, table_name, mapping_path, columns)"
            " values ('staff', '1', %s, 'staff', 'staff.yaml', '[]')",
            (HOSTILE,),
        )
    hostile_runs(db)
