"""Less or more than was due, and what is billed again."""

from __future__ import annotations

from typing import Any

from gateway.sandbox.practice.account import Scripted
from tests.crash.beginnings import (
    owing_little,
    subscribed,
    subscribed_crediting,
    subscribed_reopening,
    subscribed_topping_up,
    unpaid,
)
from tests.crash.paths.registry import path
from tests.crash.world import CrashWorld
from tests.support.people import Signup


@path(begins=subscribed)
async def split(world: CrashWorld, begun: Signup) -> None:
    """The processor takes a part of a renewal: that pays it, and a further invoice bills the rest."""
    world.practice.script(world.shop.practice_key, Scripted(percent=60))
    await world.later(days=31)
    await world.rest()
    await _patience(world)
    assert _split(world, begun) == (600, 400)
    assert [charge.captured for charge in world.captures()] == [1000, 600, 400]


@path(begins=subscribed_topping_up)
async def topped_up(world: CrashWorld, begun: Signup) -> None:
    """The same, and the rest is charged for the same invoice."""
    world.practice.script(world.shop.practice_key, Scripted(percent=60))
    await world.later(days=31)
    await world.rest()
    live = world.invoices_of(begun.subscription)
    assert [(one["status"], one["amount_paid"]) for one in live] == [("paid", 1000)] * 2
    assert [charge.captured for charge in world.captures()] == [1000, 600, 400]


@path(begins=unpaid)
async def part_by_hand(world: CrashWorld, begun: Signup) -> None:
    """Staff record a payment of a part, and then one of the rest."""
    renewal = world.invoices_of(begun.subscription)[-1]["id"]
    await world.record_payment(renewal, amount=600, wait_s=0)
    await world.rest()
    await _patience(world)
    await world.record_payment(_rest_of(world, renewal)["id"], reference="wire-2", wait_s=0)
    await world.rest()
    assert _split(world, begun) == (600, 400)
    assert len(world.captures()) == 1


@path(begins=subscribed_crediting)
async def overpaid(world: CrashWorld, begun: Signup) -> None:
    """The processor takes too much of a renewal: what is too much becomes the customer's credit, once."""
    world.practice.script(world.shop.practice_key, Scripted(percent=120))
    await world.later(days=31)
    await world.rest()
    await _patience(world)
    assert [one["amount_paid"] for one in world.invoices_of(begun.subscription)] == [1000] * 2
    assert world.stripe_account().customers[begun.customer]["balance"] == -200


@path(begins=subscribed_reopening)
async def reopened(world: CrashWorld, begun: Signup) -> None:
    """A debit fails after it was paid, and is paid later after all: that pays the invoice which took its place."""
    world.break_card(begun.customer, "late_failure_then_paid")
    await world.later(days=31)
    await world.rest()
    world.break_card(begun.customer, "decline_insufficient_funds")
    await world.later(days=3, hours=1)
    await world.rest()
    await _patience(world)
    await world.later(days=5)
    await world.rest()
    await _patience(world)
    renewal = world.invoices_of(begun.subscription)[-1]
    anew = _rest_of(world, renewal["id"])
    assert (renewal["post_payment_credit_notes_amount"], anew["status"], anew["amount_paid"]) == (1000, "paid", 1000)
    assert [charge.captured for charge in world.captures()] == [1000, 1000]


@path(begins=owing_little)
async def carried_over(world: CrashWorld, begun: Signup) -> None:
    """A renewal of less than the processor takes: it is credited, and owed with the next one, once."""
    await world.later(days=31)
    await world.rest()
    await _patience(world)
    account, renewal = world.stripe_account(), world.invoices_of(begun.subscription)[-1]
    assert (renewal["status"], renewal["amount_paid"], renewal["pre_payment_credit_notes_amount"]) == ("paid", 0, 60)
    assert len(account.credit_notes_of_invoice[renewal["id"]]) == 1
    assert account.customers[begun.customer]["balance"] == 60
    assert [charge.captured for charge in world.captures()] == [1000]
    assert await world.open_cases() == []


async def _patience(world: CrashWorld) -> None:
    """Answers of Stripe's that were lost are looked for after a minute, each time twice as late."""
    for _ in range(4):
        await world.later(minutes=5)
        await world.rest()


def _split(world: CrashWorld, begun: Signup) -> tuple[int, int]:
    """What the renewal and the one invoice for its rest were paid with; there is one credit note."""
    renewal = world.invoices_of(begun.subscription)[-1]
    account, rest = world.stripe_account(), _rest_of(world, renewal["id"])
    [note] = [account.credit_notes[one] for one in account.credit_notes_of_invoice[renewal["id"]]]
    assert (renewal["status"], rest["status"], note["total"]) == ("paid", "paid", rest["total"])
    assert renewal["metadata"]["tollbridge_remainder"] == rest["id"]
    return renewal["amount_paid"], rest["amount_paid"]


def _rest_of(world: CrashWorld, invoice: str) -> dict[str, Any]:
    invoices = world.stripe_account().invoices.values()
    [found] = [one for one in invoices if one["metadata"].get("tollbridge_remainder_of") == invoice]
    return dict(found)
