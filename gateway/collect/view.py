"""The view: everything that is true of one invoice, made of the one row that holds it all."""

from __future__ import annotations

import asyncpg
import msgspec

from db import sql
from db.states import AccessState, Collector, MovementKind, known
from gateway.billing.shapes import InvoiceShape, billed
from gateway.collect import rows
from gateway.collect.session import session_of
from gateway.collect.standstill import downtime_in, pause_in
from gateway.collect.view_sql import VIEW
from gateway.domain.access import BY_HAND
from gateway.domain.billed import BilledInvoice
from gateway.domain.hold import abandoned, hold, preferred
from gateway.domain.policy import Policy
from gateway.domain.switching import seen_as_ours
from gateway.domain.view import AccessSeen, InvoiceView, ReceiptView, SubscriptionView


async def view_of(account: str, invoice: str) -> InvoiceView:
    """The view of an invoice, which must exist."""
    return await seen(await row_of(account, invoice))


async def row_of(account: str, invoice: str) -> asyncpg.Record:
    """Everything about an invoice, which must exist."""
    row = await sql.row(VIEW, account, invoice)
    assert row is not None, "the invoice exists"
    return row


async def seen(row: asyncpg.Record) -> InvoiceView:
    """The row as a view."""
    currency, invoice, moved = row["currency"], _mirrored(row), row["movements"]
    session = await session_of(row, invoice)
    connections = rows.connections(row)
    surpluses = rows.surpluses(row)
    standings = rows.standings(row)
    return InvoiceView(
        id=row["id"],
        policy=msgspec.json.decode(row["policies"], type=Policy),
        invoice=invoice,
        read_at=row["read_at"],
        stale=row["stale"],
        hold=hold(session, row["id"]),
        attempts=tuple(rows.attempt(a, connections[a["connection"]], surpluses) for a in row["attempts"]),
        receipts=tuple(ReceiptView(m["id"], m["amount"]) for m in moved if m["kind"] == MovementKind.RECEIPT),
        returns=tuple(rows.returned(m) for m in moved if m["kind"] != MovementKind.RECEIPT),
        recordings=tuple(rows.recording(r) for r in row["recordings"]),
        refunds=tuple(rows.refund(r, row["attempts"], row["fallen_refunds"]) for r in row["refunds"]),
        notes=tuple(rows.note(n, row) for n in row["notes"]),
        notes_read_at=row["notes_read_at"],
        balance_back=row["balance_back"],
        remainders=tuple(rows.remainder(r, row["notes"]) for r in row["remainders"]),
        carries=tuple(rows.carry(c, row["notes"]) for c in row["carries"]),
        rest_of=None if row["rest_of"] is None else rows.remainder(row["rest_of"], ()),
        rest_looked_for=row["rest_looked_for_at"] is not None,
        parts_to_return=tuple(row["parts_to_return"]),
        reopened=row["reopened"],
        lent=rows.lent(row),
        held_money=int(row["held_money"]),
        methods=tuple(
            rows.method(m, connections[m["connection"]], standings[m["id"]], currency, row["own_method"])
            for m in row["methods"]
        ),
        subscription=_subscription(row),
        connections=any(connection.usable for connection in connections.values()),
        opted_out=row["opted_out"],
        customer_deleted=row["customer_deleted"],
        asked=row["asked_at"] is not None,
        void_asked=row["void_asked_at"] is not None,
        preferred_method=preferred(session, row["id"]),
        older_first=row["older_first"],
        abandoned=abandoned(session),
        not_before=row["next_attempt_at"] if row["status"] == "draft" else None,
        known_since=row["created_at"],
        collector=None if row["collector"] is None else known(Collector, row["collector"]),
        hosted=row["hosted"],
        taken=row["taken_at"] is not None,
        hand_over=None if row["hand_over"] is None else rows.hand_over(row["hand_over"]),
        giving_up=row["giving_up"],
        method_coming=row["method_coming"],
        unresolved_beside=row["unresolved_beside"],
        kept_in_pause=row["kept_in_pause"],
        look_first=row["look_first"],
        pause=pause_in(row["pauses"]),
        downtime=downtime_in(row["downtime"], row["locks"], invoice),
        open_cases=frozenset(row["open_cases"]),
        answered_cases=frozenset(row["answered_cases"]),
        announced=frozenset(row["announced"]),
    )


def failing_in(row: asyncpg.Record) -> frozenset[str]:
    """The connections whose processor did not answer the last charge call."""
    return frozenset(name for name, connection in rows.connections(row).items() if connection.failing)


def _subscription(row: asyncpg.Record) -> SubscriptionView | None:
    if row["subscription_status"] is None:
        return None
    ended, paused = row["subscription_ended_at"], row["subscription_paused_at"]
    at_stripe = row["subscription_method"] == "charge_automatically"
    opened = row["access"] == AccessState.GRANTED and row["access_reason"] != BY_HAND
    access = AccessSeen(opened, row["access_invoice"], row["access_closes_at"], row["access_closing"])
    return SubscriptionView(row["subscription_status"], ended, paused, access, at_stripe)


def _mirrored(row: asyncpg.Record) -> BilledInvoice | None:
    if row["snapshot"] is None:
        return None
    invoice = billed(msgspec.json.decode(row["snapshot"], type=InvoiceShape))
    if row["rest_of"] is not None:
        # Stripe knows of no subscription for it; what is done in the end of its recovery concerns that one.
        invoice = msgspec.structs.replace(invoice, subscription=row["subscription"])
    if row["taken_at"] is not None:
        invoice = seen_as_ours(invoice, row["collect_by"])
    if row["status"] == "deleted":
        return msgspec.structs.replace(invoice, status="deleted", amount_remaining=0, amount_due=0)
    return invoice
