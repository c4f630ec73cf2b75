"""The schema that migrations make, held against what the code believes of it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import pytest
from piccolo.columns import Column
from piccolo.table import Table

from db import sql, states, tables

pytestmark = pytest.mark.usefixtures("database")

TABLES: dict[str, type[Table]] = {
    getattr(tables, name)._meta.tablename: getattr(tables, name) for name in tables.__all__
}

ONLY_MIGRATIONS = {"migration"}
"""Tables of the migrations' own, which no code of ours reads through Piccolo."""

SAME = {
    "timestamp with time zone": "TIMESTAMPTZ",
    "ARRAY": "ARRAY",
    "text": "TEXT",
    "bytea": "BYTEA",
    "jsonb": "JSONB",
    "uuid": "UUID",
    "boolean": "BOOLEAN",
    "bigint": "BIGINT",
    "integer": "INTEGER",
    "numeric": "NUMERIC",
}


async def columns() -> dict[str, dict[str, Any]]:
    """Every column of every table of ours."""
    found: dict[str, dict[str, Any]] = {}
    for row in await sql.rows(
        """select c.table_name, c.column_name, c.data_type, c.is_nullable = 'YES' as nullable, c.column_default
           from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
           where c.table_schema = 'tollbridge' and t.table_type = 'BASE TABLE'"""
    ):
        found.setdefault(row["table_name"], {})[row["column_name"]] = row
    return found


async def constraints(kind: str) -> list[tuple[str, str]]:
    """Table and definition of every constraint of a kind: c check, f foreign key."""
    found = await sql.rows(
        """select t.relname, pg_get_constraintdef(c.oid) as definition from pg_constraint c
           join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
           where n.nspname = 'tollbridge' and c.contype = $1""",
        kind.encode(),
    )
    return [(row["relname"], row["definition"]) for row in found]


# --- Piccolo's view ------------------------------------------------------------------------------------------------


async def test_there_is_a_piccolo_table_for_every_table() -> None:
    assert set(await columns()) - ONLY_MIGRATIONS == set(TABLES)


@pytest.mark.parametrize("name", TABLES)
async def test_piccolo_knows_every_column_with_its_type(name: str) -> None:
    real = (await columns())[name]
    believed: dict[str, Column] = {column._meta.name: column for column in TABLES[name]._meta.columns}
    assert set(believed) == set(real)
    for column, row in real.items():
        declared = believed[column].column_type
        same = declared.endswith("[]") if row["data_type"] == "ARRAY" else declared == SAME[row["data_type"]]
        assert same, f"{name}.{column}: {row['data_type']} in the database, {declared} in Piccolo"


@pytest.mark.parametrize("name", TABLES)
async def test_what_may_be_null_may_be_null_for_piccolo(name: str) -> None:
    real = (await columns())[name]
    for column in TABLES[name]._meta.columns:
        if real[column._meta.name]["nullable"]:
            assert column._meta.null, f"{name}.{column._meta.name}"


@pytest.mark.parametrize("name", TABLES)
def test_piccolo_makes_no_time_of_its_own(name: str) -> None:
    for column in TABLES[name]._meta.columns:
        if column.column_type == "TIMESTAMPTZ":
            assert column.get_default_value() is None


# --- states --------------------------------------------------------------------------------------------------------

STATES: dict[tuple[str, str], type[StrEnum]] = {
    ("attempt", "state"): states.AttemptState,
    ("cancellation", "ends"): states.Ends,
    ("cancellation", "origin"): states.CancellationOrigin,
    ("cancellation", "state"): states.CancellationState,
    ("catch_up", "walk"): states.Walk,
    ("checkout_session", "collection"): states.Collection,
    ("checkout_session", "state"): states.SessionState,
    ("customer", "collection"): states.Collection,
    ("delivery", "state"): states.DeliveryState,
    ("event_delivery", "state"): states.EventDeliveryState,
    ("hand_over", "state"): states.HandOverState,
    ("invoice", "collector"): states.Collector,
    ("invoice", "state"): states.InvoiceState,
    ("invoice", "waits_for"): states.WaitsFor,
    ("movement", "kind"): states.MovementKind,
    ("payment_method", "status"): states.MethodStatus,
    ("payment_method_session", "open_invoices"): states.OpenInvoices,
    ("payment_method_session", "state"): states.MethodSessionState,
    ("payment_setup", "state"): states.SetupState,
    ("reconciliation", "state"): states.ReconciliationState,
    ("reconciliation_break", "kind"): states.BreakKind,
    ("reconciliation_break", "repair"): states.Repair,
    ("recording", "state"): states.RecordingState,
    ("refund", "state"): states.RefundState,
    ("refund", "origin"): states.RefundOrigin,
    ("refund", "approval"): states.Approval,
    ("refund_part", "state"): states.RefundPartState,
    ("credit_note", "state"): states.CreditNoteState,
    ("remainder", "state"): states.RemainderState,
    ("carry", "state"): states.CarryState,
    ("recording", "target"): states.RecordingTarget,
    ("credit_note", "origin"): states.CreditNoteOrigin,
    ("dispute", "state"): states.DisputeState,
    ("subscription", "access"): states.AccessState,
    ("subscription", "collection"): states.Collection,
    ("switch", "collector"): states.Collector,
    ("switch", "open_invoices"): states.OpenInvoices,
    ("switch", "state"): states.SwitchState,
    ("review_case", "state"): states.CaseState,
    ("usage_event", "state"): states.UsageState,
}


