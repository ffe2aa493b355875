"""Checks deployed boards that flow both ways: every writable type, what is counted, and rows that SQL inserts."""

from __future__ import annotations

import json

from tests.kit.deployed import BOARD, EVERYTHING, Deployment

TEXT = ("text1", "Notes", "text")
PLAIN = (TEXT, ("status1", "Status", "status"), ("numbers1", "Budget", "numbers"))


CHANGES = {
    "text": ("Text", "'new text'", "new text"),
    "long_text": ("Long text", "'longer'", "longer"),
    "numbers": ("Numbers", "17.25", "17.25"),
    "status": ("Status", "'Stuck'", "Stuck"),
    "dropdown": ("Dropdown", "array['Design']", "Design"),
    "date": ("Date", "'2026-07-01T10:00:00Z'", "2026-07-01 05:00"),
    "timeline": ("Timeline", """'{"from": "2026-01-01", "to": "2026-01-05"}'""", "2026-01-01 - 2026-01-05"),
    "week": ("Week", """'{"from": "2026-03-16", "to": "2026-03-22"}'""", "2026-03-16 - 2026-03-22"),
    "hour": ("Hour", "'09:05'", "09:05 AM"),
    "checkbox": ("Checkbox", "true", "v"),
    "email": ("Email", "'bob@example.com'", "Ann - bob@example.com"),
    "phone": ("Phone", "'+12025550123'", "+12025550123"),
    "link": ("Link", """'{"url": "https://example.com/n", "text": "N"}'""", "N - https://example.com/n"),
    "location": ("Location", """'{"lat": "1.5", "lng": "2.5", "address": "There"}'""", "There"),
    "country": ("Country", """'{"code": "DE", "name": "Germany"}'""", "Germany"),
    "rating": ("Rating", "2", "2"),
    "world_clock": ("World clock", "'Europe/Berlin'", "Europe/Berlin"),
    "color_picker": ("Color picker", "'#00FF00'", "#00FF00"),
}


def test_every_writable_type_goes_round_a_deployed_two_way_board(everything: Deployment) -> None:
    everything.deploy(board=str(EVERYTHING))
    everything.set("direction", "bidirectional")
    everything.cli("setup", "--entity", "planning")
    everything.pull()
    first, second = everything.rows()[0], everything.rows()[1]
    people = json.dumps(next(cell for cell in everything.column("People") if cell)[:1])
    changes = {
        **CHANGES,
        "people": ("People", f"'{people}'", None),
        "connect": ("Connected", f"array[{second['Item ID']}]", None),
        "dependency": ("Dependent on", f"array[{second['Item ID']}]", None),
    }
    sets = ", ".join(f'"{column}" = {value}' for column, value, _ in changes.values())
    everything.db.execute_query(f'update planning set {sets} where "Item ID" = {first["Item ID"]}', fetch=False)
    wanted = everything.rows()[0]
    report = everything.pull()
    assert (report["to_monday"]["updated"], report["errors"], report["held"]) == (1, 0, 0)
    shown = {item["id"]: item["cells"] for item in everything.sandbox.admin("boards/snapshot", board_id=EVERYTHING)}
    cells = shown[str(first["Item ID"])]
    texts = {column: text for column, (_, _, text) in CHANGES.items()}
    assert {column: cells[column]["text"] for column in CHANGES} == texts
    after = everything.rows()[0]
    assert [after[column] for column, _, _ in changes.values()] == [wanted[column] for column, _, _ in changes.values()]
    everything.pull()
    quiet = everything.pull()
    assert quiet["to_monday"]["updated"] == quiet["to_postgres"]["updated"] == 0


def test_a_record_is_counted_as_changed_once_and_only_when_it_is(world: Deployment) -> None:
    world.board(*PLAIN, ("seen1", "Seen", "last_updated"), ("rate1", "Stars", "rating"), items=2)
    world.deploy()
    world.set("direction", "bidirectional")
    world.cli("setup", "--entity", "planning")
    world.pull()
    world.sandbox.admin("clock/advance", seconds=60)
    world.sql("update planning set {notes} = 'by SQL' where {name} = 'Item 1'", name="Name", notes="Notes")
    told = world.pull()  # the item's own time comes back with the answer
    assert (told["updated"], told["to_monday"]["updated"], told["to_postgres"]["updated"]) == (1, 1, 1)
    world.sql("update planning set {stars} = 99 where {name} = 'Item 2'", name="Name", stars="Stars")
    refused = world.json("run", "--entity", "planning", code=3)["entities"][0]
    assert (refused["updated"], refused["to_monday"]["updated"], refused["errors"]) == (0, 0, 1)


def test_a_row_that_sql_inserts_becomes_an_item_and_takes_its_id(world: Deployment) -> None:
    world.board(*PLAIN, items=1)
    world.deploy()
    world.set("direction", "bidirectional")
    world.cli("setup", "--entity", "planning")
    world.pull()
    rows = "('Made here', 'by SQL'), ('And here', null)"
    world.sql(f"insert into planning ({{name}}, {{notes}}) values {rows}", name="Name", notes="Notes")
    assert world.pull()["to_monday"]["created"] == 2
    shown = {int(item["id"]): item["name"] for item in world.sandbox.admin("boards/snapshot", board_id=BOARD)}
    assert {row["Item ID"]: row["Name"] for row in world.rows()} == shown and len(shown) == 3
    world.sql("update planning set {notes} = 'later' where {name} = 'And here'", name="Name", notes="Notes")
    assert world.pull()["to_monday"]["updated"] == 1
    assert world.pull()["to_monday"] == {"created": 0, "updated": 0, "archived": 0}
