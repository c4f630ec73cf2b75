"""`decide`: a table of everything that can be true of an invoice at once, and the laws one by one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import Literal, get_args

import pytest
from msgspec.structs import replace

from db.states import AttemptState, MethodStatus, RecordingState, RefundOrigin, RefundState
from gateway.domain.actions import (
    CancelPending,
    Charge,
    ConfirmRecording,
    Done,
    Finalize,
    MarkSurplus,
    MarkUnknown,
    OpenCase,
    Read,
    Record,
    Resolve,
    ReturnSurplus,
    Tag,
    WaitUntil,
)
from gateway.domain.billed import InvoiceStatus, StripePayment
from gateway.domain.case_kinds import CaseKind
from gateway.domain.decide import LOOKUPS_BEFORE_REPLAY, decide
from gateway.domain.obstacles import STRIPE_PAYMENT_WAIT
from gateway.domain.outdated import outdated
from gateway.domain.policy import Policy
from gateway.domain.view import FRESH, AttemptView, Hold, InvoiceView, RefundRow, SubscriptionView
from processors.capabilities import Capabilities, Lookup
from tests.domain.laws import Answer, check, run
from tests.domain.views import (
    CANNOT_BE_ASKED,
    CAPABILITIES,
    DAY,
    DUE,
    HOUR,
    METHOD,
    NOW,
    RUNS_AGAIN,
    SECOND,
    attempt,
    declined_at,
    holding,
    invoice,
    recording,
    tagged,
    view,
)

# --- the table -----------------------------------------------------------------------------------------------------

STATUSES = get_args(InvoiceStatus)
LAST_STATES: tuple[AttemptState | None, ...] = (None, *AttemptState)
HELD = {"none": 0, "less": 400, "equal": DUE, "more": 1300}
RECORDINGS: tuple[RecordingState | None, ...] = (None, *RecordingState)
HOLDS: tuple[Hold, ...] = get_args(Hold)
ENDED = SubscriptionView("canceled", NOW)
ALIVE = SubscriptionView("active")


def impossible(status: str, last: AttemptState | None, held: int, told: RecordingState | None) -> str:
    """Why a combination can't come about; empty for one that can.

    Nothing else is left out: some others can't come about at Stripe either (an attempt on a draft, a payment on a
    deleted one), and are walked all the same, since no answer may depend on Stripe keeping its promises.
    """
    if last is None and held > 0:
        return "money is held only by an attempt: movements name theirs (a receipt is not held)"
    if last is None and told is not None:
        return "a recording names the attempt that paid"
    if told is RecordingState.RECORDED and status != "paid":
        return "recorded is written with the answer that shows the invoice paid, and paid is final at Stripe"
    return ""


def attempts_of(last: AttemptState | None, held: int, told: RecordingState | None) -> tuple[AttemptView, ...]:
    """Attempts that end in `last` and hold so much; where the last one doesn't hold it, an earlier one does."""
    if last is None:
        return ()
    first = AttemptState.SUCCEEDED
    if told is RecordingState.RECORDED:
        if last is first:
            second = attempt(first, 2, captured=held or DUE, surplus=held == 0)
            return (attempt(first), second)
        return (attempt(first, captured=DUE + held), attempt(last, 2))
    if last is first:
        return (attempt(first, captured=held or DUE, surplus=held == 0),)
    if held == 0 and told is None:
        return (attempt(last),)
    return (attempt(first, captured=held or DUE, surplus=held == 0), attempt(last, 2))


def views_in(status: str, last: AttemptState | None) -> Iterator[InvoiceView]:
    """Every view with this status and this last attempt."""
    for held, told in product(HELD.values(), RECORDINGS):
        if impossible(status, last, held, told):
            continue
        attempts = attempts_of(last, held, told)
        recordings = () if told is None else (recording(told),)
        for paying, name_it in product(StripePayment, (False, True) if attempts else (False,)):
            billed = invoice(status, stripe_payment=paying)
            if name_it:
                billed = tagged(billed, attempts[-1].id)
            for hold, abandoned, stale, age, subscription in product(
                HOLDS, (False, True), (False, True), (SECOND, HOUR), (ALIVE, ENDED)
            ):
                yield view(
                    billed,
                    attempts=attempts,
                    recordings=recordings,
                    held_money=held,
                    hold=hold,
                    abandoned=abandoned,
                    stale=stale,
                    read_at=NOW - age,
                    subscription=subscription,
                )


