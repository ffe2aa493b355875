"""Takes the picture of the README: `DASHBOARD_PICTURE=docs/dashboard.png` writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from state.runs import Runs

pytestmark = pytest.mark.xdist_group("browser")

HISTORY = """
insert into sync_logs (entity_type, monday_id, operation, status, message, side, created_at)
select 'contact', n::text, 'update', case when n % 40 = 0 then 'error' else 'success' end, 'role', 'postgres',
       now() - (n * n / 12) * interval '1 minute'
from generate_series(1, 130) as n
"""


def test_the_picture_shows_what_needs_a_user(served, opened, sides, db, dispute):
    from playwright.sync_api import expect

    sides.items(40, A="a")
    dispute(monday="Director", postgres="Managing director")
    db.execute_query(HISTORY, fetch=False)
    runs, shape = Runs(db), [{"entity": "contacts", "read": 42}]
    runs.finish(runs.start("scheduled", "bidirectional"), 3, "partial", "", shape, {"calls": 12})
    page = opened(1100).page
    page.goto(served.url)
    expect(page.locator("#needs").get_by_role("listitem")).to_have_count(1)
    taken = page.screenshot(clip={"x": 0, "y": 0, "width": 1100, "height": 620})
    assert taken.startswith(b"\x89PNG") and len(taken) > 10_000
    if place := os.environ.get("DASHBOARD_PICTURE"):
        Path(place).write_bytes(taken)
