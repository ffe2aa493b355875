"""Checks discovery: every type has a home, what is shown is what is made, and nothing is made by looking."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from boards.proposal import propose, subitem_boards
from boards.tables import create_statements, ddl_text
from boards.types_of_tables import INSTEAD_OF, TypeMap, load_types
from errors import MappingError
from models import Board, BoardColumn
from monday_api import Monday
from sandbox import Sandbox
from services.monday.cells.kinds import COLUMN_TYPES
from tests.kit.cli import Done
from tests.kit.deployed import EVERYTHING

GOLDEN = Path(__file__).resolve().parent / "golden"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards="everything:12", seed=1, limits="off") as running:
        yield running


@pytest.fixture(scope="module")
def board(sandbox: Sandbox) -> Iterator[tuple[Monday, Board]]:
    with Monday(token=sandbox.token, url=sandbox.graphql_url) as monday:
        yield monday, monday.board(EVERYTHING)


@pytest.mark.parametrize("names", ["exact", "plain"])
def test_a_board_with_a_column_of_every_type_gives_the_golden_mapping_and_ddl(
    board: tuple[Monday, Board], names: str, tmp_path: Path
) -> None:
    monday, found = board
    made = propose(found, "everything", "everything", load_types(tmp_path), monday=monday, names=names).dated(
        "2026-01-31"
    )
    assert made.text() == (GOLDEN / f"everything_{names}.yaml").read_text(encoding="utf-8")
    assert ddl_text(create_statements(made)) == (GOLDEN / f"everything_{names}.sql").read_text(encoding="utf-8")


def test_every_type_has_a_home(tmp_path: Path) -> None:
    types = load_types(tmp_path)
    assert types.types.keys() - COLUMN_TYPES.keys() == {"date with time"}
    assert all(types.of("1", BoardColumn("c", "C", kind)) in INSTEAD_OF for kind in COLUMN_TYPES)
    assert types.of("1", BoardColumn("c", "C", "a type of tomorrow")) == "jsonb"


def types_of(home: Path, text: str) -> TypeMap:
    (home / "mappings").mkdir()
    (home / "mappings" / "types.yaml").write_text(text)
    return load_types(home)


def test_a_user_overrides_the_type_of_a_kind_and_of_one_column(tmp_path: Path) -> None:
    types = types_of(tmp_path, "types: {rating: smallint}\ncolumns: {42: {numbers4: integer}}\n")
    assert types.of("42", BoardColumn("r", "R", "rating")) == "smallint"
    assert types.of("42", BoardColumn("numbers4", "N", "numbers")) == "integer"
    assert types.of("43", BoardColumn("numbers4", "N", "numbers")) == "numeric"


@pytest.mark.parametrize(
    "text, named",
    [
        ("types: {rating: money}", "rating"),
        ("types: {rating: 'text; drop table users'}", "rating"),
        ("types: {people: text}", "people"),
        ("types: {board_relation: jsonb}", "board_relation"),
        ("types: {numbers: double precision}", "numbers"),
        ("typos: {rating: text}", "nothing else"),
        ("- rating", "nothing else"),
        ("columns: {42: text}", "42"),
    ],
)
def test_a_type_that_cannot_hold_the_values_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(MappingError, match=named):
        types_of(tmp_path, text)


def test_a_type_of_a_single_column_that_cannot_hold_the_values_is_refused(tmp_path: Path) -> None:
    types = types_of(tmp_path, "columns: {42: {people4: text}}")
    with pytest.raises(MappingError, match="people4"):
        types.of("42", BoardColumn("people4", "Owner", "people"))


def test_subitems_relations_and_samples_are_found(board: tuple[Monday, Board], tmp_path: Path) -> None:
    monday, found = board
    made = {column.about.id: column for column in propose(found, "e", "e", load_types(tmp_path), monday=monday).columns}
    assert subitem_boards(found) == ["7810000304"]
    assert {column.hard for column in made.values()} == {
        "",
        "relations",
        "mirrors",
        "formulas",
        "dependencies",
        "files",
    }
    assert made["text"].samples and made["connect"].samples
    assert made["date"].sql_type == "timestamptz"  # its cells have a time of day


def test_discover_prints_the_proposal_and_needs_no_database(
    sandbox: Sandbox, run_cli: Callable[..., Done], home: Path
) -> None:
    env = {
        "MONDAY_API_KEY": sandbox.token,
        "MONDAY_API_URL": sandbox.graphql_url,
        "DATABASE_URL": "postgresql://localhost:1/none",
    }
    done = run_cli("boards", "discover", "--board-id", str(EVERYTHING), "--json", env=env)
    shown = json.loads(done.out)
    assert done.code == 0 and len(shown["columns"]) == 42
    assert shown["ddl"][0].startswith("create table") and "deployed:" in shown["mapping"]
    assert not (home / "mappings").exists()


def test_a_board_that_is_not_visible_is_said_so(sandbox: Sandbox, run_cli: Callable[..., Done]) -> None:
    env = {"MONDAY_API_KEY": sandbox.token, "MONDAY_API_URL": sandbox.graphql_url}
    done = run_cli("boards", "discover", "--board-id", "4711", env=env)
    assert done.code == 2 and "4711 is not visible" in done.err
    assert run_cli("boards", "discover", "--board-id", "planning", env=env).code == 2
