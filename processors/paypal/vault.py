"""Set-ups and stored methods in PayPal's words and ours: pure, both ways (vault v3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from processors.address import PayerAddress, address_of
from processors.paypal.mapping import post, secret
from processors.paypal.wire import ApiAddress, ApiPaymentToken
from processors.values import Card, PaymentMethodReference, PreparedCall, Secret, SetupReady, SetupRequest

SETUP_TOKENS: Final = "/v3/vault/setup-tokens"
PAYMENT_TOKENS: Final = "/v3/vault/payment-tokens"

DESCRIPTION: Final = "Subscription payments"
"""What the payer reads beside the merchant's name, in the approval and later in the wallet's settings."""

WAITING: Final = frozenset({"CREATED", "PAYER_ACTION_REQUIRED"})
"""Statuses of a setup token whose payer is not done."""

MADE: Final = frozenset({"VAULTED", "TOKENIZED"})
"""unverified: what a setup token is after it was made a method (the server SDK lists both beside APPROVED)."""

_LOCALE: Final = re.compile(r"[a-z]{2}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")


def setup_call(request: SetupRequest) -> PreparedCall:
    """Several tokens of one payer are permitted: each of ours is deleted by itself, and must not take others along."""
    wallet: dict[str, object] = {
        "description": DESCRIPTION,
        "usage_type": "MERCHANT",
        "customer_type": "CONSUMER",
        "usage_pattern": "SUBSCRIPTION_PREPAID",
        "permit_multiple_payment_tokens": True,
        "experience_context": _experience(request),
    }
    return post(SETUP_TOKENS, request.idempotency_key, {"payment_source": {"paypal": wallet}})


def _experience(request: SetupRequest) -> Mapping[str, str]:
    context = {"shipping_preference": "NO_SHIPPING"}
    if request.return_url:
        context |= {"return_url": request.return_url, "cancel_url": request.return_url}
    if _LOCALE.fullmatch(locale := request.locale.replace("_", "-")):
        context["locale"] = locale
    return context


def payment_token_call(setup_token: str, key: str) -> PreparedCall:
    source = {"token": {"id": setup_token, "type": "SETUP_TOKEN"}}
    return post(PAYMENT_TOKENS, key, {"payment_source": source})


def ready(token: ApiPaymentToken) -> SetupReady:
    customer = secret(token.customer.id)
    return SetupReady(PaymentMethodReference(Secret(token.id), customer), card(token))


def card(token: ApiPaymentToken) -> Card:
    """The payer's account is the fingerprint: it is the same under each of its tokens."""
    wallet, plastic = token.payment_source.paypal, token.payment_source.card
    if plastic is not None:
        year, _, month = plastic.expiry.partition("-")
        label = f"{plastic.brand.title()} •••• {plastic.last_digits}".strip(" •")
        return Card(plastic.brand.lower(), plastic.last_digits, _number(month), _number(year), label)
    if wallet is None:
        return Card(label="PayPal")
    return Card(label=f"PayPal {wallet.email_address}".strip(), fingerprint=wallet.payer_id)


def payer_address(token: ApiPaymentToken) -> PayerAddress | None:
    """The card's or the payer's billing address, or where the payer has things sent to (vault v3)."""
    wallet, plastic = token.payment_source.paypal, token.payment_source.card
    told = [plastic.billing_address if plastic else None]
    if wallet is not None:
        told += [wallet.address, wallet.shipping.address if wallet.shipping else None]
    found = [one for one in map(_address, told) if one is not None]
    return max(found, key=lambda one: not one.only_a_country, default=None)


def _address(told: ApiAddress | None) -> PayerAddress | None:
    if told is None:
        return None
    lines = told.address_line_1, told.address_line_2
    return address_of(told.country_code, told.postal_code, told.admin_area_1, told.admin_area_2, *lines)


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{2,4}", text) else None
