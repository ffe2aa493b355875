"""Knows what was decided about columns in a deploy that did not finish, or whose files a user has kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from boards import registry
from boards.mapping_text import file_in, part_of
from boards.proposal import Proposal
from mappings.files import read_plain, yaml_of
from state import mapping_texts
from sync.parts import Parts


def decided_before(parts: Parts, entity: str, board_id: str) -> dict[str, tuple[str, str]]:
    """Returns what was decided about columns in a deploy that did not finish: column → decision, date."""
    found: dict[str, tuple[str, str]] = {}
    for tree in (
        read_plain(file_in(parts.settings.home, entity)),
        read_plain(part_of(parts.settings.home, entity)),
        _begun_elsewhere(parts, entity),
    ):
        tree = tree or {}
        if str((tree.get("board") or {}).get("id")) != board_id:
            continue  # no such file, or another board's
        for entry in tree.get("fields") or ():
            for decision in ("accepted", "rejected"):
                if decision in entry:
                    found[str(entry.get("column"))] = (decision, str(entry[decision]))
    return found


def _begun_elsewhere(parts: Parts, entity: str) -> Any:
    """Returns what a deploy that did not finish, perhaps of another home, has left in the database; None for nothing."""
    with parts.db.transaction(read_only=True) as tx:
        stored = mapping_texts.newest(tx, entity)
        if stored is None or stored.live or not registry.known(tx, entity):
            return None
    return yaml_of(stored.place, stored.text.encode())


def with_decisions(proposal: Proposal, decisions: Mapping[str, tuple[str, str]]) -> Proposal:
    """Returns the proposal with what has been decided: column → decision, date."""
    columns = [
        column.decide(*decisions[column.about.id]) if column.about.id in decisions else column
        for column in proposal.columns
    ]
    return replace(proposal, columns=tuple(columns))
