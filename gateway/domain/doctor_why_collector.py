"""Who collects a subscription's invoices, or one invoice: since when or why, and what holds it up. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from db.states import Collector
from gateway.domain.doctor_why import Telling
from gateway.domain.times import moment

WHO: Final[Mapping[Collector | None, str]] = {
    Collector.GATEWAY: "collected here, through a processor",
    Collector.HOSTED: "paid by the customer on Stripe's own invoice page, and nothing is charged from here",
    Collector.STRIPE: "collected by Stripe itself, and nothing is charged from here",
    None: "collected by nobody",
}
TO: Final[Mapping[Collector, str]] = {
    Collector.GATEWAY: "a processor",
    Collector.HOSTED: "Stripe's own invoice page",
    Collector.STRIPE: "Stripe itself",
}


class Paused(msgspec.Struct, frozen=True):
    """Somebody has paused collecting: of the customer, or of one invoice. `until`: None where somebody must resume."""

    reason: str
    by: str
    since: datetime
    until: datetime | None = None
    of_customer: bool = False


class HandingOver(msgspec.Struct, frozen=True):
    """That another is to collect: asked for at `since`. `failed`: it came to nothing, and why."""

    to: Collector
    since: datetime
    failed: str = ""


class Collecting(msgspec.Struct, frozen=True):
    """Who collects. `because` and `since`: as far as they are known."""

    by: Collector | None = Collector.GATEWAY
    because: str = ""
    since: datetime | None = None
    pause: Paused | None = None
    handing: HandingOver | None = None
    opted_out: bool = False
    """The customer has: what it is sent is left alone."""


def tell(told: Telling, facts: Collecting, subject: str) -> None:
    """`subject`: "It is", or "Its invoices are"."""
    since = f" since {moment(facts.since)}" if facts.since else ""
    because = f": {facts.because}" if facts.because else ""
    told.say(f"{subject} {WHO[facts.by]}{since}{because}.")
    if facts.handing is not None:
        _handing(told, facts.handing)
    if facts.opted_out:
        told.say("The customer is opted out: nothing that it is sent is collected from here.")
        told.human("Opt the customer in again, if it is to be collected here.")
    if facts.pause is not None:
        _paused(told, facts.pause)


def _handing(told: Telling, handing: HandingOver) -> None:
    if handing.failed:
        told.say(f"That it be collected by {TO[handing.to]}, as was asked on {moment(handing.since)}, came to nothing: "
                 f"{handing.failed}.")  # fmt: skip
        told.human("Mend that, and ask for it again: tollbridge subscriptions switch")
    else:
        told.say(f"It is being handed over to {TO[handing.to]}: that was asked for on {moment(handing.since)}.")


def _paused(told: Telling, pause: Paused) -> None:
    until = f"until {moment(pause.until)}" if pause.until else "until somebody resumes it"
    whose = "its customer's collection" if pause.of_customer else "its collection"
    told.say(f"Somebody ({pause.by}) paused {whose} on {moment(pause.since)}, {until}: {pause.reason}.")
    room = "customers" if pause.of_customer else "invoices"
    told.human(f"Resume it: tollbridge {room} resume-collection")
