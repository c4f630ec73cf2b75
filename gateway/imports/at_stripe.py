"""What Stripe shows of a customer who is to be adopted: three calls, or a fourth where a row names what is not
there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from gateway.billing import lists, subscriptions
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeRefusedError
from gateway.billing.shapes import InvoiceShape, SubscriptionShape, id_of
from gateway.billing.subscriptions import GONE
from gateway.imports.patience import patiently


class Standing(msgspec.Struct, frozen=True):
    """A customer's subscriptions that live, and those invoices that Stripe does not collect itself, or is to collect
    no more: the newest, and whatever is a draft or open."""

    subscriptions: Sequence[SubscriptionShape]
    invoices: Sequence[InvoiceShape]

    @property
    def unpaid(self) -> list[InvoiceShape]:
        return [one for one in self.invoices if one.status in ("draft", "open")]

    @property
    def landmarks(self) -> list[str]:
        """Of each subscription the paid invoices by which access is judged: the one that began it, else the oldest
        that is shown, and the last."""
        found: list[str] = []
        for subscription in self.subscriptions:
            paid = [i for i in self.invoices if i.status == "paid" and i.subscription_id == subscription.id]
            paid.sort(key=lambda invoice: (invoice.billing_reason != "subscription_create", invoice.created))
            found += [paid[0].id, max(paid, key=lambda invoice: invoice.created).id] if paid else []
        return found


async def look(stripe: StripeClient, customer: str, *, switch: bool) -> Standing | None:
    """What Stripe shows, also of what it collects itself where that is to `switch`; None where it knows no such
    customer, or none that lives. Raises StripeError."""
    try:
        found = await patiently(partial(subscriptions.read_customer, stripe, customer))
    except StripeRefusedError as error:
        if error.status != 404:
            raise
        return None
    if found.deleted:
        return None
    listed = await patiently(partial(lists.subscriptions_of, stripe, customer))
    invoices = await patiently(partial(lists.newest_and_unpaid, stripe, customer))
    return Standing(
        [one for one in listed if one.status not in GONE],
        [one for one in invoices if switch or one.collection_method == "send_invoice"],
    )


async def why_not_there(stripe: StripeClient, customer: str, subscription: str) -> str:
    """Why a subscription is none of the customer's that live. Raises StripeError."""
    try:
        found = await patiently(partial(subscriptions.read, stripe, subscription))
    except StripeRefusedError as error:
        if error.status != 404:
            raise
        return "Stripe knows no such subscription with this account's key"
    if id_of(found.customer) != customer:
        return "the subscription is another customer's"
    return f"the subscription has ended: it is {found.status}"
