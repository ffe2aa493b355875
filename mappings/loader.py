"""From mapping files to mappings: which files there are, what they declare, and what in them cannot be meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from errors import SettingsError
from mappings.declaration import ROOT, Binding, KeyPart, Mapping, NaturalKey, Place, Related
from mappings.files import Source, raise_mistakes, read_source
from mappings.named_transforms import make_transform
from mappings.transforms import Transform

KEY_PART = re.compile(r"(?:lower\((\w+)\)|(\w+))")
QUOTED_PART = re.compile(r'(?:^|(?<=\.))(?:"((?:[^"]|"")+)"|([^."]*))(?=\.|$)')

TYPES = "types.yaml"
"""Not a mapping: which kind of column becomes which kind of table column, for `boards deploy`."""


def load_mappings(folders: Iterable[Path]) -> dict[str, Mapping]:
    """All mappings by entity, in an order in which each comes after those it builds on.

    A file in a later folder replaces one of the same name in an earlier one. Raises MappingError with every mistake.
    """
    paths: dict[str, Path] = {}
    for folder in folders:
        paths.update({path.name: path for path in sorted(folder.glob("*.yaml")) if path.name != TYPES})
    sources = [read_source(path) for _, path in sorted(paths.items())]
    raise_mistakes(sources)
    found: dict[str, Mapping] = {}
    owners: dict[str, Source] = {}
    for source in sources:
        mapping = _Builder(source).build()
        if mapping.entity in found:
            source.say(source.tree, "entity", f"entity {mapping.entity!r} is also declared in {owners[mapping.entity].path}")
        found[mapping.entity] = mapping
        owners[mapping.entity] = source
    for entity, mapping in found.items():
        for other in mapping.after:
            if other not in found:
                owners[entity].say(owners[entity].tree, "after", f"no mapping declares the entity {other!r}")
    raise_mistakes(sources)
    return _in_order(found)


def build_mapping(source: Source) -> Mapping:
    """The mapping that one file declares; what cannot be meant is noted in the source."""
    return _Builder(source).build()


def load_mapping(path: Path) -> Mapping:
    """The mapping in one file. Raises MappingError with every mistake in it."""
    source = read_source(path)
    raise_mistakes([source])
    mapping = build_mapping(source)
    raise_mistakes([source])
    return mapping


def choose(mappings: dict[str, Mapping], entities: Iterable[str]) -> list[Mapping]:
    """The named mappings (all when none is named), in running order. Raises SettingsError for an unknown name."""
    wanted = set(entities)
    if unknown := sorted(wanted - mappings.keys()):
        raise SettingsError(
            f"Unknown entity: {', '.join(unknown)}.", hint=f"Known: {', '.join(mappings) or 'none'}."
        )
    return [mapping for entity, mapping in mappings.items() if not wanted or entity in wanted]


def _in_order(found: dict[str, Mapping]) -> dict[str, Mapping]:
    done: dict[str, Mapping] = {}
    left = dict(found)
    while left:
        ready = [name for name, one in left.items() if all(other in done for other in one.after)]
        for name in ready or list(left):
            done[name] = left.pop(name)
    return done


class _Builder:
    """Builds one Mapping, and notes in the source what cannot be meant."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tree = source.tree
        self.places: dict[str, Place] = {}

    def build(self) -> Mapping:
        tree = self.tree
        related = {str(name): self._related(str(name), one) for name, one in tree.get("related", {}).items()}
        self._check_related(related)
        bindings = [self._binding(one, related) for one in tree["fields"]]
        rejected = frozenset(column for binding, out in bindings for column in binding.columns if out)
        board, deletes, sync_id = tree["board"], tree.get("deletes", {}), tree.get("sync_id")
        if "id" not in board and "setting" not in board:
            self.source.say(tree, "board", "the board needs an `id`, a `setting`, or both")
        mapping = Mapping(
            entity=str(tree["entity"]),
            entity_type=str(tree.get("entity_type", tree["entity"])),
            title=str(tree.get("title", tree["entity"])),
            table=str(tree["table"]),
            board_id=str(board["id"]) if "id" in board else None,
            board_setting=board.get("setting"),
            bindings=tuple(binding for binding, out in bindings if not out),
            places=dict(self.places),
            related=related,
            direction=tree.get("direction", "bidirectional"),
            after=tuple(tree.get("after", ())),
            primary_key=tree.get("primary_key", "id"),
            item_key=tree.get("item_key", False),
            archived_column=tree.get("archived_column", None if "deployed" in tree else "archived_at"),
            updated_column=None if "deployed" in tree else "updated_at",
            deployed=str(tree["deployed"]) if "deployed" in tree else None,
            own_table=tree.get("own_table", False),
            subitems_of=tree.get("subitems_of"),
            only=dict(tree.get("only", {})),
            key=self._key(tree, "key", tree.get("key", ())),
            skip_without_key=tree.get("skip_without_key"),
            duplicate=str(tree.get("duplicate", "duplicate key")),
            match=tree.get("match"),
            owns=tuple(tree.get("owns", ())),
            record_settings=tree.get("record_settings", False),
            item_name=tuple(tree.get("item_name", ())),
            group=tree.get("group"),
            sync_id=(str(sync_id["id"]), str(sync_id.get("title", "Sync ID"))) if sync_id else None,
            conflict=tree.get("conflict"),
            on_item_removed=deletes.get("monday", "archive"),
            on_row_removed=deletes.get("postgres", "archive"),
            contract=tree.get("contract", "evolve"),
            rest=tree.get("rest"),
            rejected=rejected,
            path=str(self.source.path),
        )
        self._check_whole(mapping)
        return mapping

    def _related(self, name: str, tree: Any) -> Related:
        if ("via" in tree) == ("child" in tree):
            self.source.say(tree, None, f"related {name!r} needs either `via` or `child`")
        return Related(
            name=name,
            table=str(tree.get("table", name)),
            via=tree.get("via"),
            parent=str(tree.get("from", ROOT)),
            child=tree.get("child"),
            refs=dict(tree.get("refs", {})),
            keys=tuple(self._key(tree, "keys", key) for key in tree.get("keys", ())),
            without_key=tree.get("without_key", "own" if "child" in tree or not tree.get("keys") else "metadata"),
            needed_by=tuple(tree.get("needed_by", ())),
            key_changed=tree.get("key_changed", "relink"),
            new=dict(tree.get("new", {})),
            owned_by=tree.get("owned_by"),
        )

    def _check_related(self, related: dict[str, Related]) -> None:
        trees = self.tree.get("related", {})
        for name, one in related.items():
            for column, other in one.refs.items():
                if other not in related:
                    self.source.say(trees[name], "refs", f"{column!r} points at {other!r}, which is not a related row")
            for other in one.needed_by:
                if other not in related:
                    self.source.say(trees[name], "needed_by", f"{other!r} is not a related row")
            if one.parent != ROOT and one.parent not in related:
                self.source.say(trees[name], "from", f"{one.parent!r} is not a related row")
        if not self.source.mistakes and _goes_round(related):
            self.source.say(self.tree, "related", "related rows point at each other in a circle")

    def _key(self, where: Any, name: str, parts: Iterable[str]) -> NaturalKey:
        key = []
        for part in parts:
            match = KEY_PART.fullmatch(part)
            if match is None:
                self.source.say(where, name, f"{part!r} is neither a column nor lower(column)")
            else:
                key.append(KeyPart(match[1] or match[2], ignore_case=bool(match[1])))
        return tuple(key)

    def _binding(self, tree: Any, related: dict[str, Related]) -> tuple[Binding, bool]:
        columns = self._several(tree, "column", "columns")
        rejected = "rejected" in tree or "gone" in tree  # neither is fetched
        fields = () if rejected else self._several(tree, "field", "fields")
        for name in fields:
            self._note_place(tree, name, related)
        binding = Binding(
            columns=columns,
            fields=fields,
            transform=None if rejected else self._transform(tree, columns, fields),
            kind=tree.get("as"),
            read_only=tree.get("read_only"),
            conflict=tree.get("conflict"),
            create_labels=tree.get("create_labels", False),
            link_to=tree.get("link_to"),
        )
        return binding, rejected

    def _several(self, tree: Any, one: str, many: str) -> tuple[str, ...]:
        if (one in tree) == (many in tree):
            self.source.say(tree, None, f"a field needs either `{one}` or `{many}`")
        return (str(tree[one]),) if one in tree else tuple(str(value) for value in tree.get(many, ()))

    def _transform(self, tree: Any, columns: tuple[str, ...], fields: tuple[str, ...]) -> Transform | None:
        given = tree.get("transform")
        if given is None:
            if len(columns) > 1 or len(fields) > 1:
                self.source.say(tree, None, "several columns or fields need a transform")
            return None
        name, options = (given, {}) if isinstance(given, str) else next(iter(given.items()))
        try:
            return make_transform(str(name), dict(options or {}), columns=len(columns), fields=len(fields))
        except (ValueError, TypeError) as exc:
            self.source.say(tree, "transform", f"transform {name!r}: {exc}")
            return None

    def _note_place(self, tree: Any, name: str, related: dict[str, Related]) -> None:
        place = _place(name, related)
        if name in self.places:
            self.source.say(tree, None, f"field {name!r} is declared twice")
        if place is None:
            known = ", ".join(related) or "none"
            self.source.say(tree, None, f"field {name!r} names no related row (known: {known}) and no JSONB key")
        else:
            self.places[name] = place

    def _check_whole(self, mapping: Mapping) -> None:
        for name in mapping.item_name:
            if name not in mapping.places:
                self.source.say(self.tree, "item_name", f"{name!r} is not one of the fields")
        if mapping.match and mapping.match not in mapping.places:
            self.source.say(self.tree, "match", f"{mapping.match!r} is not one of the fields")
        columns = {place.column for place in mapping.places.values() if place.home == ROOT}
        for part in mapping.key:
            if part.column not in columns:
                self.source.say(self.tree, "key", f"no field fills the key's column {part.column!r}")


def column_of(name: str) -> str:
    """The root column in which a field lives."""
    place = _place(name, {})
    return place.column if place else name


def _place(name: str, related: dict[str, Related]) -> Place | None:
    """`email` and `metadata.phone` live in the root, `customer.email` and `partner.metadata.phone` in a related row."""
    parts = QUOTED_PART.findall(name)
    first, *rest = [quoted.replace('""', '"') or plain for quoted, plain in parts] or [""]
    if not first or "" in rest or ".".join(f'"{quoted}"' if quoted else plain for quoted, plain in parts) != name:
        return None
    if first in related:
        return Place(first, rest[0], ".".join(rest[1:]) or None) if rest else None
    return Place(ROOT, first, ".".join(rest) or None)


def _goes_round(related: dict[str, Related]) -> bool:
    done: set[str] = set()
    while len(done) < len(related):
        hung = {name: {one.name for one in related.values() if one.parent == name} for name in related}
        ready = {name for name, one in related.items() if name not in done and set(one.refs.values()) | hung[name] <= done}
        if not ready:
            return True
        done |= ready
    return False
