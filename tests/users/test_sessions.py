"""How long a session lives: an hour without use, twelve hours in any case, and ten minutes where a code is missing."""

from __future__ import annotations

import pytest

from db import sql
from gateway.accounts.audit import Author
from gateway.users import users
from gateway.users.sessions import (
    Manner,
    Opened,
    Stage,
    advance_session,
    find_session,
    living_sessions,
    open_session,
)
from tests.api.conftest import Api

BY = Author("test")
GO_BY = """
    update tollbridge.console_session
    set made_at = made_at - i, seen_at = seen_at - i, expires_at = expires_at - i
    from make_interval(mins => $1) i
"""


async def _user() -> str:
    return (await users.add(BY, "ada@example.com", "Ada")).id


async def _lives(opened: Opened) -> bool:
    """Whether a request with its cookie is let in, which is a use; and whether its owner sees it among theirs."""
    session = await find_session(opened.token)
    listed = [row["id"] for row in await living_sessions(await _user())]
    assert listed == ([opened.id] if session else [])
    return session is not None


async def _after(minutes: int, opened: Opened) -> bool:
    await sql.rows(GO_BY, minutes)
    return await _lives(opened)


async def test_a_session_ends_after_an_hour_without_use(api: Api) -> None:
    opened = await open_session(await _user(), Stage.COMPLETE, Manner.PASSWORD)
    assert [await _after(minutes, opened) for minutes in (59, 59, 61)] == [True, True, False]


@pytest.mark.parametrize("by_code", [False, True])
async def test_a_session_ends_after_twelve_hours_however_much_it_is_used(api: Api, by_code: bool) -> None:
    opened = await open_session(await _user(), Stage.CODE if by_code else Stage.COMPLETE, Manner.PASSWORD)
    if by_code:
        half = await find_session(opened.token)
        assert half is not None
        whole = await advance_session(half, Stage.COMPLETE)
        assert whole is not None
        opened = whole
    assert [await _after(30, opened) for _ in range(23)] == [True] * 23
    assert await _after(29, opened)
    assert not await _after(2, opened)


@pytest.mark.parametrize("stage", [Stage.CODE, Stage.ENROL])
async def test_half_a_session_ends_after_ten_minutes(api: Api, stage: Stage) -> None:
    opened = await open_session(await _user(), stage, Manner.PASSWORD)
    assert [await _after(minutes, opened) for minutes in (9, 2)] == [True, False]
