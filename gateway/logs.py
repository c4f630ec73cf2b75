"""Logging: one line per event, as text or JSON. Tracebacks carry no local variables, which may be secrets."""

from __future__ import annotations

import logging
import sys
import traceback
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
OURS: Final = frozenset({"gateway", "processors", "db"})


def configure_logging(level: str, fmt: str) -> None:
    """`level` as in `logging`; `fmt` is console or json. Everything goes to standard error."""
    threshold = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    tail: list[Any] = [structlog.processors.JSONRenderer()]
    if fmt != "json":
        tail = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_secrets,
            show_where,
            *tail,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(threshold, logging.WARNING), stream=sys.stderr, force=True)


def show_where(_logger: Any, _method: str, event: Any) -> Any:
    """An exception as its type and its frames. Its text only where it is ours: PostgreSQL's quotes whole rows."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        ours = type(error).__module__.partition(".")[0] in OURS
        text = f": {error}" if ours else ""
        event["exception"] = "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__ + text
    return event


def told(error: Exception, *ours: type[Exception]) -> str:
    """What may be stored and shown of an error: its text only where it is one of `ours`, since a stranger's may quote a
    secret."""
    return f"{type(error).__name__}: {error}" if isinstance(error, ours) else type(error).__name__


def hide_secrets(_logger: Any, _method: str, event: Any) -> Any:
    """The net below the rule that no secret is logged: whatever is named like one is hidden."""
    for name in event:
        if any(part in name.lower() for part in SECRET_NAMES):
            event[name] = HIDDEN
    return event
