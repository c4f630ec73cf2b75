"""Pausing and resuming the collection of a customer or of one invoice, with a reason.

While it is paused nothing is charged. Money that is held already is recorded all the same, and an attempt whose end is
not known is found out. Stripe's due date does not move: once the pause is over, what is left of the time before it is
what there is for further tries.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from gateway.accounts.audit import Author, required
from gateway.accounts.errors import FieldError, NotThereError
from gateway.accounts.known import refuse_unknown
from gateway.clock import business_now
from gateway.collect.unsettled import unsettled

PAUSE: Final = """
    insert into tollbridge.collection_pause (account, object, reason, paused_by, paused_at, until_at)
    values ($1, $2, $3, $4, $5, $6)
    on conflict (account, object) do update set reason = $3, paused_by = $4, paused_at = $5, until_at = $6
"""
# What somebody has paused, or resumed, stays as that person wants it.
LEAVE: Final = """
    insert into tollbridge.collection_pause (account, object, reason, paused_by, paused_at)
    select $1, i, $3, $4, $5 from unnest($2::text[]) as i order by i
    on conflict (account, object) do nothing returning object
"""
HEARD_OF: Final = "select id from tollbridge.invoice where account = $1 and id = any($2)"
STANDING: Final = """
    select reason, until_at from tollbridge.collection_pause
    where account = $1 and object = $2 and (until_at is null or until_at > $3)
"""
# It stays, as one that is over: the end of an invoice asks how long it was kept from being collected.
RESUME: Final = """
    update tollbridge.collection_pause set until_at = $3
    where account = $1 and object = $2 and (until_at is null or until_at > $3)
"""
INVOICE: Final = "select id from tollbridge.invoice where account = $1 and id = $2"


async def pause_customer(by: Author, account: str, customer: str, until: datetime | None) -> None:
    """Charge nothing of the customer's `until` then (business time; None: until resumed). Again: the new reason holds.

    `by` names who, and its reason why. Raises NotThereError, FieldError.
    """
    await refuse_unknown(account, customer)
    await _pause(by, account, "customer", customer, until)


async def pause_invoice(by: Author, account: str, invoice: str, until: datetime | None) -> None:
    """The same for one invoice."""
    await _refuse_unknown_invoice(account, invoice)
    await _pause(by, account, "invoice", invoice, until)


async def resume_customer(by: Author, account: str, customer: str) -> None:
    """Collect again; harmless where nothing is paused. Raises NotThereError, FieldError."""
    await refuse_unknown(account, customer)
    await _resume(by, account, "customer", customer)


async def resume_invoice(by: Author, account: str, invoice: str) -> None:
    """The same for one invoice. A pause of its customer's goes on."""
    await _refuse_unknown_invoice(account, invoice)
    await _resume(by, account, "invoice", invoice)


async def leave_alone(by: Author, account: str, invoices: Sequence[str], reason: str, now: datetime) -> None:
    """Charge nothing for these invoices until somebody resumes them; also for those of which we have not heard yet.

    In the caller's transaction. One that has been paused before, or resumed, stays as it is.
    """
    DB.current("leaving invoices alone")
    left = [row["object"] for row in await sql.rows(LEAVE, account, sorted(invoices), reason, by.name, now)]
    after = {"paused": True, "reason": reason, "until": None}
    for invoice in left:
        await by.note(account, "invoice.collection_paused", invoice, before=_before(None), after=after)
    heard_of = [row["id"] for row in await sql.rows(HEARD_OF, account, left)]
    await poke.poke(Kind.INVOICE, account, heard_of, now)


async def _pause(by: Author, account: str, kind: str, subject: str, until: datetime | None) -> None:
    now, reason = await business_now(), required(by.reason)
    if until is not None and until <= now:
        raise FieldError("until", "must be in the future")
    async with DB.transaction():
        before = await sql.row(STANDING, account, subject, now)
        await sql.rows(PAUSE, account, subject, reason, by.name, now, until)
        after = {"paused": True, "reason": reason, "until": _shown(until)}
        await by.note(account, f"{kind}.collection_paused", subject, before=_before(before), after=after)
        await poke.poke(Kind.INVOICE, account, await _invoices(account, kind, subject), now)


async def _resume(by: Author, account: str, kind: str, subject: str) -> None:
    now = await business_now()
    required(by.reason)
    async with DB.transaction():
        before = await sql.row(STANDING, account, subject, now)
        await sql.rows(RESUME, account, subject, now)
        if before is None:
            return
        after = {"paused": False}
        await by.note(account, f"{kind}.collection_resumed", subject, before=_before(before), after=after)
        await poke.poke(Kind.INVOICE, account, await _invoices(account, kind, subject), now)


async def _invoices(account: str, kind: str, subject: str) -> Sequence[str]:
    """Whom it concerns: the invoice, or the customer's that are not settled."""
    return [subject] if kind == "invoice" else await unsettled(account, "customer", [subject])


async def _refuse_unknown_invoice(account: str, invoice: str) -> None:
    if await sql.row(INVOICE, account, invoice) is None:
        raise NotThereError("invoice", invoice)


def _before(row: Any) -> dict[str, Any]:
    if row is None:
        return {"paused": False}
    return {"paused": True, "reason": row["reason"], "until": _shown(row["until_at"])}


def _shown(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
