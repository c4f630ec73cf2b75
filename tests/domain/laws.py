"""The laws that every single step of `decide` keeps, and a small world that carries its steps out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from msgspec.structs import replace

from db.states import (
    AttemptState,
    CarryState,
    Collector,
    CreditNoteOrigin,
    CreditNoteState,
    HandOverState,
    MethodStatus,
    RecordingState,
    RecordingTarget,
    RefundOrigin,
    RefundState,
    RemainderState,
)
from gateway.domain.actions import (
    Action,
    CancelPending,
    CarryOver,
    ChangeCollector,
    Charge,
    ConfirmRecording,
    CreditBalance,
    CreditRest,
    Done,
    EndVoiding,
    Finalize,
    FindBalance,
    FindCarry,
    FindLost,
    FindRestNote,
    GiveDraft,
    GiveUp,
    IssueRestNote,
    MarkSurplus,
    MarkUnknown,
    MatchNote,
    OpenCase,
    PayAtStripe,
    Read,
    ReadBalance,
    ReadNotes,
    Record,
    Resolve,
    ReturnPart,
    ReturnSurplus,
    Tag,
    TakeInvoice,
    Void,
    WaitUntil,
    WantNote,
)
from gateway.domain.billed import ATTEMPT_KEY, RECEIPT_KEY, REMAINDER_KEY, BilledInvoice, StripePayment
from gateway.domain.budget import next_within_budget
from gateway.domain.case_kinds import CaseKind
from gateway.domain.decide import decide
from gateway.domain.rest_actions import EmptyRest, FillRest, FindRest, IssueRest, LinkRest
from gateway.domain.view import (
    FRESH,
    AttemptView,
    CarryRow,
    HandOverView,
    InvoiceView,
    NoteRow,
    RefundRow,
    RemainderRow,
    SubscriptionView,
)
from processors.capabilities import Lookup, Replay
from tests.domain.views import INVOICE, attempt, recording

MOST_STEPS = 25
"""As in `gateway.collect.advance`: no invoice needs more in one go."""

Answer: TypeAlias = Literal["accepted", "refused", "unknown"]


def check(view: InvoiceView, action: Action, now: datetime) -> None:
    """Assert every law that one step can break."""
    for law in LAWS:
        law(view, action, now)


def looks_before_anything_else(view: InvoiceView, action: Action, _: datetime) -> None:
    if view.stale or view.invoice is None:
        assert action == Read()


def charges_only_after_a_last_look(view: InvoiceView, action: Action, now: datetime) -> None:
    """Laws 1 and 3."""
    if not isinstance(action, Charge):
        return
    invoice = view.invoice
    assert invoice is not None
    assert view.unresolved is None, "a second attempt while one is unresolved"
    assert invoice.status == "open"
    assert invoice.collection_method == "send_invoice"
    assert invoice.stripe_payment is StripePayment.NONE
    assert not view.abandoned
    assert not view.customer_deleted
    since = view.subscription.paused_since if view.subscription is not None else None
    assert since is None or invoice.created < since, "it was made in a pause"
    assert view.hold != "held", "nobody has confirmed it yet"
    assert not _paused(view, now)
    assert not _stopped(view) or view.asked, "its subscription has ended"
    assert not view.look_first, "it may have been charged already, and forgotten"
    assert view.read_at is not None
    assert now - view.read_at <= FRESH
    assert view.held_money < invoice.amount_remaining, "money for it is held already"
    assert action.amount == invoice.amount_remaining - view.held_money > 0
    method = next(m for m in view.methods if m.id == action.method)
    assert method.status is MethodStatus.ACTIVE
    assert method.usable
    assert not method.locked
    assert next_within_budget(method.recent_tries, method.brand, now) == now, "the card scheme forbids it"
    assert method.connection == action.connection
    assert action.number not in {a.number for a in view.attempts}
    assert (method.minimum or 0) <= action.amount <= (method.maximum or action.amount)
    assert action.amount <= (method.agreed_maximum or action.amount)
    assert method.usable_from is None or method.usable_from <= now, "its processor does not answer"


def has_one_collector(view: InvoiceView, action: Action, now: datetime) -> None:
    """Nothing is charged for what Stripe is to pay, or its payer there; Stripe pays nothing that may be paid by a try
    of ours, and nobody's page is opened beside one."""
    invoice = view.invoice
    replays = isinstance(action, Resolve) and action.how == "replay"
    if isinstance(action, Charge) or replays:
        assert view.collector in (None, Collector.GATEWAY)
        assert not view.hosted, "its payer is to pay it on Stripe's page"
    if isinstance(action, ChangeCollector):
        assert invoice is not None
        assert (invoice.status in ("draft", "open"), invoice.collection_method) == (True, "send_invoice")
        assert view.unresolved is None
        assert view.held_money == 0
        assert view.collector is not Collector.STRIPE
        assert action.hosted is (view.collector is not Collector.HOSTED)
    if isinstance(action, PayAtStripe):
        assert invoice is not None
        assert (view.collector, invoice.status, invoice.stripe_payment) == ("stripe", "open", StripePayment.NONE)
        assert view.unresolved is None
        assert view.held_money == 0
        assert not view.look_first or not view.methods
        assert view.is_fresh(now)
    if isinstance(action, TakeInvoice):
        assert invoice is not None
        assert (view.collector, view.taken) == ("gateway", False)
        assert invoice.collection_method == "charge_automatically"


