"""Checks that a mapping which points at something else than its links were made for is refused, in every kind of run."""

from __future__ import annotations

import pytest

import sync.run
from errors import SettingsError
from realtime.daemon import open_daemon
from sandbox import Sandbox
from settings import load_settings
from state.aims import forget_links
from state.values import Values
from sync.choosing import choose_boards
from sync.options import PullOptions, RunOptions
from sync.parts import mappings_of, open_parts
from sync.setup import set_up
from tests.kit.live import QUICK
from tests.kit.rows import change, rows
from tests.kit.runs import PROGRAM, run_whole
from tests.kit.two_sides import COLUMNS
from tests.kit.waiting import until


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as running:
        yield running


CHANGES = {
    "board": ("board: {{id: {board}}}", "board: {{id: {other}}}"),
    "table": ("table: contacts", "table: other_contacts"),
    "primary key": ("table: contacts", "table: contacts\nprimary_key: other_id"),
    "key": ("match: email", "key: [lower(email)]\nmatch: email"),
    "key, another": ("key: [lower(email)]", "key: [lower(name)]"),
    "match": ("match: email", "match: phone"),
    "no match": ("match: email\n", ""),
    "filter": ("match: email", "only: {{kind: customer}}\nmatch: email"),
    "entity type": ("entity_type: contact", "entity_type: person"),
}


def by_run(direction, kind="command", **options):
    """Returns what makes a run of that direction, and returns its exit code and message."""

    def work(settings):
        asked = RunOptions(pull=PullOptions(**options), kind=kind)
        report = sync.run.run(PROGRAM, settings, direction, ["contacts"], asked)
        (entity,) = report.entities
        assert not entity.complete
        return report.exit_code, entity.message + report.problems[0].hint

    return work


def by_daemon(settings):
    """Starts a daemon with an event waiting, and returns what its worker is troubled by."""
    with open_daemon(PROGRAM, settings, ("contacts",), QUICK) as daemon:
        daemon.start()
        (worker,) = daemon.workers.values()
        until(lambda: worker.trouble, 30, "the worker's trouble")
        assert not worker.caught_up
        assert daemon.stop(20)
        return 2, str(worker.trouble) + "forget --entity contacts"


def by_setup(settings):
    """Runs `setup`, and returns its exit code and message."""
    mappings = mappings_of(settings)
    with open_parts(settings, mappings=mappings) as parts, pytest.raises(SettingsError) as refused:
        set_up(parts, choose_boards(settings, mappings, "bidirectional", ["contacts"]), lambda lacking: True)
    return refused.value.exit_code, refused.value.message + refused.value.hint


RUNS = {
    "monday-to-pg": by_run("monday_to_pg"),
    "pg-to-monday": by_run("pg_to_monday"),
    "bidirectional": by_run("bidirectional"),
    "full": by_run("bidirectional", full=True, sweep=True),
    "dry": by_run("bidirectional", dry_run=True),
    "scheduled": by_run("bidirectional", kind="scheduled"),
    "webhook": by_daemon,
    "setup": by_setup,
}


class Pointed:
    """Holds a mapping file, two records in step, and what the mapping can be pointed at instead."""

    def __init__(self, sides, environment, home, sandbox):
        self.sides, self.path = sides, home / "mappings" / "contacts.yaml"
        self.settings = load_settings(environment, home)
        self.other = str(sandbox.admin("boards/create", name="Others", columns=COLUMNS)["id"])
        sandbox.admin("items/create", board_id=self.other, name="ann", values={"phone": "", "role_title": "else"})
        with sides.db.transaction() as tx:
            tx.execute("alter table contacts add column other_id uuid unique default gen_random_uuid()")
            tx.execute("alter table contacts add column kind text default 'customer'")
            tx.execute("create table other_contacts (like contacts including all)")

    def say(self, old, new):
        """Edits the mapping file."""
        old, new = (text.format(board=self.sides.board_id, other=self.other) for text in (old, new))
        text = self.path.read_text()
        assert old in text
        self.path.write_text(text.replace(old, new))

    def all(self):
        """Returns everything that a run could have changed."""
        with self.sides.db.transaction() as tx:
            links = tx.rows("select monday_id, entity_id, base, archived_at from sync_mapping order by 1")
            names = tx.rows("select id, name, email, role_title, archived_at from contacts order by 1")
            others = tx.rows("select id from other_contacts")
        return (
            links,
            names,
            others,
            self.sides.board(),
            self.sides.sandbox.admin("boards/snapshot", board_id=self.other),
        )


@pytest.fixture
def pointed(sides, environment, home, sandbox):
    return Pointed(sides, environment, home, sandbox)


@pytest.fixture
def linked(request, pointed):
    """Makes two records in step, and points the mapping elsewhere."""
    old, new = CHANGES[request.param]
    if request.param == "key, another":
        pointed.say(*CHANGES["key"])
    pointed.sides.item("ann", A="a")
    pointed.sides.insert("bob", A="Boss")
    assert run_whole(pointed.settings, "bidirectional", ["contacts"]).exit_code == 0
    pointed.say(old, new)
    return pointed


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("linked", CHANGES, indirect=True)
def test_a_mapping_that_points_elsewhere_is_refused_while_it_has_links(linked, run):
    before = linked.all()
    code, message = RUNS[run](linked.settings)
    assert (code, "points at something else" in message) == (2, True), message
    assert "forget --entity contacts" in message
    assert linked.all() == before


