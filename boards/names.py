"""Names for tables and columns made from boards: as people wrote them, or in snake_case; the same board, the same names.

A name is given once and then stands in the mapping, so nothing here is asked again when a title changes its neighbour's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Set

from databases.postgres.names import shortened
from errors import SettingsError
from mappings.loader import TYPES
from values.parsing import clean_text

LONGEST_TABLE = 40
"""Names of staging tables, triggers and link tables are made of a table's."""

SYSTEM_COLUMNS = frozenset(("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"))
"""No table column may be called so."""

RESERVED = frozenset(
    """all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
    column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
    current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze from
    full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit localtime
    localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references returning
    right select session_user similar some symmetric system_user table tablesample then to trailing true union unique user
    using variadic verbose when where window with""".split()
)
"""Words that PostgreSQL does not take as a column's name without quotes."""

FACTS = {
    "item_id": "Item ID", "name": "Name", "group": "Group", "created_at": "Created at", "updated_at": "Updated at",
    "archived_at": "Archived at", "parent": "Parent item ID",
}  # fmt: skip
PLAIN_FACTS = {**{name: name for name in FACTS}, "parent": "parent_item_id"}


def facts(style: str) -> Mapping[str, str]:
    """What the columns are called that every deployed table has."""
    return FACTS if style == "exact" else PLAIN_FACTS


def column_names(titles: Mapping[str, str], style: str = "exact", taken: Iterable[str] = ()) -> dict[str, str]:
    """A name for each column (id → title) that no other has; `taken` are given already, to others.

    Of twins, the column whose id sorts first has the title, whatever their order on the board is; the others have
    their ids in their names.
    """
    used = {*facts(style).values(), *taken}
    names: dict[str, str] = {}
    for column in sorted(titles, key=lambda one: (len(one), one)):
        names[column] = free_name(titles[column], column, style, used)
        used.add(names[column])
    return {column: names[column] for column in titles}


def free_name(title: str, column: str, style: str, used: Set[str]) -> str:
    """The name of one column among names that are used."""
    plain = style == "plain"
    shown = snake_case(title) or snake_case(column) if plain else written(title)
    wanted = shortened(shown or column, column)
    if plain and wanted in RESERVED:
        wanted += "_"
    if wanted not in used and wanted not in SYSTEM_COLUMNS:
        return wanted
    with_id = shortened(f"{wanted}_{snake_case(column) or column}" if plain else f"{wanted} ({column})", f"{title} {column}")
    number = 2
    while with_id in used:
        with_id = shortened(f"{wanted}_{number}" if plain else f"{wanted} ({number})", f"{column} {number}")
        number += 1
    return with_id


def written(title: str) -> str:
    """A title as it is, without what no name can hold; nothing when it is blank."""
    text = clean_text(title)
    return text if text.strip() else ""


def snake_case(title: str) -> str:
    """`Done (100%)` → `done_100`. Accents go, other alphabets stay; what begins with a digit gets an underscore."""
    bare = unicodedata.normalize("NFKD", clean_text(title))
    text = "".join(char for char in bare if not unicodedata.combining(char))
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", text).lower()
    words = "_".join(re.findall(r"[^\W_]+", text))
    return f"_{words}" if words[:1].isdigit() else words


def sql_name(*names: str) -> str:
    """Names as `table` of a mapping takes them: quoted where PostgreSQL would read something else."""
    return ".".join(name if _needs_no_quotes(name) else '"' + name.replace('"', '""') + '"' for name in names if name)


def field_name(column: str) -> str:
    """A table column as `field` of a mapping takes it."""
    return '"' + column.replace('"', '""') + '"' if "." in column or '"' in column else column


def _needs_no_quotes(name: str) -> bool:
    return re.fullmatch(r"[a-z_][a-z0-9_]*", name) is not None and name not in RESERVED


def checked_entity(name: str) -> str:
    """A name for the command line and for files."""
    if not _can_be_entity(name):
        raise SettingsError(f"{name!r} is no name for an entity.", hint="Small letters, digits and _, 40 at most: planning")
    return name


def entity_of(title: str, board_id: str) -> str:
    """What a board is called on the command line when nobody says: its title, or its id when the title cannot be that."""
    name = snake_case(title)[:40].strip("_")
    return name if _can_be_entity(name) else f"board_{board_id}"


def _can_be_entity(name: str) -> bool:
    # The file of that name would be the one that says which column becomes which type.
    return re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) is not None and f"{name}.yaml" != TYPES


def checked_table(name: str) -> str:
    """A table's name without its schema."""
    text = written(name).strip()
    if not text or len(text.encode()) > LONGEST_TABLE:
        raise SettingsError(f"{name!r} is no name for a table.", hint=f"It has 1 to {LONGEST_TABLE} bytes.")
    return text
