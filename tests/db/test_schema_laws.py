"""What the database itself refuses, so that a bug in the code can't break a law."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from db import sql
from db.engine import DB
from tests.db import rows
from tests.db.rows import NOW, World


@pytest.fixture
async def world(database: str) -> World:
    return await World.make()


@contextmanager
def refused(constraint: str) -> Iterator[None]:
    """The statement within breaks this constraint and no other."""
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as error:
        yield
    assert error.value.constraint_name == constraint, str(error.value)


async def change(table: str, id_: str, **values: Any) -> None:
    assignments = ", ".join(f"{name} = ${number}" for number, name in enumerate(values, 2))
    await sql.rows(f"update tollbridge.{table} set {assignments} where id = $1", id_, *values.values())


# --- law 1: one unresolved attempt, one full success ---------------------------------------------------------------

UNRESOLVED = ("sending", "pending", "requires_action", "unknown")


@pytest.mark.parametrize("first", UNRESOLVED)
@pytest.mark.parametrize("second", UNRESOLVED)
async def test_no_second_unresolved_attempt(world: World, first: str, second: str) -> None:
    await world.attempt(1, first)
    with refused("attempt_one_unresolved"):
        await world.attempt(2, second)


@pytest.mark.parametrize("first", ["declined", "rejected", "not_sent", "canceled", "succeeded", "reversed"])
async def test_the_next_attempt_follows_a_resolved_one(world: World, first: str) -> None:
    await world.attempt(1, first)
    await world.attempt(2)


async def test_nor_over_another_processor(world: World) -> None:
    await world.attempt(1)
    elsewhere = await rows.connection(world.account)
    with refused("attempt_one_unresolved"):
        await world.attempt(2, connection=elsewhere)


async def test_a_resolved_attempt_does_not_become_unresolved_beside_another(world: World) -> None:
    first = await world.attempt(1, "declined")
    await world.attempt(2)
    with refused("attempt_one_unresolved"):
        await change("attempt", first, state="pending", resolved_at=None)


async def test_no_second_full_success(world: World) -> None:
    await world.attempt(1, "succeeded")
    with refused("attempt_one_full_success"):
        await world.attempt(2, "succeeded")


async def test_a_late_success_must_say_that_it_is_surplus(world: World) -> None:
    late = await world.attempt(1, "declined")
    await world.attempt(2, "succeeded")
    took = {"state": "succeeded", "amount_captured": 1000, "processor_id": "psp_late"}
    with refused("attempt_one_full_success"):
        await change("attempt", late, **took)
    await change("attempt", late, surplus=True, surplus_at=NOW, **took)


async def test_part_captures_are_no_full_success(world: World) -> None:
    await world.attempt(1, "succeeded", amount_captured=600)
    await world.attempt(2, "succeeded", amount=400, amount_captured=400)


async def test_another_invoice_is_another_matter(world: World) -> None:
    await world.attempt(1)
    world.invoice = await rows.invoice(world.account)
    await world.attempt(1)


async def test_two_workers_at_once_make_one_attempt(world: World) -> None:
    async def make(number: int) -> None:
        async with DB.transaction():
            await world.attempt(number)
            await asyncio.sleep(0.05)

    made = await asyncio.gather(make(1), make(2), return_exceptions=True)
    assert [type(one) for one in made if one is not None] == [asyncpg.UniqueViolationError]


# --- law 2: what was committed before the call never changes -------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": 999},
        {"amount": 1001},
        {"currency": "usd"},
        {"idempotency_key": uuid4()},
        {"reference": "in_other.1"},
        {"number": 2},
        {"request": b"other bytes"},
    ],
    ids=lambda changed: next(iter(changed)),
)
async def test_an_intent_does_not_change(world: World, changed: dict[str, Any]) -> None:
    attempt = await world.attempt(1, "unknown")
    with refused("intent_is_fixed"):
        await change("attempt", attempt, **changed)


async def test_nor_its_method_connection_or_invoice(world: World) -> None:
    attempt = await world.attempt(1, "unknown")
    others = {
        "payment_method": await rows.method(world.account, world.connection, world.customer),
        "connection": await rows.connection(world.account),
        "invoice": await rows.invoice(world.account),
    }
    for column, other in others.items():
        with refused("intent_is_fixed"):
            await change("attempt", attempt, **{column: other})


async def test_nor_together_with_its_outcome(world: World) -> None:
    attempt = await world.attempt(1, "unknown")
    with refused("intent_is_fixed"):
        await change("attempt", attempt, state="declined", resolved_at=NOW, amount=1)


async def test_the_bytes_are_erased_and_never_come_back(world: World) -> None:
    attempt = await world.attempt(1, "unknown")
    await change("attempt", attempt, state="declined", resolved_at=NOW, request=None)
    with refused("intent_is_fixed"):
        await change("attempt", attempt, request=b"sealed")


@pytest.mark.parametrize("state", ["sending", "unknown"])
async def test_the_bytes_are_kept_while_they_may_be_sent_again(world: World, state: str) -> None:
    attempt = await world.attempt(1, state)
    with refused("bytes_are_kept_while_unresolved"):
        await change("attempt", attempt, request=None)


async def test_an_outcome_may_be_written(world: World) -> None:
    attempt = await world.attempt(1)
    await change(
        "attempt", attempt, state="succeeded", amount_captured=1000, processor_id="psp_1", resolved_at=NOW, request=None
    )


@pytest.mark.parametrize("lacks", [{"amount_captured": 0}, {"processor_id": None}])
async def test_a_success_took_something_that_has_a_name(world: World, lacks: dict[str, Any]) -> None:
    with refused("success_took_something"):
        await world.attempt(1, "succeeded", **lacks)


async def test_a_key_is_used_once(world: World) -> None:
    key = uuid4()
    await world.attempt(1, "declined", idempotency_key=key)
    with refused("attempt_idempotency_key_key"):
        await world.attempt(2, idempotency_key=key)


async def test_a_number_and_a_reference_are_used_once(world: World) -> None:
    await world.attempt(1, "declined")
    with refused("attempt_account_invoice_number_key"):
        await world.attempt(1, reference="another")
    with refused("attempt_connection_reference_key"):
        await world.attempt(2, reference=f"{world.invoice}.1")


async def test_a_processors_payment_belongs_to_one_attempt(world: World) -> None:
    await world.attempt(1, "declined", processor_id="psp_1")
    with refused("attempt_processor_id"):
        await world.attempt(2, processor_id="psp_1")


# --- law 10: the ledger and the audit log only grow ----------------------------------------------------------------


@pytest.fixture
async def written(world: World) -> World:
    """With one movement, one note about a case and one line in the audit log."""
    await world.capture()
    about = {"kind": "overpaid", "subject": "in_1", "reason": "r", "action": "a", "state": "open", "opened_at": NOW}
    await rows.insert("review_case", id="cas_1", account=world.account, **about)
    await rows.insert(
        "case_note", id="csn_1", account=world.account, review_case="cas_1", author="key_1", text="t", written_at=NOW
    )
    await rows.insert(
        "audit_log", id="aud_1", account=world.account, actor="key_1", action="refund", object="in_1", created_at=NOW
    )
    return world


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("table", ["movement", "audit_log", "case_note"])
@pytest.mark.parametrize("statement", ["update tollbridge.{} set id = id", "delete from tollbridge.{}"])
async def test_what_is_written_stays(table: str, statement: str) -> None:
    with refused("append_only"):
        await sql.rows(statement.format(table))


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("statement", ["truncate tollbridge.movement cascade", "truncate tollbridge.attempt cascade"])
async def test_the_ledger_is_not_truncated(statement: str) -> None:
    with refused("append_only"):
        await sql.rows(statement)


@pytest.mark.usefixtures("written")
async def test_the_audit_log_is_not_truncated() -> None:
    with refused("append_only"):
        await sql.rows("truncate tollbridge.audit_log")


@pytest.mark.usefixtures("written")
async def test_of_a_note_the_text_alone_can_be_erased() -> None:
    with refused("append_only"):
        await sql.rows("update tollbridge.case_note set text = '(erased)', author = 'key_2'")
    await sql.rows("update tollbridge.case_note set text = '(erased)'")


async def test_one_movement_for_one_fact(world: World) -> None:
    attempt = await world.attempt(1, "succeeded")
    await world.movement(attempt, processor_id="psp_1")
    with refused("movement_once"):
        await world.movement(attempt, processor_id="psp_1", amount=500)


async def test_what_happens_again_has_another_occurrence(world: World) -> None:
    attempt = await world.attempt(1, "succeeded")
    for occurrence in ("dispute_1", "dispute_2"):
        await world.movement(attempt, "dispute_withdrawn", processor_id="psp_1", occurrence=occurrence)
    with refused("movement_once"):
        await world.movement(attempt, "dispute_withdrawn", processor_id="psp_1", occurrence="dispute_2")


async def test_the_same_id_at_another_connection_or_of_another_kind_is_another_fact(world: World) -> None:
    attempt = await world.attempt(1, "succeeded")
    await world.movement(attempt, processor_id="psp_1")
    await world.movement(attempt, "refund", processor_id="psp_1")
    await world.movement(attempt, processor_id="psp_1", connection=await rows.connection(world.account))


def receipt(evidence: str = "statement of 1 March") -> dict[str, Any]:
    return {"kind": "receipt", "connection": None, "processor_id": "TRF-1", "evidence": evidence}


async def test_one_receipt_for_one_transfer(world: World) -> None:
    await world.movement(None, **receipt())
    with refused("movement_once"):
        await world.movement(None, **receipt())


async def test_another_account_may_have_a_transfer_of_the_same_name(world: World) -> None:
    await world.movement(None, **receipt())
    await (await World.make()).movement(None, **receipt())


async def test_a_receipt_has_evidence_and_the_rest_an_attempt_and_a_connection(world: World) -> None:
    for broken in (receipt(evidence=""), {"kind": "capture"}, receipt() | {"connection": world.connection}):
        with pytest.raises(asyncpg.CheckViolationError):
            await world.movement(None, **broken)


@pytest.mark.parametrize("amount", [0, -1])
async def test_movements_are_of_something(world: World, amount: int) -> None:
    attempt = await world.attempt(1, "succeeded")
    with refused("movement_amount_check"):
        await world.movement(attempt, amount=amount)


# --- law 8: refunds within their capture ---------------------------------------------------------------------------


async def refundable(capture: str) -> int:
    return int(await sql.value("select tollbridge.refundable($1)", capture))


async def test_no_more_is_refunded_than_was_captured(world: World) -> None:
    capture = await world.capture()
    with refused("refund_within_capture"):
        await world.refund(capture, 1001)
    await world.refund(capture, 1000)
    with refused("refund_within_capture"):
        await world.refund(capture, 1)


@pytest.mark.parametrize("state", ["requested", "sending", "pending", "succeeded", "unknown"])
async def test_every_refund_that_may_have_gone_out_counts(world: World, state: str) -> None:
    capture = await world.capture()
    await world.refund(capture, 600, state)
    assert await refundable(capture) == 400
    with refused("refund_within_capture"):
        await world.refund(capture, 600)


@pytest.mark.parametrize("state", ["failed", "refused"])
async def test_one_that_did_not_go_out_counts_no_more(world: World, state: str) -> None:
    capture = await world.capture()
    refund = await world.refund(capture, 600)
    await change("refund_part", refund, state=state)
    await world.refund(capture, 1000)


@pytest.mark.parametrize("back_to", ["requested", "succeeded", "unknown"])
async def test_a_refund_does_not_come_back_from_failed_beyond_its_capture(world: World, back_to: str) -> None:
    capture = await world.capture()
    failed = await world.refund(capture, 600)
    await change("refund_part", failed, state="failed")
    second = await world.refund(capture, 600)
    with refused("refund_within_capture"):
        await change("refund_part", failed, state=back_to, request=b"bytes", processor_id="psp_back")
    await change("refund_part", second, state="refused")
    await change("refund_part", failed, state=back_to, request=b"bytes", processor_id="psp_back")


async def test_its_progress_needs_no_room(world: World) -> None:
    """A capture disputed while its refund is under way: what has happened must be storable (scenario 172)."""
    capture = await world.capture()
    refund = await world.refund(capture, 1000, "sending")
    await world.dispute(capture, "funds_withdrawn")
    await change("refund_part", refund, state="succeeded", processor_id="psp_r")
    assert await refundable(capture) == -1000


@pytest.mark.parametrize(("kinds", "left"), [((), 1000), (("capture_reversed",), 0),
                                             (("capture_reversed", "capture_reinstated"), 1000)])  # fmt: skip
async def test_what_was_taken_back_is_not_refundable(world: World, kinds: tuple[str, ...], left: int) -> None:
    capture = await world.capture()
    for kind in kinds:
        await world.movement(capture, kind)
    assert await refundable(capture) == left
    with refused("refund_within_capture"):
        await world.refund(capture, left + 1)


@pytest.mark.parametrize(
    ("state", "withdrawn", "returned", "left"),
    [
        ("inquiry", 0, 0, 1000),
        ("opened", 0, 0, 400),
        ("funds_withdrawn", 600, 0, 400),
        ("funds_withdrawn", 700, 0, 300),
        ("won", 600, 600, 1000),
        ("lost", 600, 0, 400),
        ("partly_lost", 600, 350, 750),
        ("closed", 0, 0, 1000),
    ],
)
async def test_a_dispute_that_is_not_won_counts(
    world: World, state: str, withdrawn: int, returned: int, left: int
) -> None:
    capture = await world.capture()
    dispute = await world.dispute(capture, state, 600)
    for kind, amount in (("dispute_withdrawn", withdrawn), ("dispute_returned", returned)):
        if amount:
            await world.movement(capture, kind, amount, processor_id=f"psp_{dispute}")
    assert await refundable(capture) == left


async def test_what_began_at_the_processor_is_stored_whatever_is_left(world: World) -> None:
    capture = await world.capture()
    await world.refund(capture, 1000, "succeeded")
    await world.refund(capture, 400, "succeeded", is_external=True)
    assert await refundable(capture) == -400


async def test_what_was_committed_of_a_refund_stays(world: World) -> None:
    capture = await world.capture()
    refund = await world.refund(capture, 600, "sending")
    for changed in ({"amount": 500}, {"reference": "other"}, {"request": b"other bytes"}):
        with refused("refund_intent_is_fixed"):
            await change("refund_part", refund, **changed)


async def test_nothing_is_refunded_of_what_was_never_captured(world: World) -> None:
    pending = await world.attempt(1, "pending")
    with refused("refund_within_capture"):
        await world.refund(pending, 1)


async def test_two_people_at_once_share_one_capture(world: World) -> None:
    """Scenario 239: 6.00 and 6.00 of 10.00, both looked before either had written."""
    capture = await world.capture()
    both_began = asyncio.Barrier(2)

    async def refund() -> None:
        async with DB.transaction():
            assert await refundable(capture) == 1000
            await both_began.wait()
            await world.refund(capture, 600)
            await asyncio.sleep(0.05)

    ended = await asyncio.gather(refund(), refund(), return_exceptions=True)
    assert [type(one) for one in ended if one is not None] == [asyncpg.CheckViolationError]
    assert await refundable(capture) == 400


async def test_a_dispute_and_a_refund_at_once_are_told_apart(world: World) -> None:
    """The second one waits for the capture's lock and then sees the first."""
    capture = await world.capture()
    locked, go_on = asyncio.Event(), asyncio.Event()

    async def refund_first() -> None:
        async with DB.transaction():
            await world.refund(capture, 1000)
            locked.set()
            await go_on.wait()

    first = asyncio.create_task(refund_first())
    await locked.wait()
    second = asyncio.create_task(world.refund(capture, 1))
    await asyncio.sleep(0.1)
    assert not second.done(), "it waits for the lock"
    go_on.set()
    await first
    with refused("refund_within_capture"):
        await second


