"""Edits a history's two sides as users do: on the board, and with SQL. What the judge must know of it is noted."""

from __future__ import annotations

import json

from tests.histories.notes import Notes
from tests.histories.values import Field, Fields, sent
from tests.histories.world import Sides, TableRow

Draws = dict[str, int]
"""Field → a number that says which kind of value is written."""


class BoardUser:
    """Does what users do on the board."""

    def __init__(self, sides: Sides, notes: Notes) -> None:
        self.sides, self.notes = sides, notes

    def create(self, draws: Draws) -> None:
        sides, notes, code = self.sides, self.notes, self.notes.new_code()
        field = sides.profile.field
        values = {name: notes.new_value(field(name), draw) for name, draw in draws.items()}
        title = values.pop("title", None) or f"Item {code}"
        notes.tell("monday creates", code, {"title": title, **values})
        cells = {field(name).column: sent(field(name), value) for name, value in values.items() if value is not None}
        cells[sides.profile.code.column] = code
        sides.admin("items/create", board_id=sides.board, name=title, values=cells)
        for name, value in {"title": title, **values}.items():
            notes.wrote(code, field(name), "monday", value, None)

    def edit(self, code: str, name: str, draw: int, between: bool = False) -> None:
        """Edits a cell. `between`: while a run is at work."""
        sides, notes, item = self.sides, self.notes, self.sides.item(code, "active")
        if item is None:
            return
        field = sides.profile.field(name)
        value = notes.new_value(field, draw)
        notes.tell("monday edits", code, name, value)
        notes.gave_up_shared(sides, field, code)
        if between:
            row = sides.row(code)
            if row is None or row.fields[name] != item.fields[name]:
                notes.exposed.add((name, str(value)))
        if field.kind == "name":
            sides.admin("items/rename", item_id=item.id, name=value)
        else:
            sides.admin("items/change", item_id=item.id, values={field.column: sent(field, value)})
        notes.wrote(code, field, "monday", value, item.fields[name])

    def remove(self, code: str, how: str) -> None:
        """Removes an item: `archive` or `delete`."""
        sides, notes, item = self.sides, self.notes, self.sides.item(code, "active")
        if item is None:
            return
        notes.tell(f"monday {how}s", code)
        sides.admin(f"items/{how}", item_id=item.id)
        notes.removed.add(code)
        notes.revived.discard(code)
        notes.kept.discard(code)
        if sides.sql("select 1 from sync_mapping where monday_id = %s and sending is not null", item.id):
            notes.revived.add(code)  # a killed run told it something, and nothing says whether it took it
        row = sides.row(code)
        if row is not None and row.fields != item.fields:
            notes.revived.add(code)
            if not row.archived and self._was_edited_by_sql(code, item.fields, row.fields):
                notes.kept.add(code)
        notes.gave_up(item.fields)

    def _was_edited_by_sql(self, code: str, shown: Fields, stored: Fields) -> bool:
        """Tells whether a field of the row's own differs by what SQL wrote and no user gave up since."""
        wrote = {(w.field, w.value) for w in self.notes.written if w.code == code and w.side == "postgres"}
        news = {(name, value) for name, value in stored.items() if value is not None and shown[name] != value}
        own = {field.name for field in self.sides.profile.fields if not field.shared}
        return any(new in wrote and new[0] in own for new in news - self.sides.disputed() - self.notes.replaced)

    def restore(self, code: str) -> None:
        item = self.sides.item(code, "archived", "deleted")
        if item is not None:
            self.notes.tell("monday restores", code)
            self.notes.kept.discard(code)
            self.notes.unnoticed = True
            self.sides.admin("items/restore", item_id=item.id)

    def duplicate(self, code: str) -> None:
        """Copies an item, the Sync ID with it, and gives the copy a code of its own."""
        sides, item = self.sides, self.sides.item(code, "active")
        if item is None:
            return
        made = sides.admin("items/duplicate", item_id=item.id)["id"]
        fresh = self.notes.new_code()
        self.notes.tell("monday duplicates", code, "as", fresh)
        sides.admin("items/change", item_id=made, values={sides.profile.code.column: fresh})

    def rename_column(self, name: str) -> None:
        """Renames a column once the tool has seen it: the title that it had before that is nowhere remembered."""
        if not self.sides.sql("select 1 from sync_state where value -> 'titles' is not null"):
            return
        field = self.sides.profile.field(name)
        self.notes.number += 1
        self.notes.tell("monday renames the column of", name)
        title = f"{field.title} {self.notes.number}"
        self.sides.admin("columns/rename", board_id=self.sides.board, column_id=field.column, title=title)
        self.sides.titles[field.column] = title


