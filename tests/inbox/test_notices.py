"""A processor's notices: matched within their connection, early, late, doubled, or for another account."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from db import sql
from gateway.collect.references import method_reference
from gateway.inbox.route import Router
from gateway.runtime import Runtime
from processors.errors import OutcomeUnknownError
from processors.events import (
    DisputeStage,
    DisputeState,
    EventKind,
    MoneyMoved,
    ProcessorEvent,
    RefundState,
    Replacement,
)
from processors.money import Money
from processors.outcome import (
    ADVICE,
    ChargeOutcome,
    Decline,
    DeclineClass,
    Declined,
    Found,
    LookupFailed,
    RefundSucceeded,
    Succeeded,
)
from processors.values import Card, PaymentMethodReference, Secret
from tests.support.inbox import (
    ScriptedAdapter,
    add_account,
    add_attempt,
    add_connection,
    add_invoice,
    add_method,
    cases,
    counters,
    deliveries,
    delivery,
    forward,
    noticed,
)

AT = datetime(2027, 3, 1, tzinfo=UTC)
PAID = Succeeded("ch_1", Money(1000, "eur"), AT)
DECLINED = Declined(Decline(DeclineClass.INSUFFICIENT_FUNDS, ADVICE[DeclineClass.INSUFFICIENT_FUNDS]), "ch_1")


def told(
    kind: EventKind = EventKind.CHARGE_SUCCEEDED, outcome: ChargeOutcome | None = PAID, **more: Any
) -> ProcessorEvent:
    return ProcessorEvent(kind, AT, **({"reference": "in_1.1", "processor_id": "ch_1", "outcome": outcome} | more))


class Place:
    """An account, its connection, and a pending attempt for in_1."""

    account: str
    connection: str
    method: str
    attempt: str

    async def prepare(self, account: str = "acme", **options: str) -> Place:
        self.account = await add_account(account)
        self.connection = await add_connection(self.account, **options)
        self.method = await add_method(self.account, self.connection)
        await add_invoice(self.account, "in_1")
        return self

    async def charged(self, **columns: Any) -> Place:
        self.attempt = await add_attempt(self.account, self.connection, self.method, "in_1", **columns)
        return self


async def attempt_state() -> str:
    return str(await sql.value("select state from tollbridge.attempt"))


async def movements() -> int:
    return int(await sql.value("select count(*) from tollbridge.movement"))


async def end(found: str) -> tuple[str, str]:
    row = await delivery(found)
    return row["state"], row["reason"]


@pytest.mark.parametrize(
    "names", [{}, {"reference": ""}, {"processor_id": ""}], ids=["both", "the processor's id", "our reference"]
)
async def test_a_success_is_stored_and_pokes_the_invoice(
    runtime: Runtime, scripted: ScriptedAdapter, names: Any
) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script[b"n1"] = [told(**names)]
    [found] = await noticed(place.account, place.connection, "n1")
    await Router(runtime).route([found])
    assert await end(found) == ("done", "")
    assert (await delivery(found))["object_id"] == "in_1", "it says what it is about once that is known"
    assert (await attempt_state(), await movements()) == ("succeeded", 1)
    assert await counters() == {(place.account, "in_1"): 1}


async def test_the_same_told_again_under_other_keys_takes_no_money_twice(
    runtime: Runtime, scripted: ScriptedAdapter
) -> None:
    place = await (await Place().prepare()).charged()
    for key in ("n1", "n2", "n3"):
        scripted.script[key.encode()] = [told()]
    await Router(runtime).route(await noticed(place.account, place.connection, "n1", "n2", "n1", "n3"))
    assert [row["state"] for row in await deliveries()] == ["done"] * 3
    assert await movements() == 1


async def test_an_event_without_an_outcome_is_looked_up(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script[b"n1"] = [told(outcome=None)]
    scripted.found = LookupFailed("HTTP 500")
    [found] = await noticed(place.account, place.connection, "n1")
    await Router(runtime).route([found])
    assert (await end(found))[0] == "stored"
    scripted.found = Found(DECLINED)
    await forward(timedelta(minutes=1))
    await Router(runtime).route([found])
    assert await end(found) == ("done", "")
    assert await attempt_state() == "declined"
    for asked in scripted.lookups:
        assert (asked.reference, asked.processor_id) == ("in_1.1", "ch_1")
        assert asked.method is not None  # where only a scan answers, it needs both
        assert asked.since is not None
    assert len(scripted.lookups) == 2


@pytest.mark.parametrize("hangs", ["parse", "lookup_charge"])
async def test_a_processor_that_never_answers_holds_up_no_notice(
    runtime: Runtime, scripted: ScriptedAdapter, monkeypatch: pytest.MonkeyPatch, hangs: str
) -> None:
    async def hanging(_asked: Any) -> Any:
        await asyncio.sleep(5)
        raise AssertionError("nobody cut it off")

    place = await (await Place().prepare()).charged()
    scripted.script[b"n1"] = [told(outcome=None)]
    scripted.found = Found(DECLINED)
    [found] = await noticed(place.account, place.connection, "n1")
    with monkeypatch.context() as slow:
        slow.setattr(runtime, "settings", replace(runtime.settings, processor_timeout_s=0.05))
        slow.setattr(scripted, hangs, hanging)
        await asyncio.wait_for(Router(runtime).route([found]), 4)
    assert (await end(found))[0] == "stored"
    await forward(timedelta(minutes=1))
    await Router(runtime).route([found])
    assert await end(found) == ("done", "")


async def test_a_notice_for_another_account_is_a_case_and_nothing_else(
    runtime: Runtime, scripted: ScriptedAdapter
) -> None:
    place = await (await Place().prepare(account="acme")).charged()
    await sql.rows("""update tollbridge.connection set options = '{"account": "shop_ours"}'""")
    scripted.script[b"n1"] = [told(account_ref="shop_theirs")]
    scripted.script[b"n2"] = [told(account_ref="shop_ours")]
    [wrong, right] = await noticed(place.account, place.connection, "n1", "n2")
    await Router(runtime).route([wrong])
    assert (await end(wrong))[0] == "parked"
    assert await cases() == [("notice_mismatch", wrong)]
    assert (await attempt_state(), await movements()) == ("pending", 0)
    await Router(runtime).route([right])
    assert await attempt_state() == "succeeded"


async def test_another_connections_reference_is_not_ours(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    place = await (await Place().prepare()).charged()
    other = await Place().prepare("other")
    scripted.script[b"n1"] = [told()]
    [found] = await noticed(other.account, other.connection, "n1")
    await Router(runtime).route([found])
    assert (await end(found))[0] == "stored"
    assert await attempt_state() == "pending"
    assert await counters() == {(place.account, "in_1"): 0, (other.account, "in_1"): 0}


async def test_a_notice_that_is_quicker_than_our_row_waits_for_it(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    place = await Place().prepare()
    scripted.script[b"n1"] = [told()]
    [found] = await noticed(place.account, place.connection, "n1")
    await Router(runtime).route([found])
    assert (await end(found))[0] == "stored"
    await place.charged()
    await forward(timedelta(seconds=11))
    await Router(runtime).route([found])
    assert await end(found) == ("done", "")


async def test_one_that_fits_nothing_for_a_day_is_parked(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    place = await Place().prepare()
    scripted.script[b"n1"] = [told(reference="in_9.1", processor_id="ch_9")]
    [found] = await noticed(place.account, place.connection, "n1")
    for _ in range(26):
        await Router(runtime).route([found])
        row = await delivery(found)
        if row["state"] != "stored":
            break
        await forward(timedelta(hours=1))
    assert row["state"] == "parked"
    assert row["finished_at"] - row["received_at"] >= timedelta(days=1)
    assert await cases() == [("delivery_parked", found)]
    assert row["tries"] <= 12


THEIRS = {"reference": "ORD-5023-4E89", "processor_id": "ch_9"}


@pytest.mark.parametrize("account_ref", ["", "shop_ours", "shop_theirs"])
@pytest.mark.parametrize("kind", [EventKind.CHARGE_SUCCEEDED, EventKind.REFUND_SUCCEEDED, EventKind.DISPUTE_OPENED])
async def test_other_business_of_the_merchant_is_no_case(
    runtime: Runtime, scripted: ScriptedAdapter, kind: EventKind, account_ref: str
) -> None:
    """Law 9: a webhook tells of a whole account, and each order of a shop in it would be before a human."""
    place = await (await Place().prepare()).charged()
    await sql.rows("""update tollbridge.connection set options = '{"account": "shop_ours"}'""")
    state = RefundState("re_9", "ch_9", RefundSucceeded("re_9", Money(500, "eur"), AT), Money(500, "eur"))
    dispute = DisputeState("dp_9", "ch_9", DisputeStage.OPENED, Money(500, "eur"), Money(0, "eur"))
    scripted.script[b"n1"] = [told(kind, account_ref=account_ref, refund=state, dispute=dispute, **THEIRS)]
    [found] = await noticed(place.account, place.connection, "n1")
    await Router(runtime).route([found])
    assert (await end(found))[0] == "ignored"
    assert await cases() == []


async def test_what_may_be_of_a_charge_without_its_id_yet_waits(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    """Staff may give a refund a reference of their own: then only the charge's id tells whose it is."""
    place = await (await Place().prepare()).charged(state="unknown", processor_id=None, request=b"sealed")
    state = RefundState("re_9", "ch_9", RefundSucceeded("re_9", Money(500, "eur"), AT), Money(500, "eur"))
    scripted.script[b"n1"] = [told(EventKind.REFUND_SUCCEEDED, None, refund=state, **THEIRS)]
    [found] = await noticed(place.account, place.connection, "n1")
    await Router(runtime).route([found])
    assert (await end(found))[0] == "stored"


