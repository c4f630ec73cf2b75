"""What one organization sees of its own subscriptions and invoices, with the token that was made for it.

Every statement carries the account, the customer, and the subscription where the token is for one: what is another's is
not found.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

import asyncpg
import msgspec

from db import sql
from db.states import InvoiceState
from gateway.accounts.errors import NotThereError
from gateway.billing.client import from_unix
from gateway.billing.invoice_detail import InvoiceDetailShape, page_of
from gateway.billing.shapes import InvoiceShape, billed
from gateway.clock import business_now
from gateway.customers.organization_tokens import Scope
from gateway.domain.billed import StripePayment
from gateway.domain.plain_words import Pays, Shown, Standing, pays, standing, subscription_words
from gateway.readers.about import about
from gateway.readers.access import accesses
from gateway.readers.due import DUE
from gateway.readers.invoices import whose
from gateway.readers.pages import DEFAULT, Page, listed, page, unix

# Drafts may still change; what was deleted was one.
INVOICES: Final = f"""
    select t.*, {DUE} as due from (select i.* from tollbridge.invoice i
                     where i.status in ('open', 'paid', 'uncollectible', 'void') and i.snapshot is not null) t
"""  # noqa: S608 (a constant of ours)
SUBSCRIPTIONS: Final = "select t.* from tollbridge.subscription t"
# What the newest invoices of a subscription bill runs until the next one comes.
NEWEST_INVOICES: Final = """
    select s.id, i.snapshot from unnest($2::text[]) as s (id) cross join lateral (
        select i.snapshot from tollbridge.invoice i
        where i.account = $1 and i.subscription = s.id and i.snapshot is not null
          and i.status in ('open', 'paid', 'draft')
        order by i.stripe_created_at desc nulls last, i.id desc limit 3) i
"""


class OrganizationInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice as the organization that pays it sees it. Amounts are in minor units, times Unix seconds."""

    id: str
    number: str | None
    subscription: str | None
    status: Annotated[Standing, about("How it stands, for programs; `description` says it in plain words.")]
    description: str
    currency: str
    total: int
    amount_due: int
    amount_remaining: int
    created: int
    due_date: int | None
    paid_at: int | None
    pay: Annotated[
        Pays | None,
        about(
            "`hosted_page`: at `hosted_invoice_url`; `payment_method`: with the link of POST "
            "/v1/organization/payment_method_sessions; null: nothing to do."
        ),
    ]
    hosted_invoice_url: Annotated[str | None, about("Stripe's page to pay it, where that is how it is paid.")]
    invoice_pdf: str | None
    object: Literal["organization_invoice"] = "organization_invoice"


class OrganizationSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription as its organization sees it."""

    id: str
    description: Annotated[str, about("How it stands, in plain words.")]
    access: Annotated[bool, about("Whether it gives access now.")]
    access_description: Annotated[str, about("Why, in words.")]
    ends_at: Annotated[int | None, about("When it ends, or has ended; null: it goes on.")]
    next_invoice_at: Annotated[
        int | None,
        about("When its next invoice comes: the end of what was billed last, or of the trial; null: unknown."),
    ]
    object: Literal["organization_subscription"] = "organization_subscription"


async def find_invoices(
    scope: Scope, subscription: str = "", *, limit: int = DEFAULT, starting_after: str = ""
) -> Page[OrganizationInvoice]:
    """Those that are final, the newest first. Raises NotThereError for a subscription that is not shown here."""
    within = {"customer": scope.customer, "subscription": _within(scope, subscription)}
    found = await page(
        scope.account, INVOICES, "created_at", {}, limit=limit, starting_after=starting_after, within=within
    )
    now = await business_now()
    return listed(*found, lambda row: _invoice(row, now))


async def find_invoice(scope: Scope, invoice: str) -> OrganizationInvoice:
    """Raises NotThereError."""
    row = await _one(INVOICES, scope, invoice, "subscription")
    if row is None:
        raise NotThereError("invoice", invoice)
    return _invoice(row, await business_now())


async def find_subscriptions(
    scope: Scope, *, limit: int = DEFAULT, starting_after: str = ""
) -> Page[OrganizationSubscription]:
    """The customer's, or the token's own alone."""
    within = {"customer": scope.customer, "id": scope.subscription}
    rows, more = await page(
        scope.account, SUBSCRIPTIONS, "created_at", {}, limit=limit, starting_after=starting_after, within=within
    )
    return Page(await _subscriptions(scope.account, rows), more)


async def find_subscription(scope: Scope, subscription: str) -> OrganizationSubscription:
    """Raises NotThereError."""
    row = await _one(SUBSCRIPTIONS, scope, subscription, "id")
    if row is None:
        raise NotThereError("subscription", subscription)
    return (await _subscriptions(scope.account, [row]))[0]


async def _one(select: str, scope: Scope, id_: str, column: str) -> asyncpg.Record | None:
    where = f"t.account = $1 and t.id = $2 and t.customer = $3 and ($4 = '' or t.{column} = $4)"
    return await sql.row(f"{select} where {where}", scope.account, id_, scope.customer, scope.subscription)


def _within(scope: Scope, subscription: str) -> str:
    if scope.subscription and subscription not in ("", scope.subscription):
        raise NotThereError("subscription", subscription)
    return subscription or scope.subscription


def _invoice(row: asyncpg.Record, now: datetime) -> OrganizationInvoice:
    detail = msgspec.json.decode(row["snapshot"], type=InvoiceDetailShape)
    paying = billed(msgspec.json.decode(row["snapshot"], type=InvoiceShape)).stripe_payment
    one = Shown(
        status=row["status"],
        state=InvoiceState(row["state"]),
        collector=whose(row)[0],
        paying=paying is StripePayment.PROCESSING,
        due_date=row["due"],
        paid_at=row["paid_at"],
        next_attempt_at=row["next_attempt_at"],
    )
    (status, words), way = standing(one, now), pays(one)
    return OrganizationInvoice(
        id=row["id"],
        number=row["number"] or None,
        subscription=row["subscription"] or None,
        status=status,
        description=words,
        currency=row["currency"],
        total=row["total"],
        amount_due=row["amount_due"],
        amount_remaining=row["amount_remaining"],
        created=unix(row["stripe_created_at"] or row["created_at"]),
        due_date=unix(one.due_date),
        paid_at=unix(one.paid_at),
        pay=way,
        hosted_invoice_url=page_of(detail.hosted_invoice_url) if way is Pays.HOSTED_PAGE else None,
        invoice_pdf=page_of(detail.invoice_pdf),
    )


async def _subscriptions(account: str, rows: Sequence[asyncpg.Record]) -> list[OrganizationSubscription]:
    now = await business_now()
    ids = [row["id"] for row in rows]
    found, runs_until = await accesses(account, ids), await _runs_until(account, ids)
    shown = []
    for row in rows:
        access = found[row["id"]]
        ends_at = row["cancel_at"]
        period_end = max([at for at in (row["trial_end"], runs_until.get(row["id"])) if at], default=None)
        if ends_at is None and row["cancel_at_period_end"]:
            ends_at = period_end
        goes_on = row["ended_at"] is None and ends_at is None and row["status"] != "paused"
        ahead = period_end if goes_on and period_end is not None and period_end > now else None
        shown.append(
            OrganizationSubscription(
                id=row["id"],
                description=subscription_words(row["status"], row["ended_at"], ends_at, row["trial_end"]),
                access=access.granted,
                access_description=access.description,
                ends_at=unix(row["ended_at"] or ends_at),
                next_invoice_at=unix(ahead),
            )
        )
    return shown


async def _runs_until(account: str, subscriptions: Sequence[str]) -> dict[str, datetime]:
    """Until when each was billed: a base price in advance. What is metered alone says nothing of what comes."""
    found: dict[str, datetime] = {}
    for row in await sql.rows(NEWEST_INVOICES, account, list(subscriptions)):
        lines = msgspec.json.decode(row["snapshot"], type=InvoiceDetailShape).lines.data
        ends = [end for line in lines if line.period.end and (end := from_unix(line.period.end)) is not None]
        before = [found[row["id"]]] if row["id"] in found else []
        if known := [*ends, *before]:
            found[row["id"]] = max(known)
    return found