def keeps_its_hands_off_while_unresolved(view: InvoiceView, action: Action, _: datetime) -> None:
    """Laws 4 and 7: what is unresolved is found out first, and nothing else is done about the invoice."""
    if view.unresolved is None or view.stale:
        return
    invoice = view.invoice
    assert invoice is not None
    covered = invoice.status == "open" and view.held_money > 0 and view.held_money >= invoice.amount_remaining
    if isinstance(action, Tag | Record | MarkSurplus):
        # Money that is here already is settled; the attempt beside it is withdrawn or found out afterwards.
        assert covered
        assert view.unresolved.state is not AttemptState.SENDING
        return
    assert isinstance(action, Read | Resolve | MarkUnknown | CancelPending | OpenCase | WaitUntil)
    if isinstance(action, Resolve | MarkUnknown | CancelPending):
        assert action.attempt == view.unresolved.id


def replays_only_what_is_still_wanted(view: InvoiceView, action: Action, now: datetime) -> None:
    """Law 4."""
    if not isinstance(action, Resolve):
        return
    unknown, invoice = _attempt(view, action.attempt), view.invoice
    assert invoice is not None
    if action.how == "lookup":
        assert _askable(unknown)
        return
    assert unknown.state is AttemptState.UNKNOWN
    assert not _paused(view, now)
    assert now - unknown.sent_at < unknown.capabilities.idempotency.window * 0.9
    assert view.read_at is not None
    assert now - view.read_at <= FRESH
    assert invoice.status == "open"
    assert invoice.stripe_payment is StripePayment.NONE
    assert not view.abandoned
    assert invoice.amount_remaining - view.held_money == unknown.amount
    if _askable(unknown):
        assert unknown.lookups > 0, "it was never looked for"
    if unknown.capabilities.idempotency.replay is Replay.RUNS_AGAIN_AFTER_ERROR:
        lag = unknown.capabilities.call_timeout + unknown.capabilities.lookup_lag
        assert unknown.looked_at is not None
        assert unknown.looked_at > (unknown.resent_at or unknown.sent_at) + lag


def _askable(attempt: AttemptView) -> bool:
    """It can be looked for, and where only its id finds it, that is known."""
    lookup = attempt.capabilities.lookup
    return lookup is not Lookup.NONE and (lookup is not Lookup.BY_ID or attempt.findable)


def _paused(view: InvoiceView, now: datetime) -> bool:
    return view.pause is not None and (view.pause.until is None or view.pause.until > now)


