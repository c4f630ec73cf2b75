"""/v1/customers and /v1/subscriptions: how customers are treated, and access."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import asyncpg
import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter

from db import sql
from gateway.accounts.audit import Author
from gateway.accounts.errors import NotThereError
from gateway.accounts.keys import Scope
from gateway.accounts.known import refuse_unknown
from gateway.api.auth import Principal, requires
from gateway.api.invoices import PauseBody, pause_in
from gateway.api.openapi import about, changing, example, problems
from gateway.api.paging import unix
from gateway.api.payment_methods import CustomerId
from gateway.api.problems import Code
from gateway.clock import business_now
from gateway.customers.access import access_of
from gateway.customers.customer import opt_out
from gateway.domain.access import Access

Callers: Final = requires(Scope.SERVER)

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


class AccessBody(msgspec.Struct, frozen=True):
    """Whether a subscription gives access, and why: `reason` for programs, `description` for people.

    `invoice` is the one that decides. `closes_at`: when access will end unless that is paid, where the clock alone
    brings it. `status` is Stripe's; it opens nothing, and closes access only as `unpaid`.
    """

    subscription: str
    granted: bool
    reason: str
    description: str
    invoice: str | None
    closes_at: int | None
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


@get("/customers/{customer_id:str}/access", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def customer_access(principal: NamedDependency[Principal], customer_id: CustomerId) -> CustomerAccess:
    """What the customer may use."""
    return await find_access(principal.account, customer_id)


@get("/subscriptions/{subscription_id:str}/access", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def subscription_access(principal: NamedDependency[Principal], subscription_id: SubscriptionId) -> AccessBody:
    """Whether the subscription gives access: since its first invoice is paid, never because Stripe calls it active.

    A later invoice that is not paid closes it by the account's policy `access_closes`.
    """
    rows = await sql.rows(SUBSCRIPTION, principal.account, subscription_id)
    if not rows:
        raise NotThereError("subscription", subscription_id)
    return (await _access(principal.account, rows))[0]


async def find_access(account: str, customer: str) -> CustomerAccess:
    """Raises NotThereError."""
    await refuse_unknown(account, customer)
    found = await _access(account, await sql.rows(SUBSCRIPTIONS, account, customer))
    return CustomerAccess(customer, any(one.granted for one in found), found)


async def find_customer(account: str, customer: str) -> CustomerBody:
    """Raises NotThereError."""
    await refuse_unknown(account, customer)
    row = await sql.row(CUSTOMER, account, customer)
    assert row is not None, "it joins to one row"
    return CustomerBody(customer, row["opted_out"], pause_in(row))


async def _access(account: str, rows: Sequence[asyncpg.Record]) -> list[AccessBody]:
    found = await access_of(account, rows, await business_now())
    return [_access_body(row, one) for row, one in zip(rows, found, strict=True)]


def _access_body(row: asyncpg.Record, found: Access) -> AccessBody:
    return AccessBody(
        subscription=row["id"],
        granted=found.granted,
        reason=found.reason,
        description=found.description,
        invoice=found.invoice or None,
        closes_at=unix(found.closes_at),
        customer=row["customer"] or None,
        status=row["status"] or None,
    )


customer_routes: Final[list[Any]] = [update_customer, customer_access, subscription_access]
