"""`reconcile`: a settlement file of a million rows, taken in and compared with a ledger as long, and with Stripe.

500 breaks of every kind are planted, in the file, in the ledger and in the mirror: all must be found, and no other.
The command runs in a process of its own against an embedded PostgreSQL; in the same run the same file is read by the
csv module alone. Not planted is `settlement_refused`, for which a processor must be asked.
"""

from __future__ import annotations

import asyncio
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from db.embedded import EmbeddedPostgres
from db.errors import EmbeddedPostgresError
from db.migrate import migrate
from gateway.cli.home import make_keys

PLANTED: Final = 500
IN_FILE: Final = (
    "missing_in_ledger", "missing_at_processor", "amount_differs", "currency_differs", "duplicate_at_processor",
    "wrong_invoice",
)  # fmt: skip
IN_BOOKS: Final = (
    "paid_at_stripe_without_money", "money_without_stripe_record", "surplus_not_returned", "credit_note_without_refund",
    "refund_without_credit_note", "returned_too_much", "mirror_outdated",
)  # fmt: skip
ROWS_OF_EIGHT: Final = 18
"""Eight invoices have so many rows: each its capture, two a refund, two a refund in two parts, two a dispute that was
won, and two nothing more; a break is planted on one of these, or of those that were refunded."""
WITHIN_S: Final = 60.0
WITHIN_MIB: Final = 512.0

