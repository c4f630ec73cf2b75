"""What the books read of other stories' tables, and nowhere else: ledger, attempts, invoices, refunds, credit notes.

Amounts come out signed, from the merchant's side.
"""

from __future__ import annotations

from typing import Final

SIGNED: Final = """
    case when {m}.kind in ('capture', 'receipt', 'capture_reinstated', 'refund_failed', 'dispute_returned')
         then {m}.amount else -{m}.amount end
"""
ENTRY_OF_MOVEMENT: Final = f"""
    select case m.kind when 'surplus_returned' then 'refund' else m.kind end collate "C" as kind,
        m.processor_id collate "C" as processor_id, m.occurrence as mark, {SIGNED.format(m="m")} as amount, m.currency,
        m.occurred_at, m.id, m.invoice as named, coalesce(m.attempt, '') as attempt, '' as charge_id
"""
ENTRY_OF_ROW: Final = """
    select r.kind collate "C" as kind, r.processor_id collate "C" as processor_id, r.row_id as mark, r.amount,
        r.currency, r.occurred_at, r.row_id as id, r.reference as named, '' as attempt, r.charge_id
"""

# --- the ledger against a processor: the columns are those of `domain.matching.Entry`

LEDGER_SINCE: Final = f"""
    {ENTRY_OF_MOVEMENT} from tollbridge.movement m
    where m.account = $1 and m.connection = $2 and m.created_at >= $3 order by 1, 2, m.id
"""
SETTLED_SINCE: Final = f"""
    {ENTRY_OF_ROW} from tollbridge.settlement_row r
    where r.account = $1 and r.connection = $2 and r.kind = any($4) and r.taken_at >= $3 order by 1, 2, r.row_id
"""
LEDGER_OF: Final = f"""
    {ENTRY_OF_MOVEMENT} from unnest($3::text[], $4::text[]) as k (kind, processor_id)
    join tollbridge.movement m on m.account = $1 and m.connection = $2 and m.processor_id = k.processor_id
        and m.kind = any(case k.kind when 'refund' then '{{refund,surplus_returned}}' else array[k.kind] end)
    order by 1, 2, m.id
"""
SETTLED_OF: Final = f"""
    {ENTRY_OF_ROW} from unnest($3::text[], $4::text[]) as k (kind, processor_id)
    join tollbridge.settlement_row r on r.account = $1 and r.connection = $2 and r.kind = k.kind
        and r.processor_id = k.processor_id
    order by 1, 2, r.row_id
"""
ATTEMPTS_OF: Final = """
    select id, invoice, reference, coalesce(processor_id, '') as processor_id from tollbridge.attempt
    where account = $1 and connection = $2 and (reference = any($3) or processor_id = any($4))
"""
# Two accounts may charge through one account at a processor, whose files tell each of them of both's charges.
ELSEWHERE: Final = """
    select a.reference, coalesce(a.processor_id, '') as processor_id
    from tollbridge.connection own join tollbridge.connection c on c.id <> own.id and c.adapter = own.adapter
        and c.options ->> 'account' = own.options ->> 'account'
    join tollbridge.attempt a on a.connection = c.id and (a.reference = any($2) or a.processor_id = any($3))
    where own.id = $1
"""
# Where no file ever came, and one should.
OLDEST: Final = """
    select min(occurred_at) from tollbridge.movement where account = $1 and connection = $2
"""
# A row that names a charge by our reference alone is held under that until the attempt's own id is known.
NAME_ROWS: Final = """
    update tollbridge.settlement_row r set processor_id = a.processor_id
    from tollbridge.attempt a
    where r.account = $1 and r.connection = $2 and r.processor_id = r.reference and r.reference <> ''
        and a.connection = r.connection and a.reference = r.reference and a.processor_id is not null
"""
COVERED: Final = """
    select min(from_at) as covered_from, max(until_at) as covered_to, count(*) as files
    from tollbridge.settlement_file where account = $1 and connection = $2
"""

# --- the ledger against Stripe

