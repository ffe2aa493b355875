"""Checks that a row which the tool cannot see is not taken for a removed one, however it is hidden."""

from __future__ import annotations

import uuid

import pytest
from msgspec.structs import replace

from db_connector import Database
from errors import DatabaseError, SettingsError
from sandbox import Sandbox
from sync.setup import set_up
from tests.kit.pulls import Journey
from tests.kit.rows import rows
from tests.kit.runs import parts_of
from tests.kit.shipped import MAPPINGS


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        yield running


@pytest.fixture
def role(db, database_url):
    """Makes a role that may do all to every table, and owns none."""
    name = f"monday_sync_{uuid.uuid4().hex[:8]}"
    with db.transaction() as tx:
        tx.execute(f"create role {name} login password 'secret'")
        tx.execute(f"grant all on schema public to {name}")
        tx.execute(f"grant all on all tables in schema public to {name}")
        tx.execute(f"grant all on all sequences in schema public to {name}")
    yield name
    with db.transaction() as tx:
        tx.execute(f"drop owned by {name}")
        tx.execute(f"drop role {name}")


@pytest.fixture
def as_role(sides, role, database_url):
    """Has the tool work as that role; users go on as before."""
    limited = Database(database_url, options=f"-c role={role}")
    owner, sides.db = sides.db, limited
    yield owner
    limited.close()


def do(db, *statements):
    with db.transaction(tool=False) as tx:
        for statement in statements:
            tx.execute(statement)


def me(db):
    return db.execute_query("select quote_ident(session_user) as me")[0]["me"]


def items(sides):
    return sorted(
        item["name"]
        for item in sides.sandbox.admin("boards/snapshot", board_id=sides.board_id)
        if item["state"] == "active"
    )


# Row level security


HIDDEN = {
    "no policy": [],
    "one row": ["create policy own on contacts for all using (name <> 'ann') with check (true)"],
    "reads all, updates one": [
        "create policy reads on contacts for select using (true)",
        "create policy writes on contacts for update using (name = 'bob')",
    ],
    "all, restricted": [
        "create policy every on contacts using (true)",
        "create policy restricted on contacts as restrictive using (name <> 'ann')",
    ],
    "all for another role": ["create policy other on contacts to postgres using (true)"],
}


@pytest.mark.parametrize("how", HIDDEN)
@pytest.mark.parametrize("direction", ["bidirectional", "pg_to_monday", "monday_to_pg"])
def test_policies_that_may_hide_rows_are_refused_with_the_remedy(sides, as_role, role, how, direction):
    ann, _ = sides.pair(A="a")
    sides.item("bob")
    sides.sync()
    if how == "all for another role":
        HIDDEN[how] = [
            f"create policy other on contacts to {as_role.execute_query('select current_user as me')[0]['me']} using (true)"
        ]
    do(as_role, "alter table contacts enable row level security", *HIDDEN[how])
    sides.edit(ann, A="b")
    for options in ({}, {"full": True}, {"allow_mass_delete": True}):
        with pytest.raises(SettingsError) as refused:
            sides.sync(direction, **options)
        assert "contacts" in refused.value.message and role in refused.value.message
        assert "bypassrls" in refused.value.hint
    assert items(sides) == ["ann", "bob"]
    assert len(rows(as_role, "contacts")) == 2
    do(
        as_role,
        f"create policy monday_sync on contacts to {role} using (true) with check (true)",
        "drop policy if exists restricted on contacts",
    )
    assert sides.code() == 0
    assert items(sides) == ["ann", "bob"]


@pytest.mark.parametrize("table", ["sync_mapping", "sync_state", "sync_outbox"])
def test_policies_on_the_tools_own_tables_are_refused_too(sides, as_role, table):
    sides.pair(A="a")
    do(as_role, f"alter table {table} enable row level security")
    assert sides.code() in (1, 2)
    assert items(sides) == ["ann"]


def test_a_related_table_that_may_leave_out_rows_is_refused(db):
    """What it leaves out would look like cells that a user emptied."""
    with Sandbox(boards="projects:2") as boards:
        journey = Journey(db, boards)
        journey.pull("projects")
        do(db, "alter table customers rename to everybody", "create view customers as select * from everybody limit 0")
        with pytest.raises(SettingsError, match="customers is a view"):
            journey.run("both", "projects")
        journey.monday.close()


