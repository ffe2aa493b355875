"""Turns mapping files into mappings: finds the files, builds what each declares, and notes what cannot be meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from errors import MappingError, SettingsError
from mappings.declaration import ROOT, Binding, KeyPart, Mapping, NaturalKey, Place, Related
from mappings.files import MappingFile, raise_mistakes, read_bytes, read_mapping_file
from mappings.kept_trees import KeptTrees, Tree, plain
from mappings.named_transforms import make_transform
from mappings.stored import Stored
from mappings.transforms import Transform

if TYPE_CHECKING:
    from ruamel.yaml.comments import CommentedMap

KEY_PART = re.compile(r"(?:lower\((\w+)\)|(\w+))")
QUOTED_PART = re.compile(r'(?:^|(?<=\.))(?:"((?:[^"]|"")+)"|([^."]*))(?=\.|$)')

TYPES = "types.yaml"
"""Not a mapping: which kind of column becomes which kind of table column, for `boards deploy`."""


AS_WRITTEN = (
    "direction",
    "primary_key",
    "item_key",
    "own_table",
    "subitems_of",
    "skip_without_key",
    "match",
    "record_settings",
    "group",
    "conflict",
    "contract",
    "rest",
)
"""Keys of a file that a mapping takes over under the same name; where the file lacks one, the mapping has its default."""


def load_mappings(
    folders: Sequence[Path], kept: KeptTrees | None = None, stored: Iterable[Stored] = ()
) -> dict[str, Mapping]:
    """Loads all mappings by entity, in an order in which each comes after those it builds on.

    A file in a later folder replaces one of the same name in an earlier one. What the database holds (`stored`) replaces
    files but those of the last folder that differ from all its versions. Raises MappingError with every mistake.
    `kept` spares the reading of files that were read before.
    """
    paths: dict[str, Path] = {}
    for folder in folders:
        paths.update({path.name: path for path in sorted(folder.glob("*.yaml")) if path.name != TYPES})
    rows = {row.entity: row for row in stored}
    if kept is None:
        return _load(_read_all(paths, folders[-1], rows, read_mapping_file))
    try:
        return _load(_read_all(paths, folders[-1], rows, partial(_read_or_kept, kept)))
    except MappingError:
        # what is kept has no lines to name
        return _load(_read_all(paths, folders[-1], rows, read_mapping_file))


Read = Callable[[Path, bytes], MappingFile]


def _read_all(paths: dict[str, Path], own: Path, rows: dict[str, Stored], read: Read) -> list[MappingFile]:
    """Returns what counts of each mapping, in the order of their names. `own` is the folder of a user's files."""
    found: dict[str, MappingFile] = {}
    without_file = dict(rows)
    for name, path in paths.items():
        content = read_bytes(path)
        file = read(path, content)
        row = rows.get(str(file.tree.get("entity")))
        if row is not None:
            without_file.pop(row.entity, None)
            file = file_or_row(file, content, row, path.parent == own, read)
        found[name] = file
    found |= {f"{row.entity}.yaml": _read_row(row, read) for row in without_file.values()}
    return [file for _, file in sorted(found.items())]


def file_or_row(
    file: MappingFile, content: bytes, row: Stored, may_win: bool = True, read: Read = read_mapping_file
) -> MappingFile:
    """Returns which of both counts: the file, where it differs from every version of the row, else the row."""
    text = content.decode("utf-8", "replace")
    if not row.has_copy(text) and not may_win or row.has_copy(text) and not row.is_newest(text):
        return _read_row(row, read)
    file.stored, file.own = row, not row.has_copy(text)
    return file


def _read_row(row: Stored, read: Read = read_mapping_file) -> MappingFile:
    file = read(row.place, row.text.encode())
    file.stored, file.text = row, row.text
    return file


def _read_or_kept(kept: KeptTrees, path: Path, content: bytes) -> MappingFile:
    """Returns a file as it was kept; otherwise reads it, and keeps it if that makes no difference."""
    tree = kept.find(path, content)
    if tree is not None:
        return _without_lines(path, tree)
    file = read_mapping_file(path, content)
    if not file.mistakes:
        try:
            copy = _without_lines(path, plain(file.tree))
        except TypeError:
            return file
        made, again = build_mapping(MappingFile(path, file.tree)), build_mapping(copy)
        if made.fingerprint == again.fingerprint and not copy.mistakes:
            kept.keep(path, content, dict(copy.tree))
    return file


def _without_lines(path: Path, tree: Tree) -> MappingFile:
    """Returns a file by its content alone: mistakes that are noted in it stand on no line."""
    return MappingFile(path, cast("CommentedMap", tree))


