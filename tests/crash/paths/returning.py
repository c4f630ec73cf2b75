"""Money that goes back: refunds and disputes."""

from __future__ import annotations

from db import sql
from tests.crash.beginnings import (
    closed_while_pending,
    credited_in_stripe,
    refund_failed,
    refunded_in_dashboard,
    subscribed,
)
from tests.crash.paths.registry import paid, path
from tests.crash.world import CrashWorld
from tests.support.people import Signup
from tests.support.returning import ASK, credited, notes, returned


@path(begins=subscribed)
async def dispute_lost(world: CrashWorld, begun: Signup) -> None:
    """The payer's bank takes the money back for good: Stripe credits it, once."""
    await _disputed(world, "lost")
    _credited(world, begun, [1000])


@path(begins=subscribed)
async def dispute_won_and_lost(world: CrashWorld, begun: Signup) -> None:
    """Won, withdrawn again, and lost in the end: each move stands once, and so does the one credit note."""
    await _disputed(world, "won", "funds_withdrawn", "lost")
    _credited(world, begun, [1000])
    moved = await sql.rows("select kind from tollbridge.movement where kind like 'dispute%' order by occurred_at, id")
    assert sorted(row["kind"] for row in moved) == ["dispute_returned", *["dispute_withdrawn"] * 2]


@path(begins=subscribed)
async def dispute_after_a_refund(world: CrashWorld, begun: Signup) -> None:
    """A part was refunded at the processor, and then all of it is disputed: what is left is credited beside it."""
    world.practice.refund_from_dashboard(world.captures()[-1].id, 400)
    await world.later(minutes=6)
    await world.rest()
    await _disputed(world, "lost")
    _credited(world, begun, [400, 600])


async def _disputed(world: CrashWorld, *stages: str) -> None:
    """The money is withdrawn, and the dispute goes on from there."""
    dispute = world.practice.open_dispute(world.captures()[-1].id, stage="funds_withdrawn")
    for stage in stages:
        await world.rest()
        world.practice.move_dispute(dispute.id, stage)
    await world.rest()


def _credited(world: CrashWorld, made: Signup, amounts: list[int]) -> None:
    """The first invoice is paid, with credit notes for what went back outside Stripe."""
    account = world.stripe_account()
    notes = [account.credit_notes[note] for note in account.credit_notes_of_invoice.get(made.invoice, [])]
    assert sorted(note["out_of_band_amount"] for note in notes) == amounts
    paid(world, made, 1)


@path(begins=subscribed)
async def refund_asked(world: CrashWorld, begun: Signup) -> None:
    """Staff ask for part of it; a client that hears nothing asks again under its key."""
    await world.asked_for_refund(begun.invoice, 400)
    await _back(world, begun, [400])


@path(begins=subscribed)
async def refund_unknown(world: CrashWorld, begun: Signup) -> None:
    """The processor's answer is lost, and it tells nothing by itself: whoever asks finds out."""
    world.practice.delivery.set(drop=True)
    world.practice.faults.add("lost_after", times=1, **ASK)
    await world.asked_for_refund(begun.invoice, 400)
    await _back(world, begun, [400])


@path(begins=credited_in_stripe)
async def refund_by_credit_note(world: CrashWorld, begun: Signup) -> None:
    """A credit note that staff made in Stripe: the money follows it, once."""
    await world.rest()
    await _back(world, begun, [400])


@path(begins=refunded_in_dashboard)
async def refund_in_dashboard(world: CrashWorld, begun: Signup) -> None:
    """A refund in the processor's dashboard: its credit note follows, once."""
    await world.rest()
    await _back(world, begun, [400])


@path(begins=closed_while_pending)
async def surplus_returned(world: CrashWorld, begun: Signup) -> None:
    """Money comes for an invoice that was voided: it goes back by itself, and no credit note is made."""
    world.succeed_after_all(world.last_charge())
    await world.rest()
    await world.later(hours=1)
    await world.rest()
    assert returned(world) == [1000]
    assert notes(world, world.invoices_of(begun.subscription)[-1]["id"]) == []


@path(begins=refund_failed)
async def refund_tried_again(world: CrashWorld, begun: Signup) -> None:
    """The processor failed it after its credit note was made; somebody presses "try again"."""
    refund_id = await sql.value("select id from tollbridge.refund")
    headers = {"idempotency-key": "again-made-up"}
    await world.call("POST", f"/v1/refunds/{refund_id}/retry", {"wait_s": 0}, headers=headers)
    await _back(world, begun, [400])


async def _back(world: CrashWorld, begun: Signup, amounts: list[int]) -> None:
    """So much went back, and stands in Stripe as credited; nobody needs to look."""
    await world.rest()
    for minutes in (6, 60, 600):
        await world.later(minutes=minutes)
        await world.rest()
    assert returned(world) == amounts
    assert credited(world, begun.invoice) == amounts
    assert await world.open_cases() == []
