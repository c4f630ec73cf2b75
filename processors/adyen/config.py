"""What a connection to Adyen is configured with, checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from processors.configuration import check_credentials, check_options
from processors.errors import ConfigurationError
from processors.values import Secret, Unprinted

CREDENTIALS: Final = ("api_key", "hmac_key")
OPTIONAL_CREDENTIALS: Final = ("previous_hmac_key", "token_hmac_key", "previous_token_hmac_key")
"""Each webhook has an HMAC key of its own in the Customer Area, and a new one is used some time after it was made."""
OPTIONS: Final = ("environment", "account")
OPTIONAL_OPTIONS: Final = (
    "base_url",
    "live_prefix",
    "mode",
    "client_key",
    "client_environment",
    "channel",
    "country",
    "payment_method_type",
)
MODES: Final = ("embedded", "hosted")
CHANNELS: Final = ("Web", "iOS", "Android")


class Settings(Unprinted, frozen=True):
    """One connection. `account` is the merchant account there.

    `mode` says whether the payer enters the method in a Drop-in on the merchant's page (`embedded`, which wants
    `client_key`) or on Adyen's (`hosted`). `client_environment` is the Drop-in's own word for the region, as `live-us`.
    `payment_method_type` is the one kind that this connection collects and charges, since a stored method does not
    tell its kind: `scheme` for cards; another kind is another connection.
    """

    environment: str
    account: str
    base_url: str
    management_url: str
    mode: str
    client_key: str
    client_environment: str
    channel: str
    country: str
    payment_method_type: str

    @property
    def is_live(self) -> bool:
        return self.environment == "live"


class Keys(Unprinted, frozen=True):
    """The credentials; `hmac` are all the webhooks' keys, any of which may have signed."""

    api_key: Secret
    hmac: tuple[bytes, ...]


def keys(credentials: Mapping[str, Secret]) -> Keys:
    """Raises ConfigurationError naming the field that is missing, empty or malformed; never with its value."""
    check_credentials(credentials, CREDENTIALS)
    fields = ["hmac_key", *(field for field in OPTIONAL_CREDENTIALS if field in credentials)]
    hmac = tuple(_from_hex(field, credentials[field].reveal()) for field in fields)
    return Keys(credentials["api_key"], hmac)


def _from_hex(field: str, text: str) -> bytes:
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2}){16,}", text):
        raise ConfigurationError(f"{field} is not the hexadecimal key of a webhook, as the Customer Area shows it")
    return bytes.fromhex(text)


def settings(options: Mapping[str, str]) -> Settings:
    """Raises ConfigurationError naming the field."""
    given = {name: value.strip() for name, value in options.items()}
    check_options(given, OPTIONS)
    environment = _one_of(given, "environment", ("test", "live"))
    read = Settings(
        environment=environment,
        account=given["account"],
        base_url=given.get("base_url") or _base_url(environment, given.get("live_prefix", "")),
        management_url=given.get("base_url") or f"https://management-{environment}.adyen.com",
        mode=_one_of(given, "mode", MODES),
        client_key=given.get("client_key", ""),
        client_environment=given.get("client_environment") or environment,
        channel=_one_of(given, "channel", CHANNELS),
        country=given.get("country", ""),
        payment_method_type=given.get("payment_method_type") or "scheme",
    )
    return _checked(read)


def _base_url(environment: str, prefix: str) -> str:
    """Where the API is: one host for all tests, and one for each company that is live (docs: live-endpoints)."""
    if environment == "test":
        return "https://checkout-test.adyen.com"
    if not re.fullmatch(r"[A-Za-z0-9-]{1,60}", prefix):
        raise ConfigurationError("live_prefix is missing or malformed: the Customer Area shows it under API URLs")
    return f"https://{prefix}-checkout-live.adyenpayments.com/checkout"


def _one_of(given: Mapping[str, str], field: str, allowed: tuple[str, ...]) -> str:
    value = given.get(field) or allowed[0]
    if value not in allowed:
        raise ConfigurationError(f"{field} is one of {', '.join(allowed)}")
    return value


def _checked(read: Settings) -> Settings:
    if read.mode == "embedded" and not read.client_key:
        raise ConfigurationError("client_key is missing, which the embedded front end wants")
    # unverified: a client key begins with its environment (look at those of a live account).
    other = "test_" if read.is_live else "live_"
    if read.client_key.startswith(other) or not re.fullmatch(r"[!-~]*", read.client_key):
        raise ConfigurationError("client_key is not one of this environment")
    if not read.client_environment.startswith(read.environment):
        raise ConfigurationError("client_environment is not one of this environment")
    if read.country and not re.fullmatch(r"[A-Z]{2}", read.country):
        raise ConfigurationError("country is two capital letters")
    if not re.fullmatch(r"[A-Za-z0-9_]{1,60}", read.payment_method_type):
        raise ConfigurationError("payment_method_type is not a type of Adyen's")
    return read


def public(read: Settings) -> Mapping[str, str]:
    """What the Drop-in is configured with, all of which a browser may know."""
    return {"client_key": read.client_key, "environment": read.client_environment}