@pytest.mark.parametrize("last", LAST_STATES, ids=lambda s: s or "no_attempt")
@pytest.mark.parametrize("status", STATUSES)
def test_every_combination_keeps_the_laws_and_comes_to_rest(status: str, last: AttemptState | None) -> None:
    """From each one, step after step until a rest: the laws hold at every step, and no money rests unnamed."""
    walked = 0
    for one in views_in(status, last):
        walked += 1
        if one.stale:
            # What follows the look is the same view without `stale`, which the walk meets too.
            check(one, decide(one, NOW), NOW)
            continue
        try:
            run(one, NOW)
        except AssertionError as broken:
            raise AssertionError(f"{broken}\nin {one}") from broken
    assert walked >= 3 * 3 * 2 * 2 * 2 * 2


def test_the_table_leaves_out_only_what_it_says() -> None:
    all_of_them = list(product(STATUSES, LAST_STATES, HELD.values(), RECORDINGS))
    left_out = [one for one in all_of_them if impossible(*one)]
    without_attempt = len(STATUSES) * (len(HELD) * len(RECORDINGS) - 1)
    recorded_unpaid = (len(STATUSES) - 1) * len(AttemptState) * len(HELD)
    assert len(left_out) == without_attempt + recorded_unpaid


def test_an_invoice_that_was_never_read_is_read() -> None:
    assert decide(InvoiceView(id="in_1", policy=Policy()), NOW) == Read()


# --- what is ours, and drafts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (view(invoice(collection_method="charge_automatically")), "Stripe collects it itself"),
        (view(opted_out=True), "the customer has opted out"),
        (view(connections=False), "no connection takes eur"),
    ],
)
def test_what_is_not_ours_is_left_alone(one: InvoiceView, reason: str) -> None:
    assert decide(one, NOW) == Done(reason)


def test_an_invoice_on_which_we_tried_stays_ours() -> None:
    assert isinstance(decide(view(attempts=declined_at(25), opted_out=True, connections=False), NOW), Charge)


def test_the_last_look_finds_send_invoice_on_a_retry_too() -> None:
    one = view(invoice(collection_method="charge_automatically"), attempts=declined_at(25))
    assert not isinstance(decide(one, NOW), Charge)


def draft(**changes: object) -> InvoiceView:
    finalizes_at = NOW + HOUR
    return view(invoice("draft", finalizes_at=finalizes_at), **changes)


def test_a_renewals_draft_is_finalized_at_once() -> None:
    assert decide(draft(), NOW) == Finalize()


def test_a_draft_is_left_its_hour_by_policy() -> None:
    waits = decide(draft(policy=Policy(finalize="leave")), NOW)
    assert isinstance(waits, WaitUntil)
    assert waits.at is not None
    assert NOW + HOUR < waits.at < NOW + 2 * HOUR


def test_a_draft_made_by_hand_is_left_to_stripe() -> None:
    one = view(invoice("draft", billing_reason="manual", finalizes_at=NOW + HOUR))
    assert isinstance(decide(one, NOW), WaitUntil)


def test_a_draft_that_somebody_keeps_is_kept() -> None:
    one = view(invoice("draft", auto_advance=False))
    assert decide(one, NOW) == WaitUntil(None, "somebody keeps it as a draft")


def test_a_draft_kept_in_a_pause_is_left_once_its_subscription_has_ended() -> None:
    one = view(invoice("draft", auto_advance=False, created=NOW - 24 * HOUR), kept_in_pause=True)
    assert decide(one, NOW) == Finalize()
    ended = replace(one, subscription=ENDED)
    assert decide(ended, NOW) == Done("left as a draft: its subscription has ended")


def test_a_held_draft_waits_for_its_checkout() -> None:
    one = view(invoice("draft", auto_advance=False), hold="held")
    assert decide(one, NOW) == WaitUntil(None, "held until its checkout is confirmed")


def test_a_released_draft_is_finalized() -> None:
    one = view(invoice("draft", auto_advance=False), hold="released")
    assert decide(one, NOW) == Finalize()


def test_a_draft_that_stripe_could_not_finalize_waits_its_hour() -> None:
    assert decide(draft(not_before=NOW + HOUR), NOW) == WaitUntil(NOW + HOUR, "Stripe could not finalize it")
    assert decide(draft(not_before=NOW), NOW) == Finalize()


@pytest.mark.parametrize("reason", ["manual", "subscription_cycle"])
def test_a_draft_whose_missing_location_was_filled_in_is_finalized_at_once(reason: str) -> None:
    billed = invoice("draft", billing_reason=reason, location_filled=True)
    assert decide(view(billed, not_before=NOW + HOUR), NOW) == Finalize()
    assert decide(view(replace(billed, auto_advance=False)), NOW) == WaitUntil(None, "somebody keeps it as a draft")


def test_a_draft_that_stripe_itself_can_not_finalize_is_put_before_a_human() -> None:
    billed = invoice("draft", billing_reason="manual", finalization_error="the customer's location is not known")
    one = view(replace(billed, finalizes_at=NOW - HOUR))
    assert isinstance(decide(one, NOW), OpenCase)


