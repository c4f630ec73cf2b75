"""What can be returned of an invoice now, and what stands in the way of more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg
import msgspec

from db import sql
from db.states import DISPUTE_OPEN
from gateway.accounts.errors import NotThereError
from gateway.domain.policy import Policy
from gateway.returns.errors import RefundStateError
from gateway.returns.refund_rows import BY_ITSELF
from gateway.returns.spreading import lock_captures
from processors.money import to_text

# In full as long as all of it may go back still. Nobody has asked for what went back by itself.
UNAPPROVED: Final = f"""
    select coalesce(sum(case when u.state not in ('failed', 'refused') then u.amount else (
        select coalesce(sum(p.amount), 0) from tollbridge.refund_part p
        where p.refund = u.id and p.state not in ('failed', 'refused')) end), 0)::bigint
    from tollbridge.refund u
    where u.account = $1 and u.invoice = $2 and u.approval = '' and u.requested_by <> '{BY_ITSELF}'
"""  # noqa: S608 (a constant of ours)
INVOICE: Final = f"""
    select i.*, a.policies, tollbridge.held_money(i.account, i.id) as held_money,
        exists (select 1 from tollbridge.attempt t where t.account = i.account and t.invoice = i.id
                and t.state in {sql.UNRESOLVED_STATES}) as awaits_capture,
        exists (select 1 from tollbridge.movement m where m.account = i.account and m.invoice = i.id
                and m.kind = 'receipt') as has_receipt,
        exists (select 1 from tollbridge.recording r where r.account = i.account and r.invoice = i.id
                and r.target = 'balance' and r.state in ('sending', 'unknown')) as credit_unknown,
        exists (select 1 from tollbridge.recording r where r.account = i.account and r.invoice = i.id
                and r.target = 'invoice' and r.state in ('sending', 'unknown')) as recording_unknown,
        i.collector = 'hosted' and i.status = 'paid' and not exists (
            select 1 from tollbridge.recording r where r.account = i.account and r.invoice = i.id
              and r.target = 'invoice' and r.state in ('sending', 'unknown', 'recorded')) as paid_at_stripe,
        exists (select 1 from tollbridge.credit_note n where n.account = i.account and n.invoice = i.id
                and n.origin = 'reversal' and n.state = 'issued') as reopened,
        coalesce((select sum(p.amount) from tollbridge.refund r join tollbridge.refund_part p on p.refund = r.id
                  where r.account = i.account and r.invoice = i.id
                    and p.state not in ('failed', 'refused')), 0)::bigint as refunded,
        ({UNAPPROVED}) as unapproved
    from tollbridge.invoice i join tollbridge.account a on a.id = i.account
    where i.account = $1 and i.id = $2
"""  # noqa: S608 (a constant of ours)
CAPTURES: Final = """
    select t.id, t.surplus, c.room as refundable, c.room_if_won as refundable_if_won,
        array(select d from tollbridge.dispute d where d.attempt = t.id
              and (d.state in ('opened', 'funds_withdrawn') or d.withdrawn > 0) order by d.id) as disputes,
        array(select distinct r.invoice from tollbridge.recording r where r.attempt = t.id and r.invoice <> $2
                and t.invoice = $2 and r.state = 'recorded' and r.target = 'invoice' order by 1) as pays
    from tollbridge.paying($1, $2) c join tollbridge.attempt t on t.id = c.attempt order by t.number
