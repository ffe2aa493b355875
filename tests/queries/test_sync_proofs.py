"""`verify`, `repair` and `explain` on syncs of queries: both sides are read, classes named, and mended as planned."""

from __future__ import annotations

import json
import subprocess
from contextlib import closing

import pytest

from tests.kit.cli import run_main, start_main
from tests.kit.relay import Relay
from tests.kit.syncs import QUERY
from tests.kit.waiting import until
from tests.queries.test_mysql_to_smartsuite import fill


def main(world, *arguments, code=0):
    done = run_main(world.home, *arguments, env=world.env)
    assert done.code == code, (done.out, done.err)
    return done


def verify(world, code=0, *arguments):
    (proof,) = json.loads(main(world, "verify", "--json", *arguments, code=code).out)["entities"]
    return proof


def explained(world, key):
    return json.loads(main(world, "explain", f"shop/{key}", "--json").out)


def record_id(world, key):
    return next(found["id"] for found in world.snapshot() if found[world.slugs["External id"]] == key)


def edit(world, key, **values):
    slugs = {world.slugs[label]: value for label, value in values.items()}
    world.suite.admin("records/change", record_id=record_id(world, key), values=slugs)


def writes(world):
    return [one for one in world.suite.admin("requests") if one["method"] in ("PATCH", "POST", "DELETE", "PUT")
            and "/list/" not in one["path"]]  # fmt: skip


@pytest.fixture
def apart(world):
    """Has each kind of difference."""
    world.rows(8)
    world.counts()
    # 2: edited; 3: the row changed; 4: both; 5: deleted; 6: the row is gone; 9: never written; 77: made by hand
    edit(world, "2", Amount="7")
    edit(world, "4", Note="by hand")
    world.execute("update shop set amount = 99 where id = 3")
    world.execute("update shop set note = 'of the row' where id = 4")
    world.suite.admin("records/delete", record_id=record_id(world, "5"))
    world.execute("delete from shop where id = 6")
    world.rows(1, begin=9)
    values = {world.slugs["External id"]: "77", "title": "by hand"}
    world.suite.admin("records/create", table_id=world.table_id, values=values)
    world.suite.admin("records/create", table_id=world.table_id, values={"title": "without a key"})
    world.suite.admin("requests/reset")
    return world


CAUSES = {
    ("*", "2"): "edited in SmartSuite since it was written",
    ("*", "3"): "the row has changed, and no run has written it yet",
    ("*", "4"): "changed on both sides, and no run has met it yet",
    (">", "5"): "its record was deleted in SmartSuite",
    ("<", "6"): "the query has its row no more",
    (">", "9"): "no run has made its record yet",
    ("<", "77"): "no row has its key, and the tool did not make it",
}


def test_equal_sides_are_proved_and_neither_is_written(world):
    world.rows(60)
    world.counts()
    world.suite.admin("requests/reset")
    proof = verify(world)
    assert (proof["equal"], proof["counts"]["equal"], proof["findings"]) == (True, 60, [])
    assert proof["digest_monday"] == proof["digest_postgres"] and proof["calls"] == 2
    assert writes(world) == []
    shown = main(world, "verify", "--sync-name", "shop").out
    assert "60 equal    0 different    0 only in SmartSuite    0 only in the query    0 unreadable" in shown
    (kept,) = world.db.execute_query("select distinct entity_type, outcome from sync_proofs")
    assert kept == {"entity_type": "query:shop", "outcome": "equal"}
    # each proof is a run, whose calls count in the month's
    runs = world.db.execute_query("select kind, direction, outcome, api ->> 'calls' as calls from sync_runs")
    proofs = [run for run in runs if run["kind"] == "verify"]
    assert proofs == [{"kind": "verify", "direction": "mysql_to_smartsuite", "outcome": "success", "calls": "2"}] * 2


def test_each_difference_is_told_with_its_class_and_cause(apart):
    proof = verify(apart, 3, "--entity", "shop")
    assert {(found["class"], found["entity_id"]): found["cause"] for found in proof["findings"]} == CAUSES
    assert proof["known"] == {"it has no key of a row: the tool did not make it": 1}
    (second,) = [found for found in proof["findings"] if found["entity_id"] == "2"]
    (field,) = second["fields"]
    assert (field["field"], field["monday"], field["postgres"], field["agreed"]) == ("Amount", "7", "2.5", "2.5")
    assert writes(apart) == []
    shown = main(apart, "verify", code=3).out
    assert 'Amount: SmartSuite "7", row "2.5", last agreed "2.5" -> edited in SmartSuite' in shown


