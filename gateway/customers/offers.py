"""The processors on offer to one payer: the account's connections, by their rules (`domain.routing`)."""

from __future__ import annotations

from typing import Annotated, Final

import asyncpg
import msgspec

from db import sql
from gateway.connections import UnknownAdapterError, capabilities_of
from gateway.domain.routing import Asked, Bounds, Display, Offer, Routing, ranked

CONNECTIONS: Final = """
    select id, name, adapter, priority, routing, display from tollbridge.connection
    where account = $1 and enabled and (currencies = '{}' or $2 = any(currencies)) and ($3 = '' or id = $3)
    order by priority, name
"""


Country = Annotated[str, msgspec.Meta(pattern="^([A-Z]{2})?$", description="Two capital letters, as in ISO 3166-1.")]
Attributes = Annotated[
    dict[Annotated[str, msgspec.Meta(min_length=1, max_length=100)], Annotated[str, msgspec.Meta(max_length=100)]],
    msgspec.Meta(max_length=20, description="What a connection's `routing` may ask for, such as a tier."),
]
"""What a session says of its payer, for the rules of connections. Nothing of it goes to Stripe or to a processor."""


class Processor(msgspec.Struct, frozen=True):
    """A processor that the payer may choose."""

    name: Annotated[str, msgspec.Meta(description="What `setup` is begun with.")]
    label: Annotated[str, msgspec.Meta(description="For its button.")]
    description: Annotated[str, msgspec.Meta(description="Beside it; may be empty.")]
    methods: Annotated[list[str], msgspec.Meta(description="What it takes, for pictures: card, paypal, …")]


async def offers(account: str, asked: Asked, connection: str = "") -> list[Offer]:
    """What may be chosen, best first; `connection`, an id, is the only one wanted."""
    rows = await sql.rows(CONNECTIONS, account, asked.currency, connection)
    return ranked([offer for row in rows if (offer := _offer(row, asked.currency)) is not None], asked)


def shown(offer: Offer) -> Processor:
    """As a payer's page shows it."""
    display = offer.display
    label = display.label or offer.name.replace("-", " ").replace("_", " ").capitalize()
    return Processor(offer.name, label, display.description, display.methods)


def _offer(row: asyncpg.Record, currency: str) -> Offer | None:
    try:
        capabilities = capabilities_of(row["adapter"])
    except UnknownAdapterError:
        return None
    if capabilities.currencies is not None and currency and currency not in capabilities.currencies:
        return None
    amounts = capabilities.amounts
    return Offer(
        connection=row["id"],
        name=row["name"],
        priority=row["priority"],
        routing=msgspec.json.decode(row["routing"], type=Routing),
        display=msgspec.json.decode(row["display"], type=Display),
        # What is less than its minimum is credited, carried over or asked about, as the account's policy says.
        bounds=Bounds(maximum=amounts.maximum.get(currency)),
    )
