"""Keeps what mapping files hold as JSON, which is read many times faster than YAML: in `cache/mappings` of the home.

A kept tree is used only where nothing differs: the bytes of the file, the code that reads and checks it, the library,
Python. It is read only from a folder and a file that belong to this process's own user and that no other may write,
so that a mapping cannot be changed by those who may not change its file. Without such a folder nothing is kept.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import sys
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

log = logging.getLogger("monday_sync")

FOLDER = "mappings"
CODE = ("files.py", "grammar.py", "kept_trees.py", "loader.py")
"""What decides how a file is read and checked."""
MOST_BYTES = 8 << 20
READ_AS_IT_IS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Follows no link, and waits for no pipe."""
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH

Tree = dict[str, Any]


class KeptTrees:
    """Finds and keeps the trees of mapping files, one for each path. What goes wrong costs a reading of YAML, no more."""

    def __init__(self, cache: Path) -> None:
        self.home, self.folder = cache.parent, cache / FOLDER

    def find(self, path: Path, content: bytes) -> Tree | None:
        """Returns what was kept of a file with this content; None when there is nothing that can be trusted."""
        try:
            if not self._is_own(os.lstat(self.folder), stat.S_ISDIR):
                return None
            descriptor = os.open(self._place(path), READ_AS_IT_IS)
            with open(descriptor, "rb") as file:
                if not self._is_own(os.fstat(descriptor), stat.S_ISREG):
                    return None
                kept = file.read(MOST_BYTES)
        except OSError:
            return None
        head, _, body = kept.partition(b"\n")
        if not body or head.decode("ascii", "replace") != self._mark(content, body):
            return None
        try:
            tree = orjson.loads(body)
        except ValueError:
            return None
        return tree if isinstance(tree, dict) else None

    def keep(self, path: Path, content: bytes, tree: Tree) -> None:
        """Puts a tree in its place as a whole, if that can be done."""
        if not self.home.is_dir():  # nothing makes a home but a user
            return
        part = self._place(path).with_suffix(f".{os.getpid()}")
        try:
            body = orjson.dumps(tree)
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self.can_mark or not self._is_own(os.lstat(self.folder), stat.S_ISDIR):
                return
            part.unlink(missing_ok=True)  # of a process that was killed
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(self._mark(content, body).encode() + b"\n" + body)
            part.replace(self._place(path))
        except (OSError, TypeError) as exc:
            log.debug("The mapping in %s was not kept (%s).", path, exc)

    @cached_property
    def can_mark(self) -> bool:
        """Says whether the code that reads mappings can be told from another version of it."""
        return bool(self._code)

    def _place(self, path: Path) -> Path:
        # what the database holds has a path of its own, the same in every home
        name = hashlib.blake2b(os.fsencode(path), digest_size=12).hexdigest()
        return self.folder / f"{name}.json"

    def _mark(self, content: bytes, body: bytes) -> str:
        """Returns what stands before a kept tree: a sum over all that it depends on, and over itself."""
        if not self.can_mark:
            return ""
        parts = (self._code, hashlib.sha256(content).digest(), hashlib.sha256(body).digest())
        return hashlib.sha256(b"".join(parts)).hexdigest()

    @cached_property
    def _code(self) -> bytes:
        """Returns a sum over the code that reads mappings; empty when it cannot be read."""
        library = find_spec("ruamel.yaml")
        try:
            sources = [Path(__file__).with_name(name).read_bytes() for name in CODE]
            sources.append(Path(str(library.origin if library else None)).read_bytes())  # holds the library's version
        except OSError:
            return b""
        sums = b"".join(hashlib.sha256(source).digest() for source in sources)
        return hashlib.sha256(sums + repr(sys.version_info).encode()).digest()

    @staticmethod
    def _is_own(found: os.stat_result, kind: Any) -> bool:
        """Returns whether a folder or file belongs to this process's user, and no other user may write it."""
        if not hasattr(os, "geteuid"):
            return False
        return bool(kind(found.st_mode)) and found.st_uid == os.geteuid() and not found.st_mode & OTHERS_MAY_WRITE


def plain(value: Any) -> Any:
    """Returns a tree of YAML in plain values. Raises TypeError for what JSON would not give back as it was."""
    if value is None or type(value) in (bool, int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dict) and not getattr(value, "merge", None) and all(isinstance(key, str) for key in value):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    raise TypeError(f"a {type(value).__name__} is not kept")
