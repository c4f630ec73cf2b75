"""What holds after every history: the invariants of the scenarios, read from Stripe, processor and ledger."""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec.structs import replace

from db import sql
from gateway.access import gate
from gateway.clock import business_now
from gateway.collect.view import view_of
from gateway.domain.project import project
from tests.support.shop import Shop
from tests.support.world import World

STRIPE_ADDS = {"isk": 100, "ugx": 100}
"""Stripe writes two decimals that the processor, by ISO 4217, does not have."""
WALLET_LACKS = {"huf": 100, "twd": 100}
"""Two more that a processor may not have, as its account's manner says."""

MONEY = """
    select i.id, i.status,
        coalesce((select sum(case m.kind when 'capture_reversed' then -m.amount else m.amount end)
                  from tollbridge.movement m where m.account = i.account and m.invoice = i.id and m.kind in
                  ('capture', 'receipt', 'capture_reversed', 'capture_reinstated')), 0)::bigint as captured,
        coalesce((select sum(r.amount) from tollbridge.recording r where r.account = i.account and r.invoice = i.id
                  and r.state = 'recorded' and r.target = 'invoice'), 0)::bigint as recorded,
        coalesce((select sum(r.amount) from tollbridge.recording r where r.account = i.account and r.invoice = i.id
                  and r.state = 'recorded' and r.target = 'balance'), 0)::bigint as to_balance,
        coalesce((select sum(a.amount_captured) from tollbridge.attempt a where a.account = i.account
                  and a.invoice = i.id and a.surplus and a.state = 'succeeded'), 0)::bigint as surplus,
        coalesce((select sum(m.amount) from tollbridge.movement m join tollbridge.attempt a on a.id = m.attempt
                  where m.account = i.account and m.invoice = i.id and m.kind = 'surplus_returned'
                    and a.surplus), 0)::bigint
          + coalesce((select sum(case m.kind when 'dispute_withdrawn' then m.amount else -m.amount end)
                  from tollbridge.movement m join tollbridge.attempt a on a.id = m.attempt
                  where m.account = i.account and m.invoice = i.id and a.surplus
                    and m.kind in ('dispute_withdrawn', 'dispute_returned')), 0)::bigint as surplus_returned,
        coalesce((select sum(m.amount) from tollbridge.movement m join tollbridge.attempt a on a.id = m.attempt
                  where m.account = i.account and m.invoice = i.id and m.kind = 'surplus_returned'
                    and not a.surplus), 0)::bigint as excess_returned,
        coalesce((select sum(case m.kind when 'refund' then m.amount when 'dispute_withdrawn' then m.amount
                             else -m.amount end)
                  from tollbridge.movement m join tollbridge.attempt a on a.id = m.attempt
                  where m.account = i.account and m.invoice = i.id and (m.kind in ('refund', 'refund_failed')
                    or m.kind in ('dispute_withdrawn', 'dispute_returned') and not a.surplus)), 0)::bigint as returned,
        coalesce((select sum(n.out_of_band) from tollbridge.credit_note n where n.account = i.account
                  and n.invoice = i.id and n.origin = 'reversal' and n.state = 'issued'), 0)::bigint as reopened,
        coalesce((select sum(r.amount) from tollbridge.recording r join tollbridge.attempt a on a.id = r.attempt
                  where r.account = i.account and a.invoice = i.id and r.invoice <> i.id
                    and r.state = 'recorded'), 0)::bigint as lent,
        coalesce((select sum(r.amount) from tollbridge.recording r join tollbridge.attempt a on a.id = r.attempt
                  where r.account = i.account and a.invoice <> i.id and r.invoice = i.id
                    and r.state = 'recorded'), 0)::bigint as borrowed,
        exists (select 1 from tollbridge.review_case c where c.account = i.account and c.invoice = i.id
                and c.state = 'open') as case_open
    from tollbridge.invoice i where i.account = $1
"""


async def check_invariants(world: World) -> None:
    """Raise AssertionError for the first that does not hold; then replay every event and look again."""
    await hold(world)
    before = await fingerprint(world)
    await _replay_everything(world)
    await hold(world)
    assert await fingerprint(world) == before, "replaying every event and sweeping twice changed something"


