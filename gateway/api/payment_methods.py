"""/v1/customers/{id}/payment_methods: what is stored, masked; its order, its end, and tokens from other systems."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter

from gateway.accounts.audit import Author
from gateway.accounts.keys import Scope
from gateway.accounts.known import refuse_unknown
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, example, problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.customers.by_hand import put_in_place, revoke
from gateway.customers.taking_over import shown_card, take_over
from gateway.readers.about import about
from gateway.readers.pages import DEFAULT, Page
from gateway.readers.payment_methods import PaymentMethodBody, find_method, find_methods
from gateway.runtime import Runtime
from processors.money import Money
from processors.values import Card, PaymentMethodReference, Secret, Unprinted

Callers: Final = requires(Scope.SERVER)


class PaymentMethodUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Its place in the order in which the customer's methods are charged."""

    position: Annotated[int, msgspec.Meta(ge=1, le=1000, description="1 makes it the first.")]


class CardShown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a payer recognises a method by."""

    brand: Annotated[str, msgspec.Meta(max_length=40, description="As visa, or bank_debit.")] = ""
    last4: Annotated[str, msgspec.Meta(pattern="^([0-9]{4})?$", description="The last four digits.")] = ""
    exp_month: Annotated[int, msgspec.Meta(ge=1, le=12, description="1 to 12.")] | None = None
    exp_year: Annotated[int, msgspec.Meta(ge=2000, le=2200, description="With four digits.")] | None = None


class ChargeLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the payer has agreed to have taken at once."""

    amount: Annotated[int, msgspec.Meta(ge=1, le=999_999_999_999, description="In Stripe's minor units.")]
    currency: Annotated[str, msgspec.Meta(pattern="^[a-z]{3}$", description="Three lower-case letters.")]


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
    charge_limit: Annotated[
        ChargeLimit | None,
        about(
            "The most that the payer has agreed to have taken at once. More is not charged in parts: a case opens, and "
            "an event says that the payer is to be asked. The same token again, with another limit, changes it."
        ),
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
        runtime, Author(principal.actor), account, customer_id, data.connection, reference, _card(data)
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


def _card(data: PaymentMethodImport) -> Card:
    shown, limit = data.card or CardShown(), data.charge_limit
    agreed = Money(limit.amount, limit.currency) if limit is not None else None
    return shown_card(shown.brand, shown.last4, shown.exp_month, shown.exp_year, agreed)


payment_method_routes: Final[list[Any]] = [list_payment_methods, retrieve, import_method, move, remove]
