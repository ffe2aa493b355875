"""Reads the settings once, from the environment and one `.env` file, and checks them together.

The environment wins over `.env`. `.env` is looked for in `MONDAY_SYNC_HOME` when the environment names one, else in the
project's folder. Every setting can also be given as `NAME_FILE`, the path of a file that holds its value.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from msgspec import Struct, field

from config import checks
from config.env_file import pieces_of
from config.hiding import Hiding
from errors import SettingsError

PROJECT = Path(__file__).resolve().parent
DEFAULT_BOARDS = {"MONDAY_BOARD_ID_USERS": "5764059860", "MONDAY_BOARD_ID_DATA": "6727219152"}
NAMES = (
    "MONDAY_API_KEY",
    "MONDAY_API_URL",
    "MONDAY_API_VERSION",
    "MONDAY_WEBHOOK_SECRET",
    "WEBHOOK_BASE_URL",
    "DATABASE_URL",
    *("MYSQL_URL", "MYSQL_HOST", "MYSQL_PORT", "MYSQL_USER", "MYSQL_PASSWORD", "MYSQL_DATABASE"),
    *("SMARTSUITE_TOKEN", "SMARTSUITE_ACCOUNT_ID", "SMARTSUITE_API_URL", "SMARTSUITE_MONTHLY_CALLS"),
    "MONDAY_DAILY_CALLS",
    "MONDAY_GIVE_UP_AFTER",
    *("MONDAY_KEEP_LOGS_DAYS", "MONDAY_SECOND_PROCESS_FROM"),
    *("ALERT_URLS", "ALERT_RULES", "ALERT_LINK", "HEARTBEAT_URL"),
    "MONDAY_SYNC_HOME",
    *("DASHBOARD_PASSWORD", "DASHBOARD_VIEW_PASSWORD", "DASHBOARD_HOSTS"),
    *("DASHBOARD_USER_HEADER", "DASHBOARD_TRUSTED_PROXY"),
    *("BROKER_URL", "CONTROL_DATABASE_URL", "MONDAY_SYNC_ACCOUNTS", "MONDAY_SYNC_ACCOUNT"),
    *("WORKER_METRICS", "PORT", "DEBUG", "LOG_FORMAT", "LOG_LEVEL"),
    "SYNC_INTERVAL_MINUTES",
)
FLEET = (
    *("BROKER_URL", "CONTROL_DATABASE_URL", "MONDAY_SYNC_ACCOUNTS", "WORKER_METRICS"),
    *("PORT", "DEBUG", "LOG_FORMAT", "LOG_LEVEL"),
)
"""Settings of the whole installation. All others are an account's own, and none of them is taken from outside it."""
SECRETS = (
    *("MONDAY_API_KEY", "MONDAY_WEBHOOK_SECRET", "DATABASE_URL", "MYSQL_URL", "MYSQL_PASSWORD", "SMARTSUITE_TOKEN"),
    *("ALERT_URLS", "HEARTBEAT_URL", "DASHBOARD_PASSWORD", "DASHBOARD_VIEW_PASSWORD"),
)
"""Settings of an account that are kept as the path of a file only."""
BOARD = "MONDAY_BOARD_ID_"
PREFIXES = (
    "BROKER_",
    "CONTROL_",
    "MONDAY_",
    "WEBHOOK_",
    "DATABASE_",
    "ALERT_",
    "HEARTBEAT_",
    "DASHBOARD_",
    "MYSQL_",
    "SMARTSUITE_",
)
"""How the names begin that are taken for settings, or for slips of them."""
ENVIRONMENT = "the environment"

T = TypeVar("T")
Environment = Mapping[str, str]
Read = Callable[[str, Callable[[str, str], Any], Any], Any]
"""(name, check, default) → the value of a setting"""


