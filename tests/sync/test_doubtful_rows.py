"""Checks that a row whose item is in doubt holds up no other once it was deleted, where no sync id column tells."""

from __future__ import annotations

import pytest

from tests.kit.pushes import PushBench

AFTER = True


@pytest.mark.parametrize("first", ["push", "both"])
@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("renamed", [True, False])
def test_a_row_in_doubt_that_was_deleted_holds_up_no_other(
    nameless: PushBench, renamed: bool, asked: bool, first: str
) -> None:
    nameless.insert(2, title="'Same name'")
    nameless.kill_at("CreateItems", 1, AFTER)
    if asked:
        assert nameless.push().set_aside == 2
    for item in nameless.items() if renamed else ():
        nameless.sandbox.admin("items/rename", item_id=item["id"], name="Renamed by a person")
    nameless.sql("delete from things")
    nameless.sandbox.admin("items/create", board_id=nameless.board, name="Another", values={"text": "by the owner"})
    nameless.insert(1, title="'Newcomer'")
    report = nameless.push(first)
    assert (report.set_aside, report.exit_code) == (0, 0)
    report = nameless.push("both")
    assert (report.set_aside, report.skipped, report.exit_code) == (0, 0, 0)
    # what is known to be theirs goes with them
    left = ["Renamed by a person"] * 2 if renamed else []
    assert nameless.shown("name") == ["Another", "Newcomer", *left]
    nameless.must_be_equal()


def test_a_row_in_doubt_beside_a_deleted_one_still_waits_for_a_user(nameless: PushBench) -> None:
    nameless.insert(2, title="'Same name'")
    nameless.kill_at("CreateItems", 1, AFTER)
    assert nameless.push().set_aside == 2
    nameless.sql("delete from things where ctid = (select min(ctid) from things)")
    report = nameless.push()
    assert (report.set_aside, report.created, report.exit_code) == (1, 0, 3)
    assert len(nameless.items()) == 2
