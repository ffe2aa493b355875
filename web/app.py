"""Makes the web app: layout, who may do what, headers, errors. The pages are in files of their own."""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, redirect, request, send_from_directory, session, url_for
from flask.sessions import SecureCookieSessionInterface
from flask_bootstrap import Bootstrap5
from werkzeug.exceptions import HTTPException

from errors import DatabaseError, DatabaseUnreachable, SchemaMissing, SyncError
from terminal.web_server import LARGEST_BODY
from web import access, looks
from web.answers import shown, wants_json
from web.answers import site as current_site
from web.dark import dark_styles
from web.pages import about, accounts, alerts, boards, checks, conflicts, logs, operating, overview, records, runs
from web.site import Site, stamp_of_files
from web.unchanged import Unchanged

log = logging.getLogger("monday_sync")

HERE = Path(__file__).parent
OPEN_TO_ALL = ("livez", "favicon", "static", "dark", "bootstrap.static")
SIGNS_IN = ("login", "signing_in")
NOT_OF_THE_DATABASE = (
    "/sync",
    "/records/",
    "/checks",
    "/accounts",
    "/findings/",
    "/static/",
    "/bootstrap/",
    "/dark.css",
    "/favicon.ico",
)
"""Paths whose answers do not come from the database alone."""
FILES = ("static", "dark", "bootstrap.static", "favicon")
"""Endpoints whose answers browsers may keep."""
SESSION_HOURS = 12
YEAR_S = 31_536_000


class Sessions(SecureCookieSessionInterface):
    """Keeps the role in a signed cookie, which goes over https alone where the page came so."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def make_app(site: Site, host: str = "127.0.0.1") -> Flask:
    """Returns the app that serves the pages. `host` is the address at which it will be listened."""
    app = Flask("web", root_path=str(HERE))
    passwords = access.Passwords(site.settings.dashboard_password, site.settings.dashboard_view_password)
    app.config.update(
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        SECRET_KEY=passwords.session_key(),
        PERMANENT_SESSION_LIFETIME=timedelta(hours=SESSION_HOURS),
        SESSION_COOKIE_NAME="monday_sync",
        SESSION_COOKIE_SAMESITE="Lax",
        BOOTSTRAP_SERVE_LOCAL=True,
        SITE=site,
    )
    app.session_interface = Sessions()
    Bootstrap5(app)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    looks.install(app)
    _guard(app, passwords, access.Hosts.of(site.settings, host))
    _poll(app, site)
    _sign_in(app, passwords)
    _files(app)
    _errors(app)
    for pages in (overview, runs, conflicts, records, logs, operating, checks, boards, alerts, about, accounts):
        app.register_blueprint(pages.pages)
    _measure(app, site)
    return app


# Who may do what


def _guard(app: Flask, passwords: access.Passwords, hosts: access.Hosts) -> None:
    """Lets in only requests that name an allowed host, are signed in and, where they change something, come from here."""
    tries = access.Tries()
    app.config["TRIES"] = tries
    settings = app.config["SITE"].settings
    proxy = access.Proxy(settings.dashboard_user_header or "", settings.dashboard_trusted_proxy)

    @app.before_request
    def allow() -> Any:
        g.role, g.bearer, g.user = None, False, None
        if not hosts.allow(request.host):
            return _refused(421, "This name is not one of the dashboard's.", "Name it in DASHBOARD_HOSTS.")
        if proxy.names_user(request.headers):
            g.user = proxy.user_of(request.headers, request.remote_addr)
            if g.user is None:
                return _not_believed(proxy.header)
        given = request.headers.get("Authorization", "")
        if g.user:
            g.role = access.OPERATE
        elif given.startswith("Bearer ") and passwords.needed:
            address = str(request.remote_addr)
            if tries.blocked(address):
                return _refused(429, "Too many wrong passwords.", "Wait for a minute.")
            g.role, g.bearer = passwords.role_of(given[7:]), True
            if g.role is None:
                tries.failed(address)
        elif not passwords.needed and not proxy.header:  # on this machine alone
            g.role = access.OPERATE
        else:
            g.role = session.get("role")
        if request.endpoint in OPEN_TO_ALL:
            return None
        return _may_change() or _signed_in(passwords.needed)

    @app.context_processor
    def role() -> dict[str, Any]:
        shown = {"operate": g.get("role") == access.OPERATE, "role": g.get("role"), "user": g.get("user")}
        more = {"account": settings.account, "accounts_here": accounts.shows_accounts(current_site())}
        return {**shown, **more, "locked": passwords.needed, "by_proxy": bool(proxy.header)}


def _poll(app: Flask, site: Site) -> None:
    """Answers a page that reads itself again at once, where nothing was written meanwhile."""
    unchanged = Unchanged(site.db)

    @app.before_request
    def same() -> Any:
        known = request.headers.get("If-None-Match")
        if request.method != "GET" or not known or request.path.startswith(NOT_OF_THE_DATABASE):
            return None
        g.snapshot = unchanged.snapshot()
        tag = unchanged.tag_of(_asked(), g.snapshot)
        if tag is None or tag not in request.if_none_match or session.get("_flashes"):
            return None
        # it stands no longer for having been asked for again
        g.pop("snapshot")
        answer = Response(status=304)
        answer.set_etag(tag)
        return answer

    @app.after_request
    def remember(answer: Response) -> Response:
        tag, _ = answer.get_etag()
        if "snapshot" in g and tag and answer.status_code in (200, 304):
            unchanged.remember(_asked(), g.snapshot, tag, g.get("busy", True))
        return answer


def _asked() -> tuple[str, ...]:
    return (
        request.full_path,
        f"{g.role} {g.user}",
        "json" if wants_json() else "html",
        str(stamp_of_files(current_site().settings.home)),
    )


def _may_change() -> Any:
    """Refuses to change anything for a page elsewhere, and for a role that only looks."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return None
    origin = f"{request.scheme}://{request.host}"
    if not g.bearer and not access.comes_from_here(request.headers, origin):
        hint = "Press the button on the page itself; a script sends Authorization: Bearer with the password."
        return _refused(403, "This was not sent from a page of the dashboard.", hint)
    if request.endpoint in (*SIGNS_IN, "logout"):
        return None
    if g.role == access.LOOK:
        return _refused(403, "You are signed in to look, not to operate.", "Sign in with DASHBOARD_PASSWORD.")
    return None


