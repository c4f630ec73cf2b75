"""The time line of one invoice: everything that happened to it, in one order, each as a sentence.

Built of what `invoices` shows, and of what is told of it elsewhere: webhooks that came, what the merchant was told,
and who asked for what.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from db import sql
from db.states import ECHO, AttemptState, CaseState, CreditNoteState, RecordingState, RecordingTarget
from gateway.domain.audit_words import what
from gateway.domain.invoice_words import ENDED, MOVED, TOLD, TRIED, decline
from gateway.readers.actors import names_of
from gateway.readers.attempts import AttemptBody
from gateway.readers.invoice_sides import Sides
from gateway.readers.invoices import InvoiceDetail
from gateway.readers.pages import unix
from processors.money import to_text

MOST: Final = 200
"""So many of each kind are shown, the newest."""

Kind = Literal["stripe", "attempt", "money", "told_stripe", "return", "case", "notice", "webhook", "person"]

NOTICES: Final = f"""
    select e.id, e.type, e.created_at, count(d.id) as wanted, count(d.id) filter (where d.state = 'delivered') as done,
        count(d.id) filter (where d.state = 'given_up') as given_up
    from tollbridge.outbound_event e left join tollbridge.event_delivery d on d.event = e.id
    where e.account = $1 and e.object = any($2) group by e.id order by e.created_at desc, e.id desc
    limit {MOST}
"""  # noqa: S608 (a constant of ours)
WEBHOOKS: Final = f"""
    select t.id, t.kind, t.received_at, t.state, t.reason, coalesce(c.name, t.source) as source
    from tollbridge.delivery t left join tollbridge.connection c on c.account = t.account and c.id = t.source
    where t.account = $1 and t.object_id = any($2) and t.object_id <> ''
      and not (t.state = 'ignored' and t.reason = '{ECHO}')
    order by t.received_at desc, t.id desc limit {MOST}
"""  # noqa: S608 (a constant of ours)
PEOPLE: Final = f"""
    select l.actor, l.action, l.reason, l.created_at from tollbridge.audit_log l
    where l.account = $1 and l.object = any($2) order by l.created_at desc, l.id desc limit {MOST}
"""  # noqa: S608 (a constant of ours)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. `page`: where more is told, below the account's; `code`: what a machine calls it."""

    at: int
    kind: Kind
    said: str
    detail: str = ""
    code: str = ""
    page: str = ""
    tone: str = ""


async def timeline_of(account: str, invoice: InvoiceDetail, sides: Sides, *, with_people: bool) -> list[Entry]:
    """The newest first. `with_people`: also who asked for what, by the audit log."""
    own = [invoice.id, *(one.id for one in invoice.attempts)]
    own += [*(one.id for one in invoice.refunds), *(one.id for one in invoice.cases)]
    names = [invoice.id, *(one.processor_id for one in invoice.attempts if one.processor_id)]
    names += [one.reference for one in invoice.attempts]
    found = [*_of_stripe(invoice, sides), *_tries(invoice), *_moves(invoice), *_returns(invoice), *_cases(invoice)]
    disputes = [one.id for one in invoice.disputes]
    found += [_notice(row) for row in await _newest(NOTICES, account, [invoice.id, *disputes])]
    found += [_webhook(row) for row in await _newest(WEBHOOKS, account, names)]
    if with_people:
        done = await _newest(PEOPLE, account, own)
        people = await names_of(account, [row["actor"] for row in done])
        found += [_person(row, people[row["actor"]]) for row in done]
    # Of one second: in the order in which they are told of above, each kind's own the oldest first.
    return sorted(found, key=lambda one: one.at)[::-1]


async def _newest(statement: str, *values: object) -> list[Any]:
    """The rows of a statement that finds the newest first, the oldest of them first."""
    return (await sql.rows(statement, *values))[::-1]


def _of_stripe(invoice: InvoiceDetail, sides: Sides) -> Iterator[Entry]:
    why = (invoice.billing_reason or "").replace("_", " ")
    yield Entry(at=invoice.created, kind="stripe", said="Stripe made the invoice", detail=why)
    if sides.stripe.finalized is not None:
        yield Entry(at=sides.stripe.finalized, kind="stripe", said="Stripe finalized it")
    if invoice.paid_at is not None:
        yield Entry(
            at=invoice.paid_at, kind="stripe", said="Stripe shows it paid", detail=sides.stripe.how, tone="good"
        )
    if sides.given_up is not None:
        said = "Its recovery came to its end: what the account's policy wants then was begun"
        yield Entry(at=sides.given_up, kind="stripe", said=said, tone="bad")
    if sides.stripe.uncollectible is not None:
        yield Entry(at=sides.stripe.uncollectible, kind="stripe", said="Stripe shows it uncollectible", tone="bad")
    if sides.stripe.voided is not None:
        yield Entry(at=sides.stripe.voided, kind="stripe", said="Stripe shows it void: nobody owes it")


def _tries(invoice: InvoiceDetail) -> Iterator[Entry]:
    for one in invoice.attempts:
        amount = to_text(one.amount, one.currency)
        why = TRIED.get(one.reason, one.reason.replace("_", " "))
        said = f"Attempt {one.number}: {amount} is asked of {one.connection}"
        # Ours is wanted only where the processor has told no name of its own.
        code = "" if one.processor_id or one.decline is not None else one.reference
        yield Entry(at=one.created, kind="attempt", said=said, detail=f"Why now: {why}", code=code)
        if one.resolved is not None:
            yield _end(one, one.resolved)


