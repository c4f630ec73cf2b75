"""What an adapter declares of its configuration, as fields of a form."""

from __future__ import annotations

import msgspec

from gateway.accounts.connections import Connection
from gateway.console.render import capital
from processors.interface import ProcessorAdapter


class Declaring(msgspec.Struct, frozen=True):
    """One field. `set`: a credential that is kept here, and never shown."""

    name: str
    label: str
    required: bool
    set: bool = False


class Declared(msgspec.Struct, frozen=True):
    """All of an adapter's."""

    credentials: tuple[Declaring, ...]
    options: tuple[Declaring, ...]


def declared(adapter: type[ProcessorAdapter], known: Connection | None = None) -> Declared:
    """The fields of an adapter, the required ones first; with what of them is set in a connection."""
    kept = frozenset(known.credentials if known is not None else ())
    credentials = [_field(name, required=True, kept=kept) for name in adapter.credential_fields]
    credentials += [_field(name, required=False, kept=kept) for name in adapter.optional_credential_fields]
    options = [_field(name, required=True) for name in adapter.option_fields]
    options += [_field(name, required=False) for name in adapter.optional_option_fields]
    return Declared(tuple(credentials), tuple(options))


def _field(name: str, *, required: bool, kept: frozenset[str] = frozenset()) -> Declaring:
    words = name.replace("_", " ").replace("api", "API").replace("url", "address")
    return Declaring(name, capital(words), required, name in kept)
