"""Writes every type of field that the tool fills, reads it back, and changes it: nothing is seen as edited by a person."""

import json

import pytest

from sandbox.smartsuite.fields.kinds import KINDS
from services.smartsuite.cells import is_writable, why_not_writable
from services.smartsuite.structure import Field

TYPES = {
    "textfield": ("'a b'", "'c'", "c"),
    "textareafield": ("E'a\\nb'", "'c'", "c"),
    "richtextareafield": ("E'a\\n\\nb'", "'c'", None),
    "emailfield": ("'a@example.org'", "'b@example.org'", ["b@example.org"]),
    "linkfield": ("'https://example.org'", "'https://example.com'", ["https://example.com"]),
    "phonefield": ("'+19135550100'", "'+19135550101'", None),
    "numberfield": ("12345678901234567890.50", "1e-7", "0.0000001"),
    "currencyfield": ("0.00", "-19.95", "-19.95"),
    "percentfield": ("42", "43", "43"),
    "ratingfield": ("3", "4", 4),
    "durationfield": ("interval '26 hours'", "90", None),
    "timefield": ("time '21:15'", "time '08:05:01'", "08:05:01"),
    "yesnofield": ("true", "false", None),
    "datefield": ("date '2026-02-03'", "timestamptz '2026-02-03 04:05:06+02'", None),
    "duedatefield": ("date '2026-02-03'", "date '2026-02-04'", None),
    "colorpickerfield": ("'#814C4C'", "'#000000'", None),
    "numbersliderfield": ("3", "4", 4),
    "percentcompletefield": ("30", "40", 40),
    "daterangefield": ("'2026-02-03/2026-02-05'", "'2026-03-01/2026-03-09'", None),
    "singleselectfield": ("'New'", "'Paid'", "pA1dX"),
    "multipleselectfield": ("'New,Paid'", "'Paid'", ["pA1dX"]),
    "statusfield": ("'New'", "'Paid'", None),
    "tagsfield": ("'{tag}'", "null", None),
    "linkedrecordfield": ("'A parent'", "'Another parent'", ["{other}"]),
    "userfield": ("'{email}'", "'{id}'", ["{id}"]),
    "addressfield": ("'1 Main Street'", """'{"city": "Springfield", "zip": "12345"}'""", None),
    "fullnamefield": ("'Ann Mary Lee'", """'{"title": "Mr.", "first_name": "Bo", "last_name": "Ek"}'""", None),
    "ipaddressfield": ("'2001:db8::1'", "inet '192.0.2.7'::text", None),
    "socialnetworkfield": ("""'{"facebook": "ann"}'""", """'{"linkedin": "ann.lee"}'""", None),
    "checklistfield": ("E'one\\n[x] two'", """'["three"]'""", None),
    "dependencyfield": (
        """'{"predecessor": [{"type": "fs", "lag": 0, "application": "a", "record": "r"}]}'""",
        """'{"successor": [{"type": "fs", "lag": 1, "application": "a", "record": "r"}]}'""",
        None,
    ),
    "filefield": ("'https://example.org/a.pdf'", "'https://example.org/b.pdf https://example.org/c.pdf'", None),
    "timetrackingfield": ("""'{"time_track_logs": [{"duration": 60}]}'""", """'[{"duration": 90}]'""", None),
    "signaturefield": ("'Ann Lee'", "'data:image/png;base64,iVBORw0='", None),
    "subitemsfield": ("""'[{"Part": "wheel"}]'""", """'[{"Part": "door"}, {"Part": "seat"}]'""", None),
}
SHOWN = {
    "addressfield": ("location_city", "Springfield"),
    "fullnamefield": ("title", "1"),
    "checklistfield": ("total_items", 1),
    "socialnetworkfield": ("linkedin_username", "ann.lee"),
    "statusfield": ("value", "pA1dX"),
    "timetrackingfield": ("time_track_logs", [{"duration": 90}]),
}
"""What the records show in the end, of types that have parts."""
READ_ONLY = (
    *("formulafield", "rollupfield", "lookupfield", "countfield", "autonumberfield", "recordidfield", "votefield"),
    *("firstcreatedfield", "lastupdatedfield", "commentscountfield", "buttonfield", "availabilitystatusfield"),
)
CHOICES = [{"value": "aLq4Z", "label": "New"}, {"value": "pA1dX", "label": "Paid"}]


