"""Serves the dashboard over a memory that has grown: no page reads a large table from end to end."""

from __future__ import annotations

import os
import re

import pytest

from state.schema import make_indexes
from tests.web.conftest import serving
from tests.web.test_pages import LARGEST, PAGES, STATEMENTS, commands_of

SIZE = int(os.environ.get("DASHBOARD_TEST_ROWS", "60000"))
"""Rows of the log; links, runs and conflicts are parts of it."""

GROW = (
    """
    insert into sync_mapping (monday_id, entity_id, entity_type, monday_board_id, sync_status, attempts, last_error)
    select n::text, 'row-' || n, (array['contact', 'user', 'project'])[1 + n %% 3], '1',
           case when n %% 500 = 0 then 'error' when n %% 501 = 0 then 'set_aside' else 'synced' end,
           case when n %% 500 = 0 then 2 else 0 end, case when n %% 500 = 0 then 'no such label' end
    from generate_series(1, %(n)s / 10) as n
    """,
    """
    insert into sync_logs (entity_type, entity_id, monday_id, operation, status, message, side, created_at)
    select (array['contact', 'user', 'project'])[1 + n %% 3], 'row-' || n %% 5000, (n %% 5000)::text,
           (array['create', 'update', 'push'])[1 + n %% 3], case when n %% 200 = 0 then 'error' else 'success' end,
           'role_title: something was written', case when n %% 2 = 0 then 'monday' else 'postgres' end,
           now() - n * interval '200 days' / %(n)s
    from generate_series(1, %(n)s) as n
    """,
    """
    insert into sync_runs (kind, direction, outcome, started_at, finished_at, entities, api)
    select 'scheduled', 'bidirectional', case when n %% 50 = 0 then 'failed' else 'success' end,
           now() - n * interval '10 minutes', now() - n * interval '10 minutes' + interval '20 seconds',
           '[{"entity": "contacts", "read": 12}, {"entity": "users", "read": 4}]', '{"calls": 12, "waited_s": 1}'
    from generate_series(1, %(n)s / 50) as n
    """,
    """
    insert into sync_conflicts (entity_type, entity_id, monday_id, field, base_value, monday_value, postgres_value,
                                rule, winner)
    select 'contact', 'row-' || n, n::text, 'role_title', '"agreed"', '"board"', '"row"', 'manual', 'held'
    from generate_series(1, %(n)s / 200) as n
    """,
)
SCANS = "select relname, seq_scan from pg_stat_user_tables where relname in ('sync_logs', 'sync_mapping') order by 1"


@pytest.fixture
def grown(db):
    """Fills the tables, as years of use do."""
    make_indexes(db)
    for statement in GROW:
        with db.transaction() as tx:
            tx.execute(statement, {"n": SIZE})
    with db.autocommit() as session:
        session.execute("vacuum analyze")
    return db


def scans(db) -> dict[str, int]:
    return {row["relname"]: row["seq_scan"] for row in db.execute_query(SCANS)}


def test_no_page_reads_a_large_table_from_end_to_end(grown, environment, sides):
    before, slow = scans(grown), []
    with serving(environment) as served:
        pages = (
            *PAGES,
            "/log?entity=contacts",
            "/log?q=77",
            "/log?days=400",
            "/conflicts?field=role_title",
            "/runs?kind=http",
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
    # the sessions have ended, so what they counted is told
    assert scans(grown) == before