def _end(one: AttemptBody, at: int) -> Entry:
    # What was taken back had succeeded at this time: its return, later, is a movement.
    state = AttemptState.SUCCEEDED if one.state is AttemptState.REVERSED else one.state
    said, detail, code = f"Attempt {one.number} {ENDED[state]}", one.message, one.processor_id or ""
    tone = {"succeeded": "good", "declined": "bad", "rejected": "bad"}.get(state, "")
    if one.decline is not None:
        detail = decline(one.decline.decline_class, one.decline.advice)
        code = one.decline.processor_code or code
    if one.surplus:
        detail = f"No invoice takes it: {one.surplus_reason}"
    return Entry(at=at, kind="attempt", said=said, detail=detail, code=code, tone=tone)


def _moves(invoice: InvoiceDetail) -> Iterator[Entry]:
    for one in invoice.movements:
        over = f" over {one.connection}" if one.connection else ""
        said = f"{to_text(one.amount, one.currency)} {MOVED[one.kind]}{over}"
        yield Entry(at=one.occurred, kind="money", said=said, code=one.processor_id)
    for told in invoice.recordings:
        about = "the payment of" if told.target is RecordingTarget.INVOICE else "the customer's credit of"
        said = f"{TOLD[told.state]} {about} {to_text(told.amount, told.currency)}"
        bad = told.state in (RecordingState.REFUSED, RecordingState.UNKNOWN)
        detail = "" if told.how in ("", "ours") else told.how
        at = told.resolved or told.created
        yield Entry(at=at, kind="told_stripe", said=said, detail=detail, tone="bad" if bad else "")


def _returns(invoice: InvoiceDetail) -> Iterator[Entry]:
    for refund in invoice.refunds:
        amount, page = to_text(refund.amount, refund.currency), f"/refunds/{refund.id}"
        why = refund.reason.replace("_", " ")
        yield Entry(at=refund.created, kind="return", said=f"A refund of {amount} was begun", detail=why, page=page)
        if refund.resolved is not None:
            said = f"The refund of {amount} is {'done' if refund.state == 'recorded' else refund.state}"
            yield Entry(at=refund.resolved, kind="return", said=said, detail=refund.message, page=page)
    for note in invoice.credit_notes:
        if note.issued is not None:
            void = " (void by now)" if note.state == CreditNoteState.VOID else ""
            said = f"A credit note of {to_text(note.amount, note.currency)} was issued{void}"
            yield Entry(at=note.issued, kind="return", said=said, detail=note.memo, code=note.number)
    for rest in invoice.remainders:
        said = f"{to_text(rest.amount, rest.currency)} were left open, and are billed anew"
        page = f"/invoices/{rest.invoice}" if rest.invoice else ""
        yield Entry(at=rest.created, kind="return", said=said, detail=rest.message, page=page)
    for over in invoice.carried:
        said = f"{to_text(over.amount, over.currency)} are carried over to the customer's next invoice"
        yield Entry(at=over.created, kind="return", said=said, detail=over.message)
    for dispute in invoice.disputes:
        about, page = to_text(dispute.amount, dispute.currency), f"/disputes/{dispute.id}"
        why = dispute.reason.replace("_", " ")
        said = f"The payer disputes {about}"
        yield Entry(at=dispute.created, kind="return", said=said, detail=why, page=page, tone="bad")
        if dispute.resolved is not None:
            words = dispute.state.replace("_", " ")
            yield Entry(at=dispute.resolved, kind="return", said=f"The dispute is {words}", page=page)


def _cases(invoice: InvoiceDetail) -> Iterator[Entry]:
    for one in invoice.cases:
        kind, page = one.kind.replace("_", " "), f"/cases/{one.id}"
        tone = "warn" if one.state is CaseState.OPEN else ""
        yield Entry(
            at=one.created, kind="case", said=f"A case was opened: {kind}", detail=one.reason, page=page, tone=tone
        )
        if one.closed is not None:
            yield Entry(at=one.closed, kind="case", said=f"The case {kind} was closed", detail=one.closed_reason or "")


def _notice(row: Any) -> Entry:
    about = row["type"].removeprefix("tollbridge.").replace("_", " ").replace(".", ": ")
    if not row["wanted"]:
        detail = "No endpoint wanted it"
    elif row["given_up"]:
        detail = f"{row['given_up']} of {row['wanted']} endpoints did not take it"
    else:
        detail = f"{row['done']} of {row['wanted']} endpoints took it"
    tone = "bad" if row["given_up"] else ""
    at, page = unix(row["created_at"]), f"/events/{row['id']}"
    return Entry(at=at, kind="notice", said=f"Your systems are told: {about}", detail=detail, page=page, tone=tone)


def _webhook(row: Any) -> Entry:
    at, said = unix(row["received_at"]), f"{row['source'].capitalize()} told of it: {row['kind'].replace('_', ' ')}"
    detail = f"{row['state']}{': ' if row['reason'] else ''}{row['reason']}"
    return Entry(at=at, kind="webhook", said=said, detail=detail, page=f"/webhooks/{row['id']}")


def _person(row: Any, name: str) -> Entry:
    at, said = unix(row["created_at"]), f"{name} {what(row['action'])}"
    return Entry(at=at, kind="person", said=said, detail=row["reason"])