# --- law 3: the last look ------------------------------------------------------------------------------------------


def test_the_first_charge_takes_what_remains() -> None:
    one = view(invoice(amount_due=DUE, amount_remaining=600))
    assert decide(one, NOW) == Charge("pm_1", "con_1", 600, 1, "first")


def test_a_charge_needs_a_look_of_the_last_two_seconds() -> None:
    just = view(read_at=NOW - FRESH)
    late = view(read_at=NOW - FRESH - timedelta(milliseconds=1))
    assert isinstance(decide(just, NOW), Charge)
    assert decide(late, NOW) == Read()


@pytest.mark.parametrize("paying", [StripePayment.PROCESSING, StripePayment.PAID])
def test_no_charge_beside_a_payment_of_stripes(paying: StripePayment) -> None:
    waits = decide(view(invoice(stripe_payment=paying)), NOW)
    assert waits == WaitUntil(NOW + STRIPE_PAYMENT_WAIT, "Stripe itself is collecting a payment on it")


@pytest.mark.parametrize("remaining", [0, -1])
def test_no_charge_where_nothing_remains(remaining: int) -> None:
    assert isinstance(decide(view(invoice(amount_remaining=remaining)), NOW), WaitUntil)


@pytest.mark.parametrize("status", ["paid", "uncollectible", "void", "deleted"])
def test_no_charge_once_it_is_closed(status: str) -> None:
    assert isinstance(decide(view(invoice(status)), NOW), Done)


def test_no_charge_after_its_checkout_has_ended() -> None:
    assert decide(view(abandoned=True), NOW) == Done("its checkout has ended")


def test_no_charge_before_its_checkout_is_confirmed() -> None:
    """Staff can finalize the draft at Stripe; the customer's other methods still must not be charged for it."""
    assert decide(view(hold="held"), NOW) == WaitUntil(None, "held until its checkout is confirmed")
    assert isinstance(decide(view(hold="released"), NOW), Charge)


def test_an_amount_that_can_not_be_said_to_the_processor_waits_for_a_human() -> None:
    """Scenario 200: never a decline, and not asked again at every poke."""
    one = view(open_cases=frozenset({CaseKind.AMOUNT_INEXPRESSIBLE}))
    assert isinstance(decide(one, NOW), WaitUntil)


def test_an_older_invoice_of_the_subscription_goes_first() -> None:
    assert isinstance(decide(view(older_first=True), NOW), WaitUntil)


def test_what_the_processor_does_not_take_is_put_before_a_human() -> None:
    low = view(methods=(replace(METHOD, minimum=DUE + 1),))
    high = view(methods=(replace(METHOD, maximum=DUE - 1),))
    assert isinstance(below := decide(low, NOW), OpenCase)
    assert below.kind is CaseKind.BELOW_PROCESSOR_MINIMUM
    assert isinstance(above := decide(high, NOW), OpenCase)
    assert above.kind is CaseKind.ABOVE_PROCESSOR_MAXIMUM
    assert isinstance(decide(replace(low, open_cases=frozenset({below.kind})), NOW), WaitUntil)


def test_what_the_payer_has_not_agreed_to_is_put_before_a_human() -> None:
    """Scenario 226."""
    capped = replace(METHOD, agreed_maximum=DUE - 1)
    above = decide(view(methods=(capped,)), NOW)
    assert isinstance(above, OpenCase)
    assert above.kind is CaseKind.ABOVE_AGREED_MAXIMUM
    known = view(methods=(capped,), open_cases=frozenset({above.kind}))
    assert decide(known, NOW) == WaitUntil(None, above.reason)
    assert isinstance(decide(view(methods=(replace(METHOD, agreed_maximum=DUE),)), NOW), Charge)


@pytest.mark.parametrize("bound", ["maximum", "agreed_maximum"])
def test_another_method_of_the_payers_that_takes_so_much_goes_instead(bound: str) -> None:
    small, other = replace(METHOD, **{bound: DUE - 1}), replace(METHOD, id="pm_2", position=1)
    charge = decide(view(methods=(small, other)), NOW)
    assert isinstance(charge, Charge)
    assert charge.method == "pm_2"
    only_the_first = view(methods=(small, other), policy=Policy(fallback="never"))
    assert isinstance(decide(only_the_first, NOW), OpenCase)


def test_bounds_are_part_of_what_is_taken() -> None:
    exact = view(methods=(replace(METHOD, minimum=DUE, maximum=DUE),))
    assert isinstance(decide(exact, NOW), Charge)


# --- law 4: unknown ------------------------------------------------------------------------------------------------


