"""Makes the MASTER PROJECT BOARD: roofing jobs, with the columns of the real board and a dozen of other types."""

from __future__ import annotations

from functools import lru_cache

from sandbox.common import people
from sandbox.common.dice import Dice
from sandbox.common.people import Person, person, with_blanks
from sandbox.monday.account.models import Cells, Column, Group
from sandbox.monday.account.new_columns import dropdown, new_column, status, text_columns
from sandbox.monday.seeding import staff
from sandbox.monday.seeding.firms import INSURERS, LAW_FIRMS, TEAMS
from sandbox.monday.seeding.known import Known

BOARD_ID = 6_727_219_152
NAME = "MASTER PROJECT BOARD"
GROUPS = (
    Group("topics", "Leads", "#579bfc", 65536.0),
    Group("group_title", "In production", "#fdab3d", 131072.0),
    Group("new_group29179", "Closed 🏁", "#037f4c", 196608.0),
    Group("new_group64021", "Litigation", "#e2445c", 262144.0),
)
CUSTOMER, PARTNER, MANAGER, ESTIMATOR, SUPERINTENDENT, ADJUSTER = 20, 21, 22, 23, 24, 25
colleague = lru_cache(maxsize=1_000)(person)
"""Makes a person who is on many projects."""

STAGES = (
    "New",
    "Hold",
    "Waiting",
    "In Progress",
    "Working",
    "Done",
    "Completed",
    "Approved",
    "Cancelled",
    "Rejected",
    "in progress",
    " Waiting ",
    "Needs photos",
    "",
)

TEXTS = (
    ("text95__1", "Current stage"),
    ("text01__1", "Job Progress Name"),
    ("text40__1", "Job description"),
    ("text_7__1", "Company Cam link"),
    ("text65__1", "Contact full name"),
    ("dup__of_job_address0__1", "Contact address"),
    ("text43__1", "Customer note"),
    ("job_division___1__1", "Sales team name"),
    ("partner_name__1", "Partner name"),
    ("text19__1", "Project manager"),
    ("job_est_1_name__1", "Estimator"),
    ("dup__of_text6__1", "Superintendent"),
    ("text22__1", "Sales rep first name"),
    ("text49__1", "Sales rep last name"),
    ("jp_pa_law_name__1", "PA / law firm"),
    ("claim_number__1", "Claim number"),
    ("dup__of_text0__1", "Policy number"),
    ("text31__1", "Insurance company"),
)
EMAILS = (
    ("email4__1", "Contact e-mail"),
    ("partner_email__1", "Partner e-mail"),
    ("email6__1", "Project manager e-mail"),
    ("email0__1", "Estimator e-mail"),
    ("dup__of_email__1", "Superintendent e-mail"),
    ("email5__1", "Sales rep e-mail"),
    ("jp_pa_law_email__1", "PA / law e-mail"),
    ("email05__1", "Insurance e-mail"),
    ("email57__1", "Adjuster e-mail"),
)
PHONES = (
    ("phone_1__1", "Contact phone"),
    ("partner_phone____1", "Partner phone"),
    ("phone_13__1", "Project manager phone"),
    ("phone_10__1", "Estimator phone"),
    ("dup__of_phone_1__1", "Superintendent phone"),
    ("sales_rep_phone____1", "Sales rep phone"),
    ("jp_pa_law_phone__1", "PA / law phone"),
    ("phone_132__1", "Insurance phone"),
    ("phone_17__1", "Adjuster phone"),
)


def columns() -> list[Column]:
    dollars = {"symbol": "$", "custom_unit": "", "direction": "left", "precision": 2}
    return [
        new_column("name", "Name", "name"),
        new_column("link__1", "Job Progress Link", "link"),
        new_column("numbers0", "Total price", "numbers", unit=dollars),
        new_column("qb_total_payments__1", "Total payment", "numbers", unit=dollars),
        new_column("date_19__1", "Date of loss", "date"),
        new_column("files9__1", "Measurements", "file"),
        new_column("files66__1", "One click codes", "file"),
        *text_columns(*TEXTS),
        *(new_column(id, title, "email") for id, title in EMAILS),
        *(new_column(id, title, "phone") for id, title in PHONES),
        *other_columns(),
    ]


