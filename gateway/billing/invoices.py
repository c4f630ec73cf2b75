"""Invoices at Stripe: read, changed while they are drafts, finalized, tagged, recorded as paid out of band, closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from gateway.billing.client import Answer, StripeClient
from gateway.billing.errors import StripeRefusedError
from gateway.billing.shapes import InvoicePayments, InvoiceShape, id_of
from processors.values import Unprinted

# A charge needs to know of payments that Stripe itself has or is taking (law 3); they are shown only where asked for.
EXPAND = ["payments.data.payment.payment_intent"]


class StripeInvoice(Unprinted, frozen=True):
    """An answer of Stripe's: what we read of it, and the whole as it came.

    `waited`: how long after it was asked for the question went out, at the pace that Stripe allows.
    """

    shape: InvoiceShape
    raw: bytes
    waited: timedelta = timedelta()


class ListedInvoice(msgspec.Struct, frozen=True):
    """Of an invoice in a list: whether Stripe advances it."""

    id: str
    auto_advance: bool = False


class _Listed(msgspec.Struct, frozen=True):
    data: list[ListedInvoice] = []
    has_more: bool = False


async def read(stripe: StripeClient, invoice: str) -> StripeInvoice:
    """The live invoice; a draft that was deleted comes back as `deleted`. Raises StripeError."""
    try:
        return _seen(await stripe.ask("get", f"/v1/invoices/{invoice}", msgspec.Raw, {"expand": EXPAND}))
    except StripeRefusedError as error:
        if error.status != 404:
            raise
        gone = {"id": invoice, "deleted": True, "created": 0}
        return _seen(Answer(msgspec.Raw(msgspec.json.encode(gone)), timedelta()))


async def behind_payment_intent(stripe: StripeClient, intent: str) -> str:
    """The id of the invoice that a payment intent pays; empty where it pays none. Raises StripeError.

    Since 2025-03-31 neither side names the other but in Stripe's list of invoice payments (Stripe's changelog, basil).
    """
    wanted = {"payment": {"type": "payment_intent", "payment_intent": intent}}
    answer = await stripe.get("/v1/invoice_payments", InvoicePayments, wanted)
    return next((invoice for found in answer.data if (invoice := id_of(found.invoice))), "")


async def charged_by_stripe(stripe: StripeClient, subscription: str) -> list[ListedInvoice]:
    """A subscription's drafts and open invoices that Stripe is to charge by itself. Raises StripeError."""
    found: list[ListedInvoice] = []
    for status in ("draft", "open"):
        params: dict[str, Any] = {"subscription": subscription, "status": status, "limit": 100}
        params["collection_method"] = "charge_automatically"
        more = True
        while more:  # bounded by the list
            page = await stripe.get("/v1/invoices", _Listed, params)
            found += page.data
            more = page.has_more and bool(page.data)
            params |= {"starting_after": found[-1].id} if more else {}
    return found


async def finalize(stripe: StripeClient, invoice: str) -> StripeInvoice:
    """Finalize a draft. Without an idempotency key: a second one is refused, and the invoice is read then."""
    return await _post(stripe, f"/v1/invoices/{invoice}/finalize", {}, None)


async def tag(stripe: StripeClient, invoice: str, metadata: Mapping[str, str]) -> StripeInvoice:
    """Write metadata; possible at every status, and the same twice."""
    return await _post(stripe, f"/v1/invoices/{invoice}", {"metadata": dict(metadata)}, None)


async def pay_out_of_band(stripe: StripeClient, invoice: str, key: str) -> StripeInvoice:
    """Mark as paid outside Stripe, whole; there is no way back but credit notes. Raises StripeError."""
    return await _post(stripe, f"/v1/invoices/{invoice}/pay", {"paid_out_of_band": True}, key)


async def pay_with(stripe: StripeClient, invoice: str, payment_method: str, key: str) -> StripeInvoice:
    """Have Stripe pay it with one of the customer's payment methods there; a decline is a 402. Raises StripeError."""
    return await _post(stripe, f"/v1/invoices/{invoice}/pay", {"payment_method": payment_method}, key)


async def update(stripe: StripeClient, invoice: str, params: Mapping[str, Any]) -> StripeInvoice:
    """Change a draft (hold it, its discounts, who collects it), or whether Stripe advances an open one."""
    return await _post(stripe, f"/v1/invoices/{invoice}", params, None)


async def create(stripe: StripeClient, params: Mapping[str, Any], key: str) -> StripeInvoice:
    """A draft that nobody finalizes but us. Raises StripeError."""
    return await _post(stripe, "/v1/invoices", {**params, "auto_advance": False}, key)


async def add_lines(stripe: StripeClient, invoice: str, lines: Sequence[Mapping[str, Any]], key: str) -> StripeInvoice:
    """Put lines on a draft. Raises StripeError."""
    return await _post(stripe, f"/v1/invoices/{invoice}/add_lines", {"lines": list(lines)}, key)


async def remove_lines(stripe: StripeClient, invoice: str, lines: Sequence[str]) -> StripeInvoice:
    """Take lines off a draft, for good. Raises StripeError."""
    gone = [{"id": line, "behavior": "delete"} for line in lines]
    return await _post(stripe, f"/v1/invoices/{invoice}/remove_lines", {"lines": gone}, None)


async def void(stripe: StripeClient, invoice: str) -> StripeInvoice:
    return await _post(stripe, f"/v1/invoices/{invoice}/void", {}, None)


async def mark_uncollectible(stripe: StripeClient, invoice: str) -> StripeInvoice:
    return await _post(stripe, f"/v1/invoices/{invoice}/mark_uncollectible", {}, None)


async def _post(stripe: StripeClient, path: str, params: Mapping[str, Any], key: str | None) -> StripeInvoice:
    return _seen(await stripe.ask("post", path, msgspec.Raw, {**params, "expand": EXPAND}, key=key))


def _seen(answer: Answer[msgspec.Raw]) -> StripeInvoice:
    body = bytes(answer.said)
    return StripeInvoice(msgspec.json.decode(body, type=InvoiceShape), body, answer.waited)
