"""How often a card may be tried, over all its invoices: the card schemes' limits, as data.

The schemes count what a merchant asks of one card, whatever it is asked for, and fine what is too much. So a try that
would be one too many is put off to the moment at which the oldest has left the window: never dropped, never failed.
After a "never" no try is left at all: that card is blocked for good (`MethodView.blocked`), and no window helps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from db.states import AttemptState

LONGEST: Final = timedelta(days=30)
"""The longest window of any scheme: older tries count nowhere."""
SLACK: Final = timedelta(minutes=5)
"""The scheme counts when a try reaches it, which is later than our `sent_at`, and by a clock of its own."""
COUNTED: Final = frozenset({AttemptState.DECLINED, AttemptState.SENDING, AttemptState.UNKNOWN})
"""What the schemes count: tries that were declined. One whose end isn't known may have been.

A capture, and a debit that a bank took back later, were approved; what never reached the scheme (rejected, not sent,
canceled) is not counted there. The same bytes sent again are the same try.
"""


class Budget(msgspec.Struct, frozen=True):
    """At most so many tries within any span of time that is so long."""

    most: int
    within: timedelta


BUDGETS: Final[Mapping[str, tuple[Budget, ...]]] = {
    "mastercard": (Budget(10, timedelta(hours=24)), Budget(35, LONGEST)),
    "visa": (Budget(20, LONGEST),),
}
"""By brand, as cards carry it. Mastercard: Transaction Processing Excellence, excessive attempts. Visa: reattempts
after a decline of category 2 to 4 (20 since May 2025; 15 before).

Both schemes take the longer window per amount; amounts of renewals are alike, so we count them all. For a brand that is
not listed, and for what is no card (debits, wallets), no limit is published.
"""


def next_within_budget(tries: Sequence[datetime], brand: str, now: datetime) -> datetime:
    """The earliest time, `now` or later, at which a card with these `tries` behind it may be tried once more.

    `tries` is what COUNTED says, in any order, 30 days back at least.
    """
    ordered = sorted(tries)
    return max([now, *(_free_again(ordered, budget) for budget in _of(brand) if len(ordered) >= budget.most)])


def _free_again(ordered: Sequence[datetime], budget: Budget) -> datetime:
    """When so many of the latest tries have left the window that one more fits."""
    return ordered[-budget.most] + budget.within + SLACK


def _of(brand: str) -> tuple[Budget, ...]:
    return BUDGETS.get(brand.strip().lower(), ())
