"""What a processor has said lately when it declined: which codes, how often, and as what they counted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from db import sql
from gateway.clock import business_now
from processors.outcome import DeclineClass

LATELY: Final = timedelta(days=30)
MOST: Final = 100
SAID: Final = """
    select processor_code as code, count(*) as times, max(sent_at) as last,
        (array_agg(decline_class order by sent_at desc))[1] as decline_class
    from tollbridge.attempt
    where account = $1 and connection = $2 and state = 'declined' and processor_code <> '' and sent_at > $3
    group by processor_code order by times desc, code limit $4
"""


class SaidDecline(msgspec.Struct, frozen=True):
    """A code; `decline_class` is what the last one counted as."""

    code: str
    times: int
    last: datetime
    decline_class: DeclineClass


async def find_said(account: str, connection: str) -> list[SaidDecline]:
    """The codes of a connection (its id) of the last 30 days, the most frequent first."""
    rows = await sql.rows(SAID, account, connection, await business_now() - LATELY, MOST)
    return [SaidDecline(row["code"], row["times"], row["last"], DeclineClass(row["decline_class"])) for row in rows]
