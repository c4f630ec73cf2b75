"""The retry plan of an invoice: every try still to come with its reason, and the end. Pure, and made anew each time.

Only declines climb the ladder. A request that the processor refused as such, or that never left us, burns no step; it
is tried again after a wait of its own. No try is later than the due date less the margin, however late the invoice
came: steps that don't fit are moved forward to that moment while they keep their distance, and left out otherwise. Only
downtime that was measured postpones this (law 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import TypeAlias

import msgspec

from db.states import AttemptState, Collector, MethodStatus
from gateway.domain.after_end import ENDED, is_stopped
from gateway.domain.budget import next_within_budget
from gateway.domain.downtime import downtime_since
from gateway.domain.ladder import LEAST_GAP, Moment, earliest, placed
from gateway.domain.obstacles import PAYS_THERE, out_of_bounds, standstill
from gateway.domain.view import AttemptView, InvoiceView, MethodView
from processors.outcome import DeclineClass

NOT_SENT_WAITS = tuple(timedelta(seconds=s) for s in (30, 60, 120, 300, 900))
"""Waits after 1, 2, ... tries in a row that never left us; the last one repeats."""
LATE_FOR = timedelta(days=1)
"""So long a try that may come after the last moment, or after its subscription's end, is repeated while it does not
reach its processor: what was not sent was no try, and nobody would ask again."""
REJECTED_WAIT = timedelta(hours=1)
MOST_REJECTED = 3
"""Requests refused as such in a row, after which only a human or a new payment method starts another."""
LEAST_NOTICE = timedelta(hours=24)
"""The end is never closer than this to the moment when we first heard of the invoice: an account that is connected
with old invoices open must not lose its subscriptions before anybody has looked."""
MOST_PLANNED = 24
"""A ladder has twenty steps at most, and a plan never shows more tries than these."""
WORTH_TELLING = timedelta(minutes=10)
"""A try that is later than its hour by less was made by a worker that was busy, say: nobody asks why."""
CLIMBS = frozenset({AttemptState.DECLINED, AttemptState.REVERSED})
"""What uses a step: a decline, and a debit that the bank took back; see `climbs`."""


class Tried(msgspec.Struct, frozen=True):
    """A try that was made, or that a plan supposes to be made; `ended` is when its outcome was known."""

    method: str
    state: AttemptState
    sent_at: datetime
    ended: datetime
    retry_after: datetime | None = None
    withdrawn: bool = False
    by_hand: bool = False
    supposed: bool = False
    decline_class: DeclineClass | None = None


class Try(msgspec.Struct, frozen=True):
    """A try to come. `last`: no other follows it, if it is declined. `shifted`: why it is not made when the ladder
    has it; empty where it is."""

    at: datetime
    method: MethodView
    reason: str
    last: bool = False
    shifted: str = ""


class Plan(msgspec.Struct, frozen=True):
    """All tries to come, as far as they can be known: each supposes that the one before it is declined.

    `why_none` says why there is none. `ends_at` is when the account's `at_end` is done; None where nothing is due.
    """

    tries: tuple[Try, ...]
    ends_at: datetime | None
    why_none: str = ""


class TryNow(msgspec.Struct, frozen=True):
    method: MethodView
    reason: str


class TryAt(msgspec.Struct, frozen=True):
    at: datetime
    reason: str


class NeedsMethod(msgspec.Struct, frozen=True):
    reason: str


class Exhausted(msgspec.Struct, frozen=True):
    reason: str


class Held(msgspec.Struct, frozen=True):
    """Something must be mended first, and a case says so: no try, no end, no new payment method."""

    reason: str


NextTry: TypeAlias = TryNow | TryAt | NeedsMethod | Exhausted | Held


def plan(view: InvoiceView, now: datetime) -> Plan:
    """The whole plan of an open invoice on which nothing is unresolved and nothing is held."""
    tried, latest, end = _tried(view), _latest(view, now), ends_at(view, now)
    found = _next(view, tried, now, latest)
    if not isinstance(found, Try):
        return Plan((), end, found.reason)
    tries: list[Try] = []
    while isinstance(found, Try) and len(tries) < MOST_PLANNED:
        tries.append(found)
        tried = [*tried, Tried(found.method.id, AttemptState.DECLINED, found.at, found.at, supposed=True)]
        found = _next(msgspec.structs.replace(view, asked=False), tried, found.at, latest)
    tries[-1] = msgspec.structs.replace(tries[-1], last=True)
    return Plan(tuple(tries), end)


def plan_to_show(view: InvoiceView, now: datetime) -> Plan | None:
    """The plan of an invoice that is being collected; None while something else comes first, and where nothing does."""
    invoice = view.invoice
    if invoice is None or invoice.status != "open" or view.given_up or view.abandoned:
        return None
    if view.collector is Collector.STRIPE:
        return None
    if view.collector is Collector.HOSTED:
        return Plan((), ends_at(view, now), PAYS_THERE)
    first = view.unresolved is not None or view.held_money > 0 or standstill(view, invoice, now) is not None
    if first:
        return None
    found = plan(view, now)
    above = bool(found.tries) and found.tries[0].method.is_too_small(view.wanted)
    bound = out_of_bounds(found.tries[0].method, view.wanted, invoice.currency) if above else None
    return found if bound is None else Plan((), None, bound.reason)


def next_try(view: InvoiceView, now: datetime) -> NextTry:
    """The first step of the plan, at `now`."""
    found = _next(view, _tried(view), now, _latest(view, now))
    if not isinstance(found, Try):
        return found
    if found.at <= now:
        return TryNow(found.method, found.reason)
    return TryAt(found.at, f"{found.reason}: {found.shifted}" if found.shifted else found.reason)


def ends_at(view: InvoiceView, now: datetime) -> datetime | None:
    """When the account's `at_end` is done, unless the invoice is paid before; None where nothing is due."""
    latest = _latest(view, now)
    if latest is None or view.known_since is None:
        return latest
    return max(latest, view.known_since + LEAST_NOTICE)


