"""/v1/customers/{id}/payment_methods: what is stored, masked; its order, its end, and tokens from other systems."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import asyncpg
import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter

from db import sql
from db.states import MethodStatus
from gateway.accounts.audit import Author
from gateway.accounts.errors import NotThereError
from gateway.accounts.keys import Scope
from gateway.accounts.known import refuse_unknown
from gateway.api.auth import Principal, requires
from gateway.api.openapi import about, changing, example, problems
from gateway.api.paging import DEFAULT, After, Limit, Page, listed, page, unix
from gateway.api.problems import Code
from gateway.customers.by_hand import put_in_place, revoke, take_over
from gateway.runtime import Runtime
from processors.values import Card, PaymentMethodReference, Secret, Unprinted

Callers: Final = requires(Scope.SERVER)

METHODS: Final = """
    select t.id, t.customer, t.card, t.status, t.stopped_reason, t.created_at, t.revoke_asked_at,
        c.name as connection_name, c.adapter,
        case when t.status <> 'revoked' then (
            select count(*) from tollbridge.payment_method p
            where p.account = t.account and p.customer = t.customer and p.status <> 'revoked'
              and (p.position, p.created_at, p.id) <= (t.position, t.created_at, t.id)) end as place,
        t.id = (select p.id from tollbridge.payment_method p join tollbridge.connection n on n.id = p.connection
                where p.account = t.account and p.customer = t.customer and p.status = 'active' and n.enabled
                order by p.position, p.created_at limit 1) as first,
        exists (select 1 from tollbridge.attempt a where a.account = t.account and a.payment_method = t.id
                and a.state in ('sending', 'pending', 'requires_action', 'unknown')) as in_use
    from tollbridge.payment_method t join tollbridge.connection c on c.id = t.connection
"""


class PaymentMethodBody(msgspec.Struct, frozen=True):
    """A stored method: enough to recognise it, never enough to use it. The first is charged first."""

    id: str
    customer: str
    connection: str
    processor: str
    card: Card
    status: Annotated[
        MethodStatus,
        about(
            "active; stopped: kept and not charged until the payer gives it again; revoked: erased here, and deleted "
            "at the processor as soon as nobody who collects through the same account there needs it."
        ),
    ]
    first: Annotated[bool, about("Whether it is what is charged next.")]
    position: Annotated[int | None, about("Its place in the order, 1 being the first; null where it is revoked.")]
    stopped_reason: Annotated[
        str | None, about("The class of the decline that stopped it, or `revocation` where it is about to be revoked.")
    ]
    revocation: Annotated[
        Literal["requested", "deferred"] | None,
        about("Its deletion at the processor was asked for; deferred: the end of a charge to it is awaited first."),
    ]
    created: int
    object: Literal["payment_method"] = "payment_method"


class PaymentMethodUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Its place in the order in which the customer's methods are charged."""

    position: Annotated[int, msgspec.Meta(ge=1, le=1000, description="1 makes it the first.")]


class CardShown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a payer recognises a method by."""

    brand: Annotated[str, msgspec.Meta(max_length=40, description="As visa, or bank_debit.")] = ""
    last4: Annotated[str, msgspec.Meta(pattern="^([0-9]{4})?$", description="The last four digits.")] = ""
    exp_month: Annotated[int, msgspec.Meta(ge=1, le=12, description="1 to 12.")] | None = None
    exp_year: Annotated[int, msgspec.Meta(ge=2000, le=2200, description="With four digits.")] | None = None


class PaymentMethodImport(Unprinted, frozen=True, forbid_unknown_fields=True):
    """A token that your server holds already, from before it used this service."""

    connection: Annotated[
        str, msgspec.Meta(min_length=1, max_length=63, description="The connection whose processor knows the token.")
    ]
    token: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=1000,
            description="The processor's token, vault id or mandate; never a card's number.",
        ),
    ]
    processor_customer: Annotated[
        str, msgspec.Meta(max_length=1000, description="The payer's id at the processor, where it has one.")
    ] = ""
    card: Annotated[
        CardShown | None, about("What is shown of it: the processor can't be asked for that by its token.")
    ] = None


MOVE: Final = example("Charge this one first", {"position": 1})
IMPORT: Final = example(
    "A vaulted card",
    {"connection": "practice-eu", "token": "ptok_4711", "card": {"brand": "visa", "last4": "4242"}},
)
CustomerId = Annotated[str, PathParameter(description="The customer's id at Stripe: cus_…")]
MethodId = Annotated[str, PathParameter(description="The payment method's id: pmt_…")]


@get(
    "/customers/{customer_id:str}/payment_methods",
    guards=[Callers],
    responses=problems(Code.NOT_FOUND),
    summary="List a customer's payment methods",
)
async def list_payment_methods(
    principal: NamedDependency[Principal],
    customer_id: CustomerId,
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[PaymentMethodBody]:
    """The customer's stored payment methods, the revoked ones too."""
    return await find_methods(principal.account, customer_id, limit=limit, starting_after=starting_after)


