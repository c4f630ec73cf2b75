"""What a connection to Mollie is made of: the key of one profile, and where its notifications go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from processors.errors import ConfigurationError
from processors.transport import check_base_url
from processors.values import Secret, Unprinted

BASE_URL: Final = "https://api.mollie.com"
"""Of both modes: which one it is stands in the key."""

CREDENTIALS: Final = ("api_key",)
OPTIONAL_CREDENTIALS: Final = ("webhook_secret",)
OPTIONS: Final = ("environment", "webhook_url")
OPTIONAL_OPTIONS: Final = ("account", "first_payment_method", "first_payment_amount", "base_url")

FREE_METHODS: Final = frozenset({"creditcard", "paypal"})
"""The methods whose first payment may be of nothing (help centre, "How do I use Mollie Recurring"); all others take a
cent. unverified: that Mollie's own page offers these two for 0.00 where no method is named (open one in test mode)."""


class Keys(Unprinted, frozen=True):
    """`webhook_secret` is None where only unsigned pings are expected."""

    api_key: Secret
    webhook_secret: Secret | None


class Settings(msgspec.Struct, frozen=True):
    """`mode` is Mollie's word for the environment; `account` the profile's id, empty where it was not given.

    A first payment is made with one of `methods`, or with what Mollie offers, and is of at least `first_amount`, in
    major units.
    """

    mode: str
    webhook_url: str
    account: str
    methods: tuple[str, ...]
    first_amount: str
    base_url: str


def keys(credentials: Mapping[str, Secret]) -> Keys:
    """Raises ConfigurationError naming the field that is missing, or that no header can carry."""
    api_key = _secret(credentials, "api_key")
    if api_key is None:
        raise ConfigurationError("api_key is missing")
    if not api_key.reveal().startswith(("test_", "live_")):
        raise ConfigurationError("api_key begins with neither test_ nor live_, as a profile's key does")
    return Keys(api_key, _secret(credentials, "webhook_secret"))


def settings(options: Mapping[str, str], api_key: Secret) -> Settings:
    """Raises ConfigurationError naming the field that is missing or wrong."""
    environment = options.get("environment", "").strip()
    if environment not in ("test", "live"):
        raise ConfigurationError("environment is missing, or neither test nor live")
    if not api_key.reveal().startswith(f"{environment}_"):
        raise ConfigurationError(f"environment is {environment}, and api_key is a key of the other one")
    methods = _methods(options.get("first_payment_method", ""))
    return Settings(
        mode=environment,
        webhook_url=_webhook_url(options.get("webhook_url", "").strip(), environment),
        account=_account(options.get("account", "").strip()),
        methods=methods,
        first_amount=_amount(options.get("first_payment_amount", "").strip(), methods),
        base_url=check_base_url(options.get("base_url", "").strip() or BASE_URL),
    )


def _secret(credentials: Mapping[str, Secret], field: str) -> Secret | None:
    """An optional one may be left out, not empty: anybody could sign with that."""
    if field not in credentials:
        return None
    if not re.fullmatch(r"[!-~]+", credentials[field].reveal()):
        raise ConfigurationError(f"{field} is empty, or not printable ASCII")
    return credentials[field]


def _webhook_url(url: str, environment: str) -> str:
    """A path alone may follow the host, so that the address in each payment is the one that was configured here."""
    try:
        checked = check_base_url(url)
    except ConfigurationError:
        raise ConfigurationError("webhook_url is missing, or no plain http or https URL") from None
    if environment == "live" and not checked.startswith("https://"):
        raise ConfigurationError("webhook_url must be an https URL for a live connection")
    return checked


def _account(profile: str) -> str:
    if profile and not re.fullmatch(r"pfl_[A-Za-z0-9]{1,60}", profile):
        raise ConfigurationError("account is not the id of a profile, pfl_…")
    return profile


def _methods(text: str) -> tuple[str, ...]:
    """One method of Mollie's or several, with commas between them."""
    methods = tuple(one.strip() for one in text.split(",") if one.strip())
    if not all(re.fullmatch(r"[a-z0-9]{2,32}", one) for one in methods):
        raise ConfigurationError("first_payment_method is not a list of Mollie's methods, such as creditcard,ideal")
    return methods


def _amount(text: str, methods: tuple[str, ...]) -> str:
    if not text:
        return "0.00" if set(methods) <= FREE_METHODS else "0.01"
    if not re.fullmatch(r"\d{1,3}(\.\d{1,2})?", text):
        raise ConfigurationError("first_payment_amount is not an amount such as 0.00 or 0.01")
    return text