def by_hand_from(tried: Sequence[AttemptView | Tried]) -> datetime:
    """From when on somebody may ask for a further try, while the ladder has steps left.

    Not before the processor's own time for the next, and one such try a day: a button is pressed more than once.
    """
    asked_for = [one.sent_at + LEAST_GAP for one in tried if one.by_hand and climbs(one)]
    return max([tried[-1].retry_after or tried[-1].sent_at, *asked_for])


def is_asked_for(view: InvoiceView, now: datetime) -> bool:
    """Whether somebody has asked for a try that has not reached its processor yet."""
    return view.asked or _repeats_what_was_asked(_tried(view), now)


def is_exhausted(view: InvoiceView) -> bool:
    """Whether the ladder is climbed, or was taken away, whatever the clock says."""
    return is_stopped(view) or declines(view.attempts) >= len(view.policy.ladder)


def declines(attempts: Sequence[AttemptView | Tried]) -> int:
    """The steps of the ladder that are used."""
    return sum(climbs(attempt) for attempt in attempts)


def climbs(one: AttemptView | Tried) -> bool:
    """Whether a try has used a step. One on an agreement that was gone has not: nobody was asked for the money, and
    the method is revoked with the answer, so that it can't be tried again and again."""
    gone = one.state is AttemptState.DECLINED and one.decline_class is DeclineClass.REVOKED
    return one.state in CLIMBS and not gone


# --- the next try --------------------------------------------------------------------------------------------------


def _next(
    view: InvoiceView, tried: Sequence[Tried], now: datetime, latest: datetime | None
) -> Try | NeedsMethod | Exhausted | Held:
    if is_stopped(view) and not (view.asked or _repeats_what_was_asked(tried, now)):
        return Exhausted(ENDED)
    method = _method(view, tried)
    if method is None:
        return NeedsMethod(_why_no_method(view))
    if method.locked:
        return Held("the processor has locked the account")
    found = _wanted(view, method, tried, now, latest)
    if not isinstance(found, Try):
        return found
    # Card schemes count a card's tries over all of its invoices: this one waits for its turn, and is not lost.
    behind = [*method.recent_tries, *(one.sent_at for one in tried if one.supposed and one.method == method.id)]
    at = next_within_budget(behind, method.brand, found.at)
    if at > found.at and latest is not None and at > latest:
        return Exhausted("the card scheme allows no further try before the due date")
    return (
        found if at == found.at else msgspec.structs.replace(found, at=at, shifted="the card scheme's limit of tries")
    )


