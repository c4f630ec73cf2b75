"""The look-ups that routing makes, against the local Stripe."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import stripe

from gateway.billing.client import StripeClient
from gateway.inbox.route import Router
from gateway.runtime import Runtime
from gateway.sandbox.stripe import StripeSandbox, create_app
from tests.support.inbox import add_account, counters, delivery, stored
from tests.support.serving import serving

KEY = "sk_test_made_up"


@pytest.fixture
async def local(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[StripeSandbox, str]]:
    """The local Stripe, with an invoice finalized in it; and the invoice's id."""
    sandbox = StripeSandbox()
    sandbox.delivery.set(mode="manual")
    async with serving(create_app(sandbox)) as url:
        ours = StripeClient(KEY, base=url)

        async def client(account: str) -> StripeClient:
            return ours

        monkeypatch.setattr(runtime, "stripe", client)
        theirs = stripe.StripeClient(KEY, http_client=stripe.HTTPXClient(timeout=10), base_addresses={"api": url})
        customer = await theirs.v1.customers.create_async({"name": "A. Payer"})
        invoice = await theirs.v1.invoices.create_async(
            {"customer": customer.id, "collection_method": "send_invoice", "days_until_due": 10, "currency": "eur"}
        )
        await theirs.v1.invoice_items.create_async(
            {"customer": customer.id, "invoice": str(invoice.id), "amount": 1000, "currency": "eur"}
        )
        await theirs.v1.invoices.finalize_invoice_async(str(invoice.id))
        yield sandbox, str(invoice.id)
        await ours.close()


async def test_the_payment_intent_of_an_invoice_leads_to_it(runtime: Runtime, local: tuple[StripeSandbox, str]) -> None:
    sandbox, invoice = local
    account = await add_account()
    events = list(sandbox.account(KEY).events.values())
    [created] = [event for event in events if event.type == "payment_intent.created"]
    # That it exists tells nothing; that somebody tries to pay it does.
    bodies = [created.body().replace(b"payment_intent.created", b"payment_intent.processing")]
    ids = await stored(account, *bodies)
    await Router(runtime).route(ids)
    assert {(await delivery(i))["state"] for i in ids} == {"done"}
    assert set(await counters()) == {(account, invoice)}


async def test_every_event_that_the_local_stripe_sends_has_an_end(
    runtime: Runtime, local: tuple[StripeSandbox, str]
) -> None:
    sandbox, _ = local
    account = await add_account()
    ids = await stored(account, *(event.body() for event in sandbox.account(KEY).events.values()))
    await Router(runtime).route(ids)
    rows = [await delivery(i) for i in ids]
    assert {row["state"] for row in rows} <= {"done", "ignored"}
    assert all(row["reason"] for row in rows if row["state"] == "ignored")