async def hold(world: World) -> None:
    """Raise AssertionError for the first that does not hold now."""
    for shop in world.shops:
        await _ledger_is_processor(world, shop)
        await _ledger_is_stripe(world, shop)
    await _attempts_explain_every_call(world)
    await _nothing_unresolved_twice()
    await _methods_are_the_processors(world)
    await _projection_is_recomputable()
    await access_is_recomputable()
    await _every_event_ended()
    await _the_merchant_was_told_once()
    await _the_merchant_has_heard(world)


async def _ledger_is_processor(world: World, shop: Shop) -> None:
    """4, and half of 1: every capture of the processor's stands once in the ledger, by whichever
    connection, and nothing else does."""
    known = await sql.rows(
        "select processor_id, amount, currency from tollbridge.movement where account = $1 and kind = 'capture'",
        shop.account,
    )
    ledger = Counter((r["processor_id"], r["amount"], r["currency"]) for r in known)
    captures = world.captures(shop)
    processor = Counter((c.id, c.captured * _added(world, shop, c.currency), c.currency.lower()) for c in captures)
    assert ledger == processor, f"ledger and processor differ: {ledger - processor} / {processor - ledger}"
    moved = await sql.rows(
        """select processor_id, kind, amount, currency from tollbridge.movement
           where account = $1 and kind in ('refund', 'surplus_returned', 'refund_failed')""",
        shop.account,
    )
    back = Counter((r["processor_id"], r["kind"] == "refund_failed", r["amount"]) for r in moved)
    account = world.practice.account(shop.practice_key)
    told = Counter[tuple[str, bool, int]]()
    for one in account.refunds.values():
        amount = one.amount * _added(world, shop, one.currency)
        if one.has_succeeded and one.charge in {c.id for c in world.captures(shop)}:
            told[one.id, False, amount] += 1
            if one.status == "failed":
                told[one.id, True, amount] += 1
    assert back == told, f"refunds differ: {back - told} / {told - back}"
    await _disputes_are_the_processors(world, shop)


def _added(world: World, shop: Shop, currency: str) -> int:
    """By how much Stripe's units of a currency are smaller than those of the shop's account at the processor."""
    own, code = world.practice.account(shop.practice_key).manner.decimals.get(currency), currency.lower()
    return WALLET_LACKS[code] if own == 0 and code in WALLET_LACKS else STRIPE_ADDS.get(code, 1)


async def _disputes_are_the_processors(world: World, shop: Shop) -> None:
    """4: each move of each dispute stands once in the ledger, and each dispute is what its processor says it is."""
    moved = await sql.rows(
        """select processor_id, occurrence, amount, kind from tollbridge.movement
           where account = $1 and kind in ('dispute_withdrawn', 'dispute_returned')""",
        shop.account,
    )
    signs = {"dispute_withdrawn": -1, "dispute_returned": 1}
    ledger = Counter((r["processor_id"], r["occurrence"], signs[r["kind"]] * r["amount"]) for r in moved)
    own = {c.id: c for c in world.captures(shop)}
    disputes = [d for d in world.practice.account(shop.practice_key).disputes.values() if d.charge in own]
    told = Counter((d.id, m.id, m.amount * _added(world, shop, d.currency)) for d in disputes for m in d.moves)
    assert ledger == told, f"disputes differ: {ledger - told} / {told - ledger}"
    known = await sql.rows("select processor_id, state from tollbridge.dispute where account = $1", shop.account)
    assert {(r["processor_id"], r["state"]) for r in known} == {(d.id, d.status) for d in disputes}


async def _ledger_is_stripe(world: World, shop: Shop) -> None:
    """1 and 2: what was captured for an invoice is what Stripe was told, or an open case names the difference."""
    for row in await sql.rows(MONEY, shop.account):
        live = world.stripe_account(shop).invoices.get(row["id"])
        if live is None:
            continue
        kept = row["captured"] - row["surplus"] - row["excess_returned"] - row["to_balance"]
        # A credit note says what was taken back; money that came again after that pays the invoice in its place.
        if kept + row["reopened"] - row["lent"] + row["borrowed"] != row["recorded"]:
            assert row["case_open"], f"{row['id']}: captured {row['captured']}, recorded {row['recorded']}, no case"
        if row["surplus"] != row["surplus_returned"]:
            assert row["case_open"], f"{row['id']}: surplus of {row['surplus']} without a case"
        notes = map(
            world.stripe_account(shop).credit_notes.__getitem__,
            world.stripe_account(shop).credit_notes_of_invoice.get(row["id"], []),
        )
        credited = sum(n["out_of_band_amount"] or 0 for n in notes if n["status"] == "issued")
        credited -= row["reopened"]
        if row["returned"] != credited:
            assert row["case_open"], f"{row['id']}: returned {row['returned']}, credited {credited}, no case"
        if row["returned"] > row["captured"] - row["surplus"] - row["lent"] + row["borrowed"]:
            assert row["case_open"], f"{row['id']}: returned {row['returned']} of {row['captured']}, no case"
        if row["recorded"]:
            assert live["status"] == "paid", f"{row['id']} is recorded here and {live['status']} at Stripe"
            assert live["amount_paid"] == row["recorded"]
            named = {"tollbridge_attempt", "tollbridge_receipt"} & live["metadata"].keys()
            assert named, f"{row['id']} was paid without naming its payment"


