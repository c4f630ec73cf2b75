"""The paths whose histories are played: each is a function that acts, comes to rest, and asserts its own end.

To add one, write

    @path()                       # or @path(begins=subscribed): with what a first function has made before
    async def my_path(world: CrashWorld, begun: Signup) -> None:
        ...                       # act: every outside call and COMMIT in here becomes a point of the sweep
        await world.rest()
        assert ...                # the end that every history of it must have

and it is part of `scripts/test crash`. The end must be asserted by what Stripe and the processor show; the invariants
are checked after it. What `begins` makes is not swept again: it is played once and then put back from a copy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from db import sql
from gateway.sandbox.practice.account import Scripted
from gateway.sandbox.practice.manner import MANNERS
from tests.crash.beginnings import (
    Begins,
    Session,
    billed_by_others,
    closed_while_pending,
    credited_in_stripe,
    failing_at_stripe,
    nothing,
    offered,
    offered_free,
    offered_trial,
    owing_little,
    owing_with_a_card_at_stripe,
    refund_failed,
    refunded_in_dashboard,
    subscribed,
    subscribed_and_told,
    subscribed_at,
    subscribed_crediting,
    subscribed_reopening,
    subscribed_topping_up,
    subscribed_until_given_up,
    subscribed_with_a_shared_token,
    subscribed_with_one_event,
    subscribed_with_two_cards,
    unpaid,
)
from tests.crash.world import CrashWorld
from tests.support.moving import Elsewhere
from tests.support.people import Signup
from tests.support.returning import ASK, credited, notes, returned

Plays: TypeAlias = Callable[[CrashWorld, Any], Awaitable[None]]


@dataclass(frozen=True)
class Path:
    """How a path begins, and how it goes on from there."""

    begins: Begins
    plays: Plays


PATHS: Final[dict[str, Path]] = {}

PROFILES: Final = sorted(set(MANNERS) - {"practice"})
"""What the real processors do, each otherwise (`gateway.sandbox.practice.manner`)."""

MOST_TRIES: Final = 5
"""So often eight hours are enough for what the merchant has not taken: it is tried for three days."""


def path(begins: Begins = nothing) -> Callable[[Plays], Plays]:
    """Make a function a path, under its own name."""

    def added(plays: Plays) -> Plays:
        PATHS[plays.__name__] = Path(begins, plays)
        return plays

    return added


@path()
async def signup(world: CrashWorld, begun: None) -> None:
    made = await world.signup("ok", wait_s=0)
    await world.rest()
    _paid(world, made, 1)


@path(begins=subscribed)
async def renewal(world: CrashWorld, begun: Signup) -> None:
    await world.later(days=31)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed)
async def async_renewal(world: CrashWorld, begun: Signup) -> None:
    """The processor says pending, and settles within the hour."""
    world.practice.settings.pending_delay_s = 1800
    world.break_card(begun.customer, "pending_then_ok")
    await world.later(days=31)
    await world.rest()
    await world.later(hours=1)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed)
async def late_debit(world: CrashWorld, begun: Signup) -> None:
    """A debit takes three days, and its notice is lost: whoever asks finds out."""
    world.practice.settings.pending_delay_s = 3 * 86400
    world.break_card(begun.customer, "pending_then_ok")
    await world.later(days=31)
    await world.rest()
    world.practice.delivery.set(drop=True)
    await world.later(days=3, hours=1)
    await world.rest()
    world.practice.delivery.set(drop=False)
    await world.later(days=1)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed)
async def unknown_outcome(world: CrashWorld, begun: Signup) -> None:
    """The charge is made, its answer is lost, and no notice comes for it."""
    world.practice.faults.add("lost_after", method="POST", path="/v1/charges", times=1)
    world.practice.delivery.set(drop=1)
    await world.later(days=31)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed)
async def silent_renewal(world: CrashWorld, begun: Signup) -> None:
    """The processor never says anything by itself: what a death leaves open must be asked for."""
    world.practice.delivery.set(drop=True)
    await world.later(days=31)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed_with_one_event)
async def one_event(world: CrashWorld, begun: Signup) -> None:
    """No later event makes good what is lost of the only one that comes."""
    world.practice.delivery.set(drop=True)
    await world.later(days=31)
    await world.later(hours=2)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed)
async def lost_renewal(world: CrashWorld, begun: Signup) -> None:
    """Stripe's webhooks of a renewal are lost: the walks through its lists find it."""
    world.stripe.delivery.set(drop=True)
    await world.later(days=31, hours=1)
    await world.rest()
    world.stripe.delivery.set(drop=False)
    await world.caught_up()
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed)
async def declined_then_paid(world: CrashWorld, begun: Signup) -> None:
    """The first try of a renewal is declined, the next one a day later succeeds."""
    [method] = world.methods_at_processor()
    method.kind, method.declines_left = type(method.kind)("soft_then_ok"), 1
    await world.later(days=31)
    await world.rest()
    await world.later(hours=25)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed_with_two_cards)
