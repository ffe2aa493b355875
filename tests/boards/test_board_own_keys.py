"""Maps tables that make their own keys, and tables that could not be served."""

from __future__ import annotations

import pytest

from tests.kit.deployed import BOARD, Deployment
from tests.kit.own_tables import BOTH, DEPLOY, PLAIN, both_ways, change, in_step, links, trigger


@pytest.fixture
def world(world: Deployment) -> Deployment:
    world.board(*PLAIN, items=4, text1="note", numbers1="5")
    return world


# Keys


KEYS = {
    "a comment, a block": (
        "id int primary key",
        "-- the key\n if new.id is null then /* of ours */ select nextval('keys'), 1 into new.id; end if; return new;",
    ),
    "a whole row": ("id int primary key", "new := keyed(new); return new;"),
    "trigger": ("id bigint primary key", "new.id := nextval('keys'); return new;"),
    "trigger over serial": ("id serial primary key", "new.id := nextval('keys') * 10; return new;"),
    "trigger over uuid": ("id uuid primary key default gen_random_uuid()", "new.id := gen_random_uuid(); return new;"),
    "trigger fills": ("id int primary key", "new.id := coalesce(new.id, nextval('keys')); return new;"),
    "trigger, text": ("id text primary key", "new.id := 'K' || nextval('keys'); return new;"),
    "identity, trigger": ("id int generated always as identity primary key", "return new;"),
    "unowned sequence": ("id bigint primary key default nextval('s')", ""),
    "function": ("id bigint primary key default next_key()", ""),
    "numeric": ("id numeric primary key default nextval('s')", ""),
    "numeric of a scale": ("id numeric(12,2) primary key default nextval('s')", ""),
    "domain": ("id keyd primary key default nextval('s')", ""),
    "domain's default": ("id filled primary key", ""),
    "domain of text": ("id named primary key default 'C' || nextval('s')", ""),
    "text": ("id text primary key default 'C' || nextval('s')", ""),
    "text with percent": ("id text primary key default '{{%%}}' || nextval('s')", ""),
    "char": ("id char(8) primary key default 'C' || nextval('s')", ""),
    "uuid by another function": ("id uuid primary key default own_uuid()", ""),
    "text and a trigger": ("id text primary key default 'C' || nextval('s')", "new.notes := new.notes; return new;"),
}


@pytest.mark.parametrize("both", BOTH)
@pytest.mark.parametrize("case", KEYS)
def test_links_carry_the_keys_that_the_table_made(world: Deployment, case: str, both: bool) -> None:
    key, body = KEYS[case]
    world.sql("create sequence s; create domain keyd as bigint; create domain named as text")
    world.sql("create domain filled as bigint default nextval('s')")
    world.sql("create function next_key() returns bigint language sql as $$ select nextval('s') * 7 $$")
    world.sql("create function own_uuid() returns uuid language sql as $$ select gen_random_uuid() $$")
    world.sql(f"create table mine ({key}, name text, notes text, budget numeric)")
    world.sql(
        "create function keyed(r mine) returns mine language plpgsql as "
        "$$ begin r.id := nextval('keys'); return r; end $$"
    )
    if body:
        trigger(world, body, "before insert")
    told = world.cli(*DEPLOY)
    assert "4 items" in told.err
    keys = {str(row["id"]).strip(): row["name"] for row in world.rows("mine")}
    assert [keys[link] for link in links(world)] == [f"Item {number}" for number in (1, 2, 3, 4)]
    if case.startswith(("text", "char", "domain of")):
        assert all(link.startswith(("C", "{%}")) for link in links(world))
    if both:
        both_ways(world)
    in_step(world)
    change(world, 0, text1="other")
    world.admin("items/create", board_id=BOARD, name="Item 5")
    done = world.pull()
    assert (done["created"], done["updated"], done["errors"]) == (1, 1, 0)
    assert len(world.rows("mine")) == len(world.ids()) == 5
    in_step(world)


def test_a_deploy_says_how_many_rows_there_are_when_some_are_refused(world: Deployment) -> None:
    world.sql("create table mine (id serial primary key, name text, notes text not null check (notes = 'other'))")
    told = world.cli(*DEPLOY, code=3).err
    assert "0 of 4 items" in told and "Deployed planning: 4 items" not in told
    assert world.json("boards", "status", "planning")["items"] == 0


def test_a_deploy_says_how_many_rows_lack_a_value_that_was_refused(world: Deployment) -> None:
    world.sql("create table mine (id serial primary key, name text, notes text check (notes = 'other'))")
    told = world.cli(*DEPLOY, code=3).err
    assert "Deployed planning: 4 items in mine, 4 items without a value" in told
    assert world.json("boards", "status", "planning")["items"] == 4


# What cannot be served

UNSERVED = {
    "nothing fills": ("category text not null", "", "mine.category may not be null"),
    "no key": ("", "alter table mine alter id drop identity, alter id type int", "no item's id fits into integer"),
    "rule": ("", "create rule away as on insert to mine do instead nothing", "its rule away"),
    "updates": ("", "create rule away as on update to mine do instead nothing", "its rule away"),
}


@pytest.mark.parametrize("case", UNSERVED)
def test_a_table_that_would_refuse_every_row_is_refused_itself(world: Deployment, case: str) -> None:
    column, more, expected = UNSERVED[case]
    declared = f", {column}" if column else ""
    world.sql(
        "create table mine (id bigint primary key generated by default as identity, name text, notes text, budget int"
        f"{declared})"
    )
    if more:
        world.sql(more)
    told = world.cli(*DEPLOY, code=2).err
    assert expected in told
    assert not world.rows("mine")


def test_columns_that_a_trigger_fills_are_served(world: Deployment) -> None:
    world.sql(
        "create table mine (id serial primary key, name text, notes text, budget numeric, category text not null)"
    )
    trigger(world, "new.category := 'mine'; return new;")
    assert "4 items" in world.cli(*DEPLOY).err
    in_step(world)
    assert world.json("validate", "--entity", "planning")["findings"] == []


def test_validate_and_deploy_say_which_empty_cells_have_no_row(world: Deployment) -> None:
    world.sql("create table mine (id serial primary key, name text, notes text not null, budget numeric)")
    change(world, 0, text1="")
    told = world.cli(*DEPLOY, code=3).err
    assert "only 3 of 4 items" in told and "mine.notes may not be null" in told
    world.sql("alter table mine add category text not null default 'x'")
    world.sql("alter table mine alter category drop default")
    found = world.json("validate", "--entity", "planning", code=2)["findings"]
    assert [finding["message"].partition(":")[0] for finding in found] == [
        "An item whose cell is empty gets no row",
        "No row can be made",
    ]
