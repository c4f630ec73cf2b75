"""Money that goes back at the practice processor: refunds, disputes, and the settlement files that show it all."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from typing import Any

import pytest

from gateway.sandbox.practice.disputing import NEXT
from tests.sandbox.practice import DAY, KEY, Merchant


@pytest.fixture
def merchant() -> Merchant:
    return Merchant()


# Refunds


async def test_a_refund_in_parts_until_nothing_is_left(merchant: Merchant) -> None:
    charge = await merchant.charge()
    parts = [await merchant.refund(charge, 400), await merchant.refund(charge)]
    assert [(part["amount"], part["status"]) for part in parts] == [(400, "succeeded"), (600, "succeeded")]
    refused = await merchant.refund(charge, 1, status=422)
    assert refused["error"] == {"code": "refund_exceeds_charge", "message": "0 minor units of this charge are left"}
    assert [entry.amount for entry in merchant.account.entries] == [1000, -400, -600]
    listed = await merchant.get(f"/charges/{charge['id']}/refunds")
    assert [one["id"] for one in listed["data"]] == [parts[1]["id"], parts[0]["id"]]
    assert await merchant.get(f"/refunds/{parts[0]['id']}") == parts[0]


async def test_the_same_key_gives_one_refund(merchant: Merchant) -> None:
    charge = await merchant.charge()
    body = {"reference": "rfd_1", "amount": 400}
    both = [await merchant.post(f"/charges/{charge['id']}/refunds", body, key="same") for _ in range(2)]
    assert both[0] == both[1]
    assert len(merchant.account.refunds) == 1


@pytest.mark.parametrize(("outcome", "entries"), [("succeeded", [1000, -1000]), ("failed", [1000])])
async def test_a_refund_that_takes_its_time(merchant: Merchant, outcome: str, entries: list[int]) -> None:
    merchant.manner(refunds="async")
    await merchant.control("/outcomes", {"api_key": KEY, "refunds": [outcome]})
    refund = await merchant.refund(await merchant.charge())
    assert refund["status"] == "pending"
    assert await merchant.refund({"id": refund["charge"]}, 1, status=422), "what is on its way counts"
    merchant.processor.advance(DAY)
    assert merchant.account.refunds[refund["id"]].status == outcome
    assert merchant.told()[-2:] == ["refund.created", f"refund.{outcome}"]
    assert [entry.amount for entry in merchant.account.entries] == entries


async def test_a_refund_that_fails_after_it_had_succeeded(merchant: Merchant) -> None:
    merchant.processor.script_refunds(KEY, "failed_later")
    charge = await merchant.charge()
    refund = await merchant.refund(charge)
    assert refund["status"] == "succeeded"
    merchant.processor.advance(DAY)
    failed = await merchant.get(f"/refunds/{refund['id']}")
    assert (failed["status"], failed["failure"]["code"]) == ("failed", "refund_failed")
    assert merchant.told()[-1] == "refund.reversed"
    assert (await merchant.refund(charge))["amount"] == 1000, "it can be given back again"


@pytest.mark.parametrize(
    ("manner", "kind", "amount", "code"),
    [
        ({"refunds": "off"}, "ok", None, "refunds_not_enabled"),
        ({"partial_refunds": False}, "ok", 400, "partial_refund_not_allowed"),
        ({"refund_window_days": 1}, "ok", None, "refund_too_late"),
        ({"refunds_need_balance": True}, "ok", None, "insufficient_balance"),
        ({"delays": {"pending_delay_s": 9 * DAY}}, "pending_then_ok", 100, "charge_not_refundable"),
        ({}, "decline_fraud", 100, "charge_not_refundable"),
    ],
)
async def test_a_refund_that_is_refused(
    merchant: Merchant, manner: dict[str, Any], kind: str, amount: int | None, code: str
) -> None:
    merchant.manner(**manner)
    charge = await merchant.charge(kind)
    merchant.processor.advance(2 * DAY)
    assert (await merchant.refund(charge, amount, status=422))["error"]["code"] == code
    assert merchant.account.refunds == {}


async def test_a_balance_of_the_day_pays_refunds(merchant: Merchant) -> None:
    merchant.manner(refunds_need_balance=True)
    charge = await merchant.charge()
    await merchant.refund(charge, 400)
    merchant.processor.advance(DAY)
    await merchant.refund(charge, status=422)
    await merchant.charge()
    await merchant.refund(charge)


@pytest.mark.parametrize("events", [True, False])
async def test_staff_refunds_in_the_dashboard(merchant: Merchant, events: bool) -> None:
    """Without an event it can only be found by asking what changed."""
    merchant.manner(dashboard_events=events)
    charge, since = await merchant.charge(), merchant.processor.now()
    merchant.processor.advance(60)
    refund = await merchant.control(f"/charges/{charge['id']}/refund", {"amount": 300}, 201)
    assert (merchant.told()[-1] == "refund.succeeded") is events
    (found,) = (await merchant.get(f"/refunds?updated_from={since + 1}"))["data"]
    assert (found["id"], found["origin"], found["charge_reference"]) == (refund["id"], "dashboard", charge["reference"])
    assert (await merchant.get(f"/refunds?updated_from={since + 61}"))["data"] == []


async def test_what_changes_again_hides_nothing_from_the_next_page(merchant: Merchant) -> None:
    charge = await merchant.charge()
    made = [(await merchant.refund(charge, 1))["id"] for _ in range(3)]
    first = (await merchant.get("/refunds?updated_from=0&limit=1"))["data"][0]
    merchant.processor.advance(1)
    merchant.processor.settle_refund(first["id"], "failed")
    rest = await merchant.get(f"/refunds?updated_from=0&after={first['updated_at']}:{first['id']}")
    assert {one["id"] for one in rest["data"]} == set(made)
    assert rest["data"][-1]["id"] == first["id"]
    await merchant.get("/refunds?updated_from=0&after=x", 400)


async def test_controls_end_a_refund(merchant: Merchant) -> None:
    merchant.manner(refunds="async")
    refund = await merchant.refund(await merchant.charge())
    for outcome, status in (("succeeded", "succeeded"), ("failed", "failed")):
        ended = await merchant.control(f"/refunds/{refund['id']}/settle", {"outcome": outcome})
        assert ended["status"] == status
    await merchant.control(f"/refunds/{refund['id']}/settle", {}, 400)
    await merchant.control(f"/refunds/{refund['id']}/settle", {"outcome": "lost"}, 400)
    merchant.processor.advance(9 * DAY)
    assert merchant.account.refunds[refund["id"]].status == "failed"


# Disputes


async def disputed(merchant: Merchant, *path: Any, **begun: Any) -> Any:
    """A dispute about a new charge of 1000, led along a path; a pair says how much is lost."""
    charge = await merchant.charge()
    dispute = await merchant.control(f"/charges/{charge['id']}/dispute", begun, 201)
    for step in path:
        to, lost = step if isinstance(step, tuple) else (step, None)
        dispute = await merchant.control(f"/disputes/{dispute['id']}", {"to": to, "lost": lost})
    return dispute


@pytest.mark.parametrize(
    ("path", "moves", "withdrawn"),
    [
        (["funds_withdrawn"], [-1000], 1000),
        (["funds_withdrawn", "won"], [-1000, 1000], 0),
        (["funds_withdrawn", "lost"], [-1000], 1000),
        (["funds_withdrawn", ("partly_lost", 400)], [-1000, 600], 400),
        (["lost"], [-1000], 1000),
        (["won"], [], 0),
        (["closed"], [], 0),
        (["funds_withdrawn", "won", "funds_withdrawn", "lost"], [-1000, 1000, -1000], 1000),
        (["lost", "won"], [-1000, 1000], 0),
    ],
)
async def test_money_follows_a_dispute(merchant: Merchant, path: list[Any], moves: list[int], withdrawn: int) -> None:
    dispute = await disputed(merchant, *path)
    assert [move["amount"] for move in dispute["moves"]] == moves
    assert len({move["id"] for move in dispute["moves"]}) == len(moves)
    assert dispute["withdrawn"] == withdrawn
    assert merchant.told()[2:] == [f"dispute.{step[0] if isinstance(step, tuple) else step}" for step in path]


async def test_an_event_tells_the_money_that_it_moved(merchant: Merchant) -> None:
    await disputed(merchant, "funds_withdrawn", "lost")
    told = [json.loads(event.content)["data"] for event in merchant.account.events.values()][1:]
    assert [one["moved"] and one["moved"]["amount"] for one in told] == [None, -1000, None]
    assert told[1]["evidence_url"].endswith(f"/dispute/{told[1]['id']}")


@pytest.mark.parametrize(
    "move", [{"to": "inquiry"}, {"to": "closed"}, {"to": "vanished"}, {"to": "partly_lost"}, {"to": "won", "lost": 1}]
)
async def test_a_move_that_can_not_follow(merchant: Merchant, move: dict[str, Any]) -> None:
    dispute = await disputed(merchant, stage="funds_withdrawn")
    await merchant.control(f"/disputes/{dispute['id']}", move, 400)
    assert merchant.account.disputes[dispute["id"]].status == "funds_withdrawn"


@pytest.mark.parametrize("begun", [{"stage": "lost"}, {"amount": 0}, {"amount": 1001}])
async def test_a_dispute_that_can_not_begin(merchant: Merchant, begun: dict[str, Any]) -> None:
    charge = await merchant.charge()
    await merchant.control(f"/charges/{charge['id']}/dispute", begun, 400)
    assert merchant.account.disputes == {}


async def test_an_open_dispute_forbids_refunds_and_an_inquiry_does_not(merchant: Merchant) -> None:
    dispute = await disputed(merchant, stage="inquiry", amount=600)
    await merchant.refund({"id": dispute["charge"]}, 100)
    await merchant.control(f"/disputes/{dispute['id']}", {"to": "funds_withdrawn"})
    assert (await merchant.refund({"id": dispute["charge"]}, 100, status=422))["error"]["code"] == "dispute_open"
    await merchant.control(f"/disputes/{dispute['id']}", {"to": "lost"})
    assert (await merchant.refund({"id": dispute["charge"]}))["amount"] == 300, "captured, less refunded, less lost"


async def test_evidence(merchant: Merchant) -> None:
    dispute = await disputed(merchant)
    page = await merchant.http.get(dispute["evidence_url"])
    assert "Submit evidence" in page.text
    await merchant.http.post(dispute["evidence_url"], data={"text": "it was delivered"})
    assert merchant.account.disputes[dispute["id"]].evidence == "it was delivered"
    await merchant.control(f"/disputes/{dispute['id']}", {"to": "lost"})
    assert (await merchant.http.post(dispute["evidence_url"], data={"text": "late"})).status_code == 409
    await merchant.post(f"/disputes/{dispute['id']}/evidence", {"text": "late"}, 409)


def test_every_state_that_a_dispute_can_reach_is_defined() -> None:
    assert {to for after in NEXT.values() for to in after} <= set(NEXT)


# Settlements


async def test_nothing_is_settled_before_the_day_is_over(merchant: Merchant) -> None:
    await merchant.charge()
    assert (await merchant.get("/settlements"))["data"] == []
    merchant.processor.advance(DAY)
    (shown,) = (await merchant.get("/settlements"))["data"]
    assert (shown["id"], shown["day"]) == ("pst_20270301", "2027-03-01")
    assert shown["payouts"] == [{"amount": 1000, "currency": "EUR"}]
    assert (await merchant.get("/settlements?day_from=2027-03-02"))["data"] == []
    await merchant.get("/settlements/pst_20270302", 404)


async def rows(merchant: Merchant) -> list[dict[str, str]]:
    merchant.processor.advance(DAY)
    (shown,) = (await merchant.get("/settlements"))["data"]
    return list(csv.DictReader(io.StringIO(await merchant.get(f"/settlements/{shown['id']}.csv"))))


async def test_a_file_holds_every_move_and_balances(merchant: Merchant) -> None:
    merchant.manner(fee_basis_points=290, fee_fixed=30)
    charge = await merchant.charge()
    await merchant.refund(charge, 300)
    await merchant.charge(amount=700, currency="JPY")
    dispute = await disputed(merchant, "funds_withdrawn", "won")
    found = await rows(merchant)
    kinds = ["capture", "refund", "capture", "capture", "dispute_withdrawn", "dispute_returned", "payout", "payout"]
    assert [row["kind"] for row in found] == kinds
    assert (found[0]["settled"], found[0]["fee"], found[0]["net"]) == ("1000", "59", "941")
    assert found[4]["object"] == dispute["id"]
    left = Counter[str]()
    for row in found:
        assert int(row["net"]) == int(row["settled"]) - int(row["fee"])
        left[row["settlement_currency"]] += int(row["net"])
    assert dict(left) == {"EUR": 0, "JPY": 0}


async def test_a_file_in_another_currency(merchant: Merchant) -> None:
    merchant.manner(settlement_currency="USD", rates={"EUR": "1.0835", "JPY": "0.0067"})
    charge = await merchant.charge()
    await merchant.refund(charge)
    await merchant.charge(amount=700, currency="JPY")
    found = await rows(merchant)
    shown = [(row["amount"], row["currency"], row["settled"], row["settlement_currency"]) for row in found]
    assert shown == [
        ("1000", "EUR", "1084", "USD"),
        ("-1000", "EUR", "-1084", "USD"),
        ("700", "JPY", "469", "USD"),
        ("-469", "USD", "-469", "USD"),
    ]
