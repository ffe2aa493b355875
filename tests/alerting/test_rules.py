"""Seeds what each rule looks for, finds it failing, takes it away, and finds it well; and reads ALERT_RULES."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec import Struct, field
from msgspec.structs import replace

import errors
from db_connector import Database
from errors import SettingsError
from settings import Settings
from state import alerts
from state.alerts import Alert
from state.values import Values, daemon_key, drift_key
from sync.alerting.center import Center
from sync.alerting.judge import Seen, judged
from sync.alerting.reasons import REASONS, kind_of, reason_of
from sync.alerting.rules import RULES, Rule, rules_of
from tests.kit.shipped import MAPPINGS, PROJECT

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)


class Judging(Struct):
    db: Database
    settings: Settings = field(default_factory=Settings)

    def sql(self, statement: str, *params: Any) -> None:
        self.db.execute_query(statement, params or None, fetch=False)

    def judge(self, rules: str = "") -> dict[tuple[str, str], Alert]:
        """Judges, and returns what is not well."""
        settings = replace(self.settings, alert_rules=rules)
        found = [result.alert for result in Center.of(self.db, settings, MAPPINGS).judge()]
        return {(alert.subject, alert.rule): alert for alert in found if alert.state != alerts.OK}

    def run(self, outcome: str, ago: str = "0 s", problem: str | None = None, **more: Any) -> None:
        """Enters a run of users as this version does."""
        row = {"kind": "command", "period_s": None, **more}
        self.sql(
            """
            insert into sync_runs (kind, outcome, period_s, entities, started_at, finished_at, heartbeat_at)
            values (%s, %s, %s, jsonb_build_array(jsonb_build_object('entity', 'users', 'problem', %s::text)),
                    now() - %s::interval, now() - %s::interval, now() - %s::interval)
            """,
            *(row["kind"], outcome, row["period_s"], problem, ago, ago, ago),
        )

    def titles(self) -> list[str]:
        found = self.db.execute_query("select title from sync_alert_deliveries order by id")
        assert isinstance(found, list)
        return [row["title"].removeprefix("[monday-sync] ") for row in found]


@pytest.fixture
def judging(db: Database) -> Judging:
    return Judging(db)


OUTBOX = """
insert into sync_outbox (entity_type, table_name, row_id, operation, changed_at)
values ('user', 'users', '1', 'update', now() - interval '6 minutes')
"""
INBOX = """
insert into sync_inbox (trigger_id, monday_board_id, event, body, received_at)
values ('t', '5764059860', 'x', '{}', now() - interval '6 minutes')
"""
LINK = (
    "insert into sync_mapping (monday_id, entity_id, entity_type, sync_status) values ('1', '1', 'user', 'set_aside')"
)
CONFLICT = """
insert into sync_conflicts (entity_type, field, rule, winner, status, created_at)
values ('user', 'name', 'manual', 'held', 'open', now() - interval '25 hours')
"""
LOGS = """
insert into sync_logs (entity_type, operation, status, message, created_at)
select 'user', 'pull', case when n <= 11 then 'error' else 'success' end, 'the value Jane Doe', now() - n * interval '1 s'
from generate_series(1, 200) as n
"""
FINDING = """
insert into sync_findings (proof_id, entity_type, class, cause, fields, state)
values (gen_random_uuid(), 'user', '*', 'x', '[]', 'x')
"""
DEAD = """
insert into sync_runs (kind, outcome, started_at, heartbeat_at, progress)
values ('command', 'running', now() - interval '1 minute', now() - interval '31 s', '{"users": {}}')
"""
DAEMON = """
insert into sync_runs (kind, outcome, started_at, heartbeat_at)
values ('live', 'running', now() - interval '1 hour', now() - interval '6 minutes')
"""
CALLS = """insert into sync_runs (kind, outcome, started_at, api) values ('x', 'success', now(), '{"calls": 100}')"""
SEEDS = {
    "an old change": ("queue", "queue", OUTBOX, "delete from sync_outbox"),
    "an old event": ("queue", "queue", INBOX, "delete from sync_inbox"),
    "a record set aside": ("users", "set_aside", LINK, "update sync_mapping set sync_status = 'synced'"),
    "a conflict held": ("users", "held", CONFLICT, "update sync_conflicts set status = 'resolved'"),
    "errors": ("users", "errors", LOGS, "delete from sync_logs where status = 'error'"),
    "a difference": ("users", "differences", FINDING, "update sync_findings set status = 'mended'"),
    "a dead run": ("runs", "dead", DEAD, "update sync_runs set finished_at = now(), outcome = 'died'"),
    "a silent daemon": ("daemon", "daemon", DAEMON, "update sync_runs set finished_at = now(), outcome = 'success'"),
    "the calls of a day": ("budget", "calls", CALLS, "delete from sync_runs"),
}


@pytest.mark.parametrize("seed", SEEDS)
def test_what_fails_is_found_and_is_over_when_it_is_gone(judging: Judging, seed: str) -> None:
    subject, rule, bad, good = SEEDS[seed]
    judging.settings = Settings(daily_calls=100)
    assert judging.judge() == {}
    judging.sql(bad)
    alert = judging.judge()[subject, rule]
    assert alert.state == "failing" and alert.sentence and alert.command.startswith("python main.py ")
    assert "Jane" not in alert.sentence
    assert (subject, rule) not in judging.judge(f"{rule}=off")
    judging.judge()
    judging.sql(good)
    assert (subject, rule) not in judging.judge()
    headline = {rule.name: rule.headline for rule in RULES}[rule]
    assert judging.titles()[0] == f"{subject}: {headline}"
    assert judging.titles()[-1] == f"{subject}: is well again ({headline})"


def test_what_is_within_its_limit_is_well(judging: Judging) -> None:
    judging.sql(OUTBOX.replace("6 min", "4 min"))
    judging.sql(CONFLICT.replace("25", "23"))
    judging.sql(LOGS.replace("11", "10"))
    judging.sql(DAEMON.replace("6 min", "4 min"))
    judging.sql(DEAD.replace("31 s", "29 s"))
    assert judging.judge() == {}
    bad = judging.judge("queue.limit=1m, held.limit=2h, errors.limit=1")
    assert set(bad) == {("queue", "queue"), ("users", "held"), ("users", "errors")}


def test_drift_that_waits(judging: Judging) -> None:
    values = Values(judging.db)
    values.put(drift_key("users"), {"drift": [{"waits": "for a user"}, {"waits": ""}]})
    assert judging.judge()["users", "drift"].sentence == "1 change of the board wait for a decision."
    values.put(drift_key("users"), {"drift": []})
    assert judging.judge() == {}


def test_a_daemon_that_does_not_take_events(judging: Judging) -> None:
    values, now = Values(judging.db), datetime.now(timezone.utc)
    values.put(daemon_key("users"), (now - timedelta(minutes=6)).isoformat())
    assert ("daemon", "daemon") in judging.judge()
    # another has begun, and catches up
    judging.sql("insert into sync_runs (kind, outcome, heartbeat_at) values ('live', 'running', now())")
    assert judging.judge() == {}
    judging.sql("update sync_runs set started_at = now() - interval '6 minutes'")
    assert ("daemon", "daemon") in judging.judge()
    # it was ended in the usual way
    judging.sql("delete from sync_runs")
    judging.run("success", kind="live")
    assert judging.judge() == {}


# Runs


def test_only_failures_in_a_row_count(judging: Judging) -> None:
    for outcome, problem in (("failed", "MondayUnavailable"), ("partial", None), ("failed", "DatabaseUnreachable")):
        judging.run(outcome, problem=problem)
    assert judging.judge()["users", "failed"].state == "late"
    for outcome, problem in (("interrupted", None), ("running", None), ("partial", "TurnBusy")):
        judging.run(outcome, problem=problem)
    assert judging.judge()["users", "failed"].seen == 1
    judging.run("partial", problem="Incomplete")
    assert judging.judge() == {}
    judging.run("failed", problem="DatabaseUnreachable")
    judging.run("died")
    assert judging.judge()["users", "failed"].state == "failing"


@pytest.mark.parametrize("pattern", ["FFSFSFSFSFSFSFSFSFSF", "FFSFFSFFSFFSFFSFFS", "FSFSFSFSFFFFFFFFFFFS"])
def test_a_run_that_flaps_gives_two_messages(judging: Judging, pattern: str) -> None:
    for letter in pattern:
        problem = "MondayUnavailable" if letter == "F" else None
        judging.run("failed" if problem else "success", problem=problem)
        judging.judge()
    assert judging.titles() == ["users: fails", "users: is well again (fails)"]


def test_every_kind_of_error_has_its_words() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.SyncError)]
    leftovers = {kind.__name__ for kind in kinds if kind.exit_code == errors.EXIT_LEFTOVERS}
    assert {name for name, reason in REASONS.items() if not reason.fails} == leftovers
    assert kind_of(errors.ItemGone("the value Jane Doe")) == "MondayError"
    assert kind_of(errors.SyncError("")) == "SyncError" and reason_of("SyncError").fails


def test_proofs_are_no_syncs(judging: Judging) -> None:
    judging.run("failed", "3 h", "MondayUnavailable", period_s=3600)
    for ago in ("2 h", "1 h"):
        judging.run("success", ago, kind="verify")
    # a sync is due each hour, and none went well
    assert ("users", "stale") in judging.judge()
    judging.sql("delete from sync_runs")
    for ago in ("2 h", "1 h", "0 h"):
        judging.run("failed", ago, "MondayUnavailable", kind="verify")
    assert judging.judge() == {}


def test_a_daemon_that_repeats_a_failure_at_once_has_failed_once(judging: Judging) -> None:
    for ago in ("20 s", "10 s", "0 s"):
        judging.run("failed", ago, "MondayUnavailable", kind="catch-up")
    assert judging.judge()["users", "failed"].state == "late"
    judging.run("failed", "40 s", "MondayUnavailable", kind="catch-up")
    assert judging.judge()["users", "failed"].state == "failing"


def test_a_guard_is_told_at_once_and_each_time(judging: Judging) -> None:
    for outcome, problem in (("guarded", "GuardStop"), ("success", None)) * 2:
        judging.run(outcome, problem=problem)
        judging.judge()
    assert judging.titles() == ["users: was stopped by a guard", "users: is well again (was stopped by a guard)"] * 2


def test_nothing_that_went_well_for_two_periods(judging: Judging) -> None:
    judging.run("success", "100 minutes", period_s=1800)
    assert ("users", "stale") in judging.judge()
    assert judging.judge("stale.limit=4") == {}
    judging.sql(DEAD.replace("31 s", "1 s"))  # a run that takes long
    assert judging.judge("stale.limit=3.3") == {}
    judging.sql("delete from sync_runs where outcome = 'running'")
    judging.run("success", "59 minutes", period_s=1800)
    assert judging.judge() == {}


@pytest.mark.parametrize(("gaps", "stale"), [((60, 60, 60, 60), True), ((60, 60, 60, 600), False), ((60, 60), False)])
def test_a_period_is_known_from_runs_that_come_regularly(judging: Judging, gaps: tuple[int, ...], stale: bool) -> None:
    ago = 125
    for gap in (0, *gaps):
        ago += gap
        judging.run("success", f"{ago} minutes")
    assert (("users", "stale") in judging.judge()) is stale


def test_runs_of_an_earlier_version(judging: Judging) -> None:
    statement = """
    insert into sync_runs (kind, direction, outcome, message, entities, finished_at)
    values ('cli', 'monday_to_pg', %s, 'why', '[{"entity": "users", "message": "why"}, {"entity": "projects"}]', now())
    """
    for _ in range(2):
        judging.sql(statement, "failed")
    assert set(judging.judge()) == {("users", "failed")}
    judging.sql(statement, "guarded")
    assert set(judging.judge()) == {("users", "guard")}


# One step


def step(rule: Rule, *looks: tuple[bool, int]) -> list[str | None]:
    """Judges what was bad or not at these minutes, and returns the messages."""
    alert, messages = None, []
    for bad, minute in looks:
        result = judged(alert, Seen("s", rule.name, bad), rule, NOW + timedelta(minutes=minute), False)
        alert = result.alert
        messages.append(result.message)
    return messages


def test_a_grace_has_to_pass() -> None:
    rule = Rule("r", "", grace_s=600)
    assert step(rule, (True, 0), (True, 9), (True, 10), (True, 11)) == [None, None, "failing", None]
    assert step(rule, (True, 0), (False, 9), (True, 10), (True, 19)) == [None] * 4


def test_so_many_looks_in_a_row_count() -> None:
    rule = Rule("r", "", in_a_row=3)
    assert step(rule, *((True, minute) for minute in range(4))) == [None, None, "failing", None]


def test_reminders_come_at_their_time_and_can_be_off() -> None:
    looks = [(True, minute) for minute in (0, 59, 60, 61, 119, 120)]
    assert step(Rule("r", "", remind_s=3600), *looks) == ["failing", None, "reminder", None, None, "reminder"]
    assert step(Rule("r", "", remind_s=0), *looks) == ["failing", *[None] * 5]


def test_what_comes_and_goes_has_to_last_longer_each_time() -> None:
    looks = [(True, 0), (False, 1), (True, 2), (False, 4), (True, 5), (True, 11), (False, 12)]
    assert step(Rule("r", ""), *looks) == ["failing", "recovered", None, None, None, "failing", "recovered"]
    day = 24 * 60
    assert step(Rule("r", ""), (True, 0), (False, 1), (True, day + 2)) == ["failing", "recovered", "failing"]


# ALERT_RULES


def test_values_of_rules_are_read() -> None:
    rules = rules_of("failed.in_a_row=3, queue.limit=10m held=off,errors.limit=7.5%, all.remind=12h, daemon.remind=off")
    assert (rules["failed"].in_a_row, rules["queue"].limit, rules["held"].on) == (3, 600, False)
    assert (rules["errors"].limit, rules["drift"].remind_s, rules["daemon"].remind_s) == (7.5, 43_200, 0)
    assert rules_of("") == {rule.name: rule for rule in RULES}


@pytest.mark.parametrize(
    "text",
    ["nothing=off", "failed", "failed=3", "failed.in_a_row=0", "queue.limit=10", "guard.limit=1", "queue.limit=x"],
)
def test_values_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(text)):
        rules_of(text)


def test_the_page_shows_the_rules_with_their_values() -> None:
    page = (PROJECT / "docs" / "alerts.md").read_text(encoding="utf-8")
    shown = {
        row[0]: row for row in re.findall(r"^\| `(\w+)` \| .*? \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$", page, re.M)
    }
    assert list(shown) == [rule.name for rule in RULES]
    for rule in RULES:
        _, limit, in_a_row, grace, remind = shown[rule.name]
        assert in_a_row == str(rule.in_a_row) and grace == "0" and remind == "24h", rule
        assert limit == _limit(rule), rule


def _limit(rule: Rule) -> str:
    if rule.limit is None:
        return "-"
    if rule.unit == "s":
        return f"{rule.limit / 3600:.0f}h" if rule.limit >= 3600 else f"{rule.limit / 60:.0f}m"
    return f"{rule.limit:.0f} {rule.unit}"