def withdraws_only_what_nobody_wants(view: InvoiceView, action: Action, _: datetime) -> None:
    if not isinstance(action, CancelPending):
        return
    pending, invoice = _attempt(view, action.attempt), view.invoice
    assert invoice is not None
    assert pending.state in (AttemptState.PENDING, AttemptState.REQUIRES_ACTION)
    assert pending.capabilities.cancel
    wanted = invoice.amount_remaining - view.held_money
    over = _left_behind(view) and view.policy.canceled_in_flight == "return"
    assert invoice.status != "open" or view.abandoned or view.void_asked or wanted < pending.amount or over


def records_only_what_is_captured_and_named(view: InvoiceView, action: Action, _: datetime) -> None:
    """Law 5."""
    if not isinstance(action, Record | Tag):
        return
    invoice = view.invoice
    assert invoice is not None
    assert invoice.status in ("open", "uncollectible")
    assert not view.abandoned
    if view.lent is not None and action.attempt == view.lent.id:
        assert view.held_money <= 0
        assert 0 < invoice.amount_remaining <= view.lent.amount
        assert isinstance(action, Tag) or invoice.metadata.get(ATTEMPT_KEY) == action.attempt
        return
    assert 0 < invoice.amount_remaining <= view.held_money
    if action.receipt:
        assert action.attempt in {receipt.id for receipt in view.receipts}
    else:
        capture = _attempt(view, action.attempt)
        assert capture.state is AttemptState.SUCCEEDED
        assert not capture.surplus
    assert all(r.attempt != action.attempt or r.state is not RecordingState.RECORDED for r in view.recordings)
    if isinstance(action, Record):
        assert invoice.metadata.get(RECEIPT_KEY if action.receipt else ATTEMPT_KEY) == action.attempt
        assert action.amount == invoice.amount_remaining


def credits_only_what_no_money_is_held_for(view: InvoiceView, action: Action, now: datetime) -> None:
    """Law 5: after a last look, what is credited and what is held are what the invoice wants."""
    if not isinstance(action, CreditRest | IssueRestNote):
        return
    invoice = view.invoice
    assert invoice is not None
    assert view.unresolved is None
    assert view.is_fresh(now)
    if view.held_money < 0:
        assert (invoice.status, action.amount) == ("paid", -view.held_money)
        assert view.policy.on_reversal == "reopen"
        return
    assert (invoice.status, action.amount) == ("open", invoice.amount_remaining - view.held_money)
    if view.held_money == 0:
        # Too little for the processor, and nothing came: what follows is the policy's.
        assert any(action.amount < (method.minimum or 0) for method in view.methods)
        assert not isinstance(action, CreditRest) or action.then == view.policy.below_minimum != "case"
        return
    assert view.held_money < invoice.amount_remaining
    if isinstance(action, CreditRest):
        assert action.origin is CreditNoteOrigin.PARTIAL
        assert action.then == ("waive" if view.policy.is_small(action.amount, invoice.currency) else "bill")


def returns_only_what_is_too_much(view: InvoiceView, action: Action, _: datetime) -> None:
    if isinstance(action, ReturnSurplus) and not _attempt(view, action.attempt).surplus:
        assert 0 < action.amount <= view.held_money
        assert view.invoice is not None
        assert view.invoice.status == "paid"
    if isinstance(action, CreditBalance):
        assert 0 < action.amount == view.held_money
        assert view.recording is not None


