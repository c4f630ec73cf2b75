"""Charges in PayPal's words and ours: pure, both ways.

One attempt is one order of one purchase unit, captured in the same call. `invoice_id` is our reference: an account that
blocks accidental payments takes each once for ever, which outlives the six hours of the key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from processors.breakdown import Breakdown, said_to
from processors.errors import OutcomeUnknownError, RefusedError
from processors.money import Money
from processors.outcome import (
    Canceled,
    ChargeOutcome,
    Declined,
    Pending,
    RequiresAction,
    Succeeded,
    weight,
)
from processors.paypal.declines import DECLINES, UNCLEAR
from processors.paypal.money import PAYPAL, api_money, our_money
from processors.paypal.wire import ApiCapture, ApiLink, ApiOrder, AskedOrder, ErrorBody
from processors.reading import readable
from processors.values import ChargeRequest, PreparedCall, Secret, Usage

ORDERS: Final = "/v2/checkout/orders"
CAPTURES: Final = "/v2/payments/captures"

LONGEST_TEXT: Final = 127
"""Of a description, and of an item's name."""

MOST_ITEMS: Final = 100
"""unverified: no description names the most items of an order (INVALID_ARRAY_MAX_ITEMS); beyond this, none is sent."""

PATTERNS: Final[Mapping[Usage, str]] = {
    Usage.RECURRING: "SUBSCRIPTION_PREPAID",
    Usage.UNSCHEDULED: "UNSCHEDULED_POSTPAID",
}
"""`usage_pattern` of what the merchant initiates; metered usage is charged after it."""

AGREEMENT: Final = "B-"
"""How the id of a legacy billing agreement begins; vault ids have no hyphen there."""


def charge_call(request: ChargeRequest) -> PreparedCall:
    """The bytes of a charge; raises MoneyError."""
    unit: dict[str, object] = {
        "reference_id": _invoice(request),
        "custom_id": _invoice(request),
        "invoice_id": request.reference,
        "amount": {**api_money(request.amount), **_breakdown(request)},
    }
    if request.description:
        unit["description"] = request.description[:LONGEST_TEXT]
    if items := _items(request):
        unit["items"] = items
    body = {"intent": "CAPTURE", "purchase_units": [unit], "payment_source": {"paypal": _wallet(request)}}
    return post(ORDERS, request.idempotency_key, body)


def _invoice(request: ChargeRequest) -> str:
    return request.metadata.get("stripe_invoice", request.reference)[:LONGEST_TEXT]


def _wallet(request: ChargeRequest) -> dict[str, object]:
    token = request.method.token.reveal()
    credential = {
        "payment_initiator": "MERCHANT",
        "usage": "SUBSEQUENT",
        "usage_pattern": PATTERNS[request.usage],
    }
    if token.startswith(AGREEMENT):
        return {"billing_agreement_id": token}
    return {"vault_id": token, "stored_credential": credential}


def _said(request: ChargeRequest) -> Breakdown | None:
    """The lines, where PayPal can be told all of them exactly: an order whose parts don't add up is refused
    (AMOUNT_MISMATCH), so it goes without."""
    told = request.breakdown
    if told is None or len(told.lines) > MOST_ITEMS or said_to(PAYPAL, told, request.amount) is None:
        return None
    return told


def _breakdown(request: ChargeRequest) -> dict[str, object]:
    """unverified: that `tax_total` may stand without a `tax` of each item, which Stripe's lines don't split per unit
    (the description says "required if the request includes items.tax", not the reverse)."""
    if (said := _said(request)) is None:
        return {}
    currency = request.amount.currency
    parts = {"item_total": api_money(Money(sum(line.amount for line in said.lines), currency))}
    if said.tax:
        parts["tax_total"] = api_money(Money(said.tax, currency))
    return {"breakdown": parts}


def _items(request: ChargeRequest) -> list[dict[str, object]]:
    if (said := _said(request)) is None:
        return []
    currency = request.amount.currency
    return [
        {
            "name": (line.description or request.description)[:LONGEST_TEXT] or request.reference,
            "quantity": "1",
            "unit_amount": api_money(Money(line.amount, currency)),
        }
        for line in said.lines
    ]


