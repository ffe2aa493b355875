"""Seeds faults of boards, triggers and work, which `doctor` finds, and carries out the remedies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from models import State
from sandbox import Sandbox
from state.values import Values, daemon_key, pull_key
from tests.kit.cli import start_main
from tests.kit.live import SECRET
from tests.kit.patient import Patient
from tests.kit.two_sides import COLUMNS, mapping_file
from tests.kit.waiting import until

FAULT, WARNING, NOTE, OK = State.FAULT, State.WARNING, State.NOTE, State.OK


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(boards="users:5,projects:5") as sandbox:
        yield sandbox


@pytest.fixture
def board(patient: Patient) -> str:
    """Makes a board of contacts, with a mapping of the user's own."""
    board_id = str(patient.sandbox.admin("boards/create", name="People", columns=list(COLUMNS))["id"])
    (patient.home / "mappings").mkdir()
    (patient.home / "mappings" / "contacts.yaml").write_text(mapping_file(board_id))
    return board_id


# Boards


def test_a_board_that_is_not_visible(patient: Patient):
    more = {"MONDAY_BOARD_ID_USERS": "4711"}
    finding = patient.finds("board.users", FAULT, "Board 4711 is not visible", "MONDAY_BOARD_ID_USERS", **more)
    assert "Share it with" in finding.remedy and finding.affects == "users"
    assert patient.look("board.projects", **more)[1] == 0
    assert patient.look("board.users")[1] == 0


def test_a_board_that_is_archived(patient: Patient, board: str):
    patient.sandbox.admin("boards/set", board_id=board, state="archived")
    patient.finds("board.contacts", FAULT, "is archived", "Restore")
    patient.sandbox.admin("boards/set", board_id=board, state="active")
    patient.is_content("board.contacts")


def test_a_board_that_lacks_a_column(patient: Patient, board: str):
    path = patient.home / "mappings" / "contacts.yaml"
    right = path.read_text()
    path.write_text(right + "  - {column: shoe_size, field: notes_more}\n")
    patient.finds("board.contacts", WARNING, "has no column shoe_size", "contacts.yaml")
    path.write_text(right)
    patient.is_content("board.contacts")


def test_a_board_without_a_column_for_the_sync_id(patient: Patient):
    finding = patient.finds("board.users", NOTE, "no column 'Sync ID'", "python main.py setup")
    patient.carry_out(f"{finding.remedy} --yes")
    patient.is_content("board.users")


def test_a_board_that_may_only_be_looked_at(patient: Patient, board: str):
    patient.sandbox.admin("boards/set", board_id=board, protected=True)
    patient.finds("board.contacts", FAULT, "may only look at", "the right to edit it")
    patient.sandbox.admin("boards/set", board_id=board, protected=False)
    patient.is_content("board.contacts")


def test_a_board_that_is_nearly_full(patient: Patient, board: str):
    for name in ("a", "b"):
        patient.sandbox.admin("items/create", board_id=board, name=name)
    patient.sandbox.admin("boards/set", board_id=board, items_limit=2)
    patient.finds("board.contacts", WARNING, "2 of at most 2 items", "Archive")
    patient.sandbox.admin("boards/set", board_id=board, items_limit=10_000)
    patient.is_content("board.contacts")


def test_an_entity_without_a_board_is_not_looked_at(patient: Patient):
    result = patient.results("board.contacts")[-1]
    assert not result.looked and result.exit_code == 0
    assert "MONDAY_BOARD_ID_CONTACTS is not set" in result.findings[0].sentence


# Tables and triggers


def test_a_table_that_lacks_a_column(patient: Patient):
    patient.sql("alter table users drop column email cascade")
    finding = patient.finds("mapping.users", FAULT, "has no column email", "python main.py init-db")
    patient.carry_out(finding.remedy)
    patient.is_content("mapping.users")


def test_triggers_that_were_never_made(patient: Patient):
    finding = patient.finds("triggers.users", NOTE, "no triggers", "python main.py setup")
    patient.carry_out(f"{finding.remedy} --yes")
    patient.is_content("triggers.users")


