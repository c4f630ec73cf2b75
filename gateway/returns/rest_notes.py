"""The credit note for what a payment left open: drawn up with what bills it anew or carries it over; made, looked for.

All stand in our books before Stripe is asked for any, so that whoever comes after a death finds what was meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from db import poke, sql
from db.engine import DB
from db.ids import new_id
from db.poke import Claim
from db.states import CreditNoteOrigin
from gateway.billing.credit_notes import LineShape
from gateway.domain.actions import CreditRest, FindRestNote, IssueRestNote, Then
from gateway.domain.partial import CASES
from gateway.domain.view import InvoiceView
from gateway.returns import notes
from gateway.returns.drawing import Drawn, Wanted
from gateway.runtime import Runtime
from gateway.turns.cases import open_case
from gateway.turns.turn import CLAIM_MARGIN_S

WANT: Final = """
    insert into tollbridge.remainder (id, account, invoice, credit_note, amount, currency, days_until_due, lines, state,
        created_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, 'wanted', $9)
    on conflict (account, credit_note) do update set amount = excluded.amount, lines = excluded.lines
        where remainder.state = 'wanted'
"""
DROP: Final = "delete from tollbridge.remainder where account = $1 and credit_note = $2 and state = 'wanted'"
CARRY: Final = """
    insert into tollbridge.carry (id, account, invoice, credit_note, amount, currency, state, created_at)
    values ($1, $2, $3, $4, $5, $6, 'wanted', $7)
    on conflict (account, credit_note) do update set amount = excluded.amount where carry.state = 'wanted'
"""
DROP_CARRY: Final = "delete from tollbridge.carry where account = $1 and credit_note = $2 and state = 'wanted'"
MEMOS: Final[Mapping[Then, str]] = {
    "bill": "What this credit note takes off is billed by a further invoice.",
    "carry": "What this credit note takes off is owed with the next invoice.",
    "waive": "A small difference, which is not billed.",
}


async def step(
    runtime: Runtime,
    claim: Claim,
    view: InvoiceView,
    action: CreditRest | IssueRestNote | FindRestNote,
    now: datetime,
) -> None:
    """Draw the note up, make it, or look for it."""
    match action:
        case CreditRest():
            await _draw_up(runtime, claim, view, action, now)
        case IssueRestNote(note=note, amount=amount):
            await notes.issue(runtime, claim, note, amount, now)
        case FindRestNote(note=note):
            await notes.find(runtime, claim, note, now)


async def _draw_up(runtime: Runtime, claim: Claim, view: InvoiceView, action: CreditRest, now: datetime) -> None:
    """Draw up the note, and what is to bill the same amount. Where Stripe's preview refuses, a human is asked."""
    invoice, policy = view.invoice, view.policy
    assert invoice is not None, "what is credited was read"
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
    took_back, memo = action.origin is CreditNoteOrigin.REVERSAL, MEMOS[action.then]
    wanted = Wanted(claim.id, action.amount, out_of_band=took_back, memo=memo)
    subject = notes.Subject(action.origin, f"{claim.id}.{action.number}", invoice.currency)

    async def link(note: str, drawn: Drawn) -> None:
        wanted_of = (claim.account, claim.id, note, action.amount, invoice.currency)
        if action.then == "bill":
            await sql.rows(WANT, new_id("rem"), *wanted_of, policy.days_until_due, _lines(drawn), now)
        else:
            await sql.rows(DROP, claim.account, note)
        if action.then == "carry":
            await sql.rows(CARRY, new_id("car"), *wanted_of, now)
        else:
            await sql.rows(DROP_CARRY, claim.account, note)

    refusal = await notes.draw_and_want(runtime, claim, wanted, subject, now, link)
    if refusal is not None:
        async with DB.transaction():
            await open_case(claim.account, CASES[action.origin], claim.id, str(refusal), now, invoice=claim.id)


def _lines(drawn: Drawn) -> str:
    """The lines that bill the same, with the same tax; none where the note credits after tax."""
    credited = drawn.preview.lines.data
    whole = "lines" in drawn.params and not drawn.preview.lines.has_more
    return msgspec.json.encode(_billed(credited) if whole else []).decode()


def _billed(lines: Sequence[LineShape]) -> list[dict[str, Any]]:
    return [
        {
            "amount": line.net,
            "description": sql.storable(line.description or "Rest", 400),
            "discountable": False,
            "tax_rates": [tax.tax_rate_details.tax_rate for tax in line.taxes or [] if tax.tax_rate_details],
        }
        for line in lines
    ]
