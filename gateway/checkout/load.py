"""Loading a session's view, under its claim."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg
import msgspec

from db import sql
from db.poke import Claim
from db.states import AttemptState, Collection, InvoiceState, SessionState
from gateway.billing.shapes import InvoiceShape, billed
from gateway.checkout.values import CheckoutRequest
from gateway.domain.billed import StripePayment
from gateway.domain.policy import Policy
from gateway.domain.session import SessionView
from gateway.turns.turn import held

LATELY = timedelta(minutes=1)
"""So young is what a subscription may be cancelled on: somebody may have paid, and the event be late."""

CONFIRM_GRACE = timedelta(hours=1)
"""A payer who confirms in the last minute still has so long to see it through."""

VIEW = f"""
    select s.*, a.policies,
        i.state as invoice_state, i.status as invoice_status, i.snapshot, i.read_at as read_at_invoice,
        i.collector,
        (select t.state from tollbridge.attempt t where t.account = s.account and t.invoice = s.invoice
         order by t.number desc limit 1) as attempt_state,
        u.ended_at is not null as subscription_ended,
        (select min(w.look_at) from tollbridge.payment_setup w
         where w.account = s.account and w.checkout_session = s.id and w.state = 'open') as drop_setups_at,
        exists (select 1 from tollbridge.invoice o
                join tollbridge.attempt t on t.account = o.account and t.invoice = o.id
                where o.account = s.account and o.subscription = s.subscription and s.subscription <> ''
                  and t.state in {sql.UNRESOLVED_STATES}) as charging_beside,
        s.payment_method is not null and p.status <> 'revoked' and p.revoke_asked_at is null
            and p.created_at >= s.created_at
            and not exists (select 1 from tollbridge.subscription o where o.account = s.account
                            and o.customer = s.customer and o.id <> s.subscription and o.ended_at is null)
            and not exists (select 1 from tollbridge.invoice n where n.account = s.account and n.customer = s.customer
                            and n.status in ('draft', 'open') and n.id <> s.invoice) as method_is_only_ours
    from tollbridge.checkout_session s
        join tollbridge.account a on a.id = s.account
        left join tollbridge.invoice i on i.account = s.account and i.id = s.invoice
        left join tollbridge.subscription u on u.account = s.account and u.id = s.subscription
        left join tollbridge.payment_method p on p.id = s.payment_method
    where s.account = $1 and s.id = $2
"""  # noqa: S608 (a constant of ours)


class LoadedSession(msgspec.Struct, frozen=True):
    """A view with its row and the counter read with it."""

    view: SessionView
    row: asyncpg.Record
    request: CheckoutRequest
    policy: Policy

    @property
    def poked(self) -> int:
        return int(self.row["poked"])


async def load(claim: Claim, hold_s: float, now: datetime) -> LoadedSession:
    """Read it all; raises ClaimLostError."""
    row = await held(claim, hold_s, VIEW)
    policy = msgspec.json.decode(row["policies"], type=Policy)
    request = msgspec.json.decode(row["request"], type=CheckoutRequest)
    shape = msgspec.json.decode(row["snapshot"], type=InvoiceShape) if row["snapshot"] is not None else None
    view = SessionView(
        state=SessionState(row["state"]),
        policy=policy,
        expires_at=max(row["expires_at"], (row["confirmed_at"] or row["created_at"]) + CONFIRM_GRACE),
        customer=row["customer"],
        subscription=row["subscription"],
        invoice=row["invoice"],
        held=shape is not None and shape.is_held,
        confirm_at_once=request.confirm,
        payment_method=row["payment_method"] or "",
        drop_setups_at=row["drop_setups_at"],
        told_stripe=row["told_stripe"],
        invoice_state=InvoiceState(row["invoice_state"]) if row["invoice_state"] else None,
        invoice_status=row["invoice_status"] or "",
        attempt=AttemptState(row["attempt_state"]) if row["attempt_state"] else None,
        subscription_ended=bool(row["subscription_ended"]),
        charging_beside=bool(row["charging_beside"]),
        cleanup_done=row["cleanup_done"],
        looked_for_subscription=row["looked_for_subscription"],
        seen_lately=not row["invoice"]
        or (row["read_at_invoice"] is not None and now - row["read_at_invoice"] < LATELY),
        method_is_only_ours=bool(row["method_is_only_ours"]),
        hosted=row["collection"] == Collection.HOSTED,
        on_page=Collection.HOSTED in (row["collection"], row["collector"]),
        paying=shape is not None and billed(shape).stripe_payment is StripePayment.PROCESSING,
    )
    return LoadedSession(view, row, request, policy)
