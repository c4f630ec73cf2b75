"""Payment-method sessions: a payer gives another payment method, on our page or on the merchant's own."""

from __future__ import annotations

from typing import Annotated, Any, Final

import asyncpg
import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter

from db.poke import Kind
from db.states import MethodSessionState
from gateway.accounts.keys import Scope
from gateway.api.auth import Bearer, Principal, requires
from gateway.api.openapi import also, changing, example, problems
from gateway.api.problems import Code
from gateway.api.setup import SETUP, ClientResult, Failure, Setup, SetupBody, failure_of, shown_setup
from gateway.api.waiting import WaitS, so_far
from gateway.customers import method_sessions as sessions
from gateway.customers import stripe_sessions
from gateway.customers.client_secret import client_secret
from gateway.customers.method_sessions import MethodSessionRequest
from gateway.customers.offers import Processor, shown
from gateway.customers.update_link import address
from gateway.readers.about import about
from gateway.readers.method_sessions import Due, due_of
from gateway.runtime import Runtime
from processors.values import Unprinted


class MethodSession(Unprinted, frozen=True):
    """A session in which a payer gives another payment method."""

    id: str
    object: str
    status: Annotated[str, about("open, processing, complete or expired.")]
    customer: Annotated[str, about("The customer's id at Stripe.")]
    client_secret: Annotated[
        str | None, about("Opens this session alone, for a browser. Shown to an API key, null to its own bearer.")
    ]
    url: Annotated[
        str | None,
        about(
            "Our page: send the payer there. The secret stands behind its #, which browsers keep to themselves. Shown "
            "to an API key while the session is open; null where Stripe keeps the method: your page sees to that."
        ),
    ]
    processors: Annotated[list[Processor], about("What `setup` may be begun at, the preferred one first.")]
    due: Annotated[list[Due], about("What is open, and is tried as soon as a method is stored.")]
    subscription: Annotated[str | None, about("For which alone the method is given; null: for all of the customer's.")]
    at_stripe: Annotated[bool, about("Stripe keeps the method, and collects with it: no processor is on offer.")]
    payment_method: Annotated[str | None, about("The stored method, once there is one.")]
    stripe_payment_method: Annotated[str | None, about("Where Stripe keeps it: its id there (pm_…).")]
    failure: Annotated[Failure | None, about("Why the last set-up came to nothing; the payer may begin another.")]
    return_url: Annotated[str | None, about("Where our page leads the payer in the end.")]
    created: Annotated[int, about("Unix seconds.")]
    expires_at: Annotated[int, about("Unix seconds; no method is stored after this.")]


class MethodSetupBody(SetupBody, frozen=True, forbid_unknown_fields=True):
    """Where the payer enters a payment method; `stripe` in a session of `connection: "stripe"`."""

    portal: Annotated[bool, about("With `stripe`: on Stripe's customer portal. Else with a SetupIntent's secret.")] = (
        False
    )


class CompleteBody(Unprinted, frozen=True, forbid_unknown_fields=True):
    """The payer is done at the processor."""

    setup: Annotated[
        str,
        about("The id that the processor's page came back with; it must be that of this session. May be left out."),
    ] = ""
    client: ClientResult = msgspec.field(default_factory=dict)
    wait_s: WaitS = 20.0


CREATE: Final = example(
    "Any processor", {"customer": "cus_NffrFeUfNV2Hib", "return_url": "https://shop.example/account"}
)
COMPLETE: Final = example("After a redirect", {"setup": "pset_4711", "wait_s": 10})
SessionId = Annotated[str, PathParameter(description="The session's id: pms_…")]
OPENS: Final = requires(Scope.SERVER, Scope.CHECKOUT, session=Bearer.METHOD_SESSION)


