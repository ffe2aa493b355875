"""Copies the rows of a query of PostgreSQL to a stand-in for SmartSuite, by the command line, without monday.com's key."""

import json

import pytest


def test_first_run_creates_and_an_idle_run_makes_no_call(world):
    world.rows(60)
    first = world.counts()
    assert (first["read"], first["created"], first["errors"]) == (60, 60, 0)
    records = world.records()
    assert len(records) == 60
    assert records["2"]["Title"] == "Customer 2"
    assert records["2"]["Amount"] == "2.5"
    assert records["2"]["Stage"] == "aLq4Z"
    assert records["3"]["Stage"] == "pA1dX"
    assert records["2"]["Born"]["date"].startswith("2020-01-03T00:00:00")
    # the structure, one listing, three calls of 25
    assert first["calls"] == 5
    idle = world.counts()
    assert (idle["calls"], idle["created"], idle["updated"], idle["unchanged"]) == (0, 0, 0, 60)


def test_a_later_run_writes_only_the_fields_that_changed(world):
    world.rows(3)
    world.counts()
    world.suite.admin("requests/reset")
    world.execute("update shop set amount = 99, note = 'seen', updated_at = now() where id = 2")
    later = world.counts()
    assert (later["updated"], later["created"]) == (1, 0)
    sent = [request for request in world.suite.admin("requests") if request["method"] == "PATCH"]
    assert len(sent) == 1
    assert world.records()["2"]["Note"] == "seen"
    assert world.records()["2"]["Amount"] == "99"
    world.execute("update shop set note = null, updated_at = now() where id = 2")
    assert world.counts()["updated"] == 1
    assert not world.records()["2"].get("Note")


def test_records_that_are_there_already_are_adopted(world):
    key, title = world.slugs["External id"], "title"
    world.suite.admin("records/create", table_id=world.table_id, values={key: "2", title: "by hand"})
    world.rows(3)
    first = world.counts()
    assert (first["created"], first["updated"]) == (2, 1)
    assert world.records()["2"]["Title"] == "Customer 2"
    # the tool's memory is lost: nothing is made twice
    world.execute("delete from sync_records")
    world.execute("delete from sync_state where name like 'query:%%'".replace("%%", "%"))
    assert world.counts()["created"] == 0
    assert len(world.records()) == 3


def test_two_records_of_one_key_are_left_to_a_user(world):
    key = world.slugs["External id"]
    for _ in range(2):
        world.suite.admin("records/create", table_id=world.table_id, values={key: "2", "title": "twin"})
    world.rows(3)
    first = world.counts(code=3)
    assert (first["created"], first["errors"]) == (2, 1)


def test_bad_rows_cost_themselves_only(world):
    world.rows(4)
    world.execute("update shop set stage = 'odd' where id = 2")
    world.execute("insert into shop (id, name) values (null, 'no key'), (3, 'twice'), (9, 'nine')")
    done = world.run("--json")
    assert done.code == 3, done.err
    told = json.loads(done.out)["entities"][0]
    # the choice, the row without a key, and both rows of one key
    assert (told["created"], told["errors"]) == (3, 4)
    assert "no choice 'odd'; there are New, Paid" in done.err
    assert set(world.records()) == {"1", "4", "9"}
    # it waits, and the mark has not moved: once it is right and its pause is over, it comes in
    world.execute("update shop set stage = 'n' where id = 2")
    world.execute("delete from shop where name = 'twice' or id is null")
    assert world.counts("--full")["created"] == 2


def test_a_refused_record_of_a_bulk_call_is_named(world):
    # an ordinary bulk call is refused as a whole; the others get through
    world.rows(30)
    world.switch(text_limit=30)
    world.execute("update shop set name = repeat('long ', 20) where id = 7")
    done = world.run("--json")
    assert done.code == 3, done.err
    assert json.loads(done.out)["entities"][0]["created"] == 29
    assert "row 7" in done.err and "no more than 30" in done.err


@pytest.mark.parametrize("invalid", ["all_refused", "rest_written", "rest_written_and_refused"])
def test_each_refused_record_of_a_call_costs_itself_alone(world, invalid):
    world.rows(12)
    world.switch(text_limit=30, bulk_invalid=invalid)
    world.execute("update shop set name = repeat('long ', 20) where id in (2, 7, 11)")
    done = world.run("--json")
    assert done.code == 3, done.err
    told = json.loads(done.out)["entities"][0]
    assert (told["created"], told["errors"]) == (9, 3)
    assert [f"row {key}: " in done.err for key in (2, 7, 11)] == [True] * 3
    assert set(world.records()) == {str(key) for key in range(1, 13)} - {"2", "7", "11"}


