"""Holds the plan of the house: which rooms there are, which may import which, and how large a part may grow.

`FLOORS` is the map that docs/architecture.md shows. An import may only point to a lower floor; an import for types alone and
one inside a function count like any other.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.kit.shipped import PROJECT

FLOORS = (
    ("errors", "models", "timing", "config"),
    ("settings", "data_cache", "values", "databases"),
    ("db_connector", "mappings", "services", "terminal"),
    ("rows", "state", "monday_api"),
    ("sync", "webhook_handler"),
    (
        *("sync_monday_to_pg", "sync_pg_to_monday", "sync_mysql_to_smartsuite"),
        *("boards", "realtime", "commands", "web", "jobs"),
    ),
    ("main",),
)
"""Rooms and root modules from the ground up."""

FLOOR = {room: number for number, floor in enumerate(FLOORS, 1) for room in floor}
BESIDE = ("benchmarks", "sandbox", "tests")
"""Programs of their own: no room imports them."""

DOORS = {
    "celery": ("jobs/",),
    "kombu": ("jobs/",),
    "apprise": ("services/channels.py",),
    "requests": ("monday_api.py", "services/"),
    "psycopg2": ("db_connector.py", "databases/postgres/"),
    "pymysql": ("databases/mysql/",),
    "flask": ("webhook_handler.py", "web/"),
    "flask_bootstrap": ("web/",),
    "waitress": ("terminal/web_server.py",),
    "schedule": ("realtime/scheduler.py",),
    "prometheus_client": ("terminal/counting.py",),
    "jwt": ("services/monday/webhook_signatures.py",),
    "dotenv": ("config/env_file.py",),
    "rich": ("terminal/",),
    "ruamel": ("mappings/", "boards/"),
    "jinja2": ("boards/scripts.py",),
    "usaddress": ("values/address_words.py",),
    "psutil": ("databases/postgres/",),
}
"""Which files may import a library."""

MOST_MODULES, MOST_FOLDERS = 12, 20
LONGEST_MODULE, LONGEST_CLASS, LONGEST_FUNCTION = 400, 300, 40
MOST_METHODS, MOST_PARAMETERS, MOST_SKIPS = 20, 6, 15
TABLES = {"schema.sql"}
"""Files whose content is a table."""


@cache
def files() -> tuple[Path, ...]:
    """Returns every Python file of the project, without what is installed or made."""
    made = {".venv", "data", "logs", "cache", "generated", "__pycache__"}
    found = (path.relative_to(PROJECT) for path in PROJECT.rglob("*.py"))
    return tuple(sorted(path for path in found if not made.intersection(path.parts)))


@cache
def tree_of(path: Path) -> ast.Module:
    """Returns the syntax tree of a file."""
    return ast.parse((PROJECT / path).read_text(encoding="utf-8"))


def room_of(path: Path) -> str:
    """Returns the folder at the root that a file stands in, or the name of a module at the root."""
    return path.parts[0].removesuffix(".py")


def rooms() -> list[Path]:
    """Returns the files of the tool itself."""
    return [path for path in files() if room_of(path) not in BESIDE]


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (line, module) of each import in a file, of those inside functions and `if TYPE_CHECKING` too."""
    here = list(path.with_suffix("").parts)
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level] if node.level else []
            module = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def file_of(module: str) -> Path | None:
    """Returns the file that a dotted name stands for, or a file that it names something of."""
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        for name in (Path(*parts[:end]).with_suffix(".py"), Path(*parts[:end], "__init__.py")):
            if (PROJECT / name).is_file():
                return name
    return None


def arrows() -> Iterator[tuple[Path, int, Path]]:
    """Yields (file, line, file) of each import of one file of the project by another."""
    for path in files():
        for line, module in imports_of(path):
            target = file_of(module)
            if target is not None and target != path:
                yield path, line, target


def test_every_import_between_rooms_points_down():
    up = [
        f"{path}:{line} (floor {FLOOR[room_of(path)]}) imports {target} (floor {FLOOR[room_of(target)]})"
        for path, line, target in arrows()
        if room_of(path) in FLOOR
        and room_of(target) in FLOOR
        and room_of(path) != room_of(target)
        and FLOOR[room_of(target)] >= FLOOR[room_of(path)]
    ]
    assert not up, "\n".join(["these imports do not point down:", *up])


def test_no_file_of_the_tool_imports_the_programs_beside_it():
    found = [
        f"{path}:{line} imports {target}"
        for path, line, target in arrows()
        if room_of(path) not in BESIDE and room_of(target) in BESIDE
    ]
    assert not found, "\n".join(found)


def test_the_sandbox_imports_nothing_of_the_tool():
    found = [
        f"{path}:{line} imports {target}"
        for path, line, target in arrows()
        if room_of(path) == "sandbox" and room_of(target) != "sandbox"
    ]
    assert not found, "\n".join(found)


def test_no_files_import_each_other_in_a_circle():
    graph: dict[Path, set[Path]] = {path: set() for path in files()}
    for path, _, target in arrows():
        graph[path].add(target)
    # What no other file of the rest imports, or what imports none of the rest, is part of no circle.
    while leaves := [path for path, targets in graph.items() if not targets & graph.keys()]:
        for path in leaves:
            del graph[path]
    while tops := [path for path in graph if not any(path in targets for targets in graph.values())]:
        for path in tops:
            del graph[path]
    circle = [f"{path} -> {target}" for path, targets in graph.items() for target in sorted(targets & graph.keys())]
    assert not circle, "\n".join(["these imports form a circle:", *circle])