class Settings(Hiding, Struct, frozen=True):
    """Holds all settings, checked. Secrets stay out of `repr`."""

    HIDDEN: ClassVar = frozenset(
        (
            *("api_key", "webhook_secret", "database_url", "control_database_url", "broker_url", "smartsuite_token"),
            *("dashboard_password", "dashboard_view_password", "alert_urls", "heartbeat_url", "environment"),
        )
    )

    home: Path = PROJECT
    api_key: str | None = None
    api_url: str = "https://api.monday.com/v2"
    api_version: str = "2026-10"
    webhook_secret: str | None = None
    webhook_base_url: str | None = None
    database_url: str | None = None
    smartsuite_token: str | None = None
    smartsuite_account: str | None = None
    smartsuite_url: str = "https://app.smartsuite.com/api/v1"
    smartsuite_monthly_calls: int | None = None
    daily_calls: int | None = None
    give_up_after: float = 300.0
    keep_logs_days: int = 90
    second_process_from: int | None = 4000
    """Boards with so many items are read in a second process when they are new; None: none is."""
    dashboard_password: str | None = None
    dashboard_view_password: str | None = None
    dashboard_hosts: tuple[str, ...] = ()
    dashboard_user_header: str | None = None
    dashboard_trusted_proxy: tuple[str, ...] = ()
    alert_urls: tuple[str, ...] = ()
    alert_rules: str = ""
    alert_link: str | None = None
    heartbeat_url: str | None = None
    broker_url: str | None = None
    control_database_url: str | None = None
    accounts: Path = PROJECT / "accounts"
    account: str | None = None
    """The account that these settings are of, where there are many."""
    worker_metrics: tuple[str, int] | None = ("127.0.0.1", 9808)
    port: int = 8080
    debug: bool = False
    log_format: str = "text"
    log_level: str = "INFO"
    sync_interval_minutes: float = 60.0
    environment: Environment = field(default_factory=dict)

    def board_id(self, name: str) -> str | None:
        """Returns the board id that an environment variable holds; a mapping file may name any variable."""
        usual = DEFAULT_BOARDS if self.account is None else {}
        value = self.environment.get(name, "").strip() or usual.get(name)
        return None if value is None else _right(checks.board_id, name, value)

    @property
    def webhook_address(self) -> str | None:
        """Returns the address that events are sent to, without a board's token; None while WEBHOOK_BASE_URL is not set."""
        if self.webhook_base_url is None:
            return None
        return f"{self.webhook_base_url}/webhook" + (f"/{self.account}" if self.account else "")

    def require_key(self) -> str:
        """Returns the API key. Raises SettingsError when none is set."""
        if not self.api_key:
            raise SettingsError(
                "MONDAY_API_KEY is not set.",
                hint=f"python main.py init asks for it, or put it into {self.home / '.env'}: on monday.com it is under "
                "Developers > API token.",
            )
        return self.api_key


DEFAULTS = Settings()
"""What holds where nothing is set."""


class Reading(Struct, frozen=True):
    """Holds the settings as far as they are right, what is wrong with the others, and where each value stands."""

    settings: Settings
    mistakes: tuple[str, ...] = ()
    """Sentences that begin with the name of the setting, or with the path of `.env`."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Setting → `the environment`, or the path of the file that holds the value."""
    hidden: tuple[str, ...] = ()
    """Settings whose value in `.env` is another than the one in the environment, which wins."""
    written: tuple[str, ...] = ()
    """All names that `.env` has, and those of the environment that begin like the tool's."""

    def is_wrong(self, name: str) -> bool:
        """Tells whether that setting is wrong, so that the default stands in its place."""
        return any(mistake.startswith((f"{name} ", f"{name}_FILE")) for mistake in self.mistakes)


def load_settings(environ: Environment | None = None, cwd: str | os.PathLike[str] | None = None) -> Settings:
    """Reads and checks all settings; relative paths start at `cwd`. Raises SettingsError, which names all mistakes."""
    read = read_settings(environ, cwd)
    if read.mistakes:
        raise settings_error(read.mistakes, read.settings.home)
    return read.settings


def read_settings(environ: Environment | None = None, cwd: str | os.PathLike[str] | None = None) -> Reading:
    """Reads and checks all settings as `load_settings` does; mistakes are told beside those that are right."""
    mistakes: list[str] = []
    start = Path(cwd or os.getcwd())
    real = _source(dict(os.environ if environ is None else environ), start, ENVIRONMENT, mistakes)
    path = start / Path(real.values.get("MONDAY_SYNC_HOME", PROJECT)).expanduser() / ".env"
    file = _source(_dotenv(path, mistakes), path.parent, str(path), mistakes)
    return Reading(
        settings=_settings({**file.values, **real.values}, start, mistakes),
        mistakes=tuple(mistakes),
        origins={**file.origins, **real.origins},
        hidden=tuple(name for name, value in file.values.items() if real.values.get(name, value) != value),
        written=(*file.names, *(name for name in real.names if name.startswith(PREFIXES))),
    )


