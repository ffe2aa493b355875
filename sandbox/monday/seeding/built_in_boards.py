"""Makes an account from `users:2000,projects:5000` and a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from msgspec.structs import replace

from sandbox.common import people
from sandbox.common.clock import Clock, parse_iso
from sandbox.common.dice import Dice
from sandbox.monday.account.models import (
    ACTIVE,
    ARCHIVED,
    DELETED,
    POSITION_STEP,
    SUBITEMS_BOARD,
    Asset,
    Board,
    Cells,
    Column,
    Group,
    Item,
    Tag,
    Team,
    User,
    Workspace,
)
from sandbox.monday.account.new_columns import new_column
from sandbox.monday.account.world import World
from sandbox.monday.seeding import contacts, everything, projects, staff
from sandbox.monday.seeding.firms import TEAMS
from sandbox.monday.seeding.known import Known, known_of

# Made-up histories end here (or at the clock's start when that is earlier), so that a seed means the same every day.
ANCHOR = parse_iso("2026-06-01T00:00:00Z")
DAY = 86_400.0
HISTORY_DAYS = 180
USERS, TEAM_SIZE, USER_ROLE = 12, 4, 2
TAGS = ("hail", "wind", "vip", "référence", "leak 💧", "rush")
EMPTY_ID = 7_810_000_909
ASSET_ID = 1_100_000_001
ORDER = ("users", "organizations", "contacts", "projects", "everything", "empty")

MakeCells: TypeAlias = Callable[[int], Cells]


def parse_boards(text: str) -> dict[str, int]:
    """Reads `users:20,projects:50` as counts by name. Raises ValueError, which names what is wrong."""
    counts: dict[str, int] = {}
    for part in filter(None, (entry.strip() for entry in text.split(","))):
        name, _, number = part.partition(":")
        if name not in ORDER or not (number or "0").isdecimal():
            raise ValueError(f"'{part}' is no board; known: {', '.join(ORDER)}, each with :COUNT")
        counts[name] = int(number or 0)
    return counts


def make_world(boards: str, seed: int, clock: Clock) -> World:
    world = World(seed, clock)
    add_people(world)
    counts = parse_boards(boards)
    for name in ORDER:
        if name in counts:
            BUILDERS[name](world, counts[name])
    return world


def anchor_of(world: World) -> float:
    return min(ANCHOR, world.clock.now() - DAY)


def add_people(world: World) -> None:
    """Adds users, teams, tags and a workspace."""
    start = anchor_of(world) - 2 * HISTORY_DAYS * DAY
    for number in range(USERS):
        person = people.person(world.seed, USER_ROLE, number)
        id = 67_214_742 + 13 * number
        world.users[id] = User(id, person.name, person.email, phone=person.phone[0], title="", created_at=start)
    last, before = list(world.users.values())[-1], list(world.users.values())[-2]
    last.status, before.kind = "INACTIVE", "guest"
    ids = list(world.users)
    for number, name in enumerate(TEAMS[:3]):
        id = 901_001 + number
        world.teams[id] = Team(id, name, ids[number * TEAM_SIZE :][:TEAM_SIZE], start)
    for number, name in enumerate(TAGS):
        world.tags[295_001 + number] = Tag(295_001 + number, name)
    world.workspaces[81_001] = Workspace(81_001, "Main workspace", created_at=start, is_default=True)


def add_board(world: World, board: Board, columns: Sequence[Column], groups: Sequence[Group], count: int = 0) -> Board:
    """Adds a board to the account, with room for at least twice the items it will have."""
    start = anchor_of(world) - HISTORY_DAYS * DAY
    board.created_at = board.updated_at = start
    board.creator_id = world.owner().id
    board.items_limit = max(10_000, 2 * count)
    for column in columns:
        board.add_column(column)
    for group in groups:
        board.add_group(replace(group))
    world.boards[board.id] = board
    return board


def fill(world: World, board: Board, count: int, name: Callable[[int], str], cells: MakeCells) -> None:
    """Adds `count` active items over all groups, and a few archived and deleted items besides."""
    gone = max(2, count // 100) if count else 0
    anchor, users = anchor_of(world), list(world.users)
    groups = list(board.groups)
    for index in range(count + gone):
        dice = Dice(world.seed, board.id, index)
        updated = anchor - dice.roll(int(HISTORY_DAYS * DAY))
        created = updated - dice.roll(int(HISTORY_DAYS * DAY))
        id, group_id = world.new_id(), groups[dice.roll(len(groups))]
        user_id = dice.pick(users)
        item = Item(
            id=id,
            board_id=board.id,
            group_id=group_id,
            name=name(index),
            created_at=created,
            updated_at=updated,
            creator_id=user_id,
            updater_id=user_id,
            position=POSITION_STEP * (index + 1),
            make=partial(cells, index),
        )
        # the items besides, archived and deleted in turn
        if index >= count:
            item.state = ARCHIVED if index % 2 else DELETED
        world.add_item(board, item)
        board.updated_at = max(board.updated_at, updated)


def active_ids(world: World, board_id: int) -> list[int]:
    board = world.boards.get(board_id)
    return [item.id for item in board.items.values() if item.state == ACTIVE] if board else []


def build_users(world: World, count: int) -> None:
    board = add_board(world, Board(staff.BOARD_ID, staff.NAME), staff.columns(), staff.GROUPS, count)
    known = known_of(world)
    name = partial(staff.name, world.seed)
    fill(world, board, count, name, lambda index: staff.cells(world.seed, index, known))


def build_projects(world: World, count: int) -> None:
    board = add_board(world, Board(projects.BOARD_ID, projects.NAME), projects.columns(), projects.GROUPS, count)
    known, sellers = known_of(world), active_ids(world, staff.BOARD_ID)
    name = partial(projects.name, world.seed)
    fill(world, board, count, name, lambda index: projects.cells(world.seed, index, known, sellers))


def build_contacts(world: World, count: int) -> None:
    columns = contacts.contact_columns()
    board = add_board(world, Board(contacts.CONTACTS_ID, "Contacts"), columns, contacts.GROUPS, count)
    firms = active_ids(world, contacts.ORGANIZATIONS_ID)
    name = partial(contacts.contact_name, world.seed)
    fill(world, board, count, name, lambda index: contacts.contact_cells(world.seed, index, firms))


def build_organizations(world: World, count: int) -> None:
    columns = contacts.organization_columns()
    board = add_board(world, Board(contacts.ORGANIZATIONS_ID, "Organizations"), columns, contacts.GROUPS, count)
    name = partial(contacts.organization_name, world.seed)
    fill(world, board, count, name, partial(contacts.organization_cells, world.seed))


def build_everything(world: World, count: int) -> None:
    columns = everything.columns()
    board = add_board(world, Board(everything.BOARD_ID, everything.NAME), columns, everything.GROUPS, count)
    below = Board(everything.SUBITEMS_ID, f"Subitems of {everything.NAME}")
    add_board(world, below, everything.subitem_columns(), everything.SUBITEM_GROUPS)
    below.type, below.parent_board_id = SUBITEMS_BOARD, board.id
    owner_id, created = world.owner().id, anchor_of(world)
    world.assets[ASSET_ID] = Asset(ASSET_ID, "plan.png", ".png", 2048, owner_id, created)
    fill(world, board, count, lambda index: f"Thing {index + 1}", lambda index: {})
    known = known_of(world, ASSET_ID)
    earlier: list[int] = []
    # An item may point to the two active items before it.
    for index, item in enumerate(board.items.values()):
        item.make = partial(cells_of_everything, world.seed, index, item.created_at, known, earlier[-2:])
        earlier += [item.id] if item.state == ACTIVE else []
        if index % 2 == 0 and item.state == ACTIVE:
            add_subitems(world, below, item)


def cells_of_everything(seed: int, index: int, moment: float, known: Known, earlier: list[int]) -> Cells:
    found = everything.cells(seed, index, moment, known, earlier)
    return {key: value for key, value in found.items() if value is not None}


def add_subitems(world: World, board: Board, parent: Item) -> None:
    for number in range(2):
        subitem = Item(
            id=world.new_id(),
            board_id=board.id,
            group_id="topics",
            name=f"Part {number + 1} of {parent.name}",
            created_at=parent.created_at,
            updated_at=parent.created_at,
            creator_id=parent.creator_id,
            updater_id=parent.creator_id,
            position=board.next_position(),
            parent_id=parent.id,
            stored=everything.subitem_cells(number),
        )
        world.add_item(board, subitem)
        parent.subitem_ids = [*(parent.subitem_ids or []), subitem.id]


def build_empty(world: World, count: int) -> None:
    columns = [
        new_column("name", "Name", "name"),
        new_column("text", "Text", "text"),
        new_column("status", "Status", "status"),
    ]
    add_board(world, Board(EMPTY_ID, "Empty"), columns, contacts.GROUPS, count)


BUILDERS: dict[str, Callable[[World, int], None]] = {
    "users": build_users,
    "projects": build_projects,
    "contacts": build_contacts,
    "organizations": build_organizations,
    "everything": build_everything,
    "empty": build_empty,
}
