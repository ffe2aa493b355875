"""Checks syncs of queries before they run: the query and its columns, the table, its fields and choices. It writes nothing.

What is wrong is told with file and line, all of it at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from db_connector import Database
from errors import SourceRefused
from mappings.query_syncs import QuerySync
from models import Value
from rows.queries import Reading, columns_of, question
from services.smartsuite.cells import cell_of, is_writable
from services.smartsuite.client import SmartSuite
from services.smartsuite.structure import Field, Table
from sync.operating.check import Seen, fault, note, warning
from sync.queries.compare import Keys, Row, key_text, known_columns, wrong_columns
from sync.queries.references import NAMED, References
from sync.queries.target import cell_in, unfit
from values.parsing import CellError
from values.wording import plural

KEYS = "select q.{key} from (\n{{}}\n) as q"
SCAN_S = 10.0
"""How long keys are read. A run looks at all of them; a check is not to hold up the others."""
DATE_FORMATS: dict[Any, Value] = {"datetime": datetime(2020, 1, 1)}


def wrong(sync: QuerySync, place: str, sentence: str, hint: str = "") -> Seen:
    """Says what is wrong with a sync, and where in its file."""
    return fault(f"{sync.at(place)}: {sentence}", hint or f"Correct {sync.at(place)}.", sync.name)


def of_query(sync: QuerySync, source: Reading) -> Iterator[Seen]:
    """Finds what the query lacks. No row is read. Raises SourceUnreachable."""
    try:
        names = columns_of(source, sync)
    except SourceRefused as exc:
        yield wrong(sync, "query", exc.message, exc.hint)
        return
    for place, sentence in wrong_columns(sync, names):
        yield wrong(sync, place, sentence, known_columns(names))
    if sync.updated_at_field and sync.updated_at_field not in names:
        yield wrong(
            sync, "updated_at_field", f"the query has no column {sync.updated_at_field!r}", known_columns(names)
        )


def of_keys(sync: QuerySync, source: Reading, seconds: float = SCAN_S) -> Iterator[Seen]:
    """Finds rows without a key, and keys that several rows have, by reading the keys as a run does, for so many seconds."""
    quote = "`" if source.is_mysql else '"'
    name = quote + sync.primary_key.replace(quote, quote * 2) + quote
    form = KEYS.format(key=name.replace("%", "%%").replace("{", "{{").replace("}", "}}"))
    ends_at, keys, rows, without, whole = time.monotonic() + seconds, Keys(), 0, 0, True
    for _, page in source.pages(*question(source, sync, None, form)):
        found = [text for row in page if (text := key_text(row[0]))]
        keys.add(found)
        rows, without = rows + len(page), without + len(page) - len(found)
        if time.monotonic() > ends_at:
            whole = False
            break
    seen = "" if whole else f" Of the first {plural(rows, 'row')}: {seconds:.0f} s allowed no more."
    if without:
        told = f"{plural(without, 'row')} without {sync.primary_key}, which are not written.{seen}"
        yield warning(told, f"Leave them out in the query: {sync.at('query')}.", sync.name)
    if twice := keys.surplus():
        told = f"{plural(twice, 'row')} with the {sync.primary_key} of another row; neither is written.{seen}"
        yield warning(told, f"Take a column that tells the rows apart: {sync.at('primary_key')}.", sync.name)
    if not without and not twice:
        yield note(f"{plural(rows, 'row')}, each with a key of its own{seen and f'.{seen}'}", affects=sync.name)


def count_rows(sync: QuerySync, source: Reading) -> int:
    """Returns how many rows the query has."""
    asked = question(source, sync, None, "select count(*) from (\n{}\n) as q")
    return int(next(iter(source.pages(*asked)))[1][0][0])


def of_table(sync: QuerySync, table: Table, suite: SmartSuite, database: Callable[[], Database]) -> Iterator[Seen]:
    """Finds what does not fit the table: fields, and values that are known from the file alone."""
    for place, sentence in unfit(sync, table):
        yield wrong(sync, place, sentence)
    for column, options in sync.transformations.items():
        field = table.find(sync.fields[column])
        if isinstance(field, Field) and is_writable(field) and isinstance(options, dict):
            yield from _of_change(sync, column, field, References(database, suite, {column: field}))


def _of_change(sync: QuerySync, column: str, field: Field, references: References) -> Iterator[Seen]:
    place, options = f"change:{column}", sync.transformations[column]
    # a number may be the key of a row, and so name its record
    sample = None if field.choices or field.kind in NAMED else _sample(options)
    if sample is not None and not _fits(field, sample):
        kind = "number" if isinstance(sample, Decimal) else "date"
        yield wrong(sync, place, f"{column}: a {kind} does not fit {field.label} ({field.kind})")
    rows = [Row(str(n), "", {column: value}) for n, value in enumerate(_known_values(sync, column, options))]
    references.resolve(rows)
    for row in rows:
        try:
            cell_in(row, column, field)
        except CellError as exc:
            yield wrong(sync, place, str(exc))
        for names in row.unlinked.values():
            told = f"{sync.at(place)}: {column} → {field.label}: no record of {', '.join(names)} yet"
            yield warning(told, "Such a row is linked when the record is there: run that table's sync.", sync.name)


def _fits(field: Field, value: Value) -> bool:
    try:
        cell_of(field, value)
    except CellError:
        return False
    return True


def _sample(options: dict[str, Any]) -> Value:
    """Returns a value as a change makes them; None where that says nothing."""
    if options.get("type") == "number":
        return Decimal(1)
    return DATE_FORMATS.get(options.get("format"), date(2020, 1, 1)) if options.get("type") == "date" else None


def _known_values(sync: QuerySync, column: str, options: dict[str, Any]) -> list[Value]:
    """Returns the values that a change can make, as far as the file names them, each once."""
    given = options.get("value_map") or options.get("map") or {}
    words: list[Value] = []
    for word, meaning in given.items() if isinstance(given, dict) else ():
        words += meaning if isinstance(meaning, list) else [word]
    if options.get("type") == "constant":
        words = [None]
    values = [options.get("default")] if "default" in options else []
    for word in words:
        try:
            values.append(sync.changes[column](word))
        except CellError:
            continue
    return list(dict.fromkeys(value for value in values if value is not None))