def _load(files: Sequence[MappingFile]) -> dict[str, Mapping]:
    raise_mistakes(files)
    found: dict[str, Mapping] = {}
    declared_in: dict[str, MappingFile] = {}
    for file in files:
        mapping = build_mapping(file)
        if mapping.entity in found:
            first = declared_in[mapping.entity].path
            file.note(file.tree, "entity", f"entity {mapping.entity!r} is also declared in {first}")
        found[mapping.entity] = mapping
        declared_in[mapping.entity] = file
    for entity, mapping in found.items():
        for other in mapping.after:
            if other not in found:
                file = declared_in[entity]
                file.note(file.tree, "after", f"no mapping declares the entity {other!r}")
    raise_mistakes(files)
    return _in_order(found)


def build_mapping(file: MappingFile) -> Mapping:
    """Builds the mapping that one file declares, and notes in the file what cannot be meant."""
    return _Builder(file).build()


def load_mapping(path: Path) -> Mapping:
    """Loads the mapping in one file. Raises MappingError with every mistake in it."""
    return checked(read_mapping_file(path))


def checked(file: MappingFile) -> Mapping:
    """Returns the mapping that one file declares. Raises MappingError with every mistake in it."""
    raise_mistakes([file])
    mapping = build_mapping(file)
    raise_mistakes([file])
    return mapping


def read_again(mapping: Mapping) -> MappingFile:
    """Reads what a mapping was built from: with comments, and with the lines on which things stand."""
    return read_mapping_file(Path(mapping.path), mapping.text.encode() if mapping.text else None)


def choose(mappings: dict[str, Mapping], entities: Iterable[str]) -> list[Mapping]:
    """Returns the named mappings (all when none is named), in running order. Raises SettingsError for an unknown name."""
    wanted = set(entities)
    if unknown := sorted(wanted - mappings.keys()):
        known = ", ".join(mappings) or "none"
        raise SettingsError(f"Unknown entity: {', '.join(unknown)}.", hint=f"Known: {known}.")
    return [mapping for entity, mapping in mappings.items() if not wanted or entity in wanted]


def column_of(name: str) -> str:
    """Returns the root column in which a field stands."""
    place = _place(name, {})
    return place.column if place else name


def _in_order(found: dict[str, Mapping]) -> dict[str, Mapping]:
    done: dict[str, Mapping] = {}
    left = dict(found)
    while left:
        ready = [name for name, mapping in left.items() if all(other in done for other in mapping.after)]
        # Those that wait for each other come in the order of their files.
        for name in ready or list(left):
            done[name] = left.pop(name)
    return done


