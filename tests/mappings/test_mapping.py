"""Checks mapping files: what they may say, what is told about those that cannot be meant, and items read by them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from msgspec.structs import replace
from ruamel.yaml import YAML

from errors import MappingError, SettingsError
from mappings.bound import BoundMapping, bind
from mappings.declaration import Mapping
from mappings.grammar import json_schema
from mappings.loader import choose, load_mappings
from mappings.read_items import ItemReader
from mappings.write_items import CellWriter
from models import Board, BoardColumn
from services.monday.cells.kinds import MONDAY_KINDS
from tests.kit.boards import FULL, board_for, item_of
from tests.kit.shipped import MAPPINGS, PROJECT, PROJECTS, USERS

SHIPPED = sorted((PROJECT / "mappings").glob("[!t]*.yaml"))
HEAD = """entity: things
table: things
board: {id: 4711}
"""
FIELDS = """fields:
  - {column: name, field: name}
"""


def load(folder: Path, text: str, name: str = "things.yaml"):
    (folder / name).write_text(text, encoding="utf-8")
    return load_mappings([folder])


def told(folder: Path, text: str) -> list[str]:
    """Returns what is said about a file, a line for each mistake, without the folder."""
    with pytest.raises(MappingError) as error:
        load(folder, text)
    assert error.value.exit_code == 2
    return [line.removeprefix(f"{folder}/") for line in error.value.message.splitlines()]


def bound_to(mapping: Mapping, board: Board) -> BoundMapping:
    return bind(mapping, board, MONDAY_KINDS)


# The shipped files


def test_the_shipped_mappings_come_in_an_order_in_which_each_follows_those_it_builds_on():
    names = list(MAPPINGS)
    assert sorted(names) == ["contacts", "organizations", "projects", "users"]
    assert names.index("users") < names.index("projects") and names.index("organizations") < names.index("contacts")


def test_the_shipped_boards_are_known_by_id_and_setting():
    assert (MAPPINGS["users"].board_id, MAPPINGS["users"].board_setting) == (USERS, "MONDAY_BOARD_ID_USERS")
    assert (MAPPINGS["projects"].board_id, MAPPINGS["projects"].board_setting) == (PROJECTS, "MONDAY_BOARD_ID_DATA")
    assert [MAPPINGS[name].board_id for name in ("contacts", "organizations")] == [None, None]


@pytest.mark.parametrize("entity", ["users", "projects"])
def test_every_column_that_the_company_names_is_mapped(entity):
    """The tables of the company's own description, column by column."""
    columns = {
        "users": "text25 text1 email7 email__1 status_13 files3 files_1 text6 phone text text2 text5 text57",
        "projects": "name text95__1 link__1 text01__1 text40__1 text_7__1 numbers0 qb_total_payments__1 text65__1 email4__1"
        " phone_1__1 dup__of_job_address0__1 text43__1 job_division___1__1 partner_name__1 partner_email__1"
        " partner_phone____1 text19__1 email6__1 phone_13__1 job_est_1_name__1 email0__1 phone_10__1 dup__of_text6__1"
        " dup__of_email__1 dup__of_phone_1__1 text22__1 text49__1 email5__1 sales_rep_phone____1 jp_pa_law_name__1"
        " jp_pa_law_phone__1 jp_pa_law_email__1 claim_number__1 dup__of_text0__1 text31__1 phone_132__1 email05__1"
        " phone_17__1 email57__1 date_19__1 files9__1 files66__1",
    }[entity]
    assert {column for binding in MAPPINGS[entity].bindings for column in binding.columns} == set(columns.split())


# Mistakes, each with its file and line


def more(keys):
    """Returns a file with one more field, on line 6."""
    return HEAD + FIELDS + f"  - {{column: b, field: b, {keys}}}\n"


def boss(keys):
    """Returns a file with a related row, on line 5."""
    return HEAD + f"related:\n  boss: {{{keys}}}\n" + FIELDS


ROUND = HEAD + "related:\n  a: {table: t, via: a, refs: {x: b}}\n  b: {table: t, via: b, refs: {x: a}}\n"

