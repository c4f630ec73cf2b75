"""What else Stripe shows of an account, judged: its portal, the flow of its events, its mails, its clock. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from gateway.domain.doctor import ACCOUNT, Finding, ago, few, notice, ok, unknown, wrong
from gateway.domain.doctor_house import Refused

GRACE: Final = timedelta(minutes=2)
"""A younger event may still be on its way."""
SILENCE: Final = timedelta(days=7)
SKEW_NOTICE_S: Final = 5.0
SKEW_WRONG_S: Final = 60.0
"""A signature's time may be five minutes off (`inbox/verify.py`): a clock that drifts so far is about to refuse all."""
PORTAL: Final = "portal"
FIX_PORTAL: Final = f"tollbridge doctor --fix portal --account {ACCOUNT}"
COMPARE: Final = (
    f"compare the endpoint's signing secret with Stripe's: tollbridge accounts update {ACCOUNT} --add-webhook-secret; "
    "if it is the same, mend the other endpoint that fails"
)
MAILS: Final = "invoice_mails"


class Portal(msgspec.Struct, frozen=True):
    """An active configuration of Stripe's customer portal, as far as it can lead a payer past us."""

    id: str
    is_default: bool
    payment_method_update: bool
    subscription_update: bool
    login_page: bool

    @property
    def is_safe(self) -> bool:
        return not (self.payment_method_update or self.subscription_update)


class Portals(msgspec.Struct, frozen=True):
    """Those that were looked at. `broken_off`: there are more, which nobody has looked at."""

    found: Sequence[Portal]
    broken_off: bool = False

    @property
    def unsafe(self) -> list[Portal]:
        return [one for one in self.found if not one.is_safe]


class Told(msgspec.Struct, frozen=True):
    """An event of Stripe's that is heeded. `here`: it came."""

    id: str
    kind: str
    created: datetime
    here: bool


def judge_portals(portals: Portals) -> list[Finding]:
    """Payers must not give Stripe a card, or change plans, unless somebody wants that (docs: third-party payment
    processing)."""
    told: list[Finding] = []
    for one in portals.found:
        which = "the default configuration" if one.is_default else "a configuration"
        if one.payment_method_update:
            why = "a payer may give Stripe a card there, and pay past us"
            what = f"{which} of the portal lets payers change their payment method"
            told.append(wrong(PORTAL, what, why, FIX_PORTAL, concerns=one.id))
        if one.subscription_update:
            why = "a change of plan there bills a proration by Stripe's rules, of which no checkout told the payer"
            told.append(
                wrong(PORTAL, f"{which} of the portal lets payers switch plans", why, FIX_PORTAL, concerns=one.id)
            )
        if one.login_page:
            what, why = f"{which} has a public login page", "payers reach the portal without a link from the merchant"
            told.append(notice(f"{PORTAL}.login", what, why, "switch it off unless it is wanted", concerns=one.id))
    if portals.broken_off:
        what = f"only {len(portals.found)} of the portal's active configurations were looked at: there are more"
        told.append(unknown(PORTAL, what, "looking stops there", "deactivate in Stripe those that are not used"))
    if not portals.found:
        return [ok(PORTAL, "the portal has no active configuration")]
    fine = f"{len(portals.found)} active configurations: payers change neither methods nor plans there"
    return told or [ok(PORTAL, fine)]


def judge_flow(newest: Sequence[Told], last: datetime | None, now: datetime) -> list[Finding]:
    """Stripe's newest events that are heeded, against what has come here; `last`: when anything came."""
    lost = [one for one in newest if not one.here and now - one.created > GRACE]
    came = f"the last event came {ago(now - last)} ago" if last else "no event has come yet"
    if lost:
        oldest = min(one.created for one in lost)
        what = f"{len(lost)} of Stripe's newest {len(newest)} events did not come, the oldest {ago(now - oldest)} ago"
        why = f"{came}; such are {few(sorted({one.kind for one in lost}))}"
        to_do = "look at the endpoint's deliveries in Stripe's dashboard; `tollbridge catch-up` brings what is missing"
        return [wrong("events", what, why, to_do, concerns=lost[0].id)]
    if not newest:
        return [ok("events", f"{came}, and Stripe shows none in the last {SILENCE.days} days")]
    return [ok("events", f"{came}, and all of Stripe's newest {len(newest)} are here")]


