"""`tollbridge credit-notes`: what Stripe shows of money that went back."""

from __future__ import annotations

import click

from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.named import invoice_named
from gateway.cli.output import OUT, as_json, money, say, table
from gateway.cli.refunds import LIMIT
from gateway.readers.credit_notes import CreditNoteBody, find_notes
from gateway.readers.pages import Page
from gateway.readers.refunds import RefundBody, find_refunds
from gateway.returns.decisions import resolve_note


@click.group(name="credit-notes")
def credit_notes() -> None:
    """Credit notes on invoices that are collected here: ours, and those made in Stripe."""


@credit_notes.command(name="list")
@ACCOUNT
@click.option("--invoice", default="", metavar="INVOICE", help="Only of this invoice: its id or its number.")
@LIMIT
@click.option("--starting-after", default="", metavar="ID", help="The page after this credit note.")
@as_json
def list_notes(account: str, invoice: str, limit: int, starting_after: str, json_: bool) -> None:
    """List credit notes, the newest first."""

    async def work() -> Page[CreditNoteBody]:
        async with opened():
            owner = (await account_of(account)).id
            of = (await invoice_named(account, invoice))[1] if invoice else ""
            return await find_notes(owner, invoice=of, limit=limit, starting_after=starting_after)

    found = run(work)
    rows = [
        (n.id, n.stripe_id, n.invoice, money(n.amount, n.currency), money(n.out_of_band, n.currency), n.origin, n.state)
        for n in found.data
    ]
    columns = ("credit note", "at Stripe", "invoice", "amount", "returned outside Stripe", "for", "state")

    def text() -> None:
        table(columns, rows, "No credit notes.")
        if found.has_more:
            OUT.print(f"More: --starting-after {found.data[-1].id}")

    say(found, json_, text)


@credit_notes.command()
@click.argument("note")
@click.option("--refund", metavar="ID", help="The refund that it belongs to, made in the processor's dashboard.")
@click.option("--send", is_flag=True, help="Nobody has returned the money: return it now.")
@click.option("--reason", required=True, help="Why; it goes into the audit log.")
@ACCOUNT
@as_json
def resolve(note: str, refund: str | None, send: bool, reason: str, account: str, json_: bool) -> None:
    """Say which refund a credit note made in Stripe belongs to, or have the money sent."""
    if send is (refund is not None):
        raise click.UsageError("give either --refund ID or --send")

    async def work() -> Page[RefundBody]:
        async with opened(needs_worker=send):
            owner = (await account_of(account)).id
            await resolve_note(author(reason), owner, note, refund)
            return await find_refunds(owner, credit_note=note, limit=1)

    found = run(work)
    did = "a worker sends it" if send else "it was made at the processor"
    say(found, json_, lambda: OUT.print(f"{note} belongs to {found.data[0].id}; {did}."))
