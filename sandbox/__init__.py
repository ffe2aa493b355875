"""Holds stand-ins for services on the internet: `python -m sandbox`, or `from sandbox import Sandbox` in a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.monday.in_process import Sandbox as Sandbox
    from sandbox.smartsuite.in_process import SmartSuite as SmartSuite


def __getattr__(name: str) -> object:
    """Imports the stand-in late: `sandbox.client` needs none of its packages, and `__main__` explains a missing one."""
    if name == "Sandbox":
        from sandbox.monday.in_process import Sandbox

        return Sandbox
    if name == "SmartSuite":
        from sandbox.smartsuite.in_process import SmartSuite

        return SmartSuite
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
