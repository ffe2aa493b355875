"""Writes every type of field that the tool fills, reads it back, and changes it: nothing is seen as edited by a person."""

import json

import pytest

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
}


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


@pytest.fixture
def typed(world):
    fields = [{"label": kind, "field_type": kind} for kind in TYPES]
    made = world.suite.admin(
        "tables/create", name="Types", fields=[{"label": "External id", "field_type": "textfield"}, *fields]
    )
    world.table_id, world.slugs = made["id"], {"Title": "title", **made["slugs"]}
    return world


def test_every_type_is_written_changed_and_emptied(typed):
    write_sync(typed, typed.slugs, {kind: values[0] for kind, values in TYPES.items()})
    assert typed.counts()["created"] == 1
    assert typed.counts()["calls"] == 0
    first = typed.records()["1"]
    assert not [kind for kind in TYPES if kind not in first or first[kind] in (None, "", []) and kind != "yesnofield"]
    write_sync(typed, typed.slugs, {kind: values[1] for kind, values in TYPES.items()})
    later = typed.counts()
    assert (later["updated"], later["conflicts"], later["errors"]) == (1, 0, 0)
    record = typed.records()["1"]
    assert {kind: record[kind] for kind, values in TYPES.items() if values[2] is not None} == {
        kind: values[2] for kind, values in TYPES.items() if values[2] is not None
    }
    write_sync(typed, typed.slugs, dict.fromkeys(TYPES, "null"))
    emptied = typed.counts()
    assert (emptied["updated"], emptied["conflicts"], emptied["errors"]) == (1, 0, 0)