def judge_pending(pending: Sequence[Told], refused: Refused | None, now: datetime) -> list[Finding]:
    """Events that some endpoint of the account has not taken: ours, or another of the merchant's.

    `refused`: what our door turned away lately. Strangers may have sent that, but they make no event wait at Stripe:
    both together say that Stripe's own are refused, even where catch-up has brought them by now.
    """
    check = "deliveries"
    late = [one for one in pending if now - one.created > GRACE]
    if not late:
        return [ok(check, "no event waits for an endpoint")]
    missing = [one for one in late if not one.here]
    oldest = ago(now - min(one.created for one in late))
    holds_up = "a failing endpoint holds up the finalizing of invoices for up to 72 hours, whoever it belongs to"
    concerns = (missing or late)[0].id
    what = f"{len(missing)} events wait for an endpoint and are not here, the oldest for {oldest}"
    if refused is not None:
        if not missing:
            what = f"{len(late)} events wait for an endpoint, the oldest for {oldest}"
        what += f"; our own has refused {refused.count} deliveries in the last hour ({refused.reason})"
        return [wrong(check, what, f"{refused.meaning}; {holds_up}", COMPARE, concerns=concerns)]
    if missing:
        to_do = "see why the endpoint fails, then `tollbridge catch-up`"
        return [wrong(check, what, holds_up, to_do, concerns=concerns)]
    what = f"another endpoint of this Stripe account fails: {len(late)} events wait for it, the oldest for {oldest}"
    return [notice(check, what, holds_up, "mend that endpoint, or remove it in Stripe", concerns=concerns)]


def judge_mails(sent: int, billed: int, *, mails_off: bool) -> Finding:
    """Stripe's own mails can't be asked for: `sent` events tell of them, among `billed` invoices of 30 days."""
    switch = "Stripe's settings, Billing, Invoices: Email finalized invoices to customers"
    if sent and mails_off:
        what = f"the policy stripe_mails_off says that mails are off, and Stripe mailed {sent} invoices in 30 days"
        return wrong(MAILS, what, "a payer who has such a mail may pay at Stripe as well", f"switch them off: {switch}")
    if sent:
        what = f"Stripe mailed {sent} invoices in the last 30 days"
        return notice(
            MAILS, what, "a payer who has such a mail may pay at Stripe as well", f"switch them off: {switch}"
        )
    inferred = "inferred: the switch can't be read, and each mail would have been an event invoice.sent"
    if not billed:
        return unknown(MAILS, "no invoice was sent out in 30 days, so that nothing can be inferred", inferred, switch)
    if not mails_off:
        what = (
            f"none of {billed} invoices in 30 days was mailed; the policy stripe_mails_off still says that they may be"
        )
        to_do = f"if they are off, set it: tollbridge accounts update {ACCOUNT} --policy stripe_mails_off=true"
        return notice(MAILS, what, inferred, to_do)
    return ok(MAILS, f"none of {billed} invoices in 30 days was mailed", inferred)


def judge_clock(check: str, whose: str, ahead_s: float, within_s: float) -> Finding:
    """`ahead_s`: how far our clock is ahead of that one, measured to `within_s`."""
    off = abs(ahead_s) - within_s
    way = "ahead of" if ahead_s > 0 else "behind"
    if off <= SKEW_NOTICE_S:
        return ok(check, f"our clock agrees with {whose}")
    what, to_do = f"our clock is {abs(ahead_s):.0f} s {way} {whose}", "let NTP set the clocks of all machines"
    if off <= SKEW_WRONG_S:
        return notice(check, what, "from five minutes on every signature is refused", to_do)
    return wrong(check, what, "from five minutes on every webhook's signature is refused", to_do)