# --- accounts, clock, tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("livemode", [False, True])
async def test_an_account_stays_test_or_live(database: str, livemode: bool) -> None:
    made = await rows.account(livemode=livemode)
    with refused("livemode_is_for_ever"):
        await change("account", made, livemode=not livemode)
    await change("account", made, portal_url="https://example.com", livemode=livemode)


async def test_a_stripe_key_makes_one_account(world: World) -> None:
    """Two would both charge its invoices."""
    other = await rows.account()
    await change("account", world.account, api_key_hash="h", stripe_account="acct_1")
    with refused("account_api_key_hash_key"):
        await change("account", other, api_key_hash="h")
    with refused("account_stripe_account"):
        await change("account", other, stripe_account="acct_1")


@pytest.mark.usefixtures("database")
async def test_the_clock_moves_beside_test_accounts() -> None:
    await rows.account()
    await sql.rows("update tollbridge.business_clock set offset_s = 86400")
    assert await sql.value("select offset_s from tollbridge.business_clock") == 86400


@pytest.mark.usefixtures("database")
async def test_the_clock_never_moves_beside_a_live_account() -> None:
    await rows.account(livemode=True)
    with pytest.raises(asyncpg.CheckViolationError, match="never moved beside a live account"):
        await sql.rows("update tollbridge.business_clock set offset_s = 1")
    await sql.rows("update tollbridge.business_clock set offset_s = 0")


