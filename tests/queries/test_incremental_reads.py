"""Reads what changed since the last run, from MariaDB: whatever clocks, zones and transactions do, no row is passed over."""

import json

import pytest

from databases.mysql.private import ADMIN

TABLE = """
create or replace table visits (
    id int primary key, name varchar(50), at timestamp not null default now() on update now(), local_at datetime)
"""
QUERY = "select id, name from visits where at >= :last_sync_time"
MARK, BEFORE = "2026-05-05 10:15:00", "2026-05-05 10:00:00"
"""When the last run began, and the time from which the next one reads: 15 minutes earlier."""


@pytest.fixture
def visits(world, server):
    server.execute("set global time_zone = '+00:00'", TABLE, database="shop")
    server.execute("insert into visits (id, name) select seq, concat('Guest ', seq) from seq_1_to_4", database="shop")
    world.env |= server.settings
    write(world, QUERY)
    world.mysql = lambda *statements: server.execute(*statements, database="shop")
    yield world
    server.execute("set global time_zone = '+00:00'")


def write(world, query, database="mysql"):
    world.write_sync(
        query=query,
        source={"database": database},
        destination={"field_mappings": {"name": "title"}},
        transformations={},
    )


def names(world):
    return {key: record["Title"] for key, record in world.records().items()}


def remembered(world, mark):
    """Lets the last run have begun at that time, in UTC."""
    world.db.execute_query(
        "update sync_state set value = jsonb_set(value, '{mark}', to_jsonb(%s::text)) where name = 'query:shop'",
        (mark.replace(" ", "T") + "+00:00",),
        fetch=False,
    )


def test_a_row_that_is_committed_after_a_later_run_began_is_found(visits, server):
    visits.counts()
    with server.connected("shop") as application, application.cursor() as cursor:
        cursor.execute("start transaction")
        cursor.execute("update visits set name = 'Late' where id = 2")
        assert visits.counts()["unchanged"] == 4
        cursor.execute("commit")
    assert visits.counts()["updated"] == 1
    assert names(visits)["2"] == "Late"


def test_a_row_of_the_same_second_as_the_bound_is_found(visits):
    visits.mysql(f"update visits set at = '{BEFORE}'")
    visits.counts()
    remembered(visits, MARK)
    # of the second that an earlier run has read already
    visits.mysql(f"update visits set name = 'Tie', at = '{BEFORE}' where id = 3")
    assert visits.counts()["updated"] == 1
    remembered(visits, "2026-05-05 10:15:01")
    assert visits.counts()["read"] == 0


@pytest.mark.parametrize("zone", ["+05:00", "-05:00"])
def test_the_zone_of_the_server_moves_no_timestamp(visits, zone):
    visits.mysql(f"set global time_zone = '{zone}'")
    visits.mysql(f"set time_zone = '{zone}'", "update visits set name = 'Here', at = now() where id = 1")
    visits.counts()
    visits.mysql(f"set time_zone = '{zone}'", "update visits set name = 'There' where id = 1")
    assert visits.counts()["updated"] == 1
    visits.mysql(f"set time_zone = '{zone}'", "update visits set at = now() - interval 20 minute")
    assert visits.counts()["read"] == 0


def test_a_time_in_the_applications_zone_is_compared_in_that_zone(visits):
    zoned = "convert_tz(:last_sync_time, '+00:00', '-05:00')"
    write(visits, f"select id, name from visits where local_at >= {zoned}")
    visits.mysql("update visits set local_at = now() - interval 5 hour")
    assert visits.counts()["created"] == 4
    visits.mysql("update visits set name = 'News', local_at = now() - interval 5 hour where id = 4")
    assert visits.counts()["updated"] == 1


def test_a_clock_that_went_back_makes_the_run_compare_all(visits):
    visits.mysql(f"update visits set at = '{BEFORE}'")
    visits.counts()
    remembered(visits, "2099-01-01 00:00:00")
    visits.mysql(f"update visits set name = 'Found', at = '{BEFORE}' where id = 1")
    done = visits.run("--json")
    assert done.code == 0 and "clock went back" in done.err, done.err
    assert json.loads(done.out)["entities"][0]["updated"] == 1
    assert visits.counts()["read"] == 0


def test_the_mark_stays_while_a_row_is_refused(visits):
    visits.switch(text_limit=10)
    visits.mysql(f"update visits set at = '{BEFORE}'", "update visits set name = repeat('long ', 9) where id = 2")
    assert visits.counts(code=3)["created"] == 3
    visits.mysql(f"update visits set name = 'short', at = '{BEFORE}' where id = 2")
    assert visits.counts("--full")["created"] == 1
    assert names(visits)["2"] == "short"


WRITER = (
    "create or replace function shop.counted() returns int begin insert into visits (id) values (99); return 1; end"
)


def test_a_query_that_writes_is_refused_also_where_its_user_may_write(visits, server):
    visits.env |= {"MYSQL_USER": ADMIN, "MYSQL_PASSWORD": server.address("shop").password}
    visits.mysql(WRITER)
    for query in ("delete from visits", "select id, name from visits where counted() = 1"):
        write(visits, query)
        done = visits.run()
        assert done.code == 2 and "READ ONLY transaction" in done.err and "must be a select" in done.err, done.err
    assert server.execute("select count(*) from visits", database="shop") == [(4,)]
    assert not visits.records()


def test_a_query_of_postgresql_that_writes_is_refused(world):
    world.execute(
        "create function counted() returns int language sql as $$ insert into shop (id) values (99) returning 1 $$"
    )
    write(world, "select id, name from shop where counted() = 1", "postgres")
    world.rows(2)
    done = world.run()
    assert done.code == 2 and "read-only transaction" in done.err, done.err
    assert len(world.db.execute_query("select 1 from shop")) == 2 and not world.records()
