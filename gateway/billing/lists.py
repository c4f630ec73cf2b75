"""Lists at Stripe, page by page, newest first: events, and the objects that somebody still has to pay for.

A page names the last id on it; the next one starts after that. In API v2 it names the next one, as Stripe calls it.
Stripe forgets events after 30 days (API description, GET /v1/events), and a deleted draft can't be started after any
more: both answer 400 or 404.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from gateway.billing.balances import BalanceShape
from gateway.billing.client import StripeClient
from gateway.billing.credit_notes import MOST_PAGES, CreditNoteShape
from gateway.billing.errors import StripeRefusedError, StripeUnknownError
from gateway.billing.meters import MeterShape
from gateway.billing.shapes import CustomerShape, InvoiceShape, SubscriptionShape
from gateway.domain.billed import InvoiceStatus

PAGE: Final = 100
"""The most that Stripe gives at once."""

V2_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
"""RFC 3339, as API v2 has its times."""

T = TypeVar("T")


class RawPage(msgspec.Struct, frozen=True):
    """A page as it comes."""

    data: list[msgspec.Raw] = []
    has_more: bool = False


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page: `last` is what the next one is asked for by, the last id or its own name; empty where there is none."""

    items: list[T]
    last: str = ""


class _Id(msgspec.Struct, frozen=True):
    id: str


class _V2Page(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw] = []
    next_page_url: str | None = None


async def events(
    stripe: StripeClient, since: datetime, until: datetime, *, undelivered: bool, after: str
) -> Page[bytes]:
    """Events created from `since` to `until`, as they were rendered when they happened. Raises StripeError.

    `undelivered`: only those that are pending or have failed for at least one endpoint.
    """
    params: dict[str, Any] = {"created": {"gte": int(since.timestamp()), "lte": int(until.timestamp())}}
    if undelivered:
        params["delivery_success"] = False
    page, last = await _page(stripe, "/v1/events", params, after)
    return Page([bytes(raw) for raw in page.data], last)


async def thin_events(
    stripe: StripeClient, types: Sequence[str], since: datetime, until: datetime, *, after: str
) -> Page[bytes]:
    """Thin events of at most 20 types, created from `since` to `until`, as they show themselves. Raises StripeError.

    They can be listed without naming an object, by type and time, from version 2025-11-17.clover on. Whether they were
    delivered can't be asked for, and how long a page may be is documented nowhere, so it is as long as Stripe makes it.
    """
    created = {"gte": f"{since.astimezone(UTC):{V2_TIME}}", "lte": f"{until.astimezone(UTC):{V2_TIME}}"}
    params = {"types": list(types), "created": created, **({"page": after} if after else {})}
    page = await stripe.get("/v2/core/events", _V2Page, params)
    return Page([bytes(raw) for raw in page.data], _next_page(page.next_page_url))


async def invoices(
    stripe: StripeClient, *, status: InvoiceStatus | None = None, since: datetime | None = None, after: str
) -> Page[InvoiceShape]:
    """Invoices that Stripe does not collect itself: with this status, or created `since`. Raises StripeError."""
    params: dict[str, Any] = {"collection_method": "send_invoice"}
    if status is not None:
        params["status"] = status
    if since is not None:
        params["created"] = {"gte": int(since.timestamp())}
    page, last = await _page(stripe, "/v1/invoices", params, after)
    return Page([msgspec.json.decode(raw, type=InvoiceShape) for raw in page.data], last)


async def invoices_of(stripe: StripeClient, customer: str, *, since: datetime) -> list[InvoiceShape]:
    """A customer's invoices created `since`, the newest first. Raises StripeError."""
    found: list[InvoiceShape] = []
    params: dict[str, Any] = {"customer": customer, "created": {"gte": int(since.timestamp())}}
    after = ""
    for _ in range(MOST_PAGES):
        page, after = await _page(stripe, "/v1/invoices", params, after)
        found += [msgspec.json.decode(raw, type=InvoiceShape) for raw in page.data]
        if not after:
            break
    return found