@pytest.mark.usefixtures("database")
async def test_no_live_account_beside_a_moved_clock() -> None:
    await sql.rows("update tollbridge.business_clock set offset_s = 86400")
    with pytest.raises(asyncpg.CheckViolationError):
        await rows.account(livemode=True)


@pytest.mark.usefixtures("database")
async def test_there_is_one_clock() -> None:
    for value in (True, False):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await rows.insert("business_clock", one=value)


async def test_a_token_is_stored_once_for_a_connection(world: World) -> None:
    await rows.method(world.account, world.connection, world.customer, token_hash="h")
    somebody_else = await rows.customer(world.account)
    for customer in (world.customer, somebody_else):
        with refused("payment_method_token"):
            await rows.method(world.account, world.connection, customer, token_hash="h")
    with refused("payment_method_token"):
        await rows.method(world.account, world.connection, world.customer, token_hash="h", status="stopped")


async def test_and_again_once_revoked_or_elsewhere(world: World) -> None:
    gone = {"status": "revoked", "revoked_at": NOW, "reference": None}
    await rows.method(world.account, world.connection, world.customer, token_hash="h", **gone)
    await rows.method(world.account, world.connection, world.customer, token_hash="h")
    elsewhere = await rows.connection(world.account)
    await rows.method(world.account, elsewhere, world.customer, token_hash="h")