def settles_nothing_on_a_closed_invoice(view: InvoiceView, action: Action, _: datetime) -> None:
    """Nothing is charged or recorded on what is void or deleted, or given up together with its subscription."""
    invoice = view.invoice
    if invoice is None or view.stale or view.unresolved is not None or isinstance(action, EndVoiding):
        return
    ended = view.subscription is not None and view.subscription.ended
    if invoice.is_closed or (invoice.status == "uncollectible" and ended):
        held = (OpenCase, WaitUntil) if view.receipts else (MarkSurplus,)
        if view.policy.late_success == "record" and invoice.status == "uncollectible":
            held = (*held, Tag, Record, OpenCase, WaitUntil)
        rest = (Done, GiveUp, Read, WaitUntil) if view.given_up else (Done,)
        if view.void_asked and not invoice.is_closed:
            rest = (*rest, Void, Read, FindLost, WaitUntil)
        if any(capture.surplus and capture.returnable for capture in view.attempts):
            rest = (*rest, ReturnSurplus, OpenCase)
        if invoice.status == "void" and invoice.balance_used:
            rest = (*rest, ReadBalance, OpenCase)
        assert isinstance(action, held if view.held_money > 0 else rest)


def gives_back_only_what_is_not_needed(view: InvoiceView, action: Action, _: datetime) -> None:
    """Law 6: a capture is surplus only on an invoice that is settled or closed without it, or about to be; or that its
    subscription left behind, where the account wants what comes then to go back."""
    if not isinstance(action, MarkSurplus):
        return
    assert view.invoice is not None
    capture = _attempt(view, action.attempt)
    if view.invoice.status not in ("paid", "uncollectible", "void", "deleted") and not view.abandoned:
        assert view.policy.canceled_in_flight == "return"
        assert _left_behind(view)
        assert view.subscription is not None
        assert view.subscription.ended_at is not None
        assert capture.sent_at.replace(microsecond=0) <= view.subscription.ended_at
    assert capture.state is AttemptState.SUCCEEDED
    assert not capture.surplus
    assert capture.captured <= view.held_money, "more would be returned than is held"
    assert all(r.attempt != capture.id or r.state is not RecordingState.RECORDED for r in view.recordings)


def returns_only_what_no_invoice_takes(view: InvoiceView, action: Action, _: datetime) -> None:
    """Law 5: by itself, within the policy, once; never of money that pays the invoice."""
    if not isinstance(action, ReturnSurplus):
        return
    capture = _attempt(view, action.attempt)
    assert capture.state is AttemptState.SUCCEEDED
    assert view.policy.returns_by_itself(action.amount, _billed(view).currency)
    if capture.surplus:
        assert 0 < action.amount <= capture.returnable
    else:
        assert _billed(view).status == "paid"
        assert 0 < action.amount <= view.held_money
    assert all(refund.attempt != capture.id or refund.state not in FALLEN for refund in view.refunds)


FALLEN = (RefundState.FAILED, RefundState.REFUSED)


def confirms_only_what_was_sent(view: InvoiceView, action: Action, _: datetime) -> None:
    if isinstance(action, ConfirmRecording):
        assert view.invoice is not None
        assert view.invoice.status == "paid"
        found = next(r for r in view.recordings if r.id == action.recording)
        assert found.state in (RecordingState.SENDING, RecordingState.UNKNOWN)


def finalizes_only_free_drafts(view: InvoiceView, action: Action, now: datetime) -> None:
    if isinstance(action, Finalize):
        assert view.invoice is not None
        assert view.invoice.status == "draft"
        assert view.hold != "held"
        # What it failed of is filled in: nobody waits for the hour.
        assert view.not_before is None or view.not_before <= now or view.invoice.location_filled
        if view.subscription is not None and view.hold != "released":
            assert view.subscription.paused_since is None
        assert not _stopped(view) or view.hold == "released", "its subscription has ended: nobody owes what it says"


def _left_behind(view: InvoiceView) -> bool:
    """Whether the invoice is of a subscription that has ended, and is not its last, which comes in its last seconds."""
    invoice, ended_at = view.invoice, view.subscription.ended_at if view.subscription is not None else None
    if invoice is None or ended_at is None:
        return False
    last = invoice.created >= ended_at - timedelta(seconds=5) and invoice.billing_reason != "subscription_create"
    return not last or view.rest_of is not None


def _stopped(view: InvoiceView) -> bool:
    return _left_behind(view) and view.policy.canceled_invoices != "collect"


