"""Budgets of an account are shared by all processes: what one has spent, the others do not try to spend again."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from errors import BudgetSpent, DailyLimitReached
from monday_api import Limits, Monday
from sandbox import Sandbox
from services.monday.pacing import Told
from settings import Settings
from state.accounts import Accounts
from state.budgets import AccountBudget
from state.control import open_control
from tests.kit.live import LiveWorld, away
from tests.kit.relay import Relay

STANDARD_MINUTE = 1000
"""Calls a minute of the plan that the stand-in imitates."""
MINUTE = {"minute": Told(2.0, 60.0, 100.0)}


@pytest.fixture
def control(database_url):
    db = open_control(Settings(control_database_url=database_url))
    for name in ("acme", "globex"):
        Accounts(db).add(name, {})
    yield db
    db.close()


def test_what_one_process_takes_is_gone_for_the_other(control):
    one, other = (AccountBudget(control, "acme", None) for _ in range(2))
    one.learn("read", MINUTE, 0.0)
    assert one.take("read", 1) is None and other.take("read", 1) is None
    seconds, cause = one.take("read", 1)
    assert cause == "minute" and 50 < seconds <= 60
    assert AccountBudget(control, "globex", None).take("read", 1) is None, "another account has its own"


def test_the_smaller_number_wins_within_a_window_and_a_new_window_begins_anew(control):
    budget = AccountBudget(control, "acme", None)
    budget.learn("read", {"read": Told(1000.0, 60.0, None)}, 0.0)
    assert budget.take("read", 900) is None
    budget.learn("read", {"read": Told(1000.0, 60.0, None)}, 0.0)  # an answer that does not know of the call
    assert budget.take("read", 900) is not None
    budget.learn("read", {"read": Told(1000.0, 90.0, None)}, 0.0)
    assert budget.take("read", 900) is None


def test_what_a_call_cost_less_than_was_taken_is_given_back(control):
    budget = AccountBudget(control, "acme", None)
    budget.learn("read", {"read": Told(1000.0, 60.0, None)}, 0.0)
    assert budget.take("read", 900) is None
    budget.learn("read", {"read": Told(990.0, 60.0, None)}, 890.0)
    assert budget.take("read", 900) is None


def test_a_window_that_is_over_gives_the_whole_again(control):
    budget = AccountBudget(control, "acme", None)
    budget.learn("read", {"minute": Told(0.0, -1.0, 3.0)}, 0.0)
    assert [budget.take("read", 1) is None for _ in range(4)] == [True, True, True, False]


def test_a_query_heavier_than_the_whole_budget_is_left_to_monday(control):
    budget = AccountBudget(control, "acme", None)
    budget.learn("read", {"read": Told(10.0, 60.0, 100.0)}, 0.0)
    assert budget.take("read", 101) is None


def test_the_share_of_the_day_is_one_for_all_and_can_be_raised(control):
    one, other = (AccountBudget(control, "acme", 3) for _ in range(2))
    for budget in (one, other, one):
        assert budget.take("read", 1) is None
    with pytest.raises(DailyLimitReached, match="given to the account"):
        other.take("read", 1)
    assert AccountBudget(control, "acme", 4).take("read", 1) is None


def in_thread(act):
    """Does something in a thread of its own, as a call is made, and returns what came of it."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(act()))
    thread.start()
    thread.join()
    return found[0]


def test_so_many_calls_run_at_once_whatever_process_makes_them(control):
    one, other = (AccountBudget(control, "acme", None, most=2) for _ in range(2))
    assert one.take("read", 1) is None and in_thread(lambda: other.take("read", 1)) is None
    seconds, cause = in_thread(lambda: other.take("read", 1))
    assert cause == "concurrency" and seconds < 1, "a moment is waited for, and the work not left"
    assert AccountBudget(control, "globex", None, most=2).take("read", 1) is None, "another account has its own"
    one.learn("read", {}, 0.0)
    assert in_thread(lambda: other.take("read", 1)) is None


def test_the_slot_of_a_killed_process_is_free_again_after_a_while(control):
    one, other = (AccountBudget(control, "acme", None, most=1) for _ in range(2))
    assert one.take("read", 1) is None
    assert other.take("read", 1) is not None
    control.execute_query("update sync_slots set until = now()", fetch=False)
    assert other.take("read", 1) is None
    one.learn("read", {}, 0.0)
    assert in_thread(lambda: one.take("read", 1)) is not None, "what lapsed gives no slot of another back"


def test_an_answer_is_not_lost_with_the_control_database(control, database_url, tmp_path):
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(boards="organizations:3"))
        relay = Relay(sandbox)
        stack.callback(relay.close)
        limits = Limits(shared=AccountBudget(control, "acme", None))
        client = stack.enter_context(Monday(token=sandbox.token, url=f"{relay.url}/v2", limits=limits))
        assert client.run("query { me { id } }")
        here = LiveWorld(control, database_url, sandbox, tmp_path)
        relay.act_at(1, "after", lambda: stack.enter_context(away(here)))
        assert client.run("query { me { id } }")


def test_eight_clients_of_one_account_are_hardly_ever_refused(control):
    with Sandbox(boards="organizations:3", limits="standard") as sandbox:
        clients = [
            Monday(
                token=sandbox.token,
                url=sandbox.graphql_url,
                limits=Limits(shared=AccountBudget(control, "acme", None)),
            )
            for _ in range(8)
        ]
        clients[0].run("query { me { id } }")
        spent = threading.Event()

        def ask(client: Monday) -> None:
            while not spent.is_set():
                try:
                    client.run("query { me { id } }")
                except BudgetSpent:
                    spent.set()

        threads = [threading.Thread(target=ask, args=(client,), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        stats = [client.stats for client in clients]
        for client in clients:
            client.close()
    assert spent.is_set()
    assert sum(one.retries_total for one in stats) <= 1
    assert sum(one.calls for one in stats) >= 0.85 * STANDARD_MINUTE
