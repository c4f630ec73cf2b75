"""Logging: one line per event, as text or JSON. Tracebacks carry no local variables, which may be secrets."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

import structlog

SECRET_NAMES: Final = (
    "api_key",
    "authorization",
    "client_secret",
    "cookie",
    "credentials",
    "password",
    "secret",
    "token",
)
HIDDEN: Final = "***"


def configure_logging(level: str, fmt: str) -> None:
    """`level` as in `logging`; `fmt` is console or json. Everything goes to standard error."""
    threshold = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    tail: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    if fmt != "json":
        # Not the default formatter: it prints the local variables of every frame.
        plain = structlog.dev.plain_traceback
        tail = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_secrets,
            *tail,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), stream=sys.stderr, force=True)


def hide_secrets(_logger: Any, _method: str, event: Any) -> Any:
    """The net below the rule that no secret is logged: whatever is named like one is hidden."""
    for name in event:
        if any(part in name.lower() for part in SECRET_NAMES):
            event[name] = HIDDEN
    return event
