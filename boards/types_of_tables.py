"""Decides which type a table column has for a board column: by the shipped file, and before it by the user's own file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct, field

from errors import MappingError
from mappings.files import read_plain
from mappings.loader import TYPES
from models import BoardColumn
from services.monday.cells.choices import labels_in
from services.monday.cells.kinds import column_type
from services.monday.cells.people_and_places import NAMED_PEOPLE
from settings import PROJECT

_NUMBERS = ("numeric", "integer", "bigint", "smallint", "text")
_MOMENTS = ("date", "timestamptz", "text")
INSTEAD_OF = {
    "text": ("text",),
    "numeric": _NUMBERS,
    "integer": _NUMBERS,
    "bigint": _NUMBERS,
    "boolean": ("boolean", "text"),
    "date": _MOMENTS,
    "timestamptz": _MOMENTS,
    "time": ("time", "text"),
    "jsonb": ("jsonb",),
    "text[]": ("text[]", "jsonb"),
    "bigint[]": ("bigint[]",),
}
"""By the type that the shipped file has for a kind of board column: the types that keep its values so that they are equal
to what the board shows when they are read again."""

SHOWN = ("text", "numeric", "integer", "bigint", "smallint", "boolean", "date", "timestamptz", "time")
"""What the text of a computed column can be read as."""

ALSO_CALLED = {
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
    "character varying": "text",
    "character varying[]": "text[]",
}
ROUNDING = ("real", "double precision")
"""A number that these types round is no edit of the row: values are compared as they are after rounding."""
UNSUITABLE = frozenset(
    (
        *("uuid", "oid", "name", "json", "xml", "bytea", "money", "bit", "bit varying", "tsvector", "tsquery"),
        *("character", "bpchar", '"char"', "interval", "time with time zone", "timestamp without time zone"),
        *("inet", "cidr", "macaddr", "macaddr8"),
        *("point", "line", "lseg", "box", "path", "polygon", "circle"),
        *(f"{of}range" for of in ("date", "ts", "tstz", "num", "int4", "int8")),
        *(f"{of}multirange" for of in ("date", "ts", "tstz", "num", "int4", "int8")),
    )
)
"""Types of PostgreSQL's own that keep the values of no board column as they are."""

WITH_TIME = "date with time"
HARD = {
    "board_relation": "relations",
    "mirror": "mirrors",
    "formula": "formulas",
    "dependency": "dependencies",
    "file": "files",
    "doc": "files",
    "direct_doc": "files",
}
"""Types of board columns that a user decides about, with the word that `--auto-reject` has for them."""

READ_AS = {"people": NAMED_PEOPLE}
"""Types that a deployed mapping reads in another way than a mapping made by hand: its `as`."""

LABELLED = ("status", "dropdown")


class TypeMap(Struct, frozen=True):
    """Holds the types of table columns: by type of board column, and by board and column."""

    types: Mapping[str, str]
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    shipped: Mapping[str, str] = field(default_factory=dict)

    def of(self, board_id: str, column: BoardColumn, with_time: bool = False) -> str:
        """Returns the type of the table column. A type unknown here is kept as the JSON that monday.com sends.

        Raises MappingError when a user's choice for this column cannot hold its values.
        """
        kind = WITH_TIME if with_time and column.type == "date" else column.type
        own = self.columns.get(board_id, {}).get(column.id)
        # the user has chosen for this column
        if own:
            return _suitable(f"column {column.id} of board {board_id}", own, instead_of(kind, self.shipped))
        return self._usual(self.types, kind)

    def suits(self, kind: str, sql_type: str) -> bool:
        """Says whether a table column can hold a kind of board column. A type that a user made may hold texts."""
        plain, usual = re.sub(r"\(.*?\)", "", sql_type), self._usual(self.shipped, kind)
        known = ALSO_CALLED.get(plain, plain)
        # type that deploys use
        if known in INSTEAD_OF or known in _NUMBERS:
            return known in instead_of(kind, self.shipped)
        # type that rounds numbers
        if known in ROUNDING:
            return usual == "numeric"
        # any other type
        return usual == "text" and known not in UNSUITABLE and not known.endswith("[]")

    def _usual(self, types: Mapping[str, str], kind: str) -> str:
        return types.get(kind) or column_type(kind).pg_type


class _File(NamedTuple):
    """Holds what a file of types says."""

    types: dict[str, str]
    columns: dict[str, dict[str, str]]


def load_types(home: Path) -> TypeMap:
    """Reads the shipped file, and over it the user's own. Raises MappingError for a type that cannot hold its kind."""
    shipped = _read(PROJECT / "mappings" / TYPES).types
    path = home / "mappings" / TYPES
    own = _read(path)
    for kind, sql_type in own.types.items():
        _suitable(f"{path}: {kind}", sql_type, instead_of(kind, shipped))
    return TypeMap({**shipped, **own.types}, own.columns, shipped)


def _read(path: Path) -> _File:
    """Returns `types` and `columns` of a file; both are empty when there is none."""
    given = read_plain(path) or {}
    types, columns = (
        (given.get(name) or {} for name in ("types", "columns")) if isinstance(given, dict) else (None, None)
    )
    if not isinstance(types, dict) or not isinstance(columns, dict) or given.keys() - {"types", "columns"}:
        raise MappingError(f"{path}: holds `types` and `columns`, and nothing else.")
    if odd := [board for board, own in columns.items() if not isinstance(own, dict)]:
        raise MappingError(f"{path}: board {odd[0]} must name columns with their types.")
    return _File(
        {str(kind): str(sql_type) for kind, sql_type in types.items()},
        {str(board): {str(column): str(name) for column, name in own.items()} for board, own in columns.items()},
    )


def instead_of(kind: str, shipped: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the types that can hold what a kind of board column shows."""
    about = column_type(kind)
    if about.computed and about.compare == "text":
        return SHOWN
    return INSTEAD_OF[shipped.get(kind) or about.pg_type]


def _suitable(what: str, sql_type: str, possible: tuple[str, ...]) -> str:
    if sql_type not in possible:
        raise MappingError(f"{what}: {sql_type!r} cannot hold it; one of {', '.join(possible)} can.")
    return sql_type


def labels_of(column: BoardColumn) -> dict[int, str]:
    """Returns the labels of a status or dropdown column by their ids, also those that are out of use."""
    if column.type not in LABELLED:
        return {}
    names = labels_in(column).names
    return {number: name for number, name in names.items() if isinstance(number, int) and name.strip()}
