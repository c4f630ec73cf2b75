"""`tollbridge payment-methods`: what a customer pays with."""

from __future__ import annotations

import click

from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.output import OUT, as_json, say, table, when
from gateway.customers.by_hand import customer_of, put_in_place, revoke
from gateway.readers.pages import Page
from gateway.readers.payment_methods import PaymentMethodBody, find_method, find_methods

REASON = click.option("--reason", required=True, help="Why; it goes into the audit log.")


@click.group(name="payment-methods")
def payment_methods() -> None:
    """Customers' payment methods, masked."""


@payment_methods.command(name="list")
@click.argument("customer")
@ACCOUNT
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)
@click.option("--starting-after", default="", metavar="ID", help="The page after this payment method.")
@as_json
def list_(customer: str, account: str, limit: int, starting_after: str, json_: bool) -> None:
    """List a customer's payment methods, the newest first."""

    async def work() -> Page[PaymentMethodBody]:
        async with opened():
            owner = (await account_of(account)).id
            return await find_methods(owner, customer, limit=limit, starting_after=starting_after)

    found = run(work)
    rows = [
        (m.position, m.id, m.connection, card(m), m.status, m.revocation or m.stopped_reason, when(m.created))
        for m in found.data
    ]

    def text() -> None:
        columns = ("place", "payment method", "connection", "card", "status", "why", "stored")
        table(columns, rows, "No payment methods.")
        if found.has_more:
            OUT.print(f"More: --starting-after {found.data[-1].id}")

    say(found, json_, text)


@payment_methods.command()
@click.argument("method")
@ACCOUNT
@as_json
def first(method: str, account: str, json_: bool) -> None:
    """Charge this one first, from the next try on."""

    async def work() -> PaymentMethodBody:
        async with opened():
            owner = (await account_of(account)).id
            customer = await customer_of(owner, method)
            await put_in_place(author(), owner, customer, method, 1)
            return await find_method(owner, customer, method)

    found = run(work)
    say(found, json_, lambda: OUT.print(f"{found.id} is the first of {found.customer}."))


@payment_methods.command(name="revoke")
@click.argument("method")
@REASON
@ACCOUNT
@as_json
def revoke_(method: str, reason: str, account: str, json_: bool) -> None:
    """Charge nothing to it any more, and delete it at the processor; a worker does it."""

    async def work() -> PaymentMethodBody:
        async with opened(needs_worker=True):
            owner = (await account_of(account)).id
            customer = await customer_of(owner, method)
            await revoke(author(reason), owner, customer, method)
            return await find_method(owner, customer, method)

    found = run(work)
    says = {
        "requested": "is deleted as soon as a worker gets there",
        "deferred": "is deleted once the charge to it that is under way has ended",
        None: "is revoked",
    }
    say(found, json_, lambda: OUT.print(f"{found.id} {says[found.revocation]}."))


def card(method: PaymentMethodBody) -> str:
    """What a payer recognises it by: `visa 4242 03/2030`."""
    return method.card.shown