@get(
    "/customers/{customer_id:str}/payment_methods/{method_id:str}",
    guards=[Callers],
    responses=problems(Code.NOT_FOUND),
    summary="Show a payment method",
)
async def retrieve(
    principal: NamedDependency[Principal], customer_id: CustomerId, method_id: MethodId
) -> PaymentMethodBody:
    """What is shown is enough to recognise it."""
    return await find_method(principal.account, customer_id, method_id)


@post(
    "/customers/{customer_id:str}/payment_methods",
    guards=[Callers],
    status_code=200,
    **changing(
        Code.NOT_FOUND, Code.ALREADY_EXISTS, Code.IN_PROGRESS, Code.PROCESSOR_REFUSED, Code.PROCESSOR_UNAVAILABLE
    ),
    summary="Take over a token from another system",
)
async def import_method(
    customer_id: CustomerId,
    data: Annotated[PaymentMethodImport, IMPORT],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> PaymentMethodBody:
    """The processor is asked whether it is good. It becomes the first, and open invoices are tried with it at once.

    The same token again is the same payment method.
    """
    account = principal.account
    await refuse_unknown(account, customer_id)
    reference = PaymentMethodReference(
        Secret(data.token), Secret(data.processor_customer) if data.processor_customer else None
    )
    method = await take_over(
        runtime, Author(principal.actor), account, customer_id, data.connection, reference, _card(data.card)
    )
    return await find_method(account, customer_id, method)


@post(
    "/customers/{customer_id:str}/payment_methods/{method_id:str}",
    guards=[Callers],
    status_code=200,
    **changing(Code.NOT_FOUND),
    summary="Change the order",
)
async def move(
    customer_id: CustomerId,
    method_id: MethodId,
    data: Annotated[PaymentMethodUpdate, MOVE],
    principal: NamedDependency[Principal],
) -> PaymentMethodBody:
    """From the next try on."""
    await put_in_place(Author(principal.actor), principal.account, customer_id, method_id, data.position)
    return await find_method(principal.account, customer_id, method_id)


@delete(
    "/customers/{customer_id:str}/payment_methods/{method_id:str}",
    guards=[Callers],
    status_code=200,
    responses=problems(Code.NOT_FOUND),
    summary="Revoke a payment method",
)
async def remove(
    principal: NamedDependency[Principal], customer_id: CustomerId, method_id: MethodId
) -> PaymentMethodBody:
    """Nothing is charged to it from now on. A worker deletes it at the processor, once no charge to it is under way."""
    await revoke(Author(principal.actor), principal.account, customer_id, method_id)
    return await find_method(principal.account, customer_id, method_id)


async def find_methods(account: str, customer: str, *, limit: int, starting_after: str) -> Page[PaymentMethodBody]:
    """A page of a customer's payment methods; raises NotThereError, ProblemError."""
    await refuse_unknown(account, customer)
    where = {"customer": customer}
    return listed(
        *await page(account, METHODS, "created_at", where, limit=limit, starting_after=starting_after), _method
    )


async def find_method(account: str, customer: str, method: str) -> PaymentMethodBody:
    """One of them; raises NotThereError."""
    row = await sql.row(f"{METHODS} where t.account = $1 and t.customer = $2 and t.id = $3", account, customer, method)
    if row is None:
        raise NotThereError("payment method", method)
    return _method(row)


def _method(row: asyncpg.Record) -> PaymentMethodBody:
    leaving = row["revoke_asked_at"] is not None and row["status"] != MethodStatus.REVOKED
    return PaymentMethodBody(
        id=row["id"],
        customer=row["customer"],
        connection=row["connection_name"],
        processor=row["adapter"],
        card=msgspec.json.decode(row["card"], type=Card),
        status=MethodStatus(row["status"]),
        first=bool(row["first"]),
        position=row["place"],
        stopped_reason=row["stopped_reason"] or None,
        revocation=("deferred" if row["in_use"] else "requested") if leaving else None,
        created=unix(row["created_at"]),
    )


def _card(shown: CardShown | None) -> Card:
    if shown is None:
        return Card()
    label = f"{shown.brand} •••• {shown.last4}" if shown.last4 else shown.brand
    return Card(shown.brand, shown.last4, shown.exp_month, shown.exp_year, label.strip())


payment_method_routes: Final[list[Any]] = [list_payment_methods, retrieve, import_method, move, remove]
