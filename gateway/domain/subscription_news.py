"""What the merchant should be told about a subscription: that access opens or closes, and that its trial ends soon."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from gateway.domain.gate import Gate
from gateway.domain.news_types import AccessNews, NewsType, SubscriptionNews, TrialNews

TRIAL_ENDS_IN: Final = timedelta(days=3)
"""As with Stripe's own `customer.subscription.trial_will_end` (docs: billing/subscriptions/trials)."""


class TrialFacts(msgspec.Struct, frozen=True):
    """A subscription as far as the end of its trial goes. `ours`: we charge it, or its payer pays on Stripe's page."""

    id: str
    customer: str
    status: str
    ours: bool
    ending: bool
    trial_end: datetime | None


class News(msgspec.Struct, frozen=True):
    type: NewsType
    step: str
    data: SubscriptionNews


def access_news(subscription: str, customer: str, changes: int, access: Gate) -> News | None:
    """What has changed since access was told of `changes` times (odd is open); one that never opened does not close."""
    if access.granted == bool(changes % 2):
        return None
    data = AccessNews(
        id=subscription,
        customer=customer or None,
        granted=access.granted,
        reason=access.reason,
        invoice=access.invoice or None,
    )
    kind = NewsType.ACCESS_OPENED if access.granted else NewsType.ACCESS_CLOSED
    return News(kind, str(changes + 1), data)


def trial_news(facts: TrialFacts, now: datetime) -> News | None:
    """That its trial ends soon, and it will be charged; it stands until the trial has ended."""
    if not _trial_will_be_charged(facts) or facts.trial_end is None:
        return None
    if not facts.trial_end - TRIAL_ENDS_IN <= now < facts.trial_end:
        return None
    ends = int(facts.trial_end.timestamp())
    data = TrialNews(id=facts.id, customer=facts.customer or None, trial_end=ends)
    return News(NewsType.TRIAL_ENDING, str(ends), data)


def next_trial_news_at(facts: TrialFacts, now: datetime) -> datetime | None:
    """When there will be news by the clock alone."""
    if not _trial_will_be_charged(facts) or facts.trial_end is None:
        return None
    at = facts.trial_end - TRIAL_ENDS_IN
    return at if at > now else None


def _trial_will_be_charged(facts: TrialFacts) -> bool:
    return facts.ours and facts.status == "trialing" and not facts.ending