async def _attempts_explain_every_call(world: World) -> None:
    """3: a row older than each request, and the same bytes under the same key."""
    rows = await sql.rows("select idempotency_key, reference, amount, currency from tollbridge.attempt")
    by_key = {str(r["idempotency_key"]): r for r in rows}
    bodies: dict[str, bytes] = {}
    for call in world.charge_calls():
        key = call.idempotency_key
        assert key in by_key, f"a charge request without an attempt: {key}"
        body = bytes(call.body)
        assert bodies.setdefault(key, body) == body, f"other bytes under key {key}"


async def _methods_are_the_processors(world: World) -> None:
    """Law 12: a method that lives at the processor is one of ours, or may still become one, or is being dropped."""
    keyring = world.runtime.keyring
    open_setups = await sql.rows("select id, processor_ref from tollbridge.payment_setup where state = 'open'")
    place = {"table": "payment_setup", "column": "processor_ref"}
    waited_for = {keyring.decrypt(r["processor_ref"], **place, row=r["id"]).decode() for r in open_setups}
    known = {r["token_hash"] for r in await sql.rows("select token_hash from tollbridge.payment_method")}
    for shop in world.shops:
        account = world.practice.account(shop.practice_key)
        # Several may share one account there.
        connections = [one.connection for one in world.shops if one.practice_key == shop.practice_key]
        for setup in account.setups.values():
            if setup.method and setup.id not in waited_for and not account.methods[setup.method].revoked:
                hashes = {keyring.token_hash(connection, setup.method) for connection in connections}
                assert hashes & known, f"{setup.id}: nobody knows its method"


async def _nothing_unresolved_twice() -> None:
    """2: the database forbids it; this asks whether it is so."""
    doubled = await sql.rows(
        """select invoice from tollbridge.attempt where state in ('sending', 'pending', 'requires_action', 'unknown')
           group by account, invoice having count(*) > 1"""
    )
    assert not doubled
    paid_twice = await sql.rows(
        """select invoice from tollbridge.attempt
           where state = 'succeeded' and amount_captured >= amount and not surplus
           group by account, invoice having count(*) > 1"""
    )
    assert not paid_twice


async def _projection_is_recomputable() -> None:
    for row in await sql.rows("select * from tollbridge.invoice where seen = poked and claimed_by is null"):
        view = await view_of(row["account"], row["id"])
        assert project(view) == row["state"], f"{row['id']} is stored as {row['state']}, is {project(view)}"


async def access_is_recomputable() -> None:
    """Law 13: what stands on a subscription is what its rows say now, and what the merchant was told of."""
    now = await business_now()
    for row in await sql.rows("select account, id from tollbridge.subscription where seen = poked and failures = 0"):
        whole = await sql.row(gate.ROW, row["account"], row["id"])
        assert whole is not None
        stored, found = gate.stored_gate(whole), await gate.worked_out(whole, now)
        assert replace(stored, since=None) == found, f"{row['id']} stands as {stored}, is {found}"
        assert stored.granted == bool(whole["access_changes"] % 2), f"{row['id']}: the merchant was told otherwise"


async def _every_event_ended() -> None:
    """6: done, ignored with a reason, or parked with a case."""
    left = await sql.rows("select id, kind, state, reason from tollbridge.delivery where state = 'stored'")
    assert not left, f"accepted and not handled: {[dict(r) for r in left]}"
    unnamed = await sql.rows(
        """select id from tollbridge.delivery d where state = 'parked' and not exists
               (select 1 from tollbridge.review_case c where c.subject = d.id)"""
    )
    assert not unnamed


