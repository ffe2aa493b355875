"""Applies `schema.sql` to an empty database, to the current one, and to what an earlier tool may have left."""

from __future__ import annotations

import uuid

import pytest

from databases.postgres.names import compose, identifier
from db_connector import Database
from tests.kit.shipped import PROJECT

SCHEMA = (PROJECT / "schema.sql").read_text(encoding="utf-8")

TABLES = {
    "users": "id monday_id monday_account_id name email role department status team_id metadata archived_at",
    "sales_teams": "id name region goals",
    "teams": "id name region goals",
    "customers": "id name email phone",
    "properties": "id customer_id street city state zip country type square_footage year_built roof_type status notes"
    " damage_info measurements one_click_codes address_raw",
    "projects": "id monday_id title name description status stage phase production_status link company_cam_link"
    " estimated_value total_payment customer_id property_id team_id policy_id claim_id storm_id pa_law_id partner_id"
    " project_manager_id estimator_id superintendent_id sales_rep_id metadata archived_at",
    "notes": "id content customer_id project_id property_id",
    "pa_law": "id name phone email",
    "insurances": "id company_name company_phone company_email",
    "policies": "id customer_id insurance_id policy_number start_date end_date coverage_amount status",
    "insurance_claims": "id policy_id claim_number adjuster_name adjuster_phone adjuster_email",
    "storms": "id date name region",
    "contacts": "id name email phone role_title notes organization_id sync_enabled sync_direction sync_status archived_at",
    "organizations": "id name street city state zip country notes sync_enabled sync_direction sync_status archived_at",
    "sync_mapping": "id monday_id entity_id entity_type monday_board_id base base_postgres sync_enabled sync_direction"
    " sync_status",
    "sync_logs": "id entity_type entity_id monday_id operation status message",
    "sync_conflicts": "id entity_type entity_id monday_id field base_value monday_value postgres_value monday_changed_at"
    " postgres_changed_at rule winner status resolved_at",
}
OWN = ("sync_runs", "sync_state", "sync_inbox", "sync_outbox", "board_registry", "sync_skipped", "sync_listing")
OWN += ("sync_stats", "sync_spent", "sync_latency", "sync_records")


@pytest.fixture
def empty(postgres):
    """Makes a database without anything in it."""
    name = f"test_{postgres.run}_{uuid.uuid4().hex[:12]}"
    postgres.create(name)
    database = postgres.database(name)
    yield database
    database.close()
    postgres.drop(name)


def apply(db: Database) -> None:
    with db.transaction() as tx:
        tx.execute(SCHEMA)


def columns(db: Database) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in db.execute_query(
        "select table_name, column_name, data_type from information_schema.columns where table_schema = 'public'"
    ):
        found.setdefault(row["table_name"], {})[row["column_name"]] = row["data_type"]
    return found


def shape(db: Database) -> list[str]:
    """Returns everything that is declared: columns with defaults, indexes, constraints, views."""
    found = db.execute_query(
        "select concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) as line"
        " from information_schema.columns where table_schema = 'public'"
        " union all select indexdef from pg_indexes where schemaname = 'public'"
        " union all select conrelid::regclass || ' ' || pg_get_constraintdef(oid) from pg_constraint"
        " where connamespace = 'public'::regnamespace"
        " union all select viewname || definition from pg_views where schemaname = 'public' order by 1"
    )
    return [row["line"] for row in found]


def test_every_table_and_column_that_was_promised_is_there(db):
    found = columns(db)
    for table, named in TABLES.items():
        wanted = {*named.split(), "created_at", "updated_at"}
        assert wanted <= found[table].keys(), (table, wanted - found[table].keys())
    assert set(OWN) <= found.keys()


def test_keys_are_uuids_that_make_themselves(db):
    for table in TABLES.keys() - {"teams"}:
        found = db.execute_query(
            "select data_type, column_default from information_schema.columns"
            " where table_schema = 'public' and table_name = %s and column_name = 'id'",
            (table,),
        )
        assert found == [{"data_type": "uuid", "column_default": "gen_random_uuid()"}], table


@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [
        ("sync_mapping", "entity_id", "text"),
        ("sync_logs", "entity_id", "text"),
        ("users", "monday_id", "text"),
        ("projects", "monday_id", "text"),
        ("sync_mapping", "monday_id", "text"),
        ("sync_logs", "monday_id", "text"),
        ("users", "metadata", "jsonb"),
        ("projects", "metadata", "jsonb"),
        ("properties", "measurements", "jsonb"),
        ("properties", "damage_info", "jsonb"),
        ("sales_teams", "goals", "jsonb"),
        ("storms", "date", "date"),
        ("projects", "estimated_value", "numeric"),
        ("projects", "total_payment", "numeric"),
        ("sync_conflicts", "monday_value", "jsonb"),
    ],
)
def test_columns_have_the_types_that_were_promised(db, table, column, kind):
    assert columns(db)[table][column] == kind


