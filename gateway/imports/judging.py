"""What speaks against a row, from what Stripe shows and from how its connection is set up. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from gateway.accounts.connections import Connection
from gateway.billing.client import from_unix
from gateway.billing.shapes import InvoiceShape, SubscriptionShape, id_of
from gateway.connections import UnknownAdapterError, capabilities_of
from gateway.imports.rows import Row


def against_connection(row: Row, connections: Mapping[str, Connection]) -> str:
    """Why its connection can't be charged; empty where it can."""
    found = connections.get(row.connection)
    if found is None:
        return f"the account has no connection of this name; it has {', '.join(sorted(connections)) or 'none'}"
    return "" if found.enabled else "the connection is disabled"


def against_subscriptions(living: Sequence[SubscriptionShape], connection: Connection, *, switch: bool) -> str:
    """Why these, of which the row is about one at least, can't be collected by the connection; empty where they can.

    A customer without any may be adopted for single invoices. `switch`: what Stripe collects is to be collected here.
    """
    ours = [one for one in living if switch or one.collection_method == "send_invoice"]
    for one in ours:
        if one.collection_method != "send_invoice" and one.schedule:
            # As `subscriptions/switch.py` refuses it: the next phase would put back what is switched.
            return f"Stripe's schedule {id_of(one.schedule)} says how {one.id} is collected: release it first"
    if living and not ours:
        return collected_by_stripe(living[0])
    if ours and not any(takes(connection, one.currency) for one in ours):
        return f"the connection does not take {ours[0].currency}, in which {ours[0].id} is billed"
    return ""


def collected_by_stripe(subscription: SubscriptionShape) -> str:
    """Why a subscription that Stripe itself collects is not adopted: a charge of Stripe's may be under way."""
    return (
        f"Stripe itself collects {subscription.id} (charge_automatically); --switch has it collected here, once Stripe "
        "has let go of it"
    )


def takes(connection: Connection, currency: str) -> bool:
    """Whether a connection charges in a currency."""
    try:
        known = capabilities_of(connection.adapter).currencies
    except UnknownAdapterError:
        return False
    return (known is None or currency in known) and (not connection.currencies or currency in connection.currencies)


def left_alone(
    unpaid: Sequence[InvoiceShape], collect_from: datetime | None, *, held: Collection[str], ours: Collection[str]
) -> list[str]:
    """Which of a customer's drafts and open invoices are not charged for now: those from before `collect_from`, all
    without one; but none that is `ours` already, and those that are `held` in any case."""
    return [
        one.id
        for one in unpaid
        if one.id in held or (one.id not in ours and (collect_from is None or _created(one) < collect_from))
    ]


def _created(invoice: InvoiceShape) -> datetime:
    created = from_unix(invoice.created)
    assert created is not None
    return created
