"""Many rows of every kind, about one invoice, customer and subscription where they belong to one: for pages that must
not ask once for each."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from db.ids import new_id
from gateway.accounts import connections, keys
from gateway.accounts.audit import Author
from gateway.domain.roles import Role
from gateway.runtime import Runtime
from gateway.users import users
from tests.api.seed import (
    NOW,
    PRACTICE,
    Seeded,
    add_case,
    add_delivery,
    add_endpoint,
    add_event,
    add_grant,
    add_invoice,
    add_refund,
    add_settlement,
    insert,
)

BY = Author("test", "made up")


async def grow(runtime: Runtime, seeded: Seeded, numbers: range) -> None:
    """One more of each kind for each number."""
    for n in numbers:
        await _of_payer(seeded, n)
        await _of_invoice(runtime, seeded, n)
        await _of_account(runtime, seeded, n)


async def _of_payer(seeded: Seeded, n: int) -> None:
    account, customer, subscription = seeded.account, f"cus_{n}_{seeded.account}", f"sub_{n}_{seeded.account}"
    await insert("customer", account=account, id=customer, created_at=NOW)
    await insert(
        "subscription", account=account, id=subscription, customer=seeded.customer, status="active", created_at=NOW
    )
    about = {"currency": "eur", "amount_due": 1000, "amount_remaining": 1000, "status": "open", "state": "retrying"}
    await add_invoice(account, f"in_{n}", customer=seeded.customer, subscription=seeded.subscription, **about)
    await add_grant(account, seeded.subscription)
    await insert(
        "usage_event", id=new_id("use"), account=account, identifier=f"more-{n}", customer=seeded.customer,
        event_name="calls", value="1", used_at=NOW, sent_at=NOW, state="sent", created_at=NOW, resolved_at=NOW,
    )  # fmt: skip


async def _of_invoice(runtime: Runtime, seeded: Seeded, n: int) -> None:
    account, invoice, method, attempt = seeded.account, seeded.invoice, new_id("pmt"), new_id("att")
    await insert(
        "payment_method", id=method, account=account, customer=seeded.customer, connection=seeded.connection,
        reference=b"sealed", token_hash=method, vault_hash=method, status="active", created_at=NOW, position=n,
    )  # fmt: skip
    await insert(
        "attempt", id=attempt, account=account, invoice=invoice, number=n + 1, connection=seeded.connection,
        payment_method=method, amount=1190, currency="eur", state="declined", reason="retry", idempotency_key=uuid4(),
        reference=f"{invoice}.{n + 1}", decline_class="expired", advice="new_payment_method", created_at=NOW,
        sent_at=NOW, resolved_at=NOW,
    )  # fmt: skip
    for kind in ("capture_reversed", "capture_reinstated"):
        await insert(
            "movement", id=new_id("mov"), account=account, connection=seeded.connection, invoice=invoice,
            attempt=seeded.attempt, kind=kind, processor_id=f"pch_{account}", occurrence=str(n), amount=1190,
            currency="eur", occurred_at=NOW, created_at=NOW,
        )  # fmt: skip
    await insert(
        "dispute", id=new_id("dsp"), account=account, connection=seeded.connection, invoice=invoice,
        attempt=seeded.attempt, processor_id=f"pdp_{n}", charge_id=f"pch_{account}", state="won", amount=1190,
        currency="eur", told_at=NOW, created_at=NOW,
    )  # fmt: skip
    note = {"subject": f"cn_{n}", "stripe_id": f"cn_{n}", "origin": "stripe", "state": "issued", "amount": 100}
    times = {"created_at": NOW, "issued_at": NOW}
    await insert("credit_note", id=new_id("crn"), account=account, invoice=invoice, currency="eur", **note, **times)
    await add_refund(account, invoice)
    await add_case(account, f"subject {n}", invoice=invoice)
    await add_event(account, invoice, step=f"more {n}")
    await add_delivery(account, object_id=invoice)


async def _of_account(runtime: Runtime, seeded: Seeded, n: int) -> None:
    account = seeded.account
    await connections.add(runtime, BY, account, f"connection-{n}", "practice", PRACTICE)
    await keys.create(BY, account, f"key {n}", ["server"])
    await add_endpoint(runtime, account, f"https://192.0.43.8/hook/{n}")
    await add_settlement(account, seeded.connection)
    user = await users.add(BY, f"person{n}@example.com", f"Person {n}")
    await users.give_role(BY, user.id, account, Role.VIEWER)
    at = NOW - timedelta(days=n + 1)
    run = {"state": "finished", "asked_by": "timer", "whole": False, "live": True, "finished_at": at}
    await insert("reconciliation", id=new_id("rcn"), account=account, number=n + 1, created_at=at, began_at=at, **run)
    about = {"kind": "surplus_not_returned", "subject": f"in_{n}", "invoice": f"in_{n}", "amount": 1, "currency": "eur"}
    why = {"reason": "made up", "repair": "poke_invoice", "from_run": 1, "seen_run": 1}
    times = {"occurred_at": NOW, "first_seen_at": NOW}
    await insert("reconciliation_break", id=new_id("brk"), account=account, **about, **why, **times)
