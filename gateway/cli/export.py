"""`tollbridge export`: what accountants take away."""

from __future__ import annotations

from datetime import datetime

import click

from gateway.books.journal import Format, yesterday
from gateway.books.journal import export as journal_of
from gateway.cli.context import ACCOUNT, account_of, opened, run

DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def export() -> None:
    """Files for accounting."""


@export.command()
@ACCOUNT
@click.option("--from", "first", type=DAY, help="The first day, in UTC; else the same as --to.")
@click.option("--to", "last", type=DAY, help="The last day, with it; else yesterday.")
@click.option("--format", "form", type=click.Choice(["csv", "beancount"]), default="csv", show_default=True)
def journal(account: str, first: datetime | None, last: datetime | None, form: Format) -> None:
    """Print the ledger of these days in double entry.

    Each day balances in each currency. A day that is over never changes; one that is not, such as today, is exported as
    far as it has come. The names of the accounts are the policy `journal`.
    """

    async def work() -> None:
        async with opened():
            until = last.date() if last else await yesterday()
            since = first.date() if first else until
            async for part in await journal_of((await account_of(account)).id, since, until, form):
                click.echo(part, nl=False)

    run(work)