@pytest.mark.parametrize(
    "broken, told",
    [
        ("drop trigger monday_sync_insert on users", "missing on users"),
        ("drop trigger monday_sync_update on sales_teams", "missing on sales_teams"),
        ("alter table users disable trigger monday_sync_delete", "switched off: monday_sync_delete"),
        ("alter table users disable trigger all", "switched off: monday_sync_delete, monday_sync_insert"),
    ],
)
def test_triggers_that_are_gone_or_switched_off(patient: Patient, broken: str, told: str):
    patient.carry_out("python main.py setup --yes")
    patient.sql(broken)
    finding = patient.finds("triggers.users", FAULT, told, "")
    patient.carry_out(finding.remedy + " --yes" * finding.remedy.endswith("setup"))
    patient.is_content("triggers.users")


def test_triggers_of_another_mapping(patient: Patient, board: str):
    patient.carry_out("python main.py setup --yes")
    path = patient.home / "mappings" / "contacts.yaml"
    path.write_text(path.read_text().replace("  - {column: notes, field: notes}\n", ""))
    finding = patient.finds("triggers.contacts", FAULT, "another mapping", "python main.py setup")
    patient.carry_out(f"{finding.remedy} --yes")
    patient.is_content("triggers.contacts")


def test_a_deployed_board_whose_mapping_is_gone(patient: Patient):
    assert patient.main("boards", "deploy", "--board-id", "5764059860", "--name", "staff", "--yes").code == 0
    assert patient.look("boards.deployed")[1] == 0
    path = patient.home / "mappings" / "staff.yaml"
    kept = path.read_text()
    path.unlink()
    assert patient.look("boards.deployed")[1] == 0, "its mapping is in the database"
    patient.sql("delete from sync_mappings where entity = 'staff'")
    finding = patient.finds("boards.deployed", FAULT, "staff.yaml", "Bring it back")
    path.write_text(kept)
    patient.is_content("boards.deployed")
    path.unlink()
    patient.carry_out(finding.remedy.partition("or: ")[2])
    assert "no board is deployed" in patient.look("boards.deployed")[0]["boards.deployed"][0].sentence


# Work


def test_a_run_that_died(patient: Patient):
    patient.sql(
        "insert into sync_runs (kind, direction, outcome, started_at) values ('cli', 'bidirectional', 'running', %s)",
        datetime.now(timezone.utc) - timedelta(days=2),
    )
    finding = patient.finds("work.dead_runs", WARNING, "1 run, the first of", "python main.py runs --close-dead")
    if "--close-dead" in patient.main("runs", "--help").out:
        patient.carry_out(finding.remedy)
        patient.is_content("work.dead_runs")


def test_a_run_that_a_guard_stopped(patient: Patient):
    patient.sql(
        """
        insert into sync_runs (kind, direction, outcome, message, entities, finished_at)
        values ('cli', 'monday_to_pg', 'guarded', '', '[{"entity": "users", "message": "30 are missing"}]', now())
        """
    )
    finding = patient.finds("work.last_run", FAULT, "stopped by a guard: 30 are missing", "--allow-mass-delete")
    assert patient.look("work.last_run")[1] == 4
    patient.carry_out("python" + finding.remedy.partition("python")[2])
    patient.is_content("work.last_run")


def test_a_run_that_failed(patient: Patient):
    patient.main("monday-to-pg", "--entity", "users", MONDAY_BOARD_ID_USERS="4711")
    finding = patient.finds("work.last_run", WARNING, "users", "--entity users")
    patient.carry_out(finding.remedy)
    patient.is_content("work.last_run")


def test_changes_that_are_stuck(patient: Patient):
    patient.sql(
        """
        insert into sync_outbox (entity_type, table_name, row_id, operation, changed_at)
        values ('user', 'users', '00000000-0000-0000-0000-000000000001', 'update', now() - interval '2 days')
        """
    )
    finding = patient.finds("work.queues", WARNING, "1 change of user", "python main.py bidirectional")
    patient.carry_out(finding.remedy)
    patient.is_content("work.queues")


EVENT = """
insert into sync_inbox (trigger_id, monday_board_id, monday_id, event, body, received_at, attempts, next_try_at)
values ('t', '5764059860', '1', 'change_name', '{}', now() - interval '2 days', %s, %s)
"""