def unknown(**changes: object) -> InvoiceView:
    """An attempt whose answer never came, whose next look is due."""
    return view(attempts=(attempt("unknown", **changes),))


def asked(**changes: object) -> InvoiceView:
    """The same, after it was looked up as often as must be, and once more."""
    return unknown(lookups=LOOKUPS_BEFORE_REPLAY + 1, **changes)


def test_a_sender_that_died_leaves_an_unknown_attempt() -> None:
    assert decide(view(attempts=(attempt("sending"),)), NOW) == MarkUnknown("att_1")


@pytest.mark.parametrize("lookups", range(LOOKUPS_BEFORE_REPLAY))
def test_an_unknown_attempt_is_looked_up_first(lookups: int) -> None:
    assert decide(unknown(lookups=lookups), NOW) == Resolve("att_1", "lookup")


def test_then_the_same_bytes_are_sent_again() -> None:
    assert decide(asked(), NOW) == Resolve("att_1", "replay")


def test_a_replay_needs_a_last_look() -> None:
    assert decide(replace(asked(), read_at=NOW - HOUR), NOW) == Read()


def test_the_next_look_waits_for_its_time() -> None:
    at = NOW + timedelta(minutes=5)
    assert decide(unknown(resolve_at=at), NOW) == WaitUntil(at, "attempt 1 is unknown")
    assert decide(unknown(resolve_at=NOW), NOW) == Resolve("att_1", "lookup")


def test_a_key_protects_for_its_window_less_a_tenth() -> None:
    protected = CAPABILITIES.idempotency.window * 0.9
    cases = frozenset({CaseKind.OUTCOME_UNKNOWN})
    inside = replace(asked(sent_at=NOW - protected + SECOND), open_cases=cases)
    outside = replace(asked(sent_at=NOW - protected), open_cases=cases)
    assert decide(inside, NOW) == Resolve("att_1", "replay")
    assert decide(outside, NOW) == Resolve("att_1", "lookup")


NOT_WANTED = {
    "another_amount": asked(amount=DUE - 1),
    "voided": replace(asked(), invoice=invoice("void")),
    "paid": replace(asked(), invoice=invoice("paid")),
    "uncollectible": replace(asked(), invoice=invoice("uncollectible")),
    "paying_at_stripe": replace(asked(), invoice=invoice(stripe_payment=StripePayment.PROCESSING)),
    "paid_at_stripe": replace(asked(), invoice=invoice(stripe_payment=StripePayment.PAID)),
    "checkout_ended": replace(asked(), abandoned=True),
    "to_be_void": replace(asked(), void_asked=True),
    "method_stopped": replace(asked(), methods=(replace(METHOD, status=MethodStatus.STOPPED),)),
    "method_gone": replace(asked(), methods=()),
}


@pytest.mark.parametrize("one", NOT_WANTED.values(), ids=NOT_WANTED.keys())
def test_nothing_is_sent_again_that_is_not_wanted_now(one: InvoiceView) -> None:
    assert decide(one, NOW) == Resolve(one.attempts[-1].id, "lookup")


@pytest.mark.parametrize("capabilities", [CAPABILITIES, RUNS_AGAIN], ids=["same_answer", "runs_again"])
def test_asking_and_sending_again_take_turns(capabilities: Capabilities) -> None:
    """So one that runs again after an error is asked before every replay."""
    hows = []
    for lookups in range(LOOKUPS_BEFORE_REPLAY, LOOKUPS_BEFORE_REPLAY + 6):
        action = decide(unknown(lookups=lookups, capabilities=capabilities, looked_at=NOW - SECOND), NOW)
        assert isinstance(action, Resolve)
        hows.append(action.how)
    assert hows == ["lookup", "replay"] * 3


def test_one_that_runs_again_and_can_not_be_asked_is_never_sent_again() -> None:
    capabilities = replace(RUNS_AGAIN, lookup=Lookup.NONE)
    assert isinstance(decide(asked(capabilities=capabilities), NOW), WaitUntil)


VISIBLE_AFTER = RUNS_AGAIN.call_timeout + RUNS_AGAIN.lookup_lag


@pytest.mark.parametrize(
    ("looked_at", "how"),
    [
        (None, "lookup"),
        (NOW - DAY + VISIBLE_AFTER, "lookup"),
        (NOW - DAY + VISIBLE_AFTER + SECOND, "replay"),
    ],
    ids=["never", "too_early", "after_the_lag"],
)
def test_one_that_runs_again_is_sent_again_only_after_a_look_that_could_see_the_first(
    looked_at: datetime | None, how: Literal["lookup", "replay"]
) -> None:
    """A look-up that failed is none: scenario 89."""
    assert decide(asked(capabilities=RUNS_AGAIN, sent_at=NOW - DAY, looked_at=looked_at), NOW) == Resolve("att_1", how)


