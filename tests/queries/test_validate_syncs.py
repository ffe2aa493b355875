"""`validate` tells all mistakes of syncs at once, each with file and line and a hint; it writes nothing."""

from __future__ import annotations

import json

import pytest

from tests.kit.cli import run_main
from tests.kit.syncs import MYSQL_QUERY


def validate(world, *arguments, **more):
    done = run_main(world.home, "validate", "--json", *arguments, env={**world.env, **more})
    assert "Traceback" not in done.err
    told = json.loads(done.out)
    assert told["exit_code"] == done.code, done.err
    return told, done.code


def path_of(world):
    return world.home / "config" / "sync_mappings.yml"


def line_of(world, text, after=""):
    lines = path_of(world).read_text().splitlines()
    begin = next(n for n, line in enumerate(lines) if after in line)
    return next(n for n, line in enumerate(lines, 1) if text in line and n > begin)


def test_a_sync_that_is_in_order_has_no_findings_and_nothing_is_written(world):
    world.suite.admin("requests/reset")
    told, code = validate(world)
    assert (code, told["entities"], told["findings"]) == (0, ["shop"], [])
    assert told["against"] == ["files", "queries", "SmartSuite"]
    assert [request["method"] for request in world.suite.admin("requests")] == ["GET"]
    assert not world.db.execute_query("select * from sync_runs")
    shown = run_main(world.home, "validate", "--sync-name", "shop", env=world.env)
    assert (shown.code, "nothing is wrong" in shown.out) == (0, True)


def test_mistakes_of_the_file_hide_none_of_the_query_and_of_the_table(world):
    fields = {"name": "title", "amount": "Amuont", "stage": "Stage"}
    world.write_sync(
        source={"primary_key": "no"},
        destination={"field_mappings": fields, "on_conflict": "nobody"},
        transformations={
            "name": {"type": "uper"},
            "other": {"type": "upper"},
            "stage": {"type": "value_map", "map": {"n": "Odd"}},
        },
        enabeld=True,
    )
    told, code = validate(world)
    assert code == 2
    said = "\n".join(finding["message"] for finding in told["findings"])
    for mistake in (
        "unknown key 'enabeld'",
        "'on_conflict' is 'nobody'",
        "the transformation of 'name'",
        "names the column 'other'",
        "the query has no column 'no'",
        "the table Shop has no field 'Amuont'",
        "no choice 'Odd'",
    ):
        assert mistake in said, said
    done = world.run()
    assert done.code == 2 and len(world.records()) == 0


def test_all_mistakes_are_told_at_once_with_their_lines(world):
    fields = {"name": "title", "amount": "Amuont", "stage": "Stage", "born": "first_created", "note": "Note"}
    world.write_sync(
        query="select id, name, amount, stage, born from shop where updated_at > :last_sync_time",
        source={"primary_key": "no", "updated_at_field": "changed"},
        destination={"external_id_field": "Stage", "field_mappings": fields},
        transformations={
            "stage": {"type": "choice", "value_map": {"n": "New", "p": "Payed"}, "default": "Odd"},
            "name": {"type": "upper"},
        },
    )
    told, code = validate(world)
    assert code == 2
    found = {finding["message"].removeprefix(f"{path_of(world)}:").partition(":")[::2] for finding in told["findings"]}
    at = {(int(line), text.strip()) for line, text in found}
    lines = {text: line for line, text in at}
    expected = {
        "the query has no column 'no'": line_of(world, '"primary_key"'),
        "the query has no column 'changed'": line_of(world, '"updated_at_field"'),
        "the query has no column 'note'": line_of(world, '"note"'),
    }
    assert {text: lines[text] for text in expected} == expected
    beginnings = {
        "external_id_field: Stage (singleselectfield) cannot hold a key": line_of(world, '"external_id_field"'),
        "amount: the table Shop has no field 'Amuont'": line_of(world, '"amount"'),
        "born: First Created cannot be filled (firstcreatedfield): SmartSuite keeps it itself": line_of(
            world, '"born"'
        ),
        "stage → Stage: no choice 'Payed'; there are New, Paid": line_of(world, '"stage"', after="transformations"),
        "stage → Stage: no choice 'Odd'": line_of(world, '"stage"', after="transformations"),
    }
    for text, line in beginnings.items():
        assert [n for n, told_text in at if told_text.startswith(text)] == [line], (text, at)
    assert all(finding["hint"] and finding["entity"] == "shop" for finding in told["findings"])


def test_a_mistake_is_shown_with_its_hint(world):
    world.write_sync(query="select id, name, amount, stage, born from shop")
    shown = run_main(world.home, "validate", env=world.env)
    assert "the query has no column 'note'" in shown.out and "something is wrong" in shown.out
    assert "  hint: It has id, name, amount, stage, born." in shown.out


def test_a_change_that_makes_what_a_field_cannot_hold_is_told(world):
    world.write_sync(transformations={"born": {"type": "number"}, "amount": {"type": "date"}, "note": {"type": "date"}})
    told, code = validate(world)
    texts = sorted(finding["message"].partition(": ")[2] for finding in told["findings"])
    assert code == 2 and texts == [
        "amount: a date does not fit Amount (currencyfield)",
        "born: a number does not fit Born (datefield)",
    ]


