"""Checks the dashboard over HTTP: every page in each state, what it costs, and what its acts do."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from tests.kit.live import away
from tests.kit.waiting import until
from tests.web.conftest import proved, routes

PAGES = (
    "/",
    "/entities/contacts",
    "/runs",
    "/sync",
    "/records",
    "/records?state=error",
    "/conflicts",
    "/conflicts?state=all",
    "/retries",
    "/queues",
    "/boards",
    "/checks",
    "/proofs",
    "/alerts",
    "/accounts",
    "/charts",
    "/charts?span=30d",
    "/charts?span=200d",
    "/log",
    "/log?status=trouble&days=400",
    "/about",
)
"""Each page by itself, and with what it is usually asked."""


def pages_of_rows(served) -> list[str]:
    """Returns the pages that are named by a row, as `full` has made it, or by an act."""
    conflict, run = served.json("/conflicts")["conflicts"][0], served.json("/runs")["runs"][0]
    proof = proved(served)["id"]
    finding = served.json(f"/proofs/{proof}")["findings"][0]["id"]
    return [
        f"/conflicts/{conflict['id']}",
        f"/conflicts/plan?all=1&winner=monday&id={conflict['id']}",
        f"/runs/{run['run_id']}",
        f"/records/contacts/{conflict['entity_id']}",
        # its item's name is hostile, too
        "/records?q=eve@example.com",
        f"/proofs/{proof}",
        f"/findings/{finding}",
        "/boards/staff",
        "/checks?look=all",
        served.post("/sync", direction="bidirectional", entity="contacts", dry_run="1").json()["plan"],
    ]


WITHOUT_DATABASE = ("/sync", "/checks")
STATEMENTS = 6
LARGEST = 80_000


def commands_of(answer) -> int:
    return int(re.search(r'desc="(\d+) commands"', answer.headers["Server-Timing"])[1])


WITHOUT_COMMAND = ("/about", "/sync", "/records")


def values_of(sides, item_id, row_id):
    """Returns what both sides show of the field that is in dispute."""
    (item,) = [
        item for item in sides.sandbox.admin("boards/snapshot", board_id=sides.board_id) if item["id"] == item_id
    ]
    found = sides.db.execute_query("select role_title from contacts where id::text = %s", (row_id,))
    return item["cells"]["role_title"]["text"], found[0]["role_title"]


def test_every_page_of_an_empty_database_says_the_next_command(served):
    for path in PAGES:
        answer = served.get(path)
        assert answer.status_code == 200, answer.text
        assert "python main.py" in answer.text or path in WITHOUT_COMMAND, path
        assert served.json(path) is not None


def test_every_page_asks_few_questions_and_is_small(served, dispute):
    dispute()
    served.get("/")
    for path in PAGES:
        answer = served.get(path)
        assert answer.status_code == 200
        # a transaction begins and commits
        assert commands_of(answer) <= STATEMENTS + 2, (path, commands_of(answer))
        assert len(answer.content) <= LARGEST, path


def test_every_page_says_that_postgres_is_away_and_what_to_do(served, here, app):
    acts = [path for path in routes(app, "POST") if path not in ("/login", "/logout")]
    shown = [path for path in PAGES if path not in WITHOUT_DATABASE]
    with away(here), ThreadPoolExecutor(4) as at_once:
        answers = [*at_once.map(served.get, shown), *at_once.map(served.post, acts)]
        assert [served.get(path).status_code for path in WITHOUT_DATABASE] == [200] * len(WITHOUT_DATABASE)
    for path, answer in zip([*shown, *acts], answers, strict=True):
        # an act that was not asked for well is refused before
        assert answer.status_code in ((503,) if path in shown else (400, 409, 503)), (path, answer.text)
        assert "python main.py doctor" in answer.text or answer.status_code in (400, 409), path
        assert "Traceback" not in answer.text and "psycopg2" not in answer.text, path
    assert served.get("/").status_code == 200


def test_a_page_that_has_not_changed_is_not_sent_again(served):
    first = served.get("/")
    again = served.get("/", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_page_that_reads_itself_again_asks_one_question_while_nothing_is_written(served, db, sides):
    tag = {"If-None-Match": served.get("/").headers["ETag"]}
    # more of them where the server has just written something by itself, such as statistics
    until(lambda: commands_of(served.get("/", headers=tag)) == 1, 10, "a page that asks one question")
    db.execute_query(
        "insert into sync_outbox (entity_type, table_name, row_id, operation) values ('contact', 'contacts', '1', 'i')",
        fetch=False,
    )
    changed = served.get("/", headers=tag)
    assert changed.status_code == 200 and "1 change in PostgreSQL" in changed.text
    again = {"If-None-Match": changed.headers["ETag"]}
    assert [served.get("/", headers=again).status_code for _ in range(3)] == [304] * 3
    # for another page, and for a program, it is another answer
    assert served.get("/queues", headers=again).status_code == 200
    assert served.get("/", headers={**again, "Accept": "application/json"}).status_code == 200


def test_a_conflict_is_decided_and_both_sides_change(served, dispute, sides):
    item_id, row_id = dispute()
    (conflict,) = served.json("/conflicts")["conflicts"]
    assert (conflict["monday_value"], conflict["postgres_value"], conflict["base_value"]) == ("X", "Y", "a")
    answer = served.post("/conflicts/resolve", one=f"{conflict['id']}:monday:{conflict['digest']}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["conflicts"][0]["resolved"]
    assert values_of(sides, item_id, row_id) == ("X", "X")
    again = served.post("/conflicts/resolve", one=f"{conflict['id']}:postgres:{conflict['digest']}")
    assert again.status_code == 409
    acts = served.json("/log?operation=dashboard")["rows"]
    assert "operate from 127.0.0.1" in acts[0]["message"] and acts[0]["monday_id"] == item_id


# Many at once


def plan_of(served, **asked):
    answer = served.get("/conflicts/plan", params=asked, headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_all_that_match_are_decided_as_the_plan_said(served, dispute, sides):
    records = [dispute(monday=f"M{n}", postgres=f"P{n}", name=f"n{n}") for n in range(3)]
    plan = plan_of(served, all=1, entity="contacts", winner="postgres")
    assert (plan["number"], plan["sentence"]) == (3, "3 fields of the board will get the value of PostgreSQL.")
    answer = served.post("/conflicts/resolve", all=1, entity="contacts", winner="postgres", digest=plan["digest"])
    assert answer.status_code == 200
    for number, record in enumerate(records):
        assert values_of(sides, *record) == (f"P{number}", f"P{number}")


def test_a_plan_is_refused_when_another_conflict_came(served, dispute, sides):
    first = dispute(name="ann")
    plan = plan_of(served, all=1, winner="monday")
    second = dispute(name="bea")
    answer = served.post("/conflicts/resolve", all=1, winner="monday", digest=plan["digest"])
    assert (answer.status_code, answer.json()["number"], answer.json()["moved"]) == (409, 2, True)
    assert values_of(sides, *first) == values_of(sides, *second) == ("X", "Y")


def test_a_plan_is_refused_when_a_row_was_edited_beneath_and_the_new_plan_leaves_it(served, dispute, sides):
    first, second = dispute(name="ann"), dispute(name="bea")
    plan = plan_of(served, all=1, winner="monday")
    sides.update(second[1], A="Z")
    answer = served.post("/conflicts/resolve", all=1, winner="monday", digest=plan["digest"])
    assert answer.status_code == 409
    now = answer.json()
    assert (now["number"], [part["number"] for part in now["stay"]]) == (1, [1])
    answer = served.post("/conflicts/resolve", all=1, winner="monday", digest=now["digest"])
    assert answer.status_code == 200
    assert (values_of(sides, *first), values_of(sides, *second)) == (("X", "X"), ("X", "Z"))


def test_only_the_ticked_are_decided(served, dispute, sides):
    first, second = dispute(name="ann"), dispute(name="bea")
    (wanted,) = [found["id"] for found in served.json("/conflicts")["conflicts"] if found["monday_id"] == first[0]]
    plan = plan_of(served, id=wanted, winner="monday")
    assert served.post("/conflicts/resolve", id=wanted, winner="monday", digest=plan["digest"]).status_code == 200
    assert (values_of(sides, *first), values_of(sides, *second)) == (("X", "X"), ("X", "Y"))


# Records


def test_a_record_is_found_and_switched_off_and_its_direction_set(served, sides, dispute):
    item_id, row_id = dispute()
    assert served.get(f"/records?q={item_id}").url.endswith(f"/records/contacts/{row_id}")
    assert served.get("/records?q=ann@example.com").url.endswith(f"/records/contacts/{row_id}")
    known = served.json(f"/records/contacts/{row_id}")
    assert known["known"]["item"] == "ann" and known["settings"]["conflicts"]
    answer = served.post(f"/records/contacts/{row_id}", enabled="off", direction="monday_to_pg")
    assert answer.json()["record"]["sync_enabled"] is False
    assert answer.json()["record"]["sync_direction"] == "monday_to_pg"
    assert "There is no record" in served.get("/records?q=4711").text


def test_what_was_refused_is_tried_again_or_given_up_with_its_number(served, sides, dispute, full, db):
    (refused,) = [found for found in served.json("/retries")["records"] if found["kind"] == "change"]
    name = f"contacts|{refused['entity_id']}|{refused['monday_id']}"
    assert served.post("/retries/now", id=name).status_code == 200
    found = db.execute_query("select attempts from sync_mapping where monday_id = %s", (refused["monday_id"],))
    assert found == [{"attempts": 0}]
    left = served.json("/retries")
    every = {"all": 1, "digest": left["digest"]}
    assert served.post("/retries/drop", **every, typed="99").status_code == 400
    assert served.post("/retries/drop", **every, typed=str(left["total"])).status_code == 200
    assert served.json("/retries")["total"] == 0


@pytest.mark.xdist_group("browser")
def test_a_record_that_was_refused_is_tried_by_the_next_run_from_its_own_page(served, opened, full, db):
    (refused,) = [found for found in served.json("/retries")["records"] if found["kind"] == "change"]
    watched = opened(java_script_enabled=False)
    watched.page.goto(f"{served.url}/records/contacts/{refused['entity_id']}")
    watched.page.get_by_role("button", name="Let the next run try it").click()
    watched.shows("1 record will be tried by the next run")
    found = db.execute_query("select attempts from sync_mapping where monday_id = %s", (refused["monday_id"],))
    assert found == [{"attempts": 0}]


def test_a_run_leads_to_all_that_it_logged_and_to_nothing_else(served, sides, cli):
    sides.items(3, A="a")
    assert cli("monday-to-pg", "--entity", "contacts").code == 0
    run = served.json("/runs")["runs"][0]["run_id"]
    assert f"/log?days=400&amp;run={run}" in served.get(f"/runs/{run}").text
    rows = served.json(f"/log?days=400&run={run}")["rows"]
    assert len(rows) == 3 and {row["run_id"] for row in rows} == {run}
    assert served.get("/log?run=no-run").status_code == 400


def test_all_that_wait_are_those_that_were_shown_or_nothing_is_done(served, full, db):
    shown = served.json("/retries")
    db.execute_query(
        "insert into sync_skipped (monday_id, entity_type, reason, attempts) values ('99', 'contact', 'error: new', 9)",
        fetch=False,
    )
    for act in ("now", "drop"):
        answer = served.post(f"/retries/{act}", all=1, digest=shown["digest"], typed=str(shown["total"] + 1))
        assert (answer.status_code, answer.json()["total"], answer.json()["moved"]) == (409, shown["total"] + 1, True)
    assert served.json("/retries")["total"] == shown["total"] + 1
    assert served.post("/retries/now", all=1, digest=served.json("/retries")["digest"]).status_code == 200


# Lists


def test_pages_follow_each_other_without_a_gap_or_a_double(served, db, full):
    for path, key, size in (("/log?days=400", "rows", 120), ("/runs", "runs", 130)):
        if key == "runs":
            db.execute_query(
                "insert into sync_runs (kind, direction, outcome, started_at)"
                " select 'command', 'bidirectional', 'success', now() - n / 3 * interval '1 second'"
                " from generate_series(1, 130) as n",
                fetch=False,
            )
        seen, before = [], None
        while True:
            page = served.json(f"{path}{'&' if '?' in path else '?'}before={quote(before or '')}")
            seen += [row.get("id") or row["run_id"] for row in page[key]]
            before = page["next"]
            if before is None:
                break
        table = "sync_logs" if key == "rows" else "sync_runs"
        assert len(seen) == len(set(seen)) == db.execute_query(f"select count(*) as n from {table}")[0]["n"] >= size


# Proofs and checks


def test_a_difference_is_proved_and_mended_as_planned(served, sides):
    item_id, row_id = sides.pair(A="a")
    sides.sql("alter table contacts disable trigger user")
    sides.update(row_id, A="Q")
    sides.sql("alter table contacts enable trigger user")
    proof = proved(served)
    assert proof["outcome"] == "different"
    (found,) = served.json(f"/proofs/{proof['id']}")["findings"]
    plan = served.json(f"/findings/{found['id']}")
    assert served.post(f"/findings/{found['id']}", digest="another").status_code == 409
    assert served.post(f"/findings/{found['id']}", digest=plan["digest"]).status_code == 200
    assert values_of(sides, item_id, row_id) == ("Q", "Q")


def test_checks_are_those_of_doctor(served):
    found = served.json("/checks?look=all")
    assert {"settings", "PostgreSQL", "monday.com"} & {group["group"] for group in found["groups"]}
    assert served.json("/checks?look=pg")["groups"]


def test_what_fails_is_shown_and_can_be_silenced(served, db):
    from state import alerts as kept

    with db.transaction() as tx:
        kept.keep(
            tx, kept.Alert("contacts", "failed", "failing", sentence="it <b>failed", command="python main.py runs")
        )
    page = served.get("/alerts").text
    assert "it &lt;b&gt;failed" in page and "failing" in page
    assert served.post("/alerts/silence", subject="contacts", hours="8").status_code == 200
    assert list(served.json("/alerts")["silent"]) == ["contacts"]
    assert served.post("/alerts/silence", subject="contacts", hours="x").status_code == 400


def test_an_entity_is_paused_and_resumed_on_its_page(served, sides, cli, environment):
    assert served.post("/entities/contacts/pause", hours="8").status_code == 200
    card = served.json("/entities/contacts")["card"]
    assert card["state"] == "paused" and card["paused"]["by"] == "operate" and card["paused"]["until"]
    assert served.json("/")["cards"][0]["state"] == "paused"
    assert cli("bidirectional", "--entity", "contacts").code == 2
    assert served.post("/entities/contacts/pause", hours="3").status_code == 400
    assert served.post("/entities/contacts/resume").status_code == 200
    assert served.json("/entities/contacts")["card"]["paused"] is None
    assert cli("bidirectional", "--entity", "contacts").code == 0
