"""Deliveries: the webhooks that were accepted from Stripe and processors, and how each ended; how many were refused."""

from __future__ import annotations

from typing import Final, Literal

import asyncpg
import msgspec

from db import sql
from db.states import DeliveryState
from gateway.accounts.errors import NotThereError
from gateway.readers.pages import DEFAULT, Page, listed, page, unix

SELECT: Final = """
    select t.id, t.source, t.kind, t.object_id, t.state, t.reason, t.tries, t.try_at, t.received_at, t.finished_at,
        coalesce(c.name, t.source) as source_name
    from tollbridge.delivery t left join tollbridge.connection c on c.id = t.source and c.account = t.account
"""


# A name is unique within its account; what is no connection's is taken for an id.
SOURCE: Final = (
    "t.source = coalesce((select c.id from tollbridge.connection c where c.account = $1 and c.name = {0}), {0})"
)
# In the last hour of machine time, by door.
REFUSED: Final = """
    select r.source, coalesce(c.name, 'stripe') as door, sum(r.refused)::bigint as refused,
        (array_agg(r.reason order by r.minute desc))[1] as reason, max(r.minute) as last
    from tollbridge.refused_delivery r
    left join tollbridge.connection c on c.account = r.account and c.id = r.source
    where r.account = $1 and r.minute >= clock_timestamp() - interval '1 hour' group by r.source, c.name
    order by door
"""


class DeliveryBody(msgspec.Struct, frozen=True):
    """One accepted webhook, without its body: `source` is stripe or a connection's name."""

    id: str
    source: str
    kind: str
    object_id: str | None
    state: DeliveryState
    reason: str
    tries: int
    next_try: int | None
    created: int
    finished: int | None
    object: Literal["delivery"] = "delivery"


async def find_deliveries(
    account: str,
    state: DeliveryState | None = None,
    *,
    object_id: str = "",
    kind: str = "",
    source: str = "",
    limit: int = DEFAULT,
    starting_after: str = "",
) -> Page[DeliveryBody]:
    """A page of an account's deliveries; `source` is stripe or a connection's name."""
    where = {"state": state, "object_id": object_id, "kind": kind}
    also = [(SOURCE, (source,))] if source else []
    found = await page(account, SELECT, "received_at", where, limit=limit, starting_after=starting_after, also=also)
    return listed(*found, shown)


async def refused_lately(account: str) -> list[asyncpg.Record]:
    """What each door of an account turned away in the last hour, with the last reason."""
    return await sql.rows(REFUSED, account)


async def find_delivery(account: str, delivery: str) -> DeliveryBody:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, delivery)
    if row is None:
        raise NotThereError("delivery", delivery)
    return shown(row)


def shown(row: asyncpg.Record) -> DeliveryBody:
    """A delivery's row as it stands in JSON."""
    return DeliveryBody(
        id=row["id"],
        source=row["source_name"],
        kind=row["kind"],
        object_id=row["object_id"] or None,
        state=DeliveryState(row["state"]),
        reason=row["reason"],
        tries=row["tries"],
        next_try=unix(row["try_at"]),
        created=unix(row["received_at"]),
        finished=unix(row["finished_at"]),
    )
