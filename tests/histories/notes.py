"""Notes what users do in a history, as far as the judge must know it: what was written, and what excuses its loss."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from tests.histories.values import Field, Fields, new_value, plain
from tests.histories.world import BoardItem, Sides, TableRow


class Write(Struct, frozen=True):
    """Holds a value that a user wrote."""

    code: str
    field: str
    side: str
    value: str


class Notes(Struct):
    """Keeps the story of one history. A record is named by its code, a value by its field's name and itself."""

    told: list[str] = field(default_factory=list)
    """What was done, a line for each act; it is shown when the history ends badly."""
    codes: list[str] = field(default_factory=list)
    written: list[Write] = field(default_factory=list)
    number: int = 0
    removed: set[str] = field(default_factory=set)
    """Records whose item or row a user removed."""
    revived: set[str] = field(default_factory=set)
    """Records whose row was edited, or brought back, by SQL although a user has removed the item."""
    kept: set[str] = field(default_factory=set)
    """Records whose row was edited and whose item was removed, with no run between: the edit stays."""
    shared_edits: dict[str, set[str]] = field(default_factory=dict)
    """Record → the others that showed a shared row with it when SQL edited that row by way of one of them.

    Once all of them have left the shared row, the edit is the record's own."""
    replaced: set[tuple[str, str | None]] = field(default_factory=set)
    """Values that a user wrote over, or gave up with what showed them."""
    exposed: set[tuple[str, str | None]] = field(default_factory=set)
    """Values written on the board between a run's reading and its writing of that very field."""
    unnoticed: bool = False
    """Whether something happened that only a sweep can find, which comes once a day: a restored item, a lying listing."""

    def tell(self, *words: Any) -> None:
        self.told.append(" ".join(str(word) for word in words))

    def new_code(self) -> str:
        self.codes.append(f"C{len(self.codes) + 1}")
        return self.codes[-1]

    def new_value(self, field: Field, draw: int) -> str | None:
        self.number += 1
        return new_value(field, self.number, draw)

    def wrote(self, code: str, field: Field, side: str, value: str | None, before: str | None) -> None:
        """Notes a value that a user wrote, and the value that was there before it."""
        if value is not None and field.distinct:
            self.written.append(Write(code, field.name, side, plain(field, value) or ""))
        if before is not None:
            self.replaced.add((field.name, before))

    def gave_up(self, fields: Fields) -> None:
        """Notes that a user who removes a record gives up what it shows there."""
        self.replaced.update((name, value) for name, value in fields.items() if value is not None)

    def gave_up_shared(self, sides: Sides, field: Field, code: str) -> None:
        """Notes that a user who edits what several records show gives up what any of them shows."""
        if not field.shared:
            return
        clients = {row.shared for row in sides.rows() if row.code == code} - {None}
        emails = {item.fields[sides.profile.email] for item in sides.items() if item.code == code} - {None}
        for client in clients or {None}:
            for email in emails or {None}:
                self.gave_up_row(sides, field, client, email)

    def gave_up_row(self, sides: Sides, field: Field, client: Any, email: str | None) -> None:
        """Notes what shows a shared row, or would find it by its e-mail: what it shows in this field is given up."""
        rows, items = sides.rows(), sides.items()
        codes = {row.code for row in rows if client is not None and str(row.shared) == str(client)}
        for item in items:
            shown = item.fields[sides.profile.email]
            if email is not None and shown is not None and shown.lower() == email.lower():
                codes.add(item.code)
        records: list[TableRow | BoardItem] = [*rows, *items]
        values = [record.fields[field.name] for record in records if record.code in codes]
        if client is not None:
            statement = f"select {field.sql} as value from {sides.profile.shared} where id = %s"
            values += [plain(field, row["value"]) for row in sides.sql(statement, str(client))]
        self.replaced.update((field.name, value) for value in values if value is not None)
