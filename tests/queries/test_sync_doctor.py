"""`doctor` looks at the databases of queries, at SmartSuite, and at each sync; the month's calls are told ahead."""

from __future__ import annotations

import json

from mappings.query_syncs import load_syncs
from rows.queries import opened
from settings import read_settings
from sync.queries.checking import of_keys
from tests.kit.cli import run_main


def doctor(world, *slugs, **more):
    done = run_main(world.home, "doctor", "--json", *slugs, env={**world.env, **more})
    assert "Traceback" not in done.err
    told = json.loads(done.out)
    assert told["exit_code"] == done.code
    return {finding["slug"]: finding for finding in told["findings"]}, done.code


def test_a_sync_in_order_needs_no_key_of_monday(shop):
    shop.mysql("insert into customers (id, name) values (1, 'one'), (2, 'two')")
    found, _ = doctor(shop)
    assert found["mysql.reach"]["sentence"].startswith("MariaDB ")
    wanted = ("mysql.reach", "mysql.rights", "mysql.clock", "smartsuite.key", "smartsuite.calls", "smartsuite.speed")
    assert {slug: found[slug]["state"] for slug in (*wanted, "sync.file", "query.shop", "table.shop", "runs.shop")} == (
        dict.fromkeys((*wanted, "sync.file", "query.shop", "table.shop", "runs.shop"), "ok")
    )
    assert found["keys.shop"]["sentence"] == "2 rows, each with a key of its own"
    assert "not looked at" in found["monday.key"]["sentence"]
    assert {finding["state"] for finding in found.values()} <= {"ok", "note"}
    text = run_main(shop.home, "doctor", "--sync-name", "shop", env=shop.env)
    assert text.code == 0 and "SmartSuite" in text.out, text.out
    assert "every check" not in text.err


def test_each_fault_of_a_source_is_found_and_once_mended_it_is_gone(shop):
    found, code = doctor(shop, "mysql", "query", MYSQL_PASSWORD="wrong-secret")
    assert code == 1 and "Access denied" in found["mysql.reach"]["sentence"]
    assert "not looked at, because mysql.reach failed" in found["query.shop"]["sentence"]
    assert "wrong-secret" not in json.dumps(found)
    shop.server.execute("grant insert on shop.* to reader@'127.0.0.1'")
    found, code = doctor(shop, "mysql")
    assert (found["mysql.rights"]["state"], code) == ("note", 0)
    shop.server.execute("revoke insert on shop.* from reader@'127.0.0.1'")
    assert doctor(shop, "mysql")[0]["mysql.rights"]["state"] == "ok"
    shop.write_sync(query="select id, nme from customers", source={"database": "mysql"})
    found, code = doctor(shop, "query", "keys")
    assert (
        code == 2
        and "nme" in found["query.shop"]["sentence"]
        and "sync_mappings.yml:" in found["query.shop"]["sentence"]
    )
    assert not found["keys.shop"]["looked"]


def test_rows_without_a_key_and_keys_of_several_rows_are_found(shop):
    shop.mysql("insert into customers (id, name) values (1, 'a'), (2, 'A'), (3, 'b')")
    names = "select name as id, name, amount, stage, born, note, updated_at from customers"
    shop.write_sync(query=f"{names} union all select null, 'x', 1, 'n', null, '', now()", source={"database": "mysql"})
    found, code = doctor(shop, "keys")
    # a and A are two keys, though the database takes them for one
    assert (code, found["keys.shop"]["sentence"]) == (3, "1 row without id, which are not written.")
    shop.write_sync(query=f"{names} union all {names}", source={"database": "mysql"})
    found, code = doctor(shop, "keys")
    assert (code, found["keys.shop"]["sentence"]) == (3, "3 rows with the id of another row; neither is written.")


def test_keys_are_compared_as_a_run_takes_them(shop):
    shop.mysql("insert into customers (id, name) values (1, 'a  b'), (2, ' a b')")
    shop.write_sync(
        query="select name as id, name, amount, stage, born, note from customers", source={"database": "mysql"}
    )
    found, code = doctor(shop, "keys")
    assert (code, found["keys.shop"]["sentence"]) == (3, "1 row with the id of another row; neither is written.")


