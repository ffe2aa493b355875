"""Names the teams, insurers and law firms of the made-up roofing company."""

from __future__ import annotations

from sandbox.common.people import LAST

TEAMS = (
    "Red Hammers",
    "Blue Shingles",
    "Green Gutters",
    "Storm Chasers",
    "Ridge Runners",
    "Eaves Droppers",
    "Nail Pullers",
    "Valley Crew",
    "Flashing Squad",
    "Drip Edge",
)
INSURERS = tuple(
    f"{first} {kind}"
    for first in ("Acme", "Madeup", "Umbrella Test", "Pretend", "Fictional", "Nowhere", "Sample")
    for kind in ("Mutual", "Insurance Co.", "Casualty")
)
LAW_FIRMS = tuple(f"{name} & {partner} (sample)" for name, partner in zip(LAST[:12], LAST[5:17], strict=True))
