"""`tollbridge subscriptions`: how each stands, having one end, switching who collects it or what with, and access."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import click

from db.states import Collector, Ends, OpenInvoices
from gateway.accounts.audit import Author
from gateway.cli import access
from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.output import OUT, as_json, fields, money, say, table, when
from gateway.collect.switch_wish import Asked
from gateway.readers.pages import Page
from gateway.readers.subscriptions import SubscriptionBody, find_subscription, find_subscriptions
from gateway.readers.upcoming import UpcomingBody, find_upcoming
from gateway.subscriptions import cancel, switch

REASON: Final = click.option("--reason", default="", help="Why; it goes into the audit log.")
Ask: TypeAlias = Callable[[Author, str], Awaitable[str]]
"""Asks for something in somebody's name, of an account's subscription; a worker does it."""


@click.group()
def subscriptions() -> None:
    """Subscriptions: who collects each, with what, when it ends, and what it opens."""


for command in access.COMMANDS:
    subscriptions.add_command(command)


@subscriptions.command(name="list")
@click.option("--customer", default="", metavar="CUSTOMER", help="Only of this customer.")
@click.option("--status", default="", metavar="STATUS", help="As Stripe calls it: active, past_due, canceled …")
@ACCOUNT
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)
@click.option("--starting-after", default="", metavar="ID", help="The page after this subscription.")
@as_json
def list_(customer: str, status: str, account: str, limit: int, starting_after: str, json_: bool) -> None:
    """List subscriptions, the newest first."""

    async def work() -> Page[SubscriptionBody]:
        async with opened():
            owner = (await account_of(account)).id
            return await find_subscriptions(owner, customer, status, limit=limit, starting_after=starting_after)

    found = run(work)
    rows = [(s.id, s.customer, s.status, s.collected_by, s.payment_method, _end(s), when(s.as_of)) for s in found.data]

    def text() -> None:
        columns = ("subscription", "customer", "status", "collected by", "own method", "ends", "as of")
        table(columns, rows, "No subscriptions.")
        if found.has_more:
            OUT.print(f"More: --starting-after {found.data[-1].id}")

    say(found, json_, text)


@subscriptions.command()
@click.argument("subscription")
@ACCOUNT
@as_json
def show(subscription: str, account: str, json_: bool) -> None:
    """Show a subscription, and what was wanted of it last.

    `own method` was given for this one alone; where it is empty, the customer's are charged in their order.
    """

    async def work() -> SubscriptionBody:
        async with opened():
            return await find_subscription((await account_of(account)).id, subscription)

    found = run(work)
    say(found, json_, lambda: _print(found))


@subscriptions.command()
@click.argument("subscription")
@ACCOUNT
@as_json
def upcoming(subscription: str, account: str, json_: bool) -> None:
    """Show the next invoice as Stripe would make it now, and the usage that Stripe does not know of yet."""

    async def work() -> UpcomingBody:
        async with opened() as runtime:
            return await find_upcoming(runtime, (await account_of(account)).id, subscription)

    found = run(work)
    say(found, json_, lambda: _print_upcoming(found))


@subscriptions.command(name="cancel")
@click.argument("subscription")
@click.option(
    "--ends",
    type=click.Choice([one.value for one in Ends]),
    required=True,
    help="`never` takes an end back that has not come yet.",
)
@click.option("--invoice-now", is_flag=True, help="With `now`: bill what was used and not billed yet.")
@click.option("--prorate", is_flag=True, help="With `now`: credit the rest of a period that is paid.")
@REASON
@ACCOUNT
@as_json
def cancel_(
    subscription: str, ends: str, invoice_now: bool, prorate: bool, reason: str, account: str, json_: bool
) -> None:
    """Have a subscription end, now or with its period, or live on after all; a worker tells Stripe.

    `show` says when that is done. An end that has come is final. What is open then goes by the account's policies
    canceled_invoices and canceled_in_flight.
    """
    asked = cancel.Asked(Ends(ends), invoice_now, prorate, reason)

    _asked(lambda by, owner: cancel.ask(by, owner, subscription, asked), subscription, reason, account, json_)


@subscriptions.command(name="switch")
@click.argument("subscription")
@click.option("--to", type=click.Choice([one.value for one in Collector]), required=True, help="Who collects it.")
@click.option("--payment-method", default="", metavar="PMT", help="With `gateway`: ours, which it is charged to first.")
@click.option("--stripe-payment-method", default="", metavar="PM", help="With `stripe`: else the customer's default.")
@click.option(
    "--open-invoices",
    type=click.Choice([one.value for one in OpenInvoices]),
    default=OpenInvoices.FINISH.value,
    show_default=True,
    help="With `stripe`: we collect what is open to its end, or Stripe pays it.",
)
@click.option("--days-until-due", type=click.IntRange(0, 730), help="With `gateway` or `hosted`: of its invoices.")
@click.option("--retire", is_flag=True, help="Delete the methods that it used before, once nothing needs them.")
@REASON
@ACCOUNT
@as_json
def switch_(
    subscription: str,
    to: str,
    payment_method: str,
    stripe_payment_method: str,
    open_invoices: str,
    days_until_due: int | None,
    retire: bool,
    reason: str,
    account: str,
    json_: bool,
) -> None:
    """Have a subscription collected by Stripe, by us, by us with another payment method, or paid by its payer on
    Stripe's page (`hosted`); a worker does it.

    `show` says when that is done, or why it was refused. With the move to Stripe our payment methods are deleted once
    nothing needs them, unless the account's policy unused_methods is `keep`.
    """
    asked = Asked(
        Collector(to), payment_method, stripe_payment_method, OpenInvoices(open_invoices), days_until_due, retire
    )

    _asked(lambda by, owner: switch.ask(by, owner, subscription, asked), subscription, reason, account, json_)


def _asked(ask: Ask, subscription: str, reason: str, account: str, json_: bool) -> None:
    """Ask for something, and show the subscription as it stands then."""

    async def work() -> SubscriptionBody:
        async with opened(needs_worker=True):
            owner = (await account_of(account)).id
            await ask(author(reason), owner)
            return await find_subscription(owner, subscription)

    found = run(work)

    def text() -> None:
        _print(found)
        OUT.print(f"A worker does it; what came of it: tollbridge subscriptions show {found.id}", soft_wrap=True)

    say(found, json_, text)


def _end(found: SubscriptionBody) -> str:
    return when(found.ended_at or found.cancel_at)


def _print_upcoming(found: UpcomingBody) -> None:
    shown: dict[str, object] = {"subscription": found.subscription, "comes": when(found.comes)}
    for name in ("subtotal", "discount", "tax", "total", "amount_due"):
        shown[name.replace("_", " ")] = money(getattr(found, name), found.currency)
    fields(shown)
    OUT.print()
    rows = [(one.description, one.quantity, money(one.amount, found.currency)) for one in found.lines]
    table(("line", "quantity", "amount"), rows, "No lines.")
    for one in found.unsent_usage:
        what = f"On its way to Stripe: {one.events} events of {one.event_name}, together {one.value}"
        OUT.print(what, markup=False, soft_wrap=True)


def _print(found: SubscriptionBody) -> None:
    shown: dict[str, object] = {
        "subscription": found.id,
        "customer": found.customer,
        "status": found.status,
        "collected by": found.collected_by,
        "own method": found.payment_method,
        "days until due": found.days_until_due,
        "ends": _end(found),
        "as of": when(found.as_of),
    }
    if (asked := found.cancellation) is not None:
        shown["cancellation"] = _wish(f"{asked.ends}", asked.status, asked.error)
    if (wanted := found.switch) is not None:
        shown["switch"] = _wish(f"to {wanted.to}", wanted.status, wanted.error)
    fields(shown)


def _wish(what: str, status: str, error: str | None) -> str:
    return f"{what}: {status}, {error}" if error else f"{what}: {status}"