def test_nor_before_one_that_could_see_the_last_replay() -> None:
    one = asked(capabilities=RUNS_AGAIN, sent_at=NOW - DAY, resent_at=NOW - HOUR, looked_at=NOW - HOUR + VISIBLE_AFTER)
    assert decide(one, NOW) == Resolve("att_1", "lookup")


def test_before_one_that_runs_again_is_sent_again_somebody_looked_who_could_see_the_first() -> None:
    """The practice processor's waits, on a processor that runs a request again; every look shows nothing."""
    waits = [timedelta(seconds=s) for s in (10, 60, 300, 900, 3600, 6 * 3600)]
    now, looks = NOW, []
    for lookups in range(len(waits)):
        now += waits[lookups]
        looked_at = looks[-1] if looks else None
        one = unknown(lookups=lookups, capabilities=RUNS_AGAIN, sent_at=NOW, looked_at=looked_at)
        action = decide(replace(one, read_at=now), now)
        assert isinstance(action, Resolve)
        if action.how == "replay":
            assert looks[-1] > NOW + VISIBLE_AFTER
            return
        looks.append(now)
    raise AssertionError("never sent again")


def test_one_that_can_not_be_asked_is_only_sent_again() -> None:
    one = unknown(capabilities=CANNOT_BE_ASKED)
    assert decide(one, NOW) == Resolve("att_1", "replay")


def test_one_that_can_not_be_asked_nor_sent_again_waits() -> None:
    one = unknown(capabilities=CANNOT_BE_ASKED, amount=DUE + 1)
    waits = decide(one, NOW)
    assert isinstance(waits, WaitUntil)
    assert waits.at == NOW + CANNOT_BE_ASKED.unknown_schedule[-1]


def test_in_the_end_a_human_is_asked_and_asking_goes_on() -> None:
    old = unknown(sent_at=NOW - DAY - SECOND, lookups=LOOKUPS_BEFORE_REPLAY + 1, amount=DUE + 1)
    assert isinstance(case := decide(old, NOW), OpenCase)
    assert case.kind is CaseKind.OUTCOME_UNKNOWN
    assert decide(replace(old, open_cases=frozenset({case.kind})), NOW) == Resolve("att_1", "lookup")


@pytest.mark.parametrize("lookups", range(LOOKUPS_BEFORE_REPLAY + 1))
def test_after_a_downtime_of_ours_it_is_looked_for_before_a_human_is_asked(lookups: int) -> None:
    assert isinstance(decide(unknown(sent_at=NOW - 3 * DAY, lookups=lookups), NOW), Resolve)
    assert isinstance(decide(pending(sent_at=NOW - 30 * DAY), NOW), Resolve)


@pytest.mark.parametrize("state", ["unknown", "pending", "requires_action"])
def test_where_no_one_can_be_asked_a_human_is_at_once(state: str) -> None:
    old = attempt(state, capabilities=CANNOT_BE_ASKED, sent_at=NOW - 30 * DAY)
    assert isinstance(decide(view(attempts=(old,)), NOW), OpenCase)


@pytest.mark.parametrize("days", range(0, 60, 5))
def test_an_unknown_outcome_is_never_a_failure_however_old(days: int) -> None:
    one = replace(asked(sent_at=NOW - days * DAY), open_cases=frozenset({CaseKind.OUTCOME_UNKNOWN}))
    assert isinstance(decide(one, NOW), Resolve | WaitUntil)


# --- pending -------------------------------------------------------------------------------------------------------


def pending(**changes: object) -> InvoiceView:
    return view(attempts=(attempt("pending", **changes),))


def test_a_pending_attempt_is_polled_not_repeated() -> None:
    assert decide(pending(), NOW) == Resolve("att_1", "lookup")


def test_where_no_one_can_be_asked_the_webhook_is_awaited() -> None:
    waits = decide(pending(capabilities=CANNOT_BE_ASKED), NOW)
    assert waits == WaitUntil(NOW + CANNOT_BE_ASKED.pending_schedule[-1], "only a webhook can say how it ended")


@pytest.mark.parametrize("state", ["pending", "requires_action"])
@pytest.mark.parametrize("ended", ["void", "paid", "uncollectible", "checkout"])
def test_what_nobody_wants_any_more_is_withdrawn(state: str, ended: str) -> None:
    attempts = (attempt(state),)
    one = view(attempts=attempts, abandoned=True) if ended == "checkout" else view(invoice(ended), attempts=attempts)
    assert decide(one, NOW) == CancelPending("att_1")


def test_what_nobody_wants_any_more_is_withdrawn_without_waiting_for_the_next_poll() -> None:
    one = replace(pending(resolve_at=NOW + DAY), invoice=invoice("void"))
    assert decide(one, NOW) == CancelPending("att_1")


