"""Declares the commands that take mappings out of the database and into it: `mapping export`, `import`, `diff`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from errors import EXIT_IN_STEP, EXIT_LEFTOVERS, SettingsError
from terminal.commands import Example, json_option, prepared

if TYPE_CHECKING:
    from mappings.declaration import Mapping
    from mappings.files import MappingFile
    from mappings.stored import Stored
    from settings import Settings
    from sync.parts import Parts

BY_IMPORT = "mapping import"
DECIDED = ("field", "fields", "type")
"""What an entry says that the table was altered by."""


@click.command("export", cls=Example, example="mapping export --to exported")
@click.argument("entity", required=False)
@click.option(
    "--to", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write files there."
)
@click.option("--version", type=click.IntRange(min=1), metavar="N", help="Not the newest text, but this version.")
@click.option("--force", is_flag=True, help="Write over a file that somebody has changed.")
@json_option
def export(entity: str | None, folder: Path | None, version: int | None, force: bool, as_json: bool) -> None:
    """Write mappings of the database: one to stdout, or those asked for into a folder."""
    if folder is None and entity is None:
        raise SettingsError("Where to?", hint="Name a folder: python main.py mapping export --to exported")
    if version is not None and entity is None:
        raise SettingsError("--version is of one mapping.", hint="Name it: python main.py mapping export NAME")
    from sync.parts import open_parts

    with open_parts(prepared()) as parts:
        found = _wanted(parts, entity)
        texts = {stored.entity: _text(parts, stored, version) for stored in found}
    if folder is None:
        return _show_text(texts, as_json)
    written = [str(_written(folder, stored, texts[stored.entity], force)) for stored in found]
    if as_json:
        click.echo(json.dumps({"written": written}))
    for path in () if as_json else written:
        click.echo(f"Wrote {path}.")


def _show_text(texts: dict[str, str], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"mappings": [{"entity": name, "text": text} for name, text in texts.items()]}))
    else:
        click.echo("".join(texts.values()), nl=False)


def _wanted(parts: Parts, entity: str | None) -> list[Stored]:
    """Returns what the database holds of one entity, or of all. Raises SettingsError when it holds nothing of that one."""
    from state.mapping_texts import stored_mappings

    found = stored_mappings(parts.db)
    if entity is None:
        return found
    one = [stored for stored in found if stored.entity == entity]
    if not one:
        names = ", ".join(stored.entity for stored in found) or "none"
        raise SettingsError(f"The database has no mapping of {entity}.", hint=f"It has: {names}.")
    return one


def _text(parts: Parts, stored: Stored, version: int | None) -> str:
    from state.mapping_texts import text_of

    if version is None:
        return stored.text
    with parts.db.transaction(read_only=True) as tx:
        text = text_of(tx, stored.entity, version)
    if text is None:
        raise SettingsError(f"{stored.entity} has no version {version}.", hint=f"The newest is {stored.version}.")
    return text


def _written(folder: Path, stored: Stored, text: str, force: bool) -> Path:
    """Writes a file, and returns its path. Raises SettingsError when one is there that was changed."""
    from mappings.files import write_text

    path = folder / f"{stored.entity}.yaml"
    if path.exists() and not force and not stored.has_copy(path.read_text(encoding="utf-8-sig", errors="replace")):
        raise SettingsError(
            f"{path} is there, and is no version of what the database holds.",
            hint=f"python main.py mapping diff {path} shows how it differs; --force writes over it.",
        )
    write_text(path, text)
    return path


# import


@click.command("import", cls=Example, example="mapping import exported/planning.yaml")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Also where it takes back what was done to the table of a deployed board.")
@json_option
def import_(file: Path, force: bool, as_json: bool) -> None:
    """Put a mapping file into the database, for every home that works on it. Exit 2 when it cannot be meant."""
    settings = prepared()
    from mappings.files import read_mapping_file
    from mappings.loader import checked
    from state.mapping_texts import hold, write
    from sync.parts import open_parts

    source = read_mapping_file(file)
    mapping = checked(source)
    text = file.read_text(encoding="utf-8-sig")
    with open_parts(settings) as parts, parts.db.transaction() as tx:
        before = hold(tx, mapping.entity)
        if before is not None and not force:
            _refuse_taking_back(source, before)
        stored = write(tx, mapping.entity, text, BY_IMPORT)
        _check_together(settings, parts, stored)
    changed = before is None or not before.live or before.version != stored.version
    _show_imported(mapping, stored, changed, as_json)


def _refuse_taking_back(source: MappingFile, before: Stored) -> None:
    """Raises SettingsError when a file of a deployed board does not know of a column what was done to the table."""
    from mappings.files import read_mapping_file

    known = read_mapping_file(before.place, before.text.encode()).tree
    if "deployed" not in known:
        return
    mine = {str(entry.get("column")): entry for entry in source.tree["fields"]}
    lost = [
        str(entry.get("title", entry["column"]))
        for entry in known["fields"]
        if "column" in entry and _decided(mine.get(str(entry["column"]), {})) != _decided(entry)
    ]
    if lost:
        raise SettingsError(
            f"Version {before.version} in the database has other fields or types than {source.path}: {', '.join(lost)}.",
            hint=f"The table is as the database says. Change a new export (python main.py mapping export "
            f"{before.entity}), or give --force.",
        )


def _decided(entry: dict[str, object]) -> list[object]:
    return [entry.get(key) for key in DECIDED]


def _check_together(settings: Settings, parts: Parts, stored: Stored) -> None:
    """Raises MappingError when the mapping does not go together with the others. Then nothing is kept."""
    from state.mapping_texts import stored_mappings
    from sync.parts import mappings_of

    others = [other for other in stored_mappings(parts.db) if other.entity != stored.entity]
    mappings_of(settings, keep=False, stored=[*others, stored])


def _show_imported(mapping: Mapping, stored: Stored, changed: bool, as_json: bool) -> None:
    if as_json:
        shown = {"entity": mapping.entity, "version": stored.version, "changed": changed}
        click.echo(json.dumps(shown))
    elif changed:
        click.echo(f"{mapping.entity} is version {stored.version} in the database; the next runs read it.")
    else:
        click.echo(f"{mapping.entity} is version {stored.version} in the database already: nothing was done.")


# diff


@click.command("diff", cls=Example, example="mapping diff")
@click.argument("files", nargs=-1, type=click.Path(dir_okay=False, exists=True, path_type=Path))
@json_option
def diff(files: Sequence[Path], as_json: bool) -> None:
    """Show how files differ from the database: these, or those in mappings/ of this home. Exit 3 when one does."""
    settings = prepared()
    from state.mapping_texts import stored_mappings
    from sync.parts import open_parts

    with open_parts(settings) as parts:
        stored = {row.entity: row for row in stored_mappings(parts.db)}
        own = [Path(mapping.path) for mapping in parts.mappings.values() if mapping.own_file]
    found = [_difference(path, stored) for path in files or sorted(own)]
    if as_json:
        click.echo(json.dumps({"files": found}))
    for entry in () if as_json else found:
        click.echo(entry["diff"] or f"{entry['file']}: {entry['state']}", nl=not entry["diff"])
    if not found and not as_json:
        click.echo("No file in mappings/ differs from what the database holds.")
    sys.exit(EXIT_LEFTOVERS if any(entry["state"] != "the same" for entry in found) else EXIT_IN_STEP)


def _difference(path: Path, stored: dict[str, Stored]) -> dict[str, str]:
    """Returns the file, the state ("the same", "differs", "not in the database"), and the difference as text."""
    from difflib import unified_diff

    from mappings.files import read_mapping_file
    from mappings.loader import checked

    entity = checked(read_mapping_file(path)).entity
    row, text = stored.get(entity), path.read_text(encoding="utf-8-sig")
    shown = {"file": str(path), "entity": entity, "diff": ""}
    if row is None:
        return {**shown, "state": "not in the database"}
    if row.is_newest(text):
        return {**shown, "state": "the same"}
    names = f"{row.place}, version {row.version}", str(path)
    lines = unified_diff(row.text.splitlines(), text.splitlines(), *names, lineterm="")
    return {**shown, "state": "differs", "diff": "\n".join(lines) + "\n"}