MAP: Final = ",".join(
    f"{field}={field}" for field in ("date", "type", "id", "processor_id", "charge", "reference", "amount", "currency",
                                     "fee", "net")
)  # fmt: skip
UNCHECKED: Final = "set session_replication_role = replica"
GROUND: Final = """
    create schema bench;
    create unlogged table bench.plant (n integer primary key, kind text not null);
    create unlogged table bench.move (n integer not null, part integer not null, kind text not null,
        processor_id text not null, occurrence text not null, amount bigint not null, at timestamptz not null);
"""
# Every move of money, on both sides the same.
MOVES: Final = """
    insert into bench.move
    select n, part, kind, case when kind like 'dispute%' then 'dsp_' || n when kind = 'capture' then 'psp_' || n
                               else 'ref_' || n || '_' || part end,
        case when kind like 'dispute%' then 'set_' || n || '_' || part else '' end, amount,
        now() - interval '40 days' + n * interval '1 second'
    from (
        select n, 1 as part, 'capture' as kind, 1000 + n % 400 * 25 + case when p.kind = 'surplus_not_returned' then 500
            else 0 end as amount, p.kind as plant
        from generate_series(1, $1::int) n left join bench.plant p using (n)
        union all select n, 2, 'refund', 1000 + n % 400 * 25, '' from generate_series(1, $1) n where n % 4 = 0
        union all select n, part, 'refund', 300 + part, '' from generate_series(1, $1) n, generate_series(2, 3) part
            where n % 4 = 1
        union all select n, 2, 'dispute_withdrawn', 1000, '' from generate_series(1, $1) n where n % 4 = 2
        union all select n, 3, 'dispute_returned', 1000, '' from generate_series(1, $1) n where n % 4 = 2
        union all select n, 2, 'refund', 250, '' from bench.plant where kind = 'refund_without_credit_note'
        union all select n, 9, 'dispute_withdrawn', 1000 + n % 400 * 25, '' from bench.plant
            where kind = 'returned_too_much'
    ) x where coalesce(plant, '') <> 'paid_at_stripe_without_money'
"""
BOOKS: Final = """
    insert into tollbridge.customer (account, id, created_at)
    values ('{account}', 'cus_b', now() - interval '60 days');
    insert into tollbridge.payment_method (id, account, customer, connection, reference, token_hash, status, created_at)
    values ('pmt_b', '{account}', 'cus_b', '{connection}', '\\x00', 'b', 'active', now() - interval '60 days');
    insert into tollbridge.invoice (account, id, state, snapshot, read_at, stale, status, customer, digest, currency,
        amount_due, amount_remaining, total, stripe_created_at, created_at)
    select '{account}', 'in_b' || n, 'paid', convert_to(jsonb_build_object('id', 'in_b' || n, 'object', 'invoice',
            'status', status, 'collection_method', 'send_invoice', 'customer', 'cus_b', 'currency', 'eur',
            'amount_due', due, 'amount_paid', case status when 'paid' then due else 0 end, 'amount_remaining',
            case status when 'paid' then 0 else due end, 'total', due, 'created', 1790000000,
            'post_payment_credit_notes_amount', credited, 'metadata',
            jsonb_build_object('tollbridge_attempt', 'att_b' || n))::text, 'UTF8'),
        now() - interval '39 days', false, status, 'cus_b', '4:b', 'eur', due,
        case status when 'paid' then 0 else due end, due, now() - interval '41 days', now() - interval '41 days'
    from (
        select n, 1000 + n % 400 * 25 as due,
            case when p.kind = 'money_without_stripe_record' then 'open' else 'paid' end as status,
            case when p.kind in ('credit_note_without_refund', 'mirror_outdated') then 400
                 when n % 4 = 0 then 1000 + n % 400 * 25 when n % 4 = 1 then 605 else 0 end as credited
        from generate_series(1, {invoices}) n left join bench.plant p using (n)) i;
    insert into tollbridge.attempt (id, account, invoice, number, connection, payment_method, amount, currency, state,
        reason, idempotency_key, reference, processor_id, amount_captured, created_at, sent_at, resolved_at)
    select 'att_b' || n, '{account}', 'in_b' || n, 1, '{connection}', 'pmt_b', 1000 + n % 400 * 25, 'eur', 'succeeded',
        'first', gen_random_uuid(), 'in_b' || n || '.1', 'psp_' || n, 1000 + n % 400 * 25, now() - interval '40 days',
        now() - interval '40 days', now() - interval '40 days'
    from generate_series(1, {invoices}) n;
    insert into tollbridge.movement (id, account, connection, invoice, attempt, kind, processor_id, occurrence, amount,
        currency, occurred_at, created_at)
    select 'mov_b' || n || '_' || part, '{account}', '{connection}', 'in_b' || n, 'att_b' || n, kind, processor_id,
        occurrence, amount, 'eur', at, at
    from bench.move;
    insert into tollbridge.recording (id, account, invoice, attempt, amount, currency, state, idempotency_key, how,
        created_at, resolved_at)
    select 'rec_b' || n, '{account}', 'in_b' || n, 'att_b' || n, 1000 + n % 400 * 25, 'eur', 'recorded', 'rec_b' || n,
        'ours', now() - interval '40 days', now() - interval '40 days'
    from generate_series(1, {invoices}) n;
    insert into tollbridge.credit_note (account, id, invoice, origin, subject, stripe_id, state, amount, out_of_band,
        currency, created_at, issued_at, read_at)
    select '{account}', 'crn_b' || n, 'in_b' || n, 'stripe', 'cn_b' || n, 'cn_b' || n, 'issued', amount, amount, 'eur',
        now() - interval '40 days', now() - interval '40 days', now() - interval '40 days'
    from (
        select n, case when p.kind = 'credit_note_without_refund' then 400 when p.kind = 'mirror_outdated' then 300
                       when n % 4 = 0 then 1000 + n % 400 * 25 when n % 4 = 1 then 605 end as amount
        from generate_series(1, {invoices}) n left join bench.plant p using (n)) c where amount is not null;
    update tollbridge.account set created_at = now() - interval '60 days';
"""
# The file: what the processor says of the same moves, with what was planted there.
FILE: Final = """
    select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as date, kind as type,
        'set_' || n || '_' || part as id, processor_id, 'psp_' || n as charge, reference,
        to_char(amount / 100.0, 'FM999999990.00') as amount, currency, to_char(fee / 100.0, 'FM999999990.00') as fee,
        to_char((amount - fee) / 100.0, 'FM999999990.00') as net
    from (
        select m.n, m.part, m.kind, m.processor_id, m.at,
            'in_b' || (m.n - case when p.kind = 'wrong_invoice' then 3 else 0 end) || '.1' as reference,
            case when p.kind = 'currency_differs' then 'USD' else 'EUR' end as currency,
            (case when m.kind in ('capture', 'dispute_returned') then 1 else -1 end) * m.amount
                + case when p.kind = 'amount_differs' then 7 else 0 end as amount,
            case m.kind when 'capture' then 30 + m.amount * 29 / 1000 else 0 end as fee
        from bench.move m left join bench.plant p on p.n = m.n and p.kind <> 'missing_at_processor' and m.part = 1
        where not exists (select from bench.plant o where o.n = m.n and o.kind = 'missing_at_processor' and m.part = 1)
        union all
        select n, 9, 'capture', 'psp_' || n, now() - interval '40 days', 'in_b' || n || '.1', 'EUR',
            1000 + n % 400 * 25, 30
        from bench.plant where kind = 'duplicate_at_processor'
        union all
        select n, 9, 'refund', 'ref_' || n || '_9', now() - interval '40 days', '', 'EUR', -400, 0
        from bench.plant where kind = 'missing_in_ledger'
    ) f order by at, n, part
"""
# A second connection, whose only file ends before its last moves.
LATE: Final = """
    insert into tollbridge.settlement_file (id, account, connection, processor_id, rows, new_rows, from_at, until_at,
        taken_by, taken_at)
    values ('sfl_b', '{account}', '{late}', 'old', 0, 0, now() - interval '60 days', now() - interval '50 days', 'b',
        now() - interval '50 days');
    insert into tollbridge.movement (id, account, connection, invoice, attempt, kind, processor_id, amount, currency,
        occurred_at, created_at)
    select 'mov_' || kind, '{account}', '{late}', 'in_b8', 'att_b8', kind, 'late', 1, 'eur', now() - interval '45 days',
        now() - interval '45 days'
    from unnest(array['dispute_withdrawn', 'dispute_returned']) kind
"""
FOUND: Final = """
    select kind, invoice as about from tollbridge.reconciliation_break
    where to_run is null
"""


