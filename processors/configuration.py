"""What the fields of a connection are held to in most adapters, before anything is sent.

Each error begins with the name of the field, by which the gateway says where it is wrong, and never holds a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from processors.errors import ConfigurationError
from processors.transport import check_base_url
from processors.values import Secret


def check_credentials(credentials: Mapping[str, Secret], required: Iterable[str], optional: Iterable[str] = ()) -> None:
    """An optional one may be left out, but not empty: anybody could sign with that. Raises ConfigurationError.

    A value that no header can carry would fail with its own text in the error.
    """
    for field in (*required, *(one for one in optional if one in credentials)):
        if field not in credentials or not re.fullmatch(r"[!-~]+", credentials[field].reveal()):
            raise ConfigurationError(f"{field} is missing, empty, or not printable ASCII")


def check_options(options: Mapping[str, str], required: Iterable[str]) -> None:
    """Raises ConfigurationError."""
    for field in required:
        if not options.get(field, "").strip():
            raise ConfigurationError(f"{field} is missing or empty")


def base_url(options: Mapping[str, str], hosts: Mapping[str, str]) -> str:
    """Where calls go: the host of the connection's `environment`, unless `base_url` names another.

    Raises ConfigurationError.
    """
    environment = options.get("environment", "")
    if environment not in hosts:
        raise ConfigurationError(f"environment is none of {', '.join(hosts)}")
    return check_base_url(options.get("base_url") or hosts[environment])
