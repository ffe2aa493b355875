"""The door to YAML: reads mapping files, checks them against the grammar, and names every mistake with file and line."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

from errors import MappingError, NotWritten
from mappings.grammar import MAPPING, Key

HINT = "The keys and what they do: docs/mappings.md."


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong, and where."""

    line: int
    text: str


class Source:
    """A mapping file's content, with the line of everything in it."""

    def __init__(self, path: Path, tree: CommentedMap) -> None:
        self.path = path
        self.tree = tree
        self.mistakes: list[Mistake] = []

    def say(self, where: Any, name: Any, text: str) -> None:
        """Note a mistake at a key (or index) of a mapping (or list) of the file."""
        self.mistakes.append(Mistake(line_of(where, name), text))


def line_of(where: Any, name: Any = None) -> int:
    """The line, from 1, on which a key or element stands."""
    try:
        if isinstance(where, CommentedMap) and name is not None:
            return int(where.lc.key(name)[0]) + 1
        if isinstance(where, CommentedSeq) and name is not None:
            return int(where.lc.item(name)[0]) + 1
        return int(where.lc.line) + 1
    except (AttributeError, KeyError, TypeError):
        return 1


def read_source(path: Path) -> Source:
    """Parse one file. What is not YAML at all is a MappingError at once."""
    try:
        tree = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise MappingError(f"{path}: cannot be read ({exc.strerror}).", hint=HINT) from exc
    except UnicodeDecodeError as exc:
        raise MappingError(f"{path}: is not UTF-8.", hint=HINT) from exc
    except MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise MappingError(f"{path}:{line}: {exc.problem or exc.context}", hint="This is not valid YAML.") from exc
    except YAMLError as exc:
        raise MappingError(f"{path}: {exc}", hint="This is not valid YAML.") from exc
    source = Source(path, tree if isinstance(tree, CommentedMap) else CommentedMap())
    if not isinstance(tree, CommentedMap):
        source.mistakes.append(Mistake(1, "a mapping file holds keys and values"))
    else:
        _check_table(source, tree, MAPPING)
    return source


def read_plain(path: Path) -> Any:
    """The content of a YAML file that is no mapping; None when there is no such file."""
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, YAMLError) as exc:
        raise MappingError(f"{path}: {exc}", hint="This is not a YAML file that can be read.") from exc


class _Representer(RoundTripRepresenter):
    """Writes texts so that they are read as they were."""

    def text(self, text: str) -> ScalarNode:
        """A text; U+0085 is a line break to YAML, unless it is written as an escape."""
        style = '"' if "\x85" in text else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Representer.add_representer(str, _Representer.text)


def tree_text(tree: CommentedMap) -> str:
    """A mapping file's text, with the comments that it came with."""
    yaml = YAML(typ="rt")
    yaml.Representer = _Representer
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump(tree, text)
    return text.getvalue()


def write_text(path: Path, text: str) -> None:
    """Put a file in its place as a whole, or not at all."""
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


def raise_mistakes(sources: Iterable[Source]) -> None:
    """One MappingError with every mistake of all files, in order of their lines."""
    lines = [
        f"{source.path}:{mistake.line}: {mistake.text}"
        for source in sources
        for mistake in sorted(source.mistakes, key=lambda mistake: mistake.line)
    ]
    if lines:
        raise MappingError("\n".join(lines), hint=HINT)


def _check_table(source: Source, table: CommentedMap, keys: Mapping[str, Key]) -> None:
    for name in table:
        if name not in keys:
            source.say(table, name, f"unknown key {name!r}{_nearest(str(name), keys)}")
        else:
            _check_value(source, table, name, keys[name])
    for name, key in keys.items():
        if key.required and name not in table:
            source.say(table, None, f"{name!r} is missing")


def _nearest(name: str, keys: Mapping[str, Key]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, keys, n=1)
    return f"; did you mean {found[0]!r}?" if found else f"; known here: {', '.join(keys)}"


def _check_value(source: Source, table: CommentedMap, name: str, key: Key) -> None:
    value = table[name]
    if key.kind == "choice":
        if value not in key.choices:
            source.say(table, name, f"{name!r} is {value!r}; it must be one of {', '.join(key.choices)}")
    elif key.kind == "table":
        _check_nested(source, table, name, value, key)
    elif key.kind == "tables":
        if not isinstance(value, CommentedMap):
            source.say(table, name, f"{name!r} must hold names with keys of their own")
            return
        for inner in value:
            _check_nested(source, value, inner, value[inner], key)
    elif key.kind == "list":
        if not isinstance(value, CommentedSeq):
            source.say(table, name, f"{name!r} must be a list")
            return
        for index, element in enumerate(value):
            _check_nested(source, value, index, element, key)
    elif not _fits(key.kind, value):
        source.say(table, name, f"{name!r} must be {_EXPECTED[key.kind]}, not {value!r}")


def _check_nested(source: Source, where: Any, name: Any, value: Any, key: Key) -> None:
    if isinstance(value, CommentedMap):
        _check_table(source, value, key.inside)
    else:
        source.say(where, name, f"{name!r} must hold keys and values, not {value!r}")


_EXPECTED = {
    "text": "a text",
    "name": "a name of letters, digits and _",
    "sqlname": "a name",
    "id": "a board id, that is a number",
    "flag": "true or false",
    "texts": "a list of texts",
    "field": "a field such as email, customer.email or metadata.phone",
    "fields": "a list of fields",
    "names": "a list of `column: related`",
    "values": "a list of `column: value`",
    "key": "a list of columns such as [lower(email)]",
    "keys": "a list of keys such as [[lower(email)], [name, phone]]",
    "transform": "a transform's name, or its name with options",
}


def _fits(kind: str, value: Any) -> bool:
    def texts(values: Any) -> bool:
        return isinstance(values, list) and bool(values) and all(isinstance(one, str) and one for one in values)

    if kind == "text":
        return isinstance(value, str | int | float) and not isinstance(value, bool) or hasattr(value, "isoformat")
    if kind == "name":
        return isinstance(value, str) and value.replace(".", "_").isidentifier()
    if kind == "id":
        return isinstance(value, int | str) and not isinstance(value, bool) and str(value).isdigit()
    if kind == "flag":
        return isinstance(value, bool)
    if kind in ("texts", "fields", "key"):
        return texts(value)
    if kind == "keys":
        return isinstance(value, list) and bool(value) and all(texts(one) for one in value)
    if kind in ("field", "sqlname"):
        return isinstance(value, str) and bool(value)
    if kind == "transform":
        return isinstance(value, str) or isinstance(value, dict) and len(value) == 1
    return isinstance(value, dict)
