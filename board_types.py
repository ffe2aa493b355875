"""Which type of table column takes which type of board column: data that a user may lay over the shipped file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from column_types import NAMED_PEOPLE, column_type
from config import PROJECT
from errors import MappingError
from mapping_file import read_plain
from mapping_loader import TYPES
from models import BoardColumn

SQL_TYPES = (
    "text", "numeric", "integer", "bigint", "smallint", "double precision", "boolean", "date", "timestamptz", "time",
    "jsonb", "text[]", "bigint[]",
)  # fmt: skip
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

    def of(self, board_id: str, column: BoardColumn, with_time: bool = False) -> str:
        """The type of the table column. A type of tomorrow is kept as the JSON it comes as."""
        own = self.columns.get(board_id, {}).get(column.id)
        if own:
            return own
        if with_time and column.type == "date":
            return self.types.get(WITH_TIME, "timestamptz")
        return self.types.get(column.type) or column_type(column.type).pg_type


def load_types(home: Path) -> TypeMap:
    """The shipped file, and over it the user's own. Raises MappingError for a type that is none."""
    types: dict[str, str] = {}
    columns: dict[str, dict[str, str]] = {}
    for path in (PROJECT / "mappings" / TYPES, home / "mappings" / TYPES):
        given = read_plain(path) or {}
        if not isinstance(given, dict) or given.keys() - {"types", "columns"}:
            raise MappingError(f"{path}: holds `types` and `columns`, and nothing else.")
        types.update(_checked(path, given.get("types") or {}))
        for board, own in (given.get("columns") or {}).items():
            columns.setdefault(str(board), {}).update(_checked(path, own))
    return TypeMap(types, columns)


def _checked(path: Path, given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        raise MappingError(f"{path}: {given!r} must name types.")
    for name, sql_type in given.items():
        if sql_type not in SQL_TYPES:
            raise MappingError(f"{path}: {name}: {sql_type!r} is none of {', '.join(SQL_TYPES)}.")
    return {str(name): str(sql_type) for name, sql_type in given.items()}


def labels_of(column: BoardColumn) -> dict[int, str]:
    """The labels of a status or dropdown column by their ids, also those that are out of use."""
    from column_types import _labels

    if column.type not in LABELLED:
        return {}
    names = _labels(column).names
    return {number: name for number, name in names.items() if isinstance(number, int) and name.strip()}
