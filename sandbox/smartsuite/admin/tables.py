"""Answers admin calls about tables and their fields."""

from __future__ import annotations

from sandbox.common.json_text import JsonObject
from sandbox.smartsuite.account.models import Field, Table
from sandbox.smartsuite.admin.finding import Calls, Finder
from sandbox.smartsuite.fields.showing import shown_record
from sandbox.smartsuite.seeding import add_table, choice_of, field_of
from sandbox.smartsuite.service import Service


class TableCalls:
    def __init__(self, service: Service) -> None:
        self._world, self._find = service.world, Finder(service.world)
        self.calls: Calls = {
            "tables/create": self.create,
            "tables/set": self.set,
            "tables/snapshot": self.snapshot,
            "solutions/hide": self.hide,
            "fields/add": self.add_field,
            "fields/set": self.set_field,
            "fields/delete": self.delete_field,
            "choices/add": self.add_choice,
            "choices/rename": self.rename_choice,
            "choices/remove": self.remove_choice,
            "tags/add": self.add_tag,
        }

    def create(self, name: str, fields: list[JsonObject] | None = None, id: str | None = None) -> JsonObject:
        """Makes a table; returns its id, and its slugs by label."""
        table = add_table(self._world, name, fields or [], id)
        return {"id": table.id, "slugs": {field.label: slug for slug, field in table.fields.items()}}

    def set(self, table_id: str, name: str | None = None, records_limit: int | None = None) -> JsonObject:
        table = self._find.table(table_id)
        table.name = name if name is not None else table.name
        table.records_limit = records_limit if records_limit is not None else table.records_limit
        return {"id": table.id}

    def snapshot(self, table_id: str, deleted: bool = False) -> list[JsonObject]:
        """Returns the records as answers show them, in the order in which they were made."""
        table = self._find.table(table_id)
        records = [record for record in table.records.values() if deleted == (record.deleted_at is not None)]
        return [shown_record(self._world, table, record) for record in records]

    def hide(self, solution_id: str | None = None, hidden: bool = True) -> JsonObject:
        """Hides a solution from the key's member, the first one when none is named."""
        wanted = solution_id or next(iter(self._world.solutions))
        self._world.solutions[wanted].hidden = hidden
        return {"id": wanted}

    def add_field(self, table_id: str, **entry: object) -> JsonObject:
        table, field = self._find.table(table_id), field_of(entry, self._world)
        if field.slug in table.fields:
            raise ValueError(f"the slug {field.slug!r} is there already")
        self._world.remember_structure(table)
        table.fields[field.slug] = field
        return {"slug": field.slug}

    def set_field(
        self,
        table_id: str,
        slug: str,
        label: str | None = None,
        field_type: str | None = None,
        hidden: bool | None = None,
        params: JsonObject | None = None,
    ) -> JsonObject:
        """Changes a field; `params` are added to those that it has, `hidden` keeps it from the key's member."""
        table, field = self._field(table_id, slug)
        self._world.remember_structure(table)
        field.label = label if label is not None else field.label
        field.type = field_type if field_type is not None else field.type
        field.hidden = hidden if hidden is not None else field.hidden
        field.params = {**field.params, **(params or {})}
        return field.as_json()

    def delete_field(self, table_id: str, slug: str) -> JsonObject:
        table, field = self._field(table_id, slug)
        self._world.remember_structure(table)
        del table.fields[field.slug]
        return {"slug": slug}

    def add_choice(self, table_id: str, slug: str, choice: str | JsonObject) -> JsonObject:
        _, field = self._field(table_id, slug)
        made = choice_of(choice, len(field.choices))
        field.params = {**field.params, "choices": [*field.choices, made]}
        return made

    def rename_choice(self, table_id: str, slug: str, value: str, label: str) -> JsonObject:
        _, field = self._field(table_id, slug)
        renamed = [{**choice, "label": label} if choice["value"] == value else choice for choice in field.choices]
        field.params = {**field.params, "choices": renamed}
        return {"value": value, "label": label}

    def remove_choice(self, table_id: str, slug: str, value: str) -> JsonObject:
        """Removes a choice; records keep its id."""
        _, field = self._field(table_id, slug)
        left = [choice for choice in field.choices if choice["value"] != value]
        field.params = {**field.params, "choices": left}
        return {"value": value}

    def add_tag(self, label: str) -> JsonObject:
        tag = self._world.new_id()
        self._world.tags[tag] = label
        return {"id": tag}

    def _field(self, table_id: str, slug: str) -> tuple[Table, Field]:
        table = self._find.table(table_id)
        return table, table.fields[slug]