async def test_a_revoked_method_does_not_come_back_beside_its_successor(world: World) -> None:
    gone = {"status": "revoked", "revoked_at": NOW}
    old = await rows.method(world.account, world.connection, world.customer, token_hash="h", **gone)
    await rows.method(world.account, world.connection, world.customer, token_hash="h")
    with refused("payment_method_token"):
        await change("payment_method", old, status="active", revoked_at=None)


# --- law 11: an account reaches only its own -----------------------------------------------------------------------


async def test_an_attempt_names_nothing_of_another_account(world: World) -> None:
    other = await World.make()
    for strange in (
        {"invoice": other.invoice},
        {"connection": other.connection},
        {"payment_method": other.method},
    ):
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await world.attempt(1, **strange)


async def test_what_is_named_is_not_deleted(world: World) -> None:
    await world.capture()
    named = {
        "account": world.account,
        "connection": world.connection,
        "customer": world.customer,
        "payment_method": world.method,
        "invoice": world.invoice,
    }
    for table, id_ in named.items():
        # Since PostgreSQL 18 a RESTRICT has an error of its own.
        with pytest.raises((asyncpg.ForeignKeyViolationError, asyncpg.RestrictViolationError)):
            await sql.rows(f"delete from tollbridge.{table} where id = $1", id_)