def test_keys_that_cannot_all_be_read_in_time_are_told_with_their_number(shop):
    shop.mysql("insert into customers (id, name) select seq, seq from seq_1_to_2500")
    settings = read_settings({"MONDAY_SYNC_HOME": str(shop.home), **shop.env}, str(shop.home)).settings
    sync = load_syncs(shop.home)["shop"]
    with opened(settings, None, sync) as source:
        (told,) = of_keys(sync, source, seconds=-1.0)
    assert told.sentence.startswith("1,000 rows, each with a key of its own. Of the first 1,000 rows:")


def test_each_fault_of_smartsuite_is_found(world):
    found, code = doctor(world, "smartsuite", SMARTSUITE_TOKEN="wrong-secret")
    assert code == 2 and "refuses the key" in found["smartsuite.key"]["sentence"]
    assert "wrong-secret" not in json.dumps(found)
    found, code = doctor(world, "smartsuite.key", SMARTSUITE_API_URL="http://127.0.0.1:9/api/v1")
    assert code == 1 and "cannot be reached" in found["smartsuite.key"]["sentence"]
    world.write_sync(destination={"table_id": "0" * 24})
    found, code = doctor(world, "smartsuite.key", "table")
    assert (code, found["smartsuite.key"]["state"], found["table.shop"]["state"]) == (2, "ok", "fault")
    world.write_sync(destination={"field_mappings": {"name": "Titel"}}, transformations={})
    found, code = doctor(world, "table")
    assert code == 2 and "no field 'Titel'" in found["table.shop"]["sentence"]
    (world.home / "config" / "sync_mappings.yml").write_text("syncs: 1\n")
    found, code = doctor(world, "sync")
    assert code == 2 and "sync_mappings.yml:1" in found["sync.file"]["sentence"]


def test_what_runs_have_left_is_told(world):
    world.rows(30)
    assert doctor(world, "runs.shop")[0]["runs.shop"]["sentence"].startswith("no run yet")
    world.execute("update shop set stage = 'odd' where id = 2")
    world.counts(code=3)
    found, code = doctor(world, "runs.shop")
    assert (code, found["runs.shop"]["sentence"]) == (3, "1 row refused.")
    # the row is gone, and with it what was remembered of it
    world.execute("delete from shop where id = 2")
    world.counts("--full")
    assert doctor(world, "runs.shop")[0]["runs.shop"]["state"] == "ok"
    world.execute("delete from shop")
    world.run("--sweep")
    found, code = doctor(world, "runs.shop")
    assert (code, found["runs.shop"]["state"]) == (4, "fault")
    assert "--allow-mass-delete" in found["runs.shop"]["remedy"]


def test_the_months_calls_are_told_before_a_first_run_and_by_doctor(world):
    world.rows(60)
    few, many = {"SMARTSUITE_MONTHLY_CALLS": "4"}, {"SMARTSUITE_MONTHLY_CALLS": "5000"}
    found, code = doctor(world, "smartsuite.calls", **few)
    assert (code, found["smartsuite.calls"]["state"]) == (3, "warning")
    assert found["smartsuite.calls"]["sentence"] == "4 of 4 calls of this month are left; the first runs need about 5."
    dry = run_main(world.home, "run", "--sync-name", "shop", "--dry-run", env={**world.env, **many})
    assert "shop needs about 5 calls to SmartSuite; 5,000 of 5,000 calls of this month are left." in dry.err
    first = run_main(world.home, "run", "--sync-name", "shop", env={**world.env, **few})
    # the dry run has read the table
    assert "shop needs about 5 calls to SmartSuite, and 3 of 4 calls of this month are left." in first.err
    assert world.suite.admin("requests") and len(world.records()) == 60
    found, code = doctor(world, "smartsuite.calls", **many)
    assert (code, found["smartsuite.calls"]["sentence"]) == (0, "4,994 of 5,000 calls of this month are left")
    idle = run_main(world.home, "run", "--sync-name", "shop", env={**world.env, **few})
    assert "needs about" not in idle.err
    assert "SMARTSUITE_MONTHLY_CALLS is not set" in doctor(world, "smartsuite.calls")[0]["smartsuite.calls"]["sentence"]


def test_a_home_without_syncs_has_none_of_these_checks(world):
    (world.home / "config" / "sync_mappings.yml").unlink()
    slugs = run_main(world.home, "doctor", "--list", env=world.env).out
    assert "smartsuite" not in slugs and "mysql" not in slugs
