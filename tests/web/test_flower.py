"""Flower, Celery's own dashboard, shows the work of an installation in a real browser, and no secret on any page."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
from collections.abc import Iterator

import pytest

from tests.kit.broker import broker
from tests.kit.cli import start_python
from tests.kit.fleet import Fleet, databases, work_off
from tests.kit.fleet import fleet as made_fleet
from tests.kit.live import SECRET, first_item
from tests.kit.waiting import until

pytestmark = pytest.mark.xdist_group("browser")

PASSWORD = "a-made-up-password-of-the-broker"
INSTALL = "python -m pip install -r requirements-dev.txt"


@pytest.fixture
def fleet(postgres, template, tmp_path) -> Iterator[Fleet]:
    """Makes an installation whose broker has a password, and has its first runs made."""
    with (
        broker(PASSWORD) as running,
        databases(postgres, template) as urls,
        made_fleet(urls, running, tmp_path) as fleet,
    ):
        fleet.start("beat")
        work_off(fleet)
        yield fleet


@pytest.fixture
def flower(fleet: Fleet) -> Iterator[str]:
    """Starts Flower as docs/scale.md says, and returns its address."""
    if importlib.util.find_spec("flower") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"needs Flower: {INSTALL}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(fleet.home / "flower.txt", "w", encoding="utf-8") as said:
        words = ("flower", "--address=127.0.0.1", f"--port={port}", "--tasks_columns=name,args,state,received,worker")
        child = start_python("-m", "celery", "-A", "jobs", *words, env=fleet.env, stderr=said, stdout=subprocess.PIPE)
    assert child.stdout is not None
    try:
        until(lambda: is_open(port), 60, "Flower")
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(20)
        child.stdout.close()


def is_open(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


def test_flower_shows_tasks_by_account_and_entity_and_no_secret(fleet: Fleet, flower: str, opened):
    from playwright.sync_api import expect

    base = fleet.door()
    fleet.worker()
    page, acme, shown = opened().page, fleet.worlds["acme"], {}
    until(lambda: "worker@" in content(page, f"{flower}/workers"), 30, "the worker")
    acme.sandbox.admin("items/change", item_id=first_item(acme), values={"notes": "said in secret"})
    assert fleet.event(base, "acme", first_item(acme)).status_code == 200
    until(lambda: acme.row_of(first_item(acme))["notes"] == "said in secret", 30, "the event")
    row = page.locator("tr", has_text="jobs.live").first
    until(lambda: is_done(page, f"{flower}/tasks", row), 30, "the end of the task")
    expect(row).to_contain_text("('acme', 'contacts')")
    shown["tasks"] = page.content()
    for name, link in (("task", row.locator("a").first), ("worker", None)):
        if link is None:
            page.goto(f"{flower}/workers")
            link = page.locator("td a", has_text="worker@").first
        link.click()
        page.wait_for_load_state("networkidle")
        shown[name] = page.content()
    shown["broker"] = content(page, f"{flower}/broker")
    assert "contacts" in shown["task"] and "visibility_timeout" in shown["worker"] and "live.62" in shown["broker"]
    shown["log"] = fleet.said()
    secrets = [PASSWORD, SECRET, "said in secret", fleet.control_url]
    secrets += [text for here in fleet.worlds.values() for text in (here.sandbox.token, here.url)]
    assert [(name, secret) for name, text in shown.items() for secret in secrets if secret in text] == []


def is_done(page, address: str, row) -> bool:
    """Opens the list of tasks, which shows each as it is then."""
    page.goto(address)
    page.wait_for_load_state("networkidle")
    return row.count() == 1 and "SUCCESS" in row.inner_text()


def content(page, address: str) -> str:
    page.goto(address)
    return str(page.content())
