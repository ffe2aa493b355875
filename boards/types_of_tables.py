"""Which type of table column takes which type of board column: data that a user may lay over the shipped file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    "text": ("text",), "numeric": _NUMBERS, "integer": _NUMBERS, "bigint": _NUMBERS, "boolean": ("boolean", "text"),
    "date": _MOMENTS, "timestamptz": _MOMENTS, "time": ("time", "text"), "jsonb": ("jsonb",),
    "text[]": ("text[]", "jsonb"), "bigint[]": ("bigint[]",),
}  # fmt: skip
"""By the type that the shipped file has for a kind of board column: the types that keep its values so that they are equal
to what the board shows when they are read again."""

ALSO_CALLED = {
    "timestamp with time zone": "timestamptz", "time without time zone": "time", "character varying": "text",
    "character varying[]": "text[]",
}  # fmt: skip
ROUNDING = ("real", "double precision")
"""What these make of a number is compared as what it is, and is no edit of the row."""
UNSUITABLE = frozenset({
    "uuid", "interval", "time with time zone", "timestamp without time zone", "character", "bpchar",
    '"char"', "name", "json", "bytea", "money", "inet", "cidr", "macaddr", "macaddr8", "xml", "bit", "bit varying",
    "point", "line", "lseg", "box", "path", "polygon", "circle", "tsvector", "tsquery", "oid",
    *(f"{one}{kind}" for one in ("date", "ts", "tstz", "num", "int4", "int8") for kind in ("range", "multirange")),
})  # fmt: skip
"""Types of PostgreSQL's own that keep the values of no board column as they are."""

WITH_TIME = "date with time"
HARD = {
    "board_relation": "relations", "mirror": "mirrors", "formula": "formulas", "dependency": "dependencies",
    "file": "files", "doc": "files", "direct_doc": "files",
}  # fmt: skip
"""Types of board columns about which a person decides, by the word that `--auto-reject` has for them."""

READ_AS = {"people": NAMED_PEOPLE}
"""Types that are read otherwise than in a mapping made by hand: `as` in the mapping."""

LABELLED = ("status", "dropdown")


@dataclass(frozen=True)
class TypeMap:
    """By type of board column, and by board and column."""

    types: Mapping[str, str]
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    shipped: Mapping[str, str] = field(default_factory=dict)

    def of(self, board_id: str, column: BoardColumn, with_time: bool = False) -> str:
        """The type of the table column. A type of tomorrow is kept as the JSON it comes as.

        Raises MappingError when a user's choice for this column cannot hold its values.
        """
        kind = WITH_TIME if with_time and column.type == "date" else column.type
        own = self.columns.get(board_id, {}).get(column.id)
        if own:
            return _suitable(f"column {column.id} of board {board_id}", own, self._usual(self.shipped, kind))
        return self._usual(self.types, kind)

    def suits(self, kind: str, sql_type: str) -> bool:
        """Whether a table column can hold a kind of board column. A type unknown here, somebody's own, may hold texts."""
        plain, usual = re.sub(r"\(.*?\)", "", sql_type), self._usual(self.shipped, kind)
        known = ALSO_CALLED.get(plain, plain)
        if known in INSTEAD_OF or known in _NUMBERS:
            return known in INSTEAD_OF[usual]
        if known in ROUNDING:
            return usual == "numeric"
        return usual == "text" and known not in UNSUITABLE and not known.endswith("[]")

    def _usual(self, types: Mapping[str, str], kind: str) -> str:
        return types.get(kind) or column_type(kind).pg_type


def load_types(home: Path) -> TypeMap:
    """The shipped file, and over it the user's own. Raises MappingError for a type that is none, or cannot hold a kind."""
    shipped = _read(PROJECT / "mappings" / TYPES)["types"]
    path = home / "mappings" / TYPES
    own = _read(path)
    for kind, sql_type in own["types"].items():
        _suitable(f"{path}: {kind}", sql_type, shipped.get(kind) or column_type(kind).pg_type)
    return TypeMap({**shipped, **own["types"]}, own["columns"], shipped)


def _read(path: Path) -> dict[str, Any]:
    """`types` and `columns` of one file; both are empty when there is none."""
    given = read_plain(path) or {}
    types, columns = (given.get(name) or {} for name in ("types", "columns")) if isinstance(given, dict) else (None, None)
    if not isinstance(types, dict) or not isinstance(columns, dict) or given.keys() - {"types", "columns"}:
        raise MappingError(f"{path}: holds `types` and `columns`, and nothing else.")
    if odd := [board for board, own in columns.items() if not isinstance(own, dict)]:
        raise MappingError(f"{path}: board {odd[0]} must name columns with their types.")
    return {
        "types": {str(kind): str(sql_type) for kind, sql_type in types.items()},
        "columns": {str(board): {str(one): str(name) for one, name in own.items()} for board, own in columns.items()},
    }


def _suitable(what: str, sql_type: str, shipped: str) -> str:
    if sql_type not in INSTEAD_OF[shipped]:
        raise MappingError(f"{what}: {sql_type!r} cannot hold it; one of {', '.join(INSTEAD_OF[shipped])} can.")
    return sql_type


def labels_of(column: BoardColumn) -> dict[int, str]:
    """The labels of a status or dropdown column by their ids, also those that are out of use."""
    if column.type not in LABELLED:
        return {}
    names = labels_in(column).names
    return {number: name for number, name in names.items() if isinstance(number, int) and name.strip()}