def gives_up_only_in_the_end(view: InvoiceView, action: Action, now: datetime) -> None:
    """Law 7: after a last look, with nothing unresolved and nothing held, and not before the end."""
    if not isinstance(action, GiveUp):
        return
    invoice = view.invoice
    assert invoice is not None
    assert view.unresolved is None
    assert not view.unresolved_beside
    assert view.held_money <= 0
    assert view.read_at is not None
    assert now - view.read_at <= FRESH
    at_once = action.step == (view.giving_up or view.policy.canceled_invoices)
    if at_once and view.customer_deleted:
        return
    if at_once and _stopped(view):
        assert not view.asked
        return
    assert action.step in view.policy.end_of(invoice.billing_reason)
    assert invoice.status == "open" or view.given_up
    if invoice.status == "open":
        assert invoice.due_date is not None
        assert now >= invoice.due_date - view.policy.margin or view.policy.end_after_hours is not None
        assert view.known_since is None or now - view.known_since >= timedelta(hours=24)
    if action.step == "cancel_subscription":
        assert invoice.subscription
        assert view.subscription is None or not view.subscription.ended
    last = view.attempts[-1].state if view.attempts else None
    if invoice.status == "open" and _chargeable(view):
        assert last not in (AttemptState.REJECTED, AttemptState.NOT_SENT), "that was no fault of the payer's"


def voids_only_what_somebody_wants_void(view: InvoiceView, action: Action, now: datetime) -> None:
    """Law 7 by hand: after a last look, with nothing unresolved, nothing held, and no tries forgotten."""
    if not isinstance(action, Void):
        return
    assert view.void_asked
    assert view.unresolved is None
    assert view.held_money <= 0
    assert view.is_fresh(now)
    assert view.invoice is not None
    assert (view.invoice.status in ("open", "uncollectible"), view.invoice.stripe_payment) == (True, StripePayment.NONE)
    assert not (view.look_first and _chargeable(view)), "it may have been charged already, and forgotten"


def forgets_no_wish_unsaid(view: InvoiceView, action: Action, _: datetime) -> None:
    """What somebody wants void is void, or is told to be left as it is; until then it is not charged, nor billed anew
    by another invoice."""
    if isinstance(action, EndVoiding):
        assert view.void_asked
        assert view.invoice is not None
        assert (view.invoice.status == "void") is (action.refused == "")
    elif view.void_asked:
        assert not isinstance(action, Charge | PayAtStripe | CreditRest | GiveDraft)
        assert not isinstance(action, Resolve) or action.how == "lookup"
        assert not isinstance(action, Done), "the wish would be forgotten"


def _chargeable(view: InvoiceView) -> bool:
    return any(m.status is MethodStatus.ACTIVE and m.usable for m in view.methods)


def opens_a_case_once(view: InvoiceView, action: Action, _: datetime) -> None:
    if isinstance(action, OpenCase):
        assert action.kind not in view.open_cases
        assert action.reason


def strands_no_money(view: InvoiceView, action: Action, now: datetime) -> None:
    """Law 5: held money rests only beside an open case, or until a time at which it is taken up again."""
    if isinstance(action, WaitUntil) and action.at is not None:
        assert action.at > now, "waiting for what has passed is no rest"
        return
    if view.unresolved is not None:
        assert not isinstance(action, Done | WaitUntil), "an unresolved attempt is looked after by the clock"
    if view.held_money > 0 and isinstance(action, Done | WaitUntil):
        assert view.open_cases & NAMING_MONEY, f"{view.held_money} is held and nobody knows"
    kept = sum(capture.returnable for capture in view.attempts if capture.surplus)
    if kept and view.held_money == 0 and isinstance(action, Done):
        assert view.open_cases & NAMING_MONEY, f"{kept} is kept and nobody knows"


NAMING_MONEY = frozenset(
    {
        CaseKind.OVERPAID,
        CaseKind.PAID_BY_HAND,
        CaseKind.PARTIAL_CAPTURE,
        CaseKind.RECORDING_FAILED,
        CaseKind.SURPLUS_CAPTURE,
    }
)

