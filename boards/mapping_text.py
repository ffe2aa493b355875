"""Finds the text that counts of a deployed board's mapping: that of the database, or a file that a user has changed.

A file that is some version of the database's text is the tool's own copy: it never wins, and is brought up to date.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from boards import registry
from boards.drift import ADDED, EVOLVE, compare, known_columns
from db_connector import Database, Transaction
from errors import NotWritten
from mappings.declaration import Mapping
from mappings.files import MappingFile, raise_mistakes, read_mapping_file, write_text
from mappings.loader import checked, file_or_row
from mappings.stored import ROW, Stored
from models import Board
from state import mapping_texts
from state.values import drift_key, value_of

log = logging.getLogger("monday_sync")

SEEN_ON_BOARD = ("title", "type", "field", "labels", "gone")
"""What an entry says of a column as the table has it now."""


class Standing(Struct, frozen=True):
    """Holds the text that counts, its place in the home, and what the database holds."""

    path: Path
    source: MappingFile
    stored: Stored | None
    content: bytes | None
    """What the file in the home holds; None when there is none."""

    def is_as(self, stored: Stored | None) -> bool:
        """Says whether the database still holds what was found there."""
        return (stored and (stored.version, stored.live)) == (self.stored and (self.stored.version, self.stored.live))

    def mapping_of(self, mapping: Mapping) -> Mapping:
        """Returns a mapping with where its text stands."""
        source = self.source
        return replace(mapping, path=str(source.path), text=source.text, stored=self.stored, own_file=source.own)

    def refresh(self, text: str) -> None:
        """Brings the file of the home up to date. A file that a user has just written stays, and none is made."""
        if self.content is None or self.content == text.encode():
            return
        try:
            if self.path.read_bytes() == self.content:
                write_text(self.path, text)
        except (OSError, NotWritten) as exc:
            log.warning("%s is not up to date, the database is: %s", self.path, exc)


def file_in(home: Path, entity: str) -> Path:
    """Returns the place of a deployed board's mapping in a home."""
    return home / "mappings" / f"{entity}.yaml"


def part_of(home: Path, entity: str) -> Path:
    """Returns the path of the mapping of a deploy that is under way; no run reads it."""
    return file_in(home, entity).with_suffix(".deploying")


def standing_of(db: Database, mapping: Mapping, home: Path) -> Standing:
    """Returns what counts now: a process that loaded the mapping long ago may have missed a change."""
    path = file_in(home, mapping.entity) if mapping.path.startswith(ROW) else Path(mapping.path)
    # first the file: one that is written meanwhile holds what the database held before
    content = path.read_bytes() if path.exists() else None
    with db.transaction(read_only=True) as tx:
        stored = mapping_texts.newest(tx, mapping.entity)
    if content is None:
        source = read_mapping_file(*((stored.place, stored.text.encode()) if stored else (path,)))
        source.text = stored.text if stored else ""
    else:
        source = read_mapping_file(path, content)
        source = file_or_row(source, content, stored) if stored else source
    raise_mistakes([source])
    return Standing(path, source, stored, content)


def mapping_now(db: Database, mapping: Mapping, home: Path) -> Mapping:
    """Returns a mapping as the text that counts now has it."""
    standing = standing_of(db, mapping, home)
    return standing.mapping_of(checked(standing.source))


def whole_text(mapping: Mapping) -> str:
    """Returns the text that a mapping was built from."""
    return mapping.text or Path(mapping.path).read_text(encoding="utf-8-sig")


# Homes from before


def take_in(db: Database, mapping: Mapping, home: Path) -> bool:
    """Gives the database the mapping of a board that was deployed before mappings were kept there, once.

    Returns whether a run that was killed had left a newer text than the file's.
    """
    path = Path(mapping.path)
    if mapping.stored is not None or mapping.text or not path.exists():
        return False
    part = path.with_suffix(".drifting")
    with db.transaction() as tx:
        if mapping_texts.newest(tx, mapping.entity) is not None:
            return False
        left = part.exists() and (value_of(tx, drift_key(mapping.entity)) or {}).get("file") == _mark(path, part)
        text = (part if left else path).read_text(encoding="utf-8-sig")
        mapping_texts.write(tx, mapping.entity, path.read_text(encoding="utf-8-sig"), "import", _is_known(tx, mapping))
        mapping_texts.write(tx, mapping.entity, text, "import", _is_known(tx, mapping))
    part.unlink(missing_ok=True)
    return left


def _is_known(tx: Transaction, mapping: Mapping) -> bool:
    """Says whether a board is in the registry. Of one that is not, the file alone is read."""
    return bool(registry.known(tx, mapping.entity))


def _mark(path: Path, part: Path) -> str:
    """Returns the mark that such a run left of both files: it tells that the table is as the second says."""
    return hashlib.blake2b(path.read_bytes() + b"\0" + part.read_bytes(), digest_size=16).hexdigest()


# Writing


def keep(tx: Transaction, mapping: Mapping, standing: Standing, text: str) -> Mapping:
    """Makes a text the newest version, in the transaction that alters the table; returns its mapping.

    A file that had won is a version before it: from then on it is a copy.
    """
    live = _is_known(tx, mapping)
    if standing.source.own and standing.content is not None:
        mapping_texts.write(tx, mapping.entity, standing.content.decode("utf-8-sig"), "file", live)
    stored = mapping_texts.write(tx, mapping.entity, text, "drift", live)
    is_copied = standing.content is not None
    path = standing.path if is_copied else stored.place
    made = checked(read_mapping_file(path, text.encode()))
    return replace(made, path=str(path), text="" if is_copied else text, stored=stored)


def adopt(standing: Standing, board: Board, decided: bool) -> bool:
    """Takes over what another home has done already to the table, and a user's own file does not know yet.

    The tree of the file is changed in place. A column that is new on the board is taken over where the contract, or a
    user who `decided`, would have it made. Returns whether anything was taken over.
    """
    stored, tree = standing.stored, standing.source.tree
    if stored is None:
        return False
    mapping = checked(standing.source)
    theirs = read_mapping_file(stored.place, stored.text.encode()).tree
    mine, wants_new = known_columns(tree["fields"]), decided or mapping.contract == EVOLVE
    ahead = {drift.column for drift in compare(mine, board, mapping) if wants_new or drift.kind != ADDED}
    behind = {drift.column for drift in compare(known_columns(theirs["fields"]), board, mapping)}
    done = [entry for entry in theirs["fields"] if str(entry.get("column")) in ahead - behind]
    for entry in done:
        _take_over(tree["fields"], entry, is_new=str(entry["column"]) not in mine)
    return bool(done)


def _take_over(entries: list[Any], entry: Any, is_new: bool) -> None:
    """Gives entries what another says of its column; all else that a user's own says stays."""
    if is_new:
        entries.append(entry)
        return
    own = next(one for one in entries if str(one.get("column")) == str(entry["column"]))
    for key in SEEN_ON_BOARD:
        if key in entry:
            own[key] = entry[key]
        else:
            own.pop(key, None)