class _Builder:
    """Builds one Mapping, and notes in the file what cannot be meant."""

    def __init__(self, file: MappingFile) -> None:
        self.file = file
        self.tree = file.tree
        self.places: dict[str, Place] = {}

    def build(self) -> Mapping:
        tree = self.tree
        board, deletes = tree["board"], tree.get("deletes", {})
        sync_id, deployed = tree.get("sync_id"), "deployed" in tree
        related = {str(name): self._related(str(name), row) for name, row in tree.get("related", {}).items()}
        self._check_related(related)
        bindings = [self._binding(entry, related) for entry in tree["fields"]]
        mapping = Mapping(
            entity=str(tree["entity"]),
            entity_type=str(tree.get("entity_type", tree["entity"])),
            title=str(tree.get("title", tree["entity"])),
            table=str(tree["table"]),
            board_id=str(board["id"]) if "id" in board else None,
            board_setting=board.get("setting"),
            bindings=tuple(binding for binding, is_left_out in bindings if not is_left_out),
            rejected=frozenset(
                column for binding, is_left_out in bindings if is_left_out for column in binding.columns
            ),
            places=dict(self.places),
            related=related,
            after=tuple(tree.get("after", ())),
            archived_column=tree.get("archived_column", None if deployed else "archived_at"),
            updated_column=None if deployed else "updated_at",
            deployed=str(tree["deployed"]) if deployed else None,
            only=dict(tree.get("only", {})),
            key=self._key(tree, "key", tree.get("key", ())),
            duplicate=str(tree.get("duplicate", "duplicate key")),
            owns=tuple(tree.get("owns", ())),
            item_name=tuple(tree.get("item_name", ())),
            sync_id=(str(sync_id["id"]), str(sync_id.get("title", "Sync ID"))) if sync_id else None,
            on_item_removed=deletes.get("monday", "archive"),
            on_row_removed=deletes.get("postgres", "archive"),
            path=str(self.file.path),
            text=self.file.text,
            stored=self.file.stored,
            own_file=self.file.own,
            **{name: tree[name] for name in AS_WRITTEN if name in tree},
        )
        self._check_whole(mapping)
        return mapping

    def _related(self, name: str, tree: Any) -> Related:
        if ("via" in tree) == ("child" in tree):
            self.file.note(tree, None, f"related {name!r} needs either `via` or `child`")
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
        for name, row in related.items():
            for column, other in row.refs.items():
                if other not in related:
                    self.file.note(trees[name], "refs", f"{column!r} points at {other!r}, which is not a related row")
            for other in row.needed_by:
                if other not in related:
                    self.file.note(trees[name], "needed_by", f"{other!r} is not a related row")
            if row.parent != ROOT and row.parent not in related:
                self.file.note(trees[name], "from", f"{row.parent!r} is not a related row")
        if not self.file.mistakes and _is_circle(related):
            self.file.note(self.tree, "related", "related rows point at each other in a circle")

    def _key(self, where: Any, name: str, parts: Iterable[str]) -> NaturalKey:
        key = []
        for part in parts:
            match = KEY_PART.fullmatch(part)
            if match is None:
                self.file.note(where, name, f"{part!r} is neither a column nor lower(column)")
            else:
                key.append(KeyPart(match[1] or match[2], ignore_case=bool(match[1])))
        return tuple(key)

    def _binding(self, tree: Any, related: dict[str, Related]) -> tuple[Binding, bool]:
        """Returns a binding, and whether it is left out: its columns are not fetched."""
        columns = self._several(tree, "column", "columns")
        is_left_out = "rejected" in tree or "gone" in tree
        fields = () if is_left_out else self._several(tree, "field", "fields")
        for name in fields:
            self._note_place(tree, name, related)
        binding = Binding(
            columns=columns,
            fields=fields,
            transform=None if is_left_out else self._transform(tree, columns, fields),
            kind=tree.get("as"),
            read_only=tree.get("read_only"),
            conflict=tree.get("conflict"),
            create_labels=tree.get("create_labels", False),
            link_to=tree.get("link_to"),
        )
        return binding, is_left_out

    def _several(self, tree: Any, single: str, many: str) -> tuple[str, ...]:
        if (single in tree) == (many in tree):
            self.file.note(tree, None, f"a field needs either `{single}` or `{many}`")
        return (str(tree[single]),) if single in tree else tuple(str(value) for value in tree.get(many, ()))

    def _transform(self, tree: Any, columns: tuple[str, ...], fields: tuple[str, ...]) -> Transform | None:
        given = tree.get("transform")
        if given is None:
            if len(columns) > 1 or len(fields) > 1:
                self.file.note(tree, None, "several columns or fields need a transform")
            return None
        name, options = (given, {}) if isinstance(given, str) else next(iter(given.items()))
        try:
            return make_transform(str(name), dict(options or {}), columns=len(columns), fields=len(fields))
        except (ValueError, TypeError) as exc:
            self.file.note(tree, "transform", f"transform {name!r}: {exc}")
            return None

    def _note_place(self, tree: Any, name: str, related: dict[str, Related]) -> None:
        place = _place(name, related)
        if name in self.places:
            self.file.note(tree, None, f"field {name!r} is declared twice")
        if place is None:
            known = ", ".join(related) or "none"
            self.file.note(tree, None, f"field {name!r} names no related row (known: {known}) and no JSONB key")
        else:
            self.places[name] = place

    def _check_whole(self, mapping: Mapping) -> None:
        if mapping.board_id is None and "setting" not in self.tree["board"]:
            self.file.note(self.tree, "board", "the board needs an `id`, a `setting`, or both")
        for name in mapping.item_name:
            if name not in mapping.places:
                self.file.note(self.tree, "item_name", f"{name!r} is not one of the fields")
        if mapping.match and mapping.match not in mapping.places:
            self.file.note(self.tree, "match", f"{mapping.match!r} is not one of the fields")
        columns = {place.column for place in mapping.places.values() if place.home == ROOT}
        for part in mapping.key:
            if part.column not in columns:
                self.file.note(self.tree, "key", f"no field fills the key's column {part.column!r}")


def _place(name: str, related: dict[str, Related]) -> Place | None:
    """Returns where a field stands; None for a name that is no place.

    `email` and `metadata.phone` live in the root, `customer.email` and `partner.metadata.phone` in a related row.
    """
    parts = QUOTED_PART.findall(name)
    first, *rest = [quoted.replace('""', '"') or plain for quoted, plain in parts] or [""]
    # an empty part, or text outside of all parts
    if not first or "" in rest or ".".join(f'"{quoted}"' if quoted else plain for quoted, plain in parts) != name:
        return None
    # a related row, with a column
    if first in related:
        return Place(first, rest[0], ".".join(rest[1:]) or None) if rest else None
    return Place(ROOT, first, ".".join(rest) or None)


def _is_circle(related: dict[str, Related]) -> bool:
    below = {name: {other.name for other in related.values() if other.parent == name} for name in related}
    needs = {name: set(row.refs.values()) | below[name] for name, row in related.items()}
    done: set[str] = set()
    while len(done) < len(related):
        ready = {name for name in related if name not in done and needs[name] <= done}
        if not ready:
            return True
        done |= ready
    return False
