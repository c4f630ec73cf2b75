"""Hypothesis strategies for views: whatever may stand in the database together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import get_args

from hypothesis import strategies as st
from msgspec.structs import replace

from db.states import UNRESOLVED, AttemptState, Collector, HandOverState, MethodStatus, RecordingState
from gateway.domain.billed import ATTEMPT_KEY, BilledInvoice, InvoiceStatus, StripePayment
from gateway.domain.case_kinds import CaseKind
from gateway.domain.policy import Policy
from gateway.domain.view import (
    AttemptView,
    HandOverView,
    Hold,
    InvoiceView,
    MethodView,
    Pause,
    ReceiptView,
    RecordingView,
    SubscriptionView,
)
from processors.capabilities import Capabilities, Idempotency, Lookup, Replay
from processors.outcome import Advice
from tests.domain.views import CAPABILITIES, INVOICE, NOW

DAYS = timedelta(days=1)

durations = st.timedeltas(min_value=timedelta(0), max_value=20 * DAYS)
moments = durations.map(lambda ago: NOW - ago)
near = st.timedeltas(min_value=-2 * DAYS, max_value=2 * DAYS).map(lambda by: NOW + by)
amounts = st.integers(1, 3000)

policies = st.builds(
    Policy,
    finalize=st.sampled_from(["at_once", "leave"]),
    usage_grace_minutes=st.sampled_from([None, 0, 60]),
    ladder_hours=st.sets(st.integers(1, 240), max_size=6).map(lambda hours: (0, *sorted(hours))),
    margin_hours=st.integers(0, 72),
    below_minimum=st.sampled_from(["case", "carry", "waive"]),
    at_end=st.sampled_from(
        [
            ("case",),
            (),
            ("mark_uncollectible",),
            ("void", "cancel_subscription"),
            ("cancel_subscription", "mark_uncollectible"),
        ]
    ),
    canceled_invoices=st.sampled_from(["stop", "collect", "mark_uncollectible", "void"]),
    canceled_in_flight=st.sampled_from(["keep", "return"]),
    late_success=st.sampled_from(["if_alive", "return", "record"]),
    partial_payment=st.sampled_from(["split", "top_up"]),
    small_differences=st.sampled_from([{}, {"eur": 100}]),
    overpayment=st.sampled_from(["return", "customer_balance", "case"]),
    returns=st.sampled_from(["automatic", "case"]),
    on_reversal=st.sampled_from(["case", "reopen"]),
)

capabilities: st.SearchStrategy[Capabilities] = st.builds(
    lambda window, replay, lookup, conclusive, cancel, pending: replace(
        CAPABILITIES,
        idempotency=Idempotency(window=window, replay=replay),
        lookup=lookup,
        not_found_is_conclusive=conclusive,
        cancel=cancel,
        max_pending=pending,
    ),
    durations,
    st.sampled_from(Replay),
    st.sampled_from(Lookup),
    st.booleans(),
    st.booleans(),
    durations,
)


@st.composite
def methods(draw: st.DrawFn) -> tuple[MethodView, ...]:
    made = []
    for number in range(1, draw(st.integers(0, 3)) + 1):
        bounds = draw(st.sampled_from([(None, None), (1, None), (None, 5000), (500, 2000)]))
        made.append(
            MethodView(
                id=f"pm_{number}",
                connection=f"con_{number}",
                status=draw(st.sampled_from(MethodStatus)),
                position=draw(st.integers(0, 2)),
                created_at=draw(moments),
                usable=draw(st.booleans()),
                brand=draw(st.sampled_from(["", "visa", "mastercard"])),
                recent_tries=tuple(sorted(draw(st.lists(moments, max_size=12)))),
                locked=draw(st.sampled_from([False, False, False, True])),
                own=draw(st.sampled_from([False, False, False, True])),
                minimum=bounds[0],
                maximum=bounds[1],
                agreed_maximum=draw(st.sampled_from([None, None, None, 900])),
                usable_from=draw(st.sampled_from([None, None, NOW - timedelta(minutes=1), NOW + timedelta(minutes=1)])),
            )
        )
    return tuple(made)


@st.composite
def attempts(draw: st.DrawFn, states: Sequence[AttemptState] = tuple(AttemptState)) -> tuple[AttemptView, ...]:
    """In the order of their numbers and times; only the last may be unresolved, one full success is not surplus."""
    made: list[AttemptView] = []
    sent = sorted(draw(st.lists(moments, max_size=6)))
    paid = False
    for number, sent_at in enumerate(sent, 1):
        state = draw(st.sampled_from(states))
        if state in UNRESOLVED and number < len(sent):
            state = AttemptState.DECLINED
        amount = draw(amounts)
        took = state in (AttemptState.SUCCEEDED, AttemptState.REVERSED)
        captured = draw(amounts) if took else 0
        full = state is AttemptState.SUCCEEDED and captured >= amount
        made.append(
            AttemptView(
                id=f"att_{number}",
                number=number,
                connection="con_1",
                method=draw(st.sampled_from(["pm_1", "pm_2", "pm_gone"])),
                amount=amount,
                captured=captured,
                state=state,
                sent_at=sent_at,
                capabilities=draw(capabilities),
                surplus=took and ((full and paid) or draw(st.booleans())),
                advice=draw(st.none() | st.sampled_from(Advice)) if state is AttemptState.DECLINED else None,
                resolved_at=None if state in UNRESOLVED else sent_at + draw(st.timedeltas(timedelta(0), DAYS)),
                resolve_at=draw(st.none() | near) if state in UNRESOLVED else None,
                retry_after=draw(st.none() | near) if state in (AttemptState.DECLINED, AttemptState.NOT_SENT) else None,
                lookups=draw(st.integers(0, 9)),
                withdrawn=draw(st.booleans()),
                by_hand=draw(st.booleans()),
                resent_at=draw(st.none() | moments),
                looked_at=draw(st.none() | moments),
            )
        )
        paid = paid or (full and not made[-1].surplus)
    return tuple(made)


@st.composite
def invoices(draw: st.DrawFn, attempts: tuple[AttemptView, ...]) -> BilledInvoice:
    status = draw(st.sampled_from(get_args(InvoiceStatus)))
    due = draw(st.integers(0, 3000)) if status in ("paid", "deleted") else draw(amounts)
    collection = draw(st.sampled_from(["send_invoice", "send_invoice", "charge_automatically"]))
    name = draw(st.sampled_from(["", "att_0", *(a.id for a in attempts)]))
    return replace(
        INVOICE,
        status=status,
        collection_method=collection,
        amount_due=due,
        amount_paid=due if status == "paid" else 0,
        amount_remaining=0 if status in ("paid", "deleted") else draw(st.integers(1, due)),
        pre_payment_credit=draw(st.sampled_from([0, 0, 100])),
        balance_used=draw(st.sampled_from([0, 0, 400, -300])),
        location_filled=draw(st.sampled_from([False, False, True])),
        auto_advance=draw(st.booleans()),
        bills_usage=draw(st.booleans()),
        billing_reason=draw(st.sampled_from(["subscription_create", "subscription_cycle", "manual"])),
        due_date=draw(st.none() | st.timedeltas(-10 * DAYS, 40 * DAYS).map(lambda by: NOW + by)),
        finalizes_at=draw(st.none() | near),
        stripe_payment=draw(st.sampled_from(StripePayment)),
        metadata={ATTEMPT_KEY: name} if name else {},
    )


@st.composite
def views(draw: st.DrawFn, states: Sequence[AttemptState] = tuple(AttemptState)) -> InvoiceView:
    """One invoice with all that is around it. Held money follows from the captures and what is recorded of them."""
    tried = draw(attempts(states))
    billed = draw(invoices(tried))
    captures = [a for a in tried if a.state is AttemptState.SUCCEEDED and not a.surplus]
    held = sum(a.captured for a in captures)
    recordings: list[RecordingView] = []
    # Each of these failed; a further one follows under another key.
    for number in range(1, draw(st.integers(0, 3)) + 1 if captures else 0):
        state = draw(st.sampled_from([RecordingState.UNKNOWN, RecordingState.REFUSED]))
        recordings.append(
            RecordingView(f"rec_{number}", draw(st.sampled_from(captures)).id, held, state, draw(moments))
        )
    last = draw(st.sampled_from([None, RecordingState.SENDING, RecordingState.RECORDED])) if captures else None
    if last is RecordingState.SENDING or (last is RecordingState.RECORDED and billed.status == "paid"):
        # What Stripe took is the newest capture at most: with less than that captured nothing is recorded.
        took = min(billed.amount_due or held, captures[-1].captured)
        recordings.append(RecordingView("rec_last", captures[-1].id, took, last))
        if last is RecordingState.RECORDED:
            billed = replace(billed, amount_paid=took)
            held -= took
    # A payment by hand is taken only while nothing else is held.
    receipts = (ReceiptView("mov_1", draw(amounts)),) if not captures and draw(st.sampled_from([0, 0, 0, 1])) else ()
    held += sum(receipt.amount for receipt in receipts)
    collector = draw(st.sampled_from([None, None, None, *Collector]))
    handed = HandOverView("hov_1", draw(st.sampled_from(HandOverState)))
    return InvoiceView(
        id="in_1",
        policy=draw(policies),
        # What was tried was read before.
        invoice=billed if tried else draw(st.sampled_from([billed, None])),
        read_at=draw(st.sampled_from([None, NOW, NOW - timedelta(seconds=1), NOW - timedelta(hours=1)])),
        stale=draw(st.sampled_from([False, False, False, True])),
        hold=draw(st.sampled_from(get_args(Hold))),
        attempts=tried,
        receipts=receipts,
        recordings=tuple(recordings),
        held_money=held,
        methods=draw(methods()),
        subscription=draw(
            st.sampled_from(
                [
                    None,
                    SubscriptionView("active"),
                    SubscriptionView("active", paused_since=NOW - 5 * DAYS),
                    SubscriptionView("canceled", NOW),
                    SubscriptionView("canceled", NOW - 3 * DAYS),
                ]
            )
        ),
        connections=draw(st.booleans()),
        opted_out=draw(st.booleans()),
        asked=draw(st.booleans()),
        void_asked=draw(st.sampled_from([False, False, False, True])),
        kept_in_pause=draw(st.booleans()),
        customer_deleted=draw(st.sampled_from([False, False, False, True])),
        older_first=draw(st.booleans()),
        abandoned=draw(st.booleans()),
        known_since=draw(st.none() | moments),
        collector=collector,
        hosted=draw(st.sampled_from([False, False, collector is Collector.HOSTED, True])),
        taken=collector is Collector.GATEWAY and draw(st.booleans()),
        hand_over=handed if collector is Collector.STRIPE else None,
        giving_up=draw(st.sampled_from(["", "", "", "mark_uncollectible", "void", "cancel_subscription"])),
        unresolved_beside=draw(st.sampled_from([False, False, False, True])),
        preferred_method=draw(st.sampled_from(["", "pm_1", "pm_gone"])),
        not_before=draw(st.none() | near),
        look_first=draw(st.sampled_from([False, False, False, True])),
        pause=draw(st.sampled_from([None, None, Pause("x", NOW - DAYS), Pause("x", NOW - DAYS, NOW + DAYS), _OVER])),
        open_cases=draw(st.frozensets(st.sampled_from(CaseKind), max_size=2)) - _NAMING,
    )


_OVER = Pause("over", NOW - 2 * DAYS, NOW - DAYS)
_NAMING = {CaseKind.OVERPAID, CaseKind.PAID_BY_HAND, CaseKind.PARTIAL_CAPTURE, CaseKind.SURPLUS_CAPTURE}
"""Cases that name money are opened by the rules under test."""
