"""Checkout sessions. A server opens them with its API key; the browser goes on with the session's `client_secret`."""

from __future__ import annotations

from typing import Annotated, Any, Final

import asyncpg
import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter

from db import sql
from db.poke import Kind
from db.states import Collection
from gateway.accounts.keys import Scope
from gateway.api.auth import Bearer, Principal, requires
from gateway.api.openapi import also, changing, example, problems
from gateway.api.problems import Code
from gateway.api.setup import ClientResult, Failure, failure_of, setup_of
from gateway.api.waiting import WaitS, so_far
from gateway.billing.invoice_detail import InvoiceDetailShape, page_of
from gateway.checkout import change as changes
from gateway.checkout import sessions
from gateway.checkout.amounts import InitialInvoice, initial_invoice
from gateway.checkout.values import Change, CheckoutRequest
from gateway.customers.client_secret import client_secret
from gateway.customers.offers import Processor, shown
from gateway.readers.about import about
from gateway.runtime import Runtime
from processors.values import Unprinted

VIEW: Final = """
    select s.*, i.snapshot, i.read_at, i.status, i.collector,
        t.state as attempt_state, t.action_url
    from tollbridge.checkout_session s
        left join tollbridge.invoice i on i.account = s.account and i.id = s.invoice
        left join lateral (select state, action_url from tollbridge.attempt a
                           where a.account = s.account and a.invoice = s.invoice
                           order by a.number desc limit 1) t on true
    where s.account = $1 and s.id = $2
"""


class NextAction(msgspec.Struct, frozen=True):
    """What the payer must do."""

    redirect_url: Annotated[str, about("A page of the processor's, to be opened in the payer's browser.")]


class Session(Unprinted, frozen=True):
    """A checkout session."""

    id: str
    object: str
    status: Annotated[str, about("creating, open, processing, requires_action, complete, failed or expired.")]
    client_reference: Annotated[str, about("Yours: the same one gives the same session while it lives.")]
    client_secret: Annotated[
        str | None, about("Opens this session alone, for a browser. Shown to an API key, null to its own bearer.")
    ]
    customer: Annotated[str, about("The customer's id at Stripe; empty while the session is made.")]
    subscription: Annotated[str, about("The subscription's id at Stripe; empty while the session is made.")]
    invoice: Annotated[InitialInvoice | None, about("The initial invoice as Stripe last showed it.")]
    processors: Annotated[list[Processor], about("What `setup` may be begun at, the preferred one first.")]
    payment_method: Annotated[str | None, about("The stored method that is charged, once there is one.")]
    collection: Annotated[
        Collection, about("`hosted`: no payment method is collected; the payer pays at `hosted_invoice_url`.")
    ]
    hosted_invoice_url: Annotated[
        str | None, about("Stripe's own page of the invoice, where it is `hosted` and can be paid now; else null.")
    ]
    next_action: Annotated[NextAction | None, about("Where `status` is requires_action.")]
    failure: Annotated[Failure | None, about("Why it failed, or why the last set-up of an open one did.")]
    created: Annotated[int, about("Unix seconds.")]
    expires_at: Annotated[int, about("Unix seconds; after this an open session can't be confirmed.")]


class ConfirmBody(Unprinted, frozen=True, forbid_unknown_fields=True):
    """With what to pay: what came of the session's set-ups, unless a stored method is named."""

    setup: Annotated[
        str,
        about("The id that the processor's page came back with; it must be that of this session. May be left out."),
    ] = ""
    client: ClientResult = msgspec.field(default_factory=dict)
    payment_method: Annotated[str, about("A stored method of the customer's, instead of a set-up.")] = ""
    wait_s: WaitS = 20.0


CREATE: Final = example(
    "A new customer and one plan",
    {
        "client_reference": "order-4711",
        "customer_details": {"name": "A. Payer", "address": {"country": "DE", "postal_code": "10115"}},
        "items": [{"price": "price_1MoBy5LkdIwHu7ixZhnattbh"}],
        "days_until_due": 10,
    },
)
CHANGE: Final = example("An address", {"address": {"country": "DE", "postal_code": "10115"}})
CONFIRM: Final = example("After a redirect", {"setup": "pset_4711", "wait_s": 10})
SessionId = Annotated[str, PathParameter(description="The session's id: cs_…")]
OPENS: Final = requires(Scope.SERVER, Scope.CHECKOUT, session=Bearer.CHECKOUT)


