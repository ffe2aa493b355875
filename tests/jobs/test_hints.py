"""Messages are hints: they may be lost, repeated and reordered, and name nothing but an account and an entity."""

from __future__ import annotations

import base64
import json
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from jobs.celery import queue_of
from state.due import LIVE, RUN, Due
from tests.kit.fleet import work_off
from tests.kit.live import BOARDS, SECRET, away, first_item
from tests.kit.waiting import until

pytestmark = pytest.mark.xdist_group("fleet")


@pytest.fixture(scope="module")
def installed(fleet):
    """Starts a door and a beat."""
    fleet.base = fleet.door()
    fleet.start("beat")
    return fleet


@pytest.fixture
def quiet(installed):
    """Has everything done that waits, and leaves the installation without a worker."""
    work_off(installed)
    yield installed
    for process in installed.alive():
        if "worker" in process.args:
            installed.leave(process)


def say(fleet, account: str, text: str) -> str:
    """Changes an item on the board, and sends its event."""
    here = fleet.worlds[account]
    item = first_item(here)
    here.sandbox.admin("items/change", item_id=item, values={"notes": text})
    assert fleet.event(fleet.base, account, item, triggerUuid=text).status_code == 200
    return item


def arrives(fleet, account: str, item: str, text: str, seconds: float = 40) -> None:
    until(lambda: fleet.worlds[account].row_of(item)["notes"] == text, seconds, f"{text} at {account}")


def test_messages_that_an_emptied_broker_lost_are_sent_again(quiet):
    item = say(quiet, "acme", "before the broker was emptied")
    until(lambda: "live" in quiet.broker.says("KEYS", "live.*"), 10, "the hint")
    quiet.broker.says("FLUSHALL")
    quiet.worker()
    arrives(quiet, "acme", item, "before the broker was emptied")


def test_events_are_taken_while_the_broker_is_away(quiet):
    quiet.broker.kill()
    item = say(quiet, "acme", "said without a broker")
    quiet.broker.start()
    quiet.worker()
    arrives(quiet, "acme", item, "said without a broker")


def test_a_message_that_comes_three_times_does_its_work_once(quiet):
    item = say(quiet, "acme", "said once")
    queue = queue_of(Due("acme", "contacts", LIVE))
    until(lambda: queue in quiet.broker.says("KEYS", "live.*"), 10, "the hint")
    (message,) = [line for line in quiet.broker.says("LRANGE", queue, "0", "0").splitlines() if line.startswith("{")]
    for _ in range(2):
        quiet.broker.says("RPUSH", queue, message)
    before = quiet.worlds["acme"].value("select count(*) from sync_logs")
    quiet.worker()
    arrives(quiet, "acme", item, "said once")
    until(lambda: quiet.broker.says("LLEN", queue).startswith(":0"), 20, "an empty queue")
    time.sleep(0.5)
    assert quiet.worlds["acme"].value("select count(*) from sync_logs") == before + 1


def test_a_message_and_a_process_hold_no_secret(quiet):
    say(quiet, "acme", "said in secret")
    queue = queue_of(Due("acme", "contacts", LIVE))
    until(lambda: queue in quiet.broker.says("KEYS", "live.*"), 10, "the hint")
    (message,) = [line for line in quiet.broker.says("LRANGE", queue, "0", "0").splitlines() if line.startswith("{")]
    body = json.loads(message)
    told = base64.b64decode(body["body"]).decode() + json.dumps(body)
    assert json.loads(base64.b64decode(body["body"]))[0] == ["acme", "contacts"]
    worker = quiet.worker()
    until(lambda: psutil.Process(worker.pid).children(), 20, "children")
    for process in (*quiet.alive(), *psutil.Process(worker.pid).children(recursive=True)):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            told += Path(f"/proc/{process.pid}/cmdline").read_text() + Path(f"/proc/{process.pid}/environ").read_text()
    assert "main.py" in told and "worker" in told
    told += quiet.said()
    secrets = [quiet.control_url, SECRET, "said in secret"]
    secrets += [text for here in quiet.worlds.values() for text in (here.sandbox.token, here.url)]
    assert [secret for secret in secrets if secret in told] == []


