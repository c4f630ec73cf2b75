"""What people name on the command line: an invoice by its id, or by the number that stands on its PDF."""

from __future__ import annotations

import click

from gateway.cli.context import account_of
from gateway.readers.invoice_names import id_of


async def invoice_named(account: str, invoice: str) -> tuple[str, str]:
    """The account's id and the invoice's; people have its number, from the PDF or Stripe's dashboard."""
    owner = await account_of(account)
    found = await id_of(owner.id, invoice)
    if found is None:
        raise click.ClickException(
            f"no invoice {invoice!r} in account {owner.name}: give its id at Stripe (in_…) or its number. "
            "What Stripe made and no webhook has brought yet, `tollbridge catch-up` brings"
        )
    return owner.id, found
