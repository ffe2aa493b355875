"""Rows of a query of MariaDB that name records which are not there yet are written, and linked when those are there."""

from __future__ import annotations

import json

import pytest

from tests.kit.cli import run_main
from tests.kit.query_runs import SLUGS
from tests.kit.syncs import World

PARENT = "sparent001"
QUERY = "select id, title, note as parent, updated_at from things where updated_at >= :last_sync_time order by seq"
MAPPINGS = {"title": SLUGS["title"], "parent": PARENT}


@pytest.fixture
def tree(bench):
    """Has rows that name another row of the same query."""
    params = {"linked_application": bench.table_id}
    bench.suite.admin(
        "fields/add",
        table_id=bench.table_id,
        slug=PARENT,
        label="Parent",
        field_type="linkedrecordfield",
        params=params,
    )
    bench.mysql("alter table things add column seq int auto_increment unique")
    bench.write_sync(query=QUERY, field_mappings=MAPPINGS)
    return bench


def add(bench, **parents):
    for key, parent in parents.items():
        named = "null" if parent is None else f"'{parent}'"
        bench.mysql(f"insert into things (id, title, note) values ('{key}', 'Thing {key}', {named})")


def links(bench):
    """Returns the key that each record's parent shows; None without one."""
    shown = bench.suite.admin("tables/snapshot", table_id=bench.table_id)
    keys = {item["id"]: item[SLUGS["key"]] for item in shown}
    assert len(set(keys.values())) == len(shown), "a record was doubled"
    return {item[SLUGS["key"]]: next((keys[id] for id in item.get(PARENT) or []), None) for item in shown}


def state_of(bench, key):
    (row,) = bench.sql(
        "select attempts, source_hash, last_error, unlinked, next_try_at > now() as pauses from sync_records"
        " where source_key = %s",
        key,
    )
    return row


def must_be_idle(bench):
    bench.calls()
    report = bench.run(sweep=True)
    assert (bench.calls(), report.exit_code, report.updated) == ([], 0, 0)


def test_a_parent_that_the_same_run_makes_is_linked_by_it(tree):
    add(tree, a="b", b="c", c=None, d="d")
    report = tree.run()
    assert (report.created, report.errors, report.set_aside, report.exit_code) == (4, 0, 0, 0)
    assert links(tree) == {"a": "b", "b": "c", "c": None, "d": "d"}
    must_be_idle(tree)


def test_a_parent_that_comes_later_is_linked_by_the_run_that_writes_it(tree):
    add(tree, a="b")
    report = tree.run()
    assert (report.created, report.errors, report.set_aside, links(tree)) == (1, 0, 1, {"a": None})
    state = state_of(tree, "a")
    assert (state["attempts"], state["source_hash"], state["pauses"]) == (1, None, True)
    assert state["last_error"] == "Parent: no record of b yet"
    add(tree, b=None)
    tree.run()
    report = tree.run()
    assert (links(tree), report.set_aside, report.errors) == ({"a": "b", "b": None}, 0, 0)
    assert (state_of(tree, "a")["attempts"], state_of(tree, "a")["unlinked"]) == (0, None)
    must_be_idle(tree)


def test_a_parent_that_never_comes_is_told_and_costs_no_call_between_the_tries(tree):
    add(tree, a="b", c=None)
    tree.run()
    tree.calls()
    report = tree.run()
    assert (tree.calls(), report.set_aside, report.errors, report.exit_code) == ([], 1, 0, 3)
    for attempts in (2, 3):
        tree.later()
        report = tree.run()
        assert (report.set_aside, report.updated, state_of(tree, "a")["attempts"]) == (1, 0, attempts)
        made = tree.calls()
        assert made and "update" not in " ".join(made)
    tree.mysql("update things set note = null where id = 'a'")
    assert tree.run(full=True).set_aside == 0
    must_be_idle(tree)


def test_other_fields_of_a_row_that_waits_are_written(tree):
    add(tree, a="b")
    tree.run()
    tree.mysql("update things set title = 'Renamed' where id = 'a'")
    tree.later()
    assert tree.run().updated == 1
    assert tree.items()[0]["title"] == "Renamed"
    assert state_of(tree, "a")["source_hash"] is None


def test_a_link_stays_until_the_record_is_there_that_takes_its_place(tree):
    add(tree, a=None, b="a")
    tree.run()
    tree.mysql("update things set note = 'later' where id = 'b'")
    assert tree.run().set_aside == 1
    assert links(tree)["b"] == "a"
    add(tree, later=None)
    tree.run()
    assert tree.run().conflicts == 0
    assert links(tree)["b"] == "later"
    must_be_idle(tree)


def test_what_people_link_while_a_row_waits_is_a_conflict_when_its_parent_comes(tree):
    tree.write_sync(query=QUERY, field_mappings=MAPPINGS, on_conflict="smartsuite")
    add(tree, a="b", c=None)
    tree.run()
    ids = {item["key"]: item["id"] for item in tree.items()}
    tree.suite.admin("records/change", record_id=ids["a"], values={PARENT: [ids["c"]]})
    add(tree, b=None)
    conflicts = tree.run().conflicts + tree.run().conflicts
    assert (conflicts, links(tree)["a"]) == (1, "c")
    must_be_idle(tree)


