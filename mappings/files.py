"""Reads and writes YAML: checks mapping files against the grammar, and names every mistake with file and line."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from errors import MappingError, NotWritten
from mappings.grammar import MAPPING, SHAPES, Key
from mappings.stored import Stored, at_line

if TYPE_CHECKING:
    # Imported where it is used: most runs read what was kept of the files.
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.nodes import ScalarNode

HINT = "The keys and what they do: docs/mappings.md."


class Mistake(Struct, frozen=True):
    """Says what is wrong, and where."""

    line: int
    text: str


class MappingFile:
    """Holds a mapping's content, and the mistakes found in it so far.

    `text`: what was read instead of a file. `stored`: what the database holds of it; `own`: the file wins over that.
    """

    def __init__(self, path: Path, tree: CommentedMap, stored: Stored | None = None, text: str = "") -> None:
        self.path = path
        self.tree = tree
        self.stored, self.text, self.own = stored, text, False
        self.mistakes: list[Mistake] = []

    def note(self, where: Any, name: Any, text: str) -> None:
        """Adds a mistake at a key (or index) of a mapping (or list) of the file."""
        self.mistakes.append(Mistake(line_of(where, name), text))


def line_of(where: Any, name: Any = None) -> int:
    """Returns the line, from 1, on which a key or element stands."""
    try:
        if isinstance(where, dict) and name is not None:
            return int(where.lc.key(name)[0]) + 1  # type: ignore[attr-defined]
        if isinstance(where, list) and name is not None:
            return int(where.lc.item(name)[0]) + 1  # type: ignore[attr-defined]
        return int(where.lc.line) + 1
    except (AttributeError, KeyError, TypeError):
        return 1


def read_bytes(path: Path) -> bytes:
    """Returns the content of a mapping file."""
    try:
        return path.read_bytes()
    except OSError as exc:
        raise MappingError(f"{path}: cannot be read ({exc.strerror}).", hint=HINT) from exc


def yaml_of(path: Path, content: bytes) -> Any:
    """Returns the tree of a YAML file, which knows its lines. Raises MappingError for what is no YAML."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        # line ends as a file that is opened as text has them
        return YAML(typ="rt").load(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig").read())
    except UnicodeDecodeError as exc:
        raise MappingError(f"{path}: is not UTF-8.", hint=HINT) from exc
    except MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise MappingError(
            f"{at_line(path, line)}: {exc.problem or exc.context}", hint="This is not valid YAML."
        ) from exc
    except YAMLError as exc:
        raise MappingError(f"{path}: {exc}", hint="This is not valid YAML.") from exc


def read_mapping_file(path: Path, content: bytes | None = None) -> MappingFile:
    """Reads and checks one file. Raises MappingError for what is not YAML at all."""
    from ruamel.yaml.comments import CommentedMap

    tree = yaml_of(path, read_bytes(path) if content is None else content)
    file = MappingFile(path, tree if isinstance(tree, CommentedMap) else CommentedMap())
    if isinstance(tree, CommentedMap):
        check_table(file, tree, MAPPING)
    else:
        file.mistakes.append(Mistake(1, "a mapping file holds keys and values"))
    return file


def read_plain(path: Path) -> Any:
    """Returns the content of a YAML file that is no mapping; None when there is no such file."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, YAMLError) as exc:
        raise MappingError(f"{path}: {exc}", hint="This is not a YAML file that can be read.") from exc


def _writer() -> YAML:
    """Makes what writes texts so that they are read as they were."""
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RoundTripRepresenter

    class Representer(RoundTripRepresenter):
        """Writes texts."""

        def text(self, text: str) -> ScalarNode:
            """Returns the node of a text."""
            # U+0085 is a line break to YAML, unless it is written as an escape.
            style = '"' if "\x85" in text else None
            return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Representer.add_representer(str, Representer.text)
    yaml = YAML(typ="rt")
    yaml.Representer = Representer
    return yaml


def tree_text(tree: CommentedMap) -> str:
    """Returns a mapping file's text, with the comments that it came with."""
    yaml = _writer()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump(tree, text)
    return text.getvalue()


def write_text(path: Path, text: str) -> None:
    """Puts a file in its place as a whole, or not at all. Raises NotWritten."""
    part = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except OSError as exc:
        raise NotWritten(path, exc) from exc


def raise_mistakes(files: Iterable[MappingFile]) -> None:
    """Raises one MappingError with every mistake of all files, in order of their lines."""
    lines = [
        f"{at_line(file.path, mistake.line)}: {mistake.text}"
        for file in files
        for mistake in sorted(file.mistakes, key=lambda mistake: mistake.line)
    ]
    if lines:
        raise MappingError("\n".join(lines), hint=HINT)


# Checking


def check_table(file: MappingFile, table: dict[str, Any], keys: Mapping[str, Key]) -> None:
    for name in table:
        if name not in keys:
            file.note(table, name, f"unknown key {name!r}{_nearest(str(name), keys)}")
        else:
            _check_value(file, table, name, keys[name])
    for name, key in keys.items():
        if key.required and name not in table:
            file.note(table, None, f"{name!r} is missing")


def _nearest(name: str, keys: Mapping[str, Key]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, keys, n=1)
    return f"; did you mean {found[0]!r}?" if found else f"; known here: {', '.join(keys)}"


def _check_value(file: MappingFile, table: dict[str, Any], name: str, key: Key) -> None:
    value = table[name]
    if key.kind == "choice":
        if value not in key.choices:
            file.note(table, name, f"{name!r} is {value!r}; it must be one of {', '.join(key.choices)}")
    elif key.kind == "table":
        _check_nested(file, table, name, value, key)
    elif key.kind == "tables":
        if isinstance(value, dict):
            for inner in value:
                _check_nested(file, value, inner, value[inner], key)
        else:
            file.note(table, name, f"{name!r} must hold names with keys of their own")
    elif key.kind == "list":
        if isinstance(value, list):
            for index, element in enumerate(value):
                _check_nested(file, value, index, element, key)
        else:
            file.note(table, name, f"{name!r} must be a list")
    elif not SHAPES[key.kind].fits(value):
        file.note(table, name, f"{name!r} must be {SHAPES[key.kind].words}, not {value!r}")


def _check_nested(file: MappingFile, where: Any, name: Any, value: Any, key: Key) -> None:
    if isinstance(value, dict):
        check_table(file, value, key.inside)
    else:
        file.note(where, name, f"{name!r} must hold keys and values, not {value!r}")


def lines_of_columns(tree: CommentedMap) -> dict[str, int]:
    """Returns on which line of a mapping each board column is bound, and where `conflict` stands for all (name "")."""
    lines = {"": line_of(tree, "conflict")} if "conflict" in tree else {}
    for number, entry in enumerate(tree.get("fields") or ()):
        for column in entry.get("columns") or [entry.get("column")]:
            lines[str(column)] = line_of(tree["fields"], number)
    return lines