# --- the rest ------------------------------------------------------------------------------------------------------


async def test_one_recording_is_under_way_for_an_invoice(world: World) -> None:
    capture = await world.capture()

    async def tell(id_: str, state: str, key: str) -> None:
        await rows.insert(
            "recording",
            id=id_,
            account=world.account,
            invoice=world.invoice,
            attempt=capture,
            amount=1000,
            currency="eur",
            state=state,
            idempotency_key=key,
            created_at=NOW,
        )

    await tell("rec_1", "unknown", "key_1")
    await tell("rec_2", "sending", "key_2")
    with refused("recording_one_open"):
        await tell("rec_3", "sending", "key_3")
    with refused("recording_idempotency_key_key"):
        await tell("rec_4", "unknown", "key_2")


async def test_a_delivery_is_stored_once_if_it_has_a_key(world: World) -> None:
    async def arrive(id_: str, key: str | None, source: str = "stripe") -> None:
        await rows.insert(
            "delivery",
            id=id_,
            account=world.account,
            source=source,
            delivery_key=key,
            kind="invoice.paid",
            body=b"{}",
            received_at=NOW,
        )

    await arrive("dlv_1", "evt_1")
    with refused("delivery_once"):
        await arrive("dlv_2", "evt_1")
    await arrive("dlv_3", "evt_1", source=world.connection)
    await arrive("dlv_4", None)
    await arrive("dlv_5", None)


@pytest.mark.parametrize("state", ["ignored", "parked"])
async def test_nothing_is_ignored_without_a_reason(world: World, state: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await rows.insert(
            "delivery",
            id="dlv_1",
            account=world.account,
            source="stripe",
            kind="x",
            body=b"",
            state=state,
            received_at=NOW,
        )


async def test_one_case_is_open_for_a_subject(world: World) -> None:
    async def put(id_: str, state: str = "open") -> None:
        await rows.insert(
            "review_case",
            id=id_,
            account=world.account,
            kind="overpaid",
            subject="in_1",
            reason="r",
            action="a",
            state=state,
            opened_at=NOW,
            closed_at=None if state == "open" else NOW,
        )

    await put("cas_1", "closed")
    await put("cas_2")
    with refused("review_case_open"):
        await put("cas_3")
