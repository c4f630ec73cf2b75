"""/v1/subscriptions: how each stands, its access, and having it end."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from db.states import AccessState, CancellationState, Collector, Ends, OpenInvoices, SwitchState
from gateway.accounts.audit import Author
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.ids import SubscriptionId
from gateway.api.openapi import also, changing, example, problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.api.waiting import WaitS
from gateway.collect.switch_wish import Asked
from gateway.readers.about import about
from gateway.readers.access import AccessBody, find_subscription_access
from gateway.readers.pages import DEFAULT, Page
from gateway.readers.subscriptions import SubscriptionBody, find_subscription, find_subscriptions
from gateway.readers.upcoming import UpcomingBody, find_upcoming
from gateway.runtime import Runtime
from gateway.subscriptions import cancel, switch
from gateway.subscriptions.known import LONGEST_REASON

Readers: Final = requires(Scope.SERVER, Scope.FINANCE)
Callers: Final = requires(Scope.SERVER)
OfCustomer = Annotated[str, QueryParameter(name="customer", description="Only of this customer.")]
Status = Annotated[str, QueryParameter(name="status", description="Only with this status of Stripe's.")]
CollectedBy = Annotated[Collector | None, QueryParameter(name="collected_by", description="Only those it collects.")]
OfAccess = Annotated[AccessState | None, QueryParameter(name="access", description="Only with this state of access.")]
OfProduct = Annotated[
    str, QueryParameter(name="product", description="Only with this product (prod_…) or price (price_…).")
]
EndsSoon = Annotated[bool, QueryParameter(name="ends_soon", description="Only those that end within 30 days.")]


class Cancelling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a subscription is to end."""

    ends: Annotated[Ends, about("At once, with the period that runs, or `never`: it was to end, and lives on.")]
    invoice_now: Annotated[
        bool,
        about(
            "With `now`: what was used and not billed yet comes on a last invoice, which is collected. Usage that was "
            "reported here is sent to Stripe first, for ten minutes at most."
        ),
    ] = False
    prorate: Annotated[
        bool, about("With `now`: the rest of a period that is paid is credited to the customer's balance at Stripe.")
    ] = False
    reason: Annotated[
        str,
        msgspec.Meta(max_length=LONGEST_REASON),
        about("Kept in the audit log, and at Stripe as the cancellation's comment."),
    ] = ""
    wait_s: WaitS = 20.0