def test_what_the_processor_would_not_withdraw_is_asked_again_at_the_next_poll() -> None:
    at = NOW + DAY
    one = replace(pending(withdrawn=True, resolve_at=at), invoice=invoice("void"))
    assert decide(one, NOW) == WaitUntil(at, "attempt 1 is pending")
    assert decide(one, at) == CancelPending("att_1")


def test_a_pending_attempt_for_more_than_is_wanted_now_is_withdrawn() -> None:
    """Scenario 191: a credit note came while it was on its way. One for less is left to arrive."""
    credited = replace(pending(), invoice=invoice(amount_due=600, amount_remaining=600))
    grown = replace(pending(amount=600), invoice=invoice())
    assert decide(credited, NOW) == CancelPending("att_1")
    assert decide(grown, NOW) == Resolve("att_1", "lookup")


def test_what_can_not_be_withdrawn_is_polled() -> None:
    capabilities = replace(CAPABILITIES, cancel=False)
    assert decide(replace(pending(capabilities=capabilities), invoice=invoice("void")), NOW) == Resolve(
        "att_1", "lookup"
    )


def test_pending_too_long_is_a_case_and_no_new_charge() -> None:
    old = pending(sent_at=NOW - CAPABILITIES.max_pending - SECOND, lookups=1)
    assert isinstance(case := decide(old, NOW), OpenCase)
    assert case.kind is CaseKind.PENDING_TOO_LONG
    assert decide(replace(old, open_cases=frozenset({case.kind})), NOW) == Resolve("att_1", "lookup")


# --- law 5: held money ---------------------------------------------------------------------------------------------


def test_a_capture_is_named_then_recorded() -> None:
    assert decide(holding(), NOW) == Tag("att_1")
    assert decide(holding(billed=tagged()), NOW) == Record("att_1", DUE)


def test_another_attempts_name_on_the_invoice_does_not_do() -> None:
    assert decide(holding(billed=tagged(attempt="att_0")), NOW) == Tag("att_1")


def test_the_whole_way_from_a_capture_to_rest() -> None:
    rested, steps = run(holding(), NOW)
    assert [type(step) for step in steps] == [Tag, Record, Done]
    assert rested.held_money == 0


def test_a_capture_that_is_to_be_returned_pays_nothing() -> None:
    attempts = (attempt("succeeded"), attempt("succeeded", 2, surplus=True))
    assert decide(view(attempts=attempts, held_money=DUE), NOW) == Tag("att_1")


def test_more_than_is_wanted_is_recorded_and_the_rest_goes_back() -> None:
    rested, steps = run(holding(1300), NOW)
    assert [type(step) for step in steps] == [Tag, Record, ReturnSurplus, Done]
    assert [refund.amount for refund in rested.refunds] == [300]
    assert (rested.held_money, rested.open_cases) == (0, frozenset())


POLICIES = [Policy(returns="case"), Policy(returns_up_to={"eur": 299}), Policy(overpayment="case")]


@pytest.mark.parametrize("policy", POLICIES)
def test_more_than_goes_back_by_itself_is_a_case(policy: Policy) -> None:
    rested, steps = run(holding(1300, policy=policy), NOW)
    assert [type(step) for step in steps] == [Tag, Record, OpenCase, WaitUntil]
    assert rested.held_money == 300
    assert rested.open_cases == {CaseKind.OVERPAID}


def test_what_could_not_be_returned_is_a_case() -> None:
    tried = RefundRow("rfd_1", RefundOrigin.SURPLUS, RefundState.REFUSED, 300, NOW, "att_1")
    rested, _ = run(holding(1300, refunds=(tried,)), NOW)
    assert rested.open_cases == {CaseKind.OVERPAID}
    assert rested.refunds == (tried,)


@pytest.mark.parametrize(
    ("held", "states", "is_over"),
    [
        (300, [], False),
        (300, [RefundState.FAILED], False),
        (0, [], True),
        (-100, [], True),
        (0, [RefundState.FAILED, RefundState.SUCCEEDED], True),
        (0, [RefundState.FAILED, RefundState.UNKNOWN], False),
        (0, [RefundState.PENDING], False),
        (0, [RefundState.DEFERRED], False),
    ],
)
def test_a_case_of_too_much_is_over_once_none_of_it_is_held_or_on_its_way(
    held: int, states: list[RefundState], is_over: bool
) -> None:
    """However it went: back, to the customer's credit, or taken by the bank."""
    back = tuple(
        RefundRow(f"rfd_{n}", RefundOrigin.SURPLUS, state, 300, NOW, "att_1") for n, state in enumerate(states)
    )
    one = view(invoice("paid"), refunds=back, held_money=held, open_cases=frozenset({CaseKind.OVERPAID}))
    assert (CaseKind.OVERPAID in outdated(one)) == is_over