def test_a_paused_account_waits_and_the_others_go_on(quiet):
    assert quiet.main("accounts", "pause", "acme").code == 0
    quiet.worker()
    item, other = say(quiet, "acme", "said while paused"), say(quiet, "globex", "said meanwhile")
    arrives(quiet, "globex", other, "said meanwhile")
    assert quiet.worlds["acme"].row_of(item)["notes"] != "said while paused"
    assert quiet.main("accounts", "resume", "acme").code == 0
    arrives(quiet, "acme", item, "said while paused")


def test_an_account_whose_key_is_refused_holds_up_no_other_and_says_so(quiet):
    (quiet.home / "bad.key").write_text("a-key-that-was-taken-back")
    assert quiet.main("accounts", "set", "acme", f"MONDAY_API_KEY_FILE={quiet.home / 'bad.key'}").code == 0
    quiet.worker()
    item, other = say(quiet, "acme", "said without a key"), say(quiet, "globex", "said meanwhile")
    arrives(quiet, "globex", other, "said meanwhile")
    until(lambda: quiet.fleet()[0]["message"], 30, "the reason")
    acme, globex = quiet.fleet()
    assert "Not authenticated" in acme["message"] and globex["message"] is None
    (line, *_) = [line for line in quiet.said().splitlines() if "Not authenticated" in line]
    assert json.loads(line)["level"] == "error", "Celery's processes log as the settings say"
    assert quiet.main("accounts", "set", "acme", f"MONDAY_API_KEY_FILE={quiet.home / 'acme.key'}").code == 0
    arrives(quiet, "acme", item, "said without a key")


def test_an_account_whose_database_is_away_holds_up_no_other_and_loses_nothing(quiet):
    acme = quiet.worlds["acme"]
    quiet.worker()
    item = first_item(acme)
    with away(acme):
        acme.sandbox.admin("items/change", item_id=item, values={"notes": "said to a closed database"})
        assert quiet.event(quiet.base, "acme", item, triggerUuid="closed").status_code == 503
        other = say(quiet, "globex", "said beside a closed database")
        arrives(quiet, "globex", other, "said beside a closed database", 90)
    arrives(quiet, "acme", item, "said to a closed database", 120)


def test_an_event_that_a_new_door_cannot_take_is_found_later(quiet):
    acme = quiet.worlds["acme"]
    item = first_item(acme)
    with away(acme):
        base = quiet.door()
        acme.sandbox.admin("items/change", item_id=item, values={"notes": "said to a new door"})
        assert quiet.event(base, "acme", item, triggerUuid="new door").status_code == 503
    quiet.worker()
    arrives(quiet, "acme", item, "said to a new door", 60)


def test_a_door_refuses_what_is_not_signed_and_knows_no_other_address(quiet):
    item = first_item(quiet.worlds["acme"])
    assert quiet.event(quiet.base, "acme", item, secret="of somebody else").status_code == 401
    assert quiet.event(quiet.base, "nobody", item).status_code == 404
    assert quiet.event(quiet.base, "acme", item, secret=SECRET + "globex").status_code == 401


def test_an_account_that_was_added_a_moment_ago_is_known_to_doors(quiet):
    item = first_item(quiet.worlds["acme"])
    files = [str(quiet.home / f"acme.{kind}") for kind in ("key", "url", "secret")]
    options = ("--key-file", "--database-url-file", "--webhook-secret-file")
    given = [word for pair in zip(options, files, strict=True) for word in pair]
    given += [word for pair in BOARDS.items() for word in ("--set", "=".join(pair))]
    try:
        assert quiet.event(quiet.base, "initech", item, secret="of somebody else").status_code == 404
        assert quiet.main("accounts", "add", "initech", *given).code == 0
        assert quiet.event(quiet.base, "initech", item, secret="of somebody else").status_code == 401
    finally:
        quiet.main("accounts", "remove", "initech", "--yes")


def test_accounts_have_queues_of_their_own_and_what_kills_its_process_is_put_apart():
    queues = {queue_of(Due(f"account-{n}", "users", LIVE)) for n in range(1000)}
    assert len(queues) == 64
    assert queue_of(Due("acme", "users", RUN)).startswith("runs.")
    assert queue_of(Due("acme", "users", LIVE), starts=5) == "loads"
