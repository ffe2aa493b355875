"""Takes a board out of the registry: the work of `boards remove`."""

from __future__ import annotations

from pathlib import Path

from boards import registry
from boards.mapping_text import file_in, mapping_now, whole_text
from mappings.files import write_text
from state import mapping_texts
from sync.parts import Parts


def remove_board(parts: Parts, name: str) -> tuple[registry.Entry, Path]:
    """Forgets a deployed board; returns what was known of it, and the file that holds its mapping from now on.

    The database keeps the versions of the text, but no run reads them there.
    """
    path, mapping = file_in(parts.settings.home, name), parts.mappings.get(name)
    with parts.db.transaction(read_only=True) as tx:
        registry.one_of(tx, name)
    if mapping is not None:
        text = whole_text(mapping_now(parts.db, mapping, parts.settings.home))
        if not mapping.own_file and (not path.exists() or path.read_text(encoding="utf-8-sig") != text):
            write_text(path, text)
    with parts.db.transaction() as tx:
        entry = registry.one_of(tx, name)
        registry.remove(tx, name)
        mapping_texts.set_live(tx, name, False)
    return entry, Path(mapping.path) if mapping is not None and not mapping.text else path
