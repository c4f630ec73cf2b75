"""What a switch of who collects a subscription means and needs, told before it is asked for. Pure.

The rules stand in `subscriptions/switch.py` and `collect/switched.py`; at every moment one alone collects an invoice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from db.states import Collector, OpenInvoices

NAMES: Final[Mapping[Collector, str]] = {
    Collector.GATEWAY: "a processor, through us",
    Collector.STRIPE: "Stripe itself",
    Collector.HOSTED: "the payer, on Stripe's page of each invoice",
}
"""Who collects, for people."""


class Switching(msgspec.Struct, frozen=True, kw_only=True):
    """`method`: ours that was chosen, in words; `chargeable`: whether the customer has any that can be charged.

    `days`: until an invoice that is sent is due. `owed`: what is open, as amounts in words.
    """

    to: Collector
    now: Collector | None = None
    method: str = ""
    chargeable: bool = False
    stripe_method: str = ""
    open_invoices: OpenInvoices = OpenInvoices.FINISH
    days: int | None = None
    retire: bool = False
    owed: Sequence[str] = ()
    keeps_methods: bool = False


def told(wanted: Switching) -> list[str]:
    """What it needs and what happens, in sentences."""
    return {Collector.STRIPE: _to_stripe, Collector.GATEWAY: _to_us, Collector.HOSTED: _to_payer}[wanted.to](wanted)


def _to_stripe(wanted: Switching) -> list[str]:
    method = wanted.stripe_method or "the customer's default payment method for invoices there"
    rest = "We collect it to its end."
    if wanted.open_invoices is OpenInvoices.HAND_OVER:
        rest = "Stripe pays it, each invoice once no charge of ours for it is under way."
    gone = "Our payment methods stay, as the account's policy says."
    if not wanted.keeps_methods:
        gone = "Our payment methods are deleted at their processors once nothing else needs them."
    return [
        f"Stripe charges the invoices to come by itself, to {method}. Without one that can be charged this is refused, "
        "and nothing has changed.",
        *([f"{' and '.join(wanted.owed)} is open. {rest}"] if wanted.owed else []),
        gone,
    ]


def _to_us(wanted: Switching) -> list[str]:
    if not (wanted.method or wanted.chargeable):
        return [
            "The customer has no payment method that can be charged, so this is refused: send an update link first."
        ]
    found = [
        f"We charge the invoices to come to {wanted.method or 'the first payment method of the customer'}.",
        f"They are sent, and due {_days(wanted.days)}: tries fit before that.",
    ]
    if wanted.now is Collector.STRIPE:
        found.append("What Stripe charges by itself just now is ours once Stripe has let go of it: nobody pays twice.")
    if wanted.retire:
        found.append("The payment methods that it was charged to before are deleted once nothing else needs them.")
    return found


def _to_payer(wanted: Switching) -> list[str]:
    return [
        f"Its invoices are sent, and due {_days(wanted.days)}; their payer pays them on Stripe's page.",
        "Nothing is charged any more. Invoices that are open follow, each once no charge for it is under way.",
    ]


def _days(days: int | None) -> str:
    return "as the subscription or the account says" if days is None else f"after {days} days"
