"""What rehearsals have made at Stripe, as long as any of it may be there: metadata alone never says that it is ours."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from db import sql
from gateway.billing.rehearsing import Made

OVER_AFTER: Final = timedelta(days=1)
"""A rehearsal of which nobody has said that it ended: it waits seven times at most, an hour each time at most."""

BEGIN: Final = "insert into tollbridge.rehearsal (id, account, begun_at) values ($1, $2, clock_timestamp())"
NOTE: Final = """
    update tollbridge.rehearsal set customer = coalesce($2, customer), product = coalesce($3, product),
        price = coalesce($4, price) where id = $1
"""
END: Final = "update tollbridge.rehearsal set ended_at = clock_timestamp() where id = $1"
FORGET: Final = "delete from tollbridge.rehearsal where id = $1"
MADE: Final = "select customer, product, price from tollbridge.rehearsal where id = $1"
OVER: Final = """
    select id from tollbridge.rehearsal
    where account = $1 and (ended_at is not null or begun_at < clock_timestamp() - $2::interval) order by begun_at
"""


async def begin(run: str, account: str) -> None:
    """Before anything is made."""
    await sql.rows(BEGIN, run, account)


async def note(run: str, made: Made) -> None:
    """That it has made this too."""
    await sql.rows(NOTE, run, made.customer, made.product, made.price)


async def made(run: str) -> Made:
    """All that it has made; nothing where another one has taken it away."""
    row = await sql.row(MADE, run)
    return Made() if row is None else msgspec.convert(dict(row), Made)


async def end(run: str) -> None:
    """It makes nothing any more, and something may be left; where that was forgotten, nothing is."""
    await sql.rows(END, run)


async def forget(run: str) -> None:
    """All that it has made is gone."""
    await sql.rows(FORGET, run)


async def over(account: str) -> list[str]:
    """The runs that certainly make nothing any more, and may have left something."""
    return [row["id"] for row in await sql.rows(OVER, account, OVER_AFTER)]
