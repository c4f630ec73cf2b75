"""What the merchant should have been told about an invoice: Stripe's own mails are off, so its systems must know.

Derived from what is true now, as every step is: what was told already is a part of the view, and what is missing is
told when the invoice comes to rest. So nothing is lost whatever dies, nothing is told twice, and no other timer is
needed. Only what still stands is news: an invoice that was paid before anybody looked tells of no failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from db.states import AttemptState, Collector, MovementKind, RecordingState
from gateway.domain import recovery
from gateway.domain.billed import BilledInvoice, HowPaid, StripePayment, how_paid
from gateway.domain.decide import not_ours
from gateway.domain.news_types import (
    AttemptNews,
    FailureNews,
    InvoiceNews,
    MethodNews,
    NewsType,
    PaidNews,
    ReturnNews,
)
from gateway.domain.obstacles import made_in_pause, out_of_bounds, standstill
from gateway.domain.recovery import NeedsMethod, NextTry, TryAt, TryNow, climbs, declines, next_try
from gateway.domain.view import AttemptView, InvoiceView, MethodView
from processors.outcome import Advice, DeclineClass

NEWS_FOR: Final = timedelta(days=30)
"""What happened longer ago is no news. Shorter than what was told is kept (35 days), so that nothing is told again."""

WHY: Final[dict[DeclineClass, str]] = {
    DeclineClass.INSUFFICIENT_FUNDS: "there was not enough money on the account",
    DeclineClass.DO_NOT_HONOR: "the bank declined without saying why",
    DeclineClass.LIMIT_EXCEEDED: "a limit of the card or account was exceeded",
    DeclineClass.ISSUER_UNAVAILABLE: "the payer's bank could not be reached",
    DeclineClass.PROCESSOR_ERROR: "the processor could not carry it out",
    DeclineClass.AUTHENTICATION_REQUIRED: "the payer's bank wants the payer to confirm the payment",
    DeclineClass.EXPIRED: "the payment method has expired",
    DeclineClass.INVALID_PAYMENT_METHOD: "the payment method is not valid",
    DeclineClass.ACCOUNT_CLOSED: "the account is closed",
    DeclineClass.REVOKED: "the payer has withdrawn the payment method",
    DeclineClass.NOT_PERMITTED: "this payment method may not be charged for this",
    DeclineClass.FRAUD: "the bank suspects fraud",
    DeclineClass.LOST_STOLEN: "the card was reported lost or stolen",
}
WHAT: Final[dict[Advice, str]] = {
    Advice.RETRY_LATER: "it may work later",
    Advice.NEW_PAYMENT_METHOD: "another payment method is needed",
    Advice.CUSTOMER_ACTION: "the payer must do something about it",
    Advice.NEVER: "this payment method must not be charged again",
}
THEN: Final[dict[Advice, str]] = {
    Advice.RETRY_LATER: "tried again later",
    Advice.NEW_PAYMENT_METHOD: "the payer is asked for another payment method",
    Advice.CUSTOMER_ACTION: "the payer must act",
    Advice.NEVER: "never charged again",
}
"""What comes of it here."""
RETURNS: Final = {
    MovementKind.REFUND: NewsType.REFUNDED,
    MovementKind.DISPUTE_WITHDRAWN: NewsType.DISPUTED,
}


class News(msgspec.Struct, frozen=True):
    """One thing to tell, once for its step. `since`: when it became true."""

    type: NewsType
    step: str
    since: datetime
    data: InvoiceNews

    @property
    def key(self) -> str:
        """How the view names what was told."""
        return f"{self.type} {self.step}"


def news(view: InvoiceView, now: datetime) -> tuple[News, ...]:
    """What has not been told yet, of an invoice that has come to rest at business time `now`."""
    if view.invoice is None or not_ours(view) or view.abandoned:
        return ()
    told = (one for one in _standing(view, view.invoice, now) if one.key not in view.announced)
    # Somebody else's clock may be ahead of ours: nothing is news of tomorrow.
    stands = (msgspec.structs.replace(one, since=min(one.since, now)) for one in told)
    return tuple(one for one in stands if now - one.since < NEWS_FOR)


def next_news_at(view: InvoiceView, now: datetime) -> datetime | None:
    """When there will be news by the clock alone, if nothing else happens before."""
    if view.invoice is None or view.invoice.status != "open" or not_ours(view) or view.abandoned:
        return None
    times = (_reminded_at(view, view.invoice), view.invoice.due_date)
    return min((at for at in times if at is not None and at > now), default=None)


def _standing(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Iterator[News]:
    """Everything that stands, told or not."""
    yield from _given_back(view, invoice)
    match invoice.status:
        case "open" if not _at_the_till(view):
            yield from _open(view, invoice, now)
        case "paid":
            yield _paid(view, invoice, now)
        case "uncollectible":
            since = invoice.uncollectible_at or view.read_at or now
            yield News(NewsType.GIVEN_UP, invoice.id, since, InvoiceNews(**_shown(view, invoice)))
        case _:
            pass


def _at_the_till(view: InvoiceView) -> bool:
    """Its checkout is under way, so that the payer hears of it from the shop's own page; a first decline ends that, or
    begins the ladder. Whoever was sent to Stripe's page may not find back there."""
    if view.collector is Collector.HOSTED:
        return view.hold == "held"
    return view.hold == "held" or (view.hold == "released" and view.policy.first_decline == "fail")


