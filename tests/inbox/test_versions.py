"""Every event that we heed, as endpoints of every age render it and as a thin one, leads to the same object.

The local Stripe renders them, from objects that it has made itself.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import stripe

from gateway.billing.client import API_VERSION
from gateway.inbox.table import ECHOES, Fetch, Payment, Reading, Subject, Touch, follow, read, subscribed
from gateway.sandbox.stripe import StripeSandbox, create_app
from gateway.sandbox.stripe.old_shape import in_version
from gateway.sandbox.stripe.store import Account
from tests.support.serving import serving

KEY = "sk_test_made_up"
VERSIONS = (
    "2020-08-27",
    "2022-11-15",
    "2024-06-20",
    "2025-02-24.acacia",
    "2025-03-31.basil",
    "2026-08-26.dahlia",
    "2026-10-28.endive",
)
OUT_OF_BAND = "invoice.paid"
"""The trap of the old shapes: such an invoice reads as if nothing were paid."""
Objects = dict[str, Any]


async def objects(account: Account, url: str) -> Objects:
    """One of each kind, by the events' prefixes: an invoice that was paid at Stripe, refunded and credited."""
    v1: Any = stripe.StripeClient(KEY, http_client=stripe.HTTPXClient(timeout=10), base_addresses={"api": url}).v1
    coupon = await v1.coupons.create_async({"percent_off": 10, "duration": "forever"})
    customer = await v1.customers.create_async({"name": "A. Payer"})
    card = await v1.payment_methods.attach_async("pm_card_visa", {"customer": customer.id})
    items = [{"price_data": {"currency": "eur", "unit_amount": 1000, "recurring": {"interval": "month"}}}]
    product = await v1.products.create_async({"name": "Plan"})
    items[0]["price_data"]["product"] = product.id
    wanted = {"customer": customer.id, "items": items, "collection_method": "send_invoice", "days_until_due": 10}
    subscription = await v1.subscriptions.create_async(wanted | {"discounts": [{"coupon": coupon.id}]})
    invoice = subscription.latest_invoice
    await v1.invoices.finalize_invoice_async(invoice)
    await v1.invoices.pay_async(invoice, {"payment_method": card.id})
    [charge] = account.charges.values()
    await v1.refunds.create_async({"charge": charge["id"], "amount": 100})
    await v1.credit_notes.create_async({"invoice": invoice, "amount": 50, "out_of_band_amount": 50})
    [intent] = account.payment_intents.values()
    beside = (await v1.subscriptions.create_async(wanted)).latest_invoice
    await v1.invoices.finalize_invoice_async(beside)
    await v1.invoices.pay_async(beside, {"paid_out_of_band": True})
    ids = {"charge": charge["id"], "payment_intent": intent["id"]}
    return {
        OUT_OF_BAND: account.invoices[beside],
        "invoice_payment.": next(iter(account.invoice_payments.values())),
        "invoice.": account.invoices[invoice],
        "credit_note.": next(iter(account.credit_notes.values())),
        "customer.subscription.": account.subscriptions[subscription.id],
        "customer.discount.": next(iter(account.discounts.values())) | {"customer": customer.id, "subscription": None},
        "customer.tax_id.": {"id": "txi_1made", "object": "tax_id", "customer": customer.id},
        "customer.": account.customers[customer.id],
        "charge.dispute.": {"id": "du_1made", "object": "dispute", **ids},
        "charge.refund.": next(iter(account.refunds.values())),
        "charge.": charge,
        "payment_intent.": intent,
        "billing.meter.": {"id": "mtr_1made", "object": "billing.meter"},
    }


def leads_to(account: Account, reading: Reading, obj: Any) -> object:
    """Where it ends, once what must be asked was asked."""
    if isinstance(reading, Fetch):
        assert obj["id"] in reading.path
        reading = follow(msgspec.convert(in_version(account, API_VERSION, obj), Subject), reading.named)
    if isinstance(reading, Payment):
        behind = {one["payment"].get("payment_intent"): one["invoice"] for one in account.invoice_payments.values()}
        return "invoice", behind[reading.intent], False, False
    return (reading.named.value, reading.id, reading.deleted, reading.sent) if isinstance(reading, Touch) else reading


@pytest.mark.scenario(100)
async def test_every_event_leads_to_the_same_object_in_every_version_and_thin() -> None:
    sandbox = StripeSandbox()
    sandbox.delivery.set(mode="manual")
    async with serving(create_app(sandbox)) as url:
        account = sandbox.account(KEY)
        made = await objects(account, url)
        client = stripe.StripeClient(KEY, http_client=stripe.HTTPXClient(timeout=10), base_addresses={"api": url})
        for version in VERSIONS:
            wanted: Any = {"url": "https://shop.example/", "enabled_events": ["*"], "api_version": version}
            await client.v1.webhook_endpoints.create_async(wanted)
    for kind in subscribed():
        obj = next(obj for prefix, obj in made.items() if kind.startswith(prefix))
        event = account.send_event(kind, obj)
        [thin] = [one for one in account.thin_events.values() if one.snapshot_event == event.id]
        readings = {version: read(event.body(version)) for version in VERSIONS}
        ends = {name: leads_to(account, one, obj) for name, one in [*readings.items(), ("thin", read(thin.body()))]}
        assert len(set(ends.values())) == 1, (kind, ends)
        assert isinstance(ends["thin"], tuple), (kind, ends)
        digests = {one.digest for one in readings.values() if isinstance(one, Touch) and one.digest}
        assert len(digests) == (kind in ECHOES), f"{kind}: an echo is one in every version"


def test_the_shapes_are_told_apart_by_what_is_in_them() -> None:
    """Not by the date that an event bears: an endpoint's version may be any, and may be wrong."""
    old = {"id": "evt_1", "object": "event", "type": "charge.failed", "api_version": "2026-10-28.endive"}
    old |= {"data": {"object": {"id": "ch_1", "object": "charge", "invoice": "in_1"}}}
    new = old | {"api_version": "2020-08-27"}
    new |= {"data": {"object": {"id": "ch_1", "object": "charge", "payment_intent": "pi_1"}}}
    reading = read(msgspec.json.encode(old))
    assert isinstance(reading, Touch)
    assert reading.id == "in_1"
    assert isinstance(read(msgspec.json.encode(new)), Payment)
