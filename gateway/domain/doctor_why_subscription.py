"""Why a subscription has no invoice, or no further one: everything that holds one up, in the order in which it would
come. Pure. The rules are Stripe's (docs: billing/invoices/subscription, billing/subscriptions/webhooks).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from gateway.domain import doctor_why_collector, doctor_why_usage
from gateway.domain.doctor import ago
from gateway.domain.doctor_why import NO_INVOICE, Answer, Telling, late_usage
from gateway.domain.doctor_why_access import AccessFacts, access_in_words
from gateway.domain.doctor_why_collector import Collecting
from gateway.domain.doctor_why_usage import UsageFacts
from gateway.domain.times import moment
from processors.money import to_text

GONE: Final = ("canceled", "incomplete_expired")
HOUR: Final = timedelta(hours=1)
LONGEST_HOLD: Final = timedelta(hours=72)
PAUSES: Final = {
    "keep_as_draft": "they are made and stay drafts, until the pause ends and somebody finalizes them",
    "mark_uncollectible": "they are made, finalized and marked uncollectible at once",
    "void": "they are made, finalized and voided at once",
}
NO_EVENT: Final = (
    "It is not known here: no event of it has come, and no walk of catch-up has listed it. Only subscriptions with "
    "collection_method send_invoice are listed."
)


class DraftFacts(msgspec.Struct, frozen=True):
    """An invoice that is not final. `unheard`: its invoice.created waits for some endpoint of the account."""

    id: str
    created: datetime
    auto_advance: bool
    finalizes_at: datetime | None = None
    error: str = ""
    unheard: bool = False
    ours: str = ""
    """The state here; empty where it's not known here."""
    late_usage_until: datetime | None = None
    """Until when usage that is late still comes on it."""


class ExpectedFacts(msgspec.Struct, frozen=True):
    """The next invoice as Stripe would make it now. `unasked`: why that is not known."""

    at: datetime | None = None
    amount_due: int = 0
    currency: str = ""
    unasked: str = ""


class SubscriptionFacts(msgspec.Struct, frozen=True):
    """A subscription as Stripe shows it now; `known_since` and `read_at` are of our row."""

    id: str
    status: str
    collection_method: str
    known_since: datetime | None = None
    read_at: datetime | None = None
    trial_end: datetime | None = None
    pause: str = ""
    resumes_at: datetime | None = None
    cancel_at: datetime | None = None
    ended_at: datetime | None = None
    schedule: str = ""
    metered_only: bool = False
    billing_mode: str = ""
    period_end: datetime | None = None
    latest_invoice: str = ""
    latest_status: str = ""
    drafts: tuple[DraftFacts, ...] = ()
    undelivered: int = 0
    """Events that wait for an endpoint and are not here."""
    unasked: str = ""
    """Why Stripe was not asked; the rest is as it was seen last."""
    collecting: Collecting | None = None
    """None for one that is not known here."""
    access: AccessFacts | None = None
    expected: ExpectedFacts | None = None
    """Of one with a metered price that has no invoice yet."""
    usage: UsageFacts = UsageFacts()


def explain(facts: SubscriptionFacts, now: datetime) -> Answer:
    told = Telling(facts.id, NO_INVOICE)
    _known(told, facts)
    if facts.ended_at is not None or facts.status in GONE:
        when = f" on {moment(facts.ended_at)}" if facts.ended_at else ""
        told.say(f"It has ended{when}: Stripe makes no further invoice of it.")
        told.then("No invoice comes any more.")
        told.human("Subscribe the customer anew; what was used and not billed is billed only by a new invoice.")
    else:
        _stands(told, facts, now)
    if facts.collecting is not None:
        doctor_why_collector.tell(told, facts.collecting, "Its invoices are")
    _invoices(told, facts, now)
    if facts.expected is not None:
        _expected(told, facts.expected)
    doctor_why_usage.tell(told, facts.usage, now)
    if facts.access is not None:
        told.say(access_in_words(facts.access))
    if facts.undelivered:
        told.say(f"{facts.undelivered} events of the last three days wait for an endpoint and did not come here.")
        told.human("See why the webhook endpoint fails (tollbridge doctor), then run: tollbridge catch-up")
    _next(told, facts, now)
    return told.answer()


def _known(told: Telling, facts: SubscriptionFacts) -> None:
    if facts.known_since is None:
        told.say(NO_EVENT)
        told.human("Have Stripe send its events here, then run: tollbridge catch-up")
        return
    read = f", and was last read at Stripe on {moment(facts.read_at)}" if facts.read_at else ", and was never read"
    told.say(f"It is known here since {moment(facts.known_since)}{read}.")
    if facts.unasked:
        told.say(f"Stripe was not asked just now ({facts.unasked}): what follows is what it showed last.")
        told.then("Nothing is done about it, until Stripe can be asked again.")