def test_recording_needs_no_fresh_look() -> None:
    """Few calls: what it takes at Stripe is what Stripe's answer shows."""
    assert isinstance(decide(holding(billed=tagged(), read_at=NOW - DAY), NOW), Record)


def test_a_recording_without_an_answer_is_told_again() -> None:
    one = holding(billed=tagged(), recordings=(recording("unknown"),))
    assert isinstance(decide(one, NOW), Record)


def test_failing_to_record_leads_to_no_charge() -> None:
    for told in ("sending", "unknown", "refused"):
        one = holding(billed=tagged(), recordings=(recording(told),))
        assert not isinstance(decide(one, NOW), Charge | MarkSurplus)


@pytest.mark.parametrize("answer", ["refused", "unknown"])
def test_what_stripe_never_lets_us_record_becomes_a_case(answer: Answer) -> None:
    one, now, told = holding(billed=tagged()), NOW, []
    while CaseKind.RECORDING_FAILED not in one.open_cases:
        one, steps = run(one, now, stripe=answer)
        told += [now for step in steps if isinstance(step, Record)]
        rest = steps[-1]
        assert isinstance(rest, WaitUntil)
        assert rest.at is not None
        now = max(rest.at, now)
    assert [at - NOW for at in told] == [timedelta(0), timedelta(0), timedelta(seconds=30)]
    assert not any(isinstance(step, Charge | MarkSurplus) for step in run(one, now + DAY, stripe=answer)[1])


def test_after_the_repair_it_is_recorded() -> None:
    failed = tuple(recording("refused", number=number) for number in range(1, 9))
    cases = frozenset({CaseKind.RECORDING_FAILED})
    one = holding(billed=tagged(), recordings=failed, open_cases=cases)
    waits = decide(one, NOW - timedelta(seconds=1))
    assert waits == WaitUntil(NOW, "Stripe did not take the payment")
    rested, steps = run(one, NOW)
    assert [type(step) for step in steps] == [Record, Done]
    assert rested.held_money == 0


def test_nothing_is_recorded_where_nothing_remains() -> None:
    one = holding(billed=tagged(invoice(amount_remaining=0)))
    waits = decide(one, NOW)
    assert isinstance(waits, WaitUntil)
    assert waits.at is not None


@pytest.mark.parametrize("state", ["pending", "requires_action", "unknown"])
def test_money_that_pays_it_is_recorded_beside_a_further_attempt_that_is_on_its_way(state: str) -> None:
    """Scenario 65: the first try succeeded late. The second one is withdrawn then, or found out."""
    attempts = (attempt("succeeded"), attempt(state, 2))
    rested, steps = run(view(attempts=attempts, held_money=DUE), NOW)
    assert [type(step) for step in steps[:2]] == [Tag, Record]
    assert isinstance(steps[2], Resolve if state == "unknown" else CancelPending)
    assert rested.held_money == 0


def test_not_while_that_one_is_being_sent() -> None:
    attempts = (attempt("succeeded"), attempt("sending", 2))
    assert decide(view(attempts=attempts, held_money=DUE), NOW) == MarkUnknown("att_2")


@pytest.mark.parametrize("status", ["void", "deleted"])
def test_money_for_a_closed_invoice_is_the_payers(status: str) -> None:
    assert decide(holding(billed=invoice(status)), NOW) == MarkSurplus("att_1", "late_success_closed_invoice")


def test_an_uncollectible_invoice_is_paid_while_its_subscription_lives() -> None:
    assert decide(holding(billed=tagged(invoice("uncollectible"))), NOW) == Record("att_1", DUE)


def test_and_not_once_that_has_ended() -> None:
    one = holding(billed=tagged(invoice("uncollectible")), subscription=ENDED)
    assert decide(one, NOW) == MarkSurplus("att_1", "late_success_closed_invoice")


@pytest.mark.parametrize("status", ["open", "uncollectible"])
def test_money_that_comes_after_its_checkout_ended_is_the_payers(status: str) -> None:
    """The subscription is being cancelled: paying for it now would take money for nothing."""
    one = holding(billed=tagged(invoice(status)), abandoned=True)
    assert decide(one, NOW) == MarkSurplus("att_1", "late_success_closed_invoice")


def test_a_second_capture_beside_the_recorded_one_is_surplus() -> None:
    attempts = (attempt("succeeded"), attempt("succeeded", 2))
    one = view(invoice("paid"), attempts=attempts, recordings=(recording("recorded"),), held_money=DUE)
    assert decide(one, NOW) == MarkSurplus("att_2", "the invoice was paid by another capture")


