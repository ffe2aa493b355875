"""Relations between deployed boards as link tables with foreign keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from deployed import BOARD, EVERYTHING, Deployment

from db_connector import Database
from errors import DatabaseError
from sandbox import Sandbox

CREWS = 99_000_002
RELATION = {"boardIds": [CREWS], "allowMultipleItems": True}


@pytest.fixture
def world(db: Database, database_url: str, home: Path) -> Iterator[Deployment]:
    """A board of plans, each with its crews on another board."""
    with Sandbox(boards="empty:0", seed=1, limits="off") as sandbox:
        made = Deployment(db, database_url, home, sandbox)
        made.board(("text1", "Town", "text"), items=2, id=CREWS, name="Crews")
        made.board(("crew1", "Crew", "board_relation"), items=2)
        made.admin("columns/settings", column_id="crew1", **RELATION)
        for plan, crew in zip(made.ids(), made.ids(CREWS), strict=True):
            made.admin("items/change", item_id=plan, values={"crew1": {"item_ids": [crew]}})
        yield made


def pairs(world: Deployment, table: str = '"planning_Crew"') -> set[tuple[int, int]]:
    return {(one["Item ID"], one["Linked item ID"]) for one in world.rows(table)}


def shown(world: Deployment, column: str = "Crew") -> set[tuple[int, int]]:
    return {(one["Item ID"], other) for one in world.rows() for other in one[column] or ()}


@pytest.mark.parametrize("crews_first", [True, False])
def test_whichever_board_is_deployed_last_the_link_table_is_made_and_full(world: Deployment, crews_first: bool) -> None:
    boards = [(str(CREWS), "crews"), (str(BOARD), "planning")]
    reports = [world.json("boards", "deploy", "--board-id", board, "--name", name, "--yes", "--quiet")
               for board, name in (boards if crews_first else boards[::-1])]  # fmt: skip
    assert [one["deployed"][0]["links"] for one in reports] == [[], ["planning_Crew"]]
    assert pairs(world) == shown(world) and len(pairs(world)) == 2
    with pytest.raises(DatabaseError, match="foreign key"):
        world.sql('insert into "planning_Crew" values (1, 2)')


def test_a_third_board_leaves_the_link_tables_of_others_alone(world: Deployment) -> None:
    world.deploy(board=str(CREWS), name="crews")
    world.deploy()
    other = world.board(("text1", "Text", "text"), id=99_000_003, name="Other")
    done = world.json("boards", "deploy", "--board-id", other, "--name", "other", "--yes", "--quiet")
    assert done["deployed"][0]["links"] == []


def test_links_follow_the_cells_and_the_items(world: Deployment) -> None:
    world.deploy(board=str(CREWS), name="crews")
    world.deploy()
    plan, crew = world.ids()[0], world.ids(CREWS)[1]
    world.admin("items/change", item_id=plan, values={"crew1": {"item_ids": [crew]}})
    world.pull()
    assert pairs(world) == shown(world) and (plan, crew) in pairs(world)
    new = int(world.sandbox.admin("items/create", board_id=CREWS, name="Late")["id"])
    world.admin("items/change", item_id=plan, values={"crew1": {"item_ids": [new]}})
    world.pull()
    assert (plan, new) not in pairs(world)  # its row is not there yet
    world.pull("crews")
    assert pairs(world) == shown(world) and (plan, new) in pairs(world)


def test_a_row_that_gets_its_items_id_as_its_key_is_met_then(world: Deployment) -> None:
    world.deploy(board=str(CREWS), name="crews")
    world.deploy()
    world.sql("insert into crews ({name}) values ('From SQL')", name="Name")
    world.sql("update planning set {crew} = '{{4711}}'", crew="Crew")
    world.sql("update crews set {key} = 4711 where {key} < 0", key="Item ID")
    assert pairs(world) == {(plan, 4711) for plan in world.ids()}


def test_an_application_needs_no_right_to_the_link_table_and_no_search_path(world: Deployment) -> None:
    world.deploy("--schema", "orders", board=str(CREWS), name="crews")
    world.deploy("--schema", "orders")
    crew = world.ids(CREWS)[0]
    role = f"app_{world.url[-12:]}"
    world.sql("create role {role}; grant usage on schema orders to {role}", role=role)
    world.sql("grant select, update on orders.planning to {role}", role=role)
    try:
        with world.db.transaction() as tx:
            tx.execute(f"set local role {role}; set local search_path = pg_catalog")
            tx.execute('update orders.planning set "Crew" = %s', ([crew],))
    finally:
        world.sql("drop owned by {role}; drop role {role}", role=role)
    assert pairs(world, 'orders."planning_Crew"') == {(plan, crew) for plan in world.ids()}


def test_a_relation_of_a_board_to_itself_is_a_link_table_too(db: Database, database_url: str, home: Path) -> None:
    with Sandbox(boards="everything:9", seed=1, limits="off") as sandbox:
        world = Deployment(db, database_url, home, sandbox)
        world.deploy(board=str(EVERYTHING))
        links = pairs(world, '"planning_Connected"')
        assert links and links == shown(world, "Connected")
