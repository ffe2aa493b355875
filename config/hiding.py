"""Keeps secrets, and what is too long to show, out of the `repr` of a value."""

from __future__ import annotations

from typing import ClassVar


class Hiding:
    """Shows all fields of a `msgspec.Struct` but those in `HIDDEN`: `class Login(Hiding, Struct)`."""

    __slots__ = ()
    __struct_fields__: ClassVar[tuple[str, ...]]
    HIDDEN: ClassVar[frozenset[str]]

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in self.HIDDEN)
        return f"{type(self).__name__}({', '.join(shown)})"