LAWS: tuple[Callable[[InvoiceView, Action, datetime], None], ...] = (
    looks_before_anything_else,
    charges_only_after_a_last_look,
    has_one_collector,
    keeps_its_hands_off_while_unresolved,
    replays_only_what_is_still_wanted,
    withdraws_only_what_nobody_wants,
    records_only_what_is_captured_and_named,
    credits_only_what_no_money_is_held_for,
    returns_only_what_is_too_much,
    settles_nothing_on_a_closed_invoice,
    gives_back_only_what_is_not_needed,
    returns_only_what_no_invoice_takes,
    confirms_only_what_was_sent,
    finalizes_only_free_drafts,
    gives_up_only_in_the_end,
    voids_only_what_somebody_wants_void,
    forgets_no_wish_unsaid,
    opens_a_case_once,
    strands_no_money,
)


# --- carrying steps out --------------------------------------------------------------------------------------------


def run(view: InvoiceView, now: datetime, stripe: Answer = "accepted") -> tuple[InvoiceView, list[Action]]:
    """Ask and obey until a rest, as `advance` does; every step is held to the laws. `stripe` answers recordings."""
    steps: list[Action] = []
    for _ in range(MOST_STEPS):
        action = decide(view, now)
        check(view, action, now)
        steps.append(action)
        if isinstance(action, Done | WaitUntil):
            return view, steps
        view = carried_out(view, action, now, stripe)
    raise AssertionError(f"no rest after {MOST_STEPS} steps: {steps[-6:]}")


