"""Telling the merchant that a subscription's trial ends, when its turn does."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db import outbox, sql
from db.outbox import Announcement
from gateway.domain.subscription_news import TrialFacts, trial_news

FACTS: Final = """
    select s.*, coalesce(c.opted_out, false) as opted_out from tollbridge.subscription s
    left join tollbridge.customer c on c.account = s.account and c.id = s.customer
    where s.account = $1 and s.id = $2
"""


async def facts_of(account: str, subscription: str) -> TrialFacts:
    """What there may be to tell of the trial of a subscription, which must exist."""
    row = await sql.row(FACTS, account, subscription)
    assert row is not None, "the subscription exists"
    return TrialFacts(
        id=row["id"],
        customer=row["customer"],
        status=row["status"],
        ours=row["collection_method"] == "send_invoice" and not row["opted_out"],
        ending=row["cancel_at_period_end"],
        trial_end=row["trial_end"],
    )


async def tell(account: str, facts: TrialFacts, now: datetime) -> None:
    """Tell what there is to tell, in the caller's transaction; under the subscription's claim."""
    ending = trial_news(facts, now)
    told = [] if ending is None else [Announcement(ending.type, ending.step, ending.data)]
    await outbox.announce(account, "subscription", facts.id, told, now)
