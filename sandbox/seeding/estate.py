"""Puts an account together from `users:2000,projects:5000` and a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from sandbox.clock import Clock, parse_iso
from sandbox.models import ARCHIVED, DELETED, Board, Column, Group, Item, Tag, Team, User, Workspace, new_item
from sandbox.seeding import contacts, everything, people, projects, staff
from sandbox.seeding.columns import column
from sandbox.seeding.dice import Dice
from sandbox.world import World

# Made-up histories end here (or at the clock's start when that is earlier), so that a seed means the same every day.
ANCHOR = parse_iso("2026-06-01T00:00:00Z")
DAY = 86_400.0
HISTORY_DAYS = 180
USERS, TEAM_SIZE = 12, 4
TAGS = ("hail", "wind", "vip", "référence", "leak 💧", "rush")
EMPTY_ID = 7_810_000_909
ORDER = ("users", "organizations", "contacts", "projects", "everything", "empty")
MakeCells = Callable[[int, float], dict[str, Any]]


def parse_boards(text: str) -> dict[str, int]:
    """`users:20,projects:50` as counts by name. ValueError names what is wrong."""
    counts: dict[str, int] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, number = part.partition(":")
        if name not in ORDER or not (number or "0").isdecimal():
            raise ValueError(f"'{part}' is no board; known: {', '.join(ORDER)}, each with :COUNT")
        counts[name] = int(number or 0)
    return counts


def make_world(boards: str, seed: int, clock: Clock) -> World:
    world = World(seed, clock)
    furnish_account(world)
    counts = parse_boards(boards)
    for name in ORDER:
        if name in counts:
            BUILDERS[name](world, counts[name])
    return world


def anchor_of(world: World) -> float:
    return min(ANCHOR, world.clock.now() - DAY)


def furnish_account(world: World) -> None:
    start = anchor_of(world) - 2 * HISTORY_DAYS * DAY
    for number in range(USERS):
        who = people.person(world.seed, 2, number)
        id = 67_214_742 + 13 * number
        world.users[id] = User(id, who.name, who.email, phone=who.phone[0], title="", created_at=start)
    last, before = list(world.users.values())[-1], list(world.users.values())[-2]
    last.status, before.kind = "INACTIVE", "guest"
    ids = list(world.users)
    for number, name in enumerate(people.TEAMS[:3]):
        id = 901_001 + number
        world.teams[id] = Team(id, name, ids[number * TEAM_SIZE:][:TEAM_SIZE], start)
    for number, name in enumerate(TAGS):
        world.tags[295_001 + number] = Tag(295_001 + number, name)
    world.workspaces[81_001] = Workspace(81_001, "Main workspace", created_at=start, is_default=True)


def add_board(world: World, id: int, name: str, columns: list[Column], groups: tuple[Group, ...],
              count: int = 0) -> Board:
    start = anchor_of(world) - HISTORY_DAYS * DAY
    board = Board(id, name, created_at=start, updated_at=start, creator_id=next(iter(world.users)),
                  items_limit=max(10_000, 2 * count))
    for one in columns:
        board.add_column(one)
    for group in groups:
        board.groups[group.id] = replace(group)
        board.used_group_ids.add(group.id)
    world.boards[id] = board
    return board


def fill(world: World, board: Board, count: int, name: Callable[[int], str], cells: MakeCells) -> list[int]:
    """`count` active items over all groups, and a few archived and deleted ones besides."""
    gone = max(2, count // 100) if count else 0
    anchor, users = anchor_of(world), list(world.users)
    groups = list(board.groups)
    for index in range(count + gone):
        dice = Dice(world.seed, board.id, index)
        updated = anchor - dice.roll(int(HISTORY_DAYS * DAY))
        created = updated - dice.roll(int(HISTORY_DAYS * DAY))
        item = new_item(world.new_id(), board.id, groups[dice.roll(len(groups))], name(index), created,
                        dice.pick(users), 65536.0 * (index + 1), make=partial(cells, index, created),
                        updated_at=updated)
        if index >= count:
            item.state = ARCHIVED if index % 2 else DELETED
        world.add_item(board, item)
        board.updated_at = max(board.updated_at, updated)
    return [item.id for item in board.items.values() if item.state == "active"]


def build_users(world: World, count: int) -> None:
    board = add_board(world, staff.BOARD_ID, staff.NAME, staff.columns(), staff.GROUPS, count)
    users, tags = list(world.users), list(world.tags)
    fill(world, board, count, partial(staff.name, world.seed),
         lambda index, moment: staff.cells(world.seed, index, moment, users, tags))


def build_projects(world: World, count: int) -> None:
    board = add_board(world, projects.BOARD_ID, projects.NAME, projects.columns(), projects.GROUPS, count)
    users, tags = list(world.users), list(world.tags)
    sellers = [i.id for i in world.boards[staff.BOARD_ID].items.values() if i.state == "active"] \
        if staff.BOARD_ID in world.boards else []
    fill(world, board, count, partial(projects.name, world.seed),
         lambda index, moment: projects.cells(world.seed, index, moment, users, tags, sellers))


def build_contacts(world: World, count: int) -> None:
    board = add_board(world, contacts.CONTACTS_ID, "Contacts", contacts.contact_columns(), contacts.GROUPS, count)
    firms = [i.id for i in world.boards[contacts.ORGANIZATIONS_ID].items.values() if i.state == "active"] \
        if contacts.ORGANIZATIONS_ID in world.boards else []
    fill(world, board, count, partial(contacts.contact_name, world.seed),
         lambda index, moment: contacts.contact_cells(world.seed, index, firms))


def build_organizations(world: World, count: int) -> None:
    board = add_board(world, contacts.ORGANIZATIONS_ID, "Organizations", contacts.organization_columns(),
                      contacts.GROUPS, count)
    fill(world, board, count, partial(contacts.organization_name, world.seed),
         lambda index, moment: contacts.organization_cells(world.seed, index))


def build_everything(world: World, count: int) -> None:
    board = add_board(world, everything.BOARD_ID, everything.NAME, everything.columns(), everything.GROUPS, count)
    below = add_board(world, everything.SUBITEMS_ID, f"Subitems of {everything.NAME}", everything.subitem_columns(),
                      everything.SUBITEM_GROUPS)
    below.type, below.parent_board_id = "sub_items_board", board.id
    users, tags, teams = list(world.users), list(world.tags), list(world.teams)
    asset = 1_100_000_001
    world.assets[asset] = {"id": asset, "name": "plan.png", "file_extension": ".png", "file_size": 2048,
                           "uploaded_by": users[0], "created_at": anchor_of(world)}
    fill(world, board, count, lambda index: f"Thing {index + 1}", lambda index, moment: {})
    ids: list[int] = []
    for index, item in enumerate(board.items.values()):
        item._cells, item.make = None, partial(
            present, everything.cells, world.seed, index, item.created_at, users, tags, teams, ids[-2:], asset)
        ids += [item.id] if item.state == "active" else []
        if index % 2 == 0 and item.state == "active":
            add_subitems(world, below, item)


def present(cells: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    return {key: value for key, value in cells(*args).items() if value is not None}


def add_subitems(world: World, board: Board, parent: Item) -> None:
    for number in range(2):
        sub = new_item(world.new_id(), board.id, "topics", f"Part {number + 1} of {parent.name}", parent.created_at,
                       parent.creator_id, board.next_position(), cells=everything.subitem_cells(number),
                       parent_id=parent.id)
        world.add_item(board, sub)
        parent.subitem_ids = [*(parent.subitem_ids or []), sub.id]


def build_empty(world: World, count: int) -> None:
    add_board(world, EMPTY_ID, "Empty", [column("name", "Name", "name"), column("text", "Text", "text"),
              column("status", "Status", "status")], contacts.GROUPS, count)


BUILDERS: dict[str, Callable[[World, int], None]] = {
    "users": build_users, "projects": build_projects, "contacts": build_contacts,
    "organizations": build_organizations, "everything": build_everything, "empty": build_empty,
}