async def _the_merchant_was_told_once() -> None:
    """What the merchant must know was told, numbered without gaps, and has arrived wherever it was to go."""
    gaps = await sql.rows(
        """select s.object, s.last, array_agg(e.sequence order by e.sequence) as told
           from tollbridge.outbound_sequence s left join tollbridge.outbound_event e using (account, object)
           group by 1, 2 having count(e.*) <> s.last or max(e.sequence) <> s.last"""
    )
    assert not gaps, f"events are missing: {[dict(r) for r in gaps]}"
    untold = await sql.rows(
        """select id from tollbridge.invoice i where state = 'paid' and not exists (
               select 1 from tollbridge.outbound_event e where e.account = i.account and e.object = i.id
                 and e.type = 'tollbridge.invoice.paid')
             and not exists (select 1 from tollbridge.checkout_session k where k.account = i.account
                             and k.invoice = i.id and k.state in ('failed', 'expired'))
             and i.seen = i.poked and i.paid_at > tollbridge.business_now() - interval '30 days'"""
    )
    assert not untold, f"paid, and nobody was told: {[r['id'] for r in untold]}"
    waiting = await sql.rows(
        """select event, error from tollbridge.event_delivery
           where state = 'pending' and due_at <= tollbridge.business_now()
             and exists (select 1 from tollbridge.webhook_endpoint e where e.id = endpoint and e.enabled
                         and (e.rests_until is null or e.rests_until <= tollbridge.business_now()))"""
    )
    assert not waiting, f"due and not sent: {[dict(r) for r in waiting]}"


async def _the_merchant_has_heard(world: World) -> None:
    """What stands as delivered was taken; what came more than once was the same each time, under the same number."""
    heard: dict[str, dict[str, Any]] = {}
    for event in world.merchant.told:
        assert heard.setdefault(event["id"], event) == event, f"{event['id']} was told in two ways"
    delivered = await sql.rows(
        """select d.event, e.sequence, e.type from tollbridge.event_delivery d
           join tollbridge.outbound_event e on e.id = d.event join tollbridge.webhook_endpoint w on w.id = d.endpoint
           where d.state = 'delivered' and starts_with(w.url, $1)""",
        world.merchant_url,
    )
    for row in delivered:
        event = heard.get(row["event"])
        assert event is not None, f"{row['event']} stands as delivered, and was never taken"
        assert (event["sequence"], event["type"]) == (row["sequence"], row["type"])


async def _replay_everything(world: World) -> None:
    """7: all events again, shuffled and doubled, and every sweep twice."""
    world.stripe.delivery.set(mode="manual", double=True, shuffle=True)
    for shop in world.shops:
        for event in list(world.stripe_account(shop).events):
            world.stripe.resend(event)
    # A redelivery is known by its event id, so the routing of the stored ones is played again as well.
    await sql.rows("update tollbridge.delivery set state = 'stored', reason = '', tries = 0, finished_at = null")
    await world.settle()
    await sql.rows("update tollbridge.invoice set poked = poked + 1, stale = true")
    for table in ("checkout_session", "payment_method_session", "payment_method", "refund", "dispute"):
        await sql.rows(f"update tollbridge.{table} set poked = poked + 1")
    await world.settle()
    world.stripe.delivery.set(mode="manual", double=False, shuffle=False)


STANDS = " union all ".join(
    f"select '{table}' as place, row({columns})::text as shown from tollbridge.{table}"
    for table, columns in {
        "attempt": "id, state, surplus",
        "movement": "id",
        "recording": "id, state",
        "invoice": "id, state",
        "checkout_session": "id, state",
        "outbound_event": "id",
        "payment_method": "id, status",
        "payment_setup": "id, state",
        "refund": "id, state, credit_note",
        "subscription": "id, access, access_reason, access_invoice, access_changes",
        "dispute": "id, state, credit_note",
        "credit_note": "id, state",
    }.items()
)


async def fingerprint(world: World) -> dict[str, Any]:
    """Everything that must not change by itself."""
    return {
        "rows": sorted((row["place"], row["shown"]) for row in await sql.rows(STANDS)),
        "returned": sorted(
            r.id for shop in world.shops for r in world.practice.account(shop.practice_key).refunds.values()
        ),
        "captures": sorted(c.id for shop in world.shops for c in world.captures(shop)),
        "calls": len(world.charge_calls()),
        "stripe": sorted(
            (i["id"], i["status"], i["amount_paid"])
            for shop in world.shops
            for i in world.stripe_account(shop).invoices.values()
        ),
    }
