"""Makes of a value what a field of SmartSuite takes. None stands for an empty field.

Raises CellError, whose text says why a value does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from models import Value
from services.smartsuite import composite, simple
from services.smartsuite.structure import Field
from values.canonical import is_empty


def cell_of(field: Field, value: Value) -> Any:
    """Returns the JSON to send for a value; None for an empty one."""
    if (value is None or is_empty(value)) and field.kind != "yesnofield":
        return None
    return WRITERS[field.kind](field, value)


def is_writable(field: Field) -> bool:
    """Tells whether the tool can fill this field."""
    return field.kind in WRITERS and not field.is_automatic


def why_not_writable(field: Field) -> str:
    """Says why the tool cannot fill a field."""
    if field.is_automatic:
        return "SmartSuite makes the title itself"
    return COMPUTED.get(field.kind, f"the tool does not know the type {field.kind or 'without a name'}")


def empty_form(field: Field) -> Any:
    """Returns how a field is cleared where SmartSuite takes no null: its own form of nothing; None where it has none."""
    if field.kind in LISTS:
        return []
    if field.kind == "yesnofield":
        return False
    return "" if field.kind in TEXTS else None


Writer = Callable[[Field, Any], Any]
WRITERS: Mapping[str, Writer] = {
    **dict.fromkeys(("recordtitlefield", "textfield"), simple.line),
    "textareafield": simple.lines,
    "richtextareafield": simple.document,
    **dict.fromkeys(("emailfield", "linkfield", "phonefield"), simple.texts),
    **dict.fromkeys(("numberfield", "currencyfield", "percentfield"), simple.digits),
    **dict.fromkeys(("numbersliderfield", "percentcompletefield", "ratingfield"), simple.scale),
    "durationfield": simple.seconds,
    "timefield": simple.time_of_day,
    "yesnofield": simple.yes_no,
    "datefield": simple.moment,
    "duedatefield": composite.due_date,
    "daterangefield": composite.date_range,
    "singleselectfield": simple.choice,
    "multipleselectfield": simple.choice_list,
    "statusfield": simple.status,
    **dict.fromkeys(("linkedrecordfield", "userfield", "tagsfield"), simple.references),
    "colorpickerfield": simple.colours,
    "addressfield": composite.address,
    "fullnamefield": composite.full_name,
    "ipaddressfield": composite.ip_addresses,
    "socialnetworkfield": composite.social_network,
    "checklistfield": composite.checklist,
    "dependencyfield": composite.dependency,
    "filefield": composite.files,
    "timetrackingfield": composite.time_tracking,
    "signaturefield": composite.signature,
    "subitemsfield": composite.sub_items,
}
"""How each type of field is filled that the tool can fill."""

TEXTS = frozenset({"recordtitlefield", "textfield", "textareafield", "singleselectfield", "statusfield"})
LISTS = frozenset(
    {"emailfield", "linkfield", "phonefield", "multipleselectfield", "linkedrecordfield", "userfield", "tagsfield"}
    | {"colorpickerfield", "ipaddressfield", "filefield", "subitemsfield"}
)
FILLED_LATER = frozenset({"filefield"})
"""Types that an update fills, and no create: SmartSuite fetches the files for a record that is there."""
COMPUTED: Mapping[str, str] = {
    **dict.fromkeys(("formulafield", "rollupfield", "lookupfield", "countfield"), "SmartSuite computes it"),
    **dict.fromkeys(("autonumberfield", "recordidfield"), "SmartSuite numbers records itself"),
    **dict.fromkeys(("firstcreatedfield", "lastupdatedfield", "commentscountfield"), "SmartSuite keeps it itself"),
    "votefield": "people vote in SmartSuite",
    "buttonfield": "it is a button",
    "availabilitystatusfield": "SmartSuite computes it",
}
"""Why a field of these types cannot be filled."""
EXTERNAL_IDS: Mapping[str, str] = {
    **dict.fromkeys(("recordtitlefield", "textfield", "textareafield"), "is"),
    "numberfield": "is_equal_to",
}
"""The types of field that can hold a row's key, and how a record is found by it."""


def key_shown(item: Mapping[str, Any], field: Field) -> str:
    """Returns the row's key that a record shows, as the tool writes it."""
    value = item.get(field.slug)
    if value is None or is_empty(value):
        return ""
    return simple.digits(field, value) if field.kind == "numberfield" else str(value)
