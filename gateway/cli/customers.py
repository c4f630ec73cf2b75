"""`tollbridge customers`: what they may use, where they are taxed, pausing the collection of all that they owe, and
erasing their personal data."""

from __future__ import annotations

from datetime import datetime

import click
import msgspec

from db.states import Collection, Collector
from gateway.accounts.errors import FieldError
from gateway.accounts.known import refuse_unknown
from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.output import OUT, as_json, fields, say, table, when
from gateway.cli.pauses import REASON, UNTIL, ends, utc
from gateway.cli.payment_methods import card
from gateway.clock import business_now
from gateway.customers import erase
from gateway.customers.customer import collect_by
from gateway.customers.locations import Address
from gateway.customers.tax_location import Location, Told, tell_location
from gateway.finance.pause import pause_customer, resume_customer
from gateway.readers.access import CustomerAccess, find_access
from gateway.readers.customers import CustomerBody, find_customer
from gateway.readers.pages import Page
from gateway.readers.payment_methods import PaymentMethodBody, find_methods


@click.group()
def customers() -> None:
    """Customers: what they may use, where they are taxed, and whether their invoices are collected."""


@customers.command()
@click.argument("customer")
@ACCOUNT
@as_json
def show(customer: str, account: str, json_: bool) -> None:
    """Show what is kept of a customer, and their payment methods."""

    async def work() -> tuple[CustomerBody, Page[PaymentMethodBody]]:
        async with opened():
            owner = (await account_of(account)).id
            return await find_customer(owner, customer), await find_methods(
                owner, customer, limit=10, starting_after=""
            )

    found, methods = run(work)

    def text() -> None:
        fields(
            {
                "id": found.id,
                "opted out": found.opted_out,
                "collection": f"paused until {ends(found.pause)}: {found.pause.reason}"
                if found.pause
                else "not paused",
                "deleted": when(found.deleted),
                "erased": when(found.erased) or ("asked for" if found.erasure_requested else ""),
            }
        )
        rows = [(m.position, m.id, m.connection, card(m), m.status) for m in methods.data]
        table(("place", "payment method", "connection", "card", "status"), rows, "No payment methods.")

    say(found, json_, text)


@customers.command()
@click.argument("customer")
@click.option("--product", default="", metavar="ID", help="Only of this product or price.")
@ACCOUNT
@as_json
def access(customer: str, product: str, account: str, json_: bool) -> None:
    """Say which of a customer's subscriptions give access, and why."""

    async def work() -> CustomerAccess:
        async with opened():
            return await find_access((await account_of(account)).id, customer, product)

    found = run(work)
    rows = [(s.subscription, s.state, s.description, s.invoice, when(s.closes_at)) for s in found.subscriptions]
    columns = ("subscription", "access", "why", "invoice", "closes")
    say(found, json_, lambda: table(columns, rows, "No subscriptions."))


@customers.command(name="tax-location")
@click.argument("customer")
@click.option("--country", default="", help="ISO 3166-1, two letters.")
@click.option("--postal-code", default="")
@click.option("--state", default="")
@click.option("--city", default="")
@click.option("--line1", default="")
@click.option("--line2", default="")
@click.option("--ip-address", default="", help="The payer's, where no address is known.")
@click.option("--from-processor", is_flag=True, help="Ask that of the first payment method for the payer's address.")
@ACCOUNT
@as_json
def tax_location(
    customer: str, ip_address: str, from_processor: bool, account: str, json_: bool, **address: str
) -> None:
    """Tell Stripe where a customer is taxed; drafts that wait for it are collected.

    Give an address, or --ip-address, or --from-processor. The answer is Stripe's word for the place: "supported",
    or "not_collecting" where the account has no registration.
    """

    async def work() -> Told:
        async with opened(needs_worker=True) as runtime:
            owner = (await account_of(account)).id
            location = Location(_place(address), ip_address, from_processor)
            return await tell_location(runtime, author(), owner, customer, location)

    told = run(work)
    say(told, json_, lambda: OUT.print(f"Stripe was told where {customer} is taxed, and says: {told.automatic_tax}."))


def _place(given: dict[str, str]) -> Address | None:
    """Raises FieldError."""
    try:
        return msgspec.convert(given, Address) if any(given.values()) else None
    except msgspec.ValidationError:
        raise FieldError("country", "is two capital letters, as in ISO 3166-1") from None


@customers.command(name="collection")
@click.argument("customer")
@click.option(
    "--to",
    type=click.Choice([*(one.value for one in Collection), "account"]),
    required=True,
    help="`hosted`: the payer pays on Stripe's page; `processor`: we charge; `account`: as the account's policy says.",
)
@click.option("--reason", default="", help="Why; it goes into the audit log.")
@ACCOUNT
@as_json
def collection(customer: str, to: str, reason: str, account: str, json_: bool) -> None:
    """Say how what a customer is sent is collected; open invoices follow, once no charge of them is under way.

    A subscription that was switched by itself keeps its own (tollbridge subscriptions switch).
    """

    async def work() -> CustomerBody:
        async with opened():
            owner, own = (await account_of(account)).id, None if to == "account" else Collection(to)
            await refuse_unknown(owner, customer)
            await collect_by(owner, customer, own, author(reason), await business_now())
            return await find_customer(owner, customer)

    found = run(work)
    said = "by its payer, on Stripe's page" if found.collected_by is Collector.HOSTED else "by us"
    say(found, json_, lambda: OUT.print(f"What {found.id} is sent is collected {said}."))


@customers.command(name="pause-collection")
@click.argument("customer")
@REASON
@UNTIL
@ACCOUNT
@as_json
def pause_collection(customer: str, reason: str, until: datetime | None, account: str, json_: bool) -> None:
    """Charge nothing of a customer's for a while; what was charged already is recorded."""

    async def work() -> CustomerBody:
        async with opened():
            owner = (await account_of(account)).id
            await pause_customer(author(reason), owner, customer, utc(until))
            return await find_customer(owner, customer)

    found = run(work)
    say(found, json_, lambda: OUT.print(f"Nothing of {found.id} is charged until {ends(found.pause)}."))


@customers.command(name="resume-collection")
@click.argument("customer")
@REASON
@ACCOUNT
@as_json
def resume_collection(customer: str, reason: str, account: str, json_: bool) -> None:
    """Collect a customer's invoices again."""

    async def work() -> CustomerBody:
        async with opened():
            owner = (await account_of(account)).id
            await resume_customer(author(reason), owner, customer)
            return await find_customer(owner, customer)

    found = run(work)
    say(found, json_, lambda: OUT.print(f"The invoices of {found.id} are collected again."))


@customers.command(name="erase")
@click.argument("customer")
@REASON
@ACCOUNT
@as_json
def erase_customer(customer: str, reason: str, account: str, json_: bool) -> None:
    """Erase a customer's personal data, for good; ids and amounts stay. Again: what has come since.

    It asks no second time. Refused while a subscription lives that is collected here, or a charge, refund or checkout
    is under way. Stripe and the processors keep their own data: erase it there too.
    """

    async def work() -> CustomerBody:
        async with opened(needs_worker=True) as runtime:
            owner = (await account_of(account)).id
            await erase.ask(runtime, author(reason), owner, customer)
            return await find_customer(owner, customer)

    found = run(work)
    done = "is erased here. What Stripe and the processors keep of the person is erased there."
    later = "is erased as soon as its payment methods are deleted at their processors."
    say(found, json_, lambda: OUT.print(f"{found.id} {done if found.erased else later}"))