def _not_believed(header: str) -> Response:
    log.warning("A request from %s named a user in %s and was refused.", request.remote_addr, header)
    hint = "DASHBOARD_TRUSTED_PROXY names the addresses of the proxy; it sends one name."
    return _refused(403, f"{header} is believed from the proxy alone.", hint)


def _signed_in(by_password: bool) -> Any:
    if g.role or (request.endpoint in SIGNS_IN and by_password):
        return None
    if not by_password:
        return _refused(401, "The proxy did not say who you are.", "Open the dashboard by the proxy's address.")
    if wants_json() or request.method != "GET" or g.bearer:
        return _refused(401, "Sign in first.", "Send Authorization: Bearer with the password.")
    return redirect(url_for("login", to=request.full_path.rstrip("?")))


def _refused(status: int, message: str, hint: str) -> Response:
    return shown("error.html", {"error": message, "hint": hint}, status)


def _sign_in(app: Flask, passwords: access.Passwords) -> None:
    tries: access.Tries = app.config["TRIES"]

    @app.get("/login")
    def login() -> Any:
        if not passwords.needed:
            return redirect(url_for("overview.overview"))
        return shown("login.html", {"to": _own_path(request.args.get("to", "/"))})

    @app.post("/login")
    def signing_in() -> Any:
        to = _own_path(request.form.get("to", "/"))
        address = str(request.remote_addr)
        if tries.blocked(address):
            answer = shown("login.html", {"to": to, "problem": "Too many wrong passwords. Wait for a minute."}, 429)
            answer.headers["Retry-After"] = "60"
            return answer
        role = passwords.role_of(request.form.get("password", ""))
        if role is None:
            tries.failed(address)
            log.warning("A sign-in to the dashboard from %s was refused.", address)
            return shown("login.html", {"to": to, "problem": "That is not the password."}, 401)
        session.clear()
        session.permanent = True
        session["role"] = role
        log.info("Signed in to the dashboard from %s, to %s.", address, role)
        return redirect(to, 303)

    @app.post("/logout")
    def logout() -> Any:
        session.clear()
        return redirect(url_for("login"), 303)


def _own_path(path: str) -> str:
    """Returns a path of the dashboard; the start page for anything that leads elsewhere."""
    fine = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if fine else "/"


# Files


def _files(app: Flask) -> None:
    styles = dark_styles()

    @app.get("/dark.css")
    def dark() -> Response:
        return Response(styles, mimetype="text/css")

    @app.get("/favicon.ico")
    def favicon() -> Response:
        return send_from_directory(HERE / "static", "favicon.svg", mimetype="image/svg+xml")

    @app.get("/livez")
    def livez() -> Response:
        return Response('{"status":"ok"}', mimetype="application/json")

    marks = {"dark": hashlib.sha256(styles.encode()).hexdigest()[:12]}
    for path in (HERE / "static").iterdir():
        marks[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()[:12]

    @app.context_processor
    def assets() -> dict[str, Any]:
        return {"marks": marks}


# What every answer has


def _measure(app: Flask, site: Site) -> None:
    @app.before_request
    def begin() -> None:
        g.began, g.sent = time.perf_counter(), site.db.statements

    # it comes before all others
    app.before_request_funcs[None].insert(0, app.before_request_funcs[None].pop())

    @app.after_request
    def finish(answer: Response) -> Response:
        for name, value in access.HEADERS.items():
            answer.headers[name] = value
        kept = request.endpoint in FILES and answer.status_code in (200, 304)
        answer.headers["Cache-Control"] = f"public, max-age={YEAR_S}, immutable" if kept else "no-store"
        spent = (time.perf_counter() - g.began) * 1000
        sent = max(0, site.db.statements - g.sent)
        answer.headers["Server-Timing"] = f'total;dur={spent:.1f}, db;desc="{sent} commands"'
        return answer


def _errors(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def http(exc: HTTPException) -> Response:
        return shown("error.html", {"error": exc.description or exc.name, "hint": ""}, exc.code or 500)

    @app.errorhandler(SyncError)
    def known(exc: SyncError) -> Response:
        status = 400
        hint = exc.hint
        if isinstance(exc, SchemaMissing):
            status, hint = 503, "python main.py init-db"
        elif isinstance(exc, DatabaseUnreachable):
            status, hint = 503, "This page looks again by itself. python main.py doctor pg"
        elif isinstance(exc, DatabaseError):
            status = 503
        log.info("The dashboard answered %s to %s: %s", status, request.path, exc.message)
        data = {"error": exc.message, "hint": hint, "again": status == 503 and request.method == "GET"}
        return shown("error.html", data, status)

    @app.errorhandler(Exception)
    def unexpected(exc: Exception) -> Response:
        number = secrets.token_hex(4)
        log.exception("The dashboard failed at %s; its number is %s.", request.path, number)
        hint = f"The log has the reason under the number {number}."
        return shown("error.html", {"error": "Something went wrong that should not.", "hint": hint}, 500)
