"""Seals what cells were found to show: a later proof knows by the seal that the same cells show the base as it still is.

The seal is a hash of the cells, of the base as it is kept, and of what else decides how cells are read: the columns of the
board, the mapping, and the code. An edit of any of them breaks it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping as Map
from functools import cache

from mappings.declaration import Mapping
from models import Board, Value
from settings import PROJECT
from values.canonical import as_kept, dumps

CODE = ("mappings/*.py", "services/monday/cells/*.py", "values/*.py")
"""What decides how a cell is read."""


def key_of(board: Board, mapping: Mapping) -> bytes:
    """Returns what decides how the cells of a board are read, as the key of hashes."""
    columns = [(column.id, column.type, column.title, column.settings) for column in board.columns]
    facts = dumps((board.id, mapping.fingerprint, columns, _code()))
    return hashlib.blake2b(facts, digest_size=32).digest()


def seal_of(key: bytes, cells: str, base: bytes) -> str:
    """Returns the seal of cells (a hash of them) and of the base that they show, as it is kept."""
    return hashlib.blake2b(cells.encode() + base, key=key, digest_size=12).hexdigest()


def is_sealed(key: bytes, cells: str, base: Map[str, Value], seal: str) -> bool:
    """Returns whether these very cells were found to show this very base."""
    return seal_of(key, cells, as_kept(base)) == seal


@cache
def _code() -> list[tuple[str, int, int]]:
    """Returns what tells one state of the code from another."""
    files = [path for pattern in CODE for path in sorted(PROJECT.glob(pattern))]
    stats = [(path.name, path.stat()) for path in files]
    return [("", *sys.version_info[:2]), *((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)]