@pytest.mark.parametrize("lost", [False, True], ids=["", "answers lost"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("operation", ["create", "update"])
def test_a_run_that_is_killed_at_a_link_is_completed(tree, operation, after, lost):
    add(tree, a="b", b="c", c=None)
    tree.kill_at(operation, 1, after)
    tree.later()
    if lost:
        tree.suite.admin("faults/add", kind="lost_answer", match={"field": "write"}, count=3)
    reports = [tree.run()]
    tree.suite.admin("faults/clear")
    tree.later()
    reports.append(tree.run())
    assert links(tree) == {"a": "b", "b": "c", "c": None}
    assert [report.conflicts for report in reports] == [0, 0]
    must_be_idle(tree)


# Two syncs


@pytest.fixture
def shop(world: World, server):
    """Has orders that name customers, whose sync stands behind theirs."""
    server.execute(
        "create or replace table buyers (id int primary key, name varchar(40))",
        "create or replace table buys (id int primary key, buyer int)",
        "insert into buys values (1, 7), (2, null)",
        database="shop",
    )
    admin, key = world.suite.admin, {"label": "External id", "field_type": "textfield"}
    buyers = admin("tables/create", name="Buyers", fields=[key])["id"]
    linked = {"label": "Buyer", "field_type": "linkedrecordfield", "params": {"linked_application": buyers}}
    made = admin("tables/create", name="Buys", fields=[key, linked])
    world.table_id, world.slugs = made["id"], {"Title": "title", **made["slugs"]}
    world.env |= server.settings
    syncs = [
        {
            "name": name,
            "source": {"query": f"select * from {name}", "primary_key": "id"},
            "destination": {"table_id": table_id, "external_id_field": "External id", "field_mappings": fields},
        }
        for name, table_id, fields in (
            ("buys", world.table_id, {"buyer": "Buyer"}),
            ("buyers", buyers, {"name": "title"}),
        )
    ]
    (world.home / "config" / "sync_mappings.yml").write_text(json.dumps({"syncs": syncs}))
    world.mysql = lambda *statements: server.execute(*statements, database="shop")
    return world


def main(world, *arguments, code=0):
    done = run_main(world.home, *arguments, env=world.env)
    assert done.code == code, (done.out, done.err)
    return done


def test_syncs_whose_records_are_linked_to_come_first_and_a_first_run_ends_in_step(shop):
    shop.mysql("insert into buyers values (7, 'Ann')")
    told = json.loads(main(shop, "run", "--json").out)["entities"]
    assert [(one["entity"], one["created"], one["updated"], one["set_aside"]) for one in told] == [
        ("buyers", 1, 0, 0),
        ("buys", 2, 0, 0),
    ]
    assert len(shop.records()["1"]["Buyer"]) == 1
    shop.suite.admin("requests/reset")
    main(shop, "run")
    assert shop.suite.admin("requests") == [], "which table links to which is asked once"


def test_of_syncs_that_link_to_each_other_one_is_completed_by_the_next_run(shop):
    admin, path = shop.suite.admin, shop.home / "config" / "sync_mappings.yml"
    tree = json.loads(path.read_text())
    buys, buyers = (sync["destination"] for sync in tree["syncs"])
    field = {"label": "Last", "field_type": "linkedrecordfield", "params": {"linked_application": buys["table_id"]}}
    admin("fields/add", table_id=buyers["table_id"], slug="slast00001", **field)
    buyers["field_mappings"]["last"] = "Last"
    path.write_text(json.dumps(tree))
    shop.mysql("alter table buyers add column last int", "insert into buyers values (7, 'Ann', 1)")
    main(shop, "run", code=3)
    main(shop, "run")
    assert len(shop.records()["1"]["Buyer"]) == 1
    main(shop, "verify")


def test_a_table_that_is_not_there_fails_its_own_sync_alone(shop):
    path = shop.home / "config" / "sync_mappings.yml"
    tree = json.loads(path.read_text())
    tree["syncs"][1]["destination"]["table_id"] = "0" * 24
    path.write_text(json.dumps(tree))
    shop.mysql("insert into buyers values (7, 'Ann')")
    assert "does not find the table" in main(shop, "run", code=2).err
    assert set(shop.records()) == {"1", "2"}


def test_a_parent_of_another_sync_is_linked_by_the_run_in_which_it_comes(shop):
    done = main(shop, "run", code=3)
    assert "1 row without links to records that are not there yet: 1 (Buyer: no record of 7 yet)" in done.err
    assert set(shop.records()) == {"1", "2"}
    (waits,) = json.loads(main(shop, "retry", "list", "--json").out)["waiting"]
    assert (waits["entity_id"], waits["last_error"]) == ("1", "Buyer: no record of 7 yet") and waits["record_id"]
    assert "names a record that is not there yet" in main(shop, "explain", "buys/1").out
    shop.mysql("insert into buyers values (7, 'Ann')")
    main(shop, "run")
    assert len(shop.records()["1"]["Buyer"]) == 1
    shop.suite.admin("requests/reset")
    main(shop, "run")
    assert shop.suite.admin("requests") == []


def test_a_proof_tells_a_row_that_waits_and_is_equal_after_it(shop):
    main(shop, "run", code=3)
    proof = json.loads(main(shop, "verify", "--sync-name", "buys", "--json", code=3).out)
    assert "it names a record that is not there yet" in json.dumps(proof)
    shop.mysql("insert into buyers values (7, 'Ann')")
    main(shop, "run")
    main(shop, "verify", "--sync-name", "buys")


def test_a_link_that_is_given_up_waits_for_a_change_of_its_row(shop):
    main(shop, "run", code=3)
    assert "1 record given up" in main(shop, "retry", "drop", "buys/1").out
    shop.mysql("insert into buyers values (7, 'Ann')")
    main(shop, "run")
    assert not shop.records()["1"].get("Buyer")
    shop.mysql("insert into buyers values (8, 'Bo')", "update buys set buyer = 8")
    main(shop, "run")
    assert len(shop.records()["1"]["Buyer"]) == 1
