"""The view of a dispute, read in one statement over account and id."""

from __future__ import annotations

from typing import Final

import asyncpg

from db.states import CreditNoteState, DisputeState, known
from gateway.domain.dispute_view import DisputeView
from gateway.returns.view import note_of


def own_note(dispute: str) -> str:
    """The condition by which a credit note `n` is that of a dispute, the row of this name in a statement."""
    subject = f"n.subject = {dispute}.id or starts_with(n.subject, {dispute}.id || '.')"
    return f"(n.origin = 'dispute' and ({subject}) or n.id = {dispute}.credit_note)"


# What the invoice's money is spoken for by others: refunds count with what they return or are about to, those that wait
# (for approval, or for a dispute's end) with nothing; notes made in Stripe count where no living refund stands behind
# them. `gone` of every dispute of the capture, its own among them, is what its moves come to.
VIEW: Final = f"""
    with d as (
        select * from tollbridge.dispute where account = $1 and id = $2
    ), others as (
        select o.*, coalesce((select sum(case m.kind when 'dispute_withdrawn' then m.amount else -m.amount end)
                              from tollbridge.movement m
                              where m.connection = o.connection and m.processor_id = o.processor_id
                                and m.kind in ('dispute_withdrawn', 'dispute_returned')), 0)::bigint as gone
        from tollbridge.dispute o join d on o.attempt = d.attempt
    ), parts as (
        select p.* from tollbridge.refund_part p join d on p.attempt = d.attempt
        where p.state in ('sending', 'pending', 'unknown', 'succeeded')
    ), refunds as (
        select r.id, r.state, case
                when r.state in ('failed', 'refused') then
                    (select coalesce(sum(p.amount), 0) from tollbridge.refund_part p
                     where p.refund = r.id and p.state = 'succeeded')
                when r.state = 'deferred' or r.approval = 'waiting' then 0
                else r.amount end as counts
        from tollbridge.refund r join d on r.account = d.account and r.invoice = d.invoice
        where r.origin <> 'surplus'
          and not exists (select 1 from tollbridge.attempt t where t.id = r.attempt and t.surplus)
    ), notes as (
        select n.*, {own_note("d")} as own
        from tollbridge.credit_note n join d on n.account = d.account and n.invoice = d.invoice
    )
    select d.*, i.status as invoice_status, i.customer, i.subscription, t.surplus,
        (select gone from others o where o.id = d.id) as gone,
        (select count(*) from tollbridge.movement m where m.connection = d.connection
            and m.processor_id = d.processor_id and m.kind = 'dispute_withdrawn') as withdrawals,
        coalesce((select sum(r.amount) from tollbridge.recording r where r.account = d.account
                    and r.invoice = d.invoice and r.state = 'recorded' and r.target = 'invoice'
                    and r.attempt is not null), 0)::bigint
          - coalesce((select sum(counts) from refunds), 0)::bigint
          - coalesce((select sum(n.out_of_band) from notes n where not n.own
                        and (n.origin = 'dispute' and n.state in ('wanted', 'sending', 'unknown', 'issued')
                             or n.origin = 'stripe' and n.state = 'issued' and not exists (
                                select 1 from tollbridge.refund r where r.account = n.account and r.credit_note = n.id
                                  and r.state not in ('failed', 'refused')))), 0)::bigint as room,
        coalesce((select sum(n.out_of_band) from notes n
                  where n.own and n.state in ('issued', 'void')), 0)::bigint as credited,
        exists (select 1 from notes n where n.own and n.state = 'void') as voided,
        (select count(*) from notes n where n.own and n.origin = 'dispute'
            and n.state in ('issued', 'void')) as notes,
        exists (select 1 from refunds where state in ('sending', 'pending', 'unknown')
                  or state = 'requested' and counts > 0) as refund_open,
        array(select distinct refund from parts order by refund) as refunded,
        coalesce((select sum(amount) from parts), 0)::bigint as returned,
        greatest(coalesce((select sum(amount) from parts), 0) + (select sum(greatest(gone, 0)) from others)
          - coalesce((select sum(case m.kind when 'capture_reversed' then -m.amount else m.amount end)
                      from tollbridge.movement m where m.attempt = d.attempt
                        and m.kind in ('capture', 'capture_reversed', 'capture_reinstated')), 0), 0)::bigint as over,
        n.state as note_state, n.amount as note_amount, n.tries as note_tries, n.sent_at as note_sent_at,
        coalesce(n.stripe_id, '') as note_stripe_id,
        array(select c.kind from tollbridge.review_case c
              where c.account = d.account and c.subject in (d.id, d.attempt) and c.state = 'open') as open_cases,
        array(select c.kind from tollbridge.review_case c
              where c.account = d.account and c.subject in (d.id, d.attempt) and c.state = 'closed'
                and c.closed_by <> 'tollbridge' and c.closed_at >= all (
                    select m.created_at from tollbridge.movement m
                    where m.connection = d.connection and m.processor_id = d.processor_id)) as answered_cases,
        array(select e.type || ' ' || e.step from tollbridge.outbound_event e
              where e.account = d.account and e.object = d.id) as announced
    from d
    join tollbridge.invoice i on i.account = d.account and i.id = d.invoice
    join tollbridge.attempt t on t.id = d.attempt
    left join tollbridge.credit_note n on n.account = d.account and n.id = d.credit_note
"""  # noqa: S608 (a constant of ours)


def seen(row: asyncpg.Record) -> DisputeView:
    """The row as a view. Its note is one that is being made: one that stands, or was voided, is over."""
    note = note_of(row)
    return DisputeView(
        id=row["id"],
        processor_id=row["processor_id"],
        state=known(DisputeState, row["state"]),
        amount=row["amount"],
        currency=row["currency"],
        told_at=row["told_at"],
        gone=row["gone"],
        withdrawn=row["withdrawn"],
        withdrawals=row["withdrawals"],
        reason=row["reason"],
        evidence_due_by=row["evidence_due_by"],
        evidence_url=row["evidence_url"],
        invoice_status=row["invoice_status"] or "open",
        of_surplus=row["surplus"],
        room=row["room"],
        credited=row["credited"],
        voided=row["voided"],
        note=None if note is None or note.state in (CreditNoteState.ISSUED, CreditNoteState.VOID) else note,
        failure=row["failure"],
        refund_open=row["refund_open"],
        refunded=tuple(row["refunded"]),
        returned=row["returned"],
        over=row["over"],
        open_cases=frozenset(row["open_cases"]),
        answered_cases=frozenset(row["answered_cases"]),
        announced=frozenset(row["announced"]),
    )