@post(
    "/",
    guards=[requires(Scope.SERVER, Scope.CHECKOUT)],
    status_code=200,
    **changing(
        Code.NOT_FOUND, Code.STATE_CONFLICT, Code.STRIPE_REFUSED, Code.STRIPE_FORBIDDEN, Code.STRIPE_UNAVAILABLE
    ),
    summary="Let a customer's payer give another payment method",
)
async def create(
    data: Annotated[MethodSessionRequest, CREATE],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> MethodSession:
    """The same request while its session is open gives that session again, so that a double click makes one.

    Send the payer to `url`, or go on with `client_secret` on a page of your own. As soon as a method is stored, the
    customer's open invoices are tried with it, of each subscription the oldest first.
    """
    session = await sessions.open_session(runtime, principal.account, data)
    return await _shown(runtime, principal, session)


@get(
    "/{session_id:str}",
    guards=[OPENS],
    responses=problems(Code.NOT_FOUND),
    summary="The status, and the processors on offer",
)
async def retrieve(
    session_id: SessionId, principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> MethodSession:
    """Asks nobody: read it while it is `processing`."""
    return await _shown(runtime, principal, await sessions.get_session(principal.account, session_id))


@post(
    "/{session_id:str}/complete",
    guards=[OPENS],
    status_code=200,
    **changing(
        Code.NOT_FOUND,
        Code.PAYMENT_METHOD_NEEDS_REPAIR,
        Code.SESSION_EXPIRED,
        also=also(202, MethodSession, "It takes longer: `processing`. Read the session until that changes."),
    ),
    summary="The payer is done: store the payment method",
)
async def complete(
    session_id: SessionId,
    data: Annotated[CompleteBody, COMPLETE],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> Response[MethodSession]:
    """200 with `complete`, or `open` and a `failure`; 202 with `processing` where it takes longer than `wait_s`.

    A payer who is done and does not come back is found as well, some minutes later.
    """
    await sessions.complete(runtime, principal.account, session_id, setup=data.setup, client=data.client)
    row = await sessions.wait_for(principal.account, session_id, data.wait_s)
    return so_far(await _shown(runtime, principal, row))


@post(
    "/{session_id:str}/setup",
    guards=[OPENS],
    status_code=200,
    **changing(
        Code.NOT_FOUND,
        Code.PROCESSOR_REFUSED,
        Code.PROCESSOR_UNAVAILABLE,
        Code.SESSION_EXPIRED,
        Code.SESSION_NOT_OPEN,
        Code.STATE_CONFLICT,
        Code.STRIPE_REFUSED,
        Code.STRIPE_FORBIDDEN,
        Code.STRIPE_UNAVAILABLE,
    ),
    summary="Begin to collect a payment method at a processor, or at Stripe",
)
async def setup(
    session_id: SessionId,
    data: Annotated[MethodSetupBody, SETUP],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> Setup:
    """Moves no money. However many are begun, one method is kept; what comes of the others is deleted there.

    At Stripe, `client` has the `setup_intent_client_secret` for Stripe's own client code.
    """
    account, row = principal.account, await sessions.get_session(principal.account, session_id)
    if row["at_stripe"]:
        stripe_sessions.refuse_for_processors(data.processor)
        made = await stripe_sessions.begin(runtime, account, session_id, data.return_url, portal=data.portal)
    else:
        made = await sessions.begin_setup(runtime, account, session_id, data.processor, data.return_url)
    return shown_setup(made)


async def _shown(runtime: Runtime, principal: Principal, row: asyncpg.Record) -> MethodSession:
    account, state = principal.account, MethodSessionState(row["state"])
    secret, live = None, state in (MethodSessionState.OPEN, MethodSessionState.PROCESSING)
    if principal.kind == "key":
        secret = client_secret(runtime.keyring, Kind.METHOD_SESSION, row)
    return MethodSession(
        id=row["id"],
        object="payment_method_session",
        status=state,
        customer=row["customer"],
        client_secret=secret,
        url=address(runtime, row) if secret and live and not row["at_stripe"] else None,
        processors=[shown(one) for one in await sessions.on_offer(row)] if live else [],
        due=[] if row["at_stripe"] else await due_of(account, row["customer"], row["subscription"]),
        subscription=row["subscription"],
        at_stripe=row["at_stripe"],
        payment_method=row["payment_method"],
        stripe_payment_method=row["stripe_payment_method"],
        failure=failure_of(row),
        return_url=row["return_url"] or None,
        created=int(row["created_at"].timestamp()),
        expires_at=int(row["expires_at"].timestamp()),
    )


method_session_routes: Final[Any] = Router(
    "/payment_method_sessions",
    route_handlers=[create, retrieve, setup, complete],
    tags=["Payment methods"],
)
