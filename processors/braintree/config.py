"""What a connection to Braintree is configured with, checked before anything is sent.

A currency isn't named in a call: it's that of the merchant account, of which a gateway has one for each (facts: 3.3;
docs: graphql TransactionInput.merchantAccountId). So a connection says which account takes which currency.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from processors.braintree.units import BRAINTREE
from processors.configuration import base_url, check_options
from processors.errors import ConfigurationError, UnknownCurrencyError
from processors.values import Secret, Unprinted

CREDENTIALS: Final = ("public_key", "private_key")
OPTIONAL_CREDENTIALS: Final = ("previous_public_key", "previous_private_key")
"""The pair that is being rotated away: webhooks may still be signed with it alone."""
OPTIONS: Final = ("environment", "account", "merchant_accounts")
OPTIONAL_OPTIONS: Final = ("base_url",)

BASE_URLS: Final[Mapping[str, str]] = {
    "test": "https://payments.sandbox.braintree-api.com",
    "live": "https://payments.braintree-api.com",
}
"""Docs: graphql/guides/making_api_calls, Endpoints."""

MERCHANT_ACCOUNT: Final = r"[A-Za-z0-9_-]{1,100}"


class KeyPair(Unprinted, frozen=True):
    """One API key: it authenticates calls and signs webhooks."""

    public: str
    private: Secret


class Settings(Unprinted, frozen=True):
    """One connection. `account` is the merchant's id there, `merchant_accounts` the account of each currency.

    `keys` are all that may have signed a webhook; the first of them is the one that calls are made with.
    """

    account: str
    base_url: str
    merchant_accounts: Mapping[str, str]
    keys: tuple[KeyPair, ...]


def settings(credentials: Mapping[str, Secret], options: Mapping[str, str]) -> Settings:
    """Raises ConfigurationError naming the field that is missing, empty or malformed; never with a secret's value."""
    keys = [_pair(credentials, *CREDENTIALS)]
    if any(field in credentials for field in OPTIONAL_CREDENTIALS):
        keys.append(_pair(credentials, *OPTIONAL_CREDENTIALS))
    check_options(options, OPTIONS)
    return Settings(
        account=options["account"],
        base_url=base_url(options, BASE_URLS),
        merchant_accounts=merchant_accounts(options["merchant_accounts"]),
        keys=tuple(keys),
    )


def merchant_accounts(text: str) -> Mapping[str, str]:
    """`eur=acme_eur,usd=acme_usd` by currency; raises ConfigurationError for anything that isn't just that.

    An account has one currency, so neither may stand there twice.
    """
    found: dict[str, str] = {}
    for part in text.split(","):
        match = re.fullmatch(rf"([a-z]{{3}})=({MERCHANT_ACCOUNT})", part)
        if match is None:
            raise ConfigurationError("merchant_accounts is written as eur=account_1,usd=account_2")
        currency, account = match.groups()
        if currency in found or account in found.values():
            raise ConfigurationError(f"merchant_accounts names {part} beside another of its currency or account")
        try:
            BRAINTREE.of(currency)
        except UnknownCurrencyError:
            raise ConfigurationError(f"merchant_accounts names {currency}, which is no currency") from None
        found[currency] = account
    return found


def _pair(credentials: Mapping[str, Secret], public: str, private: str) -> KeyPair:
    given = {field: credentials[field].reveal() for field in (public, private) if field in credentials}
    # One that is given and malformed is named before one that is missing beside it.
    for field in sorted((public, private), key=lambda one: one not in given):
        # A value that no header can carry would fail with its own text in the error; a colon would end the public key.
        if not re.fullmatch(r"[!-9;-~]+", given.get(field, "")):
            raise ConfigurationError(f"{field} is missing, empty, or not what an API key looks like")
    return KeyPair(given[public], Secret(given[private]))
