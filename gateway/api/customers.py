"""/v1/customers: how they are treated, and what they may use."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import get, post
from litestar.di import NamedDependency

from gateway.accounts.audit import Author
from gateway.accounts.keys import Scope
from gateway.accounts.known import refuse_unknown
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, example, problems
from gateway.api.payment_methods import CustomerId
from gateway.api.problems import Code
from gateway.clock import business_now
from gateway.customers.customer import opt_out
from gateway.readers.about import about
from gateway.readers.access import CustomerAccess, find_access
from gateway.readers.customers import CustomerBody, find_customer

Callers: Final = requires(Scope.SERVER)


class CustomerUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a customer is treated."""

    opted_out: Annotated[bool, about("Leave this customer's invoices alone; they are shown as `not_ours`.")]


OPT_OUT: Final = example("Leave a customer alone", {"opted_out": True})


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


customer_routes: Final[list[Any]] = [update_customer, customer_access]
