"""Set-ups: what is begun at a processor so that a payer can enter a payment method there.

Checkouts and payment-method sessions share them. A set-up's row is written before its address is given to anybody, so
that no method can come of one that we don't know. Any number may run for a session (a double click, a second tab, a
change of mind): its session keeps the method of one, and what comes of the others is deleted at the processor, also
where that is long after the session has ended.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.ids import new_id
from db.poke import Claim, Kind
from gateway.customers import vault
from gateway.customers.errors import SessionError
from gateway.customers.methods import TokenOfAnotherCustomerError
from gateway.runtime import Runtime
from gateway.turns.calls import total_timeout_s, within
from gateway.turns.turn import CLAIM_MARGIN_S
from processors.errors import CallError, RefusedError
from processors.values import (
    MethodState,
    PaymentMethodReference,
    SetupCompletion,
    SetupFailed,
    SetupReady,
    SetupRequest,
    SetupResult,
    SetupSession,
)

MOST: Final = 20
"""Set-ups of one session; who begins more is no payer."""
LIFE: Final = timedelta(hours=24)
"""How long a set-up may be completed where its processor doesn't say."""
DROP_AGAIN: Final = timedelta(hours=1)
"""Between two looks at a set-up that nobody wants any more and that a payer may still complete."""

INSERT = """
    insert into tollbridge.payment_setup (id, account, checkout_session, payment_method_session, connection,
        processor_ref, state, look_at, expires_at, created_at)
    select $1, $2, case when $4 = 'checkout_session' then $3 end, case when $4 <> 'checkout_session' then $3 end,
        $5, $6, 'open', $7, $8, $9
    where (select count(*) from tollbridge.payment_setup
           where account = $2 and (checkout_session = $3 or payment_method_session = $3)) < $10
    returning id
"""
ALL = """
    select * from tollbridge.payment_setup where account = $1 and (checkout_session = $2 or payment_method_session = $2)
    order by state = 'open' desc, created_at desc, id desc
"""
NAMED = """
    update tollbridge.payment_setup set named_at = $2, client = case when state = 'open' then coalesce($3, client) end
    where id = $1
"""
OPEN = """
    select * from tollbridge.payment_setup
    where account = $1 and (checkout_session = $2 or payment_method_session = $2) and state = 'open'
    order by named_at desc nulls last, created_at desc, id desc
"""
END = """
    update tollbridge.payment_setup set state = $3, look_at = null, client = null
    where account = $1 and id = $2 and state = 'open'
    returning id
"""
DELETION = "update tollbridge.payment_setup set vault_hash = $2 where id = $1 and state = 'open'"
LOOK_AT = "update tollbridge.payment_setup set look_at = $3 where account = $1 and id = $2 and state = 'open'"
LOOK_AT_ALL = """
    update tollbridge.payment_setup set look_at = $3, looks = 0
    where account = $1 and (checkout_session = $2 or payment_method_session = $2) and state = 'open'
"""

StoreMethod = Callable[[asyncpg.Record, SetupReady], Awaitable[None]]
"""Keeps what came of a set-up, in the caller's transaction."""


class Looked(msgspec.Struct, frozen=True):
    """What a look at a session's open set-ups came to."""

    stored: bool = False
    pending: int = 0
    failure: str = ""
    """Why the one that failed last did."""


async def begin(
    runtime: Runtime, session: asyncpg.Record, connection: str, currency: str, return_url: str
) -> SetupSession:
    """Open a set-up at a processor; raises SessionError. It moves no money. `keep` it before anybody hears of it."""
    adapter = await runtime.connections.adapter(session["account"], connection)
    request = SetupRequest(
        reference=session["id"],
        idempotency_key=new_id("stp"),
        currency=currency,
        return_url=return_url,
        customer=session["customer"] or "",
    )
    try:
        return await within(adapter.begin_setup(request), total_timeout_s(runtime, adapter))
    except RefusedError as error:
        raise SessionError(
            "processor_refused", f"the processor refuses the set-up: {error.code}", "return_url"
        ) from error
    except CallError as error:
        raise SessionError("processor_unavailable", "the processor can't be reached; ask again") from error


async def keep(
    runtime: Runtime,
    account: str,
    owner: tuple[Kind, str],
    connection: str,
    made: SetupSession,
    now: datetime,
    *,
    look_at: datetime,
) -> None:
    """Write down a set-up of this session, whose row the caller has locked and found open. Raises SessionError."""
    DB.current("keeping a set-up")
    (kind, session), setup = owner, new_id("stp")
    place = {"table": "payment_setup", "column": "processor_ref", "row": setup}
    sealed = runtime.keyring.encrypt(made.processor_ref.encode(), **place)
    expires_at = made.expires_at or now + LIFE
    values = (setup, account, session, kind.value, connection, sealed, look_at, expires_at, now, MOST)
    if await sql.row(INSERT, *values) is None:
        raise SessionError("state_conflict", f"{MOST} set-ups were begun in this session; open another one")


async def open_setups(account: str, session: str) -> list[asyncpg.Record]:
    """The session's set-ups of which a method may still come: the one that was named first, then the newest."""
    return await sql.rows(OPEN, account, session)


async def name(
    runtime: Runtime, account: str, session: str, processor_ref: str, client: Mapping[str, str], now: datetime
) -> None:
    """A browser came back with this set-up, and with what the processor's code gave it: it is asked first.

    An empty `processor_ref` means the open set-up that was begun last. Raises SessionError for one of another session.
    """
    if not processor_ref and not client:
        return
    for row in await sql.rows(ALL, account, session):
        if not processor_ref or secrets.compare_digest(_ref(runtime, row).encode(), processor_ref.encode()):
            sealed = runtime.keyring.encrypt(msgspec.json.encode(client), **_client_of(row)) if client else None
            await sql.rows(NAMED, row["id"], now, sealed)
            return
    raise SessionError("invalid_request", "this set-up does not belong to this session", "setup")


