"""Checks what is kept of mapping files: that it says the same, and that it is used only where nothing differs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from errors import MappingError
from mappings.files import read_mapping_file
from mappings.kept_trees import KeptTrees, plain
from mappings.loader import load_mappings
from tests.kit.shipped import PROJECT

SHIPPED = PROJECT / "mappings"
LOADS = """
import sys
from pathlib import Path
from mappings.kept_trees import KeptTrees
from mappings.loader import load_mappings
found = load_mappings([Path(sys.argv[1])], KeptTrees(Path(sys.argv[2])))
print(*(mapping.fingerprint for mapping in found.values()), "ruamel.yaml" in sys.modules)
"""
THING = """
entity: things
table: things
board: {id: 1}
fields:
  - {column: a, field: a}
"""


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(SHIPPED, tmp_path / "mappings")
    return tmp_path / "mappings"


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def load(folder, cache):
    return load_mappings([folder], KeptTrees(cache))


def in_a_process(folder, cache):
    """Returns the fingerprints that another process finds, and whether it has read YAML."""
    done = subprocess.run(
        [sys.executable, "-c", LOADS, folder, cache], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    *fingerprints, read = done.stdout.split()
    return fingerprints, read == "True"


def kept_files(cache):
    return sorted((cache / "mappings").iterdir())


def test_a_kept_mapping_is_the_same_and_yaml_is_not_read_again(folder, cache):
    read = load_mappings([folder])
    for _ in range(2):
        found = load(folder, cache)
        assert list(found) == list(read)
        for entity, mapping in found.items():
            names = [name for name in mapping.__struct_fields__ if name not in ("bindings", "places")]
            assert [getattr(mapping, name) for name in names] == [getattr(read[entity], name) for name in names]
            assert mapping.fingerprint == read[entity].fingerprint
    fingerprints = [mapping.fingerprint for mapping in read.values()]
    assert in_a_process(folder, cache) == (fingerprints, False)
    assert in_a_process(folder, cache.with_name("other")) == (fingerprints, True)


def test_a_file_that_changed_is_read_and_takes_the_place_of_what_was_kept(folder, cache):
    load(folder, cache)
    before = kept_files(cache)
    path = folder / "users.yaml"
    times = os.stat(path)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("table: users", "table: staff"), encoding="utf-8")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # its time and its length say nothing
    assert load(folder, cache)["users"].table == "staff" == load(folder, cache)["users"].table
    assert kept_files(cache) == before
    assert in_a_process(folder, cache)[1] is False


def changed(line=None, old=b"", new=b""):
    def change(path):
        head, body = path.read_bytes().split(b"\n", 1)
        path.write_bytes((line or head) + b"\n" + body.replace(old, new))

    return change


@pytest.mark.parametrize(
    "spoil",
    [
        changed(old=b'"users"', new=b'"staff"'),  # another content
        changed(line=b"0" * 64),  # kept by other code
        changed(line=b"\xff"),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),  # cut short
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"[" * 100_000),
        lambda path: path.chmod(0o666),
        lambda path: path.chmod(0o620),
        lambda path: path.parent.chmod(0o777),
        lambda path: path.parent.chmod(0o720),
        lambda path: (path.rename(path.with_suffix(".x")), path.symlink_to(path.with_suffix(".x"))),
        lambda path: (path.parent.rename(path.parent.with_suffix(".x")), path.parent.symlink_to("mappings.x")),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
    ],
)
def test_what_cannot_be_trusted_is_not_used(folder, cache, spoil):
    for path in folder.glob("*.yaml"):
        if path.name != "users.yaml":
            path.unlink()
    read = load(folder, cache)["users"].fingerprint
    (kept,) = kept_files(cache)
    content = (folder / "users.yaml").read_bytes()
    assert KeptTrees(cache).find(folder / "users.yaml", content) is not None
    spoil(kept)
    assert KeptTrees(cache).find(folder / "users.yaml", content) is None
    assert load(folder, cache)["users"].fingerprint == read


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("given", ["file", "folder"])
def test_what_another_user_owns_is_not_used(folder, cache, given):
    load(folder, cache)
    for path in kept_files(cache) if given == "file" else [cache / "mappings"]:
        os.chown(path, 12345, 12345)
    assert in_a_process(folder, cache)[1] is True


def test_a_kept_mapping_of_one_path_is_not_used_for_other_content_at_another(folder, cache, tmp_path):
    load(folder, cache)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "users.yaml").write_text(THING, encoding="utf-8")
    assert list(load(tmp_path / "own", cache)) == ["things"]
    assert "users" in load(folder, cache)


@pytest.mark.parametrize("there", ["file", "read-only folder"])
def test_mappings_load_where_nothing_can_be_kept(folder, tmp_path, there):
    cache = tmp_path / "cache"
    if there == "file":
        cache.write_text("")
    else:
        cache.mkdir(mode=0o500)
    assert len(load(folder, cache)) == len(load(folder, cache)) == len(load_mappings([folder]))


def test_processes_that_start_at_once_do_not_disturb_each_other(folder, cache):
    command = [sys.executable, "-c", LOADS, folder, cache]
    started = [subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    told = [process.communicate()[0].split()[:-1] for process in started]
    assert told == [[mapping.fingerprint for mapping in load_mappings([folder]).values()]] * 6
    assert {path.suffix for path in kept_files(cache)} == {".json"}
    assert in_a_process(folder, cache)[1] is False


def test_a_mistake_is_told_with_its_line_also_where_the_file_was_kept(folder, cache):
    (folder / "things.yaml").write_text(THING + "after: [users]\n", encoding="utf-8")
    load(folder, cache)
    (folder / "users.yaml").unlink()
    messages = []
    for kept in (None, KeptTrees(cache)):
        with pytest.raises(MappingError) as refused:
            load_mappings([folder], kept)
        messages.append(str(refused.value))
    assert messages[0] == messages[1] and "things.yaml:7" in messages[0]


def test_a_file_with_mistakes_is_not_kept(folder, cache):
    (folder / "things.yaml").write_text(THING + "no_such_key: 1\n", encoding="utf-8")
    with pytest.raises(MappingError, match="things.yaml:7"):
        load(folder, cache)
    with pytest.raises(MappingError, match="things.yaml:7"):
        load(folder, cache)


@pytest.mark.parametrize(
    "value", ["1.50", "2026-01-02", "&a {b: 1}", "!tag x", "{1: a}", "!!set {a, b}", "0x1F", "yes", "1_000"]
)
def test_a_value_is_kept_as_it_was_or_not_at_all(tmp_path, value):
    path = tmp_path / "x.yaml"
    path.write_text(f"a: {value}\nb: &m {{c: d}}\n", encoding="utf-8")
    tree = read_mapping_file(path).tree
    try:
        copy = plain(tree)
    except TypeError:
        return
    assert copy == tree and repr(copy["a"]) in (repr(tree["a"]), repr(dict(tree["a"])) if value[0] == "&" else None)


def test_merged_keys_are_not_kept(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("b: &m {c: d}\na: {<<: *m, e: f}\n", encoding="utf-8")
    with pytest.raises(TypeError):
        plain(read_mapping_file(path).tree)


def test_a_command_keeps_its_mappings_in_the_home(run_cli, home: Path):
    assert run_cli("mapping").code == 0
    assert kept_files(home / "cache")