def other_columns() -> list[Column]:
    shown = [{"board_id": str(staff.BOARD_ID), "column_ids": ["status_13"]}]
    return [
        status("status", "Priority", "Low", "Done", "High", "Critical"),
        dropdown("dropdown__1", "Roof type", "Asphalt", "Metal", "Tile", "Slate", "TPO"),
        new_column("people__1", "Owner", "people", max_people_allowed="0"),
        new_column("date__1", "Install date", "date", show_time=True),
        new_column("numbers__1", "Squares", "numbers"),
        new_column("checkbox__1", "Permit pulled", "checkbox"),
        new_column("tags__1", "Tags", "tags"),
        new_column("timeline__1", "Work window", "timeline"),
        new_column(
            "board_relation__1", "Sales staff", "board_relation", boardIds=[staff.BOARD_ID], allowMultipleItems=True
        ),
        new_column(
            "mirror__1",
            "Team of staff",
            "mirror",
            relation_column={"board_relation__1": True},
            displayed_linked_columns=shown,
        ),
        new_column("formula__1", "Price with tax", "formula", formula="{numbers0}*1.0825"),
        new_column("long_text__1", "Internal remarks", "long_text"),
        new_column("hour__1", "Call time", "hour", format="12H"),
        new_column("location__1", "Site", "location"),
        new_column("color_picker__1", "Shingle colour", "color_picker"),
        new_column("creation_log__1", "Created", "creation_log"),
        new_column("last_updated__1", "Touched", "last_updated"),
    ]


def customer_of(seed: int, index: int) -> tuple[int, Person]:
    """Finds the customer of an item: three items in ten share theirs with a neighbour."""
    number = index - 1 - index % 3 if index % 10 in (3, 6, 9) and index > 3 else index
    return number, person(seed, CUSTOMER, number)


def name(seed: int, index: int) -> str:
    dice = Dice(seed, CUSTOMER, 77, index)
    _, customer = customer_of(seed, index)
    title = f"{customer.last} - {dice.pick(people.STREETS)} {'roof 🏠' if dice.chance(30) else 'roof'} {index + 1}"
    return with_blanks(dice, title)


def cells(seed: int, index: int, known: Known, staff_ids: list[int]) -> Cells:
    dice = Dice(seed, CUSTOMER, 1000, index)
    number, customer = customer_of(seed, index)
    found: Cells = {
        "link__1": (f"https://jobs.example.com/{index}", "Open job" if dice.chance(700) else ""),
        "text95__1": dice.pick(STAGES),
        "text01__1": f"JP-{index:06d}",
        "text40__1": dice.pick(("Full replacement", "Repair – hail & wind", "Inspektion für Dämmung", "")),
        "text_7__1": f"https://cam.example.com/p/{index}" if dice.chance(500) else "",
        "numbers0": f"{dice.roll(60_000)}.{dice.roll(100):02d}" if dice.chance(850) else None,
        "qb_total_payments__1": str(dice.roll(9_000)) if dice.chance(600) else None,
        "date_19__1": (f"2026-0{dice.roll(5) + 1}-{dice.roll(28) + 1:02d}", None, None),
        "text43__1": dice.pick(("Call before visit", "Dog in the yard 🐕", "", "", "Line one\nline two")),
        "job_division___1__1": dice.pick(TEAMS),
    }
    # The order matters: every part goes on with the same dice.
    found |= customer_cells(dice, number, customer, seed)
    found |= crew_cells(dice, seed)
    found |= insurance_cells(dice, seed, index)
    found |= extras(dice, known, staff_ids)
    return {key: value for key, value in found.items() if value not in (None, "", ())}


def shown(email: str) -> tuple[str, str]:
    return email, email


