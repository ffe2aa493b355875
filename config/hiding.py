"""Keeps secrets, and what is too long to show, out of the `repr` of a value."""

from __future__ import annotations

from typing import Any, ClassVar


class Hiding:
    """Shows all fields of a `msgspec.Struct` but those in `HIDDEN`: `class Login(Hiding, Struct)`."""

    __slots__ = ()
    __struct_fields__: ClassVar[tuple[str, ...]]
    HIDDEN: ClassVar[frozenset[str]]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Returns what rich shows; a struct would give it all of its fields."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name not in self.HIDDEN]