def test_events_that_are_stuck(patient: Patient):
    patient.sql(EVENT, 0, None)
    finding = patient.finds("work.queues", WARNING, "1 event of monday.com wait", "python main.py webhook")
    arguments = (*finding.remedy.split()[2:], "--port", "0", "--entity", "users")
    daemon = start_main(*arguments, env={**patient.env, "MONDAY_WEBHOOK_SECRET": SECRET})
    try:
        until(lambda: patient.look("work.queues")[1] == 0, 30)
    finally:
        daemon.terminate()
        daemon.wait(30)
    patient.is_content("work.queues")


def test_events_that_were_given_up(patient: Patient):
    patient.sql(EVENT, 8, "infinity")
    finding = patient.finds("work.queues", WARNING, "1 event of monday.com were given up", "python main.py retry now")
    patient.carry_out(finding.remedy)
    assert "given up" not in str(patient.look("work.queues")[0]["work.queues"])


def test_records_that_were_given_up(patient: Patient):
    patient.carry_out("python main.py bidirectional")
    patient.sql(
        """
        update sync_mapping
        set sync_status = 'set_aside', attempts = 8
        where monday_id = (select min(monday_id) from sync_mapping)
        """
    )
    finding = patient.finds("work.set_aside", WARNING, "1 record of", "retry now")
    assert patient.main(*finding.remedy.partition(" shows")[0].split()[2:]).code == 0
    patient.carry_out("python" + finding.remedy.rpartition("python")[2])
    patient.carry_out("python main.py bidirectional")
    patient.is_content("work.set_aside")


def test_a_conflict_that_waits_for_days(patient: Patient):
    patient.sql(
        """
        insert into sync_conflicts (entity_type, field, rule, winner, status, created_at)
        values ('user', 'name', 'manual', 'held', 'open', now() - interval '8 days')
        """
    )
    finding = patient.finds("work.held", WARNING, "1 conflict of user", "python main.py conflicts list")
    patient.carry_out(finding.remedy)
    patient.sql("update sync_conflicts set status = 'resolved'")
    patient.is_content("work.held")


def test_a_board_that_was_not_listed_lately(patient: Patient):
    patient.carry_out("python main.py bidirectional --entity users")
    values = Values(patient.db)
    state = values.get(pull_key("users"))
    values.put(pull_key("users"), {**state, "swept_at": "2026-01-01T00:00:00Z"})
    finding = patient.finds("work.sweep", NOTE, "users were last listed 2026-01-01", "--full")
    patient.carry_out(finding.remedy)
    patient.is_content("work.sweep")


def test_a_difference_that_a_proof_has_found(patient: Patient):
    patient.carry_out("python main.py bidirectional --entity users")
    patient.is_content("work.verify")
    patient.sql("update users set name = 'By SQL' where id = (select min(id::text)::uuid from users)")
    patient.sql("delete from sync_outbox")
    assert patient.main("verify", "--entity", "users").code == 3
    finding = patient.finds("work.verify", WARNING, "1 difference of users", "verify --entity users")
    said = patient.main(*finding.remedy.partition("  ")[0].removeprefix("python main.py ").split()).out
    assert patient.main("repair", said.split("main.py repair ")[1].split()[0], "--apply").code == 0
    patient.is_content("work.verify")


def test_an_entity_that_was_not_proved_for_long(patient: Patient):
    patient.carry_out("python main.py bidirectional --entity users")
    patient.carry_out("python main.py verify --entity users")
    patient.is_content("work.verify")
    patient.sql("update sync_proofs set started_at = '2026-01-01', finished_at = '2026-01-01'")
    finding = patient.finds("work.verify", NOTE, "users was last proved 2026-01-01", "verify --entity users")
    patient.carry_out(finding.remedy)
    patient.is_content("work.verify")


def test_logs_that_have_grown(patient: Patient):
    patient.sql("update pg_class set reltuples = 2e6 where oid = 'sync_logs'::regclass")
    finding = patient.finds("work.logs", NOTE, "about 2,000,000 rows", "main.py prune")
    patient.carry_out(finding.remedy)
    # as PostgreSQL does by itself
    patient.sql("analyze sync_logs")
    patient.is_content("work.logs")


def test_a_daemon_that_is_gone(patient: Patient):
    values, now = Values(patient.db), datetime.now(timezone.utc)
    values.put(daemon_key("users"), (now - timedelta(hours=1)).isoformat())
    patient.finds("work.daemon", WARNING, "has not taken events of users", "python main.py webhook")
    values.put(daemon_key("users"), now.isoformat())
    patient.is_content("work.daemon")