async def fallback(world: CrashWorld, begun: Signup) -> None:
    """The card that goes first is stopped by its decline, and the other one is charged at once."""
    stolen = world.methods_at_processor()[-1]
    stolen.kind = type(stolen.kind)("decline_lost_stolen")
    await world.later(days=31)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed_until_given_up)
async def given_up(world: CrashWorld, begun: Signup) -> None:
    """Nobody gives another card until the end: the invoice and the subscription go, and nothing is charged."""
    world.break_card(begun.customer, "decline_lost_stolen")
    await world.later(days=31)
    await world.rest()
    await world.later(days=10)
    await world.rest()
    assert [one["status"] for one in world.invoices_of(begun.subscription)] == ["paid", "uncollectible"]
    assert world.stripe_subscription(begun.subscription)["status"] == "canceled"
    assert len(world.captures()) == 1


@path(begins=unpaid)
async def new_method(world: CrashWorld, begun: Signup) -> None:
    """The payer gives another card, and the renewal is paid by it; a second card, begun beside it, is not kept."""
    session = await world.method_session(begun.customer)
    for client in [await world.begin_method(session) for _ in range(2)]:
        await world.complete_at_processor(client, "ok")
    await world.method_done(session)
    await world.rest()
    _paid(world, begun, 2)
    [_, *made] = world.methods_at_processor()
    assert sorted(method.status for method in made) == ["active", "revoked"]
    assert len(await world.methods_of(begun.customer)) == 2


@path(begins=subscribed)
async def method_revoked(world: CrashWorld, begun: Signup) -> None:
    """The customer's one method is revoked: gone there, erased here and in Stripe's metadata. Nothing is charged."""
    [method] = await world.methods_of(begun.customer)
    await world.call("DELETE", f"/v1/customers/{begun.customer}/payment_methods/{method['id']}")
    await world.rest()
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]
    assert [method["status"] for method in await world.methods_of(begun.customer)] == ["revoked"]
    metadata = world.stripe_account().customers[begun.customer]["metadata"]
    assert not [name for name in metadata if name.startswith("third_party_payment_method")]
    await world.later(days=31)
    await world.rest()
    assert [one["status"] for one in world.invoices_of(begun.subscription)] == ["paid", "open"]
    assert len(world.captures()) == 1


@path(begins=subscribed)
async def agreement_ended(world: CrashWorld, begun: Signup) -> None:
    """The payer ends the only method at the processor: the subscription is set to end, and lives on with another."""
    world.practice.revoke_method(world.methods_at_processor()[0].token)
    await world.rest()
    assert world.stripe_subscription(begun.subscription)["cancel_at_period_end"]
    told = "select data::text as data from tollbridge.outbound_event where type = 'tollbridge.payment_method.revoked'"
    assert [_outcomes(row["data"]) for row in await sql.rows(told)] == [{begun.subscription: "cancel_at_period_end"}]
    await world.repair_card(begun)
    await world.rest()
    assert not world.stripe_subscription(begun.subscription)["cancel_at_period_end"]
    await world.later(days=31)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=subscribed)
