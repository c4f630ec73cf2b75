"""How often somebody may try, and who is shut out by whom."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from db import sql
from gateway.users.errors import ThrottledError
from gateway.users.throttle import BY_ADDRESS, BY_MAIL, WITH_ADDRESS, count_try, forgive

pytestmark = pytest.mark.usefixtures("database")


async def _tries(many: int, who: str = "ada@example.com", address: str = "192.0.2.1") -> None:
    for _ in range(many):
        await count_try(who, address)


async def test_a_stranger_elsewhere_shuts_nobody_out_soon() -> None:
    await _tries(WITH_ADDRESS, address="192.0.2.66")
    with pytest.raises(ThrottledError):
        await _tries(1, address="192.0.2.66")
    await _tries(1, address="192.0.2.1")


async def test_many_addresses_do_not_try_one_mail_for_ever() -> None:
    for n in range(BY_MAIL):
        await count_try("ada@example.com", f"192.0.2.{n}")
    with pytest.raises(ThrottledError) as refused:
        await count_try("ada@example.com", "198.51.100.1")
    assert 0 < refused.value.after_s <= 900


async def test_one_address_does_not_try_many_mails_for_ever() -> None:
    for n in range(BY_ADDRESS):
        await count_try(f"user{n}@example.com", "192.0.2.1")
    with pytest.raises(ThrottledError):
        await count_try("ada@example.com", "192.0.2.1")


async def test_tries_at_the_same_time_count_too() -> None:
    ends = await asyncio.gather(*[count_try("ada@example.com", "192.0.2.1") for _ in range(12)], return_exceptions=True)
    assert sum(isinstance(end, ThrottledError) for end in ends) == 12 - WITH_ADDRESS


async def test_it_is_over_after_its_time_and_for_who_came_in() -> None:
    await _tries(WITH_ADDRESS)
    await forgive("ada@example.com", "192.0.2.1")
    await _tries(WITH_ADDRESS)
    await sql.rows("update tollbridge.console_throttle set since = since - interval '16 minutes'")
    await _tries(1)


async def test_one_host_is_one_address_however_many_it_has() -> None:
    """A host has 2^64 addresses of IPv6 at least (RFC 6177): each a new one, it would be throttled by none."""
    for n in range(BY_ADDRESS):
        await count_try(f"user{n}@example.com", f"2001:db8:1:2::{n:x}")
    with pytest.raises(ThrottledError):
        await count_try("ada@example.com", "2001:db8:1:2:ffff::1")


async def test_one_host_shuts_nobody_out_however_many_addresses_it_has() -> None:
    for n in range(BY_MAIL + 1):
        with suppress(ThrottledError):
            await count_try("ada@example.com", f"2001:db8:1:2::{n:x}")
    await count_try("ada@example.com", "198.51.100.1")