class SqlUser:
    """Does what users do with SQL."""

    def __init__(self, sides: Sides, notes: Notes) -> None:
        self.sides, self.notes = sides, notes

    def create(self, draws: Draws) -> None:
        sides, notes, profile = self.sides, self.notes, self.sides.profile
        code = notes.new_code()
        drawn = {name: notes.new_value(profile.field(name), draw) for name, draw in draws.items()}
        values = {"title": f"Row {code}", **{name: value for name, value in drawn.items() if value is not None}}
        own = {profile.field(name): value for name, value in values.items() if not profile.field(name).shared}
        document = {sides.key_of(field): value for field, value in own.items() if field.document}
        columns = {profile.code.sql: code, **{field.sql: value for field, value in own.items() if not field.document}}
        columns["metadata"] = json.dumps(document)
        shared = {name: value for name, value in values.items() if profile.field(name).shared}
        if shared:
            columns[profile.via] = self._shared_row(shared)
        notes.tell("sql creates", code, values)
        self._insert(profile.table, columns)
        for name, value in values.items():
            notes.wrote(code, profile.field(name), "postgres", value, None)

    def _insert(self, table: str, columns: dict[str, str]) -> str:
        marks = ", ".join(["%s"] * len(columns))
        statement = f"insert into {table} ({', '.join(columns)}) values ({marks}) returning id::text"
        return str(self.sides.sql(statement, *columns.values())[0]["id"])

    def _shared_row(self, values: dict[str, str]) -> str:
        """Returns the shared row of an e-mail, after its other values were written over, or a new one."""
        sides, profile = self.sides, self.sides.profile
        email = values.get(profile.email)
        statement = f"select id::text from {profile.shared} where lower(email) = lower(%s) order by created_at, id"
        found = sides.sql(statement, email)
        if not found:
            return self._insert(profile.shared, {profile.field(name).sql: value for name, value in values.items()})
        for name, value in values.items():
            field = profile.field(name)
            if field.kind != "email":
                self.notes.gave_up_row(sides, field, found[0]["id"], email)
                sides.change(f"update {profile.shared} set {field.sql} = %s where id = %s", value, found[0]["id"])
        return str(found[0]["id"])

    def edit(self, code: str, name: str, draw: int) -> None:
        """Edits a field, wherever it stands."""
        sides, notes, row = self.sides, self.notes, self.sides.row(code)
        if row is None:
            return
        field = sides.profile.field(name)
        value = notes.new_value(field, draw)
        if field.kind == "email":  # no user wishes for two rows with one key
            value = f"q{notes.number}@example.com"
        if field.shared and row.shared is None and value is None:
            return
        notes.tell("sql edits", code, name, value)
        notes.gave_up_shared(sides, field, code)
        self._write(row, field, value)
        self._note_edit(row, field, value)
        notes.wrote(code, field, "postgres", value, row.fields[name])

    def _write(self, row: TableRow, field: Field, value: str | None) -> None:
        sides, profile = self.sides, self.sides.profile
        if field.document or (field.shared and row.in_document):
            key = sides.key_of(field)
            statement = f"update {profile.table} set metadata = metadata - %s || %s::jsonb where id = %s::uuid"
            sides.change(statement, key, json.dumps({key: value} if value is not None else {}), row.id)
        elif not field.shared:
            sides.change(f"update {profile.table} set {field.sql} = %s where id = %s::uuid", value, row.id)
        elif row.shared is None:
            assert value is not None
            self._point(row, self._shared_row({field.name: value}))
        else:
            sides.change(f"update {profile.shared} set {field.sql} = %s where id = %s", value, row.shared)

    def _point(self, row: TableRow, shared: str) -> None:
        profile = self.sides.profile
        self.sides.change(f"update {profile.table} set {profile.via} = %s where id = %s::uuid", shared, row.id)

    def _note_edit(self, row: TableRow, field: Field, value: str | None) -> None:
        """Notes what an edit means for a record that was removed, and for those that show the same shared row."""
        sides, notes, code = self.sides, self.notes, str(row.code)
        if code in notes.removed:
            notes.revived.add(code)
            item = sides.item(code)
            if value is None and item is not None and item.fields == (sides.row(code) or row).fields:
                notes.kept.discard(code)  # what was written is undone
            elif not row.archived and not field.shared and field.distinct and value is not None:
                notes.kept.add(code)
        if field.shared and row.shared is not None:
            together = {str(other.code) for other in sides.rows() if other.shared == row.shared}
            for other in together - {code}:
                notes.shared_edits.setdefault(other, set()).update(together - {other})

    def relate(self, code: str, other: str) -> None:
        """Points a row at the shared row of another. What the item shows otherwise by then is an edit of that row."""
        sides, notes, row, target = self.sides, self.notes, self.sides.row(code), self.sides.row(other)
        if row is None or target is None or target.shared is None or row.shared == target.shared:
            return
        notes.tell("sql relates", code, "to the shared row of", other)
        for field in sides.profile.shared_fields:
            notes.gave_up_shared(sides, field, code)
            notes.replaced.add((field.name, row.fields[field.name]))
            item = sides.item(code, "active")
            if item is not None and item.fields[field.name] != row.fields[field.name]:
                notes.gave_up_row(sides, field, target.shared, target.fields[sides.profile.email])
        self._point(row, target.shared)
        if code in notes.removed:
            notes.revived.add(code)

    def remove(self, code: str, how: str) -> None:
        """Removes a row: `archive` or `delete`."""
        sides, notes, table, row = self.sides, self.notes, self.sides.profile.table, self.sides.row(code)
        if row is None or (how == "archive" and row.archived):
            return
        notes.tell(f"sql {how}s", code)
        notes.kept.discard(code)
        if how == "archive":
            sides.change(f"update {table} set archived_at = now() where id = %s::uuid", row.id)
        else:
            sides.change(f"delete from {table} where id = %s::uuid", row.id)
        notes.removed.add(code)
        notes.revived.discard(code)
        notes.gave_up(row.fields)

    def restore(self, code: str) -> None:
        row = self.sides.row(code)
        if row is not None and row.archived:
            self.notes.tell("sql brings back", code)
            statement = f"update {self.sides.profile.table} set archived_at = null where id = %s::uuid"
            self.sides.change(statement, row.id)
            self.notes.revived.add(code)

    def set_flow(self, code: str, enabled: bool, direction: str) -> None:
        """Says in a row whether and which way it flows."""
        row = self.sides.row(code)
        if self.sides.profile.settings and row is not None:
            self.notes.tell("sql sets", code, enabled, direction)
            statement = "update jobs set sync_enabled = %s, sync_direction = %s where id = %s::uuid"
            self.sides.change(statement, enabled, direction, row.id)
