"""`tollbridge invoices`: where each stands, and why."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from db.states import InvoiceState
from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.output import OUT, as_json, fields, money, say, table, when
from gateway.cli.pauses import REASON, UNTIL, ends, paused, utc
from gateway.finance.collect_now import collect_now
from gateway.finance.pause import pause_invoice, resume_invoice
from gateway.finance.record_payment import Receipt, record_payment
from gateway.readers.invoices import InvoiceBody, InvoiceDetail, find_invoice, find_invoices
from gateway.readers.pages import Page


@click.group()
def invoices() -> None:
    """Invoices as they stand."""


@invoices.command(name="list")
@ACCOUNT
@click.option("--state", type=click.Choice([state.value for state in InvoiceState]), help="Only in this state.")
@click.option("--customer", default="", help="Only of this customer.")
@click.option("--subscription", default="", help="Only of this subscription.")
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)
@click.option("--starting-after", default="", metavar="ID", help="The page after this invoice.")
@as_json
def list_(
    account: str, state: str | None, customer: str, subscription: str, limit: int, starting_after: str, json_: bool
) -> None:
    """List invoices, the newest first."""

    async def work() -> Page[InvoiceBody]:
        async with opened():
            return await find_invoices(
                (await account_of(account)).id,
                InvoiceState(state) if state else None,
                customer=customer,
                subscription=subscription,
                limit=limit,
                starting_after=starting_after,
            )

    found = run(work)
    rows = [
        (i.id, i.number, i.customer, i.state, i.reason, money(i.amount_due, i.currency), when(i.next_attempt))
        for i in found.data
    ]

    def text() -> None:
        table(("invoice", "number", "customer", "state", "why", "due", "next"), rows, "No invoices.")
        if found.has_more:
            OUT.print(f"More: --starting-after {found.data[-1].id}")

    say(found, json_, text)


@invoices.command()
@click.argument("invoice")
@ACCOUNT
@as_json
def show(invoice: str, account: str, json_: bool) -> None:
    """Show an invoice with its attempts, movements, recordings and cases."""

    async def work() -> InvoiceDetail:
        async with opened():
            return await find_invoice((await account_of(account)).id, invoice)

    found = run(work)
    say(found, json_, lambda: _print(found))


@invoices.command()
@click.argument("invoice")
@ACCOUNT
@as_json
def collect(invoice: str, account: str, json_: bool) -> None:
    """Collect an open invoice now, before its next try is due; a worker does it."""

    async def work() -> InvoiceDetail:
        async with opened():
            owner = (await account_of(account)).id
            await collect_now(author(), owner, invoice)
            return await find_invoice(owner, invoice)

    found = run(work)
    say(found, json_, lambda: OUT.print(f"{found.id} is collected as soon as a worker gets there."))


@invoices.command(name="record-payment")
@click.argument("invoice")
@click.option("--source", required=True, metavar="WORD", help="By what way it came: credits, bank_transfer, …")
@click.option("--reference", required=True, help="What names the payment there.")
@click.option("--received", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), required=True, help="When, in UTC.")
@click.option("--amount", type=int, help="Refuse it unless this is due, in minor units.")
@click.option("--reason", required=True, help="Why; it goes into the audit log.")
@ACCOUNT
@as_json
def record_payment_(
    invoice: str,
    source: str,
    reference: str,
    received: datetime,
    amount: int | None,
    reason: str,
    account: str,
    json_: bool,
) -> None:
    """Note a payment that came without a processor, and mark the invoice paid in Stripe. Never a charge."""

    async def work() -> InvoiceDetail:
        async with opened():
            owner = (await account_of(account)).id
            receipt = Receipt(source, reference, received.replace(tzinfo=UTC), reason, amount)
            await record_payment(author(reason), owner, invoice, receipt)
            return await find_invoice(owner, invoice)

    found = run(work)
    say(found, json_, lambda: OUT.print(f"The payment of {found.id} is noted; a worker tells Stripe."))


@invoices.command(name="pause-collection")
@click.argument("invoice")
@REASON
@UNTIL
@ACCOUNT
@as_json
def pause_collection(invoice: str, reason: str, until: datetime | None, account: str, json_: bool) -> None:
    """Charge nothing for an invoice for a while; what was charged already is recorded."""

    async def work() -> InvoiceDetail:
        async with opened():
            owner = (await account_of(account)).id
            await pause_invoice(author(reason), owner, invoice, utc(until))
            return await find_invoice(owner, invoice)

    found = run(work)
    say(found, json_, lambda: OUT.print(f"Nothing is charged for {found.id} until {ends(found.pause)}."))


@invoices.command(name="resume-collection")
@click.argument("invoice")
@REASON
@ACCOUNT
@as_json
def resume_collection(invoice: str, reason: str, account: str, json_: bool) -> None:
    """Collect an invoice again."""

    async def work() -> InvoiceDetail:
        async with opened():
            owner = (await account_of(account)).id
            await resume_invoice(author(reason), owner, invoice)
            return await find_invoice(owner, invoice)

    found = run(work)
    still = f" Its customer's pause goes on until {ends(found.pause)}." if found.pause else ""
    say(found, json_, lambda: OUT.print(f"{found.id} is collected again.{still}"))


def _print(invoice: InvoiceDetail) -> None:
    fields(
        {
            "invoice": invoice.id,
            "number": invoice.number,
            "state": invoice.state,
            "why": invoice.reason,
            "paused": paused(invoice.pause),
            "next": when(invoice.next_attempt),
            "stripe status": invoice.status,
            "due": money(invoice.amount_due, invoice.currency),
            "remaining": money(invoice.amount_remaining, invoice.currency),
            "due date": when(invoice.due_date),
            "customer": invoice.customer,
            "subscription": invoice.subscription,
            "as of": when(invoice.read),
            "dashboard": invoice.links.dashboard,
        }
    )
    currency = invoice.currency
    tried = [
        (
            a.number,
            a.id,
            a.connection,
            money(a.amount, currency),
            a.state,
            a.decline and a.decline.decline_class,
            a.reference,
        )
        for a in invoice.attempts
    ]
    moved = [
        (when(m.occurred), m.kind, money(m.amount, m.currency), m.connection, m.processor_id) for m in invoice.movements
    ]
    told = [(when(r.created), r.state, money(r.amount, r.currency), r.how) for r in invoice.recordings]
    open_ = [(c.id, c.kind, c.state, c.reason, c.action) for c in invoice.cases]
    if invoice.plan is not None:
        planned = [(when(t.at), t.reason, t.connection, t.payment_method) for t in invoice.plan.tries]
        OUT.print("\n[bold]Plan[/bold]")
        table(("at", "why", "connection", "payment method"), planned, invoice.plan.reason)
        at_end = " and ".join(invoice.plan.at_end) or "nothing: it stays open"
        OUT.print(f"In the end, {when(invoice.plan.ends_at) or 'some day'}: {at_end.replace('_', ' ')}.")
    OUT.print("\n[bold]Attempts[/bold]")
    table(("#", "attempt", "connection", "amount", "state", "decline", "reference"), tried, "None.")
    OUT.print("\n[bold]Movements[/bold]")
    table(("at", "kind", "amount", "connection", "processor id"), moved, "None.")
    OUT.print("\n[bold]Recordings[/bold]")
    table(("at", "state", "amount", "how"), told, "None.")
    OUT.print("\n[bold]Cases[/bold]")
    table(("case", "kind", "state", "reason", "what to do"), open_, "None.")
