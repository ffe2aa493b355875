"""Relations between deployed boards as link tables with foreign keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from db_connector import Database
from errors import DatabaseError
from models import Columns
from monday_api import Monday
from tests.kit.deployed import BOARD, EVERYTHING, Deployment, deployment

CREWS = 99_000_002
RELATIONS = "id value ... on BoardRelationValue { linked_item_ids } ... on DependencyValue { linked_item_ids }"
RELATION = {"boardIds": [CREWS], "allowMultipleItems": True}


@pytest.fixture
def world(world: Deployment) -> Deployment:
    """Makes a board of plans, each with its crews on another board."""
    world.board(("text1", "Town", "text"), items=2, id=CREWS, name="Crews")
    world.board(("crew1", "Crew", "board_relation"), items=2)
    world.admin("columns/settings", column_id="crew1", **RELATION)
    for plan, crew in zip(world.ids(), world.ids(CREWS), strict=True):
        world.admin("items/change", item_id=plan, values={"crew1": {"item_ids": [crew]}})
    return world


def pairs(world: Deployment, table: str = '"planning_Crew"') -> set[tuple[int, int]]:
    return {(row["Item ID"], row["Linked item ID"]) for row in world.rows(table)}


def shown(world: Deployment, column: str = "Crew") -> set[tuple[int, int]]:
    return {(row["Item ID"], other) for row in world.rows() for other in row[column] or ()}


def cells(world: Deployment, column: str) -> set[tuple[int, int]]:
    """Returns what the items of the plans point at."""
    with Monday(token=world.sandbox.token, url=world.sandbox.graphql_url) as monday:
        items = [item for page in monday.items(world.ids(), Columns((column,), RELATIONS)) for item in page]
    return {(int(item.id), int(other)) for item in items for other in item.cells[column]["linked_item_ids"]}


@pytest.mark.parametrize("crews_first", [True, False])
def test_whichever_board_is_deployed_last_the_link_table_is_made_and_full(world: Deployment, crews_first: bool) -> None:
    boards = [(str(CREWS), "crews"), (str(BOARD), "planning")]
    reports = [
        world.json("boards", "deploy", "--board-id", board, "--name", name, "--yes", "--quiet")
        for board, name in (boards if crews_first else boards[::-1])
    ]
    assert [report["deployed"][0]["links"] for report in reports] == [[], ["planning_Crew"]]
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
    with deployment(db, database_url, home, "everything:9") as world:
        world.deploy(board=str(EVERYTHING))
        links = pairs(world, '"planning_Connected"')
        assert links and links == shown(world, "Connected")


@pytest.mark.parametrize("first", ["crews", "planning"])
@pytest.mark.parametrize("related", ["planning", "crews"])
def test_a_row_can_name_another_that_has_no_item_yet(world: Deployment, first: str, related: str) -> None:
    """Whichever board is synced first, and also where the row that is named stands in the same table."""
    world.deploy(board=str(CREWS), name="crews")
    world.admin("columns/add", id="dep1", title="After", type="dependency")
    world.admin("columns/settings", column_id="dep1", boardIds=[BOARD], allowMultipleItems=True)
    world.deploy()
    for name in ("crews", "planning"):
        world.set("direction", "bidirectional", name=name)
        world.cli("setup", "--entity", name)
    for _ in range(2):
        world.sql(
            "with made as (insert into {related} ({name}) values ('Named') returning {key})"
            " insert into planning ({name}, {crew}) select 'Naming', array[{key}] from made",
            related=related,
            name="Name",
            key="Item ID",
            crew="Crew" if related == "crews" else "After",
        )
    for entity in (first, "planning", "crews", "planning"):
        world.cli("run", "--entity", entity, code=None)
    assert world.json("run", "--entity", "planning")["entities"][0]["errors"] == 0
    column, board = ("Crew", CREWS) if related == "crews" else ("After", BOARD)
    named = {row["Item ID"] for row in world.rows(related) if row["Name"] == "Named"}
    assert named <= set(world.ids(board)) and len(named) == 2
    assert shown(world, column) == cells(world, "crew1" if related == "crews" else "dep1")
    assert {other for _, other in shown(world, column)} >= named
    assert pairs(world) == shown(world)


@pytest.mark.parametrize("names, free", [("exact", "planning_Crew (2)"), ("plain", "planning_crew_2")])
def test_a_table_that_has_the_name_of_a_link_table_is_left_alone(world: Deployment, names: str, free: str) -> None:
    taken = free[:13]
    if names == "plain":
        world.deploy("--names", names, board=str(CREWS), name=taken)
    else:
        world.deploy(board=str(CREWS), name="crews")
        world.sql("create table {taken} (note text)", taken=taken)
    before = world.columns(f'"{taken}"')
    arguments = (
        "boards",
        "deploy",
        "--board-id",
        str(BOARD),
        "--name",
        "planning",
        "--names",
        names,
        "--yes",
        "--quiet",
    )
    assert world.json(*arguments)["deployed"][0]["links"] == [free]
    assert world.columns(f'"{taken}"') == before
    column = "Crew" if names == "exact" else "crew"
    linked = {tuple(row.values()) for row in world.rows(f'"{free}"')}
    assert linked == {(row, other) for row, ids in zip(world.ids(), world.column(column), strict=True) for other in ids}
    world.admin("items/change", item_id=world.ids()[0], values={"crew1": {"item_ids": []}})
    assert world.pull()["errors"] == 0 and len(world.rows(f'"{free}"')) == 1


def test_a_relation_that_was_something_else_for_a_while_has_its_link_table_again(world: Deployment) -> None:
    world.deploy(board=str(CREWS), name="crews")
    world.deploy()
    world.admin("columns/retype", column_id="crew1", type="text")
    world.pull()
    world.admin("columns/retype", column_id="crew1", type="board_relation")
    world.admin("columns/settings", column_id="crew1", **RELATION)
    world.pull()
    assert world.json("boards", "update", "planning", "--yes")["links"] == ["planning_Crew"]


def test_a_row_that_sql_gave_a_key_of_its_own_takes_its_items_id_too(world: Deployment) -> None:
    world.deploy(board=str(CREWS), name="crews")
    world.deploy()
    for name in ("crews", "planning"):
        world.set("direction", "bidirectional", name=name)
        world.cli("setup", "--entity", name)
        world.pull(name)
    plan = world.ids()[0]
    world.sql(
        "insert into crews ({key}, {name}) values (4711, 'From SQL'), (-5, 'And this')", key="Item ID", name="Name"
    )
    world.sql(f"update planning set {{crew}} = '{{{{4711}}}}' where {{key}} = {plan}", crew="Crew", key="Item ID")
    world.pull("crews")
    world.pull()
    made = {row["Name"]: row["Item ID"] for row in world.rows("crews")}
    assert sorted(made.values()) == sorted(world.ids(CREWS))
    assert (plan, made["From SQL"]) in cells(world, "crew1") and shown(world) == cells(world, "crew1") == pairs(world)
    assert world.pull("crews")["to_monday"] == world.pull()["to_monday"] == {"created": 0, "updated": 0, "archived": 0}


def test_a_key_that_is_the_id_of_another_rows_item_stays_until_that_one_has_moved(world: Deployment) -> None:
    world.deploy(board=str(CREWS), name="crews")
    world.set("direction", "bidirectional", name="crews")
    world.cli("setup", "--entity", "crews")
    world.pull("crews")
    taken = int(world.sandbox.admin("items/create", board_id=CREWS, name="Next")["id"])
    world.pull("crews")
    guess = max(taken, *world.ids(CREWS))
    rows = ", ".join(f"({guess + number}, 'Row {number}')" for number in range(1, 12))
    world.sql(f"insert into crews ({{key}}, {{name}}) values {rows}", key="Item ID", name="Name")
    for _ in range(12):
        world.pull("crews")
    shown = {int(item["id"]): item["name"] for item in world.sandbox.admin("boards/snapshot", board_id=CREWS)}
    assert {row["Item ID"]: row["Name"] for row in world.rows("crews")} == shown and len(shown) == 14