async def customer_deleted(world: CrashWorld, begun: Signup) -> None:
    """The customer is deleted in Stripe while a renewal is pending, which then succeeds: it goes back, and the method
    is deleted after that."""
    world.practice.set_manner(world.shop.practice_key, cancel="never")
    world.break_card(begun.customer, "pending_then_ok")
    await world.later(days=31)
    await world.rest()
    await world.shop.client.v1.customers.delete_async(begun.customer)
    await world.rest()
    await world.later(hours=25)
    await world.rest()
    await world.later(hours=6)
    await world.rest()
    assert (returned(world), len(world.captures())) == ([1000], 2)
    assert [one["status"] for one in world.invoices_of(begun.subscription)] == ["paid", "uncollectible"]
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]
    assert await world.open_cases() == ["paid_after_deletion"]


def _outcomes(data: str) -> dict[str, str]:
    return {one["id"]: one["outcome"] for one in msgspec.json.decode(data)["subscriptions"]}


@path(begins=subscribed_with_a_shared_token)
async def shared_token_dropped(world: CrashWorld, begun: Signup) -> None:
    """Both connections let go of their one token: the last of them deletes it, whoever that turns out to be."""
    for method in await world.methods_of(begun.customer):
        await world.call("DELETE", f"/v1/customers/{begun.customer}/payment_methods/{method['id']}")
    await world.rest()
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]
    assert [method["status"] for method in await world.methods_of(begun.customer)] == ["revoked"] * 2
    keys = {call.idempotency_key for call in world.practice.calls if call.method == "DELETE"}
    assert len(keys) == 1, "one deletes; a death has it ask again"


@path(begins=subscribed_with_a_shared_token)
async def shared_token_kept(world: CrashWorld, begun: Signup) -> None:
    """One connection lets go of the token of two: the other one is charged with it."""
    [first, _] = await world.methods_of(begun.customer)
    await world.call("DELETE", f"/v1/customers/{begun.customer}/payment_methods/{first['id']}")
    await world.rest()
    assert [method.status for method in world.methods_at_processor()] == ["active"]
    await world.later(days=31)
    await world.rest()
    _paid(world, begun, 2)


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
    _paid(world, made, 1)


@path(begins=subscribed_and_told)
async def merchant_told(world: CrashWorld, begun: Signup) -> None:
    """The merchant's server fails at the first two POSTs: each event comes until it is taken."""
    world.merchant.answers = [503, 500]
    await _declined_first(world, begun)
    await _all_told(world, begun)


@path(begins=subscribed_and_told)
async def merchant_deaf(world: CrashWorld, begun: Signup) -> None:
    """The merchant's server refuses everything for days: what it was to be told stands, and comes in the end."""
    world.merchant.deaf = True
    await _declined_first(world, begun)
    assert world.merchant.told == []
    assert await world.untold() == await world.announced()
    world.merchant.deaf = False
    await _all_told(world, begun)


async def _declined_first(world: CrashWorld, begun: Signup) -> None:
    """A renewal of which there is more than one thing to tell."""
    [method] = world.methods_at_processor()
    method.kind, method.declines_left = type(method.kind)("soft_then_ok"), 1
    await world.later(days=31)
    await world.rest()
    await world.later(hours=25)
    await world.rest()
    _paid(world, begun, 2)


@path(begins=offered_free)
async def zero_invoice(world: CrashWorld, begun: Session) -> None:
    """A first invoice of nothing: Stripe marks it paid, and nobody is charged."""
    await _confirm(world, begun, "ok")
    assert [i["status"] for i in world.invoices_of(begun["subscription"])] == ["paid"]
    assert world.captures() == []


