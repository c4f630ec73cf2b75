"""What people decide: whether a refund that waits is made, and which refund a credit note belongs to."""

from __future__ import annotations

from typing import Final

from db import cases, poke, sql
from db.engine import DB
from db.poke import Kind
from db.states import Approval, CreditNoteOrigin, CreditNoteState
from gateway.accounts.audit import Author, bounded
from gateway.accounts.errors import FieldError, NotThereError
from gateway.accounts.keys import person_behind
from gateway.clock import business_now
from gateway.domain.case_kinds import CaseKind
from gateway.returns import taking
from gateway.returns.errors import RefundStateError
from gateway.returns.note_links import DISPUTED, LINKED, NOTE, alone, carry_out
from gateway.returns.refund_rows import locked
from gateway.returns.standing import invoice_of

GIVEN: Final = "update tollbridge.refund set approval = 'given', approved_by = $3 where account = $1 and id = $2"
DENIED: Final = """
    update tollbridge.refund set approval = 'denied', approved_by = $3, failure = 'denied', state = 'refused',
        resolved_at = $4 where account = $1 and id = $2
"""


async def approve(by: Author, account: str, refund: str, *, give: bool) -> None:
    """Say yes or no to a refund that waits for a second pair of eyes.

    Raises NotThereError, FieldError for too long a reason, RefundStateError.
    """
    bounded(by.reason)
    now = await business_now()
    async with DB.transaction():
        row = await locked(account, refund)
        if row["approval"] != Approval.WAITING:
            raise RefundStateError("it does not wait for approval")
        if give and await _same_person(account, row["requested_by"], by.name):
            raise RefundStateError("whoever asked for a refund does not approve it: somebody else must")
        await sql.rows(GIVEN if give else DENIED, account, refund, by.name, *([] if give else [now]))
        if not give:
            await sql.rows(
                """update tollbridge.refund_part set state = 'refused', refusal = 'denied', resolved_at = $3
                   where account = $1 and refund = $2 and state = 'requested'""",
                account,
                refund,
                now,
            )
        before = {"approval": row["approval"]}
        decided = Approval.GIVEN if give else Approval.DENIED
        after = {"approval": decided, "amount": row["amount"], "currency": row["currency"]}
        await by.note(account, "refund.approved" if give else "refund.denied", refund, before=before, after=after)
        await poke.poke(Kind.REFUND, account, [refund], now, urgent=True)


async def _same_person(account: str, one: str, other: str) -> bool:
    return await person_behind(account, one) == await person_behind(account, other)


async def resolve_note(by: Author, account: str, note: str, refund: str | None) -> None:
    """A human says which refund a note belongs to, or, with None, has the refund made.

    Raises NotThereError, FieldError, RefundStateError.
    """
    bounded(by.reason)
    now = await business_now()
    invoice = await invoice_of(account, note)
    if invoice is None:
        raise NotThereError("credit note", note)
    async with DB.transaction():
        # The invoice is locked before its notes, as by a worker.
        await poke.poke(Kind.INVOICE, account, [invoice], now)
        row = await sql.row(NOTE, account, note)
        assert row is not None, "notes are never deleted"
        if (
            row["origin"] != CreditNoteOrigin.STRIPE
            or row["out_of_band"] <= 0
            or row["state"] != CreditNoteState.ISSUED
        ):
            raise RefundStateError("no money goes back for this credit note")
        if await sql.row(LINKED, account, note) is not None:
            raise RefundStateError("a refund belongs to it already")
        if (dispute := await sql.value(DISPUTED, account, note)) is not None:
            raise RefundStateError(f"it is for the dispute {dispute}, by which the payer has the money")
        if refund is None:
            await carry_out(account, row, by.name, now)
            # It was not theirs: one that waits for the answer looks for its own again.
            others = await taking.without_note(account, row["invoice"], row["out_of_band"])
            await poke.poke(Kind.REFUND, account, others, now)
            await cases.close_by_itself(account, note, [CaseKind.CREDIT_NOTE_UNMATCHED], now)
        else:
            if refund not in await alone(account, row["invoice"], row["out_of_band"]):
                raise FieldError("refund", "is no refund of this invoice and amount that has no credit note")
            await taking.link(account, refund, note, now)
        await by.note(account, "credit_note.resolved", note, after={"refund": refund or "made"})
