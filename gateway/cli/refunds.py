"""`tollbridge refunds`: money back to the payer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias, get_args

import click

from db.states import Approval, RefundState
from gateway.accounts.audit import Author
from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.named import invoice_named
from gateway.cli.output import OUT, as_json, money, say, table, when
from gateway.cli.refund_text import print_preview, print_refund, stands
from gateway.cli.values import MinorUnits
from gateway.domain.refund_words import MEANING
from gateway.readers.pages import Page
from gateway.readers.refunds import RefundBody, find_refund, find_refunds
from gateway.returns.decisions import approve
from gateway.returns.preview import Preview, preview_refund
from gateway.returns.refund_rows import RefundAsked
from gateway.returns.request import CreditReason, ask_refund
from gateway.returns.retrying import retry

AMOUNT = click.option(
    "--amount",
    type=MinorUnits(),
    metavar="MINOR_UNITS",
    help="In Stripe's minor units: 1200 for 12.00 EUR, 1000 for 1,000 JPY. Left out: all that can be returned.",
)
ATTEMPT = click.option("--attempt", metavar="ID", help="From this capture alone.")
WHY = click.option("--reason", default="", help="Why; it goes into the audit log.")
Act: TypeAlias = Callable[[Author, str, str], Awaitable[None]]
LIMIT = click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)


@click.group(epilog="\b\nStates:\n" + "\n".join(f"  {state:<10} {means}" for state, means in MEANING.items()))
def refunds() -> None:
    """Refunds, wherever they began: here, in Stripe, or at the processor."""


@refunds.command(name="list")
@ACCOUNT
@click.option("--invoice", default="", metavar="INVOICE", help="Only of this invoice: its id or its number.")
@click.option(
    "--state",
    type=click.Choice([state.value for state in RefundState]),
    metavar="STATE",
    help="Only in this state; `tollbridge refunds --help` says what each means.",
)
@LIMIT
@click.option("--starting-after", default="", metavar="ID", help="The page after this refund.")
@as_json
def list_(account: str, invoice: str, state: str | None, limit: int, starting_after: str, json_: bool) -> None:
    """List refunds, the newest first."""

    async def work() -> Page[RefundBody]:
        async with opened():
            owner = (await account_of(account)).id
            of = (await invoice_named(account, invoice))[1] if invoice else ""
            wanted = RefundState(state) if state else None
            return await find_refunds(owner, wanted, invoice=of, limit=limit, starting_after=starting_after)

    found = run(work)
    rows = [
        (r.id, when(r.created), r.invoice, money(r.amount, r.currency), stands(r), r.origin, _note_of(r))
        for r in found.data
    ]

    def text() -> None:
        table(("refund", "at", "invoice", "amount", "state", "began", "credit note"), rows, "No refunds.")
        if found.has_more:
            OUT.print(f"More: --starting-after {found.data[-1].id}")

    say(found, json_, text)


@refunds.command()
@click.argument("refund")
@ACCOUNT
@as_json
def show(refund: str, account: str, json_: bool) -> None:
    """Show a refund with its parts at processors and its credit note."""

    async def work() -> RefundBody:
        async with opened():
            return await find_refund((await account_of(account)).id, refund)

    found = run(work)
    say(found, json_, lambda: print_refund(found))


@refunds.command()
@click.argument("invoice")
@AMOUNT
@ATTEMPT
@ACCOUNT
@as_json
def preview(invoice: str, amount: int | None, attempt: str | None, account: str, json_: bool) -> None:
    """Show what a refund of INVOICE would be, and what of it can be returned. Nothing moves."""

    async def work() -> Preview:
        async with opened() as runtime:
            owner, of = await invoice_named(account, invoice)
            return await preview_refund(runtime, owner, RefundAsked(of, amount, attempt=attempt))

    found = run(work)
    say(found, json_, lambda: print_preview(found))


@refunds.command()
@click.argument("invoice")
@AMOUNT
@ATTEMPT
@click.option("--credit-reason", type=click.Choice(get_args(CreditReason)), default="", help="On the credit note.")
@click.option("--memo", default="", help="On the credit note, for the customer to read.")
@click.option("--reason", required=True, help="Why; for your own people and the audit log.")
@ACCOUNT
@as_json
def create(
    invoice: str,
    amount: int | None,
    attempt: str | None,
    credit_reason: CreditReason,
    memo: str,
    reason: str,
    account: str,
    json_: bool,
) -> None:
    """Return money of INVOICE to the payer, and make its credit note in Stripe; a worker does it."""

    async def work() -> RefundBody:
        async with opened(needs_worker=True):
            owner, of = await invoice_named(account, invoice)
            asked = RefundAsked(of, amount, (), credit_reason, memo, reason, attempt)
            return await find_refund(owner, await ask_refund(author(reason), owner, asked))

    made = run(work)
    waits = "somebody else must approve it, with" if made.approval == Approval.WAITING else "a worker sends it:"
    doing = "approve" if made.approval == Approval.WAITING else "show"
    asked = f"{made.id}: {money(made.amount, made.currency)} of {made.invoice}"
    say(made, json_, lambda: OUT.print(f"{asked}; {waits} tollbridge refunds {doing} {made.id}", soft_wrap=True))


@refunds.command(name="approve")
@click.argument("refund")
@WHY
@ACCOUNT
@as_json
def approve_(refund: str, reason: str, account: str, json_: bool) -> None:
    """Approve a refund that somebody else asked for; a worker sends it."""
    decided = run(lambda: _said(partial(approve, give=True), refund, reason, account))
    say(decided, json_, lambda: OUT.print(f"{decided.id} is approved; a worker sends it."))


@refunds.command()
@click.argument("refund")
@WHY
@ACCOUNT
@as_json
def deny(refund: str, reason: str, account: str, json_: bool) -> None:
    """Deny a refund that waits for approval. Where its credit note stands in Stripe already, a case says so."""
    decided = run(lambda: _said(partial(approve, give=False), refund, reason, account, needs_worker=False))
    say(decided, json_, lambda: OUT.print(f"{decided.id} is denied; nothing is sent."))


@refunds.command(name="retry")
@click.argument("refund")
@WHY
@ACCOUNT
@as_json
def retry_(refund: str, reason: str, account: str, json_: bool) -> None:
    """Try again what failed or was refused of a refund, or its credit note alone; a worker does it."""
    again = run(lambda: _said(retry, refund, reason, account))
    say(again, json_, lambda: OUT.print(f"{again.id} is tried again as soon as a worker gets there."))


async def _said(act: Act, refund: str, reason: str, account: str, *, needs_worker: bool = True) -> RefundBody:
    """What somebody says about a refund: it is stored, and the refund shown as it stands then."""
    async with opened(needs_worker=needs_worker):
        owner = (await account_of(account)).id
        await act(author(reason), owner, refund)
        return await find_refund(owner, refund)


def _note_of(one: RefundBody) -> str:
    return "" if one.credit_note is None else one.credit_note.number or one.credit_note.state
