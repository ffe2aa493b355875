"""Checks that the live work of a worker of many accounts leaves how long changes took, in the account's database."""

from __future__ import annotations

from state.due import LIVE, Due
from tests.kit.live import LiveWorld
from tests.kit.workshop import workshop


def test_a_slice_of_live_work_leaves_the_latency_of_a_change(here: LiveWorld, tmp_path):
    with workshop(here, tmp_path) as shop:
        shop.work.run("acme", "organizations")
        shop.work.run("acme", "contacts")
        item = min(here.snapshot(), key=int)
        assert here.sql("select from sync_latency") == [], "a run measures nothing"
        here.change("update contacts set notes = 'by SQL' where id = %s", here.pairs()[item])
        shop.work.due.mark([Due("acme", "contacts", LIVE)])
        shop.work.live("acme", "contacts")
        assert here.snapshot()[item]["notes"] == "by SQL"
        (row,) = here.sql("select entity_type, side, n from sync_latency")
        assert tuple(row.values()) == ("contact", "monday", 1)
