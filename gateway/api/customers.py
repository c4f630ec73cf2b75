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
from gateway.api.openapi import changing, example, problems
from gateway.api.payment_methods import CustomerId
from gateway.api.problems import Code
from gateway.clock import business_now
from gateway.customers.access import access_of
from gateway.customers.customer import opt_out
from gateway.domain.access import Access
from gateway.readers.about import about
from gateway.readers.customers import CustomerBody, find_customer

Callers: Final = requires(Scope.SERVER)

SUBSCRIPTION: Final = "select * from tollbridge.subscription where account = $1 and id = $2"
SUBSCRIPTIONS: Final = """
    select * from tollbridge.subscription where account = $1 and customer = $2 order by created_at desc, id desc
"""


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
SubscriptionId = Annotated[str, PathParameter(description="The subscription's id at Stripe: sub_…")]


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


async def _access(account: str, rows: Sequence[asyncpg.Record]) -> list[AccessBody]:
    return [_access_body(row, found) for row, found in zip(rows, await access_of(account, rows), strict=True)]


def _access_body(row: asyncpg.Record, found: Access) -> AccessBody:
    return AccessBody(
        subscription=row["id"],
        granted=found.granted,
        reason=found.reason,
        invoice=found.invoice or None,
        customer=row["customer"] or None,
        status=row["status"] or None,
    )


customer_routes: Final[list[Any]] = [update_customer, customer_access, subscription_access]
