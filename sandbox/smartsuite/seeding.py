"""Makes the account that a stand-in starts with: members, a solution, and the tables that a start names."""

from __future__ import annotations

from sandbox.common.clock import Clock
from sandbox.common.json_text import JsonObject
from sandbox.common.people import person
from sandbox.smartsuite.account.models import Field, Member, Solution, Table
from sandbox.smartsuite.account.world import World

MEMBERS = 5
SYSTEM_FIELDS = (
    ("first_created", "First Created", "firstcreatedfield"),
    ("last_updated", "Last Updated", "lastupdatedfield"),
    ("followed_by", "Followed by", "userfield"),
    ("comments_count", "Open Comments", "commentscountfield"),
    ("autonumber", "Auto Number", "autonumberfield"),
)
STATES = ("New", "Active", "Gone")
CUSTOMERS: list[JsonObject] = [
    {"slug": "scustomer1", "label": "External id", "field_type": "textfield"},
    {"slug": "scustomer2", "label": "Email", "field_type": "emailfield"},
    {"slug": "scustomer3", "label": "State", "field_type": "singleselectfield", "choices": STATES},
    {"slug": "scustomer4", "label": "Credit", "field_type": "currencyfield", "params": {"currency": "EUR"}},
    {"slug": "scustomer5", "label": "Since", "field_type": "datefield"},
    {"slug": "scustomer6", "label": "Notes", "field_type": "textareafield"},
]
ORDERS: list[JsonObject] = [
    {"slug": "sorders001", "label": "External id", "field_type": "textfield"},
    {"slug": "sorders002", "label": "Amount", "field_type": "numberfield", "params": {"precision": 2}},
    {"slug": "sorders003", "label": "Status", "field_type": "statusfield", "choices": ("Open", "Sent", "Complete")},
    {"slug": "sorders004", "label": "Paid", "field_type": "yesnofield"},
    {"slug": "sorders005", "label": "Ordered", "field_type": "datefield"},
]
BUILT_IN = {"customers": ("6451093119bcf22befaed901", CUSTOMERS), "orders": ("6451093119bcf22befaed902", ORDERS)}
"""Names that a start may ask for, with the table's id and fields."""


def parse_tables(text: str) -> list[str]:
    """Reads `customers,orders`. Raises ValueError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in BUILT_IN:
            raise ValueError(f"unknown table {name!r}; known: {', '.join(BUILT_IN)}")
    return names


def make_world(tables: str, seed: int, clock: Clock, account_id: str) -> World:
    world = World(seed, clock, account_id)
    for index in range(MEMBERS):
        someone = person(seed, 0, index)
        member = Member(world.new_id(), someone.first, someone.last, someone.email, "1" if index == 0 else "3")
        world.members[member.id] = member
    solution = Solution("645570f23f026ab0fbd0f600", "Sandbox", "sandbox01")
    world.solutions[solution.id] = solution
    for name in parse_tables(tables):
        table_id, fields = BUILT_IN[name]
        add_table(world, name.capitalize(), fields, table_id=table_id)
    return world


def add_table(world: World, name: str, fields: list[JsonObject], table_id: str | None = None) -> Table:
    """Makes a table with a title, the system's fields, and those given."""
    made = [field_of(entry, world) for entry in fields]
    if not any(field.params.get("primary") for field in made):
        title = {"primary": True, "required": False, "unique": False, "system": True, "is_auto_generated": False}
        made.insert(0, Field("title", "Title", "recordtitlefield", title))
    made += [Field(slug, label, kind, {"system": True}) for slug, label, kind in SYSTEM_FIELDS]
    solution = next(iter(world.solutions))
    by, now = world.owner().id, world.clock.now()
    found = Table(table_id or world.new_id(), name, solution, world.new_slug()[:8], {}, by, now)
    for field in made:
        if field.slug in found.fields:
            raise ValueError(f"the slug {field.slug!r} is there twice")
        found.fields[field.slug] = field
    world.tables[found.id] = found
    return found


def field_of(entry: JsonObject, world: World) -> Field:
    """Makes a field of `{label, field_type, slug?, params?, choices?}`; choices may be labels, or whole objects."""
    params = dict(entry.get("params") or {})
    if "choices" in entry:
        params["choices"] = [choice_of(choice, place) for place, choice in enumerate(entry["choices"])]
    slug: str = entry.get("slug") or world.new_slug()
    return Field(slug, entry.get("label", slug), entry["field_type"], params, entry.get("nested") or [])


def choice_of(choice: str | JsonObject, place: int) -> JsonObject:
    """Makes a choice; the id of a label is the label in lower case, with underscores."""
    given = {"label": choice} if isinstance(choice, str) else choice
    value = given.get("value") or given["label"].lower().replace(" ", "_")
    made = {"value": value, "value_color": "#3A86FF", "value_order": place, "value_help_text": "", "weight": place + 1}
    return {**made, **given}