@pytest.fixture
def naming(world):
    """Has a table whose fields name records of another table, and people."""
    admin = world.suite.admin
    parents = admin("tables/create", name="Parents", fields=[])["id"]
    admin("records/load", table_id=parents, records=[{"title": "North"}])
    fields = [
        {"label": "External id", "field_type": "textfield"},
        {"label": "Area", "field_type": "linkedrecordfield", "params": {"linked_application": parents}},
        {"label": "Owner", "field_type": "userfield"},
    ]
    world.table_id = admin("tables/create", name="Named", fields=fields)["id"]
    member = admin("state")["members"][1]["email"]
    world.member = member if isinstance(member, str) else member[0]
    return world


def name_by_map(world, area, owner):
    world.write_sync(
        query="select 1 as id, 'n' as area, 'o' as owner",
        destination={"field_mappings": {"area": "Area", "owner": "Owner"}},
        transformations={
            "area": {"type": "value_map", "map": {"n": area}},
            "owner": {"type": "value_map", "map": {"o": owner}},
        },
    )


def test_values_that_name_records_and_people_are_resolved_as_in_a_run(naming):
    name_by_map(naming, "North", naming.member)
    told, code = validate(naming)
    assert (code, told["findings"]) == (0, [])
    assert naming.counts()["created"] == 1


def test_a_record_that_is_not_there_yet_is_told_and_is_no_mistake(naming):
    name_by_map(naming, "South", naming.member)
    told, code = validate(naming)
    (found,) = told["findings"]
    assert code == 0 and "area → Area: no record of South yet" in found["message"]


def test_values_that_name_nobody_are_told(naming):
    name_by_map(naming, "North", "nobody@example.com")
    told, code = validate(naming)
    (found,) = told["findings"]
    assert code == 2 and "owner → Owner: 'nobody@example.com' is no id" in found["message"]


def test_a_mistake_in_one_sync_does_not_hide_those_of_another(world):
    good = json.loads(path_of(world).read_text())["syncs"][0]
    bad = {**good, "name": "bad", "source": {"querry": "select 1", "primary_key": "id"}}
    other = {**good, "name": "other", "transformations": {"stage": {"type": "number", "format": "hex"}}}
    lost = {**good, "name": "lost", "destination": {**good["destination"], "table_id": "0" * 24}}
    path_of(world).write_text(json.dumps({"syncs": [bad, other, lost]}, indent=1))
    told, code = validate(world)
    text = "\n".join(finding["message"] for finding in told["findings"])
    assert code == 2 and told["entities"] == ["other", "lost"]
    assert "did you mean 'query'" in text and "must be float or int" in text and "0" * 24 in text
    run = world.run()
    assert run.code == 2 and "did you mean 'query'" in run.err and "must be float or int" in run.err


def test_what_cannot_be_reached_ends_with_1_and_what_is_refused_with_2(world):
    told, code = validate(world, SMARTSUITE_API_URL="http://127.0.0.1:9/api/v1")
    assert code == 1 and "cannot be reached" in told["findings"][0]["message"]
    told, code = validate(world, SMARTSUITE_TOKEN="wrong-secret")
    assert code == 2 and "refuses the key" in told["findings"][0]["message"]
    assert "wrong-secret" not in json.dumps(told)
    told, code = validate(world, SMARTSUITE_TOKEN="")
    assert code == 2 and "SMARTSUITE_TOKEN is not set" in told["findings"][0]["message"]
    told, code = validate(world, DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert (code, [finding["entity"] for finding in told["findings"]]) == (1, ["PostgreSQL"])


def test_offline_asks_nobody(world):
    away = {"SMARTSUITE_API_URL": "http://127.0.0.1:9/api/v1", "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
    told, code = validate(world, "--offline", **away)
    assert (code, told["against"]) == (0, ["files"])


def test_a_name_that_there_is_not_is_told(world):
    done = run_main(world.home, "validate", "--sync-name", "shpo", env=world.env)
    assert done.code == 2 and "no sync 'shpo'" in done.err and "There is: shop" in done.err


def test_a_query_of_mysql_is_checked_without_reading_rows(shop):
    assert validate(shop) == ({**validate(shop)[0], "findings": []}, 0)
    shop.write_sync(query="select id, nme, sleep(5) from customers", source={"database": "mysql"})
    told, code = validate(shop)
    assert code == 2 and "'nme'" in told["findings"][0]["message"]
    line = line_of(shop, 'query":')
    assert f":{line}: " in told["findings"][0]["message"]
    for query in (
        "delete from customers",
        "select 1; select 2",
        "select id, id from customers",
        "select * from absent",
    ):
        shop.write_sync(query=query, source={"database": "mysql"})
        told, code = validate(shop)
        assert (code, len(told["findings"])) == (2, 1), told


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"MYSQL_PASSWORD": "wrong-secret"}, 1, "Access denied"),
        ({"MYSQL_HOST": "127.0.0.2", "MYSQL_PORT": "1"}, 1, "MySQL"),
        ({"MYSQL_DATABASE": "absent"}, 2, "absent"),
        ({"MYSQL_HOST": ""}, 2, "MYSQL_HOST is not set"),
    ],
)
def test_a_wrong_address_of_mysql_is_told_beside_what_else_is_wrong(shop, changes, code, said):
    shop.write_sync(query=MYSQL_QUERY, source={"database": "mysql"}, transformations={"born": {"type": "number"}})
    told, found = validate(shop, **changes)
    assert (found, len(told["findings"])) == (code, 2), told
    assert said in told["findings"][0]["message"] and "does not fit Born" in told["findings"][1]["message"]
    assert "wrong-secret" not in json.dumps(told)
