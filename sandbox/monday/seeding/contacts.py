"""Makes two boards that point to each other: contacts, and the organizations to which they belong."""

from __future__ import annotations

from sandbox.common import people
from sandbox.common.dice import Dice
from sandbox.monday.account.models import Cells, Column, Group
from sandbox.monday.account.new_columns import new_column

CONTACTS_ID = 7_810_000_101
ORGANIZATIONS_ID = 7_810_000_202
GROUPS = (Group("topics", "All", "#579bfc", 65536.0), Group("archive_group", "Dormant", "#c4c4c4", 131072.0))
ROLE = 40
FIRMS = ("Exemplary Builders", "Sample Supply", "Mock Metals", "Placeholder Partners", "Prüfstein GmbH", "Demo Depot")


def contact_columns() -> list[Column]:
    return [
        new_column("name", "Name", "name"),
        new_column("email", "Email", "email"),
        new_column("phone", "Phone", "phone"),
        new_column("role_title", "Role / title", "text"),
        new_column("notes", "Notes", "long_text"),
        new_column(
            "organization", "Organization", "board_relation", boardIds=[ORGANIZATIONS_ID], allowMultipleItems=False
        ),
    ]


def organization_columns() -> list[Column]:
    return [
        new_column("name", "Name", "name"),
        new_column("address", "Address", "text"),
        new_column("notes", "Notes", "long_text"),
        new_column("contacts", "Contacts", "board_relation", boardIds=[CONTACTS_ID], allowMultipleItems=True),
    ]


def contact_name(seed: int, index: int) -> str:
    return people.person(seed, ROLE, index).name


def contact_cells(seed: int, index: int, organization_ids: list[int]) -> Cells:
    dice, contact = Dice(seed, ROLE, 1000, index), people.person(seed, ROLE, index)
    found: Cells = {
        "email": (contact.email, contact.email) if index % 25 != 7 else None,
        "phone": contact.phone if dice.chance(800) else None,
        "role_title": dice.pick(("Owner", "Buyer", "Office", "Geschäftsführer", "")),
        "notes": dice.pick(("Met at the fair 🎪", "", "Calls back\non Mondays")),
        "organization": (dice.pick(organization_ids),) if organization_ids and dice.chance(700) else None,
    }
    return {key: value for key, value in found.items() if value}


def organization_name(seed: int, index: int) -> str:
    return f"{Dice(seed, ROLE + 1, index).pick(FIRMS)} {index + 1}"


def organization_cells(seed: int, index: int) -> Cells:
    dice = Dice(seed, ROLE + 1, 1000, index)
    found = {"address": people.address(dice).line, "notes": dice.pick(("Net 30", "", "Prepays"))}
    return {key: value for key, value in found.items() if value}
