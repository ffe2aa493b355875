"""Serves the dashboard over a memory that has grown: no page reads a large table from end to end."""

from __future__ import annotations

import os
import re
from urllib.parse import quote

import pytest

from benchmarks.grown import FAR_BACK, grow
from state.schema import make_indexes
from tests.web.conftest import serving
from tests.web.test_pages import LARGEST, PAGES, STATEMENTS, commands_of
from web.app import OPEN_TO_ALL

SIZE = int(os.environ.get("DASHBOARD_TEST_ROWS", "60000"))
"""Rows of the log; links, runs and conflicts are parts of it."""

OF_A_CALL = {"records.record", "operating.finding", "conflicts.plan", "runs.plan", "boards.plan", "accounts.account"}
"""Pages that ask monday.com or another database, or show what a program said."""
SCANS = "select relname, seq_scan from pg_stat_user_tables where relname in ('sync_logs', 'sync_mapping') order by 1"


@pytest.fixture
def grown(db):
    """Fills the tables, as years of use do."""
    make_indexes(db)
    grow(db, SIZE, ("contact", "user", "project"))
    return db


def scans(db) -> dict[str, int]:
    return {row["relname"]: row["seq_scan"] for row in db.execute_query(SCANS)}


def far_back(db) -> list[str]:
    """Returns pages that are named by a row, or begin after one."""
    with db.transaction(read_only=True) as tx:
        named = {path: str(tx.value(statement)) for path, statement in FAR_BACK.items()}
    return [path.format(quote(value)) for path, value in named.items()]


def test_no_page_reads_a_large_table_from_end_to_end(grown, environment, sides, app):
    before, slow = scans(grown), []
    with serving(environment) as served:
        pages = (
            *PAGES,
            "/log?entity=contacts",
            "/log?q=item-77",
            "/log?days=400",
            "/conflicts?field=role_title",
            "/runs?kind=http",
            *far_back(grown),
        )
        for path in pages:
            served.get(path)
        for path in pages:
            answer = served.get(path)
            assert answer.status_code == 200 and len(answer.content) <= LARGEST, (path, len(answer.content))
            assert commands_of(answer) <= STATEMENTS + 2, path
            slow.append((float(re.search(r"dur=([\d.]+)", answer.headers["Server-Timing"])[1]), path))
        tag = {"If-None-Match": served.get("/").headers["ETag"]}
        served.get("/", headers=tag)
        poll = served.get("/", headers=tag)
        print(poll.headers["Server-Timing"], poll.status_code)
    print(*(f"{took:7.1f} ms  {path}" for took, path in sorted(slow, reverse=True)), sep="\n")
    routed = {app.url_map.bind("").match(path.split("?")[0])[0] for path in pages}
    every = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in rule.methods}
    assert every - routed == {*OPEN_TO_ALL, "login", *OF_A_CALL}
    # the sessions have ended, so what they counted is told
    assert scans(grown) == before