def test_no_more_is_given_back_than_is_held() -> None:
    """Two halves paid for it, while a credit note of 4.00 came between the look and the call: 4.00 is too much."""
    attempts = (attempt("succeeded", captured=600), attempt("succeeded", 2, captured=400))
    one = view(
        invoice("paid", amount_due=600, amount_paid=600, pre_payment_credit=400),
        attempts=attempts,
        recordings=(recording("recorded", of="att_2", amount=600),),
        held_money=400,
    )
    rested, steps = run(one, NOW)
    assert steps[0] == ReturnSurplus("att_1", 400)
    assert isinstance(steps[-1], Done)
    assert rested.open_cases == frozenset()
    assert rested.held_money == 0


def test_money_for_which_no_capture_stands_is_a_case() -> None:
    rested, steps = run(view(attempts=(attempt("reversed"),), held_money=DUE), NOW)
    assert [type(step) for step in steps] == [OpenCase, WaitUntil]
    assert rested.open_cases == {CaseKind.OVERPAID}


# --- law 6: how it was paid ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", ["sending", "unknown"])
def test_a_lost_answer_is_found_on_the_invoice(told: str) -> None:
    one = holding(billed=tagged(invoice("paid")), recordings=(recording(told),))
    assert decide(one, NOW) == ConfirmRecording("rec_1")


def test_already_paid_by_our_earlier_call_is_success() -> None:
    """The first call's answer was lost, the second was refused since the first had worked."""
    recordings = (recording("unknown"), recording("refused", number=2))
    one = holding(billed=tagged(invoice("paid")), recordings=recordings)
    assert decide(one, NOW) == ConfirmRecording("rec_1")


def test_a_payment_at_stripe_makes_ours_surplus() -> None:
    billed = tagged(invoice("paid", stripe_payment=StripePayment.PAID))
    one = holding(billed=billed, recordings=(recording("unknown"),))
    assert isinstance(decide(one, NOW), MarkSurplus)


def test_credited_to_zero_makes_ours_surplus() -> None:
    billed = invoice("paid", amount_due=0, amount_paid=0, pre_payment_credit=DUE)
    assert isinstance(decide(holding(billed=billed), NOW), MarkSurplus)


@pytest.mark.parametrize("recordings", [(), (recording("refused"),)])
def test_paid_by_hand_is_a_case_and_nothing_is_returned(recordings: tuple) -> None:
    rested, steps = run(holding(billed=tagged(invoice("paid")), recordings=recordings), NOW)
    assert [type(step) for step in steps] == [OpenCase, WaitUntil]
    assert rested.open_cases == {CaseKind.PAID_BY_HAND}


# --- law 7: giving up ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["sending", "pending", "requires_action", "unknown"])
def test_nothing_gives_up_while_an_attempt_is_unresolved(state: str) -> None:
    attempts = (*declined_at(200, 170, 120), attempt(state, 4))
    one = view(invoice(due_date=NOW - DAY), attempts=attempts)
    action = decide(one, NOW)
    assert isinstance(action, Resolve | MarkUnknown)


def test_a_climbed_ladder_is_a_case() -> None:
    rested, steps = run(view(attempts=declined_at(120, 96, 48, 1)), NOW)
    assert [type(step) for step in steps] == [OpenCase, WaitUntil]
    assert rested.open_cases == {CaseKind.COLLECTION_EXHAUSTED}


def test_without_a_payment_method_it_waits_for_one() -> None:
    assert isinstance(decide(view(methods=()), NOW), WaitUntil)


# --- what a processor may lack -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lookup", Lookup)
def test_only_what_can_be_asked_is_asked(lookup: Lookup) -> None:
    capabilities = replace(CAPABILITIES, lookup=lookup, cancel=False)
    for state in ("pending", "requires_action", "unknown"):
        one = view(attempts=(attempt(state, capabilities=capabilities),))
        check(one, decide(one, NOW), NOW)


# --- money that the bank took back ---------------------------------------------------------------------------------


def test_what_stripe_shows_as_paid_and_was_taken_back_is_put_before_a_human() -> None:
    taken_back = view(invoice("paid"), attempts=(attempt("reversed"),), held_money=-DUE)
    action = decide(taken_back, NOW)
    assert isinstance(action, OpenCase)
    assert action.kind is CaseKind.CAPTURE_REVERSED
    known = replace(taken_back, open_cases={CaseKind.CAPTURE_REVERSED})
    assert isinstance(decide(known, NOW), WaitUntil)
    assert not outdated(known)
    assert list(outdated(replace(known, held_money=0))) == [CaseKind.CAPTURE_REVERSED]


def test_money_that_was_taken_back_is_never_charged_on_top() -> None:
    assert view(held_money=-DUE).wanted == DUE
