"""Sessions: a random token in a cookie, kept as a hash, with an end. Machine time.

A session has a stage: `complete` is signed in, the others are let to nothing but what completes them. A stage that is
reached makes another token, so that one from before is worth nothing after.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from enum import StrEnum
from typing import Final

import asyncpg
import msgspec

from db import sql
from db.ids import new_id
from gateway.accounts.keys import digest
from gateway.domain.roles import Role
from processors.values import Unprinted

PENDING_S: Final = 600.0
"""From a right password to a right code."""
IDLE_S: Final = 3_600.0
LONGEST_S: Final = 12 * 3_600.0
SEEN_EVERY_S: Final = 60.0
KEPT_S: Final = 35 * 86_400.0
"""After their end, for whoever asks where somebody was signed in."""


class Stage(StrEnum):
    """What is missing."""

    CODE = "code"
    ENROL = "enrol"
    COMPLETE = "complete"


class Manner(StrEnum):
    """How somebody came in."""

    PASSWORD = "password"  # noqa: S105 (no password)
    OIDC = "oidc"


class Seat(msgspec.Struct, frozen=True):
    """An account, and what its user is there."""

    account: str
    name: str
    livemode: bool
    enabled: bool
    role: Role


class Session(Unprinted, frozen=True):
    """A session that lives, and whose it is."""

    id: str
    stage: Stage
    manner: Manner
    user: str
    name: str
    email: str
    seats: tuple[Seat, ...]
    csrf: str
    expires_at: datetime


class Opened(Unprinted, frozen=True):
    """A new session; its token is seen once."""

    id: str
    token: str
    stage: Stage


INSERT: Final = """
    insert into tollbridge.console_session (id, console_user, hash, stage, manner, agent, address, made_at, seen_at,
        expires_at)
    values ($1, $2, $3, $4, $5, $6, $7, clock_timestamp(), clock_timestamp(),
        clock_timestamp() + make_interval(secs => $8))
"""
# It lives while it is used, and no longer than its longest.
FIND: Final = """
    select s.id, s.stage, s.manner, s.expires_at, u.id as user, u.name, u.email,
        s.seen_at < clock_timestamp() - make_interval(secs => $3) as stale,
        coalesce((
            select jsonb_agg(jsonb_build_object('account', a.id, 'name', a.name, 'livemode', a.livemode,
                                                'enabled', a.enabled, 'role', r.role) order by a.name)
            from tollbridge.console_role r join tollbridge.account a on a.id = r.account
            where r.console_user = u.id), '[]'::jsonb) as seats
    from tollbridge.console_session s join tollbridge.console_user u on u.id = s.console_user
    where s.hash = $1 and s.ended_at is null and u.disabled_at is null and s.expires_at > clock_timestamp()
      and s.seen_at > clock_timestamp() - make_interval(secs => $2)
"""
SEEN: Final = "update tollbridge.console_session set seen_at = clock_timestamp() where id = $1"
# The stage is checked again: of two codes at the same time one completes it.
ADVANCE: Final = """
    update tollbridge.console_session
    set stage = $3, hash = $4, seen_at = clock_timestamp(),
        expires_at = clock_timestamp() + make_interval(secs => $5)
    where id = $1 and stage = $2 and ended_at is null returning id
"""
END: Final = """
    update tollbridge.console_session set ended_at = clock_timestamp()
    where console_user = $1 and ended_at is null and ($2 = '' or id = $2) and id <> $3 returning id
"""
LISTED: Final = """
    select id, stage, manner, agent, address, made_at, seen_at, expires_at from tollbridge.console_session
    where console_user = $1 and ended_at is null and expires_at > clock_timestamp()
      and seen_at > clock_timestamp() - make_interval(secs => $2)
    order by made_at desc
"""
PURGE: Final = """
    with old as (delete from tollbridge.console_session
                 where expires_at < clock_timestamp() - make_interval(secs => $1) returning 1)
    select count(*) from old
"""


async def open_session(user: str, stage: Stage, manner: Manner, *, agent: str = "", address: str = "") -> Opened:
    """Make one; where something is missing still, it lives only so long as that may take."""
    made, token = new_id("ses"), secrets.token_urlsafe(32)
    lives = LONGEST_S if stage is Stage.COMPLETE else PENDING_S
    agent, address = sql.storable(agent, 300), sql.storable(address, 100)
    await sql.rows(INSERT, made, user, digest(token), stage, manner, agent, address, lives)
    return Opened(made, token, stage)


async def find_session(token: str) -> Session | None:
    """The living session of a cookie's token, in one statement; None for any other."""
    row = await sql.row(FIND, digest(token), IDLE_S, SEEN_EVERY_S)
    if row is None:
        return None
    if row["stale"]:
        await sql.rows(SEEN, row["id"])
    seats = msgspec.json.decode(row["seats"], type=tuple[Seat, ...])
    shown = (row["id"], Stage(row["stage"]), Manner(row["manner"]), row["user"], row["name"], row["email"])
    return Session(*shown, seats, csrf_of(token), row["expires_at"])


async def advance_session(session: Session, stage: Stage) -> Opened | None:
    """The next stage, under another token; None where it is no longer at its own."""
    token = secrets.token_urlsafe(32)
    lives = LONGEST_S if stage is Stage.COMPLETE else PENDING_S
    if not await sql.value(ADVANCE, session.id, session.stage, stage, digest(token), lives):
        return None
    return Opened(session.id, token, stage)


async def end_sessions(user: str, session: str = "", *, but: str = "") -> list[str]:
    """End the user's session, or all of them `but` one; their ids."""
    return [row["id"] for row in await sql.rows(END, user, session, but)]


async def living_sessions(user: str) -> list[asyncpg.Record]:
    """Where somebody is signed in now."""
    return await sql.rows(LISTED, user, IDLE_S)


async def purge() -> int:
    """Forget sessions that ended long ago; how many."""
    return int(await sql.value(PURGE, KEPT_S))


def csrf_of(token: str) -> str:
    """What a form of this session carries: it proves that the page came from us (OWASP: HMAC-based token)."""
    return hmac.new(token.encode(), b"tollbridge console form", hashlib.sha256).hexdigest()
