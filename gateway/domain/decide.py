"""`decide`: from everything that is true of an invoice, the one next step.

Pure. It is asked again after every step, so it plans nothing: it only says what should happen now. The order of the
questions is the order of the laws: first the attempt whose end is not known, then the money that we hold, and only
then whether to ask for more.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from db.states import AttemptState, Collector, CreditNoteOrigin, MethodStatus, WaitsFor
from gateway.domain import (
    after_end,
    carrying,
    ending,
    handing_over,
    hosting,
    late_usage,
    partial,
    remainder,
    reopening,
    returning,
    switching,
)
from gateway.domain.actions import (
    Action,
    CancelPending,
    ChangeCollector,
    Charge,
    Done,
    Finalize,
    FindLost,
    GiveDraft,
    MarkUnknown,
    OpenCase,
    Read,
    Resolve,
    TakeInvoice,
    WaitUntil,
)
from gateway.domain.billed import BilledInvoice, StripePayment
from gateway.domain.case_kinds import CaseKind
from gateway.domain.cases import ask_human
from gateway.domain.forgotten import forgotten, forgotten_rest, next_number
from gateway.domain.obstacles import (
    CUSTOMER_DELETED,
    NOT_ANSWERING,
    OutOfBounds,
    in_pause,
    out_of_bounds,
    pause_of,
    standstill,
    waits_until,
)
from gateway.domain.past_us import paid_past_us
from gateway.domain.recovery import Exhausted, Held, NeedsMethod, TryAt, TryNow, is_asked_for, next_try
from gateway.domain.resending import LOOKUPS_BEFORE_REPLAY, can_ask, replay_is_next
from gateway.domain.settling import settle
from gateway.domain.view import AttemptView, InvoiceView
from gateway.domain.voided import void
from processors.money import to_text

OLDER_FIRST_WAIT = timedelta(minutes=1)
UNKNOWN_CASE_AFTER = timedelta(hours=24)


def decide(view: InvoiceView, now: datetime) -> Action:
    """The next step for an invoice at business time `now`."""
    invoice = view.invoice
    if invoice is None or view.stale:
        return Read()
    if (rest := forgotten_rest(view, invoice)) is not None:
        return rest
    covered = view.held_money > 0 and view.wanted <= 0 and invoice.status == "open"
    # What is held by hand for a checkout that has ended pays nothing: the attempt beside it is looked after first.
    covered = covered and not (view.receipts and view.abandoned)
    # Money that pays the invoice is recorded even while a further attempt is on its way: that one is withdrawn then.
    if view.unresolved is not None and not (covered and view.unresolved.state is not AttemptState.SENDING):
        return _resolve(view, invoice, view.unresolved, now)
    if (ended := ending.voiding_ends(view, invoice, not_ours(view))) is not None:
        return ended
    if view.lent is not None and (step := reopening.from_lender(view, invoice, view.lent, now)) is not None:
        return step
    if view.held_money > 0 and view.reopened:
        return remainder.bill(view, invoice, now) or reopening.wait_for_new(now)
    if view.held_money > 0:
        step = _top_up(view, invoice, now) or settle(view, invoice, now)
        waits = isinstance(step, WaitUntil) and step.at is None
        # What waits for a human holds up no other capture's return, and no credit note of somebody's.
        beside = returning.surplus(view, invoice) if waits else None
        if waits and beside is None and invoice.status == "paid":
            beside = returning.crossing(view, invoice, now)
        return beside or step
    if (billed := remainder.bill(view, invoice, now) or carrying.owe(view, now)) is not None:
        return billed
    if view.held_money < 0:
        return reopening.taken_back(view, invoice, now)
    if invoice.status == "draft" and view.rest_of is not None:
        return remainder.fill(view, invoice, view.rest_of, now)
    if switching.to_take(view, invoice):
        return TakeInvoice()
    if hosting.changes(view, invoice):
        return ChangeCollector(view.hosted)
    if reason := not_ours(view):
        left = returning.credited_elsewhere(view, invoice) or switching.let_go_and_forgotten(view, invoice)
        return left or Done(reason)
    if (back := returning.surplus(view, invoice)) is not None:
        return back
    if (voided := ending.by_hand(view, invoice, now)) is not None:
        return voided
    match invoice.status:
        case "draft":
            return _draft(view, invoice, now)
        case "open":
            return _collect(view, invoice, now)
        case "paid":
            step = forgotten(view, invoice) or hosting.lost(view) or paid_past_us(view, invoice)
            return step or _credited(view, invoice, now) or Done("paid")
        case "uncollectible" | "void" if view.given_up:
            step = ending.give_up(view, invoice, ending.GIVEN_UP, now)
            if not isinstance(step, Done):
                return step
            return remainder.return_part(view) or (void(view, invoice) if invoice.status == "void" else step)
        case "uncollectible":
            return Done("marked uncollectible in Stripe")
        case "void":
            return void(view, invoice)
        case "deleted":
            return Done("deleted in Stripe")


def _credited(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Action | None:
    """What credit notes of a paid invoice want. Of one that its payer paid at Stripe nothing of ours goes back."""
    if view.collector is Collector.HOSTED and view.recording is None:
        return returning.credited_elsewhere(view, invoice)
    return returning.crossing(view, invoice, now)


def not_ours(view: InvoiceView) -> str:
    """Why an invoice is left alone; empty for ours. One on which we ever tried is ours for good."""
    invoice = view.invoice
    if invoice is None or view.attempts:
        return ""
    if invoice.collection_method != "send_invoice":
        return switching.why_stripes(view)
    if view.opted_out:
        return "the customer has opted out"
    if not view.connections and view.collector is not Collector.HOSTED:
        return f"no connection takes {invoice.currency}"
    return ""


# --- the attempt whose end is not known ----------------------------------------------------------------------------


def _resolve(view: InvoiceView, invoice: BilledInvoice, attempt: AttemptView, now: datetime) -> Action:
    if attempt.state is AttemptState.SENDING:
        return MarkUnknown(attempt.id)
    if _unwanted(view, invoice, attempt) and not attempt.withdrawn:
        return CancelPending(attempt.id)
    if attempt.resolve_at is not None and attempt.resolve_at > now:
        return WaitUntil(attempt.resolve_at, f"attempt {attempt.number} is {attempt.state}")
    late = _too_late(attempt, now)
    if late is not None and late not in view.open_cases:
        return OpenCase(late, f"attempt {attempt.number} is still {attempt.state}")
    if attempt.state is AttemptState.UNKNOWN:
        return _resolve_unknown(view, invoice, attempt, now)
    if _unwanted(view, invoice, attempt):
        return CancelPending(attempt.id)
    if not can_ask(attempt):
        return WaitUntil(now + attempt.capabilities.pending_schedule[-1], "only a webhook can say how it ended")
    return Resolve(attempt.id, "lookup")


def _unwanted(view: InvoiceView, invoice: BilledInvoice, attempt: AttemptView) -> bool:
    """Nothing should be collected any more, and the processor can still be asked to let it be."""
    waiting = attempt.state in (AttemptState.PENDING, AttemptState.REQUIRES_ACTION)
    less = view.wanted < attempt.amount
    over = invoice.status != "open" or view.abandoned or view.void_asked or after_end.in_flight(view, attempt)
    return waiting and attempt.capabilities.cancel and (over or less)


def _too_late(attempt: AttemptView, now: datetime) -> CaseKind | None:
    """Whether a human must look: it took too long, and asking did not help. After downtime of ours we ask first."""
    age, askable = now - attempt.sent_at, can_ask(attempt)
    if attempt.state is AttemptState.UNKNOWN:
        asked = attempt.lookups > LOOKUPS_BEFORE_REPLAY or not askable
        return CaseKind.OUTCOME_UNKNOWN if asked and age > UNKNOWN_CASE_AFTER else None
    asked = attempt.lookups > 0 or not askable
    return CaseKind.PENDING_TOO_LONG if asked and age > attempt.capabilities.max_pending else None


def _resolve_unknown(view: InvoiceView, invoice: BilledInvoice, attempt: AttemptView, now: datetime) -> Action:
    """Law 4: ask first; send the same bytes again only while the key protects and the invoice still wants just this."""
    if replay_is_next(attempt, now):
        if not view.is_fresh(now):
            return Read()
        if _still_wants(view, invoice, attempt, now):
            return Resolve(attempt.id, "replay")
    if can_ask(attempt):
        return Resolve(attempt.id, "lookup")
    return WaitUntil(now + attempt.capabilities.unknown_schedule[-1], "the outcome is not known")


def _still_wants(view: InvoiceView, invoice: BilledInvoice, attempt: AttemptView, now: datetime) -> bool:
    # In a pause, once its subscription has ended, where Stripe is to pay it, or its payer there, and where somebody
    # wants it void, it is asked for, and not sent again: where the first call never arrived, that would be a charge.
    method = next((m for m in view.methods if m.id == attempt.method), None)
    return (
        invoice.status == "open"
        and not (view.abandoned or view.void_asked)
        and view.may_charge
        and not after_end.is_stopped(view)
        and pause_of(view, now) is None
        and invoice.stripe_payment is StripePayment.NONE
        and view.wanted == attempt.amount
        and method is not None
        and method.status is MethodStatus.ACTIVE
        and out_of_bounds(method, view.wanted, invoice.currency) is None
    )


def _top_up(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Action | None:
    """The next step towards the rest of a payment in part; None where that is not charged, or not any more."""
    if not partial.tops_up(view, invoice) or not view.may_charge:
        return None
    step = _collect(view, invoice, now)
    coming = isinstance(step, WaitUntil) and step.at is not None
    return step if coming or isinstance(step, Charge | Read | FindLost) else None


# --- asking for money ----------------------------------------------------------------------------------------------


def _draft(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Action:
    if view.customer_deleted:
        return Done(f"left as a draft: {CUSTOMER_DELETED}")
    if handing_over.gives_draft(view, invoice):
        return GiveDraft()
    if view.hold == "held":
        return WaitUntil(None, "held until its checkout is confirmed")
    if view.not_before is not None and view.not_before > now and not invoice.location_filled:
        return WaitUntil(view.not_before, "Stripe could not finalize it")
    if view.hold == "released":
        return Finalize()
    if view.subscription is not None and view.subscription.paused_since is not None:
        return in_pause()
    if view.kept_in_pause and not after_end.is_stopped(view):
        # Stripe keeps it as a draft, and never finalizes it by itself (docs: billing/subscriptions/pause-payment).
        return Finalize()
    if after_end.bills_the_last(view, invoice) and not late_usage.may_still_come(invoice):
        # Stripe leaves it a draft, and it is nobody's after that (docs: billing/subscriptions/cancel).
        return Finalize()
    if after_end.is_stopped(view):
        return Done(f"left as a draft: {after_end.ENDED}")
    if not invoice.auto_advance:
        return WaitUntil(None, "somebody keeps it as a draft")
    if invoice.finalization_error and CaseKind.FINALIZATION_FAILED not in view.open_cases:
        return OpenCase(CaseKind.FINALIZATION_FAILED, invoice.finalization_error)
    if invoice.location_filled:
        # Whoever tried it, Stripe or we: Stripe does not try again.
        return Finalize()
    if view.policy.finalize == "at_once" and invoice.billing_reason.startswith("subscription"):
        return late_usage.wait(view, invoice, now) or Finalize()
    return late_usage.until_stripe(view, invoice, now, "Stripe finalizes it")


def _collect(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Action:
    if view.abandoned:
        return Done("its checkout has ended")
    if view.customer_deleted:
        return _of_nobody(view, invoice, now)
    if (wait := standstill(view, invoice, now)) is not None:
        return wait
    if after_end.is_stopped(view) and not is_asked_for(view, now) and (then := ending.left_to(view)) is not None:
        return ending.close(view, invoice, then, after_end.ENDED, now)
    if (handed := handing_over.pay(view, invoice, now)) is not None:
        return handed
    if (lost := hosting.lost(view)) is not None:
        return lost
    if (pays := hosting.wait(view, invoice, now)) is not None:
        return pays
    if view.older_first:
        return WaitUntil(now + OLDER_FIRST_WAIT, "an older invoice of the subscription goes first")
    match next_try(view, now):
        case TryAt(at=at, reason=reason):
            return WaitUntil(at, reason, attempt=True)
        case Held(reason=reason):
            return WaitUntil(None, reason)
        case NeedsMethod(reason=reason):
            return ending.end(view, invoice, reason, now)
        case Exhausted(reason=reason):
            return ending.exhausted(view, invoice, reason, now)
        case TryNow(method=method, reason=reason):
            if (bound := out_of_bounds(method, view.wanted, invoice.currency)) is not None:
                return _out_of_bounds(view, bound, now)
            if (again := waits_until(method, now)) is not None:
                return WaitUntil(again, NOT_ANSWERING, waits_for=WaitsFor.PROCESSOR)
            number = next_number(view)
            if view.look_first:
                return FindLost(method.id, method.connection, number)
            if not view.is_fresh(now):
                return Read()
            return Charge(method.id, method.connection, view.wanted, number, reason)


def _of_nobody(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Action:
    """Its customer was deleted, and Stripe has left it open: it ends as what a subscription leaves behind does."""
    if (then := ending.left_to(view)) is not None:
        return ending.close(view, invoice, then, CUSTOMER_DELETED, now)
    owed = f"{to_text(invoice.amount_remaining, invoice.currency)} are owed"
    return ask_human(view, CaseKind.CUSTOMER_DELETED, f"{CUSTOMER_DELETED}; {owed}")


def _out_of_bounds(view: InvoiceView, bound: OutOfBounds, now: datetime) -> Action:
    """What no charge can take: so little may be credited by a note of ours on the open invoice, for good or until the
    next one."""
    then, too_little = view.policy.below_minimum, bound.kind is CaseKind.BELOW_PROCESSOR_MINIMUM
    if then != "case" and too_little and view.held_money == 0 and bound.kind not in view.open_cases:
        return partial.credit(view, CreditNoteOrigin.PARTIAL, view.wanted, bound.reason, now, then=then)
    return ask_human(view, bound.kind, bound.reason)