def carried_out(view: InvoiceView, action: Action, now: datetime, stripe: Answer = "accepted") -> InvoiceView:
    """The view after a step. Look-ups find out nothing, and charges stay pending."""
    match action:
        case Read():
            return replace(view, invoice=view.invoice or INVOICE, stale=False, read_at=now)
        case TakeInvoice():
            ours = replace(_billed(view), collection_method="send_invoice", auto_advance=False)
            return replace(view, invoice=ours, taken=ours.status == "open", read_at=now)
        case ChangeCollector(hosted=hosted):
            back = Collector.GATEWAY if view.taken else None
            return replace(view, collector=Collector.HOSTED if hosted else back)
        case GiveDraft():
            return replace(view, invoice=replace(_billed(view), collection_method="charge_automatically"), read_at=now)
        case PayAtStripe(hand_over=id_) if stripe == "accepted":
            paid = {"status": "paid", "amount_remaining": 0, "stripe_payment": StripePayment.PAID, "paid_at": now}
            done = HandOverView(id_, HandOverState.DONE)
            return replace(view, invoice=replace(_billed(view), **paid), hand_over=done, read_at=now)
        case PayAtStripe(hand_over=id_):
            return replace(view, hand_over=HandOverView(id_, HandOverState.DECLINED, "declined"), read_at=now)
        case Finalize():
            return replace(view, invoice=replace(_billed(view), status="open"), read_at=now, hold="")
        case Charge(number=number, amount=amount, method=method):
            made = attempt("pending", number, amount=amount, method=method, sent_at=now, resolve_at=now + _LATER)
            return replace(view, attempts=(*view.attempts, made), asked=False)
        case FindLost():
            return replace(view, look_first=False)
        case Resolve(attempt=id_, how=how):
            asked = _attempt(view, id_)
            times = {"resent_at": now} if how == "replay" else {"looked_at": now}
            return _with(view, replace(asked, lookups=asked.lookups + 1, resolve_at=now + _LATER, **times))
        case CancelPending(attempt=id_):
            asked = _attempt(view, id_)
            return _with(view, replace(asked, lookups=asked.lookups + 1, resolve_at=now + _LATER, withdrawn=True))
        case MarkUnknown(attempt=id_):
            return _with(view, replace(_attempt(view, id_), state=AttemptState.UNKNOWN, resolve_at=now + _LATER))
        case Tag(attempt=id_, receipt=receipt):
            invoice, key = _billed(view), RECEIPT_KEY if receipt else ATTEMPT_KEY
            return replace(view, invoice=replace(invoice, metadata={**invoice.metadata, key: id_}))
        case Record():
            return _recorded(view, action, now, stripe)
        case ConfirmRecording(recording=id_):
            took = min(_billed(view).amount_paid or view.held_money, view.held_money)
            closed = [
                replace(r, state=RecordingState.RECORDED, amount=took) if r.id == id_ else r for r in view.recordings
            ]
            return replace(view, recordings=tuple(closed), held_money=view.held_money - took)
        case MarkSurplus(attempt=id_):
            capture = _attempt(view, id_)
            marked = _with(view, replace(capture, surplus=True, returnable=capture.captured))
            return replace(marked, held_money=max(0, view.held_money - capture.captured))
        case ReturnSurplus(attempt=id_, amount=amount):
            return _returned(view, _attempt(view, id_), amount, now)
        case ReadBalance():
            return replace(view, balance_back=0)
        case ReadNotes():
            return replace(view, notes_read_at=now)
        case MatchNote(note=id_):
            return replace(view, notes=tuple(replace(n, linked=True) if n.id == id_ else n for n in view.notes))
        case WantNote(refund=id_):
            refunds = tuple(replace(r, wants_note=True) if r.id == id_ else r for r in view.refunds)
            return replace(view, refunds=refunds)
        case CreditRest() | IssueRestNote() | FindRestNote() | IssueRest() | FindRest() | LinkRest():
            return _credited(view, action, now)
        case CarryOver(carry=id_) | FindCarry(carry=id_):
            over = tuple(replace(c, state=CarryState.CARRIED) if c.id == id_ else c for c in view.carries)
            return replace(view, carries=over)
        case FillRest():
            assert view.rest_of is not None
            return replace(view, invoice=replace(_billed(view), total=view.rest_of.amount), read_at=now)
        case EmptyRest():
            assert view.rest_of is not None
            return replace(view, invoice=replace(_billed(view), total=0), rest_of=replace(view.rest_of, one_line=True))
        case CreditBalance(payment=payment, amount=amount):
            made = recording("recorded", payment, amount, len(view.recordings) + 1)
            told = (*view.recordings, replace(made, target=RecordingTarget.BALANCE))
            return replace(view, recordings=told, held_money=view.held_money - amount)
        case FindBalance(recording=id_):
            found = next(r for r in view.recordings if r.id == id_)
            told = tuple(replace(r, state=RecordingState.RECORDED) if r is found else r for r in view.recordings)
            return replace(view, recordings=told, held_money=view.held_money - found.amount)
        case ReturnPart():
            raise AssertionError("no view here has such a part")
        case GiveUp(step="cancel_subscription"):
            return replace(view, giving_up="cancel_subscription", subscription=SubscriptionView("canceled", now))
        case GiveUp(step=step):
            status = "void" if step == "void" else "uncollectible"
            return replace(view, giving_up=step, read_at=now, invoice=replace(_billed(view), status=status))
        case Void():
            return replace(view, read_at=now, invoice=replace(_billed(view), status="void"))
        case EndVoiding():
            return replace(view, void_asked=False)
        case OpenCase(kind=kind):
            return replace(view, open_cases=view.open_cases | {kind})
        case Done() | WaitUntil():
            raise AssertionError("a rest is no step")


_LATER = timedelta(hours=1)


def _returned(view: InvoiceView, capture: AttemptView, amount: int, now: datetime) -> InvoiceView:
    refund = RefundRow(
        f"rfd_{len(view.refunds) + 1}", RefundOrigin.SURPLUS, RefundState.REQUESTED, amount, now, capture.id
    )
    sent = replace(view, refunds=(*view.refunds, refund))
    if capture.surplus:
        return _with(sent, replace(capture, returnable=capture.returnable - amount))
    return replace(sent, held_money=view.held_money - amount)