async def newest_and_unpaid(stripe: StripeClient, customer: str) -> list[InvoiceShape]:
    """A customer's newest invoices, and whatever is a draft or open, however old. Raises StripeError."""
    page, more = await _page(stripe, "/v1/invoices", {"customer": customer}, "")
    raws = list(page.data)
    # Drafts first: what is finalized meanwhile stands in the second list.
    for status in ("draft", "open") if more else ():
        raws += await _all(stripe, "/v1/invoices", {"customer": customer, "status": status})
    shapes = [msgspec.json.decode(raw, type=InvoiceShape) for raw in raws]
    return list({shape.id: shape for shape in shapes}.values())


async def subscriptions_of(stripe: StripeClient, customer: str) -> list[SubscriptionShape]:
    """A customer's subscriptions that have not been canceled. Raises StripeError."""
    raws = await _all(stripe, "/v1/subscriptions", {"customer": customer})
    return [msgspec.json.decode(raw, type=SubscriptionShape) for raw in raws]


async def meters(stripe: StripeClient) -> list[MeterShape]:
    """The account's meters, inactive ones too. Raises StripeError."""
    return [msgspec.json.decode(raw, type=MeterShape) for raw in await _all(stripe, "/v1/billing/meters", {})]


async def customers(stripe: StripeClient, *, after: str) -> Page[CustomerShape]:
    """Customers that were not deleted. Raises StripeError."""
    page, last = await _page(stripe, "/v1/customers", {}, after)
    return Page([msgspec.json.decode(raw, type=CustomerShape) for raw in page.data], last)


async def balance_transactions(stripe: StripeClient, customer: str, *, since: datetime) -> list[BalanceShape]:
    """The changes of a customer's balance `since`, the newest first. Raises StripeError."""
    found: list[BalanceShape] = []
    params: dict[str, Any] = {"created": {"gte": int(since.timestamp())}}
    after = ""
    for _ in range(MOST_PAGES):
        page, after = await _page(stripe, f"/v1/customers/{customer}/balance_transactions", params, after)
        found += [msgspec.json.decode(raw, type=BalanceShape) for raw in page.data]
        if not after:
            break
    return found


async def credit_notes(stripe: StripeClient, *, since: datetime, after: str) -> Page[CreditNoteShape]:
    """Credit notes created `since`, of whatever invoices. Raises StripeError."""
    page, last = await _page(stripe, "/v1/credit_notes", {"created": {"gte": int(since.timestamp())}}, after)
    return Page([msgspec.json.decode(raw, type=CreditNoteShape) for raw in page.data], last)


async def living_subscriptions(stripe: StripeClient, *, after: str) -> Page[SubscriptionShape]:
    """Subscriptions with `send_invoice` that have not ended. Raises StripeError."""
    page, last = await _page(stripe, "/v1/subscriptions", {"collection_method": "send_invoice"}, after)
    return Page([msgspec.json.decode(raw, type=SubscriptionShape) for raw in page.data], last)


async def _all(stripe: StripeClient, path: str, params: dict[str, Any]) -> list[msgspec.Raw]:
    """Every page; raises StripeRefusedError where there are too many: a part would look like the whole."""
    found: list[msgspec.Raw] = []
    after = ""
    for _ in range(MOST_PAGES):
        page, after = await _page(stripe, path, params, after)
        found += page.data
        if not after:
            return found
    raise StripeRefusedError(f"{path} lists more than {MOST_PAGES * PAGE}", status=400)


def _next_page(url: str | None) -> str:
    """The name of the page that Stripe's URL leads to: asked for beside the same filters, it needs no address of
    Stripe's. Raises StripeUnknownError rather than taking what it can't read for the end."""
    if not url:
        return ""
    for name in parse_qs(urlsplit(url).query).get("page", []):
        return name
    raise StripeUnknownError("GET /v2/core/events: the next page has no name")


async def _page(stripe: StripeClient, path: str, params: dict[str, Any], after: str) -> tuple[RawPage, str]:
    page = await stripe.get(path, RawPage, {**params, "limit": PAGE, **({"starting_after": after} if after else {})})
    more = page.has_more and page.data
    return page, msgspec.json.decode(page.data[-1], type=_Id).id if more else ""