def test_numbers_have_no_precision_limit(db):
    digits = "123456789012345678901234567890.123456789012345678901234567890"
    db.execute_query("insert into projects (title, estimated_value) values ('x', %s)", (digits,), fetch=False)
    assert str(db.execute_query("select estimated_value as found from projects")[0]["found"]) == digits


def test_new_projects_start_as_promised(db):
    db.execute_query("insert into projects (title) values ('x')", fetch=False)
    (found,) = db.execute_query("select status, phase, production_status, metadata, archived_at from projects")
    assert tuple(found.values()) == ("pending", "pre-sale", "not_started", {}, None)


def test_new_contacts_start_as_promised(db):
    for table in ("contacts", "organizations"):
        db.execute_query(compose("insert into {table} (name) values ('x')", table=identifier(table)), fetch=False)
        (found,) = db.execute_query(
            compose("select sync_enabled, sync_direction, sync_status from {table}", table=identifier(table))
        )
        assert tuple(found.values()) == (True, "bidirectional", "pending")


def test_teams_can_be_read_as_a_view(db):
    db.execute_query("insert into sales_teams (name, region, goals) values ('Red', 'North', '{\"a\": 1}')", fetch=False)
    (found,) = db.execute_query("select name, region, goals from teams")
    assert tuple(found.values()) == ("Red", "North", {"a": 1})


def test_one_users_row_for_an_email_however_it_is_written(db):
    from errors import RowRejected

    db.execute_query("insert into users (email) values ('a@example.com')", fetch=False)
    with pytest.raises(RowRejected):
        db.execute_query("insert into users (email) values ('A@Example.com')", fetch=False)
    db.execute_query("insert into users (email) values (null), (null)", fetch=False)


def test_notes_go_with_their_project_and_other_references_become_null(db):
    db.execute_query(
        "with c as (insert into customers (name) values ('Ann') returning id),"
        " t as (insert into sales_teams (name) values ('Red') returning id),"
        " p as (insert into projects (title, customer_id, team_id) select 'x', c.id, t.id from c, t returning id)"
        " insert into notes (project_id, customer_id) select p.id, c.id from p, c",
        fetch=False,
    )
    db.execute_query("delete from customers", fetch=False)
    db.execute_query("delete from sales_teams", fetch=False)
    assert db.execute_query("select customer_id, team_id from projects") == [{"customer_id": None, "team_id": None}]
    assert db.execute_query("select customer_id from notes") == [{"customer_id": None}]
    db.execute_query("delete from projects", fetch=False)
    assert db.execute_query("select 1 from notes") == []


def test_every_reference_is_indexed(db):
    """Else deleting a shared row would read the whole table of those who point at it."""
    found = db.execute_query(
        "select c.conrelid::regclass::text as name, a.attname from pg_constraint as c"
        " join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]"
        " where c.contype = 'f' and c.connamespace = 'public'::regnamespace"
        " and not exists (select from pg_index as i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])"
    )
    assert found == []


# Again, and on earlier states


def test_it_can_be_run_twice_on_an_empty_database(empty):
    apply(empty)
    before = shape(empty)
    apply(empty)
    assert shape(empty) == before


def must_not_wait(db: Database) -> None:
    """Applies it while a user writes to every table and reads the view."""
    with db.transaction(tool=False) as writer:
        for table in (*TABLES, *OWN, "sync_intents"):
            mode = "access share" if table == "teams" else "row exclusive"
            writer.execute(compose(f"lock table {{table}} in {mode} mode", table=identifier(table)))
        with db.transaction() as tx:
            tx.execute("set local lock_timeout = '1s'")
            tx.execute(SCHEMA)


def test_where_nothing_is_missing_it_waits_for_no_writer(db):
    before = shape(db)
    must_not_wait(db)
    assert shape(db) == before