async def test_a_processor_that_does_not_answer_is_asked_again_then_parked(
    runtime: Runtime, scripted: ScriptedAdapter
) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script[b"n1"] = OutcomeUnknownError("token tok_1 somewhere in the text")
    [found] = await noticed(place.account, place.connection, "n1")
    for _ in range(8):
        await Router(runtime).route([found])
        await forward(timedelta(days=1))
    assert await end(found) == ("parked", "8 tries failed: OutcomeUnknownError")
    assert len(scripted.parsed) == 8


async def test_a_second_payment_under_one_reference_is_in_the_ledger(
    runtime: Runtime, scripted: ScriptedAdapter
) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script[b"n1"] = [told()]
    scripted.script[b"n2"] = [told(processor_id="", outcome=Succeeded("ch_2", Money(1000, "eur"), AT))]
    for key in ("n1", "n2"):
        await Router(runtime).route(await noticed(place.account, place.connection, key))
    assert await movements() == 2


async def test_a_revoked_token_is_erased_and_the_customers_invoices_poked(
    runtime: Runtime, scripted: ScriptedAdapter
) -> None:
    place = await Place().prepare()
    kept = await add_method(place.account, place.connection, "tok_10")
    scripted.script[b"n1"] = [ProcessorEvent(EventKind.METHOD_REVOKED, AT, token=Secret("tok_1"))]
    scripted.script[b"n2"] = [ProcessorEvent(EventKind.METHOD_REVOKED, AT, token=Secret("tok_1"))]
    scripted.script[b"n3"] = [ProcessorEvent(EventKind.METHOD_REVOKED, AT, token=Secret("TOK_10"))]
    scripted.script[b"n4"] = [ProcessorEvent(EventKind.METHOD_REVOKED, AT)]
    ends = []
    for key in ("n1", "n2", "n3", "n4"):
        [found] = await noticed(place.account, place.connection, key)
        await Router(runtime).route([found])
        ends.append((await end(found))[0])
    assert ends == ["done", "ignored", "ignored", "parked"]
    rows = {r["id"]: r for r in await sql.rows("select * from tollbridge.payment_method")}
    assert (rows[place.method]["status"], rows[place.method]["reference"]) == ("revoked", None)
    assert rows[kept]["status"] == "active"
    assert await counters() == {(place.account, "in_1"): 1}