@pytest.mark.parametrize("how", ["owner", "superuser", "bypassrls"])
def test_roles_that_policies_do_not_apply_to_work_as_before(sides, as_role, role, how):
    do(as_role, "alter table contacts enable row level security")
    make = {
        "owner": f"alter table contacts owner to {role}",
        "superuser": f"alter role {role} superuser",
        "bypassrls": f"alter role {role} bypassrls",
    }
    do(as_role, make[how])
    sides.pair(A="a")
    sides.sql("delete from contacts")
    assert sides.sync().archived == 1
    do(as_role, f"alter table contacts owner to {me(as_role)}")


def test_the_owner_is_refused_where_policies_are_forced_on_it(sides, as_role, role):
    do(
        as_role,
        "alter table contacts enable row level security",
        "alter table contacts force row level security",
        f"alter table contacts owner to {role}",
    )
    assert sides.code() == 2
    do(as_role, f"alter table contacts owner to {me(as_role)}")


def test_where_policies_show_all_rows_are_written_although_copy_is_refused(sides, as_role, role):
    do(
        as_role,
        "alter table contacts enable row level security",
        f"create policy monday_sync on contacts to {role} using (true) with check (true)",
    )
    ann = sides.item(A="a", B="b")
    assert sides.sync().created == 1
    sides.edit(ann, A="c")
    assert sides.code() == 0
    assert rows(as_role, "contacts")[0]["role_title"] == "c"
    do(as_role, "delete from contacts")
    assert sides.sync().archived == 1


# Other ways of seeing less


def view(db):
    do(db, "alter table contacts rename to people", "create view contacts as select * from people where name <> 'ann'")


def foreign(db):
    if not db.execute_query("select 1 from pg_available_extensions where name = 'postgres_fdw'"):
        pytest.skip("this server has no postgres_fdw")
    do(
        db,
        "alter table contacts rename to people",
        "create schema far",
        "create table far.contacts (like people)",
        "insert into far.contacts select * from people where name <> 'ann'",
        "create extension if not exists postgres_fdw",
        "create server here foreign data wrapper postgres_fdw options (host '/nowhere')",
    )
    with db.transaction() as tx:
        socket = tx.value(
            "select translate(split_part(current_setting('unix_socket_directories'), ',', 1), chr(34), '')"
        )
        port, name, me = tx.rows("select current_setting('port'), current_database(), session_user")[0]
        tx.execute(f"alter server here options (set host '{socket}', add port '{port}', add dbname '{name}')")
        tx.execute(f"create user mapping for current_user server here options (user '{me}', password_required 'false')")
        tx.execute("import foreign schema far limit to (contacts) from server here into public")


def another_of_that_name(db):
    do(
        db,
        "alter table contacts rename to people",
        "create table contacts (like people including all)",
        "insert into contacts select * from people where name <> 'ann'",
    )


def another_schema(db):
    do(
        db,
        "create schema other",
        "create table other.contacts (like contacts including all)",
        "insert into other.contacts select * from contacts where name <> 'ann'",
        "do $$ begin execute format('alter role %I in database %I set search_path = other, public',"
        " current_user, current_database()); end $$",
    )


WAYS_OF_HIDING = {"view": view, "foreign": foreign, "another": another_of_that_name, "schema": another_schema}


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("direction", ["bidirectional", "pg_to_monday"])
@pytest.mark.parametrize("way", WAYS_OF_HIDING)
def test_rows_that_are_out_of_sight_remove_no_item(sides, database_url, way, direction, flag, caplog):
    ann, _ = sides.pair(A="a")
    sides.item("bob")
    sides.sync()
    WAYS_OF_HIDING[way](sides.db)
    owner = sides.db
    sides.db = Database(database_url)
    try:
        report = sides.sync(direction, allow_mass_delete=flag)
        assert (report.exit_code, report.complete, report.archived) == (3, False, 0)
        assert "1 row not found" in report.message
        assert items(sides) == ["ann", "bob"]
        if direction == "bidirectional":
            # an edit of such an item makes no second row, and waits
            sides.edit(ann, A="b")
            assert sides.sync().exit_code == 3
            assert rows(sides.db, "contacts", name="ann") == []
            assert sides.on_board(ann) == "A=b"
    finally:
        sides.db.close()
        sides.db = owner


