"""The statement that reads everything about one invoice: one round trip, and one moment of the database for all of
its parts."""

from __future__ import annotations

from typing import Final

from db import sql
from gateway.collect.tries import TRIES_OF_CARD

# The session is the one that made the invoice's subscription.
VIEW: Final = f"""
    select i.*, i.claim_until > clock_timestamp() as claim_holds,
        (select offset_s from tollbridge.business_clock) as clock_offset_s, a.policies,
        coalesce(c.opted_out, false) as opted_out, c.deleted_at is not null as customer_deleted,
        s.status as subscription_status, s.ended_at as subscription_ended_at, s.paused_at as subscription_paused_at,
        s.access, s.access_reason, s.access_invoice, s.access_closes_at, s.access_closing,
        s.collection_method as subscription_method,
        s.payment_method as own_method,
        -- tollbridge.collection, by the rows that are joined here anyway.
        coalesce(s.collection, case when k.state <> 'complete' and not k.cleanup_done then k.collection end,
            c.collection, a.policies ->> 'collection') is not distinct from 'hosted' as hosted,
        (select h from tollbridge.hand_over h where h.account = i.account and h.invoice = i.id
         order by h.created_at desc, h.id desc limit 1) as hand_over,
        k.id as session, k.state as session_state, k.told_stripe as session_told_stripe,
        k.payment_method as session_method, k.invoice as session_invoice, k.paid as session_paid,
        (select jsonb_object_agg(n.id, jsonb_build_object('adapter', n.adapter, 'record_on', n.record_on,
                    'usable', n.enabled and (n.currencies = '{{}}' or i.currency = any(n.currencies)),
                    'failing', r.connection is not null, 'usable_from', r.probe_at,
                    'locked', exists (select 1 from tollbridge.review_case l
                                      where l.account = n.account and l.kind = 'connection_locked' and l.subject = n.id
                                        and l.state = 'open')))
         from tollbridge.connection n left join tollbridge.circuit r on r.connection = n.id
         where n.account = i.account) as connections,
        array(select t from tollbridge.attempt t
              where t.account = i.account and t.invoice = i.id order by t.number) as attempts,
        array(select m from tollbridge.movement m
              where m.account = i.account and m.invoice = i.id
                and m.kind in ('receipt', 'refund', 'dispute_withdrawn')
              order by m.created_at, m.id) as movements,
        array(select r from tollbridge.recording r
              where r.account = i.account and r.invoice = i.id order by r.created_at, r.id) as recordings,
        array(select p from tollbridge.payment_method p
              where p.account = i.account and p.customer = i.customer and p.status <> 'revoked'
                and tollbridge.serves(p.account, p.id, i.subscription)
              order by p.position, p.created_at) as methods,
        (select jsonb_object_agg(p.id, jsonb_build_object(
                    'tries', (select jsonb_agg(t.sent_at order by t.sent_at) from ({TRIES_OF_CARD}) t),
                    'blocked', (select t.decline_class from tollbridge.attempt t
                                where t.account = p.account and t.fingerprint = p.fingerprint and t.advice = 'never'
                                limit 1)))
         from tollbridge.payment_method p
         where p.account = i.account and p.customer = i.customer and p.status <> 'revoked') as standings,
        array(select d from tollbridge.downtime d
              where (d.until_at is null or d.until_at > coalesce(i.stripe_created_at, i.created_at))
                and (d.connection = '' or d.connection in (
                    select p.connection from tollbridge.payment_method p
                    where p.account = i.account and p.customer = i.customer and p.status <> 'revoked'))) as downtime,
        array(select r from tollbridge.review_case r
              where r.account = i.account and r.kind = 'connection_locked' and r.subject in (
                  select p.connection from tollbridge.payment_method p
                  where p.account = i.account and p.customer = i.customer and p.status <> 'revoked')) as locks,
        exists (select 1 from tollbridge.downtime d
                where d.connection = '' and d.until_at > coalesce(i.stripe_created_at, i.created_at)
                  and d.until_at > coalesce(i.looked_for_at, '-infinity')
                  and not exists (select 1 from tollbridge.attempt t where t.account = i.account and t.invoice = i.id
                                    and t.sent_at > d.until_at)) as look_first,
        array(select p from tollbridge.collection_pause p
              where p.account = i.account and p.object in (i.id, nullif(i.customer, ''))
              order by p.until_at nulls last) as pauses,
        tollbridge.held_money(i.account, i.id) as held_money,
        array(select r from tollbridge.refund r
              where r.account = i.account and r.invoice = i.id order by r.created_at, r.id) as refunds,
        array(select n from tollbridge.credit_note n
              where n.account = i.account and n.invoice = i.id order by n.created_at, n.id) as notes,
        array(select r.id from tollbridge.refund r
              where r.account = i.account and r.invoice = i.id
                and (r.state in ('failed', 'refused')
                     or exists (select 1 from tollbridge.refund_part p where p.refund = r.id)
                        and not (a.policies ->> 'refund_in_dispute' = 'queue' and r.failure = ''
                                 and exists (select 1 from tollbridge.refund_part p where p.refund = r.id
                                             and p.refusal = 'dispute_open' and p.sent_at is not null)))
                and not exists (select 1 from tollbridge.refund_part p where p.refund = r.id
                                and p.state not in ('failed', 'refused'))) as fallen_refunds,
        array(select d.credit_note from tollbridge.dispute d
              where d.account = i.account and d.invoice = i.id and d.credit_note is not null) as disputed_notes,
        array(select r from tollbridge.remainder r
              where r.account = i.account and r.invoice = i.id order by r.created_at, r.id) as remainders,
        array(select c from tollbridge.carry c
              where c.account = i.account and c.invoice = i.id order by c.created_at, c.id) as carries,
        (select r from tollbridge.remainder r where r.account = i.account and r.issued_as = i.id) as rest_of,
        array(with recursive part as (
                  select r.account, r.invoice from tollbridge.remainder r
                  join tollbridge.credit_note n on n.account = r.account and n.id = r.credit_note
                  where r.account = i.account and r.issued_as = i.id and n.origin = 'partial'
                  union
                  select r.account, r.invoice from tollbridge.remainder r
                  join part p on r.account = p.account and r.issued_as = p.invoice)
              select part.invoice from part where exists (
                      select 1 from tollbridge.paying(part.account, part.invoice) p
                      join tollbridge.attempt t on t.id = p.attempt where not t.surplus and p.room > 0)
                  and not exists (select 1 from tollbridge.refund f where f.account = part.account
                                  and f.base = part.invoice || '.rest_given_up') order by 1) as parts_to_return,
        exists (select 1 from tollbridge.remainder r
                join tollbridge.credit_note n on n.account = r.account and n.id = r.credit_note
                left join tollbridge.invoice o on o.account = r.account and o.id = r.issued_as
                where r.account = i.account and r.invoice = i.id and n.origin = 'reversal' and n.state = 'issued'
                  and (r.state in ('wanted', 'sending', 'unknown') or o.status in ('', 'draft', 'open')
                       or exists (select 1 from tollbridge.recording q where q.account = o.account
                                  and q.invoice = o.id and q.state in ('sending', 'unknown')))) as reopened,
        (select jsonb_build_object('id', t.id, 'amount', tollbridge.held_money(r.account, r.invoice))
         from tollbridge.remainder r
         join tollbridge.credit_note n on n.account = r.account and n.id = r.credit_note and n.origin = 'reversal'
         join tollbridge.attempt t on t.account = r.account and t.invoice = r.invoice and t.state = 'succeeded'
             and not t.surplus
         where r.account = i.account and r.issued_as = i.id order by t.number desc limit 1) as lent,
        (select jsonb_object_agg(t.id, jsonb_build_object('returnable', greatest(tollbridge.refundable(t.id), 0),
                    'kept', m.kept, 'disputed', m.disputed))
         from tollbridge.attempt t cross join lateral (
             select coalesce(sum(case when m.kind in ('capture', 'capture_reinstated', 'refund_failed',
                                                      'dispute_returned') then m.amount else -m.amount end), 0) as kept,
                 coalesce(sum(case m.kind when 'dispute_withdrawn' then m.amount when 'dispute_returned' then -m.amount
                              else 0 end), 0) as disputed
             from tollbridge.movement m where m.attempt = t.id) m
         where t.account = i.account and t.invoice = i.id and t.surplus) as surpluses,
        array(select r.kind from tollbridge.review_case r
              where r.account = i.account and r.invoice = i.id and r.invoice <> '' and r.state = 'open') as open_cases,
        array(select r.kind from tollbridge.review_case r
              where r.account = i.account and r.invoice = i.id and r.invoice <> '' and r.state = 'closed'
                and r.closed_by <> 'tollbridge' and r.closed_at >= all (select m.created_at from tollbridge.movement m
                                        where m.account = i.account and m.invoice = i.id)
                and r.closed_at >= all (select t.resolved_at from tollbridge.attempt t
                                        where t.account = i.account and t.invoice = i.id
                                          and t.resolved_at is not null)) as answered_cases,
        array(select e.type || ' ' || e.step from tollbridge.outbound_event e
              where e.account = i.account and e.object = i.id) as announced,
        exists (select 1 from tollbridge.invoice o
                where o.account = i.account and o.subscription = i.subscription and o.subscription <> ''
                  and o.status = 'open' and (o.stripe_created_at, o.id) < (i.stripe_created_at, i.id)
                  and o.collector is distinct from 'hosted'
                  -- One that waits for a human is about to be charged too once it was poked: a new method is stored.
                  and not exists (select 1 from tollbridge.collection_pause p
                                  where p.account = o.account and p.object = o.id
                                    and (p.until_at is null or p.until_at > tollbridge.business_now()))
                  and o.failures = 0 and (o.seen < o.poked or o.state in ('due', 'charging')
                      and not exists (select 1 from tollbridge.review_case r
                                      where r.account = o.account and r.invoice = o.id and r.invoice <> ''
                                        and r.state = 'open'))) as older_first,
        exists (select 1 from tollbridge.invoice o
                where o.account = i.account and o.subscription = i.subscription and o.subscription <> ''
                  and o.status = 'open' and (o.stripe_created_at, o.id) > (i.stripe_created_at, i.id)) as younger_open,
        exists (select 1 from tollbridge.invoice o
                join tollbridge.attempt t on t.account = o.account and t.invoice = o.id
                where o.account = i.account and o.subscription = i.subscription and o.subscription <> ''
                  and o.id <> i.id and t.state in {sql.UNRESOLVED_STATES}
        ) as unresolved_beside,
        exists (select 1 from tollbridge.payment_method_session w
                where w.account = i.account and w.customer = i.customer and w.state = 'processing') as method_coming,
        exists (select 1 from tollbridge.checkout_session w where w.account = i.account and w.invoice = i.id) as watched
    from tollbridge.invoice i
    join tollbridge.account a on a.id = i.account
    left join tollbridge.customer c on c.account = i.account and c.id = i.customer
    left join tollbridge.subscription s on s.account = i.account and s.id = i.subscription
    left join lateral (
        select k.*, exists (select 1 from tollbridge.invoice p
                            where p.account = k.account and p.id = k.invoice and p.status = 'paid') as paid
        from tollbridge.checkout_session k
        where k.account = i.account and k.subscription = i.subscription and k.subscription <> ''
        order by k.created_at desc limit 1
    ) k on true
    where i.account = $1 and i.id = $2
"""  # noqa: S608 (a constant of ours)
# The session that is about to make its subscription: what metadata say is a hint (law 11), so the session that they
# name must be waiting for just this customer's subscription.
COMING_SESSION: Final = """
    select state, told_stripe, payment_method, invoice from tollbridge.checkout_session
    where account = $1 and id = $2 and customer = $3 and subscription = ''
"""
