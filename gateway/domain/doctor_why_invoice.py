"""Why an invoice stands otherwise in Stripe than here: what each side knows, and what lies between. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from gateway.domain import doctor_why_collector, doctor_why_usage
from gateway.domain.doctor import ago, few
from gateway.domain.doctor_why import DIFFERS, Answer, Telling, late_usage
from gateway.domain.doctor_why_collector import Collecting
from gateway.domain.doctor_why_usage import UsageFacts
from gateway.domain.times import moment
from processors.money import to_text

AGREES: Final[Mapping[str, frozenset[str]]] = {
    "draft": frozenset({"draft", "closed"}),
    "open": frozenset({"due", "charging", "pending", "unknown", "retrying", "needs_payment_method", "exhausted"}),
    "paid": frozenset({"paid"}),
    "uncollectible": frozenset({"uncollectible"}),
    "void": frozenset({"closed"}),
    "deleted": frozenset({"closed"}),
}
"""What an invoice of ours may be, by what Stripe calls it."""
OVER: Final = ("paid", "void", "deleted")
TURN: Final = timedelta(minutes=1)
UNSAID: Final = ("sending", "unknown", "not_sent", "refused")
HEARD: Final[Mapping[str, str]] = {
    "stored": "is not routed yet",
    "done": "was heeded",
    "ignored": "told nothing that another had not told",
    "parked": "is parked, since it can't be read",
}
LISTED: Final = "The next walk of catch-up lists it, within six hours, or a webhook comes before."


class HostedFacts(msgspec.Struct, frozen=True):
    """Of one that is paid on Stripe's page. `ends_at`: when its account gives it up, and does `at_end`."""

    page: str = ""
    due: datetime | None = None
    ends_at: datetime | None = None
    at_end: str = ""


class InvoiceFacts(msgspec.Struct, frozen=True):
    """Both sides. `live`: what Stripe says now, empty where it did not answer (`unasked` says why)."""

    id: str
    live: str
    status: str
    state: str
    reason: str
    currency: str
    live_remaining: int = 0
    unasked: str = ""
    read_at: datetime | None = None
    stale: bool = False
    held: int = 0
    """What we hold for it and Stripe has not been told of."""
    attempts: tuple[str, ...] = ()
    """The states of all tries, the oldest first."""
    unresolved_until: datetime | None = None
    movements: int = 0
    recordings: tuple[str, ...] = ()
    recorded_how: str = ""
    cases: tuple[tuple[str, str], ...] = ()
    """Kind and action of each that is open."""
    collecting: Collecting = Collecting()
    hosted: HostedFacts | None = None
    late_usage_until: datetime | None = None
    """It is a draft, on which usage that is late still comes until then."""
    usage: UsageFacts = UsageFacts()
    access: str = ""
    """What it decides of its subscription's access, in words; empty where another invoice decides."""
    last_event: str = ""
    last_event_at: datetime | None = None
    last_event_state: str = ""
    waits: bool = False
    """It was poked, and no turn has looked since."""
    failures: int = 0
    turned_away_at: datetime | None = None
    next_at: datetime | None = None


def explain(facts: InvoiceFacts, now: datetime) -> Answer:
    told = Telling(facts.id, DIFFERS)
    _both(told, facts)
    doctor_why_collector.tell(told, facts.collecting, "It was to be" if facts.live in OVER else "It is")
    if facts.hosted is not None and facts.live not in OVER:
        _hosted(told, facts.hosted)
    if facts.late_usage_until is not None:
        late_usage(told, facts.id, facts.late_usage_until, now)
        told.then("It is finalized, with the usage that has come by then.", facts.late_usage_until)
    doctor_why_usage.tell(told, facts.usage, now)
    _money(told, facts)
    if facts.access:
        told.say(facts.access)
    _heard(told, facts, now)
    for kind, action in facts.cases:
        told.say(f"A case is open about it: {kind}.")
        told.human(action)
    if facts.reason and facts.collecting.pause is None and facts.reason != facts.collecting.because:
        told.say(f"Here it stands so because: {facts.reason}.")
    _turn(told, facts, now)
    return told.answer()


