"""/v1/organization: what a merchant embeds in its own pages for one organization, with a token that opens just that."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from gateway.accounts.keys import Scope as KeyScope
from gateway.api.auth import Principal, organization, requires
from gateway.api.ids import SubscriptionId
from gateway.api.invoices import InvoiceId
from gateway.api.openapi import changing, example, problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.customers import organization_links, organization_tokens
from gateway.customers.organization_tokens import LONGEST_S, Scope
from gateway.customers.update_link import PAGE as METHOD_PAGE
from gateway.readers import organization as reader
from gateway.readers.about import about
from gateway.readers.organization import OrganizationInvoice, OrganizationSubscription
from gateway.readers.pages import DEFAULT, Page, unix
from gateway.runtime import Runtime
from processors.values import Unprinted

PAGE: Final = "/organization"
"""Here stands our page."""
STRIPES_ID: Final = "^[A-Za-z0-9_-]+$"
Subscription = Annotated[str, QueryParameter(max_length=255, description="Only of this subscription.")]
ReturnUrl = Annotated[
    str, msgspec.Meta(pattern="^(https?://[^ ]+)?$", max_length=2000), about("Where that page leads back to.")
]


class NewOrganizationToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For whom, and for how long."""

    customer: Annotated[
        str, msgspec.Meta(pattern=STRIPES_ID, max_length=255), about("The organization, by its customer's id: cus_…")
    ]
    subscription: Annotated[
        str,
        msgspec.Meta(pattern="^[A-Za-z0-9_-]*$", max_length=255),
        about("Show that one alone; else all of the customer's."),
    ] = ""
    expires_in_s: Annotated[
        int, msgspec.Meta(ge=60, le=LONGEST_S), about("How long the token lives: a minute to an hour.")
    ] = 900
    return_url: ReturnUrl = ""


class OrganizationToken(Unprinted, frozen=True):
    """A token that shows one organization its own invoices. It is shown once, and revoked by its end."""

    id: str
    token: Annotated[str, about("A bearer token for /v1/organization, also from a browser; give it to no other.")]
    url: Annotated[
        str, about("Our page; the token stands behind its #, which browsers keep to themselves. Or post it there.")
    ]
    customer: str
    subscription: str | None
    expires_at: Annotated[int, about("Unix seconds.")]
    object: Literal["organization_token"] = "organization_token"


class Leading(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to come back to."""

    return_url: ReturnUrl = ""


class Link(Unprinted, frozen=True):
    """Where to send the payer's browser, now: it opens that page for whoever has it."""

    url: str
    object: Literal["link"] = "link"


TOKEN: Final = example(
    "For one subscription, an hour long",
    {"customer": "cus_NffrFeUfNV2Hib", "subscription": "sub_1MowQVLkdIwHu7ix", "expires_in_s": 3600},
)
BACK: Final = example("Back to your page", {"return_url": "https://market.example/account"})


@post(
    "/organization_tokens",
    guards=[requires(KeyScope.SERVER)],
    status_code=200,
    **changing(Code.NOT_FOUND),
    summary="Let an organization see its own invoices for a while",
)
async def make_token(
    data: Annotated[NewOrganizationToken, TOKEN],
    principal: NamedDependency[Principal],
    runtime: NamedDependency[Runtime],
) -> OrganizationToken:
    """Whoever has it sees the customer's subscriptions and final invoices, or those of the one subscription, and is led
    to pay; it opens nothing else, and charges nothing."""
    scope = Scope(principal.account, data.customer, data.subscription)
    made = await organization_tokens.make(scope, data.expires_in_s, data.return_url)
    url = f"{runtime.settings.base_url}{PAGE}#{made.token}"
    return OrganizationToken(made.id, made.token, url, data.customer, data.subscription or None, unix(made.expires_at))


@get(
    "/organization/subscriptions",
    guards=[organization],
    responses=problems(),
    summary="The organization's subscriptions",
)
async def list_subscriptions(
    principal: NamedDependency[Principal], limit: Limit = DEFAULT, starting_after: After = ""
) -> Page[OrganizationSubscription]:
    """How each stands in plain words, whether it gives access, and when its next invoice comes."""
    return await reader.find_subscriptions(scope_of(principal), limit=limit, starting_after=starting_after)


@get(
    "/organization/subscriptions/{subscription_id:str}",
    guards=[organization],
    responses=problems(Code.NOT_FOUND),
    summary="One of them",
)
async def retrieve_subscription(
    principal: NamedDependency[Principal], subscription_id: SubscriptionId
) -> OrganizationSubscription:
    """Another organization's, or one that the token does not show, is not found."""
    return await reader.find_subscription(scope_of(principal), subscription_id)


@get(
    "/organization/invoices",
    guards=[organization],
    responses=problems(Code.NOT_FOUND),
    summary="The organization's invoices",
)
async def list_invoices(
    principal: NamedDependency[Principal],
    subscription: Subscription = "",
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[OrganizationInvoice]:
    """Those that are final, with what they come to, how they stand in plain words, and how to pay."""
    scope = scope_of(principal)
    return await reader.find_invoices(scope, subscription, limit=limit, starting_after=starting_after)


@get(
    "/organization/invoices/{invoice_id:str}",
    guards=[organization],
    responses=problems(Code.NOT_FOUND),
    summary="One of them",
)
async def retrieve_invoice(principal: NamedDependency[Principal], invoice_id: InvoiceId) -> OrganizationInvoice:
    """Another organization's, or one that the token does not show, is not found."""
    return await reader.find_invoice(scope_of(principal), invoice_id)


@post(
    "/organization/portal_sessions",
    guards=[organization],
    status_code=200,
    **changing(
        Code.NOT_FOUND, Code.STATE_CONFLICT, Code.STRIPE_REFUSED, Code.STRIPE_FORBIDDEN, Code.STRIPE_UNAVAILABLE
    ),
    summary="Lead to the customer portal",
)
async def open_portal(
    data: Annotated[Leading, BACK], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> Link:
    """The account's `portal_url`; where it has none, a session of Stripe's portal, but not for a token of one
    subscription, as that portal shows all that the customer has."""
    back = data.return_url or principal.return_url
    return Link(await organization_links.portal(runtime, scope_of(principal), back))


@post(
    "/organization/payment_method_sessions",
    guards=[organization],
    status_code=200,
    **changing(
        Code.NOT_FOUND, Code.STATE_CONFLICT, Code.STRIPE_REFUSED, Code.STRIPE_FORBIDDEN, Code.STRIPE_UNAVAILABLE
    ),
    summary="Lead to our page for another payment method",
)
async def give_method(
    data: Annotated[Leading, BACK], principal: NamedDependency[Principal], runtime: NamedDependency[Runtime]
) -> Link:
    """What is open is charged to it as soon as it is stored; with a token of one subscription, it is for that alone."""
    back = data.return_url or principal.return_url
    return Link(await organization_links.method_page(runtime, scope_of(principal), back, METHOD_PAGE))


def scope_of(principal: Principal) -> Scope:
    """What the token shows."""
    return Scope(principal.account, principal.customer, principal.subscription)


organization_routes: Final[list[Any]] = [
    make_token,
    list_subscriptions,
    retrieve_subscription,
    list_invoices,
    retrieve_invoice,
    open_portal,
    give_method,
]
