"""The two questions that people ask, of what both sides show: pure, and against the local Stripe."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from db import sql
from gateway.accounts.errors import NotThereError
from gateway.doctor.why import why
from gateway.domain import doctor_why_invoice, doctor_why_subscription
from gateway.domain.doctor_why_collector import Collecting, Paused
from gateway.domain.doctor_why_invoice import InvoiceFacts
from gateway.domain.doctor_why_subscription import DraftFacts, SubscriptionFacts
from tests.support.world import World

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=9)
HOUR = timedelta(hours=1)
DRAFT = DraftFacts("in_1", NOW - HOUR / 2, auto_advance=True, finalizes_at=NOW + HOUR / 2, ours="draft")
WELL = SubscriptionFacts(
    "sub_1",
    "active",
    "send_invoice",
    known_since=NOW,
    read_at=NOW,
    period_end=LATER,
    latest_invoice="in_0",
    latest_status="paid",
)

# What differs from a subscription that is well; a part of a sentence; what comes next, and when.
SUBSCRIPTIONS: dict[str, tuple[dict[str, Any], str, str, datetime | None]] = {
    "well": ({}, "Its latest invoice is in_0, which is paid", "Its period ends", LATER),
    "unknown here": ({"known_since": None}, "It is not known here", "Its period ends", LATER),
    "ended": ({"status": "canceled", "ended_at": NOW}, "It has ended", "No invoice comes any more", None),
    "Stripe's": ({"collection_method": "charge_automatically"}, "not collected here", "Its period ends", LATER),
    "incomplete": ({"status": "incomplete"}, "waits for a payment at Stripe", "Its period ends", LATER),
    "unpaid": ({"status": "unpaid"}, "its invoices stay drafts", "Its period ends", LATER),
    "paused": ({"status": "paused"}, "no invoice is made until it is resumed", "Nothing happens by itself", None),
    "trial": ({"trial_end": LATER}, "in its trial until 10 Mar 2027", "The first invoice that bills", LATER),
    "collection paused": ({"pause": "void"}, "paused (void): they are made", "Its period ends", LATER),
    "to end": ({"cancel_at": LATER}, "set to end on 10 Mar 2027", "It ends; a last invoice comes only", LATER),
    "a schedule": ({"schedule": "sub_sched_1"}, "The schedule sub_sched_1", "Its period ends", LATER),
    "metered only": (
        {"metered_only": True, "latest_invoice": "", "billing_mode": "flexible"},
        "Stripe makes no invoice at the start", "Its period ends", LATER,
    ),
    "a draft": ({"drafts": (DRAFT,)}, "in_1 is a draft for 30 min", "Stripe finalizes in_1", NOW + HOUR / 2),
    "a held draft": (
        {"drafts": (msgspec.structs.replace(DRAFT, auto_advance=False),)},
        "auto_advance is false", "Its period ends", LATER,
    ),
    "a draft that failed": (
        {"drafts": (msgspec.structs.replace(DRAFT, error="the customer's address"),)},
        "could not finalize it: the customer's address", "Finalizing is tried again", NOW + HOUR,
    ),
    "a draft that nobody heard of": (
        {"drafts": (msgspec.structs.replace(DRAFT, unheard=True),)},
        "Stripe waits for that, up to 72 hours", "Stripe finalizes in_1", DRAFT.created + timedelta(hours=72),
    ),
    "a failing endpoint": ({"undelivered": 4}, "4 events of the last three days wait", "Its period ends", LATER),
    "about to be billed": ({"period_end": NOW - HOUR}, "which is paid", "Its period is over", None),
}  # fmt: skip


@pytest.mark.parametrize("case", SUBSCRIPTIONS)
def test_why_no_invoice(case: str) -> None:
    changed, sentence, next_, at = SUBSCRIPTIONS[case]
    answer = doctor_why_subscription.explain(msgspec.structs.replace(WELL, **changed), NOW)
    assert any(sentence in told for told in answer.sentences), answer.sentences
    assert answer.next.startswith(next_), answer.next
    assert answer.next_at == (None if at is None else int(at.timestamp()))


PAID = InvoiceFacts("in_1", "paid", "paid", "paid", "paid", "eur", read_at=NOW, recordings=("recorded",), movements=1)
PAUSED = Collecting(pause=Paused("asked by phone", "boss", NOW))
OPEN = InvoiceFacts("in_1", "open", "open", "due", "", "eur", live_remaining=1000, read_at=NOW)
INVOICES: dict[str, tuple[InvoiceFacts, dict[str, Any], str, str]] = {
    "agreed": (PAID, {}, "That is one and the same", "Nothing more is due"),
    "paid there, open here": (
        PAID, {"status": "open", "state": "due", "recordings": ()}, "Our row still shows Stripe's status as open",
        "The next walk",
    ),
    "its event waits": (
        OPEN,
        {"live": "paid", "waits": True}
        | {"last_event": "invoice.paid", "last_event_at": NOW, "last_event_state": "stored"},
        "The last event about it was invoice.paid", "Its next turn reads it",
    ),
    "its event is parked": (
        OPEN, {"last_event": "invoice.paid", "last_event_state": "parked"}, "is parked", "Nothing happens by itself"
    ),
    "more came": (PAID, {"held": 200}, "2.00 EUR more came than the invoice took, and we hold it", "By the account's"),
    "captured and not recorded": (
        OPEN, {"state": "captured", "held": 1000, "recordings": ("refused",), "recorded_how": "no permission"},
        "Telling Stripe has come to: refused (no permission)", "Stripe is told that it is paid",
    ),
    "tried once": (OPEN, {"attempts": ("declined",)}, "One try was made, which ended as: declined.", ""),
    "one payment": (OPEN, {"movements": 1}, "The ledger has one move of money for it.", ""),
    "unresolved": (
        OPEN, {"state": "unknown", "attempts": ("declined", "unknown"), "unresolved_until": LATER},
        "2 tries were made, which ended as: declined, unknown", "The processor is asked",
    ),
    "not ours": (OPEN, {"state": "not_ours", "reason": "the customer has opted out"}, "need not agree", "Nothing"),
    "a case": (OPEN, {"cases": (("overpaid", "Return it."),)}, "A case is open about it: overpaid", "Nothing"),
    "paused": (OPEN, {"collecting": PAUSED}, "(boss) paused its collection on 1 Mar 2027, 12:00 UTC, ", "Nothing"),
    "Stripe silent": (OPEN, {"live": "", "unasked": "no connection"}, "did not say how it stands (no c", "Nothing"),
    "turned away": (OPEN, {"turned_away_at": NOW - HOUR}, "turning its turns away for 60 min", "Nothing happens"),
    "failing": (OPEN, {"failures": 3, "next_at": LATER}, "Its last 3 turns failed", "It is looked at again"),
    "waiting for a worker": (OPEN, {"waits": True}, "a turn for it waits", "A worker looks at it"),
    "paid by another": (PAID, {"recordings": ()}, "It was not paid by us", "Nothing more is due"),
    "taken back": (PAID, {"held": -500}, "5.00 EUR more went back", "Nothing more is due"),
}  # fmt: skip


@pytest.mark.parametrize("case", INVOICES)
def test_why_the_status_differs(case: str) -> None:
    facts, changed, sentence, next_ = INVOICES[case]
    answer = doctor_why_invoice.explain(msgspec.structs.replace(facts, **changed), NOW)
    assert any(sentence in told for told in answer.sentences), answer.sentences
    assert answer.next.startswith(next_), answer.next


async def test_an_invoice_that_was_paid_meanwhile(world: World) -> None:
    """Stripe has it paid, and no event came."""
    opened = (await world.open_session()).json()
    account, invoice = world.shop.account, opened["invoice"]["id"]
    await world.settle()
    await world.shop.client.v1.invoices.finalize_invoice_async(invoice)
    await world.shop.client.v1.invoices.pay_async(invoice, {"paid_out_of_band": True})
    told = await why(world.runtime, account, invoice)
    assert "Stripe, asked just now, calls it paid; here it is draft." in told.sentences
    assert told.next == doctor_why_invoice.LISTED
    await world.settle()
    told = await why(world.runtime, account, invoice)
    assert "That is one and the same" in " ".join(told.sentences)


async def test_a_subscription_whose_first_invoice_is_held(world: World) -> None:
    opened = (await world.open_session()).json()
    await world.settle()
    told = await why(world.runtime, world.shop.account, opened["subscription"])
    assert told.sentences[0].startswith("It is known here since")
    assert any("auto_advance is false" in sentence for sentence in told.sentences)


async def test_a_metered_subscription_has_no_first_invoice(world: World) -> None:
    stripe = world.shop.client.v1
    meter = await stripe.billing.meters.create_async(
        {"display_name": "Units", "event_name": "units", "default_aggregation": {"formula": "sum"}}
    )
    price = await stripe.prices.create_async(
        {
            "currency": "eur",
            "unit_amount": 4,
            "product_data": {"name": "Units"},
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    )
    customer = await stripe.customers.create_async({"name": "A. Payer"})
    made = await stripe.subscriptions.create_async(
        {
            "customer": customer.id,
            "items": [{"price": price.id}],
            "collection_method": "send_invoice",
            "days_until_due": 10,
            "billing_mode": {"type": "flexible"},
        }
    )
    await world.settle()
    told = await why(world.runtime, world.shop.account, made.id)
    assert any("the first comes with the end of the first period" in sentence for sentence in told.sentences)
    assert told.next == "Its period ends, and the next invoice is made."


async def test_what_is_not_known_here(world: World) -> None:
    """Only somebody at the terminal may have Stripe asked for what is a stranger's id to us."""
    account, calls = world.shop.account, len(world.stripe.calls)
    for id in ("in_unknown", "sub_unknown", "cus_unknown"):
        with pytest.raises(NotThereError):
            await why(world.runtime, account, id)
    assert len(world.stripe.calls) == calls
    with pytest.raises(NotThereError):
        await why(world.runtime, account, "sub_unknown", strangers=True)
    opened = (await world.open_session()).json()
    await sql.rows("delete from tollbridge.subscription where account = $1", account)
    told = await why(world.runtime, account, opened["subscription"], strangers=True)
    assert told.sentences[0] == doctor_why_subscription.NO_EVENT
