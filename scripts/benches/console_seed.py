"""A year of one account, for `console`: made inside PostgreSQL, without its triggers and foreign keys.

Of a hundred invoices twelve are paid on Stripe's page; of the others twelve are declined first, and most of those are
paid later. What is younger than ten days is in all the states in which open invoices are.
"""

from __future__ import annotations

import time
from typing import Final

import asyncpg

from scripts.benches.ground import Ground

UNCHECKED: Final = "set session_replication_role = replica"
CONNECTIONS: Final = """
    insert into tollbridge.connection (id, account, name, adapter, credentials, currencies, enabled, created_at)
    select 'con_b' || n, '{account}', name, 'practice', '\\x00', '{{}}', false, now() - interval '400 days'
    from unnest(array['cards-eu', 'wallet', 'debit']) with ordinality as t (name, n);
    create temp table bench_connection as
        select 'con_b' || n as id, n - 1 as n from generate_series(1, 3) n;
"""
# `n` of an invoice decides everything about it, so that each run is of the same.
INVOICES: Final = """
    create temp table bench_invoice as
    select n, 'in_b' || n as id, 'cus_b' || (n % {customers} + 1) as customer, 'sub_b' || (n % {customers} + 1) as sub,
        now() - interval '365 days' * (1 - n::float8 / {invoices}) as at,
        (array['eur', 'eur', 'eur', 'usd', 'gbp'])[1 + n % 5] as currency, (1000 + n % 90 * 100)::bigint as amount,
        case when n % 100 < 12 then null else 'con_b' || (1 + n % 3) end as connection,
        n % 100 >= 12 and n % 97 < 12 as is_declined,
        case when n < {invoices} * 0.97 then
            case n % 97 when 0 then 'uncollectible' when 1 then 'exhausted' else case n % 89 when 0 then 'closed'
                else 'paid' end end
        else case when n % 97 < 7 then 'retrying' when n % 97 < 9 then 'needs_payment_method'
            when n % 97 < 11 then 'exhausted' when n % 100 < 20 then 'due' when n % 100 < 24 then 'pending'
            when n % 100 < 25 then 'captured' else 'paid' end end as state
    from generate_series(1, {invoices}) n;
    create index on bench_invoice (n);
    analyze bench_invoice;
    insert into tollbridge.customer (account, id, created_at)
    select '{account}', 'cus_b' || n, now() - interval '400 days' from generate_series(1, {customers}) n;
    insert into tollbridge.subscription (account, id, customer, status, collection_method, digest, stale, created_at)
    select '{account}', 'sub_b' || n, 'cus_b' || n, 'active', 'send_invoice', 'b', false, now() - interval '400 days'
    from generate_series(1, {customers}) n;
    insert into tollbridge.payment_method (id, account, customer, connection, reference, token_hash, vault_hash, card,
        status, created_at)
    select 'pm_b' || n, '{account}', 'cus_b' || n, 'con_b' || (1 + n % 3), '\\x00', 'b' || n, 'b' || n,
        '{{"brand": "visa", "last4": "4242"}}', 'active', now() - interval '400 days'
    from generate_series(1, {customers}) n;
    insert into tollbridge.invoice (account, id, state, reason, snapshot, read_at, stale, status, customer,
        subscription, number, billing_reason, collection_method, digest, currency, amount_due, amount_remaining, total,
        stripe_created_at, due_date, paid_at, collector, created_at)
    select '{account}', id, state, '', convert_to(jsonb_build_object('id', id, 'object', 'invoice', 'status', 'open',
            'currency', currency, 'total', amount, 'amount_due', amount, 'customer', customer,
            'customer_email', 'payer' || (n % {customers} + 1) || '@example.com',
            'hosted_invoice_url', 'https://invoice.example/' || id, 'invoice_pdf', 'https://invoice.example/pdf/' || id,
            'lines', jsonb_build_object('data', jsonb_build_array(jsonb_build_object('id', 'il_' || n, 'amount', amount,
                'description', repeat('Monthly plan ', 60)))))::text, 'UTF8'),
        at, false, case state when 'paid' then 'paid' when 'closed' then 'void' when 'uncollectible' then
            'uncollectible' else 'open' end, customer, sub, 'B-' || n, 'subscription_cycle', 'send_invoice', '4:b',
        currency, amount, case state when 'paid' then 0 else amount end, amount, at, at + interval '10 days',
        case state when 'paid' then at + n % 5 * interval '1 day' end,
        case when connection is null then 'hosted' end, at
    from bench_invoice;
"""
MONEY: Final = """
    insert into tollbridge.attempt (id, account, invoice, number, connection, payment_method, amount, currency, state,
        reason, idempotency_key, reference, decline_class, advice, processor_code, created_at, sent_at, resolved_at)
    select 'att_b' || n || '_' || k, '{account}', id, k, connection, 'pm_b' || (n % {customers} + 1), amount, currency,
        'declined', 'first', gen_random_uuid(), id || '.' || k,
        (array['insufficient_funds', 'insufficient_funds', 'do_not_honor', 'expired', 'limit_exceeded', 'fraud',
            'authentication_required'])[1 + n % 7], 'retry_later', '51', at + k * interval '1 day',
        at + k * interval '1 day', at + k * interval '1 day'
    from bench_invoice, generate_series(1, 3) k
    where is_declined and k <= case when state = 'paid' then 1 + n % 2 else 1 + n % 3 end;
    insert into tollbridge.attempt (id, account, invoice, number, connection, payment_method, amount, currency, state,
        reason, idempotency_key, reference, processor_id, amount_captured, created_at, sent_at, resolved_at)
    select 'att_b' || n || '_9', '{account}', id, 9, connection, 'pm_b' || (n % {customers} + 1), amount, currency,
        case state when 'pending' then 'pending' else 'succeeded' end, 'first', gen_random_uuid(), id || '.9',
        'psp_' || n, case state when 'pending' then 0 else amount end, at + interval '2 days', at + interval '2 days',
        case when state <> 'pending' then at + interval '2 days' end
    from bench_invoice where connection is not null and state in ('paid', 'captured', 'pending');
    insert into tollbridge.movement (id, account, connection, invoice, attempt, kind, processor_id, amount, currency,
        occurred_at, created_at)
    select 'mov_b' || n, '{account}', connection, id, 'att_b' || n || '_9', 'capture', 'psp_' || n, amount, currency,
        least(at + interval '2 days', now()), least(at + interval '2 days', now())
    from bench_invoice where connection is not null and state in ('paid', 'captured');
    insert into tollbridge.movement (id, account, connection, invoice, attempt, kind, processor_id, amount, currency,
        occurred_at, created_at)
    select 'mov_r' || n, '{account}', connection, id, 'att_b' || n || '_9', 'refund', 'ref_' || n, 500, currency,
        least(at + interval '5 days', now()), least(at + interval '5 days', now())
    from bench_invoice where connection is not null and state = 'paid' and n % 33 = 0;
    insert into tollbridge.recording (id, account, invoice, attempt, amount, currency, state, idempotency_key, how,
        created_at, resolved_at)
    select 'rec_b' || n, '{account}', id, 'att_b' || n || '_9', amount, currency, 'recorded', 'rec_b' || n, 'ours',
        at + interval '2 days', at + interval '2 days'
    from bench_invoice where connection is not null and state = 'paid';
    insert into tollbridge.settlement_file (id, account, connection, processor_id, rows, new_rows, taken_by, taken_at)
    select 'sfl_b' || n, '{account}', 'con_b' || n, 'sfl_b' || n, 1, 1, '', now() from generate_series(1, 3) n;
    insert into tollbridge.settlement_row (account, connection, row_id, file, kind, processor_id, amount, currency,
        settled, fee, net, settled_currency, occurred_at, taken_at)
    select '{account}', 'con_b' || c, 'pay_' || d, 'sfl_b' || c, 'payout', 'po_' || d, -100000, 'eur', -100000, 0,
        -100000, 'eur', now() - d * interval '1 day', now() - d * interval '1 day'
    from generate_series(1, 3) c, generate_series(1, 365) d;
    insert into tollbridge.settlement_row (account, connection, row_id, file, kind, processor_id, amount, currency,
        settled, fee, net, settled_currency, occurred_at, taken_at)
    select '{account}', connection, 'cap_' || n, 'sfl_b' || right(connection, 1), 'capture', 'psp_' || n, amount,
        currency, amount, 30, amount - 30, currency, at, at
    from bench_invoice where connection is not null and state = 'paid';
    insert into tollbridge.review_case (id, account, kind, subject, invoice, reason, action, state, opened_at,
        closed_at, closed_by, closed_reason)
    select 'cas_b' || n, '{account}', (array['collection_exhausted', 'outcome_unknown', 'dispute_opened',
            'refund_failed'])[1 + n % 4], id, id, 'made up', 'Look at it.',
        case when n > {invoices} * 0.9 and n % 10 = 0 then 'open' else 'closed' end, at,
        case when n > {invoices} * 0.9 and n % 10 = 0 then null else at + interval '1 day' end, 'bench', 'done'
    from bench_invoice where n % 25 = 0;
"""
# Seven of ten come from Stripe, one and a half are told, and as many are brought to the merchant's endpoint.
EVENTS: Final = """
    insert into tollbridge.delivery (id, account, source, delivery_key, kind, object_id, body, state, reason,
        received_at, finished_at)
    select 'dlv_b' || n, '{account}', case when n % 10 < 8 then 'stripe' else 'con_b' || (1 + n % 3) end, 'evt_b' || n,
        (array['invoice.created', 'invoice.finalized', 'invoice.paid', 'invoice.updated',
            'customer.subscription.updated'])[1 + n % 5], 'in_b' || (n % {invoices} + 1),
        convert_to(repeat(md5(n::text), 8), 'UTF8'), case when n % 20 = 0 then 'ignored' else 'done' end,
        case when n % 20 = 0 then 'echo' else '' end, now() - interval '30 days' * (1 - n::float8 / ({events} * 0.7)),
        now() - interval '30 days' * (1 - n::float8 / ({events} * 0.7))
    from generate_series(1, ({events} * 0.7)::int) n;
    insert into tollbridge.outbound_event (id, account, type, object_kind, object, step, sequence, data, created_at)
    select 'evt_b' || n, '{account}', 'tollbridge.invoice.paid', 'invoice', 'in_b' || n, n::text, 1, '{{}}',
        now() - interval '30 days' * (1 - n::float8 / ({events} * 0.15))
    from generate_series(1, ({events} * 0.15)::int) n;
    insert into tollbridge.webhook_endpoint (id, account, url, enabled, created_at)
    values ('whe_b', '{account}', 'https://shop.example/hook', true, now() - interval '400 days');
    insert into tollbridge.event_delivery (id, account, event, endpoint, state, tries, begun_at, tried_at, finished_at,
        status)
    select 'edl_b' || n, '{account}', 'evt_b' || n, 'whe_b', 'delivered', 1, e.created_at, e.created_at, e.created_at,
        200
    from generate_series(1, ({events} * 0.15)::int) n join tollbridge.outbound_event e on e.id = 'evt_b' || n;
"""


async def seed(house: Ground, invoices: int, events: int) -> float:
    """Fill the house; seconds that it took."""
    began = time.perf_counter()
    connection = await asyncpg.connect(house.dsn, command_timeout=1800)
    values = {"account": house.wired.account, "invoices": invoices, "events": events, "customers": 1000}
    try:
        await connection.execute(UNCHECKED)
        for part in (CONNECTIONS, INVOICES, MONEY, EVENTS):
            await connection.execute(part.format(**values))
        await connection.execute("reset session_replication_role")
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()
    return time.perf_counter() - began