def _wanted(
    view: InvoiceView, method: MethodView, tried: Sequence[Tried], now: datetime, latest: datetime | None
) -> Try | Exhausted:
    if not tried:
        return Try(now, method, "first")
    last, of_method = tried[-1], [one for one in tried if one.method == method.id]
    if not of_method and method.created_at > last.sent_at:
        return Try(now, method, "method_stored")
    moment, reason = _time_of_next(view, tried, latest)
    may_ask = moment is not None or last.state is AttemptState.REJECTED
    if view.asked and may_ask and by_hand_from(tried) <= now:
        return Try(now, method, "operator")
    if moment is None:
        return Exhausted(reason)
    if declines(of_method) == 0 and _falls_over(view, tried):
        moment, reason = Moment(now), "fallback"
    if latest is not None and max(moment.at, now) > latest and not _repeats_a_late_one(tried, now, latest):
        return Exhausted("no further try fits before the due date")
    if moment.at > now or reason == "fallback":
        return Try(moment.at, method, reason, shifted=moment.shifted)
    return Try(now, method, "retry")


def _unsent(tried: Sequence[Tried], now: datetime) -> Tried | None:
    """The first of the last tries that never reached their processor, while it is repeated."""
    last = list(takewhile(lambda one: one.state is AttemptState.NOT_SENT, reversed(tried)))
    return last[-1] if last and now - last[-1].sent_at <= LATE_FOR else None


def _repeats_what_was_asked(tried: Sequence[Tried], now: datetime) -> bool:
    first = _unsent(tried, now)
    return first is not None and first.by_hand


def _repeats_a_late_one(tried: Sequence[Tried], now: datetime, latest: datetime) -> bool:
    first = _unsent(tried, now)
    return first is not None and (first.by_hand or first.sent_at > latest)


def _time_of_next(view: InvoiceView, tried: Sequence[Tried], latest: datetime | None) -> tuple[Moment | None, str]:
    last = tried[-1]
    in_a_row = sum(1 for _ in takewhile(lambda one: one.state is last.state, reversed(tried)))
    if last.state is AttemptState.CANCELED:
        # Withdrawn by us, since something changed: at once. By the payer: not again and again.
        return Moment(last.ended + (timedelta(0) if last.withdrawn else LEAST_GAP)), "the last try was withdrawn"
    if last.state is AttemptState.SUCCEEDED:
        # It took a part of what it was to take.
        return Moment(last.ended + (timedelta(0) if in_a_row == 1 else LEAST_GAP)), "the rest of it"
    if last.state is AttemptState.NOT_SENT:
        wait = NOT_SENT_WAITS[min(in_a_row, len(NOT_SENT_WAITS)) - 1]
        at = max(last.ended + wait, last.retry_after or last.ended)
        return Moment(at), "the last request never reached the processor"
    if last.state is AttemptState.REJECTED:
        if in_a_row >= MOST_REJECTED:
            return None, "the processor refuses our request itself"
        return Moment(last.ended + REJECTED_WAIT), "the processor refused our request itself"
    ladder, climbed = view.policy.ladder, [one for one in tried if climbs(one)]
    step = len(climbed)
    if step >= len(ladder):
        return None, f"all {len(ladder)} tries were declined"
    if not climbed or (last.state in CLIMBS and not climbs(last)):
        return Moment(last.ended + LEAST_GAP), "the last try ended without a decline"
    return _rung(view, climbed, last.retry_after, latest), f"try {step + 1} of {len(ladder)}"