def test_every_type_of_the_stand_in_is_written_or_refused():
    assert set(TYPES) | set(READ_ONLY) | {"recordtitlefield"} == set(KINDS)


def write_sync(world, slugs, values):
    columns = ", ".join(f"{value} as {kind}" for kind, value in values.items())
    sync = {
        "name": "shop",
        "source": {"query": f"select 1 as id, {columns}", "primary_key": "id", "database": "postgres"},
        "destination": {
            "table_id": world.table_id,
            "external_id_field": "External id",
            "field_mappings": {kind: slugs[kind] for kind in values},
        },
    }
    (world.home / "config" / "sync_mappings.yml").write_text(json.dumps({"syncs": [sync]}))


def with_names(values, names):
    for name, value in names.items():
        values = {kind: text.replace(f"{{{name}}}", value) for kind, text in values.items()}
    return values


@pytest.fixture
def typed(world):
    admin = world.suite.admin
    parents = admin("tables/create", name="Parents", fields=[])["id"]
    made = admin("records/load", table_id=parents, records=[{"title": "A parent"}, {"title": "Another parent"}])
    more = {
        "linkedrecordfield": {"params": {"linked_application": parents}},
        "subitemsfield": {"nested": [{"slug": "spart", "label": "Part", "field_type": "textfield"}]},
        **dict.fromkeys(("singleselectfield", "multipleselectfield", "statusfield"), {"choices": CHOICES}),
        **dict.fromkeys(("numbersliderfield", "percentcompletefield"), {"params": {"max_value": 100}}),
    }
    fields = [{"label": kind, "field_type": kind, **more.get(kind, {})} for kind in TYPES]
    made_table = admin(
        "tables/create", name="Types", fields=[{"label": "External id", "field_type": "textfield"}, *fields]
    )
    world.table_id, world.slugs = made_table["id"], {"Title": "title", **made_table["slugs"]}
    world.switch(uncertain_types="accepted")
    member = admin("state")["members"][1]
    world.names = {
        "other": made[1] if isinstance(made[1], str) else made[1]["id"],
        "email": member["email"].upper() if isinstance(member["email"], str) else member["email"][0],
        "id": member["id"],
        "tag": admin("tags/add", label="red")["id"],
    }
    return world


def values_of(typed, place):
    return with_names({kind: values[place] for kind, values in TYPES.items()}, typed.names)


@pytest.mark.parametrize(
    "switches",
    [{}, {"range_form": "strings", "clearing": "empty_form"}, {"range_form": "objects", "bulk_answer": "items"}],
)
def test_every_type_is_written_changed_and_emptied(typed, switches):
    typed.switch(**switches)
    write_sync(typed, typed.slugs, values_of(typed, 0))
    assert typed.counts()["created"] == 1
    assert typed.counts()["calls"] == 0
    first = typed.records()["1"]
    assert not [kind for kind in TYPES if kind not in first or first[kind] in (None, "", []) and kind != "yesnofield"]
    write_sync(typed, typed.slugs, values_of(typed, 1))
    later = typed.counts()
    assert (later["updated"], later["conflicts"], later["errors"]) == (1, 0, 0)
    record = typed.records()["1"]
    assert {kind: record[kind] for kind, values in TYPES.items() if values[2] is not None} == {
        kind: with_names({"": values[2]}, typed.names)[""]
        if isinstance(values[2], str)
        else [with_names({"": each}, typed.names)[""] for each in values[2]]
        if isinstance(values[2], list)
        else values[2]
        for kind, values in TYPES.items()
        if values[2] is not None
    }
    assert {kind: record[kind][part] for kind, (part, _) in SHOWN.items()} == {k: v for k, (_, v) in SHOWN.items()}
    write_sync(typed, typed.slugs, dict.fromkeys(TYPES, "null"))
    emptied = typed.counts()
    assert (emptied["updated"], emptied["conflicts"], emptied["errors"]) == (1, 0, 0)
    shown = typed.records()["1"]
    empty = (None, "", [], False, {"from_date": None, "to_date": None})
    assert not [kind for kind in TYPES if shown.get(kind) not in empty]


@pytest.mark.parametrize("kind", READ_ONLY)
def test_a_type_that_cannot_be_filled_is_told_with_the_reason(kind):
    field = Field("s1", "Total", kind)
    assert not is_writable(field)
    assert why_not_writable(field) not in ("", f"the tool does not know the type {kind}")
