"""Holds the project's folder, the mappings it ships, and the ids of the boards they name."""

from __future__ import annotations

from pathlib import Path

from mappings.loader import load_mappings

PROJECT = Path(__file__).resolve().parent.parent.parent
MAPPINGS = load_mappings([PROJECT / "mappings"])

USERS, PROJECTS = "5764059860", "6727219152"
CONTACTS, ORGANIZATIONS = "7810000101", "7810000202"