def _stands(told: Telling, facts: SubscriptionFacts, now: datetime) -> None:
    told.say(f"Stripe calls it {facts.status}, with collection_method {facts.collection_method}.")
    if facts.collection_method != "send_invoice":
        told.say("Stripe charges its invoices by itself: they are made all the same, and not collected here.")
    if facts.status == "incomplete":
        told.say("Its first invoice waits for a payment at Stripe, and no other is made before that.")
        told.human("Have the payer pay it at Stripe, or cancel it and create it with collection_method send_invoice.")
    if facts.status == "unpaid":
        told.say("While it is unpaid its invoices stay drafts: Stripe's settings say so for what was not paid in time.")
        told.human("Have the open invoices paid, or marked uncollectible, then finalize the drafts in Stripe.")
    if facts.status == "paused":
        told.say("It is paused in Stripe: no invoice is made until it is resumed.")
        told.human("Resume it in Stripe.")
    if facts.trial_end is not None and facts.trial_end > now:
        told.say(f"It is in its trial until {moment(facts.trial_end)}; until then there is an invoice of zero at most.")
        told.then("The first invoice that bills something is made at the trial's end.", facts.trial_end)
    if facts.pause:
        until = f" until {moment(facts.resumes_at)}" if facts.resumes_at else ""
        told.say(f"Its collection is paused{until} ({facts.pause}): {PAUSES.get(facts.pause, 'see Stripe')}.")
        told.human("End the pause in Stripe (pause_collection).")
    if facts.schedule:
        told.say(f"The schedule {facts.schedule} changes it with each phase: a phase may begin later, or be free.")
    if facts.cancel_at is not None:
        told.say(f"It is set to end on {moment(facts.cancel_at)}: no period is billed that would begin after that.")
    if facts.metered_only and not facts.latest_invoice and facts.billing_mode != "classic":
        told.say(
            "All its prices are metered, and its billing mode is flexible: Stripe makes no invoice at the start, and "
            "the first comes with the end of the first period."
        )


def _invoices(told: Telling, facts: SubscriptionFacts, now: datetime) -> None:
    if facts.latest_invoice:
        told.say(f"Its latest invoice is {facts.latest_invoice}, which is {facts.latest_status or 'not shown'}.")
    elif not facts.metered_only and not facts.unasked:
        told.say("Stripe shows no invoice of it.")
    for draft in facts.drafts:
        _draft(told, draft, now)


def _draft(told: Telling, draft: DraftFacts, now: datetime) -> None:
    here = f"here it is {draft.ours}" if draft.ours else "it is not known here"
    told.say(f"{draft.id} is a draft for {ago(now - draft.created)}; {here}.")
    if draft.error:
        told.say(f"Stripe could not finalize it: {draft.error}.")
        told.human(
            "Fill in what is missing at the customer (tollbridge customers tax-location); it's tried every hour."
        )
        told.then("Finalizing is tried again within the hour.", now + HOUR)
    elif not draft.auto_advance:
        told.say("Stripe does not finalize it by itself: auto_advance is false.")
        told.human(f"Finalize {draft.id} in Stripe, unless a checkout still holds it.")
    else:
        due = draft.finalizes_at or draft.created + HOUR
        if draft.late_usage_until is not None:
            late_usage(told, draft.id, draft.late_usage_until, now)
            due = min(due, draft.late_usage_until)
        if draft.unheard:
            due = max(due, draft.created + LONGEST_HOLD)
            told.say(
                "Some webhook endpoint of the account has not taken its invoice.created: Stripe waits for that, up to "
                "72 hours, before it finalizes."
            )
            told.human("Mend the endpoint that fails, whoever it belongs to, or finalize the invoice in Stripe.")
        told.then(f"Stripe finalizes {draft.id} by itself, unless we do before.", due)


def _expected(told: Telling, expected: ExpectedFacts) -> None:
    if expected.unasked:
        told.say(f"What its next invoice will be Stripe did not say ({expected.unasked}).")
        return
    when = f" on {moment(expected.at)}" if expected.at else ""
    amount = to_text(expected.amount_due, expected.currency)
    told.say(f"Its next invoice is expected{when}; with what Stripe has counted so far it would be over {amount}.")


def _next(told: Telling, facts: SubscriptionFacts, now: datetime) -> None:
    if facts.ended_at is not None or facts.status in (*GONE, "paused") or facts.period_end is None:
        return
    if facts.cancel_at is not None and facts.cancel_at <= facts.period_end:
        told.then("It ends; a last invoice comes only for usage that is not billed yet.", facts.cancel_at)
    elif facts.period_end > now:
        told.then("Its period ends, and the next invoice is made.", facts.period_end)
    else:
        told.then("Its period is over: the next invoice is about to be made.")
