"""Names the types of a table of resolvers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Resolver: TypeAlias = Callable[..., object]
Fields: TypeAlias = dict[str, dict[str, Resolver]]
"""Resolvers by type and field."""
