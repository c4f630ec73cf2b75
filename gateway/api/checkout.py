"""Checkout sessions. A server opens them with its API key; the browser goes on with the session's `client_secret`."""

from __future__ import annotations

from typing import Annotated, Any, Final

import asyncpg
import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import FromPath, JSONBody

from db import sql
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, problems
from gateway.api.problems import Code
from gateway.checkout import change as changes
from gateway.checkout import sessions
from gateway.checkout.amounts import InitialInvoice, initial_invoice
from gateway.checkout.values import Change, CheckoutRequest
from gateway.runtime import Runtime

MOST_WAIT_S: Final = 30.0

VIEW: Final = """
    select s.*, i.snapshot, i.read_at, i.currency as invoice_currency,
        t.state as attempt_state, t.action_url
    from tollbridge.checkout_session s
        left join tollbridge.invoice i on i.account = s.account and i.id = s.invoice
        left join lateral (select state, action_url from tollbridge.attempt a
                           where a.account = s.account and a.invoice = s.invoice
                           order by a.number desc limit 1) t on true
    where s.account = $1 and s.id = $2
"""


class NextAction(msgspec.Struct, frozen=True):
    """What the payer must do: open this page of the processor's."""

    redirect_url: str


class Failure(msgspec.Struct, frozen=True):
    """Why a session, or the last set-up in an open one, came to nothing."""

    code: str
    message: str


class Session(msgspec.Struct, frozen=True):
    """A checkout session. `client_secret` is shown to an API key alone."""

    id: str
    object: str
    status: str
    client_reference: str
    client_secret: str | None
    customer: str
    subscription: str
    invoice: InitialInvoice | None
    processors: list[str]
    payment_method: str | None
    next_action: NextAction | None
    failure: Failure | None
    created: int
    expires_at: int


class SetupBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`processor` is one of the session's `processors`; the payer's browser comes back to `return_url`."""

    processor: Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
    return_url: Annotated[str, msgspec.Meta(pattern="^https?://[^ ]+$", max_length=2000)]


class Setup(msgspec.Struct, frozen=True):
    """What the frontend needs: a page to open, or data for the processor's own client code."""

    object: str
    redirect_url: str | None
    client: dict[str, str]
    expires_at: int | None


class ConfirmBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`setup` is what a redirect came back with; `payment_method` a stored one of the customer's, for servers.

    `wait_s`: how long the answer may wait for the result, 0 to 30 seconds.
    """

    setup: str = ""
    payment_method: str = ""
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=MOST_WAIT_S)] = 20.0


CREATE_EXAMPLE = Example(
    summary="A new customer and one plan",
    value={
        "client_reference": "order-4711",
        "customer_details": {"name": "Ada", "address": {"country": "DE", "postal_code": "10115"}},
        "items": [{"price": "price_1MoBy5LkdIwHu7ixZhnattbh"}],
        "days_until_due": 10,
    },
)


@post(
    "/",
    guards=[requires(Scope.SERVER, Scope.CHECKOUT)],
    status_code=200,
    responses=changing(Code.STRIPE_REFUSED, Code.PAYMENT_METHOD_NEEDS_REPAIR, Code.NOT_FOUND),
    summary="Open a session, or get the live one of this client_reference",
)
async def create(
    data: JSONBody[CheckoutRequest],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> Session:
    """Creates the customer and the subscription at Stripe, once; waits up to 5 s, then answers 409 `in_progress`."""
    session = await sessions.open_session(runtime, principal.account, data)
    return await _shown(runtime, principal, session["id"])


@get(
    "/{session_id:str}",
    guards=[requires(Scope.SERVER, Scope.CHECKOUT, session=True)],
    responses=problems(Code.NOT_FOUND),
    summary="The initial invoice, the processors on offer, the status",
)
async def retrieve(
    session_id: FromPath[str],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> Session:
    """Never asks Stripe: the amounts are kept fresh by its events, and say `as_of` when."""
    return await _shown(runtime, principal, session_id)


@post(
    "/{session_id:str}",
    guards=[requires(Scope.SERVER, Scope.CHECKOUT, session=True)],
    status_code=200,
    responses=changing(Code.NOT_FOUND, Code.STRIPE_REFUSED, Code.SESSION_EXPIRED, Code.SESSION_NOT_OPEN),
    summary="Change the address, the tax location or the promotion code",
)
async def update(
    session_id: FromPath[str],
    data: JSONBody[Change],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> Session:
    """The amounts change in Stripe, and are answered as they are then."""
    await changes.change(runtime, principal.account, session_id, data)
    return await _shown(runtime, principal, session_id)


@post(
    "/{session_id:str}/setup",
    guards=[requires(Scope.SERVER, Scope.CHECKOUT, session=True)],
    status_code=200,
    responses=changing(
        Code.NOT_FOUND, Code.PROCESSOR_REFUSED, Code.PROCESSOR_UNAVAILABLE, Code.SESSION_EXPIRED, Code.SESSION_NOT_OPEN
    ),
    summary="Begin to collect a payment method at a processor",
)
async def setup(
    session_id: FromPath[str],
    data: JSONBody[SetupBody],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> Setup:
    """Moves no money. Another call begins another set-up, and the last one counts."""
    made = await sessions.begin_setup(runtime, principal.account, session_id, data.processor, data.return_url)
    return Setup(
        object="payment_method_setup",
        redirect_url=made.redirect_url or None,
        client=dict(made.client),
        expires_at=None if made.expires_at is None else int(made.expires_at.timestamp()),
    )


@post(
    "/{session_id:str}/confirm",
    guards=[requires(Scope.SERVER, Scope.CHECKOUT, session=True)],
    status_code=200,
    opt={"idempotency": "required"},
    responses=changing(
        Code.NOT_FOUND, Code.PAYMENT_METHOD_NEEDS_REPAIR, Code.SESSION_EXPIRED, Code.IDEMPOTENCY_KEY_REQUIRED
    ),
    summary="Store the payment method, finalize the invoice, collect it",
)
async def confirm(
    session_id: FromPath[str],
    data: JSONBody[ConfirmBody],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> Response[Session]:
    """200 with `complete`, `requires_action` or `failed`; 202 with `processing` where it takes longer than `wait_s`."""
    await sessions.confirm(runtime, principal.account, session_id, payment_method=data.payment_method, setup=data.setup)
    await sessions.wait_for(principal.account, session_id, data.wait_s)
    shown = await _shown(runtime, principal, session_id)
    return Response(shown, status_code=202 if shown.status == "processing" else 200)


async def _shown(runtime: Runtime, principal: Principal, session_id: str) -> Session:
    await sessions.get_session(principal.account, session_id)
    row = await sql.row(VIEW, principal.account, session_id)
    assert row is not None, "it was there a moment ago, and sessions are not deleted"
    currency = row["invoice_currency"] or ""
    return Session(
        id=row["id"],
        object="checkout_session",
        status="requires_action" if _acts(row) else row["state"],
        client_reference=row["client_reference"],
        client_secret=sessions.client_secret(runtime, row) if principal.kind == "key" else None,
        customer=row["customer"],
        subscription=row["subscription"],
        invoice=initial_invoice(row["snapshot"], row["read_at"]) if row["snapshot"] else None,
        processors=await sessions.offers(principal.account, currency) if row["state"] == "open" else [],
        payment_method=row["payment_method"],
        next_action=NextAction(row["action_url"]) if _acts(row) and row["action_url"] else None,
        failure=Failure(row["failure_code"].partition(":")[0], row["reason"]) if row["failure_code"] else None,
        created=int(row["created_at"].timestamp()),
        expires_at=int(row["expires_at"].timestamp()),
    )


def _acts(row: asyncpg.Record) -> bool:
    return bool(row["state"] == "processing" and row["attempt_state"] == "requires_action")


checkout_routes: Final[Any] = Router(
    "/checkout_sessions", route_handlers=[create, retrieve, update, setup, confirm], tags=["Checkout"]
)