def replaced(old: str, new: str) -> ProcessorEvent:
    made = Replacement(PaymentMethodReference(Secret(new)), Card("visa", "1881", label="visa •••• 1881"))
    return ProcessorEvent(EventKind.METHOD_REPLACED, AT, token=Secret(old), replacement=made)


@pytest.mark.parametrize(("reason", "status"), [("expired", "active"), ("fraud", "stopped")])
async def test_a_replaced_token_stays_the_same_method(
    runtime: Runtime, scripted: ScriptedAdapter, reason: str, status: str
) -> None:
    place = await Place().prepare()
    await sql.rows("update tollbridge.payment_method set status = 'stopped', stopped_reason = $1", reason)
    agreed = {"amount": 5000, "currency": "eur"}
    await sql.rows(
        "update tollbridge.payment_method set card = $1", msgspec.json.encode({"charge_limit": agreed}).decode()
    )
    scripted.script[b"n1"] = scripted.script[b"n2"] = [replaced("tok_1", "tok_2")]
    for key, state in (("n1", "done"), ("n2", "ignored")):
        [found] = await noticed(place.account, place.connection, key)
        await Router(runtime).route([found])
        assert (await end(found))[0] == state, key
    [row] = await sql.rows("select * from tollbridge.payment_method")
    assert (row["id"], row["status"]) == (place.method, status)
    assert msgspec.json.decode(row["card"])["charge_limit"] == agreed, "the payer has agreed to no more"
    assert row["token_hash"] == runtime.keyring.token_hash(place.connection, "tok_2")
    assert row["vault_hash"] == runtime.keyring.vault_hash("scripted", "tok_2")
    assert (await method_reference(runtime, place.account, place.method)).token.reveal() == "tok_2"


