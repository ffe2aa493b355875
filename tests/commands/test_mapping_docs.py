"""Checks that the pages and the schema made from the mappings say what the mappings say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from commands import mapping_pages
from commands.mapping_pages import KEYS_PAGE, PAGE, SCHEMA, boards_page, fetched_boards, keys_page, schema_text
from errors import SettingsError
from sandbox import Sandbox
from settings import Settings
from tests.kit.cli import MAIN, run_python
from tests.kit.shipped import PROJECT

STALE = "run: python main.py mapping --write-docs"
BOARDS = {"MONDAY_BOARD_ID_CONTACTS": "7810000101", "MONDAY_BOARD_ID_ORGANIZATIONS": "7810000202"}


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with Sandbox(boards="users:1,projects:1,contacts:1,organizations:1") as sandbox:
        yield Settings(api_key=sandbox.token, api_url=sandbox.graphql_url, environment=BOARDS)


def test_the_page_of_the_boards_says_what_mappings_and_boards_say(settings: Settings):
    assert PAGE.read_text(encoding="utf-8") == boards_page(fetched_boards(settings)), STALE


def test_the_tables_of_keys_say_what_the_grammar_says():
    page = KEYS_PAGE.read_text(encoding="utf-8")
    assert page == keys_page(page), STALE


def test_the_schema_for_editors_is_that_of_the_grammar():
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), STALE


@pytest.mark.parametrize("path", sorted((PROJECT / "mappings").glob("[!t]*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_mappings_fit_the_schema(path: Path):
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))
    jsonschema.validate(YAML(typ="safe").load(path), json.loads(schema_text()))


def test_a_page_that_lost_its_marks_is_told():
    with pytest.raises(SettingsError, match="lost its marks"):
        keys_page("# nothing")


def test_every_transform_is_on_the_page():
    from mappings.named_transforms import TRANSFORMS

    page = KEYS_PAGE.read_text(encoding="utf-8")
    assert [name for name in TRANSFORMS if f"`{name}`" not in page] == []


def test_the_first_mapping_of_the_page_loads_and_so_does_its_own_transform(tmp_path: Path):
    text = KEYS_PAGE.read_text(encoding="utf-8")
    yaml = [part.partition("```")[0] for part in text.split("```yaml\n")[1:]]
    python = text.split("```python\n")[1].partition("```")[0]
    (tmp_path / "home" / "mappings").mkdir(parents=True, exist_ok=True)
    own = next(part for part in yaml if "cents:Cents" in part)
    (tmp_path / "home" / "mappings" / "tasks.yaml").write_text(yaml[0].replace("rest:", own.rstrip() + "\nrest:"))
    (tmp_path / "cents.py").write_text(python)
    env = {"MONDAY_SYNC_HOME": str(tmp_path / "home"), "PYTHONPATH": str(tmp_path)}
    done = run_python(MAIN, "mapping", "--entity", "tasks", env=env)
    assert done.code == 0 and "cents:Cents" in done.out, done.err


def test_markdown_tables_survive_a_bar():
    assert mapping_pages.markdown(["a"], [["x|y"]]).splitlines()[-1] == "| x\\|y |"