def _rung(view: InvoiceView, climbed: Sequence[Tried], not_before: datetime | None, latest: datetime | None) -> Moment:
    """The ladder's next step; the last moment, where it would come after it and keeps its distance all the same."""
    policy, step, last = view.policy, len(climbed), climbed[-1]
    wanted, apart = climbed[0].sent_at + policy.ladder[step], earliest(policy, step, last.sent_at)
    soonest = max(apart, not_before or last.ended)
    at = max(wanted, soonest)
    if latest is not None and soonest <= latest < at:
        return Moment(latest, "brought forward to the last moment before the end")
    liked = placed(policy, at, latest, f"{view.id}.{step}")
    if at - wanted < WORTH_TELLING:
        return liked
    why = "its distance from the try before" if apart == soonest else "the try before ended late"
    if not_before == soonest:
        why = "the processor's own wait"
    return Moment(liked.at, f"{why}, {liked.shifted}" if liked.shifted else why)


# --- which payment method ------------------------------------------------------------------------------------------


def _method(view: InvoiceView, tried: Sequence[Tried]) -> MethodView | None:
    # The payer's choice holds for the first try; later ones go by the order: the subscription's own method, then the
    # customer's, of which a newly stored one is first.
    preferred = "" if tried else view.preferred_method
    known = [m for m in view.methods if m.status is not MethodStatus.REVOKED and m.usable]
    in_order = sorted(known, key=lambda m: (m.id != preferred, not m.own, m.position, m.created_at, m.id))
    active = [m for m in in_order if m.status is MethodStatus.ACTIVE]
    if view.policy.fallback != "never":
        # Where none takes so much, the first says why nothing is charged.
        active = [m for m in active if not m.is_too_small(view.wanted)] or active
    match view.policy.fallback:
        case "never":
            return active[0] if active and active[0] is in_order[0] else None
        case "hard":
            return active[0] if active else None
        case "soft":
            # The next in order whose turn is not over; where all have had theirs, the first once more.
            of = {m.id: sum(a.method == m.id and climbs(a) for a in tried) for m in active}
            return next((m for m in active if of[m.id] < view.policy.fallback_after), active[0] if active else None)


def _why_no_method(view: InvoiceView) -> str:
    if any(m.status is MethodStatus.ACTIVE and m.usable for m in view.methods):
        return "the customer's payment method was stopped, and no other is charged by itself"
    return "the customer has no payment method that can be charged"


def _falls_over(view: InvoiceView, tried: Sequence[Tried]) -> bool:
    """Whether the method of the last try has had its turn, so that the next one's comes at once.

    A checkout that ends with its first decline is not saved by another card, which its payer did not choose.
    """
    last, policy = tried[-1], view.policy
    if last.state is not AttemptState.DECLINED or (view.hold == "released" and policy.first_decline == "fail"):
        return False
    if not any(m.id == last.method and m.status is MethodStatus.ACTIVE for m in view.methods):
        return policy.fallback != "never"
    declined = declines([one for one in tried if one.method == last.method])
    return policy.fallback == "soft" and declined >= policy.fallback_after


# --- the end -------------------------------------------------------------------------------------------------------


def _latest(view: InvoiceView, now: datetime) -> datetime | None:
    """The last moment for a try."""
    invoice = view.invoice
    if invoice is None or invoice.due_date is None:
        return None
    if view.collector is Collector.HOSTED:
        # The payer acts, not we: there is no try that must fit, and none that downtime of ours took away.
        return invoice.due_date
    latest = invoice.due_date - view.policy.margin
    if view.policy.end_after_hours is not None:
        latest = min(latest, _began(view) + timedelta(hours=view.policy.end_after_hours))
    return latest + downtime_since(view.downtime, invoice.created, now)


def _began(view: InvoiceView) -> datetime:
    """When the first try was made, or could have been."""
    assert view.invoice is not None, "a plan is made of what was read"
    tried = _tried(view)
    return tried[0].sent_at if tried else view.invoice.created


def _tried(view: InvoiceView) -> list[Tried]:
    return [
        Tried(
            method=a.method,
            state=a.state,
            sent_at=a.sent_at,
            ended=a.resolved_at or a.sent_at,
            retry_after=a.retry_after,
            withdrawn=a.withdrawn,
            by_hand=a.by_hand,
            decline_class=a.decline_class,
        )
        for a in view.attempts
        if not a.surplus
    ]
