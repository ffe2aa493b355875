"""Reads `config/sync_mappings.yml`: which query fills which table of SmartSuite, and how values are changed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from errors import MappingError
from mappings.files import MappingFile, check_table, line_of, read_bytes, yaml_of
from mappings.query_grammar import DESTINATION, SOURCE, SYNC, SYNCS_FILE
from mappings.query_transforms import Change, change_of
from mappings.stored import at_line

FILE = Path("config") / "sync_mappings.yml"
HINT = "The keys and what they do: docs/smartsuite.md."


class QuerySync(Struct, frozen=True):
    """Holds one sync: the query, the key of its rows, and which column fills which field of which table."""

    name: str
    query: str
    primary_key: str
    table_id: str
    external_id_field: str
    fields: Mapping[str, str]
    """Column of the query → slug (or label) of the field."""
    changes: Mapping[str, Change] = field(default_factory=dict)
    """Column of the query → what becomes of its values on the way."""
    database: str = "mysql"
    on_conflict: str = "mysql"
    on_row_removed: str = "archive"
    on_record_removed: str = "hold"
    updated_at_field: str | None = None
    enabled: bool = True
    path: Path = FILE
    line: int = 1
    written: str = ""
    """What of its text decides over what is written: when it changes, all rows are compared anew."""
    has_functions: bool = False
    """Whether a function of the user's own changes values: what it does may change, and the file stay the same."""
    after: tuple[str, ...] = ()
    transformations: Mapping[str, Any] = field(default_factory=dict)
    """Column of the query → what the file says of its changes."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """Where its keys stand: `query`, `table_id`, ... and `field:COLUMN`, `change:COLUMN`."""

    def at(self, place: str = "") -> str:
        """Returns file and line of a key."""
        return at_line(self.path, self.lines.get(place, self.line))

    @property
    def entity(self) -> str:
        """Returns its name, by which runs tell it."""
        return self.name

    @property
    def entity_type(self) -> str:
        """Returns the type under which its log and its conflicts are kept."""
        return f"query:{self.name}"

    @property
    def turn(self) -> str:
        """Returns the name of the turn in which one process at a time works on it: the table that it fills."""
        return f"smartsuite:{self.table_id}"


def load_syncs(home: Path) -> dict[str, QuerySync]:
    """Returns the syncs of a home by name; none without a file. Raises MappingError that tells all mistakes."""
    found, mistakes = read_syncs(home)
    if mistakes:
        raise MappingError("\n".join(mistakes), hint=HINT)
    return found


def read_syncs(home: Path) -> tuple[dict[str, QuerySync], list[str]]:
    """Returns the syncs that can be checked further, and all mistakes, each with file and line.

    A sync with mistakes is one of them while it says what it reads and fills. Raises MappingError for no YAML.
    """
    path = home / FILE
    if not path.exists():
        return {}, []
    file = _read(path)
    found = _checked(file)
    mistakes = sorted(file.mistakes, key=lambda mistake: mistake.line)
    return found, [f"{at_line(path, mistake.line)}: {mistake.text}" for mistake in mistakes]


def choose_syncs(home: Path, names: tuple[str, ...] = ()) -> list[QuerySync]:
    """Returns the syncs of these names, or all that are enabled. Raises MappingError for a name that there is not."""
    syncs = load_syncs(home)
    for name in names:
        if name not in syncs:
            known = ", ".join(syncs) or f"none; {home / FILE} does not exist or is empty"
            raise MappingError(f"There is no sync {name!r}. There is: {known}.", hint=HINT)
        if not syncs[name].enabled:
            raise MappingError(f"{name} is switched off.", hint=f"Set `enabled: true` in {syncs[name].path}.")
    return [sync for sync in syncs.values() if (sync.name in names if names else sync.enabled)]


def _read(path: Path) -> MappingFile:
    tree = yaml_of(path, read_bytes(path))
    if not isinstance(tree, Mapping):
        raise MappingError(f"{path}:1: the file holds a list under `syncs:`", hint=HINT)
    file = MappingFile(path, tree)  # type: ignore[arg-type]
    check_table(file, file.tree, SYNCS_FILE)
    return file


def _checked(file: MappingFile) -> dict[str, QuerySync]:
    """Returns the syncs that can be checked further; what is wrong is noted in the file."""
    found: dict[str, QuerySync] = {}
    listed = file.tree.get("syncs")
    for place, tree in enumerate(listed if isinstance(listed, list) else ()):
        if not _says_what_it_does(file, tree):
            continue
        changes = _changes(file, tree)
        if tree["name"] in found:
            file.note(listed, place, f"two syncs have the name {tree['name']!r}")
            continue
        fields = [str(name) for name in tree["destination"]["field_mappings"].values()]
        if len(set(fields)) < len(fields):
            file.note(tree["destination"], "field_mappings", "two columns fill one field")
        found[tree["name"]] = _sync(file, tree, changes, place)
    return found


def _says_what_it_does(file: MappingFile, tree: Any) -> bool:
    """Tells whether a sync says what it reads and fills, so that the rest of it can be checked, too."""
    if not isinstance(tree, Mapping):
        return False
    parts = {"source": SOURCE, "destination": DESTINATION}
    if not all(isinstance(tree.get(name), Mapping) for name in parts):
        return False
    needed = {name: {key: rule for key, rule in keys.items() if rule.required} for name, keys in parts.items()}
    needed["source"]["database"] = SOURCE["database"]
    apart = MappingFile(file.path, file.tree)
    for table, keys in ((tree, {"name": SYNC["name"]}), *((tree[name], keys) for name, keys in needed.items())):
        check_table(apart, {name: table[name] for name in keys if name in table}, keys)
    return not apart.mistakes


def _changes(file: MappingFile, tree: Any) -> dict[str, Change]:
    changes: dict[str, Change] = {}
    given = tree.get("transformations") or {}
    if not isinstance(given, Mapping):
        return changes
    for column, options in given.items():
        if column not in tree["destination"]["field_mappings"]:
            file.note(given, column, f"`transformations` names the column {column!r}, which fills no field")
        if not isinstance(options, Mapping):
            file.note(given, column, f"the transformation of {column!r} must hold `type:` and its options")
            continue
        try:
            change = change_of(dict(options))
        except ValueError as exc:
            file.note(given, column, f"the transformation of {column!r}: {exc}")
        else:
            if column in tree["destination"]["field_mappings"]:
                changes[column] = change
    return changes


def _sync(file: MappingFile, tree: Any, changes: dict[str, Change], place: int) -> QuerySync:
    source, destination = tree["source"], tree["destination"]
    fields = {str(column): str(slug) for column, slug in destination["field_mappings"].items()}
    changed = {str(column): _plain(tree["transformations"][column]) for column in changes}
    # what waits for a user is looked at anew when the rule decides it
    rule = ["manual"] if destination.get("on_conflict") == "manual" else []
    return QuerySync(
        name=tree["name"],
        query=str(source["query"]),
        primary_key=source["primary_key"],
        table_id=destination["table_id"],
        external_id_field=destination["external_id_field"],
        fields=fields,
        changes=changes,
        database=source.get("database", "mysql"),
        on_conflict=destination.get("on_conflict", "mysql"),
        on_row_removed=destination.get("on_row_removed", "archive"),
        on_record_removed=destination.get("on_record_removed", "hold"),
        updated_at_field=source.get("updated_at_field"),
        enabled=tree.get("enabled", True),
        path=file.path,
        line=line_of(file.tree["syncs"], place),
        transformations=changed,
        lines=_lines(tree),
        has_functions=any(":" in str(options.get("type")) for options in changed.values() if isinstance(options, dict)),
        written=repr(
            (destination["table_id"], destination["external_id_field"], sorted(fields.items()), changed, *rule)
        ),
    )


def _lines(tree: Any) -> dict[str, int]:
    source, destination, changed = tree["source"], tree["destination"], tree.get("transformations")
    changed = changed if isinstance(changed, Mapping) else {}
    lines = {str(name): line_of(part, name) for part in (source, destination) for name in part}
    lines |= {f"field:{name}": line_of(destination["field_mappings"], name) for name in destination["field_mappings"]}
    return lines | {f"change:{name}": line_of(changed, name) for name in changed}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list) else value
