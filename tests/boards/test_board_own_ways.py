"""Maps tables that answer a write otherwise: with values and rows of their own defaults and triggers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.deployed import Deployment
from tests.kit.own_tables import BOTH, DEPLOY, PLAIN, both_ways, cell, change, in_step, links, trigger


@pytest.fixture
def world(world: Deployment) -> Deployment:
    world.board(*PLAIN, items=4, text1="note", numbers1="5")
    return world


# Values


REWRITES = {
    "upper": ("new.notes := upper(new.notes);", "NOTE", "EDIT TWO"),
    "left": ("new.notes := left(new.notes, 3);", "not", "edi"),
    "suffix": ("new.notes := rtrim(new.notes, '!') || '!';", "note!", "edit two!"),
    "empty to null": ("new.notes := nullif(new.notes, 'note');", None, "edit two"),
    "null to a word": ("new.notes := coalesce(new.notes, 'none');", "note", "edit two"),
    "md5": ("new.notes := left(md5(new.notes), 4);", "aaf9", "a17f"),
    "constant": ("new.notes := 'always';", "always", "always"),
    "of another column": ("new.notes := new.name;", "Item 1", "Item 1"),
}


@pytest.mark.parametrize("both", BOTH)
@pytest.mark.parametrize("case", REWRITES)
def test_what_a_trigger_makes_of_a_value_holds_up_no_later_edit(world: Deployment, case: str, both: bool) -> None:
    body, first, second = REWRITES[case]
    world.sql("create table mine (id serial primary key, name text, notes text, budget numeric)")
    trigger(world, body + " return new;")
    world.cli(*DEPLOY)
    if both:
        both_ways(world)
    in_step(world)
    row = f"select notes, budget from mine where id = {links(world)[0]}"

    def shown() -> tuple[Any, Any]:
        found = world.db.execute_query(row)
        assert isinstance(found, list)
        return found[0]["notes"], found[0]["budget"]

    if case not in ("md5",):
        assert shown() == (first, 5)
    change(world, 0, text1="edit one", numbers1="6")
    assert world.pull()["updated"] == 1
    in_step(world)
    change(world, 0, text1="edit two")
    done = world.pull()
    assert (done["updated"], done["held"], done["conflicts"], done["errors"]) == (1, 0, 0, 0)
    if case not in ("md5",):
        assert shown() == (second, 6)
    # both ways the board shows what the table made of it
    if case not in ("md5",):
        assert cell(world, "text1") == ((second or "") if both else "edit two")
    in_step(world)
    change(world, 0, text1="")
    assert world.pull()["held"] == 0
    in_step(world)
    if both:
        world.sql(f"update mine set budget = 7 where id = {links(world)[0]}")
        assert world.pull()["to_monday"]["updated"] == 1
        assert world.cells(world.ids()[0])["numbers1"]["text"] == "7"
        in_step(world)


@pytest.mark.parametrize("both", BOTH)
@pytest.mark.parametrize(
    "kind, body, when",
    [
        ("numeric", "new.budget := round(new.budget); return new;", "before insert or update"),
        ("numeric(12,1)", "", ""),
        ("numeric(12,0)", "", ""),
        ("real", "", ""),
        ("tenth", "", ""),
        (
            "numeric",
            "update mine set budget = 0 where id = new.id and budget <> 0; return null;",
            "after insert or update",
        ),
    ],
)
def test_a_number_that_the_table_rounds_holds_up_no_later_edit(
    world: Deployment, kind: str, body: str, when: str, both: bool
) -> None:
    world.sql("create domain tenth as numeric(10,1)")
    world.sql(f"create table mine (id serial primary key, name text, notes text, budget {kind})")
    if body:
        trigger(world, body, when)
    change(world, 0, numbers1="1.2345678912")
    world.cli(*DEPLOY)
    if world.entry("numbers1").get("rejected"):
        return
    if both:
        both_ways(world)
    in_step(world)
    for number in ("2.3456789123", "7.8912345678"):
        change(world, 0, numbers1=number)
        done = world.pull()
        assert (done["updated"], done["held"], done["conflicts"]) == (1, 0, 0)
        # a number that its type rounds means the same; what a trigger makes of it is another
        if not both or not body:
            assert cell(world, "numbers1") == number
        in_step(world)


@pytest.mark.parametrize("both", BOTH)
def test_a_field_that_a_trigger_changes_beside_the_edited_one_is_news_for_the_board(
    world: Deployment, both: bool
) -> None:
    world.sql("create table mine (id serial primary key, name text, notes text, budget numeric)")
    trigger(world, "new.budget := length(new.notes); return new;")
    world.cli(*DEPLOY)
    if both:
        both_ways(world)
    in_step(world)
    change(world, 0, text1="longer note")
    done = world.pull()
    assert (done["updated"], done["held"], done["errors"]) == (1, 0, 0)
    assert cell(world, "numbers1") == ("11" if both else "5")
    in_step(world)
    change(world, 0, numbers1="3")
    assert world.pull()["held"] == 0
    assert cell(world, "numbers1") == ("11" if both else "3")
    assert cell(world, "text1") == "longer note"
    in_step(world)


TOUCHES = {
    "touch": "new.changed := now(); return new;",
    "version": "new.version := coalesce(old.version, 0) + 1; return new;",
    "keeps the old": "new.notes := coalesce(old.notes, new.notes); return new;",
    "returns old": "return old;",
}


@pytest.mark.parametrize("both", BOTH)
@pytest.mark.parametrize("case", TOUCHES)
def test_a_trigger_of_updates_leaves_later_edits_their_way(world: Deployment, case: str, both: bool) -> None:
    world.sql(
        "create table mine (id serial primary key, name text, notes text, budget numeric, changed timestamptz, version int)"
    )
    trigger(world, TOUCHES[case], "before update")
    world.cli(*DEPLOY)
    if both:
        both_ways(world)
    in_step(world)
    for text in ("edit one", "edit two"):
        change(world, 0, text1=text)
        done = world.pull()
        assert (done["held"], done["conflicts"], done["errors"]) == (0, 0, 0)
        in_step(world)
        kept = case in ("keeps the old", "returns old")
        assert world.rows("mine")[0]["notes"] == ("note" if kept else text)
        assert cell(world, "text1") == ("note" if kept and both else text)


UPPER = """
create function mend() returns trigger language plpgsql as $$ begin
    update mine set notes = upper(notes) where notes <> upper(notes);
    return null;