@path(begins=offered_trial)
async def trial_signup(world: CrashWorld, begun: Session) -> None:
    """Nothing is due now, and the method is stored for what follows."""
    await _confirm(world, begun, "ok")
    assert world.stripe_subscription(begun["subscription"])["status"] == "trialing"
    assert [i["status"] for i in world.invoices_of(begun["subscription"])] == ["paid"]
    assert world.captures() == []
    assert len(world.methods_at_processor()) == 1


@path(begins=offered)
async def declined_signup(world: CrashWorld, begun: Session) -> None:
    """The first charge is declined: the subscription ends, and with it the invoice."""
    await _confirm(world, begun, "decline_insufficient_funds")
    assert world.stripe_subscription(begun["subscription"])["status"] == "canceled"
    assert [i["status"] for i in world.invoices_of(begun["subscription"])] == ["uncollectible"]
    assert world.captures() == []


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


@path(begins=owing_with_a_card_at_stripe)
async def switch_to_stripe(world: CrashWorld, begun: Signup) -> None:
    """What is open by then is ours to its end, and then our token goes; what comes is Stripe's."""
    await world.switch(begun.subscription, "stripe")
    await world.rest()
    world.break_card(begun.customer, "ok")
    await world.later(hours=25)
    await world.rest()
    assert _collected(world, begun) == [(1000, 0), (1000, 0)]
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]
    await world.later(days=31)
    await world.later(hours=2)
    await world.rest()
    assert _collected(world, begun) == [(1000, 0), (1000, 0), (0, 1000)]
    assert await world.open_cases() == []


@path(begins=owing_with_a_card_at_stripe)
async def handed_over_to_stripe(world: CrashWorld, begun: Signup) -> None:
    """What is open by then is paid by Stripe, once."""
    await world.switch(begun.subscription, "stripe", open_invoices="hand_over")
    await world.rest()
    world.break_card(begun.customer, "ok")
    await world.later(hours=25)
    await world.rest()
    assert _collected(world, begun) == [(1000, 0), (0, 1000)]
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]
    assert await world.open_cases() == []


@path(begins=failing_at_stripe)
async def switch_to_gateway(world: CrashWorld, begun: Signup) -> None:
    """What Stripe has failed to collect is ours as soon as it has let go of it, and so is what comes."""
    await world.switch(begun.subscription, "gateway")
    await world.rest()
    assert _collected(world, begun) == [(1000, 0)] * 2
    await world.later(days=31)
    await world.rest()
    assert _collected(world, begun) == [(1000, 0)] * 3
    assert await world.open_cases() == []


def _collected(world: CrashWorld, begun: Signup) -> list[tuple[int, int]]:
    """For each invoice what we have taken, and what Stripe has."""
    ours = {charge.reference.rpartition(".")[0]: charge.captured for charge in world.captures()}
    assert len(ours) == len(world.captures())
    live = world.invoices_of(begun.subscription)
    return [(ours.get(one["id"], 0), world.taken_at_stripe(one["id"])) for one in live]


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


async def _confirm(world: CrashWorld, session: Session, card: str) -> None:
    await world.give_card(session, card)
    await world.confirm(session, wait_s=0)
    await world.rest()


async def _all_told(world: CrashWorld, begun: Signup) -> None:
    """Every event is taken while it is still tried, the renewal's under numbers without a gap."""
    for _ in range(MOST_TRIES):
        if await world.untold():
            await world.later(hours=8)
            await world.rest()
    assert await world.untold() == 0
    assert len({event["id"] for event in world.merchant.told}) == await world.announced()
    renewal = world.invoices_of(begun.subscription)[-1]["id"]
    told = {event["sequence"] for event in world.merchant.told if event["data"]["id"] == renewal}
    assert sorted(told) == [1, 2]


def _paid(world: CrashWorld, made: Signup, invoices: int) -> None:
    """So many invoices, each paid by one capture."""
    live = world.invoices_of(made.subscription)
    assert [one["status"] for one in live] == ["paid"] * invoices
    taken = sorted(charge.reference.rpartition(".")[0] for charge in world.captures())
    assert taken == sorted(one["id"] for one in live)
    assert len(world.stripe_account().subscriptions) == 1


