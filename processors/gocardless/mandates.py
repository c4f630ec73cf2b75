"""Set-ups and mandates in our words: a billing request that asks for a mandate, and the hosted page that collects it.

A mandate is the token. It can be charged from the moment at which the payer has given it, also while the bank has yet
to answer (docs: core-endpoints/payments: `pending_customer_approval, pending_submission, submitted, active`). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from processors.address import PayerAddress, address_of
from processors.errors import RefusedError
from processors.gocardless.mapping import SCHEMES, UNITS, metadata, post
from processors.gocardless.wire import ApiBankAccount, ApiBillingRequest, ApiCustomer, ApiMandate, ApiMandateRequest
from processors.money import Money, from_minor
from processors.values import (
    Card,
    MethodState,
    PaymentMethodReference,
    PreparedCall,
    Secret,
    SetupFailed,
    SetupPending,
    SetupReady,
    SetupRequest,
    SetupResult,
)

LANGUAGES: Final = frozenset({"en", "fr", "de", "pt", "es", "it", "nl", "da", "nb", "sl", "sv"})
"""What the hosted page speaks (docs: billing-request-flows); it chooses by itself for another."""

STATES: Final[Mapping[str, MethodState]] = {
    "pending_customer_approval": MethodState.ACTIVE,
    "pending_submission": MethodState.ACTIVE,
    "submitted": MethodState.ACTIVE,
    "active": MethodState.ACTIVE,
    "suspended_by_payer": MethodState.PENDING,
    "cancelled": MethodState.REVOKED,
    "failed": MethodState.REVOKED,
    "blocked": MethodState.REVOKED,
    "expired": MethodState.EXPIRED,
    "consumed": MethodState.EXPIRED,
}
"""A suspended mandate can't be charged now, but may be again."""


def request_call(request: SetupRequest, account: str) -> PreparedCall:
    """The billing request of a set-up; raises RefusedError for a currency that has no bank debit here."""
    if request.currency not in SCHEMES:
        raise RefusedError(f"GoCardless collects no {request.currency}", 400, "currency_not_supported")
    customer = {"stripe_customer": request.customer} if request.customer else {}
    body = {
        "links": {"creditor": account},
        "mandate_request": {
            "currency": request.currency.upper(),
            "metadata": metadata(request.reference, customer),
            "scheme": SCHEMES[request.currency],
            "verify": "recommended",
        },
        "metadata": metadata(request.reference, customer),
    }
    return post("/billing_requests", {"billing_requests": body}, request.idempotency_key)


def flow_call(request: SetupRequest, billing_request: str) -> PreparedCall:
    """The hosted page of a billing request.

    It has no key: a used one would be answered with the id of a flow, which can't be read back, and a page that nobody
    was sent to does nothing.
    """
    body: dict[str, object] = {"links": {"billing_request": billing_request}}
    if request.return_url:
        body |= {"exit_uri": request.return_url, "redirect_uri": request.return_url}
    language = request.locale[:2].lower()
    if language in LANGUAGES:
        body["language"] = language
    return post("/billing_request_flows", {"billing_request_flows": body})


def setup_result(shown: ApiBillingRequest) -> SetupResult:
    """Fulfilled, it has its mandate, which may follow a moment later."""
    mandate = shown.links.mandate_request_mandate
    match shown.status:
        case "fulfilled" if mandate:
            asked = shown.mandate_request or ApiMandateRequest()
            account = shown.resources.customer_bank_account if shown.resources else None
            return SetupReady(reference(mandate, shown.links.customer), card(asked.scheme, account, limit(asked)))
        case "cancelled":
            return SetupFailed("cancelled", "The set-up was cancelled.")
        case _:
            return SetupPending()


def reference(mandate: str, customer: str | None) -> PaymentMethodReference:
    return PaymentMethodReference(Secret(mandate), Secret(customer) if customer else None)


def limit(asked: ApiMandateRequest) -> Money | None:
    """The most that one payment may take; the schemes of direct debits have no such bound."""
    most = asked.constraints.max_amount_per_payment if asked.constraints else None
    return None if most is None or not asked.currency else from_minor(most, asked.currency.lower(), UNITS)


def card(scheme: str | None, account: ApiBankAccount | None, charge_limit: Money | None = None) -> Card:
    """What may be shown: of the account's number only the last digits, two or four of them."""
    account = account or ApiBankAccount()
    ending = account.account_number_ending
    shown = [account.bank_name, f"•••• {ending}" if ending else ""]
    return Card(
        brand=scheme or "",
        last4=ending,
        label=" ".join(one for one in shown if one),
        fingerprint=account.bank_account_token or "",
        charge_limit=charge_limit,
    )


def state(mandate: ApiMandate | None) -> MethodState:
    """What is not there can't be charged, and a replaced mandate is charged no more."""
    if mandate is None or mandate.links.new_mandate:
        return MethodState.REVOKED
    return STATES.get(mandate.status, MethodState.UNKNOWN)


def payer_address(customer: ApiCustomer) -> PayerAddress | None:
    """What the payer gave on the hosted page, of which some schemes ask for nothing more than a name."""
    lines = customer.address_line1, customer.address_line2
    return address_of(customer.country_code, customer.postal_code, customer.region, customer.city, *lines)