def test_a_finding_is_mended_as_its_plan_says(apart):
    found = {finding["entity_id"]: finding for finding in verify(apart, 3)["findings"]}
    plan = json.loads(main(apart, "repair", found["2"]["id"], "--json").out)
    assert (plan["applied"], [(step["side"], step["name"], step["after"]) for step in plan["steps"]]) == (
        False,
        [("SmartSuite", "Amount", "2.5")],
    )
    assert writes(apart) == []
    for key in ("2", "3", "4", "5", "6", "9"):
        assert "Done." in main(apart, "repair", found[key]["id"][:8], "--apply").out
    assert "remove the record in SmartSuite" in main(apart, "repair", found["77"]["id"][:8], code=3).out
    # what has to be made is made by the next run, which reads all rows
    done = apart.counts()
    assert (done["created"], done["conflicts"]) == (2, 0)
    proof = verify(apart, 3)
    assert [(finding["class"], finding["entity_id"]) for finding in proof["findings"]] == [("<", "77")]
    # its amount was not touched, and its note is the row's
    (four,) = [r for r in apart.snapshot() if r.get(apart.slugs["External id"]) == "4"]
    assert four[apart.slugs["Note"]] == "of the row"
    assert apart.counts()["calls"] == 0


def test_a_finding_that_has_changed_since_is_not_mended(apart):
    found = {finding["entity_id"]: finding for finding in verify(apart, 3)["findings"]}
    edit(apart, "2", Amount="8")
    done = main(apart, "repair", found["2"]["id"], "--apply", code=3)
    assert "has changed since it was found" in done.err and writes(apart) == []
    edit(apart, "2", Amount="2.5")
    assert "equal" in main(apart, "repair", found["2"]["id"], code=3).err


def test_edits_stay_where_smartsuites_value_counts(world):
    world.write_sync(destination={"on_conflict": "smartsuite"})
    world.rows(2)
    world.counts()
    edit(world, "2", Amount="7")
    proof = verify(world)
    assert proof["equal"] and proof["counts"]["known"] == 1


def test_rows_that_cannot_be_written_are_unreadable(world):
    world.rows(4)
    world.counts()
    world.execute("update shop set stage = 'odd' where id = 2")
    world.execute("insert into shop (id, name) values (3, 'twice'), (null, 'no key')")
    twin = {world.slugs["External id"]: "4", "title": "twin"}
    world.suite.admin("records/create", table_id=world.table_id, values=twin)
    proof = verify(world, 3)
    told = {(found["class"], found["entity_id"]): found["cause"] for found in proof["findings"]}
    assert "no choice 'odd'" in told.pop(("!", "2"))
    assert told == {
        ("!", "3"): "the query has several rows with this key",
        ("!", None): "1 rows without a key",
        ("<", "4"): "another record has the same key",
    }


def test_records_of_another_sync_of_the_table_are_its_own(world):
    world.rows(3)
    world.counts()
    path = world.home / "config" / "sync_mappings.yml"
    (first,) = json.loads(path.read_text())["syncs"]
    second = {**first, "name": "rest", "source": {**first["source"], "query": f"{QUERY.strip()} and id > 1"}}
    path.write_text(json.dumps({"syncs": [second]}))
    main(world, "run", "--sync-name", "rest")
    proof = verify(world, 0, "--sync-name", "rest")
    assert proof["known"] == {"another sync fills it": 1}


def test_explain_says_what_the_next_run_does_and_the_run_does_it(apart):
    expected = {
        "1": ("in step", "nothing: the row is as it was when it was written", {}),
        "2": ("not in step", "nothing: the row is as it was when it was written", {"Amount": "nothing"}),
        "3": ("not in step", "writes 1 field", {"Amount": "write"}),
        "4": ("not in step", "writes 1 field", {"Note": "write"}),
        "5": ("not in step", "nothing: the row is as it was when it was written", None),
        "9": ("not in step", "makes a record", None),
    }
    for key, (state, what, plan) in expected.items():
        known = explained(apart, key)
        assert (known["state"], known["next_run"]) == (state, what), key
        if plan is not None:
            assert {field["field"]: field["next_run"] for field in known["fields"]} == plan
    assert "puts its record into the recycle bin" in explained(apart, "6")["next_run"]
    assert explained(apart, "77")["next_run"] == "nothing: the query does not have the row"
    (amount,) = explained(apart, "3")["fields"]
    assert (amount["agreed"], amount["source"], amount["smartsuite"]) == ("3.5", "99", "3.5")
    assert writes(apart) == []
    shown = main(apart, "explain", "shop/4").out
    assert '"of the row"' in shown and '"by hand"' in shown and "create" in shown
    apart.execute("update shop set updated_at = now()")
    done = apart.counts("--allow-mass-delete")
    assert (done["updated"], done["created"]) == (2, 1)
    assert explained(apart, "3")["state"] == "in step"
    assert "There is no row absent in shop" in main(apart, "explain", "shop/absent", code=2).err


