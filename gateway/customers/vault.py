"""Tokens at their vault: several connections, also of several accounts, may collect through one account at a processor,
and then the same token may be stored for each of them. It is deleted there by the last one that lets go of it.

A token is known over all connections by its vault hash. Who lets go of it, and who takes it, decides that under the
token's lock, in a transaction; a deletion that has begun is counted there before it is called, so that whoever takes
the token sees it. Nothing here is ever shown: an account learns no more than what its processor says of its token.

The lock comes after sessions and before payment methods (gateway/README.md).
"""

from __future__ import annotations

from typing import Final

from db import sql
from db.engine import DB
from gateway.runtime import Runtime
from gateway.turns.turn import NotYetError
from processors.values import PaymentMethodReference

ADAPTER: Final = "select adapter from tollbridge.connection where id = $1"
LOCK: Final = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
WANTED: Final = """
    select exists (select from tollbridge.payment_method where vault_hash = $1 and status <> 'revoked' and id <> $2)
        or exists (select from tollbridge.payment_setup where vault_hash = $1 and state = 'open' and id <> $2)
"""
# One whose holder died is not under way: it comes again, and sees who has taken the token meanwhile.
UNDER_WAY: Final = """
    select exists (select from tollbridge.payment_method
                   where vault_hash = $1 and status <> 'revoked' and revoke_asked_at is not null and deletions > 0
                     and claim_until > clock_timestamp())
        or exists (select from tollbridge.payment_setup u
                   left join tollbridge.checkout_session k on k.id = u.checkout_session
                   left join tollbridge.payment_method_session s on s.id = u.payment_method_session
                   where u.vault_hash = $1 and u.state = 'open'
                     and coalesce(k.claim_until, s.claim_until) > clock_timestamp())
"""
DELETIONS: Final = """
    select (select coalesce(sum(deletions), 0) from tollbridge.payment_method where vault_hash = $1)
         + (select count(*) from tollbridge.payment_setup where vault_hash = $1)
"""


async def vault_hash(runtime: Runtime, connection: str, reference: PaymentMethodReference) -> str:
    """By which a token of this connection's is found again over all connections to the same kind of processor."""
    adapter = await sql.value(ADAPTER, connection)
    return runtime.keyring.vault_hash(adapter, reference.token.reveal())


async def lock(token: str) -> None:
    """Nobody takes this token (its vault hash) or lets go of it until the caller's transaction has ended."""
    DB.current("locking a token")
    await sql.rows(LOCK, token)


async def is_wanted_beside(token: str, own: str) -> bool:
    """Whether another row than this method or set-up keeps the token, or is about to delete it. Under its lock.

    One that lives and is to be deleted counts: it comes later, and finds itself the last.
    """
    return bool(await sql.value(WANTED, token, own))


async def take(token: str) -> None:
    """Lock a token that is about to be stored; raises NotYetError where it is being deleted at this moment."""
    await lock(token)
    if await sql.value(UNDER_WAY, token):
        raise NotYetError


async def deletions(token: str) -> int:
    """How many deletions of a token at its processor have begun. Ask before asking whether it is alive there."""
    return int(await sql.value(DELETIONS, token))


async def take_unless_deleted_since(token: str, so_far: int) -> None:
    """As `take`, for one that was alive after so many deletions; raises NotYetError also if there is another since."""
    await take(token)
    if await deletions(token) != so_far:
        raise NotYetError
