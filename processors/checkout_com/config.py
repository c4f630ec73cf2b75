"""What a connection to Checkout.com is configured with, checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from processors.errors import ConfigurationError
from processors.values import Secret, Unprinted

CREDENTIALS: Final = ("secret_key", "signature_key")
OPTIONAL_CREDENTIALS: Final = ("previous_signature_key", "webhook_authorization")
OPTIONS: Final = ("environment", "account", "country")
OPTIONAL_OPTIONS: Final = ("base_url", "prefix", "public_key")

HOSTS: Final = {"test": "api.sandbox.checkout.com", "live": "api.checkout.com"}
PATTERNS: Final = {
    "environment": r"test|live",
    "account": r"pc_[A-Za-z0-9]{1,60}",
    "country": r"[A-Z]{2}",
    "prefix": r"[a-z0-9]{1,30}",
    "public_key": r"pk_[A-Za-z0-9_-]{1,100}",
    "secret_key": r"[!-~]+",
    "signature_key": r"[!-~]+",
    "previous_signature_key": r"[!-~]+",
    "webhook_authorization": r"[!-~]([ -~]*[!-~])?",
}
"""A value that no header or URL can carry would fail with its own text in the error."""
TEST_KEYS: Final = ("sk_sbox_", "sk_test_")
"""How the secret keys of the sandbox begin (docs: API reference, authentication; the second are of old accounts)."""


class Settings(Unprinted, frozen=True):
    """One connection.

    `account` is the processing channel (`pc_...`) in which its payments are made. `prefix` is the first eight letters
    of the client id, which the addresses of newer accounts begin with. `country` is where its payers are billed, which
    a payment session must name before the payer does; it decides which methods Flow offers. `public_key` is for Flow,
    and handed to the frontend.
    """

    is_live: bool
    account: str
    country: str
    base_url: str
    public_key: str


class Keys(Unprinted, frozen=True):
    """The credentials; any of `signature` may have signed a webhook."""

    secret: Secret
    signature: tuple[Secret, ...]
    authorization: Secret | None


def read(credentials: Mapping[str, Secret], options: Mapping[str, str]) -> tuple[Settings, Keys]:
    """Raises ConfigurationError naming the field that is missing, empty or malformed."""
    plain = {name: secret.reveal() for name, secret in credentials.items()}
    for field in (*CREDENTIALS, *OPTIONS):
        if not plain.get(field, options.get(field, "")).strip():
            raise ConfigurationError(f"{field} is missing or empty")
    for field, pattern in PATTERNS.items():
        value = plain.get(field) if field in (*CREDENTIALS, *OPTIONAL_CREDENTIALS) else options.get(field)
        if value is not None and not re.fullmatch(pattern, value):
            raise ConfigurationError(f"{field} is empty, or not as Checkout.com writes it")
    live = options["environment"] == "live"
    if plain["secret_key"].startswith("sk_") and plain["secret_key"].startswith(TEST_KEYS) is live:
        raise ConfigurationError("secret_key is of the other environment than the options name")
    signing = [credentials[name] for name in ("signature_key", "previous_signature_key") if name in credentials]
    keys = Keys(credentials["secret_key"], tuple(signing), credentials.get("webhook_authorization"))
    address = _base_url(options)
    return Settings(live, options["account"], options["country"], address, options.get("public_key", "")), keys


def _base_url(options: Mapping[str, str]) -> str:
    if "base_url" in options:
        return options["base_url"]
    prefix = f"{options['prefix']}." if "prefix" in options else ""
    return f"https://{prefix}{HOSTS[options['environment']]}"
