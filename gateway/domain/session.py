"""The next step of a checkout session. Pure, like `decide`: it is asked again after every step."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

import msgspec

from db.states import INVOICE_UNRESOLVED, AttemptState, InvoiceState, SessionState
from gateway.domain.policy import Policy

BESIDE_WAIT = timedelta(minutes=1)
"""How soon to look again whether a charge beside the session's own has ended: nobody pokes the session then."""
PAYING_WAIT = timedelta(hours=1)
"""How soon to look again whether a payment at Stripe has ended; its event is mostly quicker."""


class SessionView(msgspec.Struct, frozen=True):
    """One session, its first invoice, and the last attempt on that."""

    state: SessionState
    policy: Policy
    expires_at: datetime
    customer: str = ""
    subscription: str = ""
    invoice: str = ""
    held: bool = False
    """Whether Stripe holds the draft (`auto_advance` is off)."""
    confirm_at_once: bool = False
    payment_method: str = ""
    drop_setups_at: datetime | None = None
    """When the first of its set-ups of which a method may still come is to be looked at; None: there is none."""
    told_stripe: bool = False
    invoice_state: InvoiceState | None = None
    invoice_status: str = ""
    seen_lately: bool = True
    """Whether the invoice's mirror is young enough to end something on its word."""
    attempt: AttemptState | None = None
    subscription_ended: bool = False
    charging_beside: bool = False
    """An attempt for any invoice of the subscription is unresolved."""
    cleanup_done: bool = False
    looked_for_subscription: bool = False
    """Whether Stripe was asked for a subscription that a lost answer may have left behind."""
    method_is_only_ours: bool = False
    """Its payment method was stored by it, and nothing else needs it."""
    hosted: bool = False
    """Its payer pays on Stripe's own page of the invoice; no payment method is collected."""
    on_page: bool = False
    """Its invoice is paid on that page: it is `hosted`, or its subscription was switched there meanwhile."""
    paying: bool = False
    """A payment at Stripe is under way on the invoice."""

    @property
    def is_paid(self) -> bool:
        """Whether the invoice is paid, by whatever means: what Stripe shows may be newer than our projection."""
        return self.invoice_state is InvoiceState.PAID or self.invoice_status == "paid"


class Step(StrEnum):
    """What to do with the session next."""

    CREATE_CUSTOMER = "create_customer"
    READ_INVOICE = "read_invoice"
    FIND_SUBSCRIPTION = "find_subscription"
    CREATE_SUBSCRIPTION = "create_subscription"
    HOLD_DRAFT = "hold_draft"
    OPEN = "open"
    CONFIRM = "confirm"
    COMPLETE_SETUP = "complete_setup"
    TELL_STRIPE = "tell_stripe"
    RELEASE = "release"
    COMPLETE = "complete"
    EXPIRE = "expire"
    CANCEL_SUBSCRIPTION = "cancel_subscription"
    CLOSE_INVOICE = "close_invoice"
    DROP_SETUP = "drop_setup"
    REVOKE_METHOD = "revoke_method"
    FINISH_CLEANUP = "finish_cleanup"


class Fail(msgspec.Struct, frozen=True):
    """End the session without its money; its subscription is cancelled next."""

    code: str
    reason: str


class Rest(msgspec.Struct, frozen=True):
    """Nothing to do before `at`, or before the next poke."""

    at: datetime | None = None


NextStep: TypeAlias = Step | Fail | Rest

_STUCK = (InvoiceState.NEEDS_PAYMENT_METHOD, InvoiceState.NOT_OURS)
_WAITING = (InvoiceState.DRAFT, InvoiceState.DUE)
_CLOSED = ("paid", "void", "uncollectible", "deleted")


def decide_session(view: SessionView, now: datetime) -> NextStep:
    """The next step for a session at business time `now`."""
    match view.state:
        case SessionState.CREATING:
            return Step.EXPIRE if now >= view.expires_at else _create(view)
        case SessionState.OPEN:
            if view.is_paid:
                # Staff finalized it and somebody paid: there is nothing left to confirm, and nothing to cancel.
                return Step.COMPLETE
            if now < view.expires_at:
                return Rest(view.expires_at)
            return _expire(view, now)
        case SessionState.PROCESSING:
            return _paid_there(view, now) if view.hosted else _collect(view, now)
        case SessionState.COMPLETE:
            return _drop_setups(view, now) or Rest()
        case SessionState.FAILED | SessionState.EXPIRED:
            return _clean_up(view, now)


