"""An account in which nothing happens is looked at less often; one in which something was written, each minute."""

from __future__ import annotations

from state.accounts import Accounts
from state.due import LOOK, Due
from tests.kit.live import SECOND_PROFILE, LiveWorld
from tests.kit.workshop import workshop


def next_look_s(here: LiveWorld) -> float:
    """Returns in how many seconds the account is looked at again."""
    return float(here.value("select extract(epoch from due_at - now()) from sync_due where task = 'look'"))


def test_a_quiet_account_is_looked_at_every_ten_minutes_and_a_busy_one_each_minute(here, tmp_path):
    with workshop(here, tmp_path) as shop:
        assert 500 < next_look_s(here) <= 600
        shop.work.run("acme", "organizations")
        shop.work.run("acme", "contacts")
        shop.work.due.mark([Due("acme", "", LOOK)])
        shop.work.look("acme")
        assert next_look_s(here) <= 60, "records were written"
        here.change("update sync_stats set hour = hour - interval '3 hours'")
        shop.work.due.mark([Due("acme", "", LOOK)])
        shop.work.look("acme")
        assert next_look_s(here) > 500
        here.change("update sync_due set due_at = 'infinity' where task = 'live'")
        here.change("update contacts set notes = 'by SQL'")
        shop.work.due.mark([Due("acme", "", LOOK)])
        shop.work.look("acme")
        assert next_look_s(here) <= 60, "changes wait"
        found = here.sql("select entity from sync_due where task = 'live' and due_at <= now()")
        assert [row["entity"] for row in found] == ["contacts"], "what no message told of is found"


def test_an_account_that_is_removed_and_added_again_is_looked_at_in_full(here, tmp_path):
    with workshop(here, tmp_path) as shop:
        accounts = Accounts(here.db)
        settings = dict(accounts.get("acme").settings)
        for entity in SECOND_PROFILE:
            shop.work.run("acme", entity)
        accounts.remove("acme")
        accounts.add("acme", settings)
        assert shop.work.due.entities("acme") == []
        shop.work.look("acme")
        assert shop.work.due.entities("acme") == sorted(SECOND_PROFILE)
