"""SALES STAFF BOARD: the people who sell, with the columns of the real board."""

from __future__ import annotations

from typing import Any

from sandbox.models import Column, Group
from sandbox.seeding import people
from sandbox.seeding.columns import column, dropdown, status, text_columns
from sandbox.seeding.dice import Dice

BOARD_ID = 5_764_059_860
NAME = "SALES STAFF BOARD"
GROUPS = (Group("topics", "Active", "#037f4c", 65536.0), Group("new_group12", "In training", "#579bfc", 131072.0),
          Group("new_group7", "Former", "#c4c4c4", 196608.0))
ROLE = 1
SIZES = ("S", "M", "L", "XL", "2XL", "3XL")
TITLES = ("Closer 🏆", "Canvasser", "Team lead", "", "")


def columns() -> list[Column]:
    return [
        column("name", "Name", "name"),
        *text_columns(("text25", "FIRST NAME"), ("text1", "LAST NAME")),
        column("email7", "RM Email", "email"),
        column("email__1", "WRA Email", "email"),
        status("status_13", "TEAM NAME", *people.TEAMS),
        column("files3", "IDENTIFICATION FILES", "file"),
        column("files_1", "ONBOARDING FILES", "file"),
        column("text6", "SHIRT SIZE", "text"),
        column("phone", "PHONE", "phone"),
        *text_columns(("text", "ADDRESS"), ("text2", "CITY"), ("text5", "STATE"), ("text57", "ZIP")),
        status("status", "Onboarding", "Working on it", "Done", "Stuck"),
        dropdown("dropdown", "Certifications", "Haag", "OSHA 10", "Drone", "First aid"),
        column("person", "Manager", "people", max_people_allowed="0"),
        column("date4", "Start date", "date"),
        column("numbers", "Commission %", "numbers", unit={"symbol": "%", "custom_unit": "", "direction": "right"}),
        column("checkbox", "Has ladder", "checkbox"),
        column("tags", "Skills", "tags"),
        column("timerange", "Training", "timeline"),
        column("long_text", "Remarks", "long_text"),
        column("rating", "Rating", "rating", limit=5, symbol="star"),
        column("formula", "Commission share", "formula", formula="{numbers}/100"),
        column("creation_log", "Created", "creation_log"),
        column("last_updated", "Touched", "last_updated"),
    ]


def effective(index: int) -> int:
    """Whose e-mail an item carries: now and then somebody else's, for the duplicates that real boards have."""
    return index - 10 if index % 50 == 13 else index


def name(seed: int, index: int) -> str:
    dice = Dice(seed, ROLE, 77, index)
    return people.with_blanks(dice, people.person(seed, ROLE, index).name)


def cells(seed: int, index: int, moment: float, user_ids: list[int], tag_ids: list[int]) -> dict[str, Any]:
    dice = Dice(seed, ROLE, 1000, index)
    who, home = people.person(seed, ROLE, index), people.address(dice)
    email = people.person(seed, ROLE, effective(index)).email
    found: dict[str, Any] = {
        "text25": people.with_blanks(dice, who.first), "text1": who.last, "text6": dice.pick(SIZES),
        "status_13": Dice(seed, 9, index).roll(5) if index % 9 else None,
        "phone": who.phone if dice.chance(900) else None, "text": home.line,
    }
    if index % 40 != 11:
        found["email7"] = (email, email if dice.chance(800) else who.name) if dice.chance(950) else None
        found["email__1"] = (f"wra.{email}", f"wra.{email}") if dice.chance(600) or not found["email7"] else None
    if dice.chance(500):
        found |= {"text2": home.city, "text5": home.state, "text57": home.zip}
    found |= extras(dice, user_ids, tag_ids)
    return {key: value for key, value in found.items() if value is not None}


def extras(dice: Dice, user_ids: list[int], tag_ids: list[int]) -> dict[str, Any]:
    day = f"2026-0{dice.roll(5) + 1}-{dice.roll(28) + 1:02d}"
    return {
        "status": dice.roll(3) if dice.chance(800) else None,
        "dropdown": dice.some((1, 2, 3, 4), 3) or None,
        "person": ((dice.pick(user_ids), "person"),) if dice.chance(600) else None,
        "date4": (day, None, None) if dice.chance(800) else None,
        "numbers": dice.pick(("10", "12.5", "7.50", "0", "33.3333")) if dice.chance(700) else None,
        "checkbox": True if dice.chance(400) else None,
        "tags": dice.some(tag_ids, 2) or None,
        "timerange": (day, f"2026-07-{dice.roll(28) + 1:02d}") if dice.chance(300) else None,
        "long_text": f"Prefers mornings ☀️\nTitle: {dice.pick(TITLES)}" if dice.chance(300) else None,
        "rating": dice.roll(5) + 1 if dice.chance(300) else None,
    }
