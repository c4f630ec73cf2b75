"""/v1/customers and /v1/subscriptions: stored payment methods, masked, and access."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import asyncpg
import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter

from db import sql
from db.states import InvoiceState, MethodStatus
from gateway.accounts.audit import Author
from gateway.accounts.errors import NotThereError
from gateway.accounts.keys import Scope
from gateway.accounts.known import refuse_unknown
from gateway.api.auth import Principal, requires
from gateway.api.invoices import PauseBody, pause_in
from gateway.api.openapi import about, changing, example, problems
from gateway.api.paging import DEFAULT, After, Limit, Page, listed, page, unix
from gateway.api.problems import Code
from gateway.billing.shapes import InvoiceShape, billed
from gateway.clock import business_now
from gateway.customers.methods import opt_out
from gateway.domain.access import AccessInvoice, access
from processors.values import Card

Callers: Final = requires(Scope.SERVER)

METHODS: Final = """
    select t.id, t.customer, t.card, t.status, t.position, t.stopped_reason, t.created_at,
        c.name as connection_name, c.adapter,
        t.id = (select p.id from tollbridge.payment_method p
                where p.account = t.account and p.customer = t.customer and p.status = 'active'
                order by p.position, p.created_at limit 1) as first
    from tollbridge.payment_method t join tollbridge.connection c on c.id = t.connection
"""
CUSTOMER: Final = """
    select coalesce(c.opted_out, false) as opted_out, p.object as pause_of, p.reason as pause_reason, p.paused_by,
        p.paused_at, p.until_at as paused_until
    from (select 1) one left join tollbridge.customer c on c.account = $1 and c.id = $2
    left join tollbridge.collection_pause p on p.account = $1 and p.object = $2
        and (p.until_at is null or p.until_at > tollbridge.business_now())
"""
SUBSCRIPTION: Final = "select * from tollbridge.subscription where account = $1 and id = $2"
SUBSCRIPTIONS: Final = """
    select * from tollbridge.subscription where account = $1 and customer = $2 order by created_at desc, id desc
"""
INVOICES: Final = """
    select id, subscription, state, billing_reason, snapshot from tollbridge.invoice
    where account = $1 and subscription = any($2) order by coalesce(stripe_created_at, created_at), id
"""


class PaymentMethodBody(msgspec.Struct, frozen=True):
    """A stored method: enough to recognise it, never enough to use it. The first is charged first."""

    id: str
    customer: str
    connection: str
    processor: str
    card: Card
    status: MethodStatus
    first: bool
    stopped_reason: str | None
    created: int
    object: Literal["payment_method"] = "payment_method"


class AccessBody(msgspec.Struct, frozen=True):
    """Whether a subscription gives access, and why. `status` is Stripe's, and decides nothing."""

    subscription: str
    granted: bool
    reason: str
    invoice: str | None
    customer: str | None
    status: str | None
    object: Literal["access"] = "access"


class CustomerAccess(msgspec.Struct, frozen=True):
    """The access of each subscription of a customer; `granted` where any gives it."""

    customer: str
    granted: bool
    subscriptions: list[AccessBody]
    object: Literal["customer_access"] = "customer_access"


class CustomerUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a customer is treated."""

    opted_out: Annotated[bool, about("Leave this customer's invoices alone; they are shown as `not_ours`.")]


OPT_OUT: Final = example("Leave a customer alone", {"opted_out": True})
CustomerId = Annotated[str, PathParameter(description="The customer's id at Stripe: cus_…")]
SubscriptionId = Annotated[str, PathParameter(description="The subscription's id at Stripe: sub_…")]


class CustomerBody(msgspec.Struct, frozen=True):
    """What we keep of a Stripe customer."""

    id: str
    opted_out: bool
    pause: PauseBody | None
    object: Literal["customer"] = "customer"


@post(
    "/customers/{customer_id:str}",
    guards=[Callers],
    status_code=200,
    **changing(Code.NOT_FOUND),
    summary="Leave a customer alone, or not",
)
async def update_customer(
    customer_id: CustomerId, data: Annotated[CustomerUpdate, OPT_OUT], principal: NamedDependency[Principal]
) -> CustomerBody:
    """What was begun goes on to its end: an invoice that was tried already stays ours."""
    await refuse_unknown(principal.account, customer_id)
    await opt_out(principal.account, customer_id, data.opted_out, Author(principal.actor), await business_now())
    return await find_customer(principal.account, customer_id)


@get("/customers/{customer_id:str}/payment_methods", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def list_payment_methods(
    principal: NamedDependency[Principal],
    customer_id: CustomerId,
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[PaymentMethodBody]:
    """The customer's stored payment methods, the revoked ones too."""
    await refuse_unknown(principal.account, customer_id)
    where = {"customer": customer_id}
    return listed(
        *await page(principal.account, METHODS, "created_at", where, limit=limit, starting_after=starting_after),
        _method,
    )


@get("/customers/{customer_id:str}/access", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def customer_access(principal: NamedDependency[Principal], customer_id: CustomerId) -> CustomerAccess:
    """What the customer may use."""
    await refuse_unknown(principal.account, customer_id)
    found = await _access(principal.account, await sql.rows(SUBSCRIPTIONS, principal.account, customer_id))
    return CustomerAccess(customer_id, any(one.granted for one in found), found)


@get("/subscriptions/{subscription_id:str}/access", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def subscription_access(principal: NamedDependency[Principal], subscription_id: SubscriptionId) -> AccessBody:
    """Whether the subscription gives access: since its first invoice is paid, never because Stripe calls it active."""
    rows = await sql.rows(SUBSCRIPTION, principal.account, subscription_id)
    if not rows:
        raise NotThereError("subscription", subscription_id)
    return (await _access(principal.account, rows))[0]


async def find_customer(account: str, customer: str) -> CustomerBody:
    """Raises NotThereError."""
    await refuse_unknown(account, customer)
    row = await sql.row(CUSTOMER, account, customer)
    assert row is not None, "it joins to one row"
    return CustomerBody(customer, row["opted_out"], pause_in(row))


async def _access(account: str, rows: Sequence[asyncpg.Record]) -> list[AccessBody]:
    invoices: dict[str, list[asyncpg.Record]] = {row["id"]: [] for row in rows}
    for invoice in await sql.rows(INVOICES, account, list(invoices)):
        invoices[invoice["subscription"]].append(invoice)
    return [_access_of(row, invoices[row["id"]]) for row in rows]


def _access_of(row: asyncpg.Record, invoices: Sequence[asyncpg.Record]) -> AccessBody:
    # The invoice that began it; where Stripe's reason is not known (an older mirror), the oldest.
    first = next((i["id"] for i in invoices if i["billing_reason"] == "subscription_create"), None)
    first = first or (invoices[0]["id"] if invoices else None)
    seen = [
        AccessInvoice(i["id"], i["id"] == first, InvoiceState(i["state"]), i["id"] == first and _credited(i))
        for i in invoices
    ]
    found = access(seen, ended=row["ended_at"] is not None)
    return AccessBody(
        subscription=row["id"],
        granted=found.granted,
        reason=found.reason,
        invoice=found.invoice or None,
        customer=row["customer"] or None,
        status=row["status"] or None,
    )


def _credited(invoice: asyncpg.Record) -> bool:
    snapshot = invoice["snapshot"]
    return snapshot is not None and billed(msgspec.json.decode(snapshot, type=InvoiceShape)).is_credited


def _method(row: asyncpg.Record) -> PaymentMethodBody:
    return PaymentMethodBody(
        id=row["id"],
        customer=row["customer"],
        connection=row["connection_name"],
        processor=row["adapter"],
        card=msgspec.json.decode(row["card"], type=Card),
        status=MethodStatus(row["status"]),
        first=bool(row["first"]),
        stopped_reason=row["stopped_reason"] or None,
        created=unix(row["created_at"]),
    )


customer_routes: Final[list[Any]] = [update_customer, list_payment_methods, customer_access, subscription_access]
