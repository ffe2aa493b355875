"""A page of a listing may be noted twice: its ids count once."""

from __future__ import annotations

import pytest

from db_connector import Database
from models import Item
from state.listings import Listings
from state.schema import init_db

PASS, OTHER = "6f2c1f6e-51fb-4b0a-9f5c-000000000001", "6f2c1f6e-51fb-4b0a-9f5c-000000000002"
OF_AN_EARLIER_VERSION = """
drop table sync_listing;
create unlogged table sync_listing (
    pass uuid not null,
    monday_id text not null,
    monday_updated_at timestamptz,
    noted_at timestamptz not null default now(),
    primary key (pass, monday_id))
"""


def item(number: int) -> Item:
    return Item(str(number), "", "active", None, "2026-03-01T10:00:00Z", None, None, None, {})


@pytest.fixture(params=["of this version", "of an earlier version"])
def listings(request: pytest.FixtureRequest, db: Database) -> Listings:
    if request.param == "of an earlier version":
        with db.autocommit() as session:
            session.execute(OF_AN_EARLIER_VERSION)
    return Listings("thing", "7")


def test_ids_that_came_on_two_pages_count_once_everywhere(db: Database, listings: Listings) -> None:
    with db.transaction() as tx:
        listings.note(tx, PASS, [item(1), item(2)])
        listings.note(tx, PASS, [item(2), item(3)])
        listings.note(tx, OTHER, [], ["1"])
        assert listings.count(tx, PASS) == 3
        assert listings.stale(tx, PASS) == ["1", "2", "3"]
        assert listings.unread(tx, PASS, OTHER) == ["2", "3"]
        assert sorted(listings.of_sample(tx, PASS, 1, 2) + listings.of_sample(tx, PASS, 2, 2)) == ["1", "2", "3"]
        listings.delete(tx, PASS)
        assert listings.count(tx, PASS) == 0
        assert listings.count(tx, OTHER) == 1


def test_what_was_linked_since_and_listed_too_counts_once(db: Database, listings: Listings) -> None:
    with db.transaction() as tx:
        listings.note(tx, PASS, [item(1), item(2)])
    with db.transaction() as tx:
        tx.execute(
            "insert into sync_mapping (entity_type, entity_id, monday_id, monday_board_id, created_at)"
            " values ('thing', 'a', '2', '7', now()), ('thing', 'b', '3', '7', now())"
        )
        listings.take_over(tx, PASS)
        assert listings.count(tx, PASS) == 3
        tx.execute("update sync_mapping set archived_at = now() where monday_id = '2'")
        listings.take_over(tx, PASS)
        assert listings.count(tx, PASS) == 2


def test_init_db_takes_the_key_from_the_table_of_an_earlier_version_and_its_ids_stay(db: Database) -> None:
    with db.autocommit() as session:
        session.execute(OF_AN_EARLIER_VERSION)
    listings = Listings("thing", "7")
    with db.transaction() as tx:
        listings.note(tx, PASS, [item(1)])
    init_db(db)
    with db.transaction(read_only=True) as tx:
        assert tx.value("select count(*) from pg_index where indrelid = 'sync_listing'::regclass") == 0
        assert listings.count(tx, PASS) == 1
        assert listings.is_fresh(tx, PASS)
