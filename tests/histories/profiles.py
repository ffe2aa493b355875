"""Describes the boards of histories: a mapping, its tables, and the fields that users edit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

from mappings.declaration import Mapping
from mappings.loader import load_mappings
from tests.histories.values import LABELS, Field
from tests.kit.boards import TYPES
from tests.kit.shipped import MAPPINGS

JOBS = """
entity: jobs
entity_type: job
title: Jobs
board: {id: 1}
table: jobs
record_settings: true
item_name: [title]
sync_id: {id: sync_id, title: Sync ID}
related:
  client: {table: clients, via: client_id, keys: [[lower(email)]], without_key: own, key_changed: rename}
fields:
  - {column: name, field: title}
  - {column: code, field: code}
  - {column: state, field: state}
  - {column: amount, field: amount}
  - {column: due, field: due, transform: date}
  - {column: remarks, field: remarks}
  - {column: c_name, field: client.name}
  - {column: c_email, field: client.email}
  - {column: c_phone, field: client.phone}
rest: metadata
"""

JOBS_TABLES = """
create table clients (
    id uuid primary key default gen_random_uuid(),
    name text,
    email text,
    phone text,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default now()
);
create table jobs (
    id uuid primary key default gen_random_uuid(),
    monday_id text,
    title text,
    code text,
    state text,
    amount numeric,
    due date,
    remarks text,
    client_id uuid references clients (id) on delete set null,
    metadata jsonb not null default '{}',
    sync_enabled boolean not null default true,
    sync_direction text not null default 'bidirectional',
    sync_status text not null default 'pending',
    archived_at timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default now()
);
"""


class Profile(Struct, frozen=True):
    """Holds a mapping, the board that goes with it, and the fields that users edit."""

    mapping: Mapping
    table: str
    shared: str
    """The table whose rows several records share."""
    via: str
    """The column by which a row points to its shared row."""
    code: Field
    fields: tuple[Field, ...]
    columns: tuple[dict[str, Any], ...]
    tables: tuple[str, ...]
    settings: bool = False
    """Whether a row says itself which way it flows."""

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)

    @property
    def email(self) -> str:
        """Names the field by which shared rows are found."""
        return next(field.name for field in self.fields if field.kind == "email")

    @property
    def shared_fields(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.shared)


def jobs_profile() -> Profile:
    """Describes a board of a few columns of different kinds, with a row that several items share."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "jobs.yaml").write_text(JOBS, encoding="utf-8")
        mapping = load_mappings([Path(folder)])["jobs"]
    code = Field("code", "code", "text", "code")
    fields = (
        Field("title", "name", "name", "title"),
        Field("state", "state", "status", "state", distinct=False),
        Field("amount", "amount", "numbers", "amount"),
        Field("due", "due", "date", "due"),
        Field("remarks", "remarks", "long_text", "remarks"),
        Field("extra", "extra", "text", "metadata", document="Extra"),
        Field("client.name", "c_name", "text", "name", shared=True),
        Field("client.phone", "c_phone", "phone", "phone", shared=True),
        Field("client.email", "c_email", "email", "email", shared=True, distinct=False),
    )
    return Profile(
        mapping=mapping,
        table="jobs",
        shared="clients",
        via="client_id",
        code=code,
        fields=fields,
        columns=_columns((code, *fields)),
        tables=("jobs", "clients"),
        settings=True,
    )


def projects_profile() -> Profile:
    """Describes the shipped projects, of whose fields users edit some."""
    mapping = MAPPINGS["projects"]
    code = Field("code", "text01__1", "text", "name")
    fields = (
        Field("title", "name", "name", "title"),
        Field("amount", "numbers0", "numbers", "estimated_value"),
        Field("description", "text40__1", "text", "description"),
        Field("extra", "extra9", "text", "metadata", document="Extra"),
        Field("customer.name", "text65__1", "text", "name", shared=True),
        Field("customer.phone", "phone_1__1", "phone", "phone", shared=True),
        Field("customer.email", "email4__1", "email", "email", shared=True, distinct=False),
    )
    edited = {"name", *(field.column for field in (code, *fields))}
    named = dict.fromkeys(column for binding in mapping.bindings for column in binding.columns)
    others = [
        {"id": column, "title": column, "type": TYPES.get(column, "text")} for column in named if column not in edited
    ]
    tables = "notes projects insurance_claims policies properties customers insurances storms pa_law users sales_teams"
    return Profile(
        mapping=mapping,
        table="projects",
        shared="customers",
        via="customer_id",
        code=code,
        fields=fields,
        columns=(*_columns((code, *fields)), *others),
        tables=tuple(tables.split()),
    )


def _columns(fields: Iterable[Field]) -> tuple[dict[str, Any], ...]:
    made: list[dict[str, Any]] = []
    for field in fields:
        if field.column != "name":
            labels = {"labels": list(LABELS)} if field.kind == "status" else {}
            made.append({"id": field.column, "title": field.title, "type": field.kind, **labels})
    return tuple(made)
