"""The invoice that bills what was credited of another one: made at Stripe, looked for, filled, and linked both ways.

Its draft is never finalized by Stripe (`auto_advance` is off): what its lines come to is seen there first. Of what
Stripe would add by itself nothing is taken: pending items, the customer's discounts, automatic tax.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.ids import derived_key
from db.poke import Claim, Kind
from gateway.billing import credit_notes, invoices, lists
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeRefusedError, StripeTurnedAwayError, StripeUnknownError
from gateway.collect import record
from gateway.collect.load import Loaded
from gateway.domain.billed import REMAINDER_KEY, REST_OF_KEY
from gateway.domain.rest_actions import EmptyRest, FillRest, FindRest, IssueRest, LinkRest
from gateway.runtime import Runtime
from gateway.turns.turn import CLAIM_MARGIN_S

OUR_KEY: Final = "tollbridge_remainder_row"
"""The metadata key that names our row, by which the invoice is known as ours after its answer was lost (law 11)."""
LOOK_BACK: Final = timedelta(days=1)
"""Stripe's clock and ours may differ."""
ROW: Final = """
    select r.*, i.customer, i.subscription, i.number, i.stripe_created_at, n.origin, n.subject
    from tollbridge.remainder r join tollbridge.invoice i on i.account = r.account and i.id = r.invoice
        join tollbridge.credit_note n on n.account = r.account and n.id = r.credit_note
    where r.account = $1 and r.id = $2
"""
SENDING: Final = """
    update tollbridge.remainder set state = 'sending', tries = tries + 1, sent_at = $3
    where account = $1 and id = $2 and state = 'wanted' returning tries
"""
# What Stripe turned away at the first call was no call: the next one's refusal says that it is not made.
END: Final = """
    update tollbridge.remainder set state = $3, error = $4, tries = case when $3 = 'wanted' then 0 else tries end
    where account = $1 and id = $2 and state = 'sending'
"""
BACK: Final = """
    update tollbridge.remainder set state = 'wanted' where account = $1 and id = $2 and state in ('sending', 'unknown')
"""
ISSUED: Final = """
    update tollbridge.remainder set state = 'issued', issued_as = $3, error = '', tries = 0
    where account = $1 and id = $2 and state <> 'issued'
"""
ITS_SUBSCRIPTION: Final = "update tollbridge.invoice set subscription = $3 where account = $1 and id = $2"
FILLING: Final = "update tollbridge.remainder set tries = tries + 1 where account = $1 and id = $2 returning tries"
ONE_LINE: Final = "update tollbridge.remainder set one_line = true where account = $1 and id = $2"


async def step(
    runtime: Runtime,
    claim: Claim,
    loaded: Loaded,
    action: IssueRest | FindRest | LinkRest | FillRest | EmptyRest,
    now: datetime,
) -> None:
    """Take one step towards it."""
    match action:
        case IssueRest():
            await _issue(runtime, claim, action, now)
        case FindRest():
            await _find(runtime, claim, action, now)
        case LinkRest():
            await _link(runtime, claim, loaded, action)
        case FillRest():
            await _fill(runtime, claim, loaded, action)
        case EmptyRest():
            await _empty(runtime, claim, loaded, action)