def checked(name: str, value: str) -> str:
    """Returns the value of a setting as it is kept. Raises SettingsError when it cannot be that setting's value."""
    check = CHECKS.get(name, checks.board_id if name.startswith(BOARD) else None)
    return _right(check, name, value.strip()) if check else value.strip()


def _right(check: Callable[[str, str], str], name: str, value: str) -> str:
    try:
        return check(name, value)
    except ValueError as exc:
        raise SettingsError(str(exc)) from exc


def env_file(environ: Environment | None = None, cwd: str | os.PathLike[str] | None = None) -> Path:
    """Returns where `.env` is, or would be."""
    named = (os.environ if environ is None else environ).get("MONDAY_SYNC_HOME", "").strip()
    return Path(cwd or os.getcwd()) / Path(named or PROJECT).expanduser() / ".env"


def _settings(environment: Environment, start: Path, mistakes: list[str]) -> Settings:
    def read(name: str, check: Callable[[str, str], T], default: T) -> T:
        value = environment.get(name)
        if value is None:
            return default
        try:
            return check(name, value)
        except ValueError as exc:
            mistakes.append(str(exc))
            return default

    for name in sorted(environment):
        if name.startswith(BOARD):
            read(name, checks.board_id, "")
    return Settings(
        api_key=read("MONDAY_API_KEY", checks.key, None),
        api_url=read("MONDAY_API_URL", checks.url, DEFAULTS.api_url),
        api_version=read("MONDAY_API_VERSION", checks.version, DEFAULTS.api_version),
        webhook_secret=environment.get("MONDAY_WEBHOOK_SECRET"),
        webhook_base_url=read("WEBHOOK_BASE_URL", checks.url, None),
        database_url=read("DATABASE_URL", checks.database_url, None),
        smartsuite_token=read("SMARTSUITE_TOKEN", checks.key, None),
        smartsuite_account=read("SMARTSUITE_ACCOUNT_ID", checks.key, None),
        smartsuite_url=read("SMARTSUITE_API_URL", checks.url, DEFAULTS.smartsuite_url),
        smartsuite_monthly_calls=read("SMARTSUITE_MONTHLY_CALLS", checks.calls, None),
        daily_calls=read("MONDAY_DAILY_CALLS", checks.calls, None),
        give_up_after=read("MONDAY_GIVE_UP_AFTER", checks.seconds, DEFAULTS.give_up_after),
        keep_logs_days=read("MONDAY_KEEP_LOGS_DAYS", checks.days, DEFAULTS.keep_logs_days),
        second_process_from=read("MONDAY_SECOND_PROCESS_FROM", checks.items_or_off, DEFAULTS.second_process_from),
        alert_urls=read("ALERT_URLS", checks.addresses, ()),
        alert_rules=environment.get("ALERT_RULES", ""),
        alert_link=read("ALERT_LINK", checks.url, None),
        heartbeat_url=read("HEARTBEAT_URL", checks.url, None),
        environment=environment,
        **_of_dashboard(read, environment),
        **_of_installation(read, environment, start),
    )


def _of_dashboard(read: Read, environment: Environment) -> dict[str, Any]:
    return {
        "dashboard_password": environment.get("DASHBOARD_PASSWORD"),
        "dashboard_view_password": environment.get("DASHBOARD_VIEW_PASSWORD"),
        "dashboard_hosts": read("DASHBOARD_HOSTS", checks.hosts, ()),
        "dashboard_user_header": read("DASHBOARD_USER_HEADER", checks.header, None),
        "dashboard_trusted_proxy": read("DASHBOARD_TRUSTED_PROXY", checks.networks, ()),
    }


def _of_installation(read: Read, environment: Environment, start: Path) -> dict[str, Any]:
    """Returns the settings of the whole installation: where things are, how it logs, what many accounts need."""
    home = start / Path(environment.get("MONDAY_SYNC_HOME", PROJECT)).expanduser()
    return {
        "home": home,
        "broker_url": read("BROKER_URL", checks.broker_url, None),
        "control_database_url": read("CONTROL_DATABASE_URL", checks.database_url, None),
        "accounts": start / Path(environment.get("MONDAY_SYNC_ACCOUNTS", home / "accounts")).expanduser(),
        "account": environment.get("MONDAY_SYNC_ACCOUNT"),
        "worker_metrics": read("WORKER_METRICS", checks.address, DEFAULTS.worker_metrics),
        "port": read("PORT", checks.port, DEFAULTS.port),
        "debug": read("DEBUG", checks.switch, DEFAULTS.debug),
        "log_level": read("LOG_LEVEL", checks.log_level, DEFAULTS.log_level),
        "sync_interval_minutes": read("SYNC_INTERVAL_MINUTES", checks.minutes, DEFAULTS.sync_interval_minutes),
        "log_format": read("LOG_FORMAT", checks.log_format, _usual_log_format(environment)),
    }


