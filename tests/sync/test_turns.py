"""Takes turns: a run whose turn is lost writes nothing more, and a run without its turn says who has it."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from msgspec.structs import replace

from db_connector import Database
from errors import DatabaseError, TurnBusy, TurnLost
from monday_api import Monday
from settings import Settings
from state.turns import working_on
from sync.options import RunOptions
from sync.report import EntityReport
from sync.run import Run
from tests.kit.clocks import SharedClock
from tests.kit.pushes import STEADY, load_items
from tests.kit.runs import parts_of, run
from tests.kit.shipped import MAPPINGS
from tests.kit.waiting import until

HELD = """
select l.pid
from pg_locks as l join pg_database as d on d.oid = l.database
where l.locktype = 'advisory' and d.datname = current_database()
"""
END_OF_THE_TURN = """
select pg_terminate_backend(l.pid, 5000)
from pg_locks as l join pg_stat_activity as a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted and a.state = 'idle' and a.datname = current_database()
"""


class Working(threading.Thread):
    """Makes a run in its turn, in a thread, over the relay."""

    def __init__(self, bench, database_url, direction, **options):
        super().__init__(daemon=True)
        self.bench, self.direction, self.options = bench, direction, options
        self.db, self.ended = Database(database_url), None
        self.start()

    def run(self):
        try:
            with working_on(self.db, "thing") as db:
                parts = parts_of(db, self.bench.monday, self.bench.mappings)
                self.ended = run(self.direction, parts, self.bench.mapping, **self.options)
        except Exception as exc:
            self.ended = exc
        finally:
            self.db.close()

    def end(self):
        self.join(60)
        assert not self.is_alive()
        return self.ended


def over_the_relay(bench):
    bench.monday.close()
    clock = SharedClock(bench.sandbox.url, bench.sandbox.token)
    bench.monday = Monday(token=bench.sandbox.token, url=f"{bench.relay.url}/v2", clock=clock, limits=STEADY)


STEPS = {
    "pull": ("pull", "NextItemsPage", 1),
    "both": ("both", "ItemsPage", 1),
    "push, before it makes items": ("push", "ItemsPage", 1),
    "push, while items are changed": ("push", "ChangeItems", 1),
}


def seen(bench):
    """Returns all that a run writes."""
    things = bench.sql("select * from things order by id::text")
    links = bench.sql("select monday_id, entity_id, base, sending from sync_mapping order by id")
    return things, links, bench.sql("select name, value from sync_state order by name"), bench.items()


@pytest.mark.parametrize("step", STEPS)
def test_a_run_whose_turn_was_ended_from_outside_writes_nothing_more(bench, database_url, step):
    direction, operation, number = STEPS[step]
    load_items(bench, 30)
    if operation == "ChangeItems":
        bench.push("pull")
        bench.sql("update things set note = 'by SQL ' || title")
    over_the_relay(bench)
    hold = bench.relay.hold(operation, number, after=True)
    first = Working(bench, database_url, direction, batch_size=10)
    until(hold.reached.is_set, what=operation)
    assert bench.sql(END_OF_THE_TURN)
    with working_on(bench.db, "thing"):  # another process has the turn now
        before = seen(bench)
        hold.go.set()
        ended = first.end()
        assert isinstance(ended, TurnLost), ended
        assert "nothing more is written" in ended.message and ended.exit_code == 1
        assert seen(bench) == before
    bench.sandbox.admin("clock/advance", seconds=60)
    bench.push("both")
    bench.must_be_equal()


def test_no_timeout_of_idle_sessions_ends_a_turn(bench, database_url):
    for name in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
        bench.sql(f"""do $$ begin
            execute format('alter database %%I set {name} = ''100ms''', current_database()); end $$""")
    load_items(bench, 30)
    over_the_relay(bench)
    hold = bench.relay.hold("NextItemsPage", 1, after=True)
    working = Working(bench, database_url, "pull", batch_size=10)
    until(hold.reached.is_set)
    time.sleep(0.5)
    hold.go.set()
    assert working.end().read == 30


def test_a_run_waits_for_its_turn_so_long_and_says_who_has_it(db, database_url, caplog):
    caplog.set_level(logging.INFO, "monday_sync")
    other = Database(database_url, application_name="night job")
    with working_on(other, "thing"):
        pid = db.execute_query(HELD)[0]["pid"]
        with pytest.raises(TurnBusy) as caught, working_on(db, "thing", patience_s=0.3):
            pass
    other.close()
    for said in (caught.value.message, caplog.text):
        assert "thing records (night job, PostgreSQL's process " in said and str(pid) in said and "since 20" in said
    assert caught.value.exit_code == 3
    with working_on(db, "thing", patience_s=0):
        pass


def test_a_run_goes_on_with_what_is_free_and_comes_back(db, database_url):
    """No board is asked: what a direction does is handed in."""
    worked = []

    def work(parts, mapping, board_id, options, run_id):
        worked.append(mapping.entity)
        if mapping.entity == "second":
            release.set()
        return EntityReport(mapping.entity, board_id)

    first, second, third = (
        replace(MAPPINGS["users"], entity=name, entity_type=name, after=after)
        for name, after in (("first", ()), ("second", ()), ("third", ("first",)))
    )
    release, held = threading.Event(), threading.Event()

    def hold():
        with working_on(db, "first"):
            held.set()
            release.wait(30)
            time.sleep(0.2)

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    held.wait(10)
    parts = parts_of(Database(database_url), None, {})
    report = Run(parts, "monday_to_pg", work, RunOptions()).of([(first, "1"), (third, "3"), (second, "2")])
    parts.db.close()
    holder.join()
    assert worked == ["second", "first", "third"]
    assert [entity.entity for entity in report.entities] == ["first", "third", "second"]
    assert report.exit_code == 0


def test_an_entity_whose_turn_never_comes_costs_itself_only(db, database_url):
    pairs = [(replace(MAPPINGS["users"], entity=name, entity_type=name, after=()), "1") for name in ("one", "two")]
    parts = replace(parts_of(Database(database_url), None, {}), settings=Settings(give_up_after=0.3))
    with working_on(db, "one"):
        report = Run(parts, "monday_to_pg", lambda p, mapping, *_: EntityReport(mapping.entity, "1"), RunOptions()).of(
            pairs
        )
    parts.db.close()
    assert report.exit_code == 3
    assert "another process is working on one records" in report.entities[0].message.lower()
    assert report.entities[1].exit_code == 0


@pytest.mark.parametrize("direction", ["pull", "both"])
def test_a_long_transaction_of_another_program_makes_a_run_late_and_not_failed(bench, database_url, direction, caplog):
    caplog.set_level(logging.INFO, "monday_sync")
    items = load_items(bench, 3)
    bench.push("pull")
    bench.sandbox.admin("items/change", item_id=items[0], values={"text": "newer"})
    other = Database(database_url, application_name="monthly report")
    patient = Database(database_url, lock_timeout_s=0.1)
    patient.patience_s = 30
    ended = []

    def work():
        ended.append(run(direction, parts_of(patient, bench.monday, bench.mappings), bench.mapping))

    with other.transaction(tool=False) as tx:
        tx.execute("select * from things for update")
        running = threading.Thread(target=work, daemon=True)
        running.start()
        time.sleep(1.5)  # more than five tries take
        assert running.is_alive()
    running.join(30)
    patient.close()
    other.close()
    assert ended[0].updated == 1
    assert "monthly report, PostgreSQL's process" in caplog.text


def test_another_programs_lock_is_waited_for_so_long_and_no_longer(bench, database_url):
    load_items(bench, 3)
    impatient = Database(database_url, lock_timeout_s=0.1)
    impatient.patience_s = 0.5
    with bench.locked("things", "access exclusive"), pytest.raises(DatabaseError, match="in the way"):
        run("pull", parts_of(impatient, bench.monday, bench.mappings), bench.mapping)
    impatient.close()


def holding(db, tables):
    """Returns an event that frees the tables of a page that another process writes, once they are held."""
    held, release = threading.Event(), threading.Event()

    def hold():
        with db.transaction(snapshot=True, turns=tables):
            held.set()
            release.wait(30)

    threading.Thread(target=hold, daemon=True).start()
    assert held.wait(10)
    return release


@pytest.mark.parametrize(
    ("others", "waits"),
    [
        (["contacts"], False),
        (["things"], True),
        (["public.things"], True),
        (["contacts", '"things"'], True),
        (["no_such_table"], False),
    ],
)
def test_a_page_waits_only_for_pages_that_write_its_tables(bench, database_url, others, waits):
    load_items(bench, 3)
    quick = Database(database_url, lock_timeout_s=0.05)
    release = holding(bench.db, others)
    if waits:
        with pytest.raises(DatabaseError, match="in the way"):
            run("pull", parts_of(quick, bench.monday, bench.mappings), bench.mapping)
    else:
        assert run("pull", parts_of(quick, bench.monday, bench.mappings), bench.mapping).created == 3
    release.set()
    quick.close()
    bench.push("both")
    bench.must_be_equal()
    assert bench.sql(HELD) == []


def test_a_page_waits_for_a_process_of_an_earlier_version(bench, database_url):
    load_items(bench, 3)
    quick = Database(database_url, lock_timeout_s=0.05)
    with bench.locked("sync_turn", "exclusive"), pytest.raises(DatabaseError, match="in the way"):
        run("pull", parts_of(quick, bench.monday, bench.mappings), bench.mapping)
    quick.close()


def test_a_page_sees_what_was_written_while_it_waited(db, database_url):
    """A snapshot that was taken before the wait would miss a shared row, and the page would make it twice."""
    seen = []
    release = holding(db, ["contacts"])

    def look():
        other = Database(database_url)
        with other.transaction(snapshot=True, turns=["contacts", "users"]) as tx:
            seen.append(tx.value("select count(*) from contacts"))
        other.close()

    looking = threading.Thread(target=look)
    looking.start()
    time.sleep(0.3)
    db.execute_query("insert into contacts (name) values ('Ann')", fetch=False)
    release.set()
    looking.join(20)
    assert seen == [1]


def test_pages_with_several_tables_in_any_order_do_not_block_each_other_for_good(db, database_url):
    done = []

    def work(tables):
        other = Database(database_url)
        for _ in range(20):
            other.run_in_transaction(lambda tx: done.append(tx.value("select 1")), snapshot=True, turns=tables)
        other.close()

    names = ["contacts", "users", "projects", "organizations"]
    threads = [threading.Thread(target=work, args=(order,), daemon=True) for order in (names, names[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(done) == 40
