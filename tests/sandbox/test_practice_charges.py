"""What charges at the practice processor come to, by method, amount, script and manner."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.sandbox.practice.account import Scripted
from gateway.sandbox.practice.kinds import COURSES, DECLINES, LOOKS, MAGIC_AMOUNTS, REFUSED_AT_ONCE, TokenKind
from gateway.sandbox.practice.manner import MANNERS
from tests.sandbox.practice import DAY, KEY, Merchant


@pytest.fixture
def merchant() -> Merchant:
    return Merchant()


async def course(merchant: Merchant, charge: Any) -> list[tuple[int, str]]:
    """On which day after its making what is told of a charge, until nothing more happens."""
    merchant.processor.advance(60 * DAY)
    told = [json.loads(event.content) for event in merchant.account.events.values()]
    return [((one["created"] - charge["created_at"]) // DAY, one["type"]) for one in told]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("capture_later", [(0, "charge.authorized"), (0, "charge.succeeded")]),
        ("capture_fails", [(0, "charge.authorized"), (0, "charge.failed")]),
        ("retried_then_ok", [(0, "charge.failed"), (2, "charge.succeeded")]),
        ("retried_then_fail", [(0, "charge.failed"), (2, "charge.failed")]),
        (
            "late_failure",
            [(0, "charge.succeeded"), (3, "charge.late_failure"), (8, "charge.late_failure_settled")],
        ),
        ("late_failure_then_paid", [(0, "charge.succeeded"), (3, "charge.late_failure"), (8, "charge.paid_again")]),
        ("charged_back", [(0, "charge.succeeded"), (14, "dispute.opened"), (14, "dispute.funds_withdrawn")]),
        (
            "charged_back_then_cancelled",
            [
                (0, "charge.succeeded"),
                (14, "dispute.opened"),
                (14, "dispute.funds_withdrawn"),
                (19, "dispute.won"),
            ],
        ),
    ],
)
async def test_a_course(merchant: Merchant, kind: str, expected: list[tuple[int, str]]) -> None:
    charge = await merchant.charge(kind)
    assert await course(merchant, charge) == expected


async def test_a_debit_takes_days_and_can_fail_late(merchant: Merchant) -> None:
    merchant.manner(like="gocardless")
    charge = await merchant.charge("late_failure_then_paid")
    assert charge["status"] == "pending"
    assert charge["collects_at"] == charge["created_at"] + 2 * DAY
    assert await course(merchant, charge) == [
        (0, "charge.pending"),
        (3, "charge.succeeded"),
        (6, "charge.late_failure"),
        (11, "charge.paid_again"),
    ]
    assert [entry.amount for entry in merchant.account.entries] == [1000, -1000, 1000]


@pytest.mark.parametrize("kind", sorted(DECLINES))
async def test_what_is_declined_at_once_is_declined_later_by_a_bank(merchant: Merchant, kind: TokenKind) -> None:
    merchant.manner(collection="async")
    method = merchant.token(kind)
    merchant.account.methods[method].status = "active"
    charge = await merchant.charge(method=method)
    assert (charge["status"], charge["decline"]) == ("pending", None)
    merchant.processor.advance(DAY)
    assert merchant.account.charges[charge["id"]].decline == DECLINES[kind]


async def test_capturing_can_be_a_step_of_its_own(merchant: Merchant) -> None:
    merchant.manner(capture="later", delays={"capture_delay_s": 60})
    charge = await merchant.charge()
    assert (charge["status"], charge["amount_captured"]) == ("authorized", 0)
    merchant.processor.advance(60)
    assert (merchant.status(charge), merchant.processor.captures()[0].captured) == ("succeeded", 1000)


@pytest.mark.parametrize(("kind", "captured"), [("partial_capture", 600), ("over_payment", 1200)])
async def test_less_or_more_than_was_asked(merchant: Merchant, kind: str, captured: int) -> None:
    charge = await merchant.charge(kind)
    assert (charge["amount"], charge["amount_captured"], charge["status"]) == (1000, captured, "succeeded")


async def test_a_failure_that_the_processor_tries_again_is_still_open(merchant: Merchant) -> None:
    charge = await merchant.charge("retried_then_ok")
    assert (charge["status"], charge["will_retry"]) == ("failed", True)
    assert charge["expected_by"] == charge["created_at"] + 2 * DAY
    merchant.processor.advance(2 * DAY)
    ended = await merchant.get(f"/charges/{charge['id']}")
    assert (ended["status"], ended["will_retry"], ended["decline"]) == ("succeeded", False, None)


async def test_magic_amounts_are_heeded_only_where_told(merchant: Merchant) -> None:
    amount = next(amount for amount, kind in MAGIC_AMOUNTS.items() if kind is TokenKind.DECLINE_FRAUD)
    assert (await merchant.charge(amount=amount))["status"] == "succeeded"
    merchant.manner(magic_amounts=True)
    assert (await merchant.charge(amount=amount))["decline"]["code"] == "fraud"
    assert (await merchant.charge(amount=amount + 100))["status"] == "succeeded"


async def test_a_script_outranks_method_and_amount(merchant: Merchant) -> None:
    scripted = [{"kind": "decline_fraud"}, {"kind": "ok", "percent": 40}, {"kind": "ok", "after_s": 60}]
    await merchant.control("/outcomes", {"api_key": KEY, "charges": scripted})
    charges = [await merchant.charge("decline_expired", method=merchant.token()) for _ in range(4)]
    assert [charge["status"] for charge in charges] == ["failed", "succeeded", "pending", "succeeded"]
    assert charges[1]["amount_captured"] == 400
    merchant.processor.advance(60)
    assert merchant.status(charges[2]) == "succeeded"


async def test_a_scripted_refusal_is_used_up(merchant: Merchant) -> None:
    merchant.processor.script(KEY, Scripted(TokenKind.REJECT))
    assert (await merchant.charge(status=422))["error"]["code"] == "method_not_chargeable"
    assert (await merchant.charge())["status"] == "succeeded"


async def test_a_charge_date_in_the_future(merchant: Merchant) -> None:
    merchant.manner(cancel="until_charge_date")
    late = int(merchant.processor.now()) + 10 * DAY
    first, second = [await merchant.charge("pending_then_ok", collect_at=late) for _ in range(2)]
    assert first["expected_by"] == late + DAY
    canceled = await merchant.post(f"/charges/{first['id']}/cancel", {}, 200)
    assert canceled["status"] == "canceled"
    merchant.processor.advance(10 * DAY)
    assert (await merchant.post(f"/charges/{second['id']}/cancel", {}, 409))["error"]["code"] == "charge_closed"
    merchant.processor.advance(DAY)
    assert (merchant.status(first), merchant.status(second)) == ("canceled", "succeeded")
    assert len(merchant.processor.captures()) == 1


async def test_a_processor_that_withdraws_nothing(merchant: Merchant) -> None:
    merchant.manner(cancel="never")
    charge = await merchant.charge("pending_then_ok")
    await merchant.post(f"/charges/{charge['id']}/cancel", {}, 409)


async def test_what_would_come_next_can_come_now(merchant: Merchant) -> None:
    charge = await merchant.charge("late_failure_then_paid")
    for status in ("reversed", "succeeded"):
        assert (await merchant.control(f"/charges/{charge['id']}/go_on"))["status"] == status
    await merchant.control(f"/charges/{charge['id']}/go_on", status=400)
    merchant.processor.advance(30 * DAY)
    assert len(merchant.account.entries) == 3, "the timers of what came early ring for nothing"


async def test_a_timer_of_what_came_early_brings_nothing_else_forward(merchant: Merchant) -> None:
    charge = await merchant.charge("late_failure_then_paid")
    merchant.processor.go_on(charge["id"])
    merchant.processor.advance(3 * DAY)
    assert merchant.status(charge) == "reversed"
    merchant.processor.advance(2 * DAY)
    assert merchant.status(charge) == "succeeded"


async def test_any_success_can_fail_late_and_be_paid_again(merchant: Merchant) -> None:
    charge = await merchant.charge()
    for verb in ("fail_late", "pay_again", "fail_late"):
        await merchant.control(f"/charges/{charge['id']}/{verb}")
    await merchant.control(f"/charges/{charge['id']}/fail_late", status=400)
    assert [entry.amount for entry in merchant.account.entries] == [1000, -1000, 1000, -1000]
    assert len({entry.id for entry in merchant.account.entries}) == 4


async def test_a_course_goes_on_from_where_it_was_led(merchant: Merchant) -> None:
    late, back = await merchant.charge("late_failure_then_paid"), await merchant.charge("charged_back")
    for charge in (late, back):
        merchant.processor.fail_late(charge["id"])
    merchant.processor.advance(30 * DAY)
    assert (merchant.status(late), merchant.status(back)) == ("succeeded", "reversed")
    assert sum(entry.amount for entry in merchant.account.entries) == 1000
    assert merchant.account.disputes == {}


async def test_an_event_of_a_type_that_nobody_knows_and_for_another(merchant: Merchant) -> None:
    told = {"api_key": KEY, "type": "payout.queued", "data": {"id": "x"}, "receiver": "pa_another"}
    await merchant.control("/events", told, 201)
    (event,) = merchant.account.events.values()
    assert event.type == "payout.queued"
    assert b'"account":"pa_another"' in event.content


def test_every_kind_has_a_look_and_an_end() -> None:
    assert set(LOOKS) == set(TokenKind)
    assert set(COURSES) | set(DECLINES) | REFUSED_AT_ONCE == set(TokenKind)
    assert not set(COURSES) & set(DECLINES)


@pytest.mark.parametrize("like", MANNERS)
@pytest.mark.parametrize("kind", sorted(set(TokenKind) - REFUSED_AT_ONCE))
async def test_every_kind_comes_to_an_end_in_every_manner(merchant: Merchant, like: str, kind: TokenKind) -> None:
    merchant.manner(like=like)
    charge = await merchant.charge(kind)
    merchant.processor.advance(90 * DAY)
    waits = kind is TokenKind.REQUIRES_ACTION
    assert merchant.account.charges[charge["id"]].is_open is waits
    assert merchant.account.charges[charge["id"]].course == []
