"""Customers: the list, and one with all that is known of it.

What the list shows of a person stands in the newest invoice that Stripe told us of, and people are found by what stands
in any; Stripe is asked for a mail address only where none of them shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template

from db.states import Collection
from gateway.api.paging import After
from gateway.billing.errors import StripeError
from gateway.console.desk import Desk, page
from gateway.console.errors import RIGHT, Wrong, wrong_of
from gateway.console.forms import ON_A_PAGE, Said, chosen
from gateway.console.parts import part
from gateway.console.render import led, shown
from gateway.domain.method_words import expires, named, standing
from gateway.domain.switch_words import NAMES
from gateway.readers.access import find_access
from gateway.readers.actors import names_of
from gateway.readers.billed import open_invoices
from gateway.readers.customer_cases import cases_of_customer
from gateway.readers.customer_list import CustomerLine, Which, find_by_id, find_customers, lines
from gateway.readers.customer_search import called, with_mail
from gateway.readers.customers import find_customer
from gateway.readers.object_names import subscription_names
from gateway.readers.owed import owed_by
from gateway.readers.pages import Page
from gateway.readers.payers import find_payer, with_email
from gateway.readers.payment_methods import find_methods
from gateway.readers.subscriptions import find_subscriptions
from gateway.runtime import Runtime

MOST: Final = 50
"""Of what belongs to one customer."""
Query = Annotated[str, QueryParameter(name="q", max_length=300)]
Wanted = Annotated[str, QueryParameter(name="show", max_length=40)]
WHICH: Final[Mapping[Which, str]] = {
    Which.OWING: "who owe something",
    Which.NEEDS_PAYMENT_METHOD: "who must give a payment method",
    Which.PAUSED: "whose collection is paused",
    Which.HOSTED: "who pay on Stripe's page by their own setting",
    Which.LEFT_ALONE: "who are left alone",
}


@page("/customers")
async def customers(
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    show: Wanted = "",
    q: Query = "",
    starting_after: After = "",
) -> Template | Redirect:
    """The account's customers; a search that finds one alone leads straight there."""
    q, which, wrong = q.strip(), chosen(Which, show, "show"), RIGHT
    found: Page[CustomerLine] = Page([], has_more=False)
    try:
        if q:
            ids = await _searched(runtime, desk.account, q, starting_after)
            if len(ids) == 1 and not starting_after:
                return led(f"{desk.path}/customers/{ids[0]}")
            found = Page(await lines(desk.account, ids[:ON_A_PAGE]), has_more=len(ids) > ON_A_PAGE)
        else:
            found = await find_customers(desk.account, which, limit=ON_A_PAGE, starting_after=starting_after)
    except Exception as error:
        wrong = wrong_of(error)
    context: dict[str, Any] = {"found": found, "which": which, "choices": WHICH, "q": q, "wrong": wrong}
    return shown(desk, "customers.html", context | METHOD_WORDS, status=wrong.status)


@page("/customers/{customer_id:str}")
async def customer(desk: NamedDependency[Desk], customer_id: FromPath[str], said: Said = "") -> Template:
    """One of them."""
    return await customer_page(desk, customer_id, said=said)


@page("/customers/{customer_id:str}/at_stripe")
async def at_stripe(
    request: Request[Any, Any, Any],
    desk: NamedDependency[Desk],
    runtime: NamedDependency[Runtime],
    customer_id: FromPath[str],
) -> Template:
    """The part that Stripe is asked for: who it is, and what credit it has. While Stripe can't be asked, what our rows
    say stays."""
    context: dict[str, Any] = {"payer": None, "told": "", "customer": customer_id}
    try:
        context["payer"] = await find_payer(runtime, desk.account, customer_id)
    except StripeError as error:
        context["told"] = wrong_of(error).text
        context["line"] = (await lines(desk.account, [customer_id]))[0]
    of = f"/customers/{customer_id}"
    return part(request, desk, "_customer_at_stripe.html", context, of=of, title="Who it is")


async def customer_page(
    desk: Desk,
    customer_id: str,
    *,
    said: str = "",
    wrong: Wrong = RIGHT,
    typed: Mapping[str, str] | None = None,
) -> Template:
    """The page, also with a form of it that could not be carried out: `typed` is what stood in it."""
    account = desk.account
    found = await find_customer(account, customer_id)
    access = await find_access(account, customer_id)
    methods = await find_methods(account, customer_id, limit=MOST, starting_after="")
    subscriptions = await find_subscriptions(account, customer_id, limit=MOST)
    living = [one for one in methods.data if one.position is not None]
    context: dict[str, Any] = {
        "customer": found,
        "names": await names_of(account, [found.pause.by] if found.pause else []),
        "line": (await lines(account, [customer_id]))[0],
        "owed": await owed_by(account, customer_id),
        "open": await open_invoices(account, customer_id, limit=MOST),
        "methods": sorted(living, key=lambda one: one.position or 0),
        "removed": [one for one in methods.data if one.position is None],
        "subscriptions": subscriptions,
        "sold": await subscription_names(account, [one.id for one in subscriptions.data]),
        "access": {one.subscription: one for one in access.subscriptions},
        "granted": access.granted,
        "cases": await cases_of_customer(account, customer_id, limit=MOST),
        "collections": {"": "as the account's policy says", **{one.value: COLLECTIONS[one] for one in Collection}},
        "collectors": NAMES,
        "said": said,
        "wrong": wrong,
        "typed": typed or {},
    }
    return shown(desk, "customer.html", context | METHOD_WORDS, status=wrong.status)


async def _searched(runtime: Runtime, account: str, q: str, starting_after: str) -> list[str]:
    """A page of who is meant, and one more where more are."""
    most = ON_A_PAGE + 1
    if "@" in q:
        return await with_mail(account, q, limit=most) or await with_email(runtime, account, q)
    return await find_by_id(account, q) or await called(account, q, limit=most, starting_after=starting_after)


METHOD_WORDS: Final[dict[str, Any]] = {"named": named, "expires": expires, "standing": standing}
COLLECTIONS: Final[Mapping[Collection, str]] = {
    Collection.PROCESSOR: "we charge a payment method at a processor",
    Collection.HOSTED: "the payer pays on Stripe's page of each invoice",
}
customer_routes: Final[list[Any]] = [customers, customer, at_stripe]