@pytest.mark.parametrize("form", ["array", "items", "successful_items"])
@pytest.mark.parametrize("invalid", ["all_refused", "rest_written", "rest_written_and_refused"])
def test_each_refused_change_of_a_call_costs_itself_alone(world, invalid, form):
    world.rows(12)
    world.counts()
    world.switch(text_limit=30, bulk_invalid=invalid, bulk_answer=form)
    world.execute("update shop set amount = 5, updated_at = now()")
    world.execute("update shop set name = repeat('long ', 20) where id in (2, 7, 11)")
    done = world.run("--json")
    assert done.code == 3, done.err
    told = json.loads(done.out)["entities"][0]
    assert (told["updated"], told["errors"]) == (9, 3)
    assert [f"row {key}: " in done.err for key in (2, 7, 11)] == [True] * 3
    assert [key for key, record in world.records().items() if record["Amount"] != "5"] == ["2", "7", "11"]


def test_records_that_a_call_says_it_refused_are_not_waited_for(world):
    world.rows(12)
    world.switch(text_limit=30, bulk_invalid="rest_written", bulk_answer="successful_items")
    world.execute("update shop set name = repeat('long ', 20) where id in (2, 7, 11)")
    told = world.counts(code=3)
    assert (told["created"], told["errors"]) == (9, 3)
    # table, listing or look-up, one call for all, and one for each that was refused
    assert told["calls"] == 6


def test_lost_answers_make_nothing_twice(world):
    world.rows(30)
    world.fault("lost_answer", match={"operation": "bulk/create"})
    assert world.counts()["created"] == 30
    assert len(world.records()) == 30


def test_half_a_bulk_call_is_completed(world):
    world.rows(10)
    world.fault("partial", rows=4, match={"operation": "bulk/create"})
    assert world.counts()["created"] == 10
    assert len(world.records()) == 10


def test_answers_in_every_form(world):
    world.rows(40)
    world.switch(bulk_answer="successful_items", bulk_order="reversed")
    assert world.counts()["created"] == 40
    world.switch(bulk_answer="items", bulk_unchanged="left_out")
    world.execute("update shop set note = 'x', updated_at = now()")
    assert world.counts()["updated"] == 40
    assert {record["Note"] for record in world.records().values()} == {"x"}


def test_a_server_that_takes_few_conditions_and_ids_is_asked_in_parts(world):
    world.rows(20)
    world.counts()
    world.switch(conditions_limit=4, ids_limit=6)
    world.rows(20, begin=21)
    world.execute("update shop set amount = 5, updated_at = now() where id <= 20")
    # what is remembered is lost, so that records are looked up by their keys
    world.execute("delete from sync_records where source_key in ('1', '2', '3', '4', '5', '6', '7')")
    told = world.counts("--full")
    assert (told["created"], told["errors"], len(world.records())) == (20, 0, 40)
    assert {record["Amount"] for key, record in world.records().items() if int(key) <= 20} == {"5"}


def test_a_dry_run_writes_nothing(world):
    world.rows(3)
    done = world.run("--dry-run")
    assert done.code == 0, done.err
    assert "create shop 1: Title, Amount" in done.out and "3 changes planned" in done.out
    assert not world.records()
    assert not world.db.execute_query("select * from sync_records")
    assert world.counts("--limit", "2")["created"] == 2
    assert world.counts()["created"] == 1


def test_mistakes_are_told_with_their_exit_codes(world):
    world.rows(1)
    for query, said in (
        ("select id, nme from shop", "nme"),
        ("select id, name from shop", "no column 'amount'"),
        ("delete from shop returning *", "syntax error"),
        ("select * from shop where (", "syntax error"),
    ):
        world.write_sync(query=query)
        done = world.run()
        assert done.code == 2, done.err
        assert said in done.err, done.err
    world.write_sync(destination={"field_mappings": {"name": "title", "amount": "Amout", "stage": "first_created"}})
    done = world.run()
    assert done.code == 2 and "Amout" in done.err and "cannot be filled" in done.err, done.err
    assert len(world.db.execute_query("select * from shop")) == 1
    world.write_sync()
    world.env["SMARTSUITE_TOKEN"] = "wrong"
    done = world.run()
    assert done.code == 2 and "SMARTSUITE_TOKEN" in done.err and "Traceback" not in done.err, done.err


def test_mistakes_of_the_file_are_told_with_their_lines(world):
    (world.home / "config" / "sync_mappings.yml").write_text(
        "syncs:\n- name: a\n  source: {querry: select 1, primary_key: id}\n"
        "  destination: {table_id: x, external_id_field: y, field_mappings: {a: b}}\n"
    )
    done = world.run()
    assert done.code == 2
    assert "sync_mappings.yml:3" in done.err and "did you mean 'query'" in done.err, done.err


