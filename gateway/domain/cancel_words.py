"""What becomes of a subscription that somebody wants to end, told before it is asked for. Pure.

Each sentence is a rule that stands elsewhere: what Stripe does (docs: billing/subscriptions/cancel), the account's
policies, and the upkeep of payment methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from db.states import Collector, Ends
from gateway.domain.plain_words import day
from gateway.domain.policy import Policy

OPEN_INVOICES: Final[Mapping[str, str]] = {
    "stop": "No try begins for it any more, and it is closed when its time is over, as any other",
    "collect": "It is collected all the same",
    "mark_uncollectible": "It is marked uncollectible in Stripe at once",
    "void": "It is voided in Stripe at once",
}


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """`owed`: what is open, as amounts in words. `others`: further subscriptions of the customer's that live.

    `methods`: payment methods that are kept of the customer. `ends_at`: when it is set to end. `unsent`: events of
    usage that Stripe does not know of yet.
    """

    ends: Ends
    invoice_now: bool = False
    prorate: bool = False
    collected_by: Collector | None = None
    owed: Sequence[str] = ()
    in_flight: bool = False
    others: int = 0
    methods: int = 0
    ends_at: datetime | None = None
    unsent: int = 0


def told(ending: Ending, policy: Policy) -> list[str]:
    """What happens, in sentences, in its order."""
    match ending.ends:
        case Ends.NEVER:
            return _goes_on(ending)
        case Ends.PERIOD_END:
            return [*_with_period(), *_after(ending, policy)]
        case Ends.NOW:
            return [*_now(ending), *_after(ending, policy)]


def _goes_on(ending: Ending) -> list[str]:
    was = f"It was to end on {day(ending.ends_at)}, and" if ending.ends_at else "It"
    return [f"{was} goes on: the next invoice comes as usual.", "Payment methods and access stay as they are."]


def _with_period() -> list[str]:
    return [
        "It lives until the end of the period that is paid. Until then this can be taken back, and access stays.",
        "No further period is billed; usage of the last one comes on a last invoice, which is collected.",
        "Nothing is given back, since the period is used to its end.",
    ]


def _now(ending: Ending) -> list[str]:
    waits = (
        f" First the {ending.unsent} events on their way are sent, for ten minutes at most." if ending.unsent else ""
    )
    last = "What was used and not billed yet comes on a last invoice, which is collected like any other."
    rest = (
        "The rest of the period that is paid is credited to the customer's balance at Stripe, and the next invoice "
        "takes it up. No money goes back to the payer by that."
    )
    return [
        "It ends at once, and access with it. That is final: a new subscription would have to be made.",
        f"{last}{waits}" if ending.invoice_now else "What was used and not billed yet is never billed.",
        rest if ending.prorate else "The rest of the period that is paid is not given back.",
        "To give money back, refund the last invoice: that works before and after the end.",
    ]


def _after(ending: Ending, policy: Policy) -> list[str]:
    found = []
    if ending.owed and ending.collected_by is Collector.STRIPE:
        found.append(f"{_sums(ending.owed)} is open: Stripe goes on with it as your settings there say.")
    elif ending.owed:
        found.append(f"{_sums(ending.owed)} is open. {OPEN_INVOICES[policy.canceled_invoices]}.")
    if ending.in_flight:
        late = "pays its invoice" if policy.canceled_in_flight == "keep" else "goes back to the payer"
        found.append(f"A charge is under way: it goes on, and if it succeeds it {late}.")
    if ending.methods:
        found.append(_methods(ending, policy))
    return found


def _methods(ending: Ending, policy: Policy) -> str:
    if ending.others:
        return f"The payment methods stay: {ending.others} other subscription(s) of the customer live."
    if policy.unused_methods == "keep":
        return "The payment methods stay, as the account's policy says."
    return (
        f"It is the customer's last: the payment methods ({ending.methods}) are deleted at their processors once "
        "nothing needs them. Refunds still work then."
    )


def _sums(owed: Sequence[str]) -> str:
    return " and ".join(owed)