async def look_at_all(account: str, session: str, at: datetime) -> None:
    """The session's open set-ups are looked at from this time on."""
    await sql.rows(LOOK_AT_ALL, account, session, at)


async def look(runtime: Runtime, claim: Claim, store: StoreMethod) -> Looked:
    """Ask the processors what has become of the session's set-ups until one is ready, which `store` keeps.

    Raises CallError where one can't be asked and none is ready, NotYetError where its token is being deleted now.
    """
    pending, failure, unanswered = 0, "", None
    for row in await open_setups(claim.account, claim.id):
        try:
            made = await _ask(runtime, claim, row)
            refused = await _store(runtime, claim, row, made, store) if isinstance(made, SetupReady) else None
        except CallError as error:
            unanswered = error
            continue
        if isinstance(made, SetupReady) and refused is None:
            return Looked(stored=True)
        made = refused or made
        if isinstance(made, SetupFailed):
            failure = f"{made.code}: {made.message}"
            await sql.rows(END, claim.account, row["id"], "failed")
        else:
            pending += 1
    if unanswered is not None:
        raise unanswered
    return Looked(pending=pending, failure=sql.storable(failure, 500))


async def _store(
    runtime: Runtime, claim: Claim, row: asyncpg.Record, made: SetupReady, store: StoreMethod
) -> SetupFailed | None:
    """Keep what came of a set-up; why not, where it can't be kept. Raises CallError, NotYetError."""
    adapter = await runtime.connections.adapter(claim.account, row["connection"])
    token = await vault.vault_hash(runtime, row["connection"], made.method)
    deletions = await vault.deletions(token)
    if deletions:
        # Rare: another session, customer or account has let go of the very token that this set-up gave.
        await _hold(runtime, claim)
        state = await within(adapter.method_state(made.method), total_timeout_s(runtime, adapter))
        if state is MethodState.REVOKED:
            return SetupFailed("method_revoked", "The payment method was deleted at the processor; enter it again.")
    try:
        async with DB.transaction():
            # Sessions are locked before invoices.
            await poke.hold(claim, CLAIM_MARGIN_S)
            await vault.take_unless_deleted_since(token, deletions)
            if await sql.row(END, claim.account, row["id"], "stored") is not None:
                await store(row, made)
    except TokenOfAnotherCustomerError as error:
        return SetupFailed("token_of_another_customer", str(error))
    return None


async def drop(runtime: Runtime, claim: Claim, now: datetime) -> None:
    """The session has ended: whatever comes of its other set-ups is deleted at the processor. Raises CallError."""
    for row in await open_setups(claim.account, claim.id):
        if row["look_at"] > now:
            continue
        made = await _ask(runtime, claim, row)
        if isinstance(made, SetupReady):
            await _delete(runtime, claim, row, made.method)
        elif isinstance(made, SetupFailed) or now > row["expires_at"] + DROP_AGAIN:
            await sql.rows(END, claim.account, row["id"], "failed")
        else:
            await sql.rows(LOOK_AT, claim.account, row["id"], now + DROP_AGAIN)


async def _delete(runtime: Runtime, claim: Claim, row: asyncpg.Record, method: PaymentMethodReference) -> None:
    """Delete what came of a set-up, unless anybody keeps the same token: a vault may give it again for the same card.

    Raises CallError.
    """
    adapter = await runtime.connections.adapter(claim.account, row["connection"])
    token = await vault.vault_hash(runtime, row["connection"], method)
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.processor_timeout_s + CLAIM_MARGIN_S)
        await vault.lock(token)
        wanted = await vault.is_wanted_beside(token, row["id"])
        if not wanted:
            await sql.rows(DELETION, row["id"], token)
    if not wanted:
        await within(adapter.revoke_method(method, f"revoke:{row['id']}"), total_timeout_s(runtime, adapter))
    await sql.rows(END, claim.account, row["id"], "dropped")


async def _ask(runtime: Runtime, claim: Claim, row: asyncpg.Record) -> SetupResult:
    """What has become of one set-up; raises CallError. One that the processor doesn't know has failed."""
    adapter = await runtime.connections.adapter(claim.account, row["connection"])
    await _hold(runtime, claim)
    client = {}
    if row["client"] is not None:
        plain = runtime.keyring.decrypt(row["client"], **_client_of(row))
        client = msgspec.json.decode(plain, type=dict[str, str])
    try:
        completion = SetupCompletion(_ref(runtime, row), f"complete:{row['id']}", client)
        return await within(adapter.complete_setup(completion), total_timeout_s(runtime, adapter))
    except RefusedError as error:
        if not error.is_gone:
            raise
        return SetupFailed(error.code or "not_found", "The processor does not know this set-up.")


async def _hold(runtime: Runtime, claim: Claim) -> None:
    """Before a call to a processor, which may take longer than one to Stripe."""
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.processor_timeout_s + CLAIM_MARGIN_S)


def _ref(runtime: Runtime, row: asyncpg.Record) -> str:
    place = {"table": "payment_setup", "column": "processor_ref", "row": row["id"]}
    return runtime.keyring.decrypt(row["processor_ref"], **place).decode()


def _client_of(row: asyncpg.Record) -> dict[str, str]:
    return {"table": "payment_setup", "column": "client", "row": row["id"]}
