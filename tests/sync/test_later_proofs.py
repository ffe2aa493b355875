"""Checks that a proof finds every lie, although it does not take apart again the cells that a proof or a run has read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from db_connector import Database
from sync.operating import compare
from tests.kit.proofs import Equal, differences, edit_item, edit_row, equal_sides, kinds


@pytest.fixture(params=["a proof", "the run"])
def world(db: Database, database_url: str, home: Path, request: pytest.FixtureRequest) -> Iterator[Equal]:
    """Yields staff whose cells a proof, or only the run that has read them, has taken apart."""
    with equal_sides(db, database_url, home, ("users",)) as made:
        if request.param == "a proof":
            made.verify("users", code=0)
        yield made


def proved(world: Equal) -> dict[str, tuple[str, str]]:
    """Returns what is noted of the cells of items, by item."""
    rows = world.db.execute_query(
        "select l.monday_id, p.cells, p.version from sync_proved as p join sync_mapping as l on l.id = p.link"
    )
    return {row["monday_id"]: (row["cells"], row["version"]) for row in rows}


def test_a_later_proof_finds_the_same_and_notes_nothing_new(world: Equal) -> None:
    first = world.verify("users", code=0)
    noted = proved(world)
    assert noted.keys() == {item for item, _ in world.links("users")}
    second = world.verify("users", code=0)
    assert proved(world) == noted
    assert [first[side] for side in ("digest_monday", "digest_postgres")] == [
        second[side] for side in ("digest_monday", "digest_postgres")
    ]


def test_row_and_memory_that_lie_alike_do_not_hide_what_the_cells_show(world: Equal) -> None:
    edit_row(world, "users", *world.links("users")[0])
    base = 'update sync_mapping set base = base || \'{"name": "By SQL"}\' where monday_id = %s'
    world.db.execute_query(base, (world.links("users")[0][0],), fetch=False)
    assert differences(world.verify("users", code=3)) == [("*", compare.ITEM_UNHEARD)]


def test_a_row_that_lies_as_its_own_image_does_is_known_to_differ_and_not_equal(world: Equal) -> None:
    edit_row(world, "users", *world.links("users")[0])
    image = 'update sync_mapping set base_postgres = \'{"name": "By SQL"}\' where monday_id = %s'
    world.db.execute_query(image, (world.links("users")[0][0],), fetch=False)
    assert kinds(world.verify("users", code=0)) == {"known": 1}


def test_links_that_were_exchanged_are_found_although_all_cells_are_as_they_were(world: Equal) -> None:
    (first, one), (second, two) = world.links("users")[:2]
    exchange = """
        update sync_mapping as l set entity_id = new.row, intent_key = null
        from (values (%s, %s), (%s, %s)) as new (item, row) where l.monday_id = new.item
        """
    world.db.execute_query("update sync_mapping set entity_id = null where monday_id = %s", (second,), fetch=False)
    world.db.execute_query(exchange, (first, two, second, one), fetch=False)
    assert len(differences(world.verify("users", code=3))) >= 2


def test_an_edit_is_found_although_the_time_of_the_last_update_stands_still(world: Equal) -> None:
    item, root = world.links("users")[0]
    edit_item(world, "users", item, root)
    # as if the edit were as old as what was read
    world.db.execute_query("update sync_mapping set monday_updated_at = now() + interval '1 day'", fetch=False)
    assert differences(world.verify("users", code=3)) == [("*", compare.ITEM_UNHEARD)]


def test_what_was_noted_of_links_that_are_gone_is_forgotten(world: Equal) -> None:
    world.db.execute_query("insert into sync_proved select gen_random_uuid(), 'x', 'x'", fetch=False)
    world.verify("users", code=0)
    assert world.db.execute_query("select count(*) as n from sync_proved where cells = 'x'")[0]["n"] == 0


def test_a_row_that_was_changed_and_changed_back_is_equal_and_one_that_only_looks_alike_is_not(world: Equal) -> None:
    (item, root), *_ = world.links("users")
    (was,) = world.db.execute_query("select name from users where id::text = %s", (root,))
    edit_row(world, "users", item, root)
    assert differences(world.verify("users", code=3)) == [("*", compare.ROW_UNHEARD)]
    world.unheard("users", "update users set name = %s where id::text = %s", was["name"], root)
    assert world.verify("users", code=0)["equal"]
    world.unheard("users", "update users set name = upper(name) where id::text = %s", root)
    assert differences(world.verify("users", code=3)) == [("*", compare.ROW_UNHEARD)]


def test_an_item_whose_link_was_archived_since_is_no_equal_record(world: Equal) -> None:
    (item, _), *_ = world.links("users")
    world.db.execute_query("update sync_mapping set archived_at = now() where monday_id = %s", (item,), fetch=False)
    # as if the link had been archived when it was noted
    world.db.execute_query(
        "update sync_proved as p set version = l.xmin::text || ' ' || l.ctid::text from sync_mapping as l"
        " where l.id = p.link",
        fetch=False,
    )
    proof = world.verify("users", code=3)
    assert proof["counts"]["equal"] == len(world.links("users")), proof


def test_what_an_earlier_version_has_noted_of_cells_alone_is_noted_again_with_the_row(world: Equal) -> None:
    world.db.execute_query("update sync_proved set seen_row = null, shown = null", fetch=False)
    digests = [world.verify("users", code=0)[side] for side in ("digest_monday", "digest_postgres")]
    assert digests[0] == digests[1]
    noted = world.db.execute_query("select count(*) as n from sync_proved where seen_row is null or seen_row = ''")
    assert noted[0]["n"] == 0
    assert [world.verify("users", code=0)[side] for side in ("digest_monday", "digest_postgres")] == digests


def test_a_run_seals_what_it_has_taken_apart_and_an_edit_of_the_memory_breaks_the_seal(world: Equal) -> None:
    links = world.db.execute_query("select seal from sync_mapping where entity_type = 'user'")
    assert links and all(link["seal"] for link in links) and len({link["seal"] for link in links}) == len(links)
    (item, root), *_ = world.links("users")
    world.db.execute_query("truncate sync_proved", fetch=False)
    base = 'update sync_mapping set base = base || \'{"name": "By SQL"}\' where monday_id = %s'
    edit_row(world, "users", item, root)
    world.db.execute_query(base, (item,), fetch=False)
    assert differences(world.verify("users", code=3)) == [("*", compare.ITEM_UNHEARD)]


def test_a_seal_that_is_gone_or_of_another_link_costs_time_alone(world: Equal) -> None:
    digest = world.verify("users", code=0)["digest_monday"]
    for seal in ("null", "'of another'", "(select max(seal) from sync_mapping)"):
        world.db.execute_query(f"update sync_mapping set seal = {seal}", fetch=False)
        world.db.execute_query("truncate sync_proved", fetch=False)
        assert world.verify("users", code=0)["digest_monday"] == digest
