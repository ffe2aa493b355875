"""Checks that a proof finds every single difference, names its cause, and that a repair mends that and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from db_connector import Database
from sync.operating import compare
from tests.kit.proofs import PLACES, Equal, differences, edit_item, edit_row, equal_sides, kinds, show

SMALL = ("users", "organizations", "contacts")
ENTITIES = pytest.mark.parametrize("entity", list(PLACES))


@pytest.fixture
def world(db: Database, database_url: str, home: Path, request: pytest.FixtureRequest) -> Iterator[Equal]:
    entity = getattr(request.node, "callspec", None) and request.node.callspec.params.get("entity")
    sizes = dict(getattr(request.node.get_closest_marker("sizes"), "kwargs", {}))
    entities = ("organizations", "contacts") if entity == "contacts" else (entity,) if entity else SMALL
    with equal_sides(db, database_url, home, entities, **sizes) as made:
        yield made


# What somebody does behind the tool's back. Each returns nothing: what it does is found, not told.


def edit_both(world: Equal, entity: str, item: str, root: str) -> None:
    show(world, entity, item, "One value")
    _, table, name = PLACES[entity]
    world.unheard(entity, f'update "{table}" set "{name}" = %s where "{world.key(entity)}"::text = %s', "Another", root)


def remove_item(world: Equal, entity: str, item: str, root: str) -> None:
    world.sandbox.admin("items/archive", item_id=item)


def remove_row(world: Equal, entity: str, item: str, root: str) -> None:
    table = PLACES[entity][1]
    gone = world.mapping()["archived_column"] if entity == "planning" else "archived_at"
    world.unheard(entity, f'update "{table}" set "{gone}" = now() where "{world.key(entity)}"::text = %s', root)


def remove_link(world: Equal, entity: str, item: str, root: str) -> None:
    world.db.execute_query("delete from sync_mapping where monday_id = %s", (item,), fetch=False)


def change_base(world: Equal, entity: str, item: str, root: str) -> None:
    field = "Name" if entity == "planning" else PLACES[entity][2]
    world.db.execute_query(
        "update sync_mapping set base = base || jsonb_build_object(%s::text, 'Never shown') where monday_id = %s",
        (field, item),
        fetch=False,
    )


MUTATIONS: dict[str, tuple[Callable[[Equal, str, str, str], None], str, str]] = {
    "item": (edit_item, "*", compare.ITEM_UNHEARD),
    "row": (edit_row, "*", compare.ROW_UNHEARD),
    "both": (edit_both, "*", compare.UNDETECTED),
    "item removed": (remove_item, ">", compare.ITEM_REMOVED),
    "row removed": (remove_row, "<", compare.ROW_REMOVED),
    "link": (remove_link, "*", compare.UNLINKED),
    "base": (change_base, "=", compare.STALE),
}


@ENTITIES
def test_equal_sides_are_proved_and_neither_is_written(world: Equal, entity: str) -> None:
    before = world.both(entity)
    proof = world.verify(entity, code=0)
    assert proof["equal"] and proof["findings"] == []
    assert proof["counts"]["equal"] > 0 and proof["stale_bases"] == 0
    assert world.both(entity) == before


@ENTITIES
def test_each_single_difference_is_found_named_and_mended_and_nothing_else_changes(world: Equal, entity: str) -> None:
    for name, (mutate, mark, cause) in MUTATIONS.items():
        item, root = world.links(entity)[-1]
        links = len(world.links(entity))
        mutate(world, entity, item, root)
        proof = world.verify(entity, code=0 if mark == "=" else 3)
        assert differences(proof) == [(mark, cause)], (name, proof["findings"])
        (finding,) = proof["findings"]
        before = world.both(entity)
        world.cli("repair", finding["id"])
        assert world.both(entity) == before, f"{name}: the plan alone has written something"
        world.cli("repair", finding["id"], "--apply")
        after = world.both(entity)
        assert {key: shown for key, shown in after[0].items() if key != item} == {
            key: shown for key, shown in before[0].items() if key != item
        }, name
        proof = world.verify(entity, code=0)
        assert proof["equal"] and proof["findings"] == [], (name, proof)
        assert len(world.links(entity)) == links - (name in ("item removed", "row removed")), name
        assert json.loads(world.cli("bidirectional", "--entity", entity, "--json", code=None).out)["entities"]
        assert world.both(entity) == after, f"{name}: the next run has written something"


# One side only, and what is known


def insert(world: Equal, statement: str, *params: Any, heard: bool) -> None:
    if heard:
        world.db.execute_query(statement, params, fetch=False)
    else:
        world.unheard("contacts", statement, *params)


def test_a_new_item_and_a_new_row_are_found_and_each_gets_its_other_side(world: Equal) -> None:
    world.sandbox.admin("items/create", board_id=PLACES["contacts"][0], name="Only here", values={})
    insert(world, "insert into contacts (name) values ('Only there')", heard=False)
    proof = world.verify("contacts", code=3)
    assert sorted(differences(proof)) == [("<", compare.NEVER_TAKEN), (">", compare.NEVER_SENT)]
    for finding in proof["findings"]:
        world.cli("repair", finding["id"], "--apply")
    assert world.verify("contacts", code=0)["counts"]["equal"] == 10
    names = [item["name"] for item in world.sandbox.admin("boards/snapshot", board_id=PLACES["contacts"][0])]
    assert sorted(name for name in names if name.startswith("Only")) == ["Only here", "Only there"]


def test_what_waits_in_a_queue_is_known_and_no_difference(world: Equal) -> None:
    insert(world, "insert into contacts (name) values ('Waits')", heard=True)
    world.db.execute_query("update contacts set role_title = 'Waits too' where name <> 'Waits'", fetch=False)
    proof = world.verify("contacts", code=0)
    assert kinds(proof) == {"known": 9} and proof["known"] == {compare.IN_OUTBOX: 9}


def test_a_held_conflict_and_a_record_that_is_switched_off_are_known(world: Equal) -> None:
    held, off = world.links("contacts")[:2]
    for item, _ in (held, off):
        world.sandbox.admin("items/rename", item_id=item, name="On the board")
    world.cli("record", f"contacts/{off[1]}", "--disable")
    world.unheard("contacts", "update contacts set name = 'In the row' where id::text = %s", held[1])
    (finding,) = world.verify("contacts", code=3)["findings"]
    assert (finding["entity_id"], finding["cause"]) == (held[1], compare.UNDETECTED)
    world.cli("bidirectional", "--entity", "contacts", code=None)
    proof = world.verify("contacts", code=0)
    assert proof["known"] == {compare.HELD: 1, compare.OFF: 1}


def test_items_that_a_rule_leaves_out_are_known_with_the_reason(world: Equal) -> None:
    world.sandbox.admin("items/create", board_id=PLACES["users"][0], name="Nobody", values={})
    world.cli("monday-to-pg", "--entity", "users", code=None)
    before = world.verify("users", code=0)["known"]
    assert before["Skipping user with empty email"] >= 1


# What a repair refuses


def test_a_repair_refuses_when_the_record_has_changed_since(world: Equal) -> None:
    item, root = world.links("contacts")[0]
    world.sandbox.admin("items/rename", item_id=item, name="Edited")
    (finding,) = world.verify("contacts", code=3)["findings"]
    world.sandbox.admin("items/rename", item_id=item, name="Edited again")
    before = world.both("contacts")
    done = world.cli("repair", finding["id"][:8], "--apply", code=3)
    assert "has changed since it was found" in done.err and world.both("contacts") == before
    world.cli("bidirectional", "--entity", "contacts")
    assert "equal" in world.cli("repair", finding["id"][:8], "--apply", code=3).err
    world.verify("contacts", code=0)
    assert "is gone already" in world.cli("repair", finding["id"], code=2).err
    assert "There is no finding" in world.cli("repair", "ffffffff", code=2).err


def test_a_finding_keeps_its_id_while_later_proofs_find_it_too(world: Equal) -> None:
    item, _ = world.links("contacts")[0]
    world.sandbox.admin("items/rename", item_id=item, name="Edited")
    first, second = (world.verify("contacts", code=3)["findings"][0]["id"] for _ in range(2))
    assert first == second


# Less than everything


def test_parts_of_a_board_together_find_what_the_whole_finds_each_once(world: Equal) -> None:
    items = [item for item, _ in world.links("contacts")]
    for item in items:
        world.sandbox.admin("items/rename", item_id=item, name=f"Edited {item}")
    insert(world, "insert into contacts (name) values ('Only there')", heard=False)
    found: list[str] = []
    for number in (1, 2, 3):
        done = world.cli("verify", "--entity", "contacts", "--sample", f"{number}/3", "--json", code=None)
        found += [finding["monday_id"] for finding in json.loads(done.out)["entities"][0]["findings"]]
    assert sorted(found, key=str) == sorted([*items, None], key=str)


def test_ids_alone_find_items_that_were_edited_made_or_removed(world: Equal) -> None:
    edited, removed, *_ = (item for item, _ in world.links("contacts"))
    world.sandbox.admin("clock/advance", seconds=60)
    world.sandbox.admin("items/rename", item_id=edited, name="Edited")
    world.sandbox.admin("items/archive", item_id=removed)
    made = world.sandbox.admin("items/create", board_id=PLACES["contacts"][0], name="New", values={})["id"]
    done = world.cli("verify", "--entity", "contacts", "--ids", "--json", code=3)
    (proof,) = json.loads(done.out)["entities"]
    assert {(finding["class"], finding["monday_id"]) for finding in proof["findings"]} == {
        ("*", edited),
        (">", removed),
        ("<", str(made)),
    }
    assert proof["counts"]["equal"] == 6


@pytest.mark.parametrize("sample", ["0/7", "8/7", "x", "1/0"])
def test_a_sample_that_is_no_part_of_a_whole_is_refused(world: Equal, sample: str) -> None:
    assert "--sample" in world.cli("verify", "--sample", sample, code=2).err


# What is remembered


def test_the_memory_is_checked_without_a_call(world: Equal) -> None:
    calls = len(world.sandbox.admin("requests"))
    assert json.loads(world.cli("verify", "--links", "--json").out)["exit_code"] == 0
    item, root = world.links("contacts")[0]
    world.unheard("contacts", "delete from contacts where id::text = %s", root)
    world.db.execute_query("update sync_mapping set attempts = 2 where monday_id = %s", (item,), fetch=False)
    found = json.loads(world.cli("verify", "--links", "--json", code=3).out)["findings"]
    wrong = {(one["slug"], one["affects"]) for one in found if one["state"] == "warning"}
    assert wrong == {("links.row_gone", "contacts"), ("links.status", "contacts")}
    assert calls == len(world.sandbox.admin("requests"))


# explain


def explained(world: Equal, record: str) -> dict[str, Any]:
    return dict(json.loads(world.cli("explain", record, "--json").out))


def test_a_record_in_step_says_so_with_its_history(world: Equal) -> None:
    item, root = world.links("contacts")[0]
    for name in (f"contacts/{root}", f"contacts/{item}", item, root):
        known = explained(world, name)
        assert (known["state"], known["monday_id"], known["entity_id"]) == ("in step", item, root)
        assert known["fields"] == [] and known["equal_fields"] > 5 and known["history"]


def test_the_whole_history_is_shown_when_it_is_asked_for(world: Equal) -> None:
    item, root = world.links("contacts")[0]
    world.db.execute_query(
        """
        insert into sync_logs (entity_type, entity_id, monday_id, operation, status, message)
        select 'contact', %s, %s, 'note', 'success', 'line ' || n from generate_series(1, 30) as n
        """,
        (root, item),
        fetch=False,
    )
    assert len(explained(world, item)["history"]) == 20
    known = json.loads(world.cli("explain", item, "--all", "--json").out)
    assert sum(entry["operation"] == "note" for entry in known["history"]) == 30


def test_edits_on_either_side_are_shown_with_what_the_next_run_would_do(world: Equal) -> None:
    item, root = world.links("contacts")[0]
    world.sandbox.admin("items/rename", item_id=item, name="On the board")
    world.db.execute_query("update contacts set role_title = 'By SQL' where id::text = %s", (root,), fetch=False)
    known = explained(world, f"contacts/{root}")
    assert known["state"] == "not in step"
    shown = {field["field"]: (field["next_run"], field["rule"]) for field in known["fields"]}
    assert shown == {"name": ("to PostgreSQL", "newest"), "role_title": ("to the board", "newest")}
    assert all("mappings/contacts.yaml:" in field["rule_from"] for field in known["fields"])
    before = world.both("contacts")
    world.cli("bidirectional", "--entity", "contacts")
    assert world.both("contacts") != before and explained(world, f"contacts/{root}")["state"] == "in step"


def test_a_held_field_names_the_command_that_decides(world: Equal) -> None:
    item, root = world.links("contacts")[0]
    world.sandbox.admin("items/rename", item_id=item, name="On the board")
    world.unheard("contacts", "update contacts set name = 'In the row' where id::text = %s", root)
    world.cli("bidirectional", "--entity", "contacts", code=None)
    (field,) = explained(world, f"contacts/{root}")["fields"]
    command = field["next_run"].removeprefix("held: python main.py ").split()
    assert command[:2] == ["conflicts", "resolve"]
    world.cli(*command)
    assert explained(world, f"contacts/{root}")["state"] == "in step"


def test_other_states_are_named(world: Equal) -> None:
    (off_item, off), (gone_item, gone), (lost_item, lost) = world.links("contacts")[:3]
    world.cli("record", f"contacts/{off}", "--disable")
    world.sandbox.admin("items/rename", item_id=off_item, name="Edited")
    world.sandbox.admin("items/archive", item_id=gone_item)
    left_out = world.sandbox.admin("items/create", board_id=PLACES["users"][0], name="Nobody", values={})["id"]
    insert(world, "insert into contacts (name) values ('New')", heard=True)
    world.unheard("contacts", "insert into contacts (name, email) values ('Unheard', 'unheard@example.com')")
    world.cli("monday-to-pg", "--entity", "users", code=None)
    assert explained(world, f"contacts/{off}")["why"] == compare.OFF
    assert explained(world, f"contacts/{gone}")["why"] == compare.ITEM_REMOVED
    known = explained(world, f"users/{left_out}")
    assert (known["state"], known["why"]) == ("left out", "Skipping user with empty email")
    waits = world.db.execute_query("select id::text from contacts where name = 'New'")[0]["id"]
    assert explained(world, f"contacts/{waits}")["why"] == compare.IN_OUTBOX
    assert explained(world, "contacts/unheard@example.com")["why"] == compare.NEVER_SENT
    world.cli("bidirectional", "--entity", "contacts", code=None)
    assert explained(world, f"contacts/{gone}")["state"] == "gone"
    assert "There is no record" in world.cli("explain", "contacts/nothing", code=2).err


@pytest.mark.sizes(users=15, contacts=60)
def test_ten_records_of_each_state_are_each_explained(world: Equal) -> None:
    links = world.links("contacts")
    groups = [links[begin : begin + 10] for begin in range(0, 60, 10)]
    equal, on_board, by_sql, unheard, held, off = groups
    for item, _ in (*on_board, *held):
        world.sandbox.admin("items/rename", item_id=item, name=f"On the board {item}")
    for _, root in held:
        world.unheard("contacts", "update contacts set name = 'In the row' where id::text = %s", root)
    world.cli("bidirectional", "--entity", "contacts", code=None)
    for item, _ in on_board:
        world.sandbox.admin("items/rename", item_id=item, name=f"Again {item}")
    for _, root in by_sql:
        world.db.execute_query("update contacts set name = 'Heard' where id::text = %s", (root,), fetch=False)
    for _, root in unheard:
        world.unheard("contacts", "update contacts set name = 'Unheard' where id::text = %s", root)
    for item, root in off:
        world.cli("record", f"contacts/{root}", "--disable")
        world.sandbox.admin("items/rename", item_id=item, name=f"Off {item}")
    expected = {
        "in step": (equal, "in step", ""),
        "on the board": (on_board, "not in step", compare.ITEM_UNHEARD),
        "by sql": (by_sql, "not in step", compare.IN_OUTBOX),
        "unheard": (unheard, "not in step", compare.ROW_UNHEARD),
        "held": (held, "not in step", compare.HELD),
        "off": (off, "not in step", compare.OFF),
    }
    for name, (group, state, why) in expected.items():
        found = {
            (known["state"], known["why"]) for known in (explained(world, f"contacts/{root}") for _, root in group)
        }
        assert found == {(state, why)}, name


def test_the_text_of_verify_names_the_repair_and_the_explanation(world: Equal) -> None:
    item, root = world.links("contacts")[0]
    world.sandbox.admin("items/rename", item_id=item, name="Edited")
    said = world.cli("verify", "--entity", "contacts", code=3).out
    assert "contacts: reading 8 items" in said and f"python main.py explain contacts/{root}" in said
    repair = said.split("python main.py repair ")[1].split()[0]
    assert "would write to PostgreSQL" in world.cli("repair", repair).out
    assert "name" in world.cli("explain", f"contacts/{root}").out
    assert "Done." in world.cli("repair", repair, "--apply").out
    assert "Equal in" in world.cli("verify", "--entity", "contacts").out


def test_entities_that_cannot_be_proved_keep_no_other_from_being_proved(world: Equal) -> None:
    world.sandbox.admin("boards/set", board_id=PLACES["users"][0], state="archived")
    name = PLACES["contacts"][2]
    world.unheard(
        "contacts", f"update contacts set {name} = 'By SQL' where id::text = %s", world.links("contacts")[0][1]
    )
    named = [word for entity in SMALL for word in ("--entity", entity)]
    done = world.cli("verify", *named, "--json", code=2)
    proofs = {proof["entity"]: proof for proof in json.loads(done.out)["entities"]}
    assert json.loads(done.out)["exit_code"] == 2 and set(proofs) == set(SMALL)
    failed = proofs["users"]
    assert not failed["equal"] and failed["exit_code"] == 2 and failed["findings"] == []
    assert failed["error"]["message"] == failed["message"] and PLACES["users"][0] in failed["message"]
    assert failed["error"]["hint"] and failed["message"] in done.err
    assert proofs["organizations"]["equal"] and proofs["organizations"]["error"] is None
    assert (proofs["contacts"]["exit_code"], kinds(proofs["contacts"])) == (3, {"different": 1})
    (run,) = world.db.execute_query("select exit_code, outcome, entities from sync_runs where kind = 'verify'")
    assert (run["exit_code"], run["outcome"]) == (2, "failed")
    told = {entity["entity"]: (entity["problem"], entity["complete"]) for entity in run["entities"]}
    assert told == {"users": ("BoardNotVisible", False), "organizations": (None, True), "contacts": (None, True)}
    shown = world.cli("verify", *named, code=2)
    assert f"Incomplete: {failed['message']}" in shown.out
    assert shown.out.count("Equal") == 1 and "Not equal: 1 of" in shown.out


def test_no_proof_is_tried_after_an_error_that_all_would_meet(world: Equal) -> None:
    done = world.cli("verify", "--json", code=2, env={"MONDAY_API_KEY": "refused"})
    told = [(proof["message"] == "not run", bool(proof["error"])) for proof in json.loads(done.out)["entities"]]
    assert told == [(False, True), *[(True, False)] * (len(told) - 1)] and len(told) > 2