def test_run_without_a_name_runs_all(world):
    from tests.kit.cli import run_main

    world.rows(2)
    done = run_main(world.home, "run", "--json", env=world.env)
    assert done.code == 0, done.err
    assert json.loads(done.out)["entities"][0]["created"] == 2
    (run,) = world.db.execute_query("select direction, outcome, api from sync_runs")
    assert (run["direction"], run["outcome"]) == ("mysql_to_smartsuite", "success")


def edited_on_both_sides(world):
    world.rows(3)
    world.counts()
    (record,) = [r for r in world.snapshot() if r[world.slugs["External id"]] == "2"]
    values = {world.slugs["Amount"]: "7", world.slugs["Note"]: "by hand"}
    world.suite.admin("records/change", record_id=record["id"], values=values)
    world.execute("update shop set amount = 99, born = '2001-01-01', updated_at = now() where id = 2")


def test_what_people_edited_is_told_before_it_is_covered(world):
    edited_on_both_sides(world)
    done = world.run()
    assert done.code == 0, done.err
    assert 'Amount was changed on both sides: "99" counts, "7" does not' in done.err
    record = world.records()["2"]
    assert (record["Amount"], record["Note"]) == ("99", "by hand")
    (entry,) = world.db.execute_query("select entity_id, message from sync_logs where operation = 'conflict'")
    assert entry["entity_id"] == "2" and '"7"' in entry["message"]


def test_what_people_edited_stays_where_the_mapping_says_so(world):
    world.write_sync(destination={"on_conflict": "smartsuite"})
    edited_on_both_sides(world)
    later = world.counts()
    assert (later["updated"], later["conflicts"]) == (1, 1)
    record = world.records()["2"]
    assert record["Amount"] == "7"
    assert record["Born"]["date"].startswith("2001-01-01")
    assert world.counts()["calls"] == 0


def test_an_update_without_edits_tells_no_conflict(world):
    world.rows(30)
    world.counts()
    world.switch(fraction="microseconds", empty_fields="present", empty_form="null")
    world.execute(
        "update shop set amount = amount + 1, born = born + 1, note = 'a\n b', stage = 'n', updated_at = now()"
    )
    assert world.counts()["conflicts"] == 0
    world.execute("update shop set amount = null, born = null, note = null, stage = null, updated_at = now()")
    later = world.counts()
    assert (later["updated"], later["conflicts"]) == (30, 0)
    assert not [record for record in world.records().values() if record.get("Note") or record.get("Amount")]


def test_a_record_that_was_deleted_is_told_and_not_made_again(world):
    world.rows(3)
    world.counts()
    (record,) = [r for r in world.snapshot() if r[world.slugs["External id"]] == "2"]
    world.suite.admin("records/delete", record_id=record["id"])
    world.execute("update shop set note = 'news', updated_at = now()")
    done = world.run("--json")
    assert done.code == 3 and "was deleted in SmartSuite" in done.err, done.err
    assert {key: found["Note"] for key, found in world.records().items()} == {"1": "news", "3": "news"}


def test_the_other_commands_know_such_runs(world):
    from tests.kit.cli import run_main, run_python
    from tests.kit.shipped import PROJECT

    world.rows(2)
    home = {"MONDAY_SYNC_HOME": str(world.home)}
    done = run_python(str(PROJECT / "sync_mysql_to_smartsuite.py"), env={**world.env, **home})
    assert done.code == 0, done.err
    assert "Copied shop: 2 rows read, 2 new" in done.out
    assert "calls to SmartSuite" in done.out
    found = world.db.execute_query("select sync_name, source_key, record_id is not null as made from record_mappings")
    assert sorted(row["source_key"] for row in found if row["made"]) == ["1", "2"]
    (mark,) = world.db.execute_query("select sync_name, last_sync_time < now() as past from sync_metadata")
    assert mark == {"sync_name": "shop", "past": True}
    for command in ("runs", "status"):
        done = run_main(world.home, command, env=world.env)
        assert "Traceback" not in done.err and done.code in (0, 3), done.err
    (world.home / "config" / "sync_mappings.yml").unlink()
    done = run_main(world.home, "run", env=world.env)
    assert done.code == 2 and "nothing to run" in done.err, done.err
    done = run_main(world.home, "run", "--sync-name", "absent", env=world.env)
    assert done.code == 2 and "no sync 'absent'" in done.err, done.err


def test_the_example_is_in_order(tmp_path):
    import shutil

    from mappings.query_syncs import load_syncs
    from tests.kit.shipped import PROJECT

    (tmp_path / "config").mkdir()
    shutil.copy(PROJECT / "config" / "sync_mappings.example.yml", tmp_path / "config" / "sync_mappings.yml")
    assert list(load_syncs(tmp_path)) == ["customers_sync", "orders_sync"]
