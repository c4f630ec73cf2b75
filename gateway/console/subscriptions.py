"""Subscriptions: the list, and one with what it sells, what it opens and what is wanted of it.

What it sells and its next invoice Stripe alone knows: that part is asked for once the page stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Template

from db.states import AccessState, CancellationState, Collector, Ends, SwitchState
from gateway.accounts.errors import NotThereError
from gateway.api.ids import SubscriptionId
from gateway.api.paging import After
from gateway.billing.errors import StripeError
from gateway.console.desk import Desk, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import ON_A_PAGE, Said, chosen
from gateway.console.parts import Looks, again, part
from gateway.console.render import shown
from gateway.domain.method_words import named
from gateway.domain.switch_words import NAMES
from gateway.readers.access import accesses, find_subscription_access
from gateway.readers.access_grants import find_grants
from gateway.readers.actors import names_of
from gateway.readers.billed import invoices_of
from gateway.readers.customer_cases import cases_of_subscription
from gateway.readers.object_names import customer_names, object_names, subscription_names
from gateway.readers.pages import Page
from gateway.readers.payment_methods import find_method
from gateway.readers.subscriptions import SubscriptionBody, find_subscription, find_subscriptions
from gateway.readers.terms import find_terms
from gateway.readers.upcoming import UpcomingBody, find_upcoming
from gateway.readers.usage import backlog
from gateway.runtime import Runtime
from gateway.subscriptions.errors import SubscriptionEndedError

STATUSES: Final = ("active", "trialing", "past_due", "unpaid", "incomplete", "paused", "canceled", "incomplete_expired")
"""Stripe's (API description, subscription.status)."""
Status = Annotated[str, QueryParameter(name="status", max_length=40)]
By = Annotated[str, QueryParameter(name="collected_by", max_length=40)]
Access = Annotated[str, QueryParameter(name="access", max_length=40)]
Product = Annotated[str, QueryParameter(name="product", max_length=255)]
OfCustomer = Annotated[str, QueryParameter(name="customer", max_length=255)]
Soon = Annotated[bool, QueryParameter(name="ends_soon")]
ENDS: Final[Mapping[Ends, str]] = {
    Ends.NOW: "to end now",
    Ends.PERIOD_END: "to end with its period",
    Ends.NEVER: "to live on",
}
BILLED_FOR: Final[Mapping[str, str]] = {
    "subscription_create": "the beginning",
    "subscription_cycle": "a period",
    "subscription_update": "a change of plan",
    "subscription_threshold": "usage that reached its threshold",
    "manual": "something by hand",
}
"""Stripe's billing reasons."""


@page("/subscriptions")
async def subscriptions(
    desk: NamedDependency[Desk],
    of_status: Status = "",
    by: By = "",
    opens: Access = "",
    product: Product = "",
    customer: OfCustomer = "",
    ends_soon: Soon = False,
    starting_after: After = "",
) -> Template:
    """The account's, the newest first."""
    product, customer, wrong = product.strip(), customer.strip(), RIGHT
    wanted: dict[str, Any] = {
        "collected_by": chosen(Collector, by, "collected_by"),
        "access": chosen(AccessState, opens, "access"),
        "product": product,
        "ends_soon": ends_soon,
    }
    found: Page[SubscriptionBody] = Page([], has_more=False)
    try:
        found = await find_subscriptions(
            desk.account, customer, of_status, **wanted, limit=ON_A_PAGE, starting_after=starting_after
        )
    except Exception as error:
        wrong = wrong_of(error)
    context = {
        "found": found,
        "called": await customer_names(desk.account, [one.customer for one in found.data]),
        "sold": await subscription_names(desk.account, [one.id for one in found.data]),
        "access": await accesses(desk.account, [one.id for one in found.data]),
        "wanted": wanted | {"status": of_status, "customer": customer},
        "statuses": STATUSES,
        "collectors": NAMES,
        "access_states": list(AccessState),
        "wrong": wrong,
    }
    return shown(desk, "subscriptions.html", context, status=wrong.status)


