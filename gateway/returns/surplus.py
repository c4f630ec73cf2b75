"""The steps of an invoice by which money goes back that nobody has asked for: what it does not take, and what came in
part for one that was given up."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db import poke, sql
from db.engine import DB
from db.poke import Claim, Kind
from db.states import Approval, RefundOrigin
from gateway.accounts.accounts import policy_of
from gateway.domain.actions import ReturnPart, ReturnSurplus
from gateway.domain.case_kinds import CaseKind
from gateway.domain.view import InvoiceView
from gateway.ledger import held_money
from gateway.returns.refund_rows import BY_ITSELF, NewRefund, RefundAsked, insert_refund
from gateway.returns.spreading import lock_captures, spread_over_captures
from gateway.turns.cases import open_case
from gateway.turns.turn import CLAIM_MARGIN_S

TO_RETURN: Final = """
    select coalesce(sum(p.room), 0)::bigint from tollbridge.paying($1, $2) p
    join tollbridge.attempt t on t.id = p.attempt where not t.surplus
"""
LEFT: Final = "select greatest(tollbridge.refundable($1), 0)"
SURPLUS_NUMBER: Final = """
    select count(*) + 1 from tollbridge.refund where account = $1 and attempt = $2 and origin = 'surplus'
"""


async def return_surplus(claim: Claim, view: InvoiceView, action: ReturnSurplus, now: datetime) -> None:
    """Make a refund of money that no invoice takes. Its name follows from the capture's, and so do its keys."""
    invoice = view.invoice
    assert invoice is not None
    async with DB.transaction():
        await lock_captures(claim.account, claim.id)
        attempt = await sql.row(
            "select reference, surplus, surplus_reason from tollbridge.attempt where account = $1 and id = $2",
            claim.account,
            action.attempt,
        )
        assert attempt is not None
        await poke.hold(claim, CLAIM_MARGIN_S)
        if attempt["surplus"]:
            left = int(await sql.value(LEFT, action.attempt))
        else:
            left = await held_money(claim.account, claim.id)
        if left < action.amount:
            # Somebody has returned it meanwhile: look again.
            return
        number = await sql.value(SURPLUS_NUMBER, claim.account, action.attempt)
        asked = RefundAsked(claim.id, attempt=action.attempt, note=attempt["surplus_reason"])
        base = f"{attempt['reference']}.r{number}"
        made = (base, RefundOrigin.SURPLUS, action.amount, invoice.currency)
        new = NewRefund(*made, wants_note=False, requested_by=BY_ITSELF)
        row = await insert_refund(claim.account, asked, new, now)
        # Its parts at once: the money is spoken for from here on.
        await spread_over_captures(claim.account, row, now)
        await poke.poke(Kind.REFUND, claim.account, [row["id"]], now)


async def return_part(claim: Claim, view: InvoiceView, action: ReturnPart, now: datetime) -> None:
    """Make a refund, with a credit note, of all that came for an invoice whose rest was given up; once."""
    billed = view.invoice
    assert billed is not None
    async with DB.transaction():
        await lock_captures(claim.account, action.invoice)
        left = int(await sql.value(TO_RETURN, claim.account, action.invoice))
        await poke.hold(claim, CLAIM_MARGIN_S)
        if left <= 0:
            return
        policy = await policy_of(claim.account)
        # More than goes back by itself waits for somebody to approve it.
        waits = not policy.returns_by_itself(left, billed.currency)
        asked = RefundAsked(action.invoice, note="its rest was given up")
        made = (f"{action.invoice}.rest_given_up", RefundOrigin.REQUEST, left, billed.currency)
        approval = Approval.WAITING if waits else Approval.NONE
        new = NewRefund(*made, wants_note=True, requested_by=BY_ITSELF, approval=approval)
        row = await insert_refund(claim.account, asked, new, now)
        if waits:
            reason = "what came in part for an invoice that was given up is more than goes back by itself"
            await open_case(claim.account, CaseKind.REFUND_WAITS, row["id"], reason, now, invoice=action.invoice)
        await spread_over_captures(claim.account, row, now)
        await poke.poke(Kind.REFUND, claim.account, [row["id"]], now)