@post(
    "/",
    guards=[requires(Scope.SERVER, Scope.CHECKOUT)],
    status_code=200,
    **changing(Code.STRIPE_REFUSED, Code.PAYMENT_METHOD_NEEDS_REPAIR, Code.NOT_FOUND, Code.STATE_CONFLICT),
    summary="Open a session, or get the live one of this client_reference",
)
async def create(
    data: Annotated[CheckoutRequest, CREATE],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> Session:
    """Creates the customer and the subscription at Stripe, once; waits up to 5 s, then answers 409 `in_progress`."""
    session = await sessions.open_session(runtime, principal.account, data)
    return await _shown(runtime, principal, session["id"])


@get(
    "/{session_id:str}",
    guards=[OPENS],
    responses=problems(Code.NOT_FOUND),
    summary="The initial invoice, the processors on offer, the status",
)
async def retrieve(
    session_id: SessionId,
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> Session:
    """Never asks Stripe: the amounts are kept fresh by its events, and say `as_of` when."""
    return await _shown(runtime, principal, session_id)


@post(
    "/{session_id:str}",
    guards=[OPENS],
    status_code=200,
    **changing(
        Code.NOT_FOUND,
        Code.STRIPE_REFUSED,
        Code.STRIPE_FORBIDDEN,
        Code.STRIPE_UNAVAILABLE,
        Code.SESSION_EXPIRED,
        Code.SESSION_NOT_OPEN,
    ),
    summary="Change the address, the tax location or the promotion code",
)
async def update(
    session_id: SessionId,
    data: Annotated[Change, CHANGE],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> Session:
    """The amounts change in Stripe, and are answered as they are then."""
    await changes.change(runtime, principal.account, session_id, data)
    return await _shown(runtime, principal, session_id)


@post(
    "/{session_id:str}/confirm",
    guards=[OPENS],
    status_code=200,
    **changing(
        Code.NOT_FOUND,
        Code.PAYMENT_METHOD_NEEDS_REPAIR,
        Code.SESSION_EXPIRED,
        Code.SESSION_NOT_OPEN,
        moves_money=True,
        also=also(202, Session, "It takes longer: `processing`. Read the session until that changes."),
    ),
    summary="Store the payment method, finalize the invoice, collect it",
)
async def confirm(
    session_id: SessionId,
    data: Annotated[ConfirmBody, CONFIRM],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> Response[Session]:
    """200 with `complete`, `requires_action` or `failed`; 202 with `processing` where it takes longer than `wait_s`.

    A `hosted` one is `processing` with the link to pay until the payer has paid there.
    """
    await sessions.confirm(
        runtime, principal.account, session_id, payment_method=data.payment_method, setup=data.setup, client=data.client
    )
    await sessions.wait_for(principal.account, session_id, data.wait_s)
    return so_far(await _shown(runtime, principal, session_id))


async def _shown(runtime: Runtime, principal: Principal, session_id: str) -> Session:
    await sessions.get_session(principal.account, session_id)
    row = await sql.row(VIEW, principal.account, session_id)
    assert row is not None, "it was there a moment ago, and sessions are not deleted"
    return Session(
        id=row["id"],
        object="checkout_session",
        status="requires_action" if _acts(row) else row["state"],
        client_reference=row["client_reference"],
        client_secret=client_secret(runtime.keyring, Kind.CHECKOUT, row) if principal.kind == "key" else None,
        customer=row["customer"],
        subscription=row["subscription"],
        invoice=initial_invoice(row["snapshot"], row["read_at"]) if row["snapshot"] else None,
        processors=[shown(one) for one in await sessions.on_offer(row)] if row["state"] == "open" else [],
        payment_method=row["payment_method"],
        collection=Collection(row["collection"]),
        hosted_invoice_url=_page(row),
        next_action=NextAction(row["action_url"]) if _acts(row) and row["action_url"] else None,
        failure=failure_of(row),
        created=int(row["created_at"].timestamp()),
        expires_at=int(row["expires_at"].timestamp()),
    )


def _page(row: asyncpg.Record) -> str | None:
    """Where the payer can pay now."""
    on_page = Collection.HOSTED in (row["collection"], row["collector"])
    waits = on_page and row["state"] == "processing" and row["status"] == "open"
    return page_of(msgspec.json.decode(row["snapshot"], type=InvoiceDetailShape).hosted_invoice_url) if waits else None


def _acts(row: asyncpg.Record) -> bool:
    return bool(row["state"] == "processing" and row["attempt_state"] == "requires_action")


checkout_routes: Final[Any] = Router(
    "/checkout_sessions",
    route_handlers=[create, retrieve, update, setup_of(OPENS, sessions.begin_setup), confirm],
    tags=["Checkout"],
)
