"""Stripe's closed lists, one name a line in the text files beside this module.

`event_types` and `api_versions` are those of its description (2026-08-26.dahlia), with the two endive versions that
came since; `thin_event_types` those of v1 objects that the official package 16.1 knows, and the ping.
"""

from __future__ import annotations

from pathlib import Path

from gateway.sandbox.stripe.errors import bad_params


def _names(file: str) -> frozenset[str]:
    return frozenset(Path(__file__).with_name(f"{file}.txt").read_text("utf-8").split())


EVENT_TYPES = _names("event_types")
THIN_EVENT_TYPES = _names("thin_event_types")
API_VERSIONS = _names("api_versions")


def check_version(version: str, param: str | None = None) -> str:
    """A version of the API. Preview versions are refused like unknown ones. Raises Refusal."""
    if version not in API_VERSIONS:
        raise bad_params(f"Invalid Stripe API version: {version}", param=param)
    return version
