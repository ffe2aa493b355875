"""Checks the dashboard over HTTP: every page in each state, what it costs, and what its acts do."""

from __future__ import annotations

import re

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
    "/charts",
    "/charts?span=30d",
    "/charts?span=200d",
    "/log",
    "/log?status=trouble&days=400",
    "/about",
)
STATEMENTS = 6
LARGEST = 80_000


def commands_of(answer) -> int:
    return int(re.search(r'desc="(\d+) commands"', answer.headers["Server-Timing"])[1])


WITHOUT_COMMAND = ("/about", "/charts", "/charts?span=30d", "/charts?span=200d", "/sync", "/records")


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


def test_a_page_that_has_not_changed_is_not_sent_again(served):
    first = served.get("/")
    again = served.get("/", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


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