def _recorded(view: InvoiceView, action: Record, now: datetime, stripe: Answer) -> InvoiceView:
    number = len(view.recordings) + 1
    if stripe != "accepted":
        told = recording(stripe, action.attempt, action.amount, number, resolved_at=now)
        return replace(view, recordings=(*view.recordings, told), read_at=now)
    borrowed = view.lent if view.lent is not None and view.lent.id == action.attempt else None
    paid = replace(_billed(view), status="paid", amount_paid=action.amount, amount_remaining=0, paid_at=now)
    told = recording("recorded", action.attempt, action.amount, number)
    return replace(
        view,
        invoice=paid,
        recordings=(*view.recordings, told),
        held_money=view.held_money - (action.amount if borrowed is None else 0),
        read_at=now,
        lent=None if borrowed is not None else view.lent,
    )


def _credited(
    view: InvoiceView,
    action: CreditRest | IssueRestNote | FindRestNote | IssueRest | FindRest | LinkRest,
    now: datetime,
) -> InvoiceView:
    """What Stripe makes of a rest: a note lowers what remains, and the further invoice is there at once."""
    invoice = _billed(view)
    match action:
        case CreditRest(origin=origin, amount=amount, number=number, then=then):
            note = NoteRow(f"crn_{number}", origin, CreditNoteState.WANTED, 0, 0, now, amount=amount)
            rest = RemainderRow(f"rem_{number}", view.id, amount, RemainderState.WANTED)
            notes = tuple(one for one in view.notes if one.id != note.id)
            others = tuple(one for one in view.remainders if one.id != rest.id)
            over = tuple(one for one in view.carries if one.id != f"car_{number}")
            if then == "carry":
                over = (*over, CarryRow(f"car_{number}", amount, CarryState.WANTED))
            rests = (*others, rest) if then == "bill" else others
            return replace(view, notes=(*notes, note), remainders=rests, carries=over)
        case IssueRestNote(note=id_) | FindRestNote(note=id_):
            note = next(one for one in view.notes if one.id == id_)
            stands = replace(note, state=CreditNoteState.ISSUED)
            notes = tuple(stands if one is note else one for one in view.notes)
            rests = tuple(
                replace(one, credited=True) if one.id == id_.replace("crn", "rem") else one for one in view.remainders
            )
            over = tuple(
                replace(one, credited=True) if one.id == id_.replace("crn", "car") else one for one in view.carries
            )
            view = replace(view, notes=notes, remainders=rests, carries=over, read_at=now)
            if note.origin is CreditNoteOrigin.REVERSAL:
                return replace(view, held_money=view.held_money + note.amount)
            less = replace(
                invoice,
                amount_remaining=invoice.amount_remaining - note.amount,
                amount_due=invoice.amount_due - note.amount,
                pre_payment_credit=invoice.pre_payment_credit + note.amount,
            )
            # Stripe marks an invoice paid that wants nothing any more, where nothing was paid for it elsewhere.
            settled = {"status": "paid", "paid_at": now} if less.amount_remaining == 0 else {}
            return replace(view, invoice=replace(less, **settled))
        case IssueRest(remainder=id_) | FindRest(remainder=id_):
            rests = tuple(
                replace(one, state=RemainderState.ISSUED, issued_as=f"in_{id_}") if one.id == id_ else one
                for one in view.remainders
            )
            return replace(view, remainders=rests)
        case LinkRest(issued_as=issued_as):
            return replace(view, invoice=replace(invoice, metadata={**invoice.metadata, REMAINDER_KEY: issued_as}))


def _billed(view: InvoiceView) -> BilledInvoice:
    assert view.invoice is not None
    return view.invoice


def _attempt(view: InvoiceView, id_: str) -> AttemptView:
    return next(a for a in view.attempts if a.id == id_)


def _with(view: InvoiceView, changed: AttemptView) -> InvoiceView:
    return replace(view, attempts=tuple(changed if a.id == changed.id else a for a in view.attempts))