def _open(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Iterator[News]:
    running = view.unresolved
    if running is not None:
        if running.state is AttemptState.REQUIRES_ACTION:
            data = AttemptNews(**_shown(view, invoice), attempt=running.id)
            yield News(NewsType.ACTION_REQUIRED, running.id, running.sent_at, data)
        return
    if not _is_asked_for(view, invoice):
        return
    if view.collector is Collector.HOSTED:
        final_at = invoice.finalized_at or invoice.created
        yield News(NewsType.PAYMENT_NEEDED, invoice.id, final_at, InvoiceNews(**_shown(view, invoice)))
        yield from _by_the_clock(view, invoice, now)
        return
    plan = next_try(view, now)
    tried = [attempt for attempt in view.attempts if not attempt.surplus]
    last = next((attempt for attempt in reversed(tried) if climbs(attempt)), None)
    # Of the first declines the merchant may not want to hear; that nothing more is tried, it must.
    quiet = declines(tried) < view.policy.tell_after_declines and isinstance(plan, TryNow | TryAt)
    if last is not None and last.state is AttemptState.DECLINED and not quiet:
        yield _failed(view, invoice, last, plan, now)
    said_so = last is not None and last is tried[-1] and last.advice not in (None, Advice.RETRY_LATER)
    if isinstance(plan, NeedsMethod) and not said_so:
        step, since = (tried[-1].id, tried[-1].resolved_at) if tried else ("first", None)
        wanting = MethodNews(**_shown(view, invoice), reason=plan.reason)
        yield News(NewsType.PAYMENT_METHOD_NEEDED, step, since or invoice.created, wanting)
    waits = standstill(view, invoice, now) is not None
    if not waits and isinstance(plan, TryNow) and plan.method.is_too_small(view.wanted):
        yield _too_much(view, invoice, plan.method)
    yield from _by_the_clock(view, invoice, now)


def _too_much(view: InvoiceView, invoice: BilledInvoice, method: MethodView) -> News:
    """Nobody is charged in parts without having agreed to it: the payer is to give another method, or to agree."""
    bound = out_of_bounds(method, view.wanted, invoice.currency)
    most = min(one for one in (method.maximum, method.agreed_maximum) if one is not None)
    data = MethodNews(**_shown(view, invoice), reason=bound.reason if bound else "", most=most)
    since = max(invoice.finalized_at or invoice.created, method.created_at)
    return News(NewsType.PAYMENT_METHOD_NEEDED, f"{method.id} {most}", since, data)


def _is_asked_for(view: InvoiceView, invoice: BilledInvoice) -> bool:
    """Whether the payer owes it, and is not asked for it by Stripe alone."""
    return (
        invoice.collection_method == "send_invoice"
        and view.collector is not Collector.STRIPE
        and view.wanted > 0
        and view.held_money == 0
        and not view.customer_deleted
        and invoice.stripe_payment is StripePayment.NONE
        and not made_in_pause(view, invoice)
    )


def _failed(view: InvoiceView, invoice: BilledInvoice, attempt: AttemptView, plan: NextTry, now: datetime) -> News:
    later = plan if isinstance(plan, TryAt) else None
    why = WHY[attempt.decline_class] if attempt.decline_class else "the payment was declined"
    data = FailureNews(
        **_shown(view, invoice),
        attempt=attempt.id,
        attempt_number=attempt.number,
        decline_class=attempt.decline_class,
        advice=attempt.advice,
        reason=f"{why}; {WHAT[attempt.advice]}" if attempt.advice else why,
        next_attempt=int(later.at.timestamp()) if later else None,
        next_attempt_reason=plan.reason,
        last_chance=later is not None and len(recovery.plan(view, now).tries) == 1,
        payment_method_needed=isinstance(plan, NeedsMethod),
    )
    return News(NewsType.PAYMENT_FAILED, attempt.id, attempt.resolved_at or attempt.sent_at, data)


def _by_the_clock(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Iterator[News]:
    if invoice.due_date is None:
        return
    step, data = str(int(invoice.due_date.timestamp())), InvoiceNews(**_shown(view, invoice))
    reminded_at = _reminded_at(view, invoice)
    if invoice.due_date <= now:
        yield News(NewsType.OVERDUE, step, invoice.due_date, data)
    elif reminded_at is not None and reminded_at <= now:
        yield News(NewsType.DUE_SOON, step, reminded_at, data)


def _reminded_at(view: InvoiceView, invoice: BilledInvoice) -> datetime | None:
    """None where the invoice is due so soon from its first day that nothing needs to be recalled."""
    if invoice.due_date is None or not view.policy.due_soon_days:
        return None
    at = invoice.due_date - timedelta(days=view.policy.due_soon_days)
    return at if at > invoice.created else None


def _paid(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> News:
    recorded = [r for r in view.told if r.state is RecordingState.RECORDED]
    ours = recorded[-1].attempt if recorded else None
    attempt = ours if any(a.id == ours for a in view.attempts) else None
    by_hand = recorded and attempt is None
    how = HowPaid.BY_HAND if by_hand else how_paid(invoice, we_may_have=bool(recorded))
    data = PaidNews(**_shown(view, invoice), how=how, attempt=attempt)
    return News(NewsType.PAID, invoice.id, invoice.paid_at or view.read_at or now, data)


def _given_back(view: InvoiceView, invoice: BilledInvoice) -> Iterator[News]:
    for attempt in view.attempts:
        if attempt.state is AttemptState.REVERSED and not attempt.surplus:
            data = AttemptNews(**_shown(view, invoice), attempt=attempt.id)
            yield News(NewsType.PAYMENT_REVERSED, attempt.id, attempt.resolved_at or attempt.sent_at, data)
    for moved in view.returns:
        returned = ReturnNews(**_shown(view, invoice), movement=moved.id, amount=moved.amount)
        yield News(RETURNS[moved.kind], moved.id, moved.moved_at, returned)


def _shown(view: InvoiceView, invoice: BilledInvoice) -> dict[str, Any]:
    hosted = view.collector is Collector.HOSTED
    at_stripe = invoice.collection_method != "send_invoice"
    return {
        "collected_by": view.collector or (Collector.STRIPE if at_stripe else Collector.GATEWAY),
        "hosted_invoice_url": (invoice.page or None) if hosted else None,
        "id": invoice.id,
        "number": invoice.number or None,
        "customer": invoice.customer,
        "subscription": invoice.subscription or None,
        "currency": invoice.currency,
        "amount_due": invoice.amount_due,
        "amount_remaining": invoice.amount_remaining,
        "due_date": int(invoice.due_date.timestamp()) if invoice.due_date else None,
    }