class Switching(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to collect a subscription from now on, and with what."""

    to: Annotated[
        Collector,
        about(
            "`stripe`: Stripe charges its invoices to come; `gateway`: we do; `hosted`: they are sent, and their payer "
            "pays on Stripe's page. From us to `hosted` and back, open invoices follow."
        ),
    ]
    payment_method: Annotated[
        str,
        msgspec.Meta(max_length=255),
        about("With `gateway`: ours (pmt_…), which this subscription is charged to first. Else the customer's first."),
    ] = ""
    stripe_payment_method: Annotated[
        str,
        msgspec.Meta(pattern="^[A-Za-z0-9_-]*$", max_length=255),
        about("With `stripe`: what it charges (pm_…). Else the customer's default for invoices there."),
    ] = ""
    open_invoices: Annotated[
        OpenInvoices,
        about("With `stripe`: `finish`, we collect what is open to its end; `hand_over`, Stripe pays it."),
    ] = OpenInvoices.FINISH
    days_until_due: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=730)] | None,
        about("With `gateway` or `hosted`: of its invoices. Else as it has them, or the account's policy."),
    ] = None
    retire: Annotated[
        bool, about("With `payment_method`: those that it used before are deleted once nothing needs them.")
    ] = False
    reason: Annotated[str, msgspec.Meta(max_length=LONGEST_REASON), about("Kept in the audit log.")] = ""
    wait_s: WaitS = 20.0


SWITCH: Final = example("To Stripe", {"to": "stripe", "stripe_payment_method": "pm_1MqLiJLkdIwHu7ix"})
LATER_SWITCHED: Final = also(202, SubscriptionBody, "the subscription as it is: the switch takes longer")
CANCEL: Final = example("With its period", {"ends": "period_end", "reason": "Moves abroad."})
LATER: Final = also(202, SubscriptionBody, "the subscription as it is: telling Stripe takes longer")


@get("/subscriptions", guards=[Readers], responses=problems())
async def index(
    principal: NamedDependency[Principal],
    customer: OfCustomer = "",
    of_status: Status = "",
    collected_by: CollectedBy = None,
    access: OfAccess = None,
    product: OfProduct = "",
    ends_soon: EndsSoon = False,
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[SubscriptionBody]:
    """The subscriptions of the account, the newest first, as far as events have told."""
    return await find_subscriptions(
        principal.account,
        customer,
        of_status,
        collected_by=collected_by,
        access=access,
        product=product,
        ends_soon=ends_soon,
        limit=limit,
        starting_after=starting_after,
    )


@get("/subscriptions/{subscription_id:str}", guards=[Readers], responses=problems(Code.NOT_FOUND))
async def retrieve(principal: NamedDependency[Principal], subscription_id: SubscriptionId) -> SubscriptionBody:
    """One subscription, as Stripe showed it last."""
    return await find_subscription(principal.account, subscription_id)


@get("/subscriptions/{subscription_id:str}/access", guards=[Readers], responses=problems(Code.NOT_FOUND))
async def access(principal: NamedDependency[Principal], subscription_id: SubscriptionId) -> AccessBody:
    """Whether the subscription gives access: since its first invoice is paid, never because Stripe calls it active.

    A later invoice that is not paid closes it by the account's policy `access_closes`; where nothing is due at first,
    `access_without_first_invoice` opens it. Ask as often as you like: the answer is stored, and nobody is asked for it.
    """
    return await find_subscription_access(principal.account, subscription_id)


@get(
    "/subscriptions/{subscription_id:str}/upcoming_invoice",
    guards=[Readers],
    responses=problems(Code.NOT_FOUND, Code.STATE_CONFLICT, Code.STRIPE_REFUSED, Code.STRIPE_UNAVAILABLE),
)
async def upcoming_invoice(
    principal: NamedDependency[Principal], subscription_id: SubscriptionId, runtime: NamedDependency[Runtime]
) -> UpcomingBody:
    """The next invoice as Stripe would make it now, with what was used so far; and what of that is on its way still."""
    return await find_upcoming(runtime, principal.account, subscription_id)


@post(
    "/subscriptions/{subscription_id:str}/cancel",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND, Code.STATE_CONFLICT, Code.STRIPE_REFUSED, also=LATER),
    summary="Have a subscription end, now or with its period, or live on after all",
)
async def cancel_subscription(
    principal: NamedDependency[Principal],
    subscription_id: SubscriptionId,
    data: Annotated[Cancelling, CANCEL],
) -> Response[SubscriptionBody]:
    """What is still owed goes by the account's policies `canceled_invoices` and `canceled_in_flight`.

    Its customer's payment methods are deleted once nothing needs them (`unused_methods`). Refunds still work then.
    """
    account = principal.account
    asked = cancel.Asked(data.ends, data.invoice_now, data.prorate, data.reason)
    wish = await cancel.ask(Author(principal.actor, data.reason), account, subscription_id, asked)
    state = await cancel.wait_for(account, wish, data.wait_s)
    body = await find_subscription(account, subscription_id)
    return Response(body, status_code=202 if state is CancellationState.WANTED else 200)


@post(
    "/subscriptions/{subscription_id:str}/switch",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND, Code.STATE_CONFLICT, Code.STRIPE_REFUSED, also=LATER_SWITCHED),
    summary="Have a subscription collected by Stripe, by us, with another payment method, or paid on Stripe's page",
)
async def switch_subscription(
    principal: NamedDependency[Principal],
    subscription_id: SubscriptionId,
    data: Annotated[Switching, SWITCH],
) -> Response[SubscriptionBody]:
    """One alone collects each invoice, at every moment: what Stripe was charging is ours once it has let go, and what
    we are charging is its payer's once that try has ended.

    Payment methods that nothing needs any more once Stripe collects are deleted (`unused_methods`).
    """
    account = principal.account
    asked = Asked(
        data.to,
        data.payment_method,
        data.stripe_payment_method,
        data.open_invoices,
        data.days_until_due,
        data.retire,
    )
    wish = await switch.ask(Author(principal.actor, data.reason), account, subscription_id, asked)
    state = await switch.wait_for(account, wish, data.wait_s)
    body = await find_subscription(account, subscription_id)
    return Response(body, status_code=202 if state is SwitchState.WANTED else 200)


subscription_routes: Final[list[Any]] = [
    index,
    retrieve,
    access,
    upcoming_invoice,
    cancel_subscription,
    switch_subscription,
]