@dataclass
class House:
    """The database and the environment of the command."""

    dsn: str
    environment: dict[str, str]
    file: Path
    account: str = ""
    connection: str = ""
    late: str = ""

    def tollbridge(self, *arguments: str) -> Any:
        """Run a command to its end; its JSON."""
        done = subprocess.run(self.command(*arguments), env=self.environment, capture_output=True, check=True)
        return msgspec.json.decode(done.stdout)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "gateway.cli", *arguments, "--json"]


def run(*, rows: int) -> dict[str, Any]:
    """Compare so many settlement rows; raises AssertionError where a break is missed or invented."""
    home = Path(tempfile.mkdtemp(prefix="tollbridge-bench-"))
    home.chmod(0o755)  # for the account that runs PostgreSQL, where that is not ours
    server = EmbeddedPostgres(home / "postgres", settings={"max_wal_size": "4GB"})
    try:
        with server as dsn:
            house = _house(home, dsn)
            planted = asyncio.run(_filled(house, max(8, rows * 8 // ROWS_OF_EIGHT)))
            return _measured(house, planted)
    finally:
        with suppress(EmbeddedPostgresError):
            server.discard()
        shutil.rmtree(home, ignore_errors=True)


def _house(home: Path, dsn: str) -> House:
    asyncio.run(migrate(dsn))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOLLBRIDGE_")}
    secrets = {"BENCH_STRIPE_KEY": "sk_test_made_up", "BENCH_SECRET": "made_up"}
    ours = {"TOLLBRIDGE_DATABASE_URL": dsn, "TOLLBRIDGE_HOME": str(home)} | make_keys(home).environment()
    house = House(dsn, kept | secrets | ours, home / "settlement.csv")
    house.account = house.tollbridge("accounts", "add", "bench", "--stripe-key", "env:BENCH_STRIPE_KEY")["id"]
    house.connection, house.late = (_connection(house, name) for name in ("practice", "late"))
    return house


def _connection(house: House, name: str) -> str:
    credentials = ("--credential", "api_key=env:BENCH_SECRET", "--credential", "webhook_secret=env:BENCH_SECRET")
    options = ("--option", "base_url=http://127.0.0.1:1", "--option", f"account=pa_{name}")
    added = house.tollbridge("connections", "add", name, "--adapter", "practice", *credentials, *options)
    # Nobody is there to be asked for files.
    house.tollbridge("connections", "update", name, "--disable")
    return str(added["id"])


async def _filled(house: House, invoices: int) -> Counter[tuple[str, str]]:
    """Fill both sides; the breaks that must be found, by kind and what they are about."""
    plants = list(_plants(invoices))
    named = {"account": house.account, "connection": house.connection, "late": house.late, "invoices": invoices}
    connection = await asyncpg.connect(house.dsn, command_timeout=1_800)
    try:
        await connection.execute(UNCHECKED)
        await connection.execute(GROUND)
        await connection.copy_records_to_table("plant", records=plants, schema_name="bench")
        await connection.execute(MOVES, invoices)
        await connection.execute(BOOKS.format(**named))
        await connection.execute(LATE.format(**named))
        await connection.copy_from_query(FILE, output=str(house.file), format="csv", header=True)
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()
    about = Counter((kind, f"in_b{n}") for n, kind in plants)
    about["settlement_late", ""] = 1
    return about


def _plants(invoices: int) -> Iterator[tuple[int, str]]:
    """Which invoice has which break: spread over all of them."""
    kinds, eights = (*IN_FILE, *IN_BOOKS), invoices // 8
    count = min(PLANTED - 1, eights - 1)
    for place in range(count):
        kind = kinds[place % len(kinds)]
        first = 8 * (place * (eights - 1) // count)
        yield first + (4 if kind == "returned_too_much" else 7), kind


def _measured(house: House, planted: Counter[tuple[str, str]]) -> dict[str, Any]:
    csv_s, rows = _read(house.file)
    taken = ("--file", str(house.file), "--connection", "practice", "--map", MAP)
    first_s, first_mib = _timed(house, "reconcile", "--account", "bench", *taken)
    found = asyncio.run(_found(house))
    assert found == planted, f"missed {planted - found}, invented {found - planted}"
    again_s, again_mib = _timed(house, "reconcile", "--account", "bench", "--whole")
    assert asyncio.run(_found(house)) == planted, "again it finds the same"
    return {
        "bench": "reconcile",
        "rows": rows,
        "planted": sum(planted.values()),
        "found": sum(found.values()),
        "kinds": dict(sorted(Counter(kind for kind, _ in found.elements()).items())),
        "csv_module_s": round(csv_s, 2),
        "taken_in_and_compared_s": round(first_s, 1),
        "compared_again_whole_s": round(again_s, 1),
        "ratio_csv_module": round(first_s / csv_s, 1),
        "rows_per_s": round(rows / first_s),
        "peak_mib": round(max(first_mib, again_mib), 1),
        "within": first_s <= WITHIN_S and max(first_mib, again_mib) <= WITHIN_MIB,
    }


def _read(file: Path) -> tuple[float, int]:
    """What reading the file alone takes, and how many rows it has."""
    began, rows = time.perf_counter(), -1
    with file.open(encoding="utf-8", newline="") as text:
        for _ in csv.reader(text):
            rows += 1
    return time.perf_counter() - began, rows


def _timed(house: House, *arguments: str) -> tuple[float, float]:
    """Seconds and peak MiB of a command, which comes to its end and finds breaks."""
    began = time.perf_counter()
    process = subprocess.Popen(house.command(*arguments), env=house.environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    told = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 1, f"exit code {process.returncode}"
    [done] = msgspec.json.decode(told)["data"]
    assert done["state"] == "finished", done["error"]
    return time.perf_counter() - began, usage.ru_maxrss / 1024


async def _found(house: House) -> Counter[tuple[str, str]]:
    connection = await asyncpg.connect(house.dsn)
    try:
        return Counter((row["kind"], row["about"]) for row in await connection.fetch(FOUND))
    finally:
        await connection.close()
