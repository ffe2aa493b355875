"""Makes the dark colours follow the system without a script, from the toolkit's own stylesheet."""

from __future__ import annotations

import re
from pathlib import Path

import flask_bootstrap

SHEET = Path(flask_bootstrap.__file__).parent / "static" / "bootstrap5" / "css" / "bootstrap.min.css"
DARK = "[data-bs-theme=dark]"
RULE = re.compile(r"([^{}]*\[data-bs-theme=dark\][^{}]*)\{([^{}]*)\}")


def dark_styles() -> str:
    """Returns the toolkit's rules for dark pages, for systems that are dark."""
    text = SHEET.read_text(encoding="utf-8")
    rules = [f"{chosen.replace(DARK, ':root').strip()}{{{what}}}" for chosen, what in RULE.findall(text)]
    return f"@media (prefers-color-scheme: dark) {{\n{chr(10).join(rules)}\n}}\n"
