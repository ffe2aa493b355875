"""Checks transforms by name: what each says of its fields, mistakes in mappings, and a user's own."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from mappings.named_transforms import TRANSFORMS, make_transform
from services.monday.cells.kinds import comparison_of


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_a_transform_says_what_kind_each_field_is(name):
    stages = {"map": {"pending": ["New", "Hold"], "active": ["Working"]}, "default": "pending"}
    needed: dict[str, Any] = {"value_map": stages, "constant": {"value": 1}}
    options = needed.get(name)
    transform = make_transform(name, options)
    known = TRANSFORMS[name]
    assert len(transform.kinds) == known.fields[0]
    assert all(kind is None or comparison_of(kind) for kind in transform.kinds)
    assert len(transform.read((None,) * max(known.columns[0], 1))) == known.fields[0]


@pytest.mark.parametrize(
    "name, options, columns, fields, complaint",
    [
        ("joyn", {}, 1, 1, "joyn.*join"),
        ("join", {"seperator": "-"}, 2, 1, "seperator.*separator"),
        ("join", {"separator": ""}, 2, 1, "separator"),
        ("join", {"separator": 5}, 2, 1, "separator"),
        ("join", {}, 1, 1, "at least 2 columns, not 1"),
        ("join", {}, 2, 2, "1 field, not 2"),
        ("split", {}, 1, 1, "at least 2 fields"),
        ("address", {}, 1, 5, "6 fields, not 5"),
        ("address_parts", {}, 1, 6, "5 fields"),
        ("address_object", {}, 5, 1, "1 to 4 columns, not 5"),
        ("value_map", {}, 1, 1, "'map' is missing"),
        ("value_map", {"map": []}, 1, 1, "'map' must"),
        ("value_map", {"map": {}}, 1, 1, "'map' must"),
        ("value_map", {"map": ["New"]}, 1, 1, "'map' must"),
        ("value_map", {"map": {"a": {"b": 1}}}, 1, 1, "'map'.*'a'"),
        ("value_map", {"map": {"a": ["x", "X "]}}, 1, 1, "'map'.*twice"),
        ("value_map", {"map": {"a": "b"}}, 1, 3, "1 to 2 fields"),
        ("constant", {}, 1, 1, "'value' is missing"),
        ("copy", {"any": 1}, 1, 1, "'any'.*none"),
        ("copy", {}, 2, 1, "as many fields"),
    ],
)
def test_a_mistake_in_a_mapping_is_named(name, options, columns, fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        make_transform(name, options, columns=columns, fields=fields)


class Reversed:
    def read(self, cells, before=None):
        return [cells[0][::-1]]

    def write(self, fields, agreed, cells):
        return [fields[0][::-1]]


def given_module(monkeypatch: pytest.MonkeyPatch, **members: Any) -> None:
    module = types.ModuleType("our_transforms")
    for name, member in members.items():
        setattr(module, name, member)
    monkeypatch.setitem(sys.modules, "our_transforms", module)


@pytest.mark.parametrize(
    "name, members",
    [
        ("our_transforms:backwards", {"backwards": lambda: Reversed()}),
        ("our_transforms:Reversed", {"Reversed": Reversed}),
        ("our_transforms:ready", {"ready": Reversed()}),
        ("our_transforms:", {"read": Reversed().read, "write": Reversed().write}),
    ],
)
def test_a_users_own_transform_is_found_by_module_and_name(monkeypatch, name, members):
    given_module(monkeypatch, **members)
    transform = make_transform(name, fields=1)
    assert transform.read(("abc",)) == ("cba",)
    assert transform.write(("abc",), None, ("x",)) == ("cba",)
    assert transform.kinds == (None,)


def test_a_users_own_transform_gets_its_options_and_may_name_its_kinds(monkeypatch):
    class Suffixed(Reversed):
        kinds = ("email",)

        def __init__(self, suffix: str) -> None:
            self.suffix = suffix

        def read(self, cells, before=None):
            return (cells[0] + self.suffix,)

    given_module(monkeypatch, suffixed=Suffixed)
    transform = make_transform("our_transforms:suffixed", {"suffix": "!"}, columns=1, fields=1)
    assert transform.read(("a",)) == ("a!",)
    assert transform.kinds == ("email",)


@pytest.mark.parametrize(
    "name, options, complaint",
    [
        ("no_such_module_here:f", {}, "no_such_module_here"),
        ("our_transforms:absent", {}, "our_transforms.*absent"),
        ("our_transforms:number", {}, "read and a write"),
        ("our_transforms:fails", {}, "fails.*RuntimeError: no luck"),
        ("our_transforms:backwards", {"unknown": 1}, "backwards.*unknown"),
    ],
)
def test_a_mistake_in_a_users_own_transform_is_named(monkeypatch, name, options, complaint):
    def fails() -> None:
        raise RuntimeError("no luck")

    given_module(monkeypatch, number=5, fails=fails, backwards=lambda: Reversed())
    with pytest.raises(ValueError, match=complaint):
        make_transform(name, options)


def test_a_module_that_cannot_be_imported_is_named(monkeypatch, tmp_path):
    (tmp_path / "our_broken_module.py").write_text("def (:")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match="our_broken_module.*SyntaxError"):
        make_transform("our_broken_module:f")
