"""Shows the accounts of an installation on the dashboard: how each is, and nothing of one under another's name."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from db_connector import Database
from tests.kit.cli import run_main
from tests.kit.shipped import CONTACTS
from tests.web.conftest import HOSTILE, Served, serving
from tests.web.test_browser import look_at_all

RUN = """
insert into sync_runs (kind, direction, outcome, started_at, finished_at, entities)
values ('command', 'bidirectional', 'success', now() - interval '1 hour', '2026-11-01T10:00:00Z',
        '[{"entity": "contacts"}]')
"""
DEAD = """
insert into sync_runs (kind, direction, outcome, started_at, heartbeat_at)
values ('command', 'bidirectional', 'running', now() - interval '2 hours', now() - interval '2 hours')
"""
SET_ASIDE = """
insert into sync_mapping (monday_id, entity_id, entity_type, monday_board_id, sync_status, attempts)
values ('4711', '1', 'contact', %s, 'set_aside', 8)
"""


@pytest.fixture
def installation(postgres, template, home) -> Iterator[dict[str, str]]:
    """Makes a control database, and two accounts with a database each; yields the settings."""
    names = [f"test_{postgres.run}_{uuid.uuid4().hex[:12]}" for _ in range(3)]
    for name in names:
        postgres.create(name, template)
    control, *own = [postgres.url(name) for name in names]
    env = {"MONDAY_SYNC_HOME": str(home), "CONTROL_DATABASE_URL": control, "DATABASE_URL": control}
    for account, url in zip(("acme", "globex"), own, strict=True):
        (home / f"{account}.url").write_text(url)
        (home / f"{account}.key").write_text(f"key-of-{account}")
        done = run_main(
            home,
            *("accounts", "add", account, "--database-url-file", str(home / f"{account}.url")),
            *("--key-file", str(home / f"{account}.key"), "--set", f"MONDAY_BOARD_ID_CONTACTS={CONTACTS}"),
            env=env,
        )
        assert done.code == 0, done.err
    yield env
    for name in names:
        postgres.drop(name)


@pytest.fixture
def many(installation) -> Iterator[Served]:
    """Serves the dashboard of the installation."""
    with serving(installation) as served:
        yield served


def in_database(home, account: str, *statements: str) -> None:
    db = Database((home / f"{account}.url").read_text(), max_connections=1)
    for statement in statements:
        db.execute_query(statement, (str(CONTACTS),) if "%s" in statement else None, fetch=False)
    db.close()


def rows(served: Served) -> dict[str, dict]:
    return {row["account"]: row for row in served.json("/accounts")["accounts"]}


def test_each_account_is_shown_as_its_own_database_says(installation, many, home):
    in_database(home, "acme", RUN, DEAD, SET_ASIDE)
    seen = rows(many)
    assert list(seen) == ["acme", "globex"]
    acme, globex = seen.values()
    assert (acme["set_aside"], acme["dead_runs"], acme["last_success"][:10]) == (1, 1, "2026-11-01")
    assert (globex["set_aside"], globex["dead_runs"], globex["last_success"]) == (0, 0, None)
    assert (acme["state"], globex["state"], globex["due"]) == ("needs you", "waiting", 1)
    page = many.json("/accounts/acme")
    assert [entity["set_aside"] for entity in page["entities"] if entity["entity"] == "contacts"] == [1]
    for path in ("/accounts", "/accounts/acme", "/accounts/globex"):
        assert "key-of-" not in many.get(path).text
    assert many.get("/accounts/nobody").status_code == 400


def test_an_account_whose_database_is_away_holds_up_no_other(installation, many, home):
    (home / "acme.url").write_text("postgresql://nobody@127.0.0.1:1/none")
    seen = rows(many)
    assert seen["acme"]["state"] == "failed" and seen["acme"]["problem"]
    assert seen["globex"]["problem"] is None
    page = many.get("/accounts/acme")
    assert page.status_code == 200 and "could not be reached" in page.text


def test_an_account_is_paused_with_a_reason_and_resumed(installation, many, home):
    assert many.post("/accounts/acme/pause", why="moves <b>").status_code == 200
    acme = rows(many)["acme"]
    assert (acme["state"], acme["paused"]["why"], "operate" in acme["paused"]["by"]) == ("paused", "moves <b>", True)
    assert "moves &lt;b&gt;" in many.get("/accounts").text
    assert many.post("/accounts/acme/resume").status_code == 200
    assert rows(many)["acme"]["paused"]["at"] is None


def test_the_dashboard_of_one_account_knows_of_no_other(installation, many, home):
    assert ">Accounts</a>" in many.get("/about").text
    with serving(installation, account="acme") as own:
        page = own.get("/about").text
        assert "Sync · acme" in page and ">Accounts</a>" not in page
        assert own.json("/accounts")["accounts"] == [] and "globex" not in own.get("/accounts").text
        assert own.get("/accounts/globex").status_code == 400


@pytest.mark.xdist_group("browser")
def test_pages_of_accounts_can_be_used_by_all(installation, many, opened, home):
    in_database(home, "acme", RUN, DEAD, SET_ASIDE)
    many.post("/accounts/globex/pause", why=HOSTILE)
    (home / "broken.url").write_text("postgresql://nobody@127.0.0.1:1/none")
    run_main(home, "accounts", "add", "broken", "--database-url-file", str(home / "broken.url"), env=installation)
    look_at_all(opened().page, many.url, ("/accounts", "/accounts/acme", "/accounts/globex", "/accounts/broken"))
    watched = opened(java_script_enabled=False)
    watched.page.goto(many.url + "/accounts/globex")
    watched.page.get_by_role("button", name="Resume").click()
    watched.shows("is worked for again")