def environment_of_account(name: str, values: Environment, folder: Path, environ: Environment) -> dict[str, str]:
    """Returns the environment in which work for an account is done: its own settings, and those of the installation.

    `folder` holds the homes of all accounts. No setting of another account, or of the user who calls, gets in.
    """
    own = set(NAMES) - set(FLEET)
    outer = {
        key: value
        for key, value in environ.items()
        if key.removesuffix("_FILE") not in own and not key.startswith(BOARD)
    }
    return {**outer, **values, "MONDAY_SYNC_HOME": str(folder / name), "MONDAY_SYNC_ACCOUNT": name}


# Where values come from


class _Source(Struct, frozen=True):
    """Holds the values of one place, with the contents of `NAME_FILE` in the place of NAME, and without blanks."""

    values: dict[str, str]
    origins: dict[str, str]
    names: tuple[str, ...]


def _source(environ: Environment, start: Path, origin: str, mistakes: list[str]) -> _Source:
    plain = _without_blanks(environ)
    values = _with_files(plain, start, mistakes)
    # a name that was not given itself came out of its file
    origins = {
        name: origin if name in plain else str(start / Path(plain[f"{name}_FILE"]).expanduser())
        for name in values
        if name in NAMES or name.startswith(BOARD)
    }
    return _Source(values, origins, tuple(plain))


def _without_blanks(environ: Environment) -> dict[str, str]:
    return {name: value.strip() for name, value in environ.items() if value.strip()}


def _with_files(environ: dict[str, str], start: Path, mistakes: list[str]) -> dict[str, str]:
    values = dict(environ)
    for name in [name.removesuffix("_FILE") for name in environ if name.endswith("_FILE")]:
        if name not in NAMES and not name.startswith(BOARD):
            continue
        if name in environ:
            mistakes.append(f"{name} and {name}_FILE are both set: keep one of them.")
            continue
        path = start / Path(environ[f"{name}_FILE"]).expanduser()
        try:
            values[name] = path.read_text(encoding="utf-8-sig").strip()
        except (OSError, ValueError) as exc:
            mistakes.append(f"{name}_FILE: {path} cannot be read ({_reason(exc)}).")
    return _without_blanks(values)


def _dotenv(path: Path, mistakes: list[str]) -> dict[str, str]:
    """Reads the values of a `.env` file as they are written: a `$` in a password is a `$`."""
    values: dict[str, str] = {}
    try:
        for piece in pieces_of(path.read_text(encoding="utf-8-sig")):
            if piece.wrong:
                mistakes.append(f"{path}, line {piece.line}: this is not NAME=value.")
            elif piece.name and piece.value:
                values[piece.name] = piece.value
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as exc:
        mistakes.append(f"{path} cannot be read ({_reason(exc)}).")
    return values


def _reason(exc: OSError | ValueError) -> str:
    return exc.strerror or "unknown" if isinstance(exc, OSError) else "it is no UTF-8 text"


def settings_error(mistakes: Sequence[str], home: Path) -> SettingsError:
    """Returns one error for all mistakes."""
    hint = f"Settings come from the environment and from {home / '.env'}; .env.example explains each."
    if len(mistakes) == 1:
        return SettingsError(mistakes[0], hint=hint)
    lines = "".join(f"\n  - {mistake}" for mistake in mistakes)
    return SettingsError(f"{len(mistakes)} settings are wrong:{lines}", hint=hint)


def _usual_log_format(environment: Environment) -> str:
    """Returns Kestra's form in a task of Kestra, which inherits KESTRA_CONFIGURATION and others from its server."""
    return "kestra" if any(name.startswith("KESTRA_") for name in environment) else DEFAULTS.log_format


CHECKS: Mapping[str, Callable[[str, str], str]] = {
    "MONDAY_API_KEY": checks.key,
    "WEBHOOK_BASE_URL": checks.url,
    "DATABASE_URL": checks.database_url,
}
"""How the settings are checked that a user is asked for; boards beside these."""
