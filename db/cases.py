"""Cases: opened once for a subject, in the transaction of the fact that needs a human."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from db import sql
from db.ids import new_id


async def open_case(
    account: str, kind: str, subject: str, *, reason: str, action: str, now: datetime, invoice: str = ""
) -> None:
    """Put something before a human; a second one of the kind for the subject is the same case while it is open."""
    await sql.rows(
        """insert into tollbridge.review_case (id, account, kind, subject, invoice, reason, action, state, opened_at)
           values ($1, $2, $3, $4, $5, $6, $7, 'open', $8)
           on conflict (account, kind, subject) where state = 'open' do nothing""",
        new_id("cas"),
        account,
        kind,
        subject,
        invoice,
        sql.storable(reason, 2000),
        action,
        now,
    )


async def close_by_itself(
    account: str, subject: str, kinds: Collection[str], now: datetime, reason: str = "settled by itself"
) -> None:
    """Close the open cases of these kinds about an object or its invoice: nobody needs to look any more."""
    await sql.rows(
        """update tollbridge.review_case
           set state = 'closed', closed_at = $4, closed_by = 'tollbridge', closed_reason = $5
           where account = $1 and (invoice = $2 or subject = $2) and kind = any($3) and state = 'open'""",
        account,
        subject,
        sorted(kinds),
        now,
        reason,
    )