def test_explain_tells_why_a_row_is_refused_and_when_it_is_tried(world):
    world.rows(2)
    world.execute("update shop set stage = 'odd' where id = 2")
    world.counts(code=3)
    known = explained(world, "2")
    assert "refuses the row" in known["next_run"] and known["refused"]["attempts"] == 1
    world.execute("update shop set stage = 'n' where id = 2")
    assert explained(world, "2")["next_run"].startswith("waits")
    main(world, "retry", "now", "shop/2")
    assert explained(world, "2")["next_run"] == "makes a record"
    world.execute("insert into shop (id, name) values (1, 'again')")
    assert explained(world, "1")["next_run"] == "refuses the row: the query has several rows with this key"


def test_a_key_that_the_database_writes_in_another_way_is_found(world):
    world.execute("alter table shop alter column id type text")
    world.execute("insert into shop (id, name, stage) values ('a   b', 'x', 'n')")
    world.counts()
    assert explained(world, "a b")["state"] == "in step"


def test_a_query_of_mysql_is_proved_explained_and_mended(shop):
    fill(shop, 1500)
    assert shop.counts()["created"] == 1500
    shop.mysql("update customers set note = 'seen' where id = 1200", "delete from customers where id = 3")
    edit(shop, "2", Amount="7")
    found = {finding["entity_id"]: finding for finding in verify(shop, 3)["findings"]}
    assert {key: finding["class"] for key, finding in found.items()} == {"1200": "*", "3": "<", "2": "*"}
    assert explained(shop, "1200")["next_run"] == "writes 1 field"
    for finding in found.values():
        main(shop, "repair", finding["id"], "--apply")
    assert verify(shop)["counts"]["equal"] == 1499


def test_a_proof_that_a_user_stops_tells_what_it_has_found_so_far(world):
    world.rows(30)
    world.counts()
    with closing(Relay(world.suite)) as relay:
        hold = relay.hold("list")
        hold.goes_on = True
        env = {**world.env, "MONDAY_SYNC_HOME": str(world.home), "SMARTSUITE_API_URL": f"{relay.url}/api/v1"}
        with start_main("verify", "--sync-name", "shop", "--json", env=env, stdout=subprocess.PIPE) as process:
            until(hold.reached.is_set, what="the list of records")
            (run,) = world.db.execute_query("select id::text from sync_runs where kind = 'verify'")
            main(world, "runs", "--stop", run["id"])
            heard = "select heartbeat_at > stop_asked_at as heard from sync_runs where kind = 'verify'"
            until(lambda: world.db.execute_query(heard)[0]["heard"], what="the heartbeat that hears of it")
            hold.go.set()
            shown = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == shown["exit_code"] == 143
    (proof,) = shown["entities"]
    assert proof["stopped"] and not proof["equal"] and sum(proof["counts"].values()) < 31
    assert proof["message"].startswith("a user asked it to stop")
    (run,) = world.db.execute_query("select outcome, exit_code, message from sync_runs where kind = 'verify'")
    assert run == {"outcome": "interrupted", "exit_code": 143, "message": "a user asked it to stop"}
    (kept,) = world.db.execute_query("select outcome, message from sync_proofs")
    assert kept == {"outcome": "incomplete", "message": proof["message"]}


def test_a_sync_that_cannot_be_proved_keeps_no_other_from_being_proved(world):
    world.rows(3)
    world.counts()
    path = world.home / "config" / "sync_mappings.yml"
    (sync,) = json.loads(path.read_text())["syncs"]
    wrong = {**sync, "name": "wrong", "source": {**sync["source"], "query": "select * from nowhere"}}
    path.write_text(json.dumps({"syncs": [wrong, sync]}))
    done = json.loads(main(world, "verify", "--json", code=2).out)
    assert [(proof["entity"], proof["equal"], bool(proof["error"])) for proof in done["entities"]] == [
        ("wrong", False, True),
        ("shop", True, False),
    ]
    assert done["exit_code"] == 2
