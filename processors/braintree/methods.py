"""Set-ups and stored payment methods.

A set-up makes a customer of its own, empty at first. The payer's browser turns a card or an account into a single-use
id, which is then vaulted with that customer. A lost answer of that call leaves the single-use id consumed and the
method vaulted, so that each look begins with what the customer has (facts: 3.3 Collect).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from processors.address import PayerAddress, address_of
from processors.braintree import documents
from processors.braintree.api import BraintreeApi, checked_id
from processors.braintree.wire import (
    ApiClientToken,
    ApiCreated,
    ApiDetails,
    ApiMethod,
    ApiResponse,
    ApiVaulted,
    ApiVerification,
)
from processors.calls import if_there
from processors.errors import OutcomeUnknownError, RefusedError
from processors.values import (
    Card,
    PaymentMethodReference,
    Secret,
    SetupCompletion,
    SetupFailed,
    SetupPending,
    SetupReady,
    SetupRequest,
    SetupResult,
    SetupSession,
)

NONCE: Final = "payment_method_id"
"""What the browser's code gives in the end, as `completion.client` has it: `payload.nonce` of Drop-in."""

BRANDS: Final[Mapping[str, str]] = {"american_express": "amex", "union_pay": "unionpay", "unknown": ""}
"""Where another word than Braintree's is usual."""


async def begin(api: BraintreeApi, request: SetupRequest, merchant_accounts: Mapping[str, str]) -> SetupSession:
    """Raises CallError. A lost answer leaves an empty customer, which nothing is ever charged to."""
    account = merchant_accounts.get(request.currency)
    if account is None:
        raise RefusedError(f"no merchant account is configured for {request.currency}", 400, "currency_not_configured")
    # Shown in the Control Panel: our reference as the company, and the payer's id at Stripe where there is one.
    shown = {"company": request.reference} | ({"lastName": request.customer} if request.customer else {})
    created = await api.graphql.want(documents.CREATE_CUSTOMER, "createCustomer", ApiCreated, input={"customer": shown})
    customer = checked_id(created.customer.id)
    token = await api.graphql.want(
        documents.CREATE_CLIENT,
        "createClientToken",
        ApiClientToken,
        input={"clientToken": {"customerId": customer, "merchantAccountId": account}},
    )
    return SetupSession(f"{request.currency}:{customer}", client={"client_token": token.client_token})


async def complete(api: BraintreeApi, completion: SetupCompletion, merchant_accounts: Mapping[str, str]) -> SetupResult:
    """Raises CallError. The method that the customer got first is the set-up's, at each look."""
    currency, _, customer = completion.processor_ref.partition(":")
    checked_id(customer)
    if (ready := await _held(api, customer)) is not None:
        return ready
    nonce = completion.client.get(NONCE, "")
    if not nonce:
        return SetupPending()
    asked: dict[str, Any] = {"paymentMethodId": nonce, "customerId": customer}
    if currency in merchant_accounts:
        asked["verificationMerchantAccountId"] = merchant_accounts[currency]
    try:
        vaulted = await api.graphql.want(documents.VAULT, "vaultPaymentMethod", ApiVaulted, input=asked)
    except RefusedError as error:
        if error.status not in (404, 422):
            raise
        # A look at the same time may have consumed the single-use id.
        return await _held(api, customer) or SetupFailed(error.code, "The payment method was not accepted.")
    return _result(vaulted, customer)


async def _held(api: BraintreeApi, customer: str) -> SetupReady | None:
    held = await api.methods_of(customer)
    return ready(held[0], customer) if held else None


def _result(vaulted: ApiVaulted, customer: str) -> SetupResult:
    if vaulted.payment_method is not None:
        return ready(vaulted.payment_method, customer)
    if vaulted.verification is None:
        raise OutcomeUnknownError("vaultPaymentMethod answered 200 without a method or a reason")
    if vaulted.verification.status in ("PENDING", "VERIFYING"):
        return SetupPending()
    return _unverified(vaulted.verification)


def _unverified(told: ApiVerification) -> SetupFailed:
    response = told.processor_response or ApiResponse()
    code = told.gateway_rejection_reason or response.legacy_code or told.status
    return SetupFailed(code, response.message or "The payment method could not be verified.")


def ready(told: ApiMethod, customer: str) -> SetupReady:
    """Raises OutcomeUnknownError for a method that can be used once only."""
    if told.usage == "SINGLE_USE":
        raise OutcomeUnknownError("the processor calls a vaulted method one for a single use")
    return SetupReady(PaymentMethodReference(Secret(told.id), Secret(customer)), card(told.details or ApiDetails()))


def card(details: ApiDetails) -> Card:
    """What may be shown. A card has the same identifier however often it was vaulted."""
    brand = (details.brand_code or "").lower()
    brand = BRANDS.get(brand, brand)
    last4 = details.last4 or ""
    shown = details.email or details.username or f"{brand} •••• {last4}".strip(" •")
    return Card(
        brand=brand,
        last4=last4,
        exp_month=_number(details.expiration_month),
        exp_year=_number(details.expiration_year),
        label=shown,
        fingerprint=details.unique_number_identifier or details.payer_id or details.venmo_user_id or "",
    )


def payer_address(details: ApiDetails) -> PayerAddress | None:
    """The billing address of a card or of a PayPal account; no other kind has one that is shown."""
    told = details.billing_address
    if told is None:
        return None
    lines = told.address_line1, told.address_line2
    return address_of(told.country_code, told.postal_code, told.admin_area1, told.admin_area2, *lines)


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,4}", text) else None


async def revoke(api: BraintreeApi, token: str) -> None:
    """Raises CallError; one that isn't there is gone."""
    asked = {"paymentMethodId": checked_id(token)}
    field = "deletePaymentMethodFromVault"
    await if_there(api.graphql.ask(documents.DELETE_METHOD, field, dict[str, object], input=asked))