PARTS = [
    "alter table contacts rename to people",
    "create table contacts (like people including defaults) partition by list (name)",
    "create table contacts_ann partition of contacts for values in ('ann')",
    "create table contacts_rest partition of contacts default",
    "insert into contacts select * from people",
    "drop table people cascade",
]


def test_rows_of_a_partition_that_was_detached_remove_no_item_until_setup_says_so(sides):
    ann, _ = sides.pair(A="a")
    sides.item("bob")
    sides.sync()
    do(sides.db, *PARTS)
    sides.mapping = replace(sides.mapping, record_settings=False)
    assert sides.code() == 0
    do(sides.db, "alter table contacts detach partition contacts_ann")
    report = sides.sync(allow_mass_delete=True)
    assert (report.exit_code, report.complete) == (3, False)
    assert "contacts_ann" in report.message
    assert items(sides) == ["ann", "bob"]
    do(sides.db, "alter table contacts attach partition contacts_ann for values in ('ann')")
    assert sides.code() == 0
    do(sides.db, "alter table contacts detach partition contacts_ann")
    assert sides.code() == 3
    set_up(parts_of(sides.db, sides.monday, MAPPINGS), [(sides.mapping, sides.board_id)], lambda lacking: True)
    assert sides.sync().archived == 1
    assert items(sides) == ["bob"]


def test_rows_of_a_partition_that_was_dropped_are_removed(sides):
    sides.pair(A="a")
    do(sides.db, *PARTS)
    assert sides.code() == 0
    do(sides.db, "alter table contacts detach partition contacts_ann", "drop table contacts_ann")
    assert sides.sync().archived == 1


def test_a_partition_that_was_detached_without_linked_rows_is_no_news(sides):
    sides.item("bob")
    sides.sync()
    do(sides.db, *PARTS)
    assert sides.code() == 0
    do(sides.db, "alter table contacts detach partition contacts_ann")
    assert sides.code() == 0
    sides.sql("delete from contacts")
    assert sides.sync().archived == 1


def test_a_row_that_has_a_time_of_archiving_is_judged_also_in_a_view(sides):
    ann, _ = sides.pair(A="a")
    do(sides.db, "alter table contacts rename to people", "create view contacts as select * from people")
    sides.sql("update contacts set archived_at = now()")
    assert sides.sync().archived == 1
    assert items(sides) == []


def test_a_new_item_gets_its_row_through_a_view(sides):
    do(sides.db, "alter table contacts rename to people", "create view contacts as select * from people")
    sides.item(A="a")
    assert sides.sync("monday_to_pg").created == 1
    assert rows(sides.db, "people")[0]["role_title"] == "a"


# Before a run


def test_validate_tells_what_hides_rows(sides, as_role, role, run_cli, environment, database_url):
    do(as_role, "alter table contacts enable row level security")
    limited = f"{database_url}{'&' if '?' in database_url else '?'}options=-c%20role%3D{role}"
    done = run_cli("validate", "--entity", "contacts", env={**environment, "DATABASE_URL": limited})
    assert done.code == 2
    assert "Row level security on contacts" in done.out + done.err


def test_a_materialized_view_is_told_and_removes_nothing(sides):
    ann, _ = sides.pair(A="a")
    sides.item("bob")
    sides.sync()
    do(
        sides.db,
        "alter table contacts rename to people",
        "create materialized view contacts as select * from people where name <> 'ann'",
    )
    with pytest.raises(DatabaseError) as stopped:
        sides.sync(allow_mass_delete=True)
    assert "name a table" in stopped.value.hint
    assert items(sides) == ["ann", "bob"]


def test_validate_tells_that_a_view_hides_rows(sides, run_cli, environment):
    do(sides.db, "alter table contacts rename to people", "create view contacts as select * from people")
    done = run_cli("validate", "--entity", "contacts", env=environment)
    assert done.code == 0
    assert "contacts is a view" in done.out + done.err
