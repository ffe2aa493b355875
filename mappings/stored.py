"""Says what the database holds of a mapping, and which file of a home is only a copy of it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import Protocol

from msgspec import Struct

ROW = "row of sync_mappings for "


class Stored(Struct, frozen=True):
    """Holds the newest text of a mapping in the database. `digests`: the sums of all its texts, of earlier versions too."""

    entity: str
    text: str
    version: int
    live: bool
    changed_at: datetime
    changed_by: str
    digests: Collection[str]

    @property
    def place(self) -> Path:
        """Returns what stands where a mapping from a file has its path."""
        return Path(f"{ROW}{self.entity}")

    def is_newest(self, text: str) -> bool:
        """Says whether a text is that of the newest version."""
        return digest_of(text) == digest_of(self.text)

    def has_copy(self, text: str) -> bool:
        """Says whether a text is that of some version: who has it has changed nothing."""
        return digest_of(text) in self.digests


class Placed(Protocol):
    """Says where a mapping stands."""

    @property
    def entity(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def stored(self) -> Stored | None: ...
    @property
    def own_file(self) -> bool: ...


def own_file_in_words(mapping: Placed) -> str:
    """Says that a file wins over what the database holds, and how that is ended; "" where none does."""
    if not mapping.own_file or mapping.stored is None:
        return ""
    return (
        f"{mapping.path} differs from version {mapping.stored.version} in the database, and wins in this home. "
        f"To have it everywhere: python main.py mapping import {mapping.path}"
    )


def digest_of(text: str) -> str:
    """Returns a sum over a text. Line ends and a mark of its encoding make no difference."""
    same = text.removeprefix("\ufeff").replace("\r\n", "\n")
    return hashlib.sha256(same.encode("utf-8", "surrogatepass")).hexdigest()


def at_line(path: Path | str, line: int) -> str:
    """Returns where a line of a mapping stands: in its file, or in the database."""
    return f"{path}, line {line}" if str(path).startswith(ROW) else f"{path}:{line}"
