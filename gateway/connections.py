"""Rows to adapters: the configured processors of every account, built once and rebuilt when their row changes."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import entry_points
from typing import Any

import httpx
import msgspec

from db import sql
from db.encryption import Keyring
from gateway.moment import once
from processors.capabilities import Capabilities
from processors.interface import ProcessorAdapter
from processors.values import Secret

GROUP = "tollbridge.processors"
CONNECTION = "select * from tollbridge.connection where account = $1 and id = $2"


class UnknownAdapterError(Exception):
    """No installed package offers an adapter of this name."""


class UnknownConnectionError(Exception):
    """The account has no such connection, or it is disabled."""


@cache
def adapter_classes() -> dict[str, type[ProcessorAdapter]]:
    """Every adapter that is installed, by its entry point's name."""
    return {entry.name: entry.load() for entry in entry_points(group=GROUP)}


def adapter_class(name: str) -> type[ProcessorAdapter]:
    """The adapter of this name; raises UnknownAdapterError."""
    try:
        return adapter_classes()[name]
    except KeyError:
        raise UnknownAdapterError(
            f"no adapter {name!r} is installed; there are {', '.join(sorted(adapter_classes())) or 'none'}"
        ) from None


def capabilities_of(name: str) -> Capabilities:
    """What the adapter of this name declares; raises UnknownAdapterError."""
    return adapter_class(name).capabilities


class Connections:
    """Adapters by connection id. One HTTP client serves them all; make it inside the running loop."""

    def __init__(self, keyring: Keyring, http: httpx.AsyncClient) -> None:
        self._keyring = keyring
        self._http = http
        self._built: dict[str, tuple[bytes, ProcessorAdapter]] = {}

    async def adapter(self, account: str, connection: str) -> ProcessorAdapter:
        """The adapter of a connection of this account; raises UnknownConnectionError."""
        row = await once(("connection", account, connection), partial(sql.row, CONNECTION, account, connection))
        if row is None:
            raise UnknownConnectionError(f"no connection {connection} in this account")
        # A changed row has other bytes: credentials rotate without a restart.
        version = bytes(row["credentials"]) + f"{row['adapter']} {row['options']}".encode()
        built = self._built.get(connection)
        if built is None or built[0] != version:
            built = (version, self.build(row["adapter"], self.credentials(row), msgspec.json.decode(row["options"])))
            self._built[connection] = built
        return built[1]

    def credentials(self, row: Any) -> dict[str, Secret]:
        """The decrypted credentials of a connection's row."""
        plain = self._keyring.decrypt(row["credentials"], table="connection", column="credentials", row=row["id"])
        return {name: Secret(value) for name, value in msgspec.json.decode(plain, type=dict[str, str]).items()}

    def build(self, adapter: str, credentials: dict[str, Secret], options: dict[str, str]) -> ProcessorAdapter:
        """An adapter from its parts; raises UnknownAdapterError and processors.errors.ConfigurationError."""
        return adapter_class(adapter).from_config(credentials, options, self._http, _system_now)


def _system_now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 (machine time, for adapters' signatures and time-outs)
