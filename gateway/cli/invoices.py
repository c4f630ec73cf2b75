"""`tollbridge invoices`: where each stands, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import click

from db.states import InvoiceState
from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.invoice_text import print_invoice
from gateway.cli.named import invoice_named
from gateway.cli.output import OUT, as_json, money, say, table, when
from gateway.cli.pauses import REASON, UNTIL, ends, utc
from gateway.cli.values import MinorUnits
from gateway.domain.invoice_words import MEANING
from gateway.finance.ask_processor import ask_processor
from gateway.finance.collect_now import collect_now
from gateway.finance.pause import pause_invoice, resume_invoice
from gateway.finance.record_payment import Receipt, record_payment
from gateway.finance.void import void_invoice
from gateway.readers.invoice_list import find_invoices
from gateway.readers.invoice_search import InvoiceFilter
from gateway.readers.invoices import InvoiceBody, InvoiceDetail, find_invoice
from gateway.readers.pages import Page
from gateway.readers.payment_methods import PaymentMethodBody, find_methods

MOST_METHODS: Final = 100
"""So many of a customer's payment methods are named by their card; older ones by their id."""


@click.group(epilog="\b\nStates:\n" + "\n".join(f"  {state:<21} {means}" for state, means in MEANING.items()))
def invoices() -> None:
    """Invoices as they stand. INVOICE is Stripe's id (in_…), or the invoice's number."""


@invoices.command(name="list")
@ACCOUNT
@click.option(
    "--state",
    type=click.Choice([state.value for state in InvoiceState]),
    metavar="STATE",
    help="Only in this state; `tollbridge invoices --help` says what each means.",
)
@click.option("--customer", default="", help="Only of this customer.")
@click.option("--subscription", default="", help="Only of this subscription.")
@click.option(
    "--search",
    default="",
    metavar="TEXT",
    help="An id, number, customer's id, name or mail, processor's reference, or an amount such as '119.00 EUR'.",
)
@click.option("--with-open-case", is_flag=True, help="Only with an open case.")
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)
@click.option("--starting-after", default="", metavar="ID", help="The page after this invoice.")
@as_json
def list_(
    account: str,
    state: str | None,
    customer: str,
    subscription: str,
    search: str,
    with_open_case: bool,
    limit: int,
    starting_after: str,
    json_: bool,
) -> None:
    """List invoices, the newest first."""

    async def work() -> Page[InvoiceBody]:
        async with opened():
            wanted = InvoiceFilter(
                search=search,
                state=InvoiceState(state) if state else None,
                customer=customer,
                subscription=subscription,
                with_open_case=with_open_case,
            )
            of = (await account_of(account)).id
            return await find_invoices(of, wanted, limit=limit, starting_after=starting_after)

    found = run(work)
    rows = [
        (
            i.id,
            i.number,
            i.customer,
            i.state,
            i.collected_by,
            i.reason,
            money(i.amount_due, i.currency),
            when(i.next_attempt),
        )
        for i in found.data
    ]
    columns = ("invoice", "number", "customer", "state", "by", "why", "amount due", "next try")

    def text() -> None:
        table(columns, rows, "No invoices.")
        if found.has_more:
            OUT.print(f"More: --starting-after {found.data[-1].id}")

    say(found, json_, text)


@invoices.command()
@click.argument("invoice")
@ACCOUNT
@as_json
def show(invoice: str, account: str, json_: bool) -> None:
    """Show an invoice with its attempts, movements, recordings, refunds, credit notes and cases."""

    async def work() -> tuple[InvoiceDetail, list[PaymentMethodBody]]:
        async with opened():
            owner, of = await invoice_named(account, invoice)
            found = await find_invoice(owner, of)
            if not found.customer:
                return found, []
            return found, (await find_methods(owner, found.customer, limit=MOST_METHODS, starting_after="")).data

    found, methods = run(work)
    say(found, json_, lambda: print_invoice(found, {one.id: one for one in methods}))


@invoices.command()
@click.argument("invoice")
@ACCOUNT
@as_json
def collect(invoice: str, account: str, json_: bool) -> None:
    """Collect an open invoice now, before its next try is due; a worker does it."""

    async def work() -> InvoiceDetail:
        async with opened(needs_worker=True):
            owner, of = await invoice_named(account, invoice)
            await collect_now(author(), owner, of)
            return await find_invoice(owner, of)

    found = run(work)
    say(found, json_, lambda: OUT.print(f"{found.id} is collected as soon as a worker gets there."))


@invoices.command(name="ask-processor")
@click.argument("invoice")
@ACCOUNT
@as_json
def ask(invoice: str, account: str, json_: bool) -> None:
    """Ask the processor now how a charge ended whose end is not known; a worker does it."""

    async def work() -> InvoiceDetail:
        async with opened(needs_worker=True):
            owner, of = await invoice_named(account, invoice)
            await ask_processor(author(), owner, of)
            return await find_invoice(owner, of)

    found = run(work)
    say(found, json_, lambda: OUT.print(f"The processor is asked about {found.id} as soon as a worker gets there."))


@invoices.command(name="record-payment")
@click.argument("invoice")
@click.option("--source", required=True, metavar="WORD", help="By what way it came: credits, bank_transfer, …")
@click.option("--reference", required=True, help="What names the payment there.")
@click.option("--received", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), required=True, help="When, in UTC.")
@click.option(
    "--amount",
    type=MinorUnits(),
    metavar="MINOR_UNITS",
    help="What came, in Stripe's minor units: 1200 for 12.00 EUR, 1000 for 1,000 JPY. Without it: all that is due.",
)
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
        async with opened(needs_worker=True):
            owner, of = await invoice_named(account, invoice)
            receipt = Receipt(source, reference, received.replace(tzinfo=UTC), reason, amount)
            await record_payment(author(reason), owner, of, receipt)
            return await find_invoice(owner, of)

    found = run(work)
    say(found, json_, lambda: OUT.print(f"The payment of {found.id} is noted; a worker tells Stripe."))


@invoices.command()
@click.argument("invoice")
@REASON
@ACCOUNT
@as_json
def void(invoice: str, reason: str, account: str, json_: bool) -> None:
    """Void an open or uncollectible invoice in Stripe: nobody owes it any more. There is no way back."""

    async def work() -> InvoiceDetail:
        async with opened(needs_worker=True):
            owner, of = await invoice_named(account, invoice)
            await void_invoice(author(reason), owner, of)
            return await find_invoice(owner, of)

    found = run(work)
    say(found, json_, lambda: OUT.print(f"{found.id} is voided as soon as a worker gets there."))


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
            owner, of = await invoice_named(account, invoice)
            await pause_invoice(author(reason), owner, of, utc(until))
            return await find_invoice(owner, of)

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
            owner, of = await invoice_named(account, invoice)
            await resume_invoice(author(reason), owner, of)
            return await find_invoice(owner, of)

    found = run(work)
    still = f" Its customer's pause goes on until {ends(found.pause)}." if found.pause else ""
    say(found, json_, lambda: OUT.print(f"{found.id} is collected again.{still}"))