end $$
"""
LATER = {
    "statement": "create trigger mend after insert or update on mine for each statement execute function mend()",
    "deferred": "create constraint trigger mend after insert or update on mine deferrable initially deferred "
    "for each row execute function mend()",
}


@pytest.mark.parametrize("both", BOTH)
@pytest.mark.parametrize("case", LATER)
def test_what_a_trigger_makes_of_rows_after_the_write_holds_up_no_later_edit(
    world: Deployment, case: str, both: bool
) -> None:
    world.sql("create table mine (id serial primary key, name text, notes text, budget numeric)")
    world.sql(UPPER.replace("begin", "begin if pg_trigger_depth() > 1 then return null; end if;", 1))
    world.sql(LATER[case])
    world.cli(*DEPLOY)
    if both:
        both_ways(world)
    in_step(world)
    for text in ("edit one", "edit two"):
        change(world, 0, text1=text)
        done = world.pull()
        assert (done["updated"], done["held"], done["errors"]) == (1, 0, 0)
        assert cell(world, "text1") == (text.upper() if both else text)
        in_step(world)


# Columns that may not be null

REQUIRED = {
    "empty text": ("notes text not null default ''", "text1", "", ""),
    "word": ("notes text not null default 'none'", "text1", "none", "none"),
    "varchar": ("notes varchar(20) not null default ''", "text1", "", ""),
    "number": ("budget numeric not null default 0", "numbers1", 0, "0"),
    "expression": ("budget numeric not null default 2 * 3", "numbers1", 6, "6"),
    "domain": ("notes filled", "text1", "-", "-"),
}


@pytest.mark.parametrize("both", BOTH)
@pytest.mark.parametrize("case", REQUIRED)
def test_an_empty_cell_becomes_the_default_of_a_column_that_may_not_be_null(
    world: Deployment, case: str, both: bool
) -> None:
    declared, column, expected, shown = REQUIRED[case]
    name = declared.split()[0]
    world.sql("create domain filled as text not null default '-'")
    others = "budget numeric" if name == "notes" else "notes text"
    world.sql(f"create table mine (id serial primary key, name text, {declared}, {others})")
    change(world, 0, **{column: None})
    told = world.cli(*DEPLOY)
    assert "4 items" in told.err and len(world.rows("mine")) == 4
    if both:
        both_ways(world)
    in_step(world)
    assert [row[name] for row in world.rows("mine")].count(expected) == 1
    # its cell is emptied, and another edited beside it
    other, value = ("numbers1", "8") if name == "notes" else ("text1", "beside")
    world.admin("items/change", item_id=world.ids()[1], values={column: None, other: value})
    done = world.pull()
    assert (done["updated"], done["held"], done["errors"]) == (1, 0, 0)
    rows = world.rows("mine")
    assert [row[name] for row in rows].count(expected) == 2
    assert 8 in [row["budget"] for row in rows] or "beside" in [row["notes"] for row in rows]
    assert str(world.cells(world.ids()[1])[column]["text"]) == (shown if both else "")
    in_step(world)
    world.admin("items/change", item_id=world.ids()[1], values={column: "7"})
    assert world.pull()["updated"] == 1
    in_step(world)


# Rows that are not written

DROPS = {
    "trigger": "create trigger drop_it before insert or update on mine for each row execute function drops()",
    "rule": "create rule drop_it as on insert to mine where new.notes = 'bad' do instead nothing",
}


@pytest.mark.parametrize("case", DROPS)
def test_a_row_that_the_table_drops_is_told_and_holds_up_no_other(world: Deployment, case: str) -> None:
    world.sql("create table mine (id serial primary key, name text, notes text, budget numeric)")
    world.sql(
        "create function drops() returns trigger language plpgsql as "
        "$$ begin if new.notes = 'bad' then return null; end if; return new; end $$"
    )
    world.sql(DROPS[case])
    change(world, 0, text1="bad")
    told = world.cli(*DEPLOY, code=3).err
    assert "only 3 of 4 items" in told and "drops" in told
    assert len(world.rows("mine")) == 3 == len(links(world))
    done = world.json("monday-to-pg", "--entity", "planning", code=3)["entities"][0]
    assert done["errors"] == 1
    change(world, 0, text1="good")
    world.cli("monday-to-pg", "--entity", "planning")
    assert len(world.rows("mine")) == 4 == len(links(world))
    in_step(world)


def test_an_edit_that_a_trigger_drops_is_told(world: Deployment) -> None:
    world.sql("create table mine (id serial primary key, name text, notes text, budget numeric)")
    world.cli(*DEPLOY)
    trigger(world, "if new.notes = 'bad' then return null; end if; return new;", "before update")
    change(world, 0, text1="bad")
    change(world, 1, text1="good")
    told = world.cli("monday-to-pg", "--entity", "planning", code=3).err
    assert "drops" in told
    assert sorted(row["notes"] for row in world.rows("mine")) == ["good", "note", "note", "note"]
    world.sandbox.admin("clock/advance", seconds=60)
    change(world, 0, text1="better")
    world.cli("monday-to-pg", "--entity", "planning")
    in_step(world)


# Columns that PostgreSQL makes


@pytest.mark.parametrize("both", BOTH)
def test_a_column_that_postgresql_makes_shows_its_own_values(world: Deployment, both: bool) -> None:
    world.sql("create table mine (id serial primary key, name text, notes text, budget numeric)")
    world.cli(*DEPLOY)
    world.sql("alter table mine drop notes, add notes text generated always as (upper(name)) stored")
    if both:
        both_ways(world)
    world.cli("bidirectional" if both else "monday-to-pg", "--entity", "planning", "--full", code=None)
    change(world, 0, numbers1="6", name="Other")
    done = world.pull()
    assert (done["updated"], done["held"], done["errors"]) == (1, 0, 0)
    row = world.rows("mine")[0]
    assert (row["name"], row["notes"], row["budget"]) == ("Other", "OTHER", 6)
    assert cell(world, "text1") == ("OTHER" if both else "note")
    in_step(world)
    change(world, 0, text1="mine")
    assert world.pull()["held"] == 0
    assert cell(world, "text1") == ("OTHER" if both else "mine")
    in_step(world)