def test_a_user_is_told_what_changed_and_goes_on_with_the_old_value_or_without_the_links(sides, pointed, cli):
    item_id = sides.item("ann", A="a")
    assert cli("bidirectional", "--entity", "contacts").code == 0
    row_id = str(sides.link(item_id)["entity_id"])
    pointed.say("match: email", "match: name")
    done = cli("bidirectional", "--entity", "contacts")
    assert done.code == 2
    assert "contacts points at something else than its links were made for: match was email and is name." in done.err
    told = cli("validate", "--entity", "contacts")
    assert told.code == 2 and "match was email and is name" in told.out
    # the old value
    pointed.say("match: name", "match: email")
    assert cli("bidirectional", "--entity", "contacts").code == 0
    # without the links
    pointed.say("match: email", "match: name")
    refused = cli("forget", "--entity", "contacts")
    assert refused.code == 2 and "forget --entity contacts --yes" in refused.err
    assert str(sides.link(item_id)["entity_id"]) == row_id
    done = cli("forget", "--entity", "contacts", "--yes")
    assert (done.code, done.out) == (0, "1 link of contacts forgotten. The next run meets both sides anew.\n")
    assert cli("bidirectional", "--entity", "contacts").code == 0
    assert str(sides.link(item_id)["entity_id"]) == row_id
    assert sides.board() == ["ann A=a"] and sides.in_table() == "A=a"


@pytest.mark.parametrize("linked", ["board", "table", "match", "filter", "entity type"], indirect=True)
def test_after_the_links_are_forgotten_both_sides_meet_and_nothing_is_doubled(linked):
    mappings = mappings_of(linked.settings)
    with linked.sides.db.transaction() as tx:
        assert forget_links(tx, mappings["contacts"]) == 2
    first = run_whole(linked.settings, "bidirectional", ["contacts"])
    assert first.exit_code == 0, first.entities[0].message
    after = linked.all()
    report = run_whole(linked.settings, "bidirectional", ["contacts"])
    assert report.exit_code == 0
    assert linked.all() == after
    links = rows(linked.sides.db, "sync_mapping")
    assert len({link["entity_id"] for link in links}) == len({link["monday_id"] for link in links}) == len(links)


def test_a_database_of_an_earlier_release_is_taken_over(sides, pointed):
    sides.item("ann", A="a")
    assert run_whole(pointed.settings, "bidirectional", ["contacts"]).exit_code == 0
    change(sides.db, "delete from sync_state where name = 'aim:contacts'")
    assert run_whole(pointed.settings, "bidirectional", ["contacts"]).exit_code == 0
    assert Values(sides.db).get("aim:contacts")["match"] == "email"


def test_of_an_earlier_release_the_board_of_the_links_is_known(sides, pointed):
    sides.item("ann", A="a")
    assert run_whole(pointed.settings, "bidirectional", ["contacts"]).exit_code == 0
    change(sides.db, "delete from sync_state where name = 'aim:contacts'")
    pointed.say(*CHANGES["board"])
    assert run_whole(pointed.settings, "bidirectional", ["contacts"]).exit_code == 2


def test_what_only_has_another_name_is_the_same(sides, pointed):
    item_id = sides.item("ann", A="a")
    assert run_whole(pointed.settings, "bidirectional", ["contacts"]).exit_code == 0
    sides.sql("alter table contacts rename to people")
    sides.sql("alter table people rename column id to person_id")
    pointed.say("table: contacts", "table: people\nprimary_key: person_id")
    assert run_whole(pointed.settings, "bidirectional", ["contacts"]).exit_code == 0
    sides.edit(item_id, A="b")
    assert run_whole(pointed.settings, "bidirectional", ["contacts"]).exit_code == 0
    with sides.db.transaction() as tx:
        assert tx.value("select role_title from people") == "b"


def test_without_links_a_mapping_may_point_anywhere(sides, pointed):
    assert run_whole(pointed.settings, "monday_to_pg", ["contacts"]).exit_code == 0
    pointed.say(*CHANGES["board"])
    assert run_whole(pointed.settings, "monday_to_pg", ["contacts"]).exit_code == 0
    assert len(rows(sides.db, "contacts")) == 1


@pytest.mark.parametrize("way", ["bidirectional", "pg_to_monday"])
def test_a_field_that_is_bound_to_another_column_meets_it_anew(sides, pointed, way):
    item_id = sides.item("ann", A="a", B="b")
    assert run_whole(pointed.settings, "bidirectional", ["contacts"]).exit_code == 0
    pointed.say("{{column: role_title, field: role_title}}", "{{column: notes, field: role_title}}")
    pointed.say("  - {{column: notes, field: notes}}\n", "")
    sides.edit(item_id, B="")
    assert run_whole(pointed.settings, way, ["contacts"]).exit_code == 0
    assert (sides.in_table(), sides.on_board(item_id)) == ("A=a B=b", "A=a B=a")
