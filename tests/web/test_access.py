"""Checks who may look and who may operate: passwords, roles, hosts, where a form came from, headers, what is never shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests

from errors import SettingsError
from settings import Settings, load_settings
from tests.kit.shipped import PROJECT
from tests.web.conftest import HOSTILE, routes, serving
from tests.web.test_pages import PAGES, pages_of_rows
from web.access import Hosts, Passwords, Tries, check_reach

OPERATE, LOOK = "to-operate-9d1c", "to-look-77aa"
LOCKED = {"DASHBOARD_PASSWORD": OPERATE, "DASHBOARD_VIEW_PASSWORD": LOOK}
HERE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def locked(environment):
    """Serves the dashboard with two passwords."""
    with serving({**environment, **LOCKED}) as found:
        yield found


def signed_in(served, password: str) -> requests.Session:
    session = requests.Session()
    session.headers.update(HERE)
    session.post(served.url + "/login", data={"password": password}, timeout=30).raise_for_status()
    return session


# Listening


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "sync.example.com"])
def test_it_does_not_listen_to_others_without_a_password(host):
    with pytest.raises(SettingsError, match="password") as caught:
        check_reach(Settings(), host)
    assert caught.value.exit_code == 2 and "DASHBOARD_PASSWORD" in caught.value.hint
    check_reach(Settings(dashboard_password="x"), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.9.9.9"])
def test_it_listens_to_this_machine_without_one(host):
    check_reach(Settings(), host)


def test_the_command_refuses_with_exit_2(run_cli):
    done = run_cli("dashboard", "--host", "0.0.0.0", "--port", "0")
    assert done.code == 2 and "DASHBOARD_PASSWORD" in done.err


# Signing in


def test_without_signing_in_nothing_is_shown(locked):
    for path in PAGES:
        answer = locked.get(path, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (302, "/login"), path
        assert locked.get(path, headers={"Accept": "application/json"}).status_code == 401
    assert locked.get("/livez").json() == {"status": "ok"}


def test_a_password_gives_its_role(locked):
    operator, looker = signed_in(locked, OPERATE), signed_in(locked, LOOK)
    assert "Sync now" in operator.get(locked.url + "/").text
    assert "Sync now" not in looker.get(locked.url + "/").text
    assert operator.post(locked.url + "/runs/close-dead").status_code == 200


def test_one_who_looks_changes_nothing_by_any_route(locked, app):
    looker, acts = signed_in(locked, LOOK), set(routes(app, "POST")) - {"/login", "/logout"}
    assert len(acts) >= 10
    for path in acts:
        answer = looker.post(locked.url + path, allow_redirects=False)
        assert answer.status_code == 403 and "to look, not to operate" in answer.text, path
    assert log_of(locked) == []


def log_of(served) -> list[str]:
    """Returns the acts that the log tells of."""
    served.headers = (
        {"Authorization": f"Bearer {OPERATE}"} if served.get("/", allow_redirects=False).is_redirect else {}
    )
    return [row["message"] for row in served.json("/log?operation=dashboard")["rows"]]


def test_one_who_looks_sees_no_button_that_changes_anything(locked, full):
    looker = signed_in(locked, LOOK)
    for path in PAGES:
        forms = re.findall(
            r'method="post"[^>]*action="([^"]*)"|formaction="([^"]*)"', looker.get(locked.url + path).text
        )
        assert {found for pair in forms for found in pair if found} <= {"/logout", "/retries/now"}, path


def test_a_script_gives_the_password_with_each_request(locked):
    locked.headers = {"Authorization": f"Bearer {LOOK}"}
    assert locked.json("/")["cards"] and locked.post("/runs/close-dead", {}).status_code == 403
    locked.headers = {"Authorization": f"Bearer {OPERATE}"}
    assert locked.post("/runs/close-dead", {"Accept": "application/json"}).json()["closed"] == []
    locked.headers = {"Authorization": "Bearer wrong"}
    assert locked.get("/").status_code == 401


def test_passwords_cannot_be_tried_out(locked):
    codes = [locked.post("/login", password=f"wrong {number}").status_code for number in range(7)]
    assert codes == [401] * 5 + [429] * 2
    assert locked.post("/login", password=OPERATE).status_code == 429
    locked.headers = {"Authorization": f"Bearer {OPERATE}"}
    assert locked.get("/").status_code == 429


def test_an_address_may_try_again_after_a_minute_and_locks_out_no_other():
    now = [0.0]
    tries = Tries(lambda: now[0])
    for _ in range(5):
        assert not tries.blocked("1")
        tries.failed("1")
    assert tries.blocked("1") and not tries.blocked("2")
    now[0] = 61.0
    assert not tries.blocked("1")


def test_a_session_ends_with_its_password_and_cannot_be_made_up(environment, locked):
    cookie = signed_in(locked, LOOK).cookies["monday_sync"]
    assert requests.get(locked.url, cookies={"monday_sync": cookie}, timeout=30).history == []
    with serving({**environment, **LOCKED, "DASHBOARD_PASSWORD": "another"}) as changed:
        assert requests.get(changed.url, cookies={"monday_sync": cookie}, timeout=30).history != []


def test_a_session_is_kept_from_scripts_and_other_sites(locked):
    answer = locked.post("/login", password=LOOK)
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie
    by_proxy = locked.post("/login", {**HERE, "X-Forwarded-Proto": "https"}, password=LOOK)
    assert "Secure" in by_proxy.headers["Set-Cookie"]


def test_signing_in_leads_to_a_page_of_the_dashboard_alone(locked):
    for to, led in (
        ("/runs?kind=http", "/runs?kind=http"),
        ("//evil.test/", "/"),
        ("https://evil.test", "/"),
        ("/\\evil", "/"),
    ):
        answer = locked.post("/login", HERE, password=LOOK, to=to)
        assert (answer.status_code, answer.headers["Location"]) == (303, led)


def test_a_role_is_of_its_password_alone():
    both = Passwords("one", "two")
    assert [both.role_of(text) for text in ("one", "two", "", "three")] == ["operate", "look", None, None]
    assert [Passwords(None, "two").role_of(text) for text in ("two", "")] == ["look", None]
    assert Passwords("one").role_of("") is None


# Where a request comes from


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "here"}, 403),
        ({"Origin": "here"}, 303),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
def test_only_a_page_of_the_dashboard_changes_anything(served, headers, code):
    given = {name: served.url if value == "here" else value for name, value in headers.items()}
    assert served.post("/runs/close-dead", given).status_code == code


ELSEWHERE = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://evil.test"},
    {"Sec-Fetch-Site": "same-origin", "Host": "evil.test"},
    {},
)


def test_no_route_takes_an_act_from_elsewhere(served, app):
    for path in routes(app, "POST"):
        codes = [served.post(path, headers).status_code for headers in ELSEWHERE]
        assert codes == [403, 403, 421, 403], path
    assert log_of(served) == []


def test_no_route_acts_when_it_is_only_looked_at(served, app):
    for path in set(routes(app, "POST")) - set(routes(app, "GET")):
        # the address of an act may be that of a page about something of that name, which is not there
        assert served.get(path, allow_redirects=False).status_code in (400, 404, 405), path
    assert log_of(served) == []


@pytest.mark.parametrize("host", ["evil.test", "127.0.0.1.evil.test", "evil.test:8081", "x@127.0.0.1", "192.0.2.7", ""])
def test_another_name_is_not_answered(served, host):
    answer = served.get("/", headers={"Host": host})
    assert answer.status_code in (400, 421) and "cards" not in answer.text
    assert served.get("/", headers={"Host": "localhost:1"}).status_code == 200


def test_names_are_those_of_the_settings():
    hosts = Hosts.of(Settings(dashboard_hosts=("sync.example.com",)), "0.0.0.0")
    for name in ("sync.example.com", "SYNC.example.com:80", "10.0.0.7:1", "[::1]:8"):
        assert hosts.allow(name), name
    assert not hosts.allow("no.example.com")
    assert not Hosts.of(Settings(), "127.0.0.1").allow("10.0.0.7")


# What is sent


def test_every_answer_has_the_headers_and_no_inline_code(served, full):
    for path in (*PAGES, "/livez", "/favicon.ico", "/no-such-page", "/runs/xyz"):
        answer = served.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert not re.search(
            r"<script(?![^>]*src=)|\sstyle=|\son[a-z]+=\"|javascript:", answer.text.replace("&#", "")
        ), path
        assert "http://" not in re.sub(r'xmlns="[^"]*"', "", answer.text), path
    assert served.get("/").headers["Cache-Control"] == "no-store"


def test_what_is_kept_by_browsers_is_named_by_its_content(served):
    page = served.get("/").text
    for address in re.findall(r'(?:href|src)="(/(?:static|bootstrap|dark)[^"]*)"', page):
        answer = served.get(address.replace("&amp;", "&"))
        assert answer.status_code == 200 and "immutable" in answer.headers["Cache-Control"] and "v=" in address


def test_texts_of_boards_are_texts(served, full):
    for path in [*PAGES, *pages_of_rows(served)]:
        # what a form sends back is what it was
        text = re.sub(r'value="[^"]*"', "", served.get(path).text)
        assert "<img src=x" not in text and "<script>alert" not in text and "\u202e" not in text, path
    assert "<img src=x" not in served.get(f"/records?q={HOSTILE}").text


def test_no_template_trusts_a_text():
    for path in Path(PROJECT, "web").rglob("*"):
        if path.suffix in (".html", ".py"):
            assert not re.search(r"\|\s*safe|Markup\(|autoescape|innerHTML\s*\+", path.read_text(encoding="utf-8")), (
                path
            )


def test_no_secret_is_shown(environment, database_url):
    secrets = {**LOCKED, "MONDAY_WEBHOOK_SECRET": "made-up-webhook-secret-0123456789abcdef"}
    with serving({**environment, **secrets}) as served:
        served.headers = {"Authorization": f"Bearer {OPERATE}"}
        pages = "".join(served.get(path).text for path in (*PAGES, "/checks?look=env"))
    home = Path(environment["MONDAY_SYNC_HOME"])
    logs = "".join(path.read_text() for path in home.rglob("*") if path.is_file() and path.suffix in (".log", ".txt"))
    for secret in (*secrets.values(), environment["MONDAY_API_KEY"]):
        assert secret not in pages and secret not in logs


# A proxy that signs users in


BY_PROXY = {"DASHBOARD_USER_HEADER": "X-Forwarded-User", "DASHBOARD_TRUSTED_PROXY": "127.0.0.1"}
USER = {"X-Forwarded-User": "pat@example.com"}


def test_a_user_whom_the_proxy_names_operates_and_stands_in_the_log(environment, db):
    with serving({**environment, **BY_PROXY}) as served:
        for path in ("/", "/login", "/runs"):
            assert served.get(path, allow_redirects=False).status_code == 401
        assert served.post("/runs/close-dead").status_code == 401
        served.headers = USER
        assert "pat@example.com" in served.get("/").text
        assert served.post("/runs/close-dead", {}).status_code == 403
        assert served.post("/runs/close-dead").status_code == 200
        for name in ("a, b", "x" * 201):
            assert served.get("/", headers={"X-Forwarded-User": name}).status_code == 403
    (entry,) = db.execute_query("select message from sync_logs where operation = 'dashboard'")
    assert entry["message"].endswith("(pat@example.com from 127.0.0.1)")


def test_a_user_who_is_named_from_another_address_is_refused(environment):
    with serving({**environment, **LOCKED, **BY_PROXY, "DASHBOARD_TRUSTED_PROXY": "192.0.2.0/24"}) as served:
        assert served.get("/", headers=USER).status_code == 403
        assert served.get("/", headers={**USER, "X-Forwarded-For": "192.0.2.1"}).status_code == 403
        assert served.get("/", headers={"Authorization": f"Bearer {LOOK}"}).status_code == 200


def test_the_header_and_the_addresses_of_the_proxy_belong_together():
    for settings in (Settings(dashboard_user_header="X-User"), Settings(dashboard_trusted_proxy=("192.0.2.1/32",))):
        with pytest.raises(SettingsError, match="belong together"):
            check_reach(settings, "127.0.0.1")
    check_reach(Settings(dashboard_user_header="X-User", dashboard_trusted_proxy=("192.0.2.1/32",)), "0.0.0.0")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DASHBOARD_USER_HEADER", "Cookie"),
        ("DASHBOARD_USER_HEADER", "X User"),
        ("DASHBOARD_TRUSTED_PROXY", "0.0.0.0/0"),
        ("DASHBOARD_TRUSTED_PROXY", "proxy.example.com"),
    ],
)
def test_a_proxy_that_cannot_be_trusted_is_a_mistake_of_the_settings(name, value, tmp_path):
    with pytest.raises(SettingsError, match=name):
        load_settings({name: value, "MONDAY_SYNC_HOME": str(tmp_path)})
