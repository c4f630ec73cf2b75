"""What pausing an invoice and pausing a customer have in common on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from gateway.cli.output import when
from gateway.readers.invoices import PauseBody

REASON = click.option("--reason", required=True, help="Why; shown on the invoices, and kept in the audit log.")
UNTIL = click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="It ends by itself then, in UTC; else resume-collection ends it.",
)


def utc(at: datetime | None) -> datetime | None:
    """A time as it was typed, aware."""
    return None if at is None else at.replace(tzinfo=UTC)


def ends(pause: PauseBody | None) -> str:
    """When a pause ends, in words."""
    return "it is resumed" if pause is None or pause.until is None else when(pause.until)


def paused(pause: PauseBody | None) -> str:
    """A pause in one line; empty without one."""
    return "" if pause is None else f"{pause.reason} (by {pause.by}, of {pause.of}, until {ends(pause)})"