# Stripe's credit notes, as they were made or listed last.
CREDIT_NOTES: Final = """
    select n.invoice, sum(n.amount) as total,
        sum(n.out_of_band) filter (where n.origin <> 'reversal') as out_of_band,
        sum(n.out_of_band) filter (where n.origin = 'reversal') as reopened,
        max(n.issued_at) as newest_at, string_agg(n.stripe_id, ' ' order by n.issued_at, n.stripe_id) as ids
    from wanted w join tollbridge.credit_note n on n.account = $1 and n.invoice = w.id
    where n.state = 'issued' group by n.invoice
"""
# Money that is on its way back, which no movement shows yet.
RETURNING: Final = """
    select f.invoice, sum(f.amount) as returning from wanted w
    join tollbridge.refund f on f.account = $1 and f.invoice = w.id
    where f.state in ('requested', 'deferred', 'sending', 'pending', 'unknown') and f.origin <> 'surplus'
    group by f.invoice
"""
# Money that came for one invoice and pays another, which was billed because it had been taken back.
LENT: Final = """
    select w.id as invoice, sum(r.amount) filter (where t.invoice = w.id) as lent,
        sum(r.amount) filter (where r.invoice = w.id) as borrowed
    from wanted w join tollbridge.attempt t on t.account = $1
    join tollbridge.recording r on r.account = $1 and r.attempt = t.id
    where r.invoice <> t.invoice and r.state = 'recorded' and r.target = 'invoice' and w.id in (r.invoice, t.invoice)
    group by w.id
"""
MONEY: Final = f"""
    select x.invoice, max(x.created_at) as moved_at,
        sum(x.signed) filter (where x.same and x.side = 'in' and not x.surplus) as captured,
        sum(x.signed) filter (where x.same and x.side = 'in' and x.surplus) as surplus,
        sum(x.signed) filter (where x.same and x.side = 'receipt') as received,
        -sum(x.signed) filter (where x.same and x.side = 'refund') as refunded,
        -sum(x.signed) filter (where x.same and x.side = 'surplus') as surplus_returned,
        -sum(x.signed) filter (where x.same and x.side = 'dispute') as disputed,
        sum(abs(x.signed)) filter (where not x.same) as other_currency
    from (
        select m.invoice, m.created_at, coalesce(t.surplus, false) as surplus, i.currency in ('', m.currency) as same,
            {SIGNED.format(m="m")} as signed,
            case when m.kind like 'capture%' then 'in' when m.kind = 'receipt' then 'receipt'
                 when m.kind like 'refund%' then 'refund' when m.kind like 'dispute%' then 'dispute'
                 else 'surplus' end as side
        from wanted w join tollbridge.invoice i on i.account = $1 and i.id = w.id
        join tollbridge.movement m on m.account = $1 and m.invoice = w.id
        left join tollbridge.attempt t on t.account = $1 and t.id = m.attempt
    ) x group by x.invoice
"""  # noqa: S608
# Most invoices are plain: paid at Stripe by just what the ledger holds, with as much given back as went back; or not
# paid, and nothing moved. Those are judged here, without reading Stripe's whole answer about each.
PLAIN: Final = """
    i.status = 'paid' and i.amount_due > 0 and coalesce(m.captured, 0) + coalesce(m.received, 0) = i.amount_due
        and coalesce(m.refunded, 0) = coalesce(n.out_of_band, 0) and coalesce(n.reopened, 0) = 0
        and coalesce(m.disputed, 0) = 0
        and coalesce(m.surplus, 0) = coalesce(m.surplus_returned, 0) and coalesce(m.other_currency, 0) = 0
    or (i.status <> 'paid' or i.amount_due = 0) and m.invoice is null and n.invoice is null
"""
# `wanted` holds the invoices to compare.
INVOICES: Final = f"""
    with money as ({MONEY}), notes as ({CREDIT_NOTES}), back as ({RETURNING}), lent as ({LENT})
    select i.id, i.currency, i.status, i.snapshot, coalesce(i.stripe_created_at, i.created_at) as created_at,
        m.moved_at, coalesce(m.captured, 0) as captured, coalesce(m.surplus, 0) as surplus,
        coalesce(m.received, 0) as received, coalesce(m.refunded, 0) as refunded,
        coalesce(m.surplus_returned, 0) as surplus_returned, coalesce(m.disputed, 0) as disputed,
        coalesce(m.other_currency, 0) as other_currency, coalesce(b.returning, 0) as returning,
        coalesce(e.lent, 0) as lent, coalesce(e.borrowed, 0) as borrowed,
        coalesce(n.total, 0) as credited, coalesce(n.out_of_band, 0) as out_of_band,
        coalesce(n.reopened, 0) as reopened, n.newest_at,
        coalesce(n.ids, '') as credit_notes,
        exists (select from tollbridge.recording r where r.account = $1 and r.invoice = i.id
                and r.state in ('sending', 'recorded', 'unknown')) as we_may_have,
        coalesce(i.collector = 'hosted', false) as hosted
    from wanted w join tollbridge.invoice i on i.account = $1 and i.id = w.id
    left join money m on m.invoice = i.id left join notes n on n.invoice = i.id left join back b on b.invoice = i.id
    left join lent e on e.invoice = i.id
    where i.snapshot is not null and (i.state <> 'not_ours' or m.invoice is not null)
      and not ({PLAIN})
"""  # noqa: S608
ONE_INVOICE: Final = f"with wanted as (select $2::text as id), {INVOICES.strip().removeprefix('with ')}"
WANT_ALL: Final = "insert into wanted select id from tollbridge.invoice where account = $1"
# Once a day: what came since, over all tables that have a part in it. Invoices have no index on when they were read,
# which every reading would have to keep up.
WANT_SINCE: Final = """
    insert into wanted
    select invoice from tollbridge.movement where account = $1 and created_at >= $2
    union select id from tollbridge.invoice where account = $1 and read_at >= $2
    union select invoice from tollbridge.credit_note where account = $1 and read_at >= $2
    union select invoice from tollbridge.reconciliation_break where account = $1 and to_run is null and invoice <> ''
"""
WANT_THESE: Final = "insert into wanted select distinct unnest($1::text[])"
INVOICE_OF_ATTEMPT: Final = "select id, invoice from tollbridge.attempt where account = $1 and id = any($2)"

