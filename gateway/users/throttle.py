"""How often somebody may try to sign in: counted before anything is looked at, so that tries at once count too.

A host of IPv6 has a whole network of 64 bits (RFC 6177), so that its addresses are one here.

By mail and address together, so that a stranger elsewhere shuts nobody out soon; by mail, against many addresses; by
address, against many mails. Machine time, and for all processes together. What is counted is kept as a hash.
"""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Final

from db import sql
from gateway.users.errors import ThrottledError

WINDOW_S: Final = 900.0
WITH_ADDRESS: Final = 8
BY_MAIL: Final = 40
BY_ADDRESS: Final = 100

COUNT: Final = """
    insert into tollbridge.console_throttle as t (key, tries, since) values ($1, 1, clock_timestamp())
    on conflict (key) do update set
        tries = case when t.since < clock_timestamp() - make_interval(secs => $2) then 1 else t.tries + 1 end,
        since = case when t.since < clock_timestamp() - make_interval(secs => $2) then clock_timestamp()
                     else t.since end
    returning tries, extract(epoch from since + make_interval(secs => $2) - clock_timestamp())::float8 as left_s
"""
CLEAR: Final = "delete from tollbridge.console_throttle where key = $1"
PURGE: Final = """
    with old as (delete from tollbridge.console_throttle
                 where since < clock_timestamp() - make_interval(secs => $1) returning 1)
    select count(*) from old
"""


async def count_try(who: str, address: str) -> None:
    """Count one; raises ThrottledError beyond any of the bounds."""
    await _count(_pair(who, address), WITH_ADDRESS)
    await _count(_key("who", who), BY_MAIL)
    await count_from(address)


async def count_from(address: str) -> None:
    """Count one of somebody who has not said who they are; raises ThrottledError."""
    await _count(_key("address", _host(address)), BY_ADDRESS)


async def _count(key: bytes, most: int) -> None:
    row = await sql.row(COUNT, key, WINDOW_S)
    assert row is not None
    if row["tries"] > most:
        raise ThrottledError(max(1.0, row["left_s"]))


async def forgive(who: str, address: str) -> None:
    """It was somebody who may: their own tries from there count no more."""
    await sql.rows(CLEAR, _pair(who, address))


async def purge() -> int:
    """Forget what no longer counts; how many."""
    return int(await sql.value(PURGE, WINDOW_S))


def _pair(who: str, address: str) -> bytes:
    return _key("pair", f"{who}\n{_host(address)}")


def _host(address: str) -> str:
    """All addresses of one host: of IPv6 the network. What is no address stands for itself."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))


def _key(kind: str, text: str) -> bytes:
    return hashlib.sha256(f"{kind}\n{text}".encode()).digest()
