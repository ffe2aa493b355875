"""Works through a real pgbouncer, which is refused where it changes sessions between two transactions."""

import pytest

from db_connector import Database
from errors import SettingsError
from state.turns import working_on
from tests.kit.pgbouncer import PROGRAM, pgbouncer

HELD = """
select l.pid
from pg_locks as l join pg_database as d on d.oid = l.database
where l.locktype = 'advisory' and d.datname = current_database()
"""
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed")


@pytest.fixture
def pooled(postgres, db, database_url):
    """Puts a pgbouncer before the test's own database."""
    (name,) = db.execute_query("select current_database() as name")
    return lambda mode, **more: pgbouncer(postgres.connection, name["name"], mode, **more)


POOLS = {
    "transaction": ("transaction", {}),
    "statement": ("statement", {}),
    "transaction, one session": ("transaction", {"default_pool_size": 1}),
    "transaction, by turns": ("transaction", {"server_round_robin": 1, "min_pool_size": 4}),
}


@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_that_changes_sessions_is_refused_at_once_with_the_remedy(pooled, db, pool):
    mode, more = POOLS[pool]
    with pooled(mode, **more) as url:
        through = Database(url)
        with pytest.raises(SettingsError, match="another session") as caught, working_on(through, "thing"):
            pass
        with pytest.raises(SettingsError), through.transaction():
            pass
        through.close()
    assert "pool_mode = session" in caught.value.hint
    assert db.execute_query(HELD) == []


def test_a_pool_whose_sessions_others_use_too_is_refused(pooled):
    with pooled("transaction", default_pool_size=3) as url:
        through = Database(url)
        with pytest.raises(SettingsError), through.transaction():
            pass
        through.close()


def test_a_command_through_such_a_pool_ends_with_2_and_says_why(pooled, run_cli):
    with pooled("transaction") as url:
        done = run_cli("monday-to-pg", env={"DATABASE_URL": url, "MONDAY_API_KEY": "k", "MONDAY_BOARD_ID_DATA": "1"})
        looked = run_cli("status", env={"DATABASE_URL": url})
    for ended in (done, looked):
        assert ended.code == 2, ended.err
        assert "pool_mode = session" in ended.err


@pytest.mark.parametrize("size", [1, 20])
def test_a_pool_in_session_mode_is_used(pooled, size):
    with pooled("session", default_pool_size=size) as url:
        through = Database(url)
        assert through.execute_query("select 1 as one") == [{"one": 1}]
        if size > 1:
            with working_on(through, "thing"), through.transaction() as tx:
                assert len(tx.rows(HELD)) == 1
        through.close()
