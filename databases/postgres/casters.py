"""Reads PostgreSQL's dates and times as Python's."""

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


def _time(text: str, cursor: Any) -> Any:
    # The end of the day is not its beginning.
    return text if text.startswith("24") else extensions.PYTIME(text, cursor)


def _casters() -> list[Any]:
    kinds = (
        ("DATE", extensions.PYDATE, (1082,), (1182,)),
        ("TIME", _time, (1083, 1266), (1183, 1270)),
        ("TIMESTAMP", extensions.PYDATETIME, (1114,), (1115,)),
        ("TIMESTAMPTZ", extensions.PYDATETIMETZ, (1184,), (1185,)),
        ("INTERVAL", extensions.PYINTERVAL, (1186,), (1187,)),
    )
    casters = [extensions.new_array_type((2951,), "UUIDARRAY", extensions.UNICODE)]
    for name, read, oids, array_oids in kinds:
        single = extensions.new_type(oids, name, _or_text(read))
        casters += [single, extensions.new_array_type(array_oids, name + "ARRAY", single)]
    return casters


CASTERS = _casters()
