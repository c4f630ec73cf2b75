"""All checks, by family. What each holds an adapter to stands in the first line of its function."""

from __future__ import annotations

from processors.conformance.checks import (
    capabilities,
    configuration,
    described,
    events,
    idempotency,
    money,
    outcomes,
    secrecy,
    signatures,
)
from processors.conformance.checks.check import CHECKS, Check, CheckFailedError, cases_of, run

__all__ = [
    "CHECKS",
    "Check",
    "CheckFailedError",
    "capabilities",
    "cases_of",
    "configuration",
    "described",
    "events",
    "idempotency",
    "money",
    "outcomes",
    "run",
    "secrecy",
    "signatures",
]
