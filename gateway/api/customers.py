"""/v1/customers: how they are treated, and what they may use."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from db.states import Collection
from gateway.accounts.audit import LONGEST_REASON, Author
from gateway.accounts.keys import Scope
from gateway.accounts.known import refuse_unknown
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, example, problems
from gateway.api.payment_methods import CustomerId
from gateway.api.problems import Code
from gateway.clock import business_now
from gateway.customers import erase
from gateway.customers.customer import collect_by, opt_out
from gateway.customers.locations import Address, IpAddress
from gateway.customers.tax_location import Location, tell_location
from gateway.readers.about import about
from gateway.readers.access import CustomerAccess, find_access
from gateway.readers.customers import CustomerBody, find_customer
from gateway.runtime import Runtime

Callers: Final = requires(Scope.SERVER)
Readers: Final = requires(Scope.SERVER, Scope.FINANCE, Scope.ADMIN)
Product = Annotated[
    str, QueryParameter(name="product", description="Only subscriptions of this product (prod_…) or price (price_…).")
]


class CustomerUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a customer is treated."""

    opted_out: Annotated[
        bool | msgspec.UnsetType, about("Leave this customer's invoices alone; they are shown as `not_ours`.")
    ] = msgspec.UNSET
    collection: Annotated[
        Collection | msgspec.UnsetType | None,
        about(
            "`hosted`: the payer pays on Stripe's own page of each invoice, and nothing is charged; `processor`: we "
            "charge a payment method; null: as the account's policy says. Open invoices follow."
        ),
    ] = msgspec.UNSET


class NewTaxLocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a customer is taxed: an address, the payer's IP address or both; or where to ask for it."""

    address: Annotated[Address | None, about("Of the customer; its country at least.")] = None
    ip_address: IpAddress = ""
    from_: Annotated[
        Literal["processor"] | None,
        about("`processor`: the one of the customer's first payment method is asked for the payer's address."),
    ] = msgspec.field(default=None, name="from")


class TaxLocation(msgspec.Struct, frozen=True):
    """What Stripe was told, without the place itself."""

    customer: str
    source: Annotated[str, about("`address`, `ip_address` or `processor`.")]
    connection: Annotated[str, about("Whose processor was asked; else empty.")]
    automatic_tax: Annotated[
        str, about("Stripe's word: `supported`, `not_collecting` (you are not registered there), …")
    ]
    object: Literal["tax_location"] = "tax_location"


MOVED: Final = example("A customer who has moved", {"address": {"country": "DE", "postal_code": "10115"}})


class Erasing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Erase a customer's personal data."""

    reason: Annotated[
        str, msgspec.Meta(min_length=1, max_length=LONGEST_REASON), about("For the audit log; name nobody in it.")
    ]


ERASE: Final = example("A request", {"reason": "Asked for by the customer, ticket 4711."})
OPT_OUT: Final = example("Paid on Stripe's page", {"collection": "hosted"})


@post(
    "/customers/{customer_id:str}",
    guards=[Callers],
    status_code=200,
    **changing(Code.NOT_FOUND),
    summary="Leave a customer alone, or not; and how the customer's invoices are collected",
)
async def update_customer(
    customer_id: CustomerId, data: Annotated[CustomerUpdate, OPT_OUT], principal: NamedDependency[Principal]
) -> CustomerBody:
    """What was begun goes on to its end: an invoice that was tried already stays ours, and none is moved to Stripe's
    page before a charge that is under way has ended. What is left out stays as it is."""
    account, by, now = principal.account, Author(principal.actor), await business_now()
    await refuse_unknown(account, customer_id)
    if data.opted_out is not msgspec.UNSET:
        await opt_out(account, customer_id, data.opted_out, by, now)
    if data.collection is not msgspec.UNSET:
        await collect_by(account, customer_id, data.collection, by, now)
    return await find_customer(principal.account, customer_id)


@post(
    "/customers/{customer_id:str}/tax_location",
    guards=[Callers],
    status_code=200,
    **changing(
        Code.NOT_FOUND,
        Code.STRIPE_REFUSED,
        Code.STRIPE_UNAVAILABLE,
        Code.PROCESSOR_REFUSED,
        Code.PROCESSOR_UNAVAILABLE,
    ),
    summary="Tell Stripe where a customer is taxed",
)
async def tell_tax_location(
    customer_id: CustomerId,
    data: Annotated[NewTaxLocation, MOVED],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> TaxLocation:
    """It takes the place of what Stripe knew, and is refused with 400 where Stripe does not know the place. A shipping
    address, which only you give to Stripe, goes before any other there, and an IP address after every other.

    Drafts that could not be finalized without it are finalized and collected. Nothing of it is kept here.
    """
    location = Location(data.address, data.ip_address, data.from_ is not None)
    told = await tell_location(runtime, Author(principal.actor), principal.account, customer_id, location)
    return TaxLocation(customer_id, told.source, told.connection, told.automatic_tax)


@get("/customers/{customer_id:str}", guards=[Readers], responses=problems(Code.NOT_FOUND))
async def retrieve_customer(principal: NamedDependency[Principal], customer_id: CustomerId) -> CustomerBody:
    """How the customer is treated, and whether it was deleted in Stripe or erased here."""
    return await find_customer(principal.account, customer_id)


@post(
    "/customers/{customer_id:str}/erase",
    guards=[requires(Scope.ADMIN)],
    status_code=200,
    **changing(Code.NOT_FOUND, Code.STATE_CONFLICT),
    summary="Erase a customer's personal data",
)
async def erase_customer(
    customer_id: CustomerId,
    data: Annotated[Erasing, ERASE],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> CustomerBody:
    """Its payment methods are deleted at their processors first; `erased` says when all is done. It can't be undone.

    Ids, amounts and the ledger stay, so that refunds and disputes still work. Refused while a subscription lives that
    is collected here, or a charge, refund or checkout is under way. Erase it in Stripe too. Asked for again, it erases
    what has come since.
    """
    await erase.ask(runtime, Author(principal.actor, data.reason), principal.account, customer_id)
    return await find_customer(principal.account, customer_id)


@get(
    "/customers/{customer_id:str}/access",
    guards=[requires(Scope.SERVER, Scope.FINANCE)],
    responses=problems(Code.NOT_FOUND),
)
async def customer_access(
    principal: NamedDependency[Principal], customer_id: CustomerId, product: Product = ""
) -> CustomerAccess:
    """What the customer may use, by all its subscriptions or by those of one product. One of them that gives access is
    enough."""
    return await find_access(principal.account, customer_id, product)


customer_routes: Final[list[Any]] = [
    update_customer,
    retrieve_customer,
    tell_tax_location,
    erase_customer,
    customer_access,
]
