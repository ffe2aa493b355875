"""Shows a sync between a stand-in for monday.com and a real PostgreSQL, by the real commands; then both are removed."""

from __future__ import annotations

import time
from contextlib import suppress

from commands.demo_live import show_live
from commands.demo_parts import show, show_command
from commands.demo_world import World, open_world
from databases.postgres.names import compose, table_name
from errors import SyncError
from settings import load_settings
from terminal.console import show_table
from timing import duration

SHOWN = {"users": 2000, "projects": 5000}
TABLES = (
    *("users", "sales_teams", "projects", "customers", "properties", "notes", "policies", "insurances"),
    *("insurance_claims", "storms", "pa_law"),
)

VERSION = "select current_setting('server_version') as version"

LEFT_OUT = """
select reason, count(*) as items
from sync_skipped
group by reason
order by reason
"""

JOINED = """
select p.title, p.stage, p.status, c.name as customer, concat_ws(', ', a.street, a.city, a.state) as property,
       i.company_name as insurer, k.claim_number as claim, r.name as sales_rep
from projects as p
join customers as c on c.id = p.customer_id
join properties as a on a.id = p.property_id
join policies as o on o.id = p.policy_id
join insurances as i on i.id = o.insurance_id
join insurance_claims as k on k.id = p.claim_id
join users as r on r.id = p.sales_rep_id
where a.street is not null and p.title = trim(p.title)
order by p.title
limit 4
"""

OPEN_PROJECT = """
select p.title, l.monday_id as item, l.monday_board_id as board
from projects as p
join sync_mapping as l on l.entity_id = p.id::text and l.entity_type = 'project'
where p.stage <> 'Completed' and p.title = trim(p.title)
order by p.title
limit 1
"""

NEWEST_PROJECT = """
select title, stage, status, updated_at
from projects
order by updated_at desc
limit 1
"""

COMPLETE = """
mutation ($board: ID!, $item: ID!) {
  edit: change_simple_column_value(board_id: $board, item_id: $item, column_id: "text95__1", value: "Completed") { id }
}
"""


def with_both(boards: str) -> str:
    """Returns the boards to make: those asked for, and those that the demo shows, with their usual number of items."""
    named = {board.partition(":")[0].strip() for board in boards.split(",")}
    return ",".join([boards, *(f"{name}:{count}" for name, count in SHOWN.items() if name not in named)])


def run_demo(boards: str, dashboard: bool = False) -> int:
    """Runs the demo; returns the exit code."""
    begun = time.monotonic()
    with open_world(load_settings(), with_both(boards)) as world:
        version = str(world.rows(VERSION)[0]["version"]).split()[0]
        at = world.stand_in.url
        show(f"A stand-in for monday.com answers at {at}, PostgreSQL {version} is started; both are thrown away.")
        world.run("init-db")
        world.run("setup", "--entity", "projects", "--yes")
        world.run("monday-to-pg")
        _show_left_out(world)
        _show_rows(world)
        show("\nOnce more, with nothing changed:")
        world.run("monday-to-pg")
        _show_edit(world)
        show_live(world)
        if dashboard:
            _serve(world)
    show(f"\nThat took {duration(time.monotonic() - begun)}; the stand-in is stopped and the database is gone.")
    if not dashboard:
        show("To look at all this in a browser: make demo DASHBOARD=1")
    return 0


def _serve(world: World) -> None:
    """Serves the dashboard until the user presses Ctrl-C."""
    show_command("dashboard", "--port", "0")
    with world.started("dashboard", "--port", "0") as child:
        address = next(child.lines(), "")
        if not address:  # it ended before it listened
            raise SyncError(f"The dashboard did not start: {child.complaint()}")
        show(address)
        show(f"Open {address.split()[-1]} in a browser. Ctrl-C ends it, and removes everything.")
        with suppress(KeyboardInterrupt):
            child.process.wait()


def _show_left_out(world: World) -> None:
    if rows := world.rows(LEFT_OUT):
        reasons = ", ".join(f"{row['items']} {row['reason']!r}" for row in rows)
        show(f"Left out, and told in sync_logs: {reasons}.")


def _show_rows(world: World) -> None:
    show("")
    with world.db.transaction(read_only=True) as tx:
        counts = [(name, tx.value(compose("select count(*) from {table}", table=table_name(name)))) for name in TABLES]
    show_table("", ("table", "rows"), counts, ("rows",))
    show("")
    # with few items no project may be complete
    if joined := world.rows(JOINED):
        show_table("", [*joined[0]], [list(row.values()) for row in joined])


def _show_edit(world: World) -> None:
    """Changes one cell on the board, as a user would, and pulls it."""
    for project in world.rows(OPEN_PROJECT):
        show(f"\nA user moves {project['title']!r} to Completed on the board:")
        world.stand_in.ask(COMPLETE, board=project["board"], item=project["item"])
        world.run("monday-to-pg")
        after = world.rows(NEWEST_PROJECT)[0]
        show_table("", [*after], [list(after.values())])