async def test_a_replacement_that_is_stored_already_is_put_before_a_human(
    runtime: Runtime, scripted: ScriptedAdapter
) -> None:
    place = await Place().prepare()
    await add_method(place.account, place.connection, "tok_2")
    scripted.script[b"n1"] = [replaced("tok_1", "tok_2")]
    [found] = await noticed(place.account, place.connection, "n1")
    await Router(runtime).route([found])
    assert (await end(found))[0] == "parked"


async def test_a_mandate_that_moves_to_another_bank_keeps_its_token(
    runtime: Runtime, scripted: ScriptedAdapter
) -> None:
    place = await Place().prepare()
    await sql.rows("update tollbridge.payment_method set status = 'stopped', stopped_reason = 'invalid_payment_method'")
    scripted.script[b"n1"] = [replaced("tok_1", "tok_1")]
    [found] = await noticed(place.account, place.connection, "n1")
    await Router(runtime).route([found])
    assert (await end(found))[0] == "done"
    [row] = await sql.rows("select * from tollbridge.payment_method")
    assert (row["id"], row["status"]) == (place.method, "active")
    assert "1881" in row["card"]


async def test_a_token_of_another_connection_is_left_alone(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    place = await Place().prepare()
    second = await add_connection(place.account, "scripted-us")
    scripted.script[b"n1"] = [ProcessorEvent(EventKind.METHOD_REVOKED, AT, token=Secret("tok_1"))]
    [found] = await noticed(place.account, second, "n1")
    await Router(runtime).route([found])
    assert (await end(found))[0] == "ignored"
    assert await sql.value("select status from tollbridge.payment_method") == "active"


async def test_what_means_nothing_to_us_is_ignored_with_its_name(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    place = await Place().prepare()
    scripted.script[b"n1"] = [ProcessorEvent(EventKind.IGNORED, AT, detail="payout.sent")]
    scripted.script[b"n2"] = []
    ids = await noticed(place.account, place.connection, "n1", "n2")
    await Router(runtime).route(ids)
    assert [await end(i) for i in ids] == [("ignored", "payout.sent"), ("ignored", "the notice holds no event")]


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (EventKind.REFUND_SUCCEEDED, "parked"),
        (EventKind.DISPUTE_FUNDS_WITHDRAWN, "parked"),
        (EventKind.METHOD_REPLACED, "parked"),
    ],
)
async def test_what_is_not_acted_on_yet_is_not_lost(
    runtime: Runtime, scripted: ScriptedAdapter, kind: EventKind, state: str
) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script[b"n1"] = [told(kind, None, token=Secret("tok_1"))]
    [found] = await noticed(place.account, place.connection, "n1")
    await Router(runtime).route([found])
    assert (await end(found))[0] == state
    assert str(kind) in (await end(found))[1]
    assert await attempt_state() == "pending"
    assert await sql.value("select status from tollbridge.payment_method") == "active"


async def test_one_event_that_fits_nothing_does_not_hold_up_the_others_of_its_notice(
    runtime: Runtime, scripted: ScriptedAdapter
) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script[b"n1"] = [told(reference="in_9.1", processor_id="ch_9"), told()]
    [found] = await noticed(place.account, place.connection, "n1")
    await Router(runtime).route([found])
    assert (await end(found))[0] == "stored"
    assert await attempt_state() == "succeeded"