def test_every_room_stands_on_a_floor():
    there = {room_of(path) for path in rooms()}
    assert there == set(FLOOR)


def test_the_root_is_small():
    modules = [path.name for path in files() if len(path.parts) == 1]
    folders = [path.name for path in PROJECT.iterdir() if path.is_dir() and path.name in tracked_folders()]
    assert len(modules) <= MOST_MODULES, modules
    assert len(folders) <= MOST_FOLDERS, folders
    assert len(FLOORS) <= 7


def tracked_folders() -> set[str]:
    """Returns the folders that belong to the project: all but what git is told to pass over."""
    passed_over = {line.strip("/\n") for line in (PROJECT / ".gitignore").read_text(encoding="utf-8").splitlines()}
    return {path.name for path in PROJECT.iterdir() if path.is_dir() and path.name not in passed_over} - {".git"}


def test_the_page_on_the_architecture_shows_these_floors():
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| (\d) \| (.*?) \|", page, re.MULTILINE)
    found = {int(number): set(re.findall(r"`([\w.]+)/?`", names)) for number, names in shown}
    wanted = {
        number: {room if (PROJECT / room).is_dir() else f"{room}.py" for room in floor}
        for number, floor in enumerate(FLOORS, 1)
    }
    assert found == wanted


@pytest.mark.parametrize("library", sorted(DOORS))
def test_a_library_has_one_door(library):
    users = {str(path) for path in rooms() for _, module in imports_of(path) if module.split(".")[0] == library}
    assert users, f"nothing imports {library}: take it out of the table, and out of requirements.txt"
    assert not [user for user in users if not user.startswith(DOORS[library])]


def test_no_module_is_longer_than_a_person_reads():
    long = {str(path): count for path in files() if (count := length_of(path)) > LONGEST_MODULE}
    assert not {name: count for name, count in long.items() if name not in TABLES}


def length_of(path: Path) -> int:
    """Returns how many lines a file has."""
    return len((PROJECT / path).read_text(encoding="utf-8").splitlines())


def test_no_class_does_too_much():
    large = []
    for path in files():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                methods = sum(isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)) for part in node.body)
                if methods > MOST_METHODS or lines_of(node) > LONGEST_CLASS:
                    large.append(f"{path}:{node.lineno} {node.name}: {methods} methods, {lines_of(node)} lines")
    assert not large, "\n".join(large)


def lines_of(node: ast.AST) -> int:
    """Returns how many lines a definition has, its decorators not counted."""
    return (getattr(node, "end_lineno", 0) or 0) - getattr(node, "lineno", 0) + 1


def functions() -> Iterator[tuple[Path, ast.FunctionDef]]:
    """Yields each function and method of the project with its file."""
    for path in files():
        yield from ((path, node) for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef))


def test_no_function_is_long():
    long = [
        f"{path}:{node.lineno} {node.name}: {lines_of(node)} lines"
        for path, node in functions()
        if lines_of(node) > LONGEST_FUNCTION
    ]
    assert not long, "\n".join(long)


def test_no_function_takes_many_parameters():
    many = []
    for path, node in functions():
        names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        count = len(names) - (names[:1] in (["self"], ["cls"]))
        if count > MOST_PARAMETERS and not declares_options(node) and not is_a_resolver(path) and not is_a_test(path):
            many.append(f"{path}:{node.lineno} {node.name}: {count} parameters")
    assert not many, "\n".join(many)


def declares_options(node: ast.FunctionDef) -> bool:
    """Tells whether the parameters are the declared options of a command."""
    words = ("option", "argument", "command")
    return any(word in ast.unparse(decorator) for decorator in node.decorator_list for word in words)


def is_a_resolver(path: Path) -> bool:
    """Tells whether the file's functions take what a GraphQL schema says."""
    return room_of(path) == "sandbox"


def is_a_test(path: Path) -> bool:
    """Tells whether parameters are fixtures and cases."""
    return path.name.startswith("test_") or path.name == "conftest.py"


def test_hardly_a_passage_is_exempt_from_the_usual_layout():
    skips = [
        f"{path}:{token.start[0]}"
        for path in files()
        for token in tokenize.generate_tokens(io.StringIO((PROJECT / path).read_text(encoding="utf-8")).readline)
        if token.type == tokenize.COMMENT and "fmt: skip" in token.string
    ]
    assert len(skips) <= MOST_SKIPS, "\n".join(skips)


def test_no_room_has_a_name_of_pythons_own():
    assert not set(FLOOR) & sys.stdlib_module_names


SECRET = re.compile(r"token|password|secret|api_key|environ|broker_url|database_url(?!_file)")


def test_what_is_named_like_a_secret_is_in_no_repr():
    shown = [f"{path}: {name}.{field}" for path, name, field in shown_fields() if SECRET.search(field)]
    assert not shown, "\n".join(["these are shown; let config.hiding.Hiding leave them out:", *shown])


def shown_fields() -> Iterator[tuple[Path, str, str]]:
    """Yields the fields of values that their repr shows."""
    for path in files():
        if room_of(path) in BESIDE:
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef) and {"Struct", "NamedTuple"} & {ast.unparse(base) for base in node.bases}:
                declared = [part for part in node.body if isinstance(part, ast.AnnAssign)]
                hidden = [ast.unparse(part) for part in declared if ast.unparse(part.target) == "HIDDEN"]
                for part in declared:
                    field = ast.unparse(part.target)
                    if f"'{field}'" not in "".join(hidden):
                        yield path, node.name, field