def test_every_union_of_states_stands_in_a_table() -> None:
    unions = {one for one in vars(states).values() if isinstance(one, type) and issubclass(one, StrEnum)} - {StrEnum}
    assert set(STATES.values()) == unions


@pytest.mark.parametrize(
    ("where", "union"), STATES.items(), ids=lambda one: ".".join(one) if isinstance(one, tuple) else ""
)
async def test_a_states_check_is_its_union(where: tuple[str, str], union: type[StrEnum]) -> None:
    table, column = where
    lists = [
        set(re.findall(r"'([a-z_]*)'::text", definition))
        for of, definition in await constraints("c")
        if of == table and re.fullmatch(rf"CHECK \(\({column} = ANY \(ARRAY\[[^\]]*\]\)\)\)", definition)
    ]
    assert lists == [set(union)]


async def partial_index(name: str) -> set[str]:
    definition = await sql.value(
        "select indexdef from pg_indexes where schemaname = 'tollbridge' and indexname = $1", name
    )
    return set(re.findall(r"'([a-z_]+)'::text", definition))


async def test_law_1_means_the_same_unresolved_states() -> None:
    assert await partial_index("attempt_one_unresolved") == set(states.UNRESOLVED)


async def test_a_reference_gives_back_the_same_live_sessions() -> None:
    assert await partial_index("checkout_session_live") == set(states.SESSION_LIVE)


async def test_law_8_means_the_same_refunds() -> None:
    for function in ("refundable", "refund_within_capture"):
        source = await sql.value("select prosrc from pg_proc where proname = $1", function)
        for found in re.findall(r"not in \(([^)]*)\)", source):
            assert set(re.findall(r"'([a-z_]+)'", found)) == set(states.RELEASED)


def test_the_transitions_are_the_designs() -> None:
    """§1, pair by pair."""
    final = {"succeeded", "declined", "rejected", "not_sent", "canceled"}
    follows = {
        "sending": final | {"pending", "requires_action", "unknown"},
        **{state: (final | {"pending", "requires_action", "unknown"}) - {state} for state in
           ("pending", "requires_action", "unknown")},
        **{state: {"succeeded"} for state in ("declined", "rejected", "not_sent", "canceled")},
        "succeeded": {"reversed"},
        "reversed": {"succeeded"},
    }  # fmt: skip
    for now in states.AttemptState:
        for then in states.AttemptState:
            assert states.may_follow(now, then) == (then in follows[now]), f"{now} → {then}"


# --- what every table keeps ----------------------------------------------------------------------------------------

PEOPLE = {"console_user", "console_session", "console_throttle"}
"""Somebody may work in several accounts: `console_role` says in which."""
OF_NO_ACCOUNT = {"account", "migration", "business_clock", "worker", "downtime"} | PEOPLE


async def test_every_row_belongs_to_an_account() -> None:
    assert {name for name, its in (await columns()).items() if "account" not in its} == OF_NO_ACCOUNT


async def test_the_account_is_known_but_for_the_platforms_own() -> None:
    nullable = {name for name, its in (await columns()).items() if "account" in its and its["account"]["nullable"]}
    assert nullable == {"api_key", "audit_log"}


async def test_every_account_column_is_a_foreign_key() -> None:
    bound = {table for table, definition in await constraints("f") if definition.startswith("FOREIGN KEY (account) ")}
    assert bound == set(await columns()) - OF_NO_ACCOUNT


async def test_foreign_keys_restrict() -> None:
    for table, definition in await constraints("f"):
        assert not re.search(r"CASCADE|SET (NULL|DEFAULT)", definition), f"{table}: {definition}"


async def test_foreign_keys_stay_within_the_account() -> None:
    """A row of one account can't name another's: every key but that to the account itself carries the account."""
    for table, definition in await constraints("f"):
        if definition.startswith("FOREIGN KEY (console_user) "):
            continue  # A person is of no account.
        assert definition.startswith("FOREIGN KEY (account"), f"{table}: {definition}"


async def test_no_business_time_comes_from_the_database() -> None:
    clocks = {
        f"{name}.{column}"
        for name, its in (await columns()).items()
        for column, row in its.items()
        if row["data_type"].startswith("timestamp") and row["column_default"] is not None
    }
    # When a migration was applied is machine time.
    assert clocks == {"migration.applied_at"}


async def test_every_time_knows_its_zone_and_no_number_floats() -> None:
    types = {row["data_type"] for its in (await columns()).values() for row in its.values()}
    assert types == set(SAME)


async def test_amounts_are_bigint() -> None:
    for name, its in (await columns()).items():
        for column, row in its.items():
            if column.startswith("amount") or column == "total":
                assert row["data_type"] == "bigint", f"{name}.{column}"