def _both(told: Telling, facts: InvoiceFacts) -> None:
    here = f"here it is {facts.state}"
    if not facts.live:
        told.say(f"Stripe did not say how it stands ({facts.unasked}); {here}, and Stripe's status was {facts.status}.")
        return
    remaining = f", with {to_text(facts.live_remaining, facts.currency)} remaining" if facts.live == "open" else ""
    told.say(f"Stripe, asked just now, calls it {facts.live}{remaining}; {here}.")
    if facts.state == "not_ours":
        told.say("It is not collected here, so that the two need not agree.")
    elif facts.live != facts.status:
        read = f"it was last read on {moment(facts.read_at)}" if facts.read_at else "it was never read"
        told.say(f"Our row still shows Stripe's status as {facts.status or 'nothing'}: {read}.")
        told.then("Its next turn reads it at Stripe, and brings the row up to date." if facts.waits else LISTED)
        told.human("Have it read now: tollbridge catch-up, or tollbridge invoices collect for one that is open.")
    elif facts.state in AGREES.get(facts.live, frozenset()):
        told.say("That is one and the same: the words differ since ours also say how far collecting it has come.")


def _hosted(told: Telling, hosted: HostedFacts) -> None:
    if hosted.page:
        told.say(f"The link to pay it is {hosted.page}")
    else:
        told.say("There is no link to pay it now: Stripe has one only for what is final and can be paid.")
    if hosted.due is not None:
        told.say(f"It is due on {moment(hosted.due)}.")
    if hosted.ends_at is not None:
        told.say(f"If it is not paid by {moment(hosted.ends_at)}, {hosted.at_end}: there is no other try.")
        told.human("Send the customer the link to pay it.")


def _money(told: Telling, facts: InvoiceFacts) -> None:
    if facts.attempts:
        many = len(facts.attempts)
        made = "One try was made, which ended as" if many == 1 else f"{many} tries were made, which ended as"
        told.say(f"{made}: {few(facts.attempts, 8)}.")
    if facts.unresolved_until is not None:
        told.say("How the last try ends is not known yet, and nothing else is done about the invoice before it is.")
        told.then("The processor is asked how it ended.", facts.unresolved_until)
    if facts.movements:
        moves = "one move" if facts.movements == 1 else f"{facts.movements} moves"
        told.say(f"The ledger has {moves} of money for it.")
    if facts.held > 0 and facts.live == "paid":
        told.say(f"{to_text(facts.held, facts.currency)} more came than the invoice took, and we hold it.")
        told.then("By the account's policy it goes back, becomes the customer's credit, or a person is asked.")
    elif facts.held > 0:
        held = to_text(facts.held, facts.currency)
        told.say(f"We hold {held} for it that Stripe has not been told of.")
        if facts.recordings and facts.recordings[-1] in UNSAID:
            how = f" ({facts.recorded_how})" if facts.recorded_how else ""
            told.say(f"Telling Stripe has come to: {few(facts.recordings, 8)}{how}.")
        told.then("Stripe is told that it is paid, as soon as its next turn succeeds.", facts.next_at)
    elif facts.held < 0:
        told.say(f"{to_text(-facts.held, facts.currency)} more went back than Stripe shows as credited.")
    elif facts.live == "paid" and not facts.recordings and facts.hosted is not None:
        told.say("It was paid on that page, or otherwise at Stripe: the money is there, and none of it came by us.")
    elif facts.live == "paid" and not facts.recordings:
        told.say("It was not paid by us, but at Stripe, by a credit note or by hand; or it was nothing.")


def _heard(told: Telling, facts: InvoiceFacts, now: datetime) -> None:
    if not facts.last_event:
        told.say("No event of Stripe's about it is kept here.")
        if facts.live and facts.live != facts.status:
            told.human("See whether the webhook endpoint works: tollbridge doctor")
        return
    when = f" {ago(now - facts.last_event_at)} ago" if facts.last_event_at else ""
    told.say(f"The last event about it was {facts.last_event},{when}, and {HEARD[facts.last_event_state]}.")
    if facts.last_event_state == "parked":
        told.human("Read why it is parked, mend that, and replay it: tollbridge inbox")
    if facts.last_event_state == "stored":
        told.then("The event is routed, and has the invoice read.")


def _turn(told: Telling, facts: InvoiceFacts, now: datetime) -> None:
    if facts.turned_away_at is not None:
        told.say(
            f"Stripe has been turning its turns away for {ago(now - facts.turned_away_at)} (too many calls, or none)."
        )
    if facts.failures:
        told.say(f"Its last {facts.failures} turns failed; each is tried again after a longer wait.")
    if facts.waits:
        told.say("Something about it has changed, and a turn for it waits: a worker takes it within seconds.")
        told.human("If it keeps waiting, see whether a worker lives: tollbridge doctor")
        told.then("A worker looks at it.", facts.next_at or now + TURN)
    if facts.next_at is not None:
        told.then("It is looked at again, and whatever is due then is done.", facts.next_at)
    if facts.state in ("paid", "closed", "uncollectible") and not facts.cases:
        told.then("Nothing more is due of it.")
