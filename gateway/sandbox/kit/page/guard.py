"""Who may use the page and the controls: programs, and browsers that are on this very server.

There is no login, so a web page from elsewhere must not press the buttons (its `Origin` gives it away), and a name that
somebody has pointed at this machine must not read it (DNS rebinding: the `Host` gives it away).
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from gateway.sandbox.kit.asgi import HttpError, Request

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def check_host(request: Request, allowed: Collection[str]) -> None:
    """Raises HttpError 403 unless the caller asks for this machine, the address that it reached or an allowed name."""
    host = _name(f"//{request.headers.get('host', '')}")
    if host not in LOCAL and host != request.reached and host not in allowed:
        raise HttpError(
            403,
            "host_not_allowed",
            f"the sandbox's page and controls do not answer for the host {host!r}: use localhost, or start it with "
            f"--allow-host {host or 'NAME'}",
        )


def check_origin(request: Request) -> None:
    """Raises HttpError 403 for what a web page of another origin sends. Programs send neither header."""
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
    if foreign or request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise HttpError(403, "cross_site", "another site's page may not use the sandbox's page and controls")


def check_form(request: Request) -> None:
    """For the page's own forms, which only a browser sends: it must say where it stands. Raises HttpError 403."""
    check_origin(request)
    if "origin" not in request.headers and request.headers.get("sec-fetch-site") != "same-origin":
        raise HttpError(403, "no_origin", "the page's buttons are for browsers; programs use /_sandbox")


def _name(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
