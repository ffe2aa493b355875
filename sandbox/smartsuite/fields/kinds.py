"""Names each type of field with its kind."""

from __future__ import annotations

from sandbox.smartsuite.account.models import Field
from sandbox.smartsuite.fields.choices import MultipleSelectKind, SelectKind, StatusKind, TagsKind
from sandbox.smartsuite.fields.computed import (
    AutoNumberKind,
    CommentsKind,
    ComputedKind,
    CountKind,
    FirstCreatedKind,
    LastUpdatedKind,
    RecordIdKind,
    UnknownKind,
)
from sandbox.smartsuite.fields.contacts import (
    AddressKind,
    ColourKind,
    FullNameKind,
    IpAddressKind,
    PhoneKind,
    SocialNetworkKind,
)
from sandbox.smartsuite.fields.kind import Kind
from sandbox.smartsuite.fields.numbers import LARGEST_SCALE, DurationKind, NumberKind, ScaleKind, YesNoKind
from sandbox.smartsuite.fields.references import (
    ChecklistKind,
    DependencyKind,
    FilesKind,
    LinkedRecordKind,
    MembersKind,
    UncertainKind,
)
from sandbox.smartsuite.fields.texts import SmartDocKind, TextAreaKind, TextKind, TextListKind
from sandbox.smartsuite.fields.times import DateKind, DueDateKind, RangeKind, TimeKind

KINDS: dict[str, Kind] = {
    "recordtitlefield": TextKind(),
    "textfield": TextKind(),
    "textareafield": TextAreaKind(),
    "richtextareafield": SmartDocKind(),
    "emailfield": TextListKind(),
    "phonefield": PhoneKind(),
    "linkfield": TextListKind(),
    "fullnamefield": FullNameKind(),
    "addressfield": AddressKind(),
    "ipaddressfield": IpAddressKind(),
    "colorpickerfield": ColourKind(),
    "socialnetworkfield": SocialNetworkKind(),
    "numberfield": NumberKind(),
    "currencyfield": NumberKind(),
    "percentfield": NumberKind(),
    "numbersliderfield": ScaleKind(),
    "percentcompletefield": ScaleKind(),
    "ratingfield": ScaleKind(highest_key="scale", highest=LARGEST_SCALE),
    "durationfield": DurationKind(),
    "timefield": TimeKind(),
    "datefield": DateKind(),
    "daterangefield": RangeKind(),
    "duedatefield": DueDateKind(),
    "yesnofield": YesNoKind(),
    "singleselectfield": SelectKind(),
    "multipleselectfield": MultipleSelectKind(),
    "statusfield": StatusKind(),
    "tagsfield": TagsKind(),
    "linkedrecordfield": LinkedRecordKind(),
    "userfield": MembersKind(),
    "dependencyfield": DependencyKind(),
    "checklistfield": ChecklistKind(),
    "filefield": FilesKind(),
    # no source tells how these are written
    "timetrackingfield": UncertainKind(dict),
    "signaturefield": UncertainKind(dict),
    "subitemsfield": UncertainKind(list),
    # filled in by the service
    "autonumberfield": AutoNumberKind(),
    "recordidfield": RecordIdKind(),
    "firstcreatedfield": FirstCreatedKind(),
    "lastupdatedfield": LastUpdatedKind(),
    "commentscountfield": CommentsKind(),
    "countfield": CountKind(),
    "formulafield": ComputedKind(),
    "rollupfield": ComputedKind(),
    "lookupfield": ComputedKind(),
    "votefield": ComputedKind(),
    "buttonfield": ComputedKind(),
    "availabilitystatusfield": ComputedKind(),
}

UNKNOWN = UnknownKind()

NOT_ADDED_IN_BULK = {
    *("timetrackingfield", "checklistfield", "socialnetworkfield", "votefield", "countfield", "filefield"),
    *("signaturefield", "formulafield", "rollupfield", "recordidfield", "subitemsfield", "buttonfield"),
}
"""Types that bulk-add-fields does not take."""


def kind_of(field: Field) -> Kind:
    return KINDS.get(field.type, UNKNOWN)


def is_writable(field: Field) -> bool:
    return kind_of(field).writable and not field.is_automatic