@page("/subscriptions/{subscription_id:str}")
async def subscription(desk: NamedDependency[Desk], subscription_id: FromPath[str], said: Said = "") -> Template:
    """One of them."""
    return await subscription_page(desk, subscription_id, said=said)


@page("/subscriptions/{subscription_id:str}/terms")
async def terms(
    request: Request[Any, Any, Any],
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    subscription_id: SubscriptionId,
) -> Template:
    """The part that Stripe is asked for: what it sells, and its next invoice."""
    ended = (await find_subscription(desk.account, subscription_id)).ended_at is not None
    context: dict[str, Any] = {"terms": None, "upcoming": None, "told": "", "ended": ended}
    try:
        context["terms"] = await find_terms(runtime, desk.account, subscription_id)
        context["upcoming"] = await _upcoming(runtime, desk.account, subscription_id)
    except StripeError as error:
        context["told"] = wrong_of(error).text
    of = f"/subscriptions/{subscription_id}"
    context["at"] = desk.path + of
    return part(request, desk, "_subscription_terms.html", context, of=of, title="What it is")


@page("/subscriptions/{subscription_id:str}/progress")
async def progress(
    request: Request[Any, Any, Any], desk: NamedDependency[Desk], subscription_id: FromPath[str], looks: Looks = 0
) -> Template:
    """The part that is asked for again while a cancellation or a switch is under way; then the page comes anew."""
    found = await find_subscription(desk.account, subscription_id)
    of = f"/subscriptions/{subscription_id}"
    made = part(request, desk, "_subscription_progress.html", _wishes(found, looks), of=of, title="How far it is")
    if not _under_way(found):
        made.headers["HX-Redirect"] = desk.path + of
    return made


async def subscription_page(
    desk: Desk,
    subscription_id: str,
    *,
    said: str = "",
    wrong: Wrong = RIGHT,
    typed: Mapping[str, str] | None = None,
) -> Template:
    """The page, also with a form of it that could not be carried out: `typed` is what stood in it."""
    account = desk.account
    found = await find_subscription(account, subscription_id)
    _, unsent = await backlog(account, found.customer) if found.customer else (0, [])
    own = found.customer and found.payment_method
    grants = await find_grants(account, subscription_id, limit=ON_A_PAGE)
    access = await find_subscription_access(account, subscription_id)
    context = {
        "access": access,
        "called": await object_names(account, [subscription_id, found.customer, access.invoice]),
        "grants": grants,
        "names": await names_of(account, [by for one in grants.data for by in (one.granted_by, one.revoked_by or "")]),
        "invoices": await invoices_of(account, subscription_id, limit=ON_A_PAGE),
        "cases": await cases_of_subscription(account, subscription_id, limit=ON_A_PAGE),
        "unsent": unsent,
        "method": await find_method(account, found.customer or "", own) if own else None,
        "named": named,
        "billed_for": BILLED_FOR,
        "said": said,
        "wrong": wrong,
        "typed": typed or {},
    }
    return shown(desk, "subscription.html", context | _wishes(found), status=wrong.status)


async def _upcoming(runtime: Runtime, account: str, subscription: str) -> UpcomingBody | None:
    """None where no invoice comes any more."""
    try:
        return await find_upcoming(runtime, account, subscription)
    except (NotThereError, SubscriptionEndedError):
        return None


def _wishes(found: SubscriptionBody, looks: int = 0) -> dict[str, Any]:
    return {
        "subscription": found,
        "under_way": _under_way(found),
        "ends": ENDS,
        "collectors": NAMES,
        **again(looks),
    }


def _under_way(found: SubscriptionBody) -> bool:
    ending = found.cancellation is not None and found.cancellation.status is CancellationState.WANTED
    return ending or (found.switch is not None and found.switch.status is SwitchState.WANTED)


subscription_routes: Final[list[Any]] = [subscriptions, subscription, terms, progress]
