"""Views to decide on: builders that start from an ordinary open invoice of 10.00 on which nothing has happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from db.states import UNRESOLVED, AttemptState, MethodStatus, RecordingState
from gateway.domain.billed import ATTEMPT_KEY, BilledInvoice, StripePayment
from gateway.domain.policy import Policy
from gateway.domain.view import AttemptView, InvoiceView, MethodView, RecordingView, SubscriptionView
from processors.capabilities import Capabilities, Idempotency, Lookup, ReferenceRules, Replay

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
DUE_DATE = NOW + timedelta(days=10)
DUE = 1000

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)

CAPABILITIES = Capabilities(
    asynchronous=True,
    idempotency=Idempotency(window=timedelta(days=7), replay=Replay.SAME_ANSWER),
    lookup=Lookup.BY_REFERENCE,
    reference=ReferenceRules(max_length=64),
    call_timeout=timedelta(seconds=30),
    unknown_schedule=(timedelta(seconds=10), timedelta(minutes=5), timedelta(hours=6)),
    pending_schedule=(HOUR, DAY),
    max_pending=timedelta(days=7),
    lookup_lag=timedelta(minutes=15),
    not_found_is_conclusive=True,
    cancel=True,
)
"""A processor that does everything that one may."""

RUNS_AGAIN = replace(
    CAPABILITIES, idempotency=Idempotency(window=timedelta(days=7), replay=Replay.RUNS_AGAIN_AFTER_ERROR)
)
CANNOT_BE_ASKED = replace(CAPABILITIES, lookup=Lookup.NONE, cancel=False, not_found_is_conclusive=False)

METHOD = MethodView(
    id="pm_1", connection="con_1", status=MethodStatus.ACTIVE, position=0, created_at=NOW - timedelta(days=30)
)

INVOICE = BilledInvoice(
    id="in_1",
    status="open",
    collection_method="send_invoice",
    customer="cus_1",
    subscription="sub_1",
    currency="eur",
    amount_due=DUE,
    amount_paid=0,
    amount_remaining=DUE,
    total=DUE,
    pre_payment_credit=0,
    post_payment_credit=0,
    auto_advance=True,
    billing_reason="subscription_cycle",
    number="N-1",
    created=NOW - HOUR,
    due_date=DUE_DATE,
    finalizes_at=None,
    paid_at=None,
    stripe_payment=StripePayment.NONE,
)

VIEW = InvoiceView(
    id="in_1",
    policy=Policy(),
    invoice=INVOICE,
    read_at=NOW,
    stale=False,
    methods=(METHOD,),
    subscription=SubscriptionView("active"),
)


def invoice(status: str = "open", **changes: Any) -> BilledInvoice:
    """The invoice at Stripe, its amounts in keeping with its status unless they are given."""
    if status == "paid":
        changes = {"amount_remaining": 0, "amount_paid": DUE, "paid_at": NOW} | changes
    if status == "deleted":
        changes = {"amount_remaining": 0, "amount_due": 0} | changes
    return replace(INVOICE, status=status, **changes)


def view(billed: BilledInvoice = INVOICE, **changes: Any) -> InvoiceView:
    return replace(VIEW, invoice=billed, **changes)


def attempt(state: AttemptState | str, number: int = 1, **changes: Any) -> AttemptView:
    """An attempt of an hour ago; a success has captured all that it asked for."""
    state = AttemptState(state)
    sent_at = changes.pop("sent_at", NOW - HOUR)
    took = state in (AttemptState.SUCCEEDED, AttemptState.REVERSED)
    amount = changes.pop("amount", DUE)
    values: dict[str, Any] = {
        "id": f"att_{number}",
        "number": number,
        "connection": "con_1",
        "method": "pm_1",
        "amount": amount,
        "captured": amount if took else 0,
        "state": state,
        "sent_at": sent_at,
        "capabilities": CAPABILITIES,
        "resolved_at": None if state in UNRESOLVED else sent_at + SECOND,
    }
    return AttemptView(**(values | changes))


def recording(
    state: RecordingState | str,
    of: str = "att_1",
    amount: int = DUE,
    number: int = 1,
    resolved_at: datetime | None = NOW - HOUR,
) -> RecordingView:
    state = RecordingState(state)
    return RecordingView(f"rec_{number}", of, amount, state, None if state is RecordingState.SENDING else resolved_at)


def holding(captured: int = DUE, **changes: Any) -> InvoiceView:
    """An open invoice with one capture that Stripe doesn't know of."""
    billed = changes.pop("billed", INVOICE)
    capture = attempt("succeeded", captured=captured, **changes.pop("capture", {}))
    return view(billed, attempts=(capture,), held_money=captured, **changes)


def tagged(billed: BilledInvoice = INVOICE, attempt: str = "att_1") -> BilledInvoice:
    """The same invoice with its paying attempt named in the metadata."""
    return replace(billed, metadata={**billed.metadata, ATTEMPT_KEY: attempt})


def declined_at(*hours: float, **changes: Any) -> tuple[AttemptView, ...]:
    """Attempts that were declined so many hours before NOW, oldest first."""
    return tuple(
        attempt("declined", number, sent_at=NOW - timedelta(hours=ago), **changes)
        for number, ago in enumerate(sorted(hours, reverse=True), 1)
    )
