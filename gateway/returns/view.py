"""The view of a refund, read in one statement over account and id."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import sql
from db.states import Approval, CreditNoteState, RefundOrigin, RefundPartState, RefundState, known
from gateway.connections import capabilities_of
from gateway.domain.noting import NoteView
from gateway.domain.policy import Policy
from gateway.domain.refund_view import PartView, RefundView, StrayNote
from processors.outcome import RefundRefusal

VIEW: Final = f"""
    select r.*, r.claim_until > clock_timestamp() as claim_holds, i.status as invoice_status,
        n.state as note_state, n.amount as note_amount, n.tries as note_tries, n.sent_at as note_sent_at,
        coalesce(n.stripe_id, '') as note_stripe_id,
        array(select p from tollbridge.refund_part p where p.refund = r.id order by p.number) as parts,
        array(select s from tollbridge.credit_note s
              where s.account = r.account and s.invoice = r.invoice and s.origin = 'stripe' and s.state = 'issued'
                and s.out_of_band > 0
                and not exists (select 1 from tollbridge.refund f
                                where f.account = s.account and f.credit_note = s.id)
                and not exists (select 1 from tollbridge.dispute d
                                where d.account = s.account and d.credit_note = s.id)
              order by s.issued_at, s.id) as strays,
        (select coalesce(jsonb_object_agg(p.id, jsonb_build_object('adapter', c.adapter,
                    'room', tollbridge.refundable(p.attempt),
                    'disputed', exists (select 1 from tollbridge.dispute d where d.attempt = p.attempt
                                        and d.state in ('opened', 'funds_withdrawn')),
                    'dispute_ended_at', (select max(d.resolved_at) from tollbridge.dispute d
                                         where d.attempt = p.attempt),
                    'lost', exists (select 1 from tollbridge.dispute d where d.attempt = p.attempt
                                    and d.state not in ('opened', 'funds_withdrawn') and d.withdrawn > 0))), '{{}}')
         from tollbridge.refund_part p join tollbridge.connection c on c.id = p.connection
         where p.refund = r.id) as beside,
        exists (select 1 from tollbridge.attempt t where t.account = r.account and t.invoice = r.invoice
                and t.state in {sql.UNRESOLVED_STATES}) as awaits_capture,
        c.refundable, c.refundable_if_won, a.policies,
        coalesce((select d.id from tollbridge.dispute d
                  where d.attempt = any(c.captures)
                    and (d.state in ('opened', 'funds_withdrawn') or d.withdrawn > 0)
                  order by d.state in ('opened', 'funds_withdrawn') desc, d.id limit 1), '') as dispute,
        array(select c.kind from tollbridge.review_case c
              where c.account = r.account and c.subject = r.id and c.state = 'open') as open_cases,
        array(select c.kind from tollbridge.review_case c
              where c.account = r.account and c.subject = r.id and c.state = 'closed' and c.closed_by <> 'tollbridge'
                and c.closed_at >= all (select p.created_at from tollbridge.refund_part p
                                        where p.refund = r.id)) as answered_cases
    from tollbridge.refund r
    join tollbridge.invoice i on i.account = r.account and i.id = r.invoice
    join tollbridge.account a on a.id = r.account
    left join tollbridge.credit_note n on n.account = r.account and n.id = r.credit_note
    cross join lateral (
        select coalesce(sum(p.room), 0)::bigint as refundable,
            coalesce(sum(p.room_if_won), 0)::bigint as refundable_if_won, array_agg(t.id) as captures
        from tollbridge.paying(r.account, r.invoice) p join tollbridge.attempt t on t.id = p.attempt
        where t.id = r.attempt or r.attempt is null and not t.surplus) c
    where r.account = $1 and r.id = $2
"""  # noqa: S608 (a constant of ours)


class _Beside(msgspec.Struct, frozen=True):
    """What stands beside a part's row."""

    adapter: str
    room: int
    disputed: bool
    lost: bool
    dispute_ended_at: datetime | None = None


def seen(row: asyncpg.Record) -> RefundView:
    """The row as a view."""
    beside = msgspec.json.decode(row["beside"], type=dict[str, _Beside])
    return RefundView(
        id=row["id"],
        origin=known(RefundOrigin, row["origin"]),
        amount=row["amount"],
        wants_note=row["wants_note"],
        created_at=row["created_at"],
        state=known(RefundState, row["state"]),
        failure=row["failure"],
        approval=known(Approval, row["approval"]),
        parts=tuple(_part(part, beside[part["id"]]) for part in row["parts"]),
        note=note_of(row),
        invoice_status=row["invoice_status"] or "open",
        awaits_capture=row["awaits_capture"],
        refundable=row["refundable"],
        refundable_if_won=row["refundable_if_won"],
        dispute=row["dispute"],
        queues=msgspec.json.decode(row["policies"], type=Policy).refund_in_dispute == "queue",
        strays=tuple(StrayNote(s["id"], s["out_of_band"], bool(s["error"])) for s in row["strays"]),
        open_cases=frozenset(row["open_cases"]),
        answered_cases=frozenset(row["answered_cases"]),
    )


def note_of(row: asyncpg.Record) -> NoteView | None:
    """The credit note of a row that names one."""
    if row["credit_note"] is None:
        return None
    state = known(CreditNoteState, row["note_state"])
    said = (row["note_amount"], row["note_tries"], row["note_sent_at"], row["note_stripe_id"])
    return NoteView(row["credit_note"], state, *said)


def _part(row: asyncpg.Record, beside: _Beside) -> PartView:
    return PartView(
        id=row["id"],
        number=row["number"],
        amount=row["amount"],
        state=known(RefundPartState, row["state"]),
        capabilities=capabilities_of(beside.adapter),
        room=beside.room,
        disputed=beside.disputed,
        lost=beside.lost,
        sent_at=row["sent_at"] or row["created_at"],
        resent_at=row["resent_at"],
        looked_at=row["looked_at"],
        resolve_at=row["resolve_at"],
        retry_after=row["retry_after"],
        lookups=row["lookups"],
        named=bool(row["processor_id"]),
        external=row["is_external"],
        turned_down=row["refusal"] == RefundRefusal.DISPUTE_OPEN and row["sent_at"] is not None,
        resolved_at=row["resolved_at"],
        dispute_ended_at=beside.dispute_ended_at,
        why=": ".join(text for text in (row["refusal"], row["code"], row["message"]) if text),
    )