def _at(like: str) -> Plays:
    async def renewed(world: CrashWorld, begun: Signup) -> None:
        """The renewal's answer is lost, at a processor of this profile; its notices come."""
        world.practice.faults.add("lost_after", method="POST", path="/v1/charges", times=1)
        await world.later(days=24)
        await world.rest()
        for _ in range(7):
            await world.later(days=2)
            await world.rest()
        _paid(world, begun, 2)

    renewed.__name__ = f"renewal_at_{like}"
    return renewed


for _like in PROFILES:
    path(begins=subscribed_at(_like))(_at(_like))


@path(begins=subscribed)
async def cancelled_in_flight(world: CrashWorld, begun: Signup) -> None:
    """Cancelled while a charge is under way that can't be withdrawn: it pays its invoice, and then the token goes."""
    renewal = await _cancelled_while_pending(world, begun)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert returned(world) == []


@path(begins=subscribed)
async def cancelled_and_returned(world: CrashWorld, begun: Signup) -> None:
    """The same where the account wants such money to go back."""
    await world.set_policy(canceled_in_flight="return", canceled_invoices="void")
    renewal = await _cancelled_while_pending(world, begun)
    assert world.stripe_invoice(renewal)["status"] == "void"
    assert returned(world) == [1000]


async def _cancelled_while_pending(world: CrashWorld, begun: Signup) -> str:
    world.practice.set_manner(world.shop.practice_key, cancel="never")
    world.break_card(begun.customer, "pending_then_ok")
    await world.later(days=31)
    await world.rest()
    answer = await world.cancel(begun.subscription)
    assert answer.status_code in (202, 409), "asked again after no answer, it had ended"
    await world.rest()
    await world.later(hours=25)
    await world.rest()
    assert world.stripe_subscription(begun.subscription)["status"] == "canceled"
    assert (len(world.captures()), len(world.invoices_of(begun.subscription))) == (2, 2)
    await _let_go(world)
    return str(world.invoices_of(begun.subscription)[-1]["id"])


@path(begins=subscribed)
async def cancelled_and_billed(world: CrashWorld, begun: Signup) -> None:
    """Cancelled at once, with what is pending on a last invoice, which Stripe leaves a draft."""
    item: Any = {"customer": begun.customer, "subscription": begun.subscription, "amount": 700, "currency": "eur"}
    await world.shop.client.v1.invoice_items.create_async(item)
    answer = await world.cancel(begun.subscription, invoice_now=True)
    assert answer.status_code in (202, 409)
    await world.rest()
    assert [invoice["amount_paid"] for invoice in world.invoices_of(begun.subscription)] == [1000, 700]
    assert len(world.captures()) == 2
    await _let_go(world)


async def _let_go(world: CrashWorld) -> None:
    """The token is deleted; a worker that died of it asks once more, which is harmless."""
    await world.later(hours=7)
    await world.rest()
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]


@path(begins=billed_by_others)
async def imported(world: CrashWorld, begun: Elsewhere) -> None:
    """What is open before is charged by nobody until somebody resumes it, and then once."""
    cards = [world.practice.create_method(world.shop.practice_key, "ok").token for _ in range(2)]
    await world.imported(begun.customer, *cards)
    await world.rest()
    assert world.charge_calls() == []
    assert world.stripe_invoice(begun.overdue)["status"] == "open"
    note = {"reason": "nothing of it is under way elsewhere"}
    resumed = await world.call("POST", f"/v1/invoices/{begun.overdue}/resume_collection", note)
    assert resumed.status_code == 200, resumed.text
    await world.later(days=31)
    await world.rest()
    assert [one["status"] for one in world.invoices_of(begun.subscription)] == ["paid"] * 3
    assert len(world.captures()) == 2
    assert {call.params["method"] for call in world.charge_calls()} == {cards[0]}, "the file's first goes first"