# --- the journal: the columns are those of `domain.journal.Booked`

JOURNAL: Final = f"""
    select j.*, coalesce(i.number, '') as number from (
        select 'movement' as source, m.id, m.kind, m.created_at as booked_at, m.occurred_at, m.amount, m.currency,
            coalesce(c.name, '') as connection, m.invoice, m.processor_id,
            coalesce(t.surplus_at <= m.created_at, false) as surplus, 0::bigint as settled,
            0::bigint as fee, 0::bigint as net, m.currency as settled_currency
        from tollbridge.movement m left join tollbridge.connection c on c.account = m.account and c.id = m.connection
        left join tollbridge.attempt t on t.id = m.attempt
        where m.account = $1 and m.created_at >= $2 and m.created_at < $3
        union all
        select 'surplus', t.id, 'surplus_marked', t.surplus_at, t.surplus_at, x.amount, x.currency, x.connection,
            t.invoice, x.processor_id, true, 0, 0, 0, x.currency
        from tollbridge.attempt t
        join lateral (
            select sum({SIGNED.format(m="m")})::bigint as amount, m.currency, c.name as connection,
                min(m.processor_id) as processor_id
            from tollbridge.movement m join tollbridge.connection c on c.account = m.account and c.id = m.connection
            where m.account = t.account and m.attempt = t.id and m.kind like 'capture%'
                and m.created_at < t.surplus_at
            group by m.currency, c.name) x on x.amount <> 0
        where t.account = $1 and t.surplus_at >= $2 and t.surplus_at < $3
        union all
        select 'settlement', r.row_id, r.kind, r.taken_at, r.occurred_at, r.amount, r.currency, c.name, '',
            r.processor_id, false, r.settled, r.fee, r.net, r.settled_currency
        from tollbridge.settlement_row r
        join tollbridge.connection c on c.account = r.account and c.id = r.connection
        where r.account = $1 and r.taken_at >= $2 and r.taken_at < $3
    ) j left join tollbridge.invoice i on i.account = $1 and i.id = j.invoice
    order by j.booked_at, j.source, j.id
"""  # noqa: S608

# --- what was in transit when a run looked

IN_TRANSIT: Final = """
    select t.* from (
        select m.*, c.name as connection_name, r.id as reconciliation
        from tollbridge.reconciliation r
        cross join lateral jsonb_to_recordset(r.summary -> 'connections')
            as c (id text, name text, compared boolean, looked_at timestamptz, young_from timestamptz)
        join tollbridge.movement m on m.account = r.account and m.connection = c.id and m.occurred_at >= c.young_from
            and m.created_at >= c.young_from - interval '1 day' and m.created_at <= c.looked_at
        where c.compared and not exists (
            select from tollbridge.settlement_row s
            where s.account = m.account and s.connection = m.connection and s.processor_id = m.processor_id
              and s.kind = case m.kind when 'surplus_returned' then 'refund' else m.kind end
              and s.taken_at <= c.looked_at)
    ) t
"""