def customer_cells(dice: Dice, number: int, customer: Person, seed: int) -> Cells:
    home = people.address(Dice(seed, CUSTOMER, 5, number))
    return {
        "text65__1": with_blanks(dice, customer.name),
        "email4__1": None if number % 33 == 5 else shown(customer.email.upper() if dice.chance(30) else customer.email),
        "phone_1__1": people.phone(dice) if dice.chance(20) else customer.phone,
        "dup__of_job_address0__1": home.line,
    }


def crew_cells(dice: Dice, seed: int) -> Cells:
    partner, manager = colleague(seed, PARTNER, dice.roll(40)), colleague(seed, MANAGER, dice.roll(12))
    estimator, boss = colleague(seed, ESTIMATOR, dice.roll(15)), colleague(seed, SUPERINTENDENT, dice.roll(10))
    seller = colleague(seed, staff.ROLE, dice.roll(200))
    found: Cells = {
        "text19__1": manager.name,
        "email6__1": shown(manager.email),
        "phone_13__1": manager.phone,
        "job_est_1_name__1": estimator.name,
        "email0__1": shown(estimator.email),
        "phone_10__1": estimator.phone,
        "dup__of_text6__1": boss.name,
        "dup__of_email__1": shown(boss.email),
        "dup__of_phone_1__1": boss.phone,
        "text22__1": seller.first,
        "text49__1": seller.last,
        "email5__1": shown(seller.email),
        "sales_rep_phone____1": seller.phone,
    }
    if dice.chance(400):
        found |= {"partner_name__1": partner.name, "partner_phone____1": partner.phone}
        found["partner_email__1"] = shown(partner.email) if dice.chance(900) else None
    return found


def insurance_cells(dice: Dice, seed: int, index: int) -> Cells:
    firm, law = dice.roll(len(INSURERS)), dice.roll(len(LAW_FIRMS))
    adjuster = colleague(seed, ADJUSTER, dice.roll(60))
    found: Cells = {
        "text31__1": INSURERS[firm],
        "phone_132__1": people.phone(Dice(seed, 30, firm)),
        "email05__1": shown(f"claims{firm}@insurer.example.com"),
        "claim_number__1": f"CLM-{seed % 97:02d}-{index:06d}" if dice.chance(850) else None,
        "dup__of_text0__1": f"POL-{index // 2:06d}" if dice.chance(800) else None,
        "phone_17__1": adjuster.phone if dice.chance(700) else None,
        "email57__1": shown(adjuster.email) if dice.chance(700) else None,
    }
    if dice.chance(250):
        found |= {
            "jp_pa_law_name__1": LAW_FIRMS[law],
            "jp_pa_law_phone__1": people.phone(Dice(seed, 31, law)),
            "jp_pa_law_email__1": shown(f"office{law}@law.example.com"),
        }
    return found


def extras(dice: Dice, known: Known, staff_ids: list[int]) -> Cells:
    start = dice.roll(27) + 1
    return {
        "status": dice.roll(4) if dice.chance(800) else None,
        "dropdown__1": dice.some((1, 2, 3, 4, 5), 2),
        "people__1": tuple((n, "person") for n in dice.some(known.users, 2)),
        "date__1": (f"2026-06-{start:02d}", dice.pick(("13:30:00", "02:15:00", None)), None),
        "numbers__1": str(dice.roll(400) / 10) if dice.chance(700) else None,
        "checkbox__1": True if dice.chance(400) else None,
        "tags__1": dice.some(known.tags, 3),
        "timeline__1": (f"2026-06-{start:02d}", f"2026-07-{start:02d}") if dice.chance(500) else None,
        "board_relation__1": (dice.pick(staff_ids),) if staff_ids and dice.chance(500) else None,
        "long_text__1": "Zweite Besichtigung nötig 🧱" if dice.chance(200) else None,
        "hour__1": (dice.roll(24), 30) if dice.chance(200) else None,
        "location__1": ("32.7767", "-96.7970", "Dallas, TX, USA") if dice.chance(150) else None,
        "color_picker__1": "#FF5733" if dice.chance(150) else None,
    }