async def _issue(runtime: Runtime, claim: Claim, action: IssueRest, now: datetime) -> None:
    """Make the draft, without lines.

    Two calls share a key, then a new one is taken: a stored error answers for ever.
    """
    row = await _row(claim, action.remainder)
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
        tries = await sql.value(SENDING, claim.account, row["id"], now)
    if tries is None:
        return
    key = derived_key("remainder", claim.account, row["id"], str((tries + 1) // 2))
    stripe = await runtime.stripe(claim.account)
    try:
        # A database that was restored has forgotten what it made.
        found = await _stood(stripe, row) if tries == 1 else ""
        made = found or (await invoices.create(stripe, _draft(row), key)).shape.id
    except StripeRefusedError as error:
        # A repeat may be refused although the first try has made it: it is looked for then.
        await _end(claim, row, "refused" if tries == 1 else "unknown", str(error))
    except StripeTurnedAwayError:
        await _end(claim, row, "wanted" if tries == 1 else "unknown", "")
        raise
    except StripeUnknownError as error:
        await _end(claim, row, "unknown", str(error))
    else:
        await _stands(claim, row, made, now)


async def _find(runtime: Runtime, claim: Claim, action: FindRest, now: datetime) -> None:
    """Look whether the draft whose answer was lost is there; where it is not, it may be tried again."""
    row = await _row(claim, action.remainder)
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
    if found := await _stood(await runtime.stripe(claim.account), row):
        await _stands(claim, row, found, now)
    else:
        await sql.rows(BACK, claim.account, row["id"])


async def _stood(stripe: StripeClient, row: asyncpg.Record) -> str:
    """The customer's invoice that bills it: named by our row, or for the same note, which a restored database knows."""
    since = (row["stripe_created_at"] or row["created_at"]) - LOOK_BACK
    named = {REST_OF_KEY: row["invoice"], f"tollbridge_{row['origin']}": row["subject"]}
    for one in await lists.invoices_of(stripe, row["customer"], since=since):
        if one.metadata.get(OUR_KEY) == row["id"] or named.items() <= one.metadata.items():
            return one.id
    return ""


async def _link(runtime: Runtime, claim: Claim, loaded: Loaded, action: LinkRest) -> None:
    """Name it on the invoice whose rest it bills."""
    metadata = {REMAINDER_KEY: action.issued_as}
    await record.call(runtime, claim, loaded, lambda stripe: invoices.tag(stripe, claim.id, metadata))


async def _fill(runtime: Runtime, claim: Claim, loaded: Loaded, action: FillRest) -> None:
    """Put the lines on the draft. What Stripe refuses with taxes (a rate of its own, say) is billed plainly."""
    row = await _row(claim, action.remainder)
    lines = msgspec.json.decode(row["lines"], type=list[dict[str, Any]])
    plain = row["one_line"] or not lines
    if plain:
        lines = [{"amount": row["amount"], "description": _about(row), "discountable": False}]
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
        tries = await sql.value(FILLING, claim.account, row["id"])
    key = derived_key("fill", claim.account, row["id"], "plain" if plain else "lines", str((tries + 1) // 2))
    try:
        await record.call(runtime, claim, loaded, lambda stripe: invoices.add_lines(stripe, claim.id, lines, key))
    except StripeRefusedError:
        if plain:
            raise
        await sql.rows(ONE_LINE, claim.account, row["id"])


async def _empty(runtime: Runtime, claim: Claim, loaded: Loaded, action: EmptyRest) -> None:
    """Take the lines off again. Only then they are given up: a death in between finds the draft with them."""
    row = await _row(claim, action.remainder)
    on_it = await credit_notes.lines_of(await runtime.stripe(claim.account), claim.id, [])
    ids = [line.id for line in on_it]
    await record.call(runtime, claim, loaded, lambda stripe: invoices.remove_lines(stripe, claim.id, ids))
    await sql.rows(ONE_LINE, claim.account, row["id"])


def _draft(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "customer": row["customer"],
        "currency": row["currency"],
        "collection_method": "send_invoice",
        "days_until_due": row["days_until_due"],
        "pending_invoice_items_behavior": "exclude",
        "discounts": "",
        "automatic_tax": {"enabled": False},
        "description": _about(row),
        # The note that took it off carries the same subject: what a restored database finds again by.
        "metadata": {OUR_KEY: row["id"], REST_OF_KEY: row["invoice"], f"tollbridge_{row['origin']}": row["subject"]},
    }


def _about(row: asyncpg.Record) -> str:
    return f"Rest of invoice {row['number'] or row['invoice']}"


async def _stands(claim: Claim, row: asyncpg.Record, issued_as: str, now: datetime) -> None:
    """It is there: from here on it is an invoice of ours, which access waits for (law 13)."""
    account = claim.account
    async with DB.transaction():
        await poke.poke(Kind.SUBSCRIPTION, account, [row["subscription"]] if row["subscription"] else [], now)
        await poke.poke(Kind.INVOICE, account, [issued_as], now, stale=True)
        await sql.rows(ITS_SUBSCRIPTION, account, issued_as, row["subscription"])
        await sql.rows(ISSUED, account, row["id"], issued_as)


async def _end(claim: Claim, row: asyncpg.Record, state: str, error: str) -> None:
    await sql.rows(END, claim.account, row["id"], state, sql.storable(error, 500))


async def _row(claim: Claim, remainder: str) -> asyncpg.Record:
    row = await sql.row(ROW, claim.account, remainder)
    assert row is not None, "what was to be billed stands"
    return row