EARLIER = """
create table users (
    id uuid primary key default gen_random_uuid(), email varchar(255), name varchar(100), monday_id bigint,
    created_at timestamptz default now());
create table sync_mapping (
    id uuid primary key default gen_random_uuid(), monday_id text not null, entity_id uuid not null,
    entity_type text not null, monday_board_id text, created_at timestamptz not null default now());
create table sync_logs (
    id uuid primary key default gen_random_uuid(), entity_type text, entity_id uuid not null, monday_id text,
    operation text, status text, message text, created_at timestamptz not null default now());
insert into users (id, email, name, monday_id) values
    ('00000000-0000-4000-8000-000000000001', 'a@example.com', 'Ann', 11),
    ('00000000-0000-4000-8000-000000000002', 'b@example.com', 'Bob', 12);
insert into sync_mapping (monday_id, entity_id, entity_type, monday_board_id) values
    ('11', '00000000-0000-4000-8000-000000000001', 'user', '5764059860'),
    ('12', '00000000-0000-4000-8000-000000000002', 'user', '5764059860');
insert into sync_logs (entity_type, entity_id, operation, status, message) values
    ('user', '00000000-0000-4000-8000-000000000001', 'create', 'success', 'made');
"""


@pytest.fixture
def earlier(empty):
    with empty.transaction() as tx:
        tx.execute(EARLIER)
    return empty


def test_an_earlier_state_becomes_the_current_one_and_loses_nothing(earlier):
    apply(earlier)
    apply(earlier)
    found = earlier.execute_query(
        "select id, email, name, monday_id::text, metadata, archived_at from users order by email"
    )
    assert [tuple(row.values()) for row in found] == [
        ("00000000-0000-4000-8000-000000000001", "a@example.com", "Ann", "11", {}, None),
        ("00000000-0000-4000-8000-000000000002", "b@example.com", "Bob", "12", {}, None),
    ]
    links = earlier.execute_query(
        "select monday_id, entity_id, sync_enabled, base from sync_mapping order by monday_id"
    )
    assert [tuple(link.values()) for link in links] == [
        ("11", "00000000-0000-4000-8000-000000000001", True, None),
        ("12", "00000000-0000-4000-8000-000000000002", True, None),
    ]
    assert [tuple(row.values()) for row in earlier.execute_query("select entity_id, message from sync_logs")] == [
        ("00000000-0000-4000-8000-000000000001", "made")
    ]
    found = columns(earlier)
    assert (found["sync_mapping"]["entity_id"], found["sync_logs"]["entity_id"]) == ("text", "text")
    assert found["users"]["monday_id"] == "text"
    for table, named in TABLES.items():
        assert {*named.split(), "created_at", "updated_at"} <= found[table].keys(), table


def test_two_links_or_two_rows_of_one_email_do_not_stop_it(earlier):
    with earlier.transaction() as tx:
        tx.execute("insert into users (email, name) values ('A@example.com', 'Second')")
        tx.execute(
            "insert into sync_mapping (monday_id, entity_id, entity_type) values"
            " ('11', '00000000-0000-4000-8000-000000000002', 'user')"
        )
    apply(earlier)
    assert [row["n"] for row in earlier.execute_query("select count(*) as n from users")] == [3]
    assert [row["n"] for row in earlier.execute_query("select count(*) as n from sync_mapping")] == [3]
    must_not_wait(earlier)
    indexes = "select count(*) as n from pg_indexes where indexname in ('users_email_key', 'sync_mapping_item_key')"
    assert [row["n"] for row in earlier.execute_query(indexes)] == [0]
    with earlier.transaction() as tx:
        tx.execute("delete from users where name = 'Second'; delete from sync_mapping where monday_id = '11'")
    apply(earlier)
    assert [row["n"] for row in earlier.execute_query(indexes)] == [2]


def test_a_database_with_views_of_its_own_on_the_tables_keeps_them(earlier):
    apply(earlier)
    with earlier.transaction() as tx:
        tx.execute("create view mine as select entity_id, monday_id from sync_mapping")
    apply(earlier)
    assert len(earlier.execute_query("select * from mine")) == 2


def test_links_of_an_earlier_state_are_carried_on_by_the_next_pull(earlier):
    """The rows stay those that they were; nothing is made twice."""
    from tests.kit.pulls import PullBench
    from tests.kit.rows import rows

    apply(earlier)
    staff = PullBench(earlier, "users")
    with earlier.transaction() as tx:
        tx.execute("update users set role = 'Sales Staff'")
    report = staff.take(
        staff.item(11, first="Ann", email="a@example.com", shirt="XL"),
        staff.item(12, first="Bob", email="b@example.com"),
    )
    assert (report.created, report.errors) == (0, 0)
    found = {row["email"]: (row["id"], row["metadata"]) for row in rows(earlier, "users")}
    assert found == {
        "a@example.com": ("00000000-0000-4000-8000-000000000001", {"shirt_size": "XL"}),
        "b@example.com": ("00000000-0000-4000-8000-000000000002", {}),
    }
