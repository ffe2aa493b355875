"""Acts out the tables of docs/conflicts.md, row by row, both directions at once and one after the other."""

from __future__ import annotations

import re

import pytest
from msgspec import Struct

from tests.kit.shipped import PROJECT
from tests.kit.two_sides import PULL_FIRST, PUSH_FIRST, WAYS, TwoSides

PAGE = PROJECT / "docs" / "conflicts.md"
HEADINGS = ["monday.com", "PostgreSQL", "rule", "monday.com shows", "PostgreSQL shows", "in `sync_conflicts`", "exit"]
TIMES = {"monday later": {"hours": -1}, "postgres later": {"hours": 1}, "1 s apart": {"seconds": 1}}
EDIT = re.compile(r"\b([AB])(?:=(\w+)| empty)")


class Case(Struct, frozen=True):
    """Holds a row of a table."""

    table: str
    monday: str
    postgres: str
    rule: str
    board: str
    row: str
    kept: str
    code: int

    def __str__(self) -> str:
        return f"{self.table}: {self.monday} | {self.postgres} | {self.rule}"


def read_cases() -> list[Case]:
    cases = []
    for part in PAGE.read_text(encoding="utf-8").split("<!-- cases: ")[1:]:
        table = part[: part.index(" -->")]
        lines = [line for line in part.split("\n\n")[0].splitlines() if line.startswith("|")]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        assert cells[0] == HEADINGS
        cases += [Case(table, *texts[:6], int(texts[6])) for texts in cells[2:]]
    return cases


CASES = read_cases()


def edits(words: str) -> dict[str, str | None]:
    return {name: value or None for name, value in EDIT.findall(words)}


def begin(sides: TwoSides, case: Case) -> tuple[str, str]:
    """Makes item and row as they are before any user does anything."""
    sides.item("bob")  # a listing without any item is another matter
    if case.table == "first meeting":
        return sides.item(**edits(case.monday)), sides.insert(**edits(case.postgres))
    item_id, row_id = sides.pair(A="a", B="b")
    if case.table == "archived":
        sides.act("archive", item_id)
        sides.sync()
        assert sides.in_table() == "archived"
    return item_id, row_id


def on_monday(sides: TwoSides, words: str, item_id: str) -> None:
    if "restored" in words:
        sides.act("restore", item_id)
    if changed := edits(words):
        sides.edit(item_id, **changed)
    for word, what in (("archived", "archive"), ("deleted", "delete")):
        if word in words:
            sides.act(what, item_id)


def in_postgres(sides: TwoSides, words: str, row_id: str) -> None:
    sides.update(row_id, **edits(words))
    if "cleared" in words:
        sides.sql("update contacts set archived_at = null where id::text = %s", row_id)
    elif "archived" in words:
        sides.sql("update contacts set archived_at = now() where id::text = %s", row_id)
    elif "deleted" in words:
        sides.sql("delete from contacts where id::text = %s", row_id)


def act_out(sides: TwoSides, case: Case) -> str:
    """Lets both users do what the row says. Returns the item."""
    item_id, row_id = begin(sides, case)
    if case.table == "first meeting":
        return item_id
    on_monday(sides, case.monday, item_id)
    in_postgres(sides, case.postgres, row_id)
    _, _, when = case.rule.partition(", ")
    if when == "time unknown":
        sides.sql("delete from sync_outbox")
        sides.sql("update sync_state set value = value - 'fingerprint' where name like 'push:%%'")
    elif when:
        sides.changed_in_postgres(item_id, **TIMES[when])
    return item_id


def options(case: Case) -> dict[str, str]:
    rule = case.rule.partition(",")[0]
    return {} if rule in ("any", "newest") else {"prefer": rule}


def outcome(sides: TwoSides, item_id: str) -> tuple[str, str, str]:
    kept = ["held" if conflict["status"] == "open" else conflict["winner"] for conflict in sides.conflicts()]
    return sides.on_board(item_id), sides.in_table(), " ".join(kept) or "none"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_row_of_the_page_is_what_happens_and_then_nothing_more(sides, case, way):
    item_id = act_out(sides, case)
    reports = sides.run(WAYS[way], **options(case))
    assert (*outcome(sides, item_id), reports[-1].exit_code) == (case.board, case.row, case.kept, case.code)
    if way == "both":
        later = sides.run([*WAYS["both"], *PULL_FIRST, *PUSH_FIRST[:1]], **options(case))
        assert [report.changes for report in later] == [0] * 4, "a later run has written"
        assert outcome(sides, item_id) == (case.board, case.row, case.kept), "a later run has changed the outcome"
        assert {report.exit_code for report in later} == {case.code}, "a later run ends otherwise"


def test_the_page_has_all_rules_for_an_edit_against_an_edit_and_against_an_emptied_field():
    rules = {"newest", "monday", "postgres", "manual"}
    for monday, postgres in (("A=X", "A=Y"), ("A empty", "A=Y"), ("A=X", "A empty")):
        found = {case.rule.partition(",")[0] for case in CASES if (case.monday, case.postgres) == (monday, postgres)}
        assert found == rules
