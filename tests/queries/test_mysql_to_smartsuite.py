"""Copies the rows of a query of MariaDB to a stand-in for SmartSuite."""

import json

import pytest

from tests.kit.syncs import MYSQL_QUERY


def fill(world, count):
    world.mysql(
        "insert into customers (id, name, amount, stage, born) select seq, concat('Käufer 😀 ', seq), seq + 0.5,"
        f" if(mod(seq, 2) = 0, 'n', 'p'), date '2020-01-01' + interval seq day from seq_1_to_{count}"
    )


def test_first_run_creates_and_an_idle_run_makes_no_call(shop):
    fill(shop, 60)
    first = shop.counts()
    assert (first["created"], first["errors"]) == (60, 0)
    assert shop.records()["2"]["Title"] == "Käufer 😀 2"
    assert shop.records()["2"]["Amount"] == "2.5"
    idle = shop.counts()
    assert (idle["calls"], idle["unchanged"]) == (0, 60)
    shop.mysql(
        "update customers set note = 'seen' where id in (3, 4)", "insert into customers (id, name) values (99, 'x')"
    )
    later = shop.counts()
    assert (later["updated"], later["created"]) == (2, 1)
    assert shop.records()["4"]["Note"] == "seen"


def test_changes_from_before_the_overlap_are_not_read_again(shop):
    fill(shop, 5)
    shop.mysql("update customers set updated_at = '2020-05-05' where id < 4")
    assert shop.counts()["created"] == 5
    assert shop.counts()["read"] == 2
    assert shop.counts("--full")["read"] == 5


def test_values_that_do_not_fit_cost_their_row_only(shop):
    fill(shop, 3)
    shop.mysql("set @@sql_mode = ''", "update customers set born = '2026-00-00' where id = 2")
    done = shop.run("--json")
    assert (done.code, json.loads(done.out)["entities"][0]["created"]) == (3, 2), done.err
    assert "row 2: born → Born: no such day: 2026-00-00" in done.err


def test_zero_dates_are_empty_with_a_date_transformation(shop):
    fill(shop, 2)
    shop.mysql("set @@sql_mode = ''", "update customers set born = '0000-00-00' where id = 2")
    shop.write_sync(
        query=MYSQL_QUERY,
        source={"database": "mysql"},
        transformations={"born": {"type": "date"}, "stage": {"type": "choice", "value_map": {"n": "New", "p": "Paid"}}},
    )
    assert shop.counts()["created"] == 2
    assert not shop.records()["2"].get("Born", {}).get("date")


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"MYSQL_PASSWORD": "wrong-secret"}, 1, "Access denied"),
        ({"MYSQL_HOST": "127.0.0.2", "MYSQL_PORT": "1"}, 1, "MYSQL_HOST"),
        ({"MYSQL_DATABASE": "absent"}, 2, "absent"),
        ({"MYSQL_DATABASE": ""}, 2, "MYSQL_DATABASE is not set"),
        ({"MYSQL_PORT": "many"}, 2, "MYSQL_PORT"),
    ],
)
def test_a_wrong_address_is_told(shop, changes, code, said):
    shop.env |= changes
    done = shop.run()
    assert done.code == code, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert "wrong-secret" not in done.err


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select id, nme from customers", "nme"),
        ("select * from absent", "absent"),
        ("selct 1", "syntax"),
        ("select 1; select 2", "syntax"),
        ("select id, name, amount, stage, born, note, id from customers", "two columns 'id'"),
        ("delete from customers", "denied"),
    ],
)
def test_a_wrong_query_is_told(shop, query, said):
    fill(shop, 1)
    shop.write_sync(query=query, source={"database": "mysql"})
    done = shop.run()
    assert done.code == 2, done.err
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_stream_that_is_left_early_says_nothing(shop):
    fill(shop, 5000)
    done = shop.run("--dry-run", "--limit", "3")
    assert done.code == 0, done.err
    assert "Exception" not in done.err
    assert "3 rows read, 3 new" in done.out
    assert "... and" not in done.err


def test_a_query_that_names_null_itself_reads_rows_without_a_time(shop):
    shop.mysql("alter table customers modify updated_at datetime null", "insert into customers (id) values (1)")
    shop.mysql("update customers set updated_at = null")
    shop.write_sync(
        query="select * from customers where updated_at > :last_sync_time or :last_sync_time is null",
        source={"database": "mysql"},
    )
    assert shop.counts()["created"] == 1
    assert shop.counts()["read"] == 0
