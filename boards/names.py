"""Names tables and columns made from boards: as on the board, or in snake_case. The same board gives the same names.

A column gets its name once, and the mapping keeps it: a title that changes later does not change other columns' names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Set

from databases.postgres.names import quoted, shortened
from errors import SettingsError
from mappings.loader import TYPES
from values.parsing import clean_text

LONGEST_TABLE = 40
"""In bytes: the names of staging tables, triggers and link tables are longer, and contain the table's."""

SYSTEM_COLUMNS = frozenset(("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"))
"""Names that PostgreSQL keeps for columns of its own."""

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
    "item_id": "Item ID",
    "name": "Name",
    "group": "Group",
    "created_at": "Created at",
    "updated_at": "Updated at",
    "archived_at": "Archived at",
    "parent": "Parent item ID",
}
PLAIN_FACTS = {**{name: name for name in FACTS}, "parent": "parent_item_id"}


def facts(style: str) -> Mapping[str, str]:
    """Returns the names of the columns that every deployed table has."""
    return FACTS if style == "exact" else PLAIN_FACTS


def column_names(titles: Mapping[str, str], style: str = "exact", taken: Iterable[str] = ()) -> dict[str, str]:
    """Returns a name of its own for each column (id → title); other columns have the names in `taken`.

    Of columns with the same title, that with the first id gets the title, in whatever order they are on the board; the
    others get their ids into their names.
    """
    used = {*facts(style).values(), *taken}
    names: dict[str, str] = {}
    for column in sorted(titles, key=lambda column_id: (len(column_id), column_id)):
        names[column] = free_name(titles[column], column, style, used)
        used.add(names[column])
    return {column: names[column] for column in titles}


def free_name(title: str, column: str, style: str, used: Set[str]) -> str:
    """Returns a name for a column that is not among those used: its title, its title and id, or with a number."""
    plain = style == "plain"
    shown = snake_case(title) or snake_case(column) if plain else written(title)
    wanted = shortened(shown or column, column)
    # a word that needs quotes in SQL
    if plain and wanted in RESERVED:
        wanted += "_"
    if wanted not in used and wanted not in SYSTEM_COLUMNS:
        return wanted
    # taken: the column's id tells it from the other
    column_id = snake_case(column) or column if plain else column
    name = with_mark(wanted, column_id, style, f"{title} {column}")
    # taken as well: numbered
    number = 2
    while name in used:
        name = with_mark(wanted, str(number), style, f"{column} {number}")
        number += 1
    return name


def with_mark(name: str, mark: str, style: str, source: str) -> str:
    """Returns a name that ends in a mark: `Done (2)`, or `done_2`. A name that is too long is shortened after `source`."""
    return shortened(f"{name}_{mark}" if style == "plain" else f"{name} ({mark})", source)


def written(title: str) -> str:
    """Returns a title without the characters that no name can have; "" for a blank title."""
    text = clean_text(title)
    return text if text.strip() else ""


def snake_case(title: str) -> str:
    """Turns `Done (100%)` into `done_100`. Accents go, other alphabets stay; an underscore comes before a first digit."""
    bare = unicodedata.normalize("NFKD", clean_text(title))
    text = "".join(char for char in bare if not unicodedata.combining(char))
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", text).lower()
    words = "_".join(re.findall(r"[^\W_]+", text))
    return f"_{words}" if words[:1].isdigit() else words


def sql_name(*names: str) -> str:
    """Returns a name as `table` of a mapping has it: in quotes where PostgreSQL would read another name without them."""
    return ".".join(name if _needs_no_quotes(name) else quoted(name) for name in names if name)


def field_name(column: str) -> str:
    """Returns a table column as `field` of a mapping has it: in quotes when it has a dot, which would split it."""
    return quoted(column) if "." in column or '"' in column else column


def _needs_no_quotes(name: str) -> bool:
    return re.fullmatch(r"[a-z_][a-z0-9_]*", name) is not None and name not in RESERVED


def checked_entity(name: str) -> str:
    """Returns a name that suits the command line and files. Raises SettingsError for a name that does not."""
    if not _can_be_entity(name):
        raise SettingsError(
            f"{name!r} is no name for an entity.", hint="Small letters, digits and _, 40 at most: planning"
        )
    return name


def entity_of(title: str, board_id: str) -> str:
    """Returns the name of a board that gets none from the user: after its title, or after its id when no title fits."""
    name = snake_case(title)[:40].strip("_")
    return name if _can_be_entity(name) else f"board_{board_id}"


def _can_be_entity(name: str) -> bool:
    # A mapping of that name would be in the place of the file of types.
    return re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name) is not None and f"{name}.yaml" != TYPES


def checked_table(name: str) -> str:
    """Returns a table's name, without a schema. Raises SettingsError for a name that is blank or too long."""
    text = written(name).strip()
    if not text or len(text.encode()) > LONGEST_TABLE:
        raise SettingsError(f"{name!r} is no name for a table.", hint=f"It has 1 to {LONGEST_TABLE} bytes.")
    return text
