"""Deletes what is old, and nothing else."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from db_connector import Database
from realtime.tidying import prune_when_due
from state import latency, retention
from tests.kit.cli import run_main


def execute(db: Database, statement: str) -> None:
    db.execute_query(statement, fetch=False)


def left(db: Database, table: str, column: str) -> list[str]:
    return [row["x"] for row in db.execute_query(f"select {column} as x from {table} order by 1")]


@pytest.fixture
def aged(db: Database) -> Database:
    """Makes a memory with something of each kind, of each age."""
    execute(
        db,
        "insert into sync_logs (operation, status, message, created_at)"
        " select 'update', 'success', days, now() - make_interval(days => days) - interval '1 minute'"
        " from unnest(array[0, 1, 89, 90, 91, 399, 400, 1000]) as days",
    )
    execute(
        db,
        "insert into sync_runs (kind, outcome, started_at, heartbeat_at, finished_at)"
        " select kind, outcome, now() - interval '500 days', now() - beat, now() - ended"
        " from (values ('ended long ago', 'success', null::interval, '401 days'::interval),"
        " ('ended lately', 'success', null, '399 days'), ('goes on', 'running', '1 second', null),"
        " ('died long ago', 'running', '401 days', null), ('died lately', 'running', '1 day', null),"
        " ('of an earlier version', 'running', null, null)) as r (kind, outcome, beat, ended)",
    )
    execute(
        db,
        "insert into sync_conflicts (entity_type, field, rule, winner, status, resolved_at, created_at, updated_at)"
        " select 'user', field, 'manual', 'monday', status, now() - settled, now() - interval '900 days',"
        " now() - coalesce(settled, '900 days')"
        " from (values ('settled long ago', 'resolved', '401 days'::interval),"
        " ('settled lately', 'resolved', '399 days'), ('open', 'open', null)) as c (field, status, settled)",
    )
    execute(
        db,
        "insert into sync_proofs (id, entity_type, monday_board_id, kind, finished_at)"
        " select gen_random_uuid(), 'user', kind, kind, now() - ended from (values ('long ago', '401 days'::interval),"
        " ('with an open finding', '401 days'), ('lately', '399 days')) as p (kind, ended)",
    )
    execute(
        db,
        "insert into sync_findings (proof_id, entity_type, class, cause, fields, state, status, settled_at)"
        " select p.id, 'user', f.class, 'x', '{}', 'fault', f.status, now() - f.settled from sync_proofs as p,"
        " (values ('settled long ago', 'settled', '401 days'::interval), ('settled lately', 'settled', '1 day'),"
        " ('open', 'open', null)) as f (class, status, settled) where p.kind = 'with an open finding'",
    )
    return db


@pytest.fixture
def messages(db: Database) -> None:
    """Makes messages of each age."""
    execute(
        db,
        "insert into sync_alert_deliveries (subject, rule, kind, title, body, state, created_at)"
        " select 'users', 'failed', 'failing', '', age, state, now() - age::interval"
        " from (values ('401 days', 'delivered'), ('399 days', 'delivered'), ('402 days', 'waiting')) as d (age, state)",
    )


def test_what_is_old_goes_and_all_else_stays(aged: Database, messages: None) -> None:
    expected = {"log": 5, "runs": 3, "conflicts": 1, "findings": 1, "proofs": 1, "messages": 1}
    assert retention.count_old(aged, 90) == expected
    assert retention.prune(aged, 90) == expected
    assert left(aged, "sync_logs", "message::integer") == [0, 1, 89]
    assert left(aged, "sync_runs", "kind") == ["died lately", "ended lately", "goes on"]
    assert left(aged, "sync_conflicts", "field") == ["open", "settled lately"]
    assert left(aged, "sync_findings", "class") == ["open", "settled lately"]
    assert left(aged, "sync_proofs", "kind") == ["lately", "with an open finding"]
    assert left(aged, "sync_alert_deliveries", "body") == ["399 days", "402 days"]
    assert not any(retention.prune(aged, 90).values())


@pytest.mark.parametrize(("keep", "logs"), [(1, 1), (90, 3), (401, 7), (36_500, 8)])
def test_the_log_is_kept_as_long_as_the_setting_says(aged: Database, keep: int, logs: int) -> None:
    retention.prune(aged, keep)
    assert len(left(aged, "sync_logs", "message")) == logs


def test_runs_and_conflicts_are_kept_as_long_as_the_log_when_that_is_longer(aged: Database) -> None:
    assert not any(retention.prune(aged, 36_500).values())


def test_the_sums_stay(aged: Database) -> None:
    execute(aged, "update sync_logs set seq = null where message = '1000'")
    sums = aged.execute_query("select sum(n)::int as n from sync_stats")
    latency.add(aged, "user", [("monday", 0.3)])
    execute(aged, "update sync_latency set hour = '2020-01-01'")
    execute(aged, "delete from sync_stats where hour < now() - interval '999 days'")  # as of before anything counted
    retention.prune(aged, 90)
    assert aged.execute_query("select sum(n)::int as n from sync_stats") == sums
    assert aged.execute_query("select n from sync_latency") == [{"n": 1}]


def test_each_transaction_deletes_some_thousand_rows_and_it_ends_between_two(db: Database) -> None:
    execute(
        db,
        "insert into sync_logs (operation, created_at) select 'x', '2020-01-01' from generate_series(1, 12000)",
    )
    assert retention.prune(db, 90, lambda: False)["log"] == retention.AT_ONCE
    assert retention.is_due(db)
    assert retention.prune(db, 90)["log"] == 12_000 - retention.AT_ONCE
    assert not retention.is_due(db)


def test_two_at_once_delete_each_row_once(db: Database) -> None:
    execute(
        db,
        "insert into sync_logs (operation, created_at) select 'x', '2020-01-01' from generate_series(1, 12000)",
    )
    gone: list[int] = []
    threads = [threading.Thread(target=lambda: gone.append(retention.prune(db, 90)["log"])) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(gone) == 12_000 and left(db, "sync_logs", "operation") == []


def test_a_row_that_a_user_holds_stays_until_the_next_time(aged: Database) -> None:
    with aged.transaction() as holder:
        holder.execute("select from sync_conflicts where field = 'settled long ago' for update")
        assert retention.prune(aged, 90)["conflicts"] == 0
    assert retention.prune(aged, 90)["conflicts"] == 1


def test_a_daemon_deletes_once_a_day(aged: Database) -> None:
    stopping = threading.Event()
    prune_when_due(aged, 90, stopping)
    assert len(left(aged, "sync_logs", "message")) == 3
    execute(aged, "insert into sync_logs (operation, created_at) values ('old', '2020-01-01')")
    prune_when_due(aged, 90, stopping)
    assert len(left(aged, "sync_logs", "operation")) == 4
    day = "to_jsonb((now() - interval '25 hours')::text)"
    execute(aged, f"update sync_state set value = {day} where name = 'pruned'")
    prune_when_due(aged, 90, stopping)
    assert len(left(aged, "sync_logs", "operation")) == 3


def test_the_command_says_what_it_would_delete_and_then_deletes_it(
    aged: Database, database_url: str, home: Path
) -> None:
    env = {"DATABASE_URL": database_url, "MONDAY_KEEP_LOGS_DAYS": "400"}
    planned = json.loads(run_main(home, "prune", "--dry-run", "--json", env=env).out)
    expected = {"log": 2, "runs": 3, "conflicts": 1, "findings": 1, "proofs": 1, "messages": 0}
    assert planned["deleted"] == expected and planned["dry_run"]
    assert len(left(aged, "sync_logs", "message")) == 8
    done = run_main(home, "prune", env=env)
    assert done.out == (
        "Deleted 2 rows of the log older than 400 days, and older than 400 days:"
        " 3 runs, 1 settled conflict, 1 settled finding, 1 proof, 0 messages.\n"
    )
    assert len(left(aged, "sync_logs", "message")) == 6


def test_the_listings_of_killed_processes_go_and_that_of_a_reading_to_be_carried_on_stays(db: Database) -> None:
    execute(
        db,
        "insert into sync_listing (pass, monday_id, noted_at)"
        " select md5(word)::uuid, n::text, now() - make_interval(days => days) + n * interval '1 minute'"
        " from (values ('killed', 3), ('carried on', 3), ('goes on', 1)) as l (word, days), generate_series(1, 3) as n",
    )
    execute(
        db,
        "insert into sync_state (name, value) values"
        " ('pull:users', jsonb_build_object('reading', jsonb_build_object('pass', md5('carried on')::uuid)))",
    )
    retention.prune(db, 90)
    passes = (
        "select distinct case pass when md5('killed')::uuid then 'killed' else 'kept' end as x, pass from sync_listing"
    )
    assert [row["x"] for row in db.execute_query(passes)] == ["kept", "kept"]
