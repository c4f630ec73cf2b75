"""Customers: how they are treated."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from db import sql
from db.states import Collection, Collector
from gateway.accounts.known import refuse_unknown
from gateway.readers.about import about
from gateway.readers.invoices import PauseBody, pause_in
from gateway.readers.pages import unix

CUSTOMER: Final = """
    select coalesce(c.opted_out, false) as opted_out, c.collection,
        tollbridge.collection($1, $2, '') as collects_by, c.deleted_at, c.erase_asked_at, c.erased_at,
        p.object as pause_of, p.reason as pause_reason, p.paused_by,
        p.paused_at, p.until_at as paused_until
    from (select 1) one left join tollbridge.customer c on c.account = $1 and c.id = $2
    left join tollbridge.collection_pause p on p.account = $1 and p.object = $2
        and (p.until_at is null or p.until_at > tollbridge.business_now())
"""


class CustomerBody(msgspec.Struct, frozen=True):
    """What we keep of a Stripe customer."""

    id: str
    opted_out: bool
    collection: Annotated[Collection | None, about("The customer's own setting; null: as the account's policy says.")]
    collected_by: Annotated[
        Collector,
        about(
            "Who collects what the customer is sent: `gateway`, or `hosted`, the payer on Stripe's page. A "
            "subscription that was switched keeps its own."
        ),
    ]
    pause: PauseBody | None
    deleted: Annotated[int | None, about("When we heard that it was deleted in Stripe.")]
    erasure_requested: Annotated[int | None, about("When somebody asked to have its personal data erased.")]
    erased: Annotated[
        int | None, about("When they were; null while a payment method is still to be deleted at its processor.")
    ]
    object: Literal["customer"] = "customer"


async def find_customer(account: str, customer: str) -> CustomerBody:
    """Raises NotThereError."""
    await refuse_unknown(account, customer)
    row = await sql.row(CUSTOMER, account, customer)
    assert row is not None, "it joins to one row"
    times = (unix(row[name]) for name in ("deleted_at", "erase_asked_at", "erased_at"))
    own, by = row["collection"], Collector.HOSTED if row["collects_by"] == Collection.HOSTED else Collector.GATEWAY
    return CustomerBody(customer, row["opted_out"], own and Collection(own), by, pause_in(row), *times)