MISTAKES = [
    ("entity: things\n", ["1: 'board' is missing", "1: 'table' is missing", "1: 'fields' is missing"]),
    (HEAD + "tabel: x\n" + FIELDS, ["4: unknown key 'tabel'; did you mean 'table'?"]),
    (HEAD + "direction: sideways\n" + FIELDS, ["4: 'direction' is 'sideways'; it must be one of"]),
    (HEAD + "conflict: loudest\n" + FIELDS, ["4: 'conflict' is 'loudest'"]),
    (HEAD + "deletes: {monday: forget}\n" + FIELDS, ["4: 'monday' is 'forget'"]),
    (HEAD + "deletes: archive\n" + FIELDS, ["4: 'deletes' must hold keys and values"]),
    (HEAD + "after: users\n" + FIELDS, ["4: 'after' must be a list of texts"]),
    (HEAD + "after: [nobody]\n" + FIELDS, ["4: no mapping declares the entity 'nobody'"]),
    (HEAD + "record_settings: perhaps\n" + FIELDS, ["4: 'record_settings' must be true or false"]),
    (HEAD + "key: lower(name)\n" + FIELDS, ["4: 'key' must be a list of columns"]),
    (HEAD + "key: [upper(name)]\n" + FIELDS, ["4: 'upper(name)' is neither a column nor lower(column)"]),
    (HEAD + "key: [email]\n" + FIELDS, ["4: no field fills the key's column 'email'"]),
    (HEAD + "match: email\n" + FIELDS, ["4: 'email' is not one of the fields"]),
    (HEAD + "item_name: [title]\n" + FIELDS, ["4: 'title' is not one of the fields"]),
    (HEAD + "sync_id: {title: Sync ID}\n" + FIELDS, ["4: 'id' is missing"]),
    ("entity: things\ntable: things\nboard: {}\n" + FIELDS, ["3: the board needs an `id`, a `setting`, or both"]),
    ("entity: things\ntable: things\nboard: {id: many}\n" + FIELDS, ["3: 'id' must be a board id"]),
    (HEAD + "fields: {column: name}\n", ["4: 'fields' must be a list"]),
    (HEAD + "fields:\n  - name\n", ["5: 0 must hold keys and values"]),
    (HEAD + "fields:\n  - {column: name}\n", ["5: a field needs either `field` or `fields`"]),
    (HEAD + "fields:\n  - {field: name}\n", ["5: a field needs either `column` or `columns`"]),
    (HEAD + "fields:\n  - {column: a, columns: [b, c], field: x}\n", ["5: a field needs either `column` or"]),
    (HEAD + "fields:\n  - {columns: [a, b], field: x}\n", ["5: several columns or fields need a transform"]),
    (HEAD + FIELDS + "  - {column: b, field: name}\n", ["6: field 'name' is declared twice"]),
    (HEAD + FIELDS + "  - {column: b, field: boss.}\n", ["6: field 'boss.' names no related row"]),
    (more("transform: rot13"), ["6: transform 'rot13': there is no transform"]),
    (more("transform: join"), ["6: transform 'join': it needs at least 2 columns"]),
    (more("transform: {value_map: {mop: {}}}"), ["6: transform 'value_map': unknown option 'mop'"]),
    (more("transform: value_map"), ["6: transform 'value_map': option 'map' is missing"]),
    (more("transform: 'no_module:x'"), ["6: transform 'no_module:x': no module 'no_module'"]),
    (more("transform: 'json:nothing'"), ["6: transform 'json:nothing': module 'json' has no"]),
    (more("transform: 'json:dumps'"), ["6: transform 'json:dumps'"]),
    (more("read_only: maybe"), ["6: 'read_only' is 'maybe'"]),
    (boss("table: people"), ["5: related 'boss' needs either `via` or `child`"]),
    (boss("table: people, via: a, child: b"), ["5: related 'boss' needs either"]),
    (boss("table: people, via: a").replace("field: name", "field: boss"), ["7: field 'boss' names no related row"]),
    (boss("table: people, via: a, from: nobody"), ["5: 'nobody' is not a related row"]),
    (boss("table: people, via: a, refs: {x: nobody}"), ["5: 'x' points at 'nobody'"]),
    (boss("table: people, via: a, needed_by: [nobody]"), ["5: 'nobody' is not a related row"]),
    (ROUND + FIELDS, ["4: related rows point at each other in a circle"]),
    (
        HEAD + "related:\n  a: {table: t, via: a, from: a}\n" + FIELDS,
        ["4: related rows point at each other in a circle"],
    ),
    (HEAD + "related: [boss]\n" + FIELDS, ["4: 'related' must hold names with keys of their own"]),
    ("- a\n- b\n", ["1: a mapping file holds keys and values"]),
    ("", ["1: a mapping file holds keys and values"]),
    ("entity: [\n", ["2:"]),
    (HEAD + HEAD + FIELDS, ["4: found duplicate key"]),
]