"""
LOCK: Final = "select 1 from tollbridge.invoice where account = $1 and id = $2 for no key update"


PAID_THERE: Final = (
    "its payer paid it on Stripe's page, so its money is at Stripe: refund it there, in the Dashboard or with a credit "
    "note that has a `refund_amount`"
)


class Refundable(msgspec.Struct, frozen=True):
    """What can be returned of an invoice, and what stands in the way of more.

    `at_most`: also only once a dispute is won, where the account's policy has a refund wait for that. `refused`: why
    none is made at all now. `is_deferred`: one waits until the payment that it is taken from is in Stripe.
    `unapproved`: what its refunds came to so far that no second person has agreed to.
    """

    amount: int
    currency: str
    policy: Policy
    at_most: int
    obstacles: tuple[str, ...] = ()
    refused: str = ""
    is_deferred: bool = False
    without_note: int = 0
    """So much no invoice took: it goes back without a credit note."""
    unapproved: int = 0

    def waits_for(self, amount: int) -> bool:
        """Whether a refund of so much is stored, and waits until the money is free."""
        return self.is_deferred or self.amount < amount <= self.at_most

    def allows(self, amount: int) -> bool:
        """Whether so much can be asked for."""
        return amount > 0 and (amount <= self.amount or self.waits_for(amount))

    def wants_note(self, amount: int) -> bool:
        """Whether a refund of so much is credited at Stripe."""
        return amount > self.without_note

    def wants_approval(self, amount: int) -> bool:
        """Whether so much more waits for a second person."""
        return self.policy.wants_approval(amount, self.currency, before=self.unapproved)


async def refundable(account: str, invoice: str, attempt: str | None = None) -> Refundable:
    """What can be returned now; raises NotThereError."""
    row = await invoice_of(account, invoice)
    return judged(row, taken_from(await sql.rows(CAPTURES, account, invoice), attempt), attempt)


def judged(row: asyncpg.Record, captures: Sequence[asyncpg.Record], attempt: str | None) -> Refundable:
    """What can be returned of these captures of an invoice (or of the one)."""
    surplus, refused = all_surplus(captures), ""
    try:
        refuse(row, surplus=surplus, capture=attempt is not None)
    except RefundStateError as error:
        refused = str(error)
    policy = policy_in(row)
    at_most = in_the_end(policy, captures)
    # Of a certain capture, what the paid invoice did not take is not credited.
    excess = max(row["held_money"], 0) if attempt is not None and row["status"] == "paid" else 0
    return Refundable(
        sum(c["refundable"] for c in captures),
        row["currency"],
        policy,
        at_most,
        tuple(obstacles(row, captures)),
        refused,
        is_deferred=row["status"] != "paid" and not surplus and not refused,
        without_note=at_most if surplus else excess,
        unapproved=row["unapproved"],
    )


def all_surplus(captures: Sequence[asyncpg.Record]) -> bool:
    """Whether they are money that no invoice takes."""
    return bool(captures) and all(c["surplus"] for c in captures)


async def invoice_of(account: str, invoice: str) -> asyncpg.Record:
    """The invoice with what stands in the way; raises NotThereError."""
    row = await sql.row(INVOICE, account, invoice)
    if row is None:
        raise NotThereError("invoice", invoice)
    return row


async def lock_invoice(account: str, invoice: str) -> None:
    """Lock it, after its captures: what waits for a second person is judged for one refund after the other."""
    await sql.rows(LOCK, account, invoice)


async def unapproved(account: str, invoice: str) -> int:
    """What the refunds of an invoice, locked, come to that no second person has agreed to."""
    return int(await sql.value(UNAPPROVED, account, invoice))


async def locked_captures(account: str, invoice: str) -> list[asyncpg.Record]:
    """What pays an invoice, locked; in the caller's transaction, before all else."""
    await lock_captures(account, invoice)
    return await sql.rows(CAPTURES, account, invoice)


def taken_from(captures: Sequence[asyncpg.Record], attempt: str | None) -> list[asyncpg.Record]:
    """Of these captures a refund is taken: of a certain one, or of all that pay the invoice."""
    return [c for c in captures if (c["id"] == attempt if attempt is not None else not c["surplus"])]


def in_the_end(policy: Policy, captures: Sequence[asyncpg.Record]) -> int:
    """What can be returned, by the policy also only once a dispute that is open is won."""
    if_won = policy.refund_in_dispute == "queue"
    return sum(c["refundable_if_won"] if if_won else c["refundable"] for c in captures)


def refuse(row: asyncpg.Record, *, surplus: bool, capture: bool) -> None:
    """Raise what stands in the way. `capture`: a certain one was asked for, and not what pays the invoice."""
    if row["stale"] and row["status"] != "paid":
        raise RefundStateError("Stripe is about to be asked what the invoice is; ask again")
    if row["credit_unknown"] or (row["recording_unknown"] and not surplus):
        raise RefundStateError("Stripe's answer about its payment is not known yet; ask again")
    if row["reopened"] and row["held_money"] > 0 and not capture:
        raise RefundStateError("what was taken back came again, and is about to pay the invoice that took its place")
    if surplus or row["status"] == "paid" or row["awaits_capture"]:
        return
    if row["state"] == "captured":
        raise RefundStateError("Stripe is about to be told of its payment; ask again")
    raise RefundStateError(f"nothing was paid for it that could go back: it is {row['status']} in Stripe")


def obstacles(row: asyncpg.Record, captures: Sequence[asyncpg.Record]) -> list[str]:
    """Why not everything that was paid can be returned, in words."""
    found = [PAID_THERE] if row["paid_at_stripe"] else []
    if row["refunded"]:
        found.append(f"{to_text(row['refunded'], row['currency'])} went back already, or is on its way")
    for dispute in (dispute for c in captures for dispute in c["disputes"]):
        if dispute["state"] in DISPUTE_OPEN:
            found.append(f"the dispute {dispute['id']} is open: what it is about can't be refunded")
        else:
            found.append(
                f"the dispute {dispute['id']} ended as {dispute['state']}: what it took is back with the payer"
            )
    found += [f"what came for it pays {invoice}: return it there" for c in captures for invoice in c["pays"]]
    if row["has_receipt"]:
        found.append("a payment was recorded by hand: return it where it came from, and credit it in Stripe")
    if row["awaits_capture"]:
        found.append("a payment is still under way")
    return found


def policy_in(row: asyncpg.Record) -> Policy:
    """The policy of the invoice's account."""
    return msgspec.json.decode(row["policies"], type=Policy)
