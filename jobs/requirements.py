"""Checks that an installation has what many accounts on many machines need."""

from __future__ import annotations

import importlib.util

from errors import SettingsError
from settings import Settings

INSTALL = "python -m pip install -r requirements-cluster.txt"


def check_cluster(settings: Settings) -> Settings:
    """Returns the settings. Raises SettingsError when something is missing that more than one machine needs."""
    if importlib.util.find_spec("celery") is None:
        raise SettingsError("Celery is not installed.", hint=INSTALL)
    if not settings.broker_url:
        raise SettingsError("BROKER_URL is not set.", hint="BROKER_URL=redis://broker.example.com:6379/0, for example")
    if not (settings.control_database_url or settings.database_url):
        raise SettingsError(
            "CONTROL_DATABASE_URL is not set: the embedded PostgreSQL serves one machine.",
            hint="CONTROL_DATABASE_URL=postgresql://user:password@host:5432/database",
        )
    return settings
