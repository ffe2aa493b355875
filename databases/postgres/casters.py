"""Reads PostgreSQL's dates and times as Python's, and as text what Python has no exact value for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2 import extensions


def _or_text(read: Callable[[str, Any], Any]) -> Callable[[str | None, Any], Any]:
    """Leaves as text what Python's calendar does not have: infinity, years before Christ and beyond 9999."""

    def reader(text: str | None, cursor: Any) -> Any:
        if text is None or text.endswith(("infinity", "BC")):
            return text
        try:
            return read(text, cursor)
        except (ValueError, OverflowError, psycopg2.Error):
            return text

    return reader


def _as_written(text: str | None, cursor: Any) -> str | None:
    return text


def _time(text: str, cursor: Any) -> Any:
    # The end of the day is not its beginning.
    return text if text.startswith("24") else extensions.PYTIME(text, cursor)


AS_TEXT = {
    "UUID": (2950, 2951),
    "BYTEA": (17, 1001),
    # a month is no number of days
    "INTERVAL": (1186, 1187),
    "TIMETZ": (1266, 1270),
    **{"INT4RANGE": (3904, 3905), "NUMRANGE": (3906, 3907), "TSRANGE": (3908, 3909)},
    **{"TSTZRANGE": (3910, 3911), "DATERANGE": (3912, 3913), "INT8RANGE": (3926, 3927)},
}
"""Types that are read as PostgreSQL writes them, so that what is read can be written again: their ids, and their arrays'."""


def _casters() -> list[Any]:
    kinds = (
        ("DATE", extensions.PYDATE, (1082,), (1182,)),
        ("TIME", _time, (1083,), (1183,)),
        ("TIMESTAMP", extensions.PYDATETIME, (1114,), (1115,)),
        ("TIMESTAMPTZ", extensions.PYDATETIMETZ, (1184,), (1185,)),
    )
    casters = []
    for name, (oid, array_oid) in AS_TEXT.items():
        casters.append(extensions.new_type((oid,), name, _as_written))
        casters.append(extensions.new_array_type((array_oid,), name + "ARRAY", casters[-1]))
    for name, read, oids, array_oids in kinds:
        single = extensions.new_type(oids, name, _or_text(read))
        casters += [single, extensions.new_array_type(array_oids, name + "ARRAY", single)]
    return casters


CASTERS = _casters()

LISTS = frozenset(
    f"{kind}[]"
    for kind in (
        *(
            "text",
            "name",
            '"char"',
            "smallint",
            "integer",
            "bigint",
            "oid",
            "numeric",
            "real",
            "double precision",
            "boolean",
        ),
        *("json", "jsonb", "uuid", "bytea", "interval", "date", "inet", "cidr", "macaddr"),
        *("time without time zone", "time with time zone", "timestamp without time zone", "timestamp with time zone"),
        *("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"),
    )
)
"""Types of arrays, as `format_type` names them, that are read as lists; others, such as those of enums, as one text."""


def read_as(kind: str) -> str:
    """Returns the type as which a column is selected, so that its arrays are lists; "" for the column's own."""
    return "text[]" if kind.endswith("[]") and kind not in LISTS else ""