@pytest.mark.parametrize(("text", "mistakes"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_named_with_its_file_and_line(tmp_path, text, mistakes):
    lines = told(tmp_path, text)
    assert len(lines) == len(mistakes), lines
    for line, beginning in zip(lines, mistakes, strict=True):
        assert line.startswith(f"things.yaml:{beginning}"), line


def test_all_mistakes_of_all_files_are_named_at_once(tmp_path):
    (tmp_path / "other.yaml").write_text(HEAD.replace("things", "other") + "colour: red\n" + FIELDS)
    lines = told(
        tmp_path, HEAD + "tabel: x\ndirection: sideways\nfields:\n  - {colum: name, field: name}\n  - {column: b}\n"
    )
    assert [line.split(" ")[0] for line in lines] == [
        "other.yaml:4:",
        "things.yaml:4:",
        "things.yaml:5:",
        "things.yaml:7:",
    ]


def test_mistakes_that_only_show_together_are_named_together(tmp_path):
    lines = "{column: a, field: a, transform: rot13}", "{column: b, field: a}", "{columns: [c, d], field: c}"
    fields = "fields:\n" + "".join(f"  - {line}\n" for line in lines)
    assert [line.split(" ")[0] for line in told(tmp_path, HEAD + "match: email\n" + fields)] == [
        "things.yaml:4:",
        "things.yaml:6:",
        "things.yaml:7:",
        "things.yaml:8:",
    ]


def test_two_files_cannot_declare_one_entity(tmp_path):
    (tmp_path / "a.yaml").write_text(HEAD + FIELDS)
    assert "entity 'things' is also declared in" in told(tmp_path, HEAD + FIELDS)[0]


def test_a_file_that_is_not_utf_8_is_named(tmp_path):
    (tmp_path / "things.yaml").write_bytes(b"entity: \xff\n")
    with pytest.raises(MappingError, match="things.yaml: is not UTF-8"):
        load_mappings([tmp_path])


def test_a_later_folder_replaces_files_of_the_same_name(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder, table in ((ours, "a"), (theirs, "b")):
        folder.mkdir()
        (folder / "things.yaml").write_text(HEAD.replace("table: things", f"table: {table}") + FIELDS)
    (ours / "more.yaml").write_text(HEAD.replace("things", "more") + FIELDS)
    found = load_mappings([ours, theirs, tmp_path / "missing"])
    assert {name: item.table for name, item in found.items()} == {"more": "more", "things": "b"}


def test_entities_are_chosen_by_name_and_unknown_ones_are_named():
    assert [mapping.entity for mapping in choose(MAPPINGS, ["projects", "users"])] == ["users", "projects"]
    assert len(choose(MAPPINGS, [])) == 4
    with pytest.raises(SettingsError, match="Unknown entity: nobody") as error:
        choose(MAPPINGS, ["nobody", "users"])
    assert "users" in error.value.hint


# A transform of the user's own

OWN = '''
"""Doubles what it reads."""

class Twice:
    kinds = ("number",)

    def __init__(self, times=2):
        self.times = times

    def read(self, cells, before=None):
        return (None if cells[0] is None else cells[0] * self.times,)

    def write(self, fields, agreed, cells):
        return (None if fields[0] is None else fields[0] / self.times,)

def twice(times=2):
    return Twice(times)

def read(cells, before=None):
    return tuple(cells)

def write(fields, agreed, cells):
    return tuple(fields)
'''


@pytest.mark.parametrize(
    ("transform", "value"),
    [("own_twice:twice", 6), ("own_twice:Twice", 6), ("{'own_twice:twice': {times: 3}}", 9), ("'own_twice:'", 3)],
)
def test_a_transform_may_be_a_function_of_the_users_own(tmp_path, monkeypatch, transform, value):
    (tmp_path / "own_twice.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    mapping = load(tmp_path, HEAD + FIELDS + f"  - {{column: size, field: size, transform: {transform}}}\n")["things"]
    board = Board("4711", "Things", (BoardColumn("name", "Name", "name"), BoardColumn("size", "Size", "numbers")))
    reader = ItemReader(bound_to(mapping, board))
    assert reader.read(item_of(board, 1, "One", size="3")).record == {"name": "One", "size": value}


def test_a_module_that_breaks_on_import_is_named(tmp_path, monkeypatch):
    (tmp_path / "own_broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    (line,) = told(tmp_path, HEAD + FIELDS + "  - {column: b, field: b, transform: 'own_broken:x'}\n")
    assert "cannot be imported: ZeroDivisionError" in line


# The schema for editors


def as_json(path: Path):
    return json.loads(json.dumps(YAML(typ="safe").load(path.read_text()), default=str))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_json_schema_accepts_what_is_shipped(path):
    jsonschema.Draft202012Validator(json_schema()).validate(as_json(path))


def test_the_json_schema_that_is_shipped_is_the_one_of_the_grammar():
    assert json.loads((PROJECT / "mappings" / "mapping.schema.json").read_text()) == json_schema()
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize(
    "text",
    [
        "entity: things\n",
        HEAD + "tabel: x\n" + FIELDS,
        HEAD + "direction: sideways\n" + FIELDS,
        HEAD + "deletes: {monday: forget}\n" + FIELDS,
        HEAD + "deletes: archive\n" + FIELDS,
        HEAD + "after: users\n" + FIELDS,
        HEAD + "record_settings: perhaps\n" + FIELDS,
        HEAD + "sync_id: {title: Sync ID}\n" + FIELDS,
        HEAD + "fields: {column: name}\n",
        HEAD + "fields:\n  - name\n",
        HEAD + "related: [boss]\n" + FIELDS,
        boss("via: boss_id"),
        more("read_only: maybe"),
        HEAD + FIELDS + "  - {column: b, feild: b}\n",
        "- a\n- b\n",
    ],
)
def test_the_json_schema_refuses_what_the_check_on_load_refuses(tmp_path, text):
    told(tmp_path, text)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json_schema()).validate(as_json(tmp_path / "things.yaml"))


# Held against a board


@pytest.fixture
def bound():
    return bound_to(MAPPINGS["projects"], board_for(MAPPINGS["projects"], BoardColumn("num9", "Score", "numbers")))


def test_only_mapped_columns_are_asked_for(bound):
    computed = (
        BoardColumn("m", "Mirror", "mirror"),
        BoardColumn("f", "Formula", "formula"),
        BoardColumn("b", "B", "button"),
    )
    board = replace(bound.board, columns=(*bound.board.columns, *computed, BoardColumn("sync_id", "Sync ID", "text")))
    asked = bound_to(bound.mapping, board).column_ids
    assert sorted({*asked} - {*bound.column_ids}) == ["sync_id"]
    assert "name" not in asked and "num9" in asked


def test_a_full_item_read_and_written_again_changes_no_cell(bound):
    item = item_of(bound.board, 1, "Roof", num9="1.10", **FULL)
    record = ItemReader(bound).read(item).record
    writable = [name for name in bound.fields if name not in bound.read_only]
    assert CellWriter(bound).cells(writable, record, record, item) == {}


def test_a_rejected_column_is_never_asked_for(tmp_path):
    text = HEAD + "rest: metadata\n" + FIELDS + "  - {column: secret, rejected: 2026-05-05}\n"
    mapping = load(tmp_path, text)["things"]
    columns = (
        BoardColumn("name", "Name", "name"),
        BoardColumn("secret", "Secret", "text"),
        BoardColumn("x", "X", "text"),
    )
    bound = bound_to(mapping, Board("4711", "Things", columns))
    assert (bound.column_ids, bound.fields) == (["x"], ("name", "metadata:x"))


def test_a_computed_column_that_the_mapping_lists_is_read_and_read_only(tmp_path):
    mapping = load(tmp_path, HEAD + FIELDS + "  - {column: m, field: mirrored}\n")["things"]
    columns = (BoardColumn("name", "Name", "name"), BoardColumn("m", "M", "mirror"))
    bound = bound_to(mapping, Board("4711", "Things", columns))
    item = item_of(bound.board, 1, "One", m={"display_value": "seen"})
    assert ItemReader(bound).read(item).record == {"name": "One", "mirrored": "seen"}
    assert bound.read_only == {"mirrored": "error"}


def test_missing_columns_are_named_and_their_fields_left_out(bound):
    board = board_for(MAPPINGS["projects"], without=["text22__1", "numbers0", "email4__1"])
    found = bound_to(MAPPINGS["projects"], board)
    assert found.missing == ("email4__1", "numbers0", "text22__1")
    assert {"customer.email", "estimated_value", "sales_rep.name"} == set(bound.fields) - set(found.fields) - {
        "metadata:num9"
    }


def test_titles_become_unique_keys():
    columns = [("a", "T"), ("b", "T"), ("c", ""), ("d", "phone"), ("e", "t"), ("f", "T (b)"), ("g", "100% {x} \"'")]
    board = board_for(MAPPINGS["users"], *[BoardColumn(column, title, "text") for column, title in columns])
    bound = bound_to(MAPPINGS["users"], board)
    titles = [bound.title(column) for column, _ in columns]
    assert titles == ["T", "T (b)", "c", "phone (d)", "t", "T (b) (f)", "100% {x} \"'"]


def test_the_fingerprint_of_a_mapping_is_the_same_in_every_load_and_another_for_another():
    again = load_mappings([PROJECT / "mappings"])
    assert {name: item.fingerprint for name, item in again.items()} == {
        name: item.fingerprint for name, item in MAPPINGS.items()
    }
    assert replace(again["users"], rest=None).fingerprint != again["users"].fingerprint


def test_the_fingerprint_of_a_mapping_outlives_a_release(tmp_path):
    """It holds names of classes and functions: with another one every board would be compared again after an update."""
    lines = [
        "{column: a, field: a, transform: number}",
        "{column: b, field: b, transform: date}",
        "{column: c, field: c, transform: link_url}",
        "{column: d, fields: [d, e], transform: {value_map: {map: {active: [Working], done: [Done]}}}}",
        "{columns: [f, g], field: f, transform: {join: {separator: '-'}}}",
        "{column: h, fields: [h, i], transform: split}",
        "{columns: [k, l], field: k, transform: first_filled}",
        "{column: m, field: m, transform: {constant: {value: 1}}}",
        "{column: n, fields: [o.raw, o.a, o.b, o.c, o.d, o.e], transform: address}",
        "{columns: [p, q, r, s], field: p, transform: address_object}",
        "{column: t, field: t, transform: lower}",
        "{columns: [u, v], fields: [u, v], transform: copy}",
        "{column: w, field: boss.name, link_to: people, create_labels: true, conflict: manual}",
    ]
    related = "related:\n  boss: {table: people, via: boss_id, keys: [[lower(name)]], new: {role: boss}}\n"
    text = HEAD + related + FIELDS + "".join(f"  - {line}\n" for line in lines)
    assert load(tmp_path, text)["things"].fingerprint == "fb50360d4ff2d4a9"
