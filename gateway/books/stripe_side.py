"""The ledger against Stripe, invoice by invoice, by our mirror of it; what differs may be read at Stripe once more."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from gateway.billing import credit_notes, invoices
from gateway.billing.errors import StripeError
from gateway.billing.pace import Lane, in_lane
from gateway.billing.shapes import InvoiceShape, billed
from gateway.books import sources
from gateway.books.processor_side import Found, Told
from gateway.books.session import own_session, pages
from gateway.clock import business_now
from gateway.collect import mirror
from gateway.domain.billed import ATTEMPT_KEY, HowPaid, how_paid
from gateway.domain.breaks import Finding
from gateway.domain.invoice_books import Credits, InvoiceBooks, Sums, judge_invoice
from gateway.logs import told
from gateway.returns.listed_notes import store_listed
from gateway.runtime import Runtime

log = structlog.get_logger()

PAGE: Final = 500
LIVE_AT_MOST: Final = 1_000
"""Invoices that one run reads at Stripe; the rest stays as the mirror shows it."""

WANTED: Final = "create temporary table wanted (id text) on commit drop"
READ_FROM: Final = """
    select count(*) as invoices, min(i.read_at) as read_from
    from wanted w join tollbridge.invoice i on i.account = $1 and i.id = w.id where i.snapshot is not null
"""


class InvoicesCompared(msgspec.Struct):
    """What became of the invoices. `read_from`: when the oldest look at Stripe was that was gone by; `read_again` how
    many were read there once more, `error` why not all that differ."""

    compared: int = 0
    breaks: int = 0
    read_from: datetime | None = None
    read_again: int = 0
    error: str = ""


async def compare(
    runtime: Runtime, account: str, since: datetime | None, *, live: bool, found: Found, progress: Told
) -> InvoicesCompared:
    """Compare the invoices of which anything came `since` then (None: all), and those with an open break."""
    compared = InvoicesCompared()
    differ: list[str] = []
    async with aclosing(_judged(account, since, None, compared)) as judged:
        async for seen, findings in judged:
            if live and len(differ) < LIVE_AT_MOST:
                differ += sorted({one.invoice for one in findings})
            else:
                await _take(compared, findings, found)
            await progress(seen)
    for start in range(0, len(differ), PAGE):
        part = differ[start : start + PAGE]
        await _read_again(runtime, account, part, compared)
        async with aclosing(_judged(account, None, part, InvoicesCompared())) as judged:
            async for _, findings in judged:
                await _take(compared, findings, found)
    return compared


async def findings_of(account: str, invoice: str) -> list[Finding]:
    """What a run would find of one invoice now, without asking Stripe."""
    return await _judge(account, await sql.rows(sources.ONE_INVOICE, account, invoice))


async def _take(compared: InvoicesCompared, findings: Sequence[Finding], found: Found) -> None:
    compared.breaks += len(findings)
    await found(findings)


async def _judged(
    account: str, since: datetime | None, these: Sequence[str] | None, compared: InvoicesCompared
) -> AsyncGenerator[tuple[int, list[Finding]], None]:
    """A page at a time of those that are not plainly well: how many they are, and what is wrong with them."""
    async with own_session() as session, session.transaction():
        await session.execute(WANTED)
        if these is not None:
            await session.execute(sources.WANT_THESE, these)
        elif since is None:
            await session.execute(sources.WANT_ALL, account)
        else:
            await session.execute(sources.WANT_SINCE, account, since)
        await session.execute("analyze wanted")
        counted = await session.fetchrow(READ_FROM, account)
        compared.compared, compared.read_from = int(counted["invoices"]), counted["read_from"]
        yield compared.compared, []
        async with aclosing(pages(session, sources.INVOICES, account, size=PAGE)) as found:
            async for rows in found:
                yield 0, await _judge(account, rows)


async def _judge(account: str, rows: Sequence[Any]) -> list[Finding]:
    now = await business_now()
    shapes = {row["id"]: msgspec.json.decode(row["snapshot"], type=InvoiceShape) for row in rows}
    named = sorted({shape.metadata.get(ATTEMPT_KEY, "") for shape in shapes.values()} - {""})
    known = {row["id"]: row["invoice"] for row in await sql.rows(sources.INVOICE_OF_ATTEMPT, account, named)}
    findings: list[Finding] = []
    for row in rows:
        shape = shapes[row["id"]]
        tagged = known.get(shape.metadata.get(ATTEMPT_KEY, ""), "")
        findings += judge_invoice(_books(row, shape, tagged), now)
    return findings


def _books(row: Any, shape: InvoiceShape, tagged: str) -> InvoiceBooks:
    invoice = billed(shape)
    how = how_paid(invoice, we_may_have=row["we_may_have"]) if row["status"] == "paid" else None
    if how is HowPaid.BY_HAND and row["hosted"]:
        # Somebody's word in Stripe for what came there: its payers don't pay through us.
        how = HowPaid.STRIPE_PAYMENT
    return InvoiceBooks(
        id=row["id"],
        currency=row["currency"],
        status=row["status"],
        paid=0 if how is None else invoice.amount_due,
        how=how,
        credited=invoice.pre_payment_credit + invoice.post_payment_credit,
        created_at=row["created_at"],
        sums=Sums(
            captured=int(row["captured"]),
            surplus=int(row["surplus"]),
            lent=int(row["lent"]),
            borrowed=int(row["borrowed"]),
            received=int(row["received"]),
            refunded=int(row["refunded"]),
            surplus_returned=int(row["surplus_returned"]),
            returning=int(row["returning"]),
            disputed=int(row["disputed"]),
            other_currency=int(row["other_currency"]),
            moved_at=row["moved_at"],
        ),
        credits=Credits(
            total=int(row["credited"]),
            out_of_band=int(row["out_of_band"]),
            reopened=int(row["reopened"]),
            ids=row["credit_notes"],
            newest_at=row["newest_at"],
        ),
        tagged=tagged,
    )


async def _read_again(runtime: Runtime, account: str, ids: Sequence[str], compared: InvoicesCompared) -> None:
    """Read each at Stripe, with its credit notes. What can't be read stays as the mirror shows it."""
    with in_lane(Lane.MIRROR):
        for invoice in ids:
            try:
                await mirror.ask(runtime, account, invoice, invoices.read)
                await read_credit_notes(runtime, account, invoice)
            except StripeError as error:
                compared.error = told(error, StripeError)
                log.warning("not_read_again", account=account, error=type(error).__name__)
                return
            compared.read_again += 1


async def read_credit_notes(runtime: Runtime, account: str, invoice: str) -> None:
    """Mirror an invoice's credit notes as Stripe shows them now, and poke it. Raises StripeError."""
    at = await business_now()
    notes = await credit_notes.of_invoice(await runtime.stripe(account), invoice)
    async with DB.transaction():
        await poke.poke(Kind.INVOICE, account, [invoice], at)
        await store_listed(account, notes, at, at)
