"""Settings, from the environment: `TOLLBRIDGE_*`. An unknown or malformed variable is refused by name."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from db.embedded.account import ACCOUNT_VARIABLE
from db.encryption import KEYS_VARIABLE, TOKEN_HASH_VARIABLE, Keyring
from processors.values import Unprinted

PREFIX = "TOLLBRIDGE_"
_FIELD = re.compile(r"(?:(unknown field )`|`\$\.)([^`]+)`")
OUTSIDE = frozenset(
    {
        KEYS_VARIABLE,
        TOKEN_HASH_VARIABLE,
        ACCOUNT_VARIABLE,
        "TOLLBRIDGE_CHROMIUM",
        "TOLLBRIDGE_CHROMIUM_REQUIRED",
        "TOLLBRIDGE_SPECS",
        "TOLLBRIDGE_SPECS_REQUIRED",
    }
)
"""Variables with the prefix that are read elsewhere: by the keyring, the embedded server, the tests."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Where an issuer may be without TLS."""


class SettingsError(Exception):
    """A setting that can't be used; the message names the variable."""


class Settings(Unprinted, frozen=True, forbid_unknown_fields=True):
    """What one process is told. Times are in seconds, sizes in bytes."""

    database_url: str = ""
    """An external PostgreSQL (15 or newer); empty: the embedded one under `home`."""
    home: str = ".tollbridge"
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 8250
    public_url: str = ""
    """Where the world reaches us, for webhook addresses; empty: http://host:port."""
    cors_origins: str = ""
    """Origins of checkout frontends, separated by commas."""
    stripe_timeout_s: Annotated[float, msgspec.Meta(ge=1, le=80)] = 12.0
    processor_timeout_s: Annotated[float, msgspec.Meta(ge=1, le=600)] = 60.0
    sweep_interval_s: Annotated[float, msgspec.Meta(ge=0.1, le=3_600)] = 10.0
    workers: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 20
    """Objects that one worker process works on at once."""
    database_pool: Annotated[int, msgspec.Meta(ge=2, le=1_000)] = 10
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1_024, le=67_108_864)] = 1_048_576
    max_settlement_bytes: Annotated[int, msgspec.Meta(ge=1_024, le=4_294_967_296)] = 268_435_456
    """Of a settlement file; it is not held in memory."""
    webhook_queue: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 2_000
    """Accepted and not yet committed deliveries; beyond it the answer is 503."""
    outbound_private: bool = False
    """For development: webhook endpoints may stand at private addresses, and be called without TLS."""
    console_second_factor: Literal["required", "optional"] = "required"
    """Whether everybody who signs in to the console with a password also needs a code."""
    oidc_issuer: str = ""
    """Who may also say who somebody is, by OpenID Connect; empty: nobody."""
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    """Empty for a public client, which PKCE protects alone."""
    oidc_name: str = "single sign-on"
    """What the issuer is called on the sign-in page."""
    oidc_only: bool = False
    """Passwords open nothing any more."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"

    @property
    def base_url(self) -> str:
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def over_tls(self) -> bool:
        """Whether the world reaches us over TLS."""
        return self.base_url.startswith("https://")

    @property
    def home_path(self) -> Path:
        return Path(self.home).absolute()

    @property
    def origins(self) -> list[str]:
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process; raises SettingsError."""
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and name not in OUTSIDE and not name.startswith("TOLLBRIDGE_TEST_")
    }
    for name in ("log_level", "log_format"):
        if name in given:
            given[name] = given[name].lower()
    try:
        settings = msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"the environment: {_named(str(error))}") from error
    if settings.public_url and not settings.public_url.startswith(("https://", "http://")):
        raise SettingsError(f"the environment: `{PREFIX}PUBLIC_URL` must begin with https:// (or http://)")
    _refuse_half_an_issuer(settings)
    return settings


def load_keyring(environ: Mapping[str, str] = os.environ) -> Keyring:
    """The encryption keys; raises db.encryption.KeyringError."""
    return Keyring.from_environment(environ)


def _refuse_half_an_issuer(settings: Settings) -> None:
    issuer = urlsplit(settings.oidc_issuer)
    if not settings.oidc_issuer:
        if settings.oidc_only:
            raise SettingsError("the environment: `TOLLBRIDGE_OIDC_ONLY` needs `TOLLBRIDGE_OIDC_ISSUER`")
        return
    if not settings.oidc_client_id:
        raise SettingsError("the environment: `TOLLBRIDGE_OIDC_ISSUER` needs `TOLLBRIDGE_OIDC_CLIENT_ID`")
    is_near = issuer.scheme == "http" and issuer.hostname in LOOPBACK
    if not (is_near or issuer.scheme == "https") or not issuer.hostname or issuer.query or issuer.fragment:
        raise SettingsError("the environment: `TOLLBRIDGE_OIDC_ISSUER` must be an https:// address without a query")


def _named(message: str) -> str:
    """msgspec's message with the variable's full name; it never quotes a value but one that stands for a choice."""
    return _FIELD.sub(lambda found: f"{found[1] or ''}`{PREFIX}{found[2].upper()}`", message)