def post(path: str, key: str, body: Mapping[str, object]) -> PreparedCall:
    """A call that makes something under `key`; without `Prefer`, the answer would show neither capture nor amount."""
    headers = (
        ("content-type", "application/json"),
        ("paypal-request-id", key),
        ("prefer", "return=representation"),
    )
    return PreparedCall("POST", path, headers, msgspec.json.encode(body, order="deterministic"))


def asked(body: bytes) -> tuple[str, Money]:
    """The reference and the amount that stored charge bytes ask for."""
    unit = msgspec.json.decode(body, type=AskedOrder).purchase_units[0]
    return unit.invoice_id, our_money(unit.amount)


def error_code(body: bytes) -> str:
    """The finest code of an error answer; empty for one that another machine on the way wrote."""
    told = readable(body, ErrorBody) or ErrorBody()
    issue = told.details[0].issue if told.details else ""
    return issue or told.name or told.error


def clear(error: RefusedError) -> RefusedError:
    """The same refusal; raises OutcomeUnknownError for one that says that something exists, or is under way (409)."""
    if error.status == 409 or error.code in UNCLEAR:
        raise OutcomeUnknownError(f"{error}: something exists under this key or invoice id")
    return error


def refused(error: RefusedError) -> Declined:
    """What a 4xx to an order means where it is the payer's side that refused; else raises it, or that it is unclear."""
    if clear(error).status in (404, 422) and error.code in DECLINES.classes:
        return Declined(DECLINES.decline(error.code))
    raise error


def order_outcome(order: ApiOrder) -> ChargeOutcome:
    """What an order has come to; raises MoneyError, OutcomeUnknownError.

    COMPLETED says that the order has ended, not that anybody has paid: its captures say that (docs: order_status).
    """
    captures = [capture for unit in order.purchase_units for capture in unit.payments.captures]
    if captures:
        return min((capture_outcome(one) for one in captures), key=weight)
    match order.status:
        case "CREATED" | "SAVED" | "PAYER_ACTION_REQUIRED":
            return RequiresAction(order.id, link(order.links, "payer-action", "approve"))
        case "APPROVED":
            return Pending(order.id)
        case "VOIDED":
            return Canceled(order.id)
        case status:
            raise OutcomeUnknownError(f"an order is {status[:40]!r} and shows no capture")


def capture_outcome(capture: ApiCapture) -> ChargeOutcome:
    """What a capture has come to; raises MoneyError, OutcomeUnknownError.

    One that was refunded had succeeded: what went back is told by its refunds.
    """
    match capture.status:
        case "COMPLETED" | "PARTIALLY_REFUNDED" | "REFUNDED":
            captured = our_money(capture.amount)
            if captured.amount <= 0:
                raise OutcomeUnknownError("PayPal calls a capture completed that took nothing")
            return Succeeded(capture.id, captured, _captured_at(capture))
        case "PENDING":
            return Pending(capture.id)
        case "DECLINED" | "DENIED" | "FAILED":
            return _declined(capture)
        case status:
            raise OutcomeUnknownError(f"a capture is {status[:40]!r}, which says nothing about its money")


def _declined(capture: ApiCapture) -> Declined:
    """The card's own code where the wallet passes one on; the scheme's advice stands over it."""
    told = capture.processor_response
    at = capture.update_time or capture.create_time
    code = told.response_code or capture.status
    message = capture.status_details.reason
    return Declined(DECLINES.decline(code, message, network_advice=told.payment_advice_code, at=at), capture.id)


def _captured_at(capture: ApiCapture) -> datetime:
    """An eCheck is completed days after it was made; a refund changes the time as well, so it is not asked then."""
    at = capture.update_time if capture.status == "COMPLETED" else None
    at = at or capture.create_time
    if at is None:
        raise OutcomeUnknownError("PayPal shows a capture without its time")
    return at.astimezone(UTC)


def link(links: Sequence[ApiLink], *relations: str) -> str:
    """The first address of these relations, in their order; empty where there is none."""
    return next((one.href for relation in relations for one in links if one.rel == relation), "")


def secret(text: str) -> Secret | None:
    return Secret(text) if text else None