async def test_a_notice_with_several_events_is_done_as_a_whole(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script[b"n1"] = [
        ProcessorEvent(EventKind.IGNORED, AT, detail="payout.sent"),
        told(),
        ProcessorEvent(EventKind.METHOD_REVOKED, AT, token=Secret("tok_1")),
    ]
    [found] = await noticed(place.account, place.connection, "n1")
    await Router(runtime).route([found])
    assert await end(found) == ("done", "")
    assert await attempt_state() == "succeeded"
    assert await sql.value("select status from tollbridge.payment_method") == "revoked"


# --- money that is settled -----------------------------------------------------------------------------------------


async def settled_at() -> object:
    return await sql.value("select settled_at from tollbridge.attempt")


async def test_settled_money_proves_its_success_and_is_stored_once(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script[b"n1"] = scripted.script[b"n2"] = [told(EventKind.CHARGE_SETTLED)]
    scripted.script[b"n3"] = [told()]
    ids = await noticed(place.account, place.connection, "n1", "n2", "n3")
    for one in ids:  # together each may be the first
        await Router(runtime).route([one])
    assert await attempt_state() == "succeeded"
    assert await settled_at() is not None
    assert await ledger() == [("capture", 1000, "")]
    assert [(await end(i))[0] for i in ids] == ["done", "ignored", "done"]


async def test_settled_waits_until_the_processor_shows_a_success(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script[b"n1"] = [told(EventKind.CHARGE_SETTLED, DECLINED)]
    [found] = await noticed(place.account, place.connection, "n1")
    await Router(runtime).route([found])
    assert (await end(found))[0] == "stored"
    assert (await attempt_state(), await settled_at()) == ("pending", None)


async def test_what_was_taken_back_is_not_settled(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script[b"n1"] = [told()]
    scripted.script[b"n2"] = [moved(-1000, "mv_1")]
    scripted.script[b"n3"] = [told(EventKind.CHARGE_SETTLED)]
    for name in ("n1", "n2", "n3"):
        [found] = await noticed(place.account, place.connection, name)
        await Router(runtime).route([found])
    assert (await end(found))[0] == "ignored"
    assert (await attempt_state(), await settled_at()) == ("reversed", None)


# --- money that moves again after a charge has ended ---------------------------------------------------------------


def moved(amount: int, occurrence: str, currency: str = "eur", **more: Any) -> ProcessorEvent:
    kind = EventKind.CHARGE_REVERSED if amount < 0 else EventKind.CHARGE_REINSTATED
    return told(kind, None, moved=MoneyMoved(Money(amount, currency), occurrence, AT), **more)


async def ledger() -> list[tuple[str, int, str]]:
    rows = await sql.rows("select kind, amount, occurrence from tollbridge.movement order by id")
    return [tuple(row) for row in rows]


async def test_a_capture_that_is_taken_back_stands_in_the_ledger_once(
    runtime: Runtime, scripted: ScriptedAdapter
) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script |= {b"n1": [told()], b"n2": [moved(-1000, "mv_1")], b"n3": [moved(-1000, "mv_1")]}
    for key in ("n1", "n2", "n3"):
        await Router(runtime).route(await noticed(place.account, place.connection, key))
    assert await ledger() == [("capture", 1000, ""), ("capture_reversed", 1000, "mv_1")]
    assert await attempt_state() == "reversed"


async def test_its_old_success_told_again_does_not_give_the_money_back(
    runtime: Runtime, scripted: ScriptedAdapter
) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script |= {b"n1": [told()], b"n2": [moved(-1000, "mv_1")], b"n3": [told()]}
    for key in ("n1", "n2", "n3"):
        await Router(runtime).route(await noticed(place.account, place.connection, key))
    assert await attempt_state() == "reversed"
    assert len(await ledger()) == 2


async def test_money_can_move_more_than_once(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    place = await (await Place().prepare()).charged()
    moves = [moved(-1000, "mv_1"), moved(1000, "mv_2"), moved(-1000, "mv_3"), moved(1000, "mv_4")]
    scripted.script |= {b"n1": [told()], b"n2": moves}
    for key in ("n1", "n2"):
        await Router(runtime).route(await noticed(place.account, place.connection, key))
    assert await attempt_state() == "succeeded"
    assert len(await ledger()) == 5


async def test_a_return_that_is_quicker_than_its_charge_waits_for_it(
    runtime: Runtime, scripted: ScriptedAdapter
) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script |= {b"n1": [moved(-1000, "mv_1")], b"n2": [told()]}
    [early] = await noticed(place.account, place.connection, "n1")
    await Router(runtime).route([early])
    assert (await end(early))[0] == "stored"
    assert await ledger() == []
    await Router(runtime).route(await noticed(place.account, place.connection, "n2"))
    await forward(timedelta(minutes=1))
    await Router(runtime).route([early])
    assert await end(early) == ("done", "")
    assert await attempt_state() == "reversed"


async def test_money_is_not_given_again_that_was_never_taken_back(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    """Law 5: what came in once would be returned to the payer as too much."""
    place = await (await Place().prepare()).charged()
    scripted.script |= {b"n1": [told()], b"n2": [moved(1000, "mv_2")], b"n3": [moved(-1000, "mv_1")]}
    await Router(runtime).route(await noticed(place.account, place.connection, "n1"))
    [early] = await noticed(place.account, place.connection, "n2")
    await Router(runtime).route([early])
    assert (await end(early))[0] == "stored"
    assert await ledger() == [("capture", 1000, "")]
    await Router(runtime).route(await noticed(place.account, place.connection, "n3"))
    await forward(timedelta(minutes=1))
    await Router(runtime).route([early])
    assert await end(early) == ("done", "")
    assert (await attempt_state(), len(await ledger())) == ("succeeded", 3)


async def test_a_return_in_another_currency_moves_nothing(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script |= {b"n1": [told()], b"n2": [moved(-1000, "mv_1", "usd")]}
    for key in ("n1", "n2"):
        await Router(runtime).route(await noticed(place.account, place.connection, key))
    assert await attempt_state() == "succeeded"
    assert await cases() == [("notice_mismatch", place.attempt)]


async def test_why_it_was_taken_back_may_stop_the_method(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    place = await (await Place().prepare()).charged()
    closed = Decline(DeclineClass.ACCOUNT_CLOSED, ADVICE[DeclineClass.ACCOUNT_CLOSED])
    scripted.script |= {b"n1": [told()], b"n2": [moved(-1000, "mv_1", decline=closed)]}
    for key in ("n1", "n2"):
        await Router(runtime).route(await noticed(place.account, place.connection, key))
    stopped = await sql.row("select status, stopped_reason from tollbridge.payment_method")
    assert tuple(stopped or ()) == ("stopped", "account_closed")


async def test_several_captures_under_one_reference_are_all_in_the_ledger(
    runtime: Runtime, scripted: ScriptedAdapter
) -> None:
    place = await (await Place().prepare()).charged()
    scripted.script[b"n1"] = [told(outcome=None)]
    second = Succeeded("ch_2", Money(1000, "eur"), AT)
    scripted.found = Found(DECLINED, (PAID, second))
    await Router(runtime).route(await noticed(place.account, place.connection, "n1"))
    captured = await sql.rows("select processor_id from tollbridge.movement where kind = 'capture' order by id")
    assert [row["processor_id"] for row in captured] == ["ch_1", "ch_2"]
    assert await attempt_state() == "succeeded"


async def test_a_notice_of_another_connections_charge_is_ignored(runtime: Runtime, scripted: ScriptedAdapter) -> None:
    theirs = await (await Place().prepare("acme")).charged()
    ours, stranger = await Place().prepare("other"), await Place().prepare("third")
    for place, there in ((theirs, "pa_1"), (ours, "pa_1"), (stranger, "pa_2")):
        options = f'{{"account": "{there}"}}'
        await sql.rows("update tollbridge.connection set options = $2 where id = $1", place.connection, options)
    scripted.script[b"n1"] = [told(account_ref="")]
    for place, state in ((ours, "ignored"), (stranger, "stored")):
        [found] = await noticed(place.account, place.connection, "n1")
        await Router(runtime).route([found])
        assert (await end(found))[0] == state
    assert await sql.value("select state from tollbridge.attempt where id = $1", theirs.attempt) == "pending"