def _create(view: SessionView) -> NextStep:
    if not view.customer:
        return Step.CREATE_CUSTOMER
    if not view.subscription:
        return Step.CREATE_SUBSCRIPTION
    if not view.held and view.invoice_status == "draft":
        return Step.HOLD_DRAFT
    return Step.CONFIRM if view.confirm_at_once else Step.OPEN


def _collect(view: SessionView, now: datetime) -> NextStep:
    if view.is_paid:
        return Step.COMPLETE
    if not view.payment_method:
        if now >= view.expires_at:
            return Step.EXPIRE
        return Step.COMPLETE_SETUP
    if not view.told_stripe:
        return Step.TELL_STRIPE
    if not view.invoice:
        # What is billed in arrears alone has no first invoice (docs: billing/subscriptions/billing-mode).
        return Step.COMPLETE
    if view.on_page:
        return _left_to_payer(view, now)
    if view.invoice_state in (InvoiceState.UNCOLLECTIBLE, InvoiceState.CLOSED):
        return Fail("invoice_closed", f"the invoice is {view.invoice_status} in Stripe")
    if view.invoice_state is InvoiceState.EXHAUSTED and view.policy.first_decline == "fail":
        return Fail("payment_failed", "every try was declined")
    if view.attempt is AttemptState.DECLINED and view.policy.first_decline == "fail":
        return Fail("payment_declined", "the first charge was declined")
    if now < view.expires_at:
        return Rest(view.expires_at)
    if view.attempt is AttemptState.REQUIRES_ACTION:
        return Fail("action_abandoned", "the payer did not act")
    # What was tried is the ladder's, where the policy leaves a first decline to it.
    fails = view.policy.first_decline == "fail"
    stuck = view.invoice_state in _STUCK and (fails or view.attempt is None)
    if stuck or (view.invoice_state in _WAITING and fails):
        return Fail("not_collected", "it could not be collected before the session ended")
    return Rest()


def _paid_there(view: SessionView, now: datetime) -> NextStep:
    """Finalized, and left to its payer, on Stripe's page."""
    if view.is_paid:
        return Step.COMPLETE
    if not view.told_stripe:
        return Step.RELEASE
    if not view.invoice:
        # As above: nothing is due yet.
        return Step.COMPLETE
    return _left_to_payer(view, now)


def _left_to_payer(view: SessionView, now: datetime) -> NextStep:
    if view.invoice_state in (InvoiceState.UNCOLLECTIBLE, InvoiceState.CLOSED):
        return Fail("invoice_closed", f"the invoice is {view.invoice_status} in Stripe")
    if now < view.expires_at:
        return Rest(view.expires_at)
    # Where a first decline is left to the ladder, so is this to the invoice's due date.
    return _expire(view, now) if view.policy.first_decline == "fail" else Rest()


def _expire(view: SessionView, now: datetime) -> NextStep:
    """On a fresh look, and not while somebody pays on Stripe's page."""
    if not view.seen_lately:
        return Step.READ_INVOICE
    return Rest(now + PAYING_WAIT) if view.paying else Step.EXPIRE


def _clean_up(view: SessionView, now: datetime) -> NextStep:
    """End what was begun, and nothing while an attempt is unresolved (law 7)."""
    if view.cleanup_done:
        return _drop_setups(view, now) or Rest()
    if view.invoice_state in INVOICE_UNRESOLVED:
        return Rest()
    if not view.subscription and view.customer and not view.looked_for_subscription:
        return Step.FIND_SUBSCRIPTION
    if view.invoice and not view.seen_lately:
        return Step.READ_INVOICE
    if view.on_page and (step := _close_first(view, now)) is not None:
        return step
    if view.subscription and not view.subscription_ended and not view.is_paid:
        return Rest(now + BESIDE_WAIT) if view.charging_beside else Step.CANCEL_SUBSCRIPTION
    if view.invoice and view.invoice_status not in _CLOSED:
        return Step.CLOSE_INVOICE
    if view.drop_setups_at is not None and view.drop_setups_at <= now:
        return Step.DROP_SETUP
    if view.method_is_only_ours:
        return Step.REVOKE_METHOD
    return Step.FINISH_CLEANUP


def _close_first(view: SessionView, now: datetime) -> NextStep | None:
    """The page can be paid on until its invoice is closed: who is quicker keeps the subscription."""
    if not view.invoice or view.invoice_status in _CLOSED:
        return None
    return Rest(now + PAYING_WAIT) if view.paying else Step.CLOSE_INVOICE


def _drop_setups(view: SessionView, now: datetime) -> NextStep | None:
    """What a payer began and never confirmed, or began twice, isn't wanted: now, or when it will have ended itself."""
    if view.drop_setups_at is None:
        return None
    return Step.DROP_SETUP if view.drop_setups_at <= now else Rest(view.drop_setups_at)
