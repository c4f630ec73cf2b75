"""What the merchant should have been told about a dispute: that it was opened, and how it ended. Pure.

Derived from what is true now, as with invoices: what was told is a part of the view. A dispute that is reopened begins
another round, counted by the withdrawals, so that each step is told once for each.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from db.states import DisputeState
from gateway.domain.dispute_view import DisputeView
from gateway.domain.news import NEWS_FOR
from gateway.domain.news_types import DisputeNews, NewsType

ENDS: Final = {
    DisputeState.WON: NewsType.DISPUTE_WON,
    DisputeState.LOST: NewsType.DISPUTE_LOST,
    DisputeState.PARTLY_LOST: NewsType.DISPUTE_PARTLY_LOST,
}


class News(msgspec.Struct, frozen=True):
    """One thing to tell, once for its step."""

    type: NewsType
    step: str


def dispute_news(view: DisputeView, now: datetime) -> News | None:
    """What has not been told yet of a dispute that has come to rest."""
    found = News(_type(view), _step(view))
    old = now - view.told_at >= NEWS_FOR
    return None if old or f"{found.type} {found.step}" in view.announced else found


def dispute_data(view: DisputeView, invoice: str, customer: str, subscription: str) -> DisputeNews:
    """What is told with it."""
    return DisputeNews(
        id=view.id,
        invoice=invoice,
        customer=customer or None,
        subscription=subscription or None,
        state=view.state,
        amount=view.amount,
        withdrawn=view.gone,
        currency=view.currency,
        evidence_due_by=int(view.evidence_due_by.timestamp()) if view.evidence_due_by else None,
    )


def _type(view: DisputeView) -> NewsType:
    if not view.has_ended:
        return NewsType.DISPUTE_OPENED
    if view.state is DisputeState.CLOSED and view.gone > 0:
        return NewsType.DISPUTE_LOST if view.is_lost else NewsType.DISPUTE_PARTLY_LOST
    return ENDS.get(view.state, NewsType.DISPUTE_CLOSED)


def _step(view: DisputeView) -> str:
    if view.state is DisputeState.INQUIRY:
        return "inquiry"
    return str(max(view.withdrawals, 1))
