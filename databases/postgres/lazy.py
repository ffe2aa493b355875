"""Makes a thing at its first use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Lazy:
    """Stands for what is made at the first use, so that importing a module does nothing."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make, self._guard = make, threading.Lock()
        self._made: object | None = None

    def __getattr__(self, name: str) -> Any:
        with self._guard:
            self._made = self._made or self._make()
        return getattr(self._made, name)
