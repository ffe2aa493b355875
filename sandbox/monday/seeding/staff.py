"""Makes the SALES STAFF BOARD: the sellers, with the columns of the real board."""

from __future__ import annotations

from sandbox.common import people
from sandbox.common.dice import Dice
from sandbox.monday.account.models import Cells, Column, Group
from sandbox.monday.account.new_columns import dropdown, new_column, status, text_columns
from sandbox.monday.seeding.firms import TEAMS
from sandbox.monday.seeding.known import Known

BOARD_ID = 5_764_059_860
NAME = "SALES STAFF BOARD"
GROUPS = (
    Group("topics", "Active", "#037f4c", 65536.0),
    Group("new_group12", "In training", "#579bfc", 131072.0),
    Group("new_group7", "Former", "#c4c4c4", 196608.0),
)
ROLE = 1
SIZES = ("S", "M", "L", "XL", "2XL", "3XL")
TITLES = ("Closer 🏆", "Canvasser", "Team lead", "", "")


def columns() -> list[Column]:
    return [
        new_column("name", "Name", "name"),
        *text_columns(("text25", "FIRST NAME"), ("text1", "LAST NAME")),
        new_column("email7", "RM Email", "email"),
        new_column("email__1", "WRA Email", "email"),
        status("status_13", "TEAM NAME", *TEAMS),
        new_column("files3", "IDENTIFICATION FILES", "file"),
        new_column("files_1", "ONBOARDING FILES", "file"),
        new_column("text6", "SHIRT SIZE", "text"),
        new_column("phone", "PHONE", "phone"),
        *text_columns(("text", "ADDRESS"), ("text2", "CITY"), ("text5", "STATE"), ("text57", "ZIP")),
        status("status", "Onboarding", "Working on it", "Done", "Stuck"),
        dropdown("dropdown", "Certifications", "Haag", "OSHA 10", "Drone", "First aid"),
        new_column("person", "Manager", "people", max_people_allowed="0"),
        new_column("date4", "Start date", "date"),
        new_column("numbers", "Commission %", "numbers", unit={"symbol": "%", "custom_unit": "", "direction": "right"}),
        new_column("checkbox", "Has ladder", "checkbox"),
        new_column("tags", "Skills", "tags"),
        new_column("timerange", "Training", "timeline"),
        new_column("long_text", "Remarks", "long_text"),
        new_column("rating", "Rating", "rating", limit=5, symbol="star"),
        new_column("formula", "Commission share", "formula", formula="{numbers}/100"),
        new_column("creation_log", "Created", "creation_log"),
        new_column("last_updated", "Touched", "last_updated"),
    ]


def owner_of_email(index: int) -> int:
    """Says whose e-mail an item carries: now and then another person's, for the duplicates that real boards have."""
    return index - 10 if index % 50 == 13 else index


def name(seed: int, index: int) -> str:
    dice = Dice(seed, ROLE, 77, index)
    return people.with_blanks(dice, people.person(seed, ROLE, index).name)


def cells(seed: int, index: int, known: Known) -> Cells:
    dice = Dice(seed, ROLE, 1000, index)
    seller, home = people.person(seed, ROLE, index), people.address(dice)
    email = people.person(seed, ROLE, owner_of_email(index)).email
    found: Cells = {
        "text25": people.with_blanks(dice, seller.first),
        "text1": seller.last,
        "text6": dice.pick(SIZES),
        "status_13": Dice(seed, 9, index).roll(5) if index % 9 else None,
        "phone": seller.phone if dice.chance(900) else None,
        "text": home.line,
    }
    # Some people have no e-mail.
    if index % 40 != 11:
        found["email7"] = (email, email if dice.chance(800) else seller.name) if dice.chance(950) else None
        found["email__1"] = (f"wra.{email}", f"wra.{email}") if dice.chance(600) or not found["email7"] else None
    if dice.chance(500):
        found |= {"text2": home.city, "text5": home.state, "text57": home.zip}
    found |= extras(dice, known)
    return {key: value for key, value in found.items() if value is not None}


def extras(dice: Dice, known: Known) -> Cells:
    day = f"2026-0{dice.roll(5) + 1}-{dice.roll(28) + 1:02d}"
    return {
        "status": dice.roll(3) if dice.chance(800) else None,
        "dropdown": dice.some((1, 2, 3, 4), 3) or None,
        "person": ((dice.pick(known.users), "person"),) if dice.chance(600) else None,
        "date4": (day, None, None) if dice.chance(800) else None,
        "numbers": dice.pick(("10", "12.5", "7.50", "0", "33.3333")) if dice.chance(700) else None,
        "checkbox": True if dice.chance(400) else None,
        "tags": dice.some(known.tags, 2) or None,
        "timerange": (day, f"2026-07-{dice.roll(28) + 1:02d}") if dice.chance(300) else None,
        "long_text": f"Prefers mornings ☀️\nTitle: {dice.pick(TITLES)}" if dice.chance(300) else None,
        "rating": dice.roll(5) + 1 if dice.chance(300) else None,
    }
