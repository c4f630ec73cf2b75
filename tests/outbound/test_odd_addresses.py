"""Addresses that are saved and can't be called, and private ones that are called."""

from __future__ import annotations

import ipaddress
from datetime import timedelta

import msgspec
import pytest

from db import sql
from gateway.accounts.errors import FieldError
from gateway.addresses import is_public
from gateway.clock import move_clock
from gateway.outbound.deliver import Deliverer
from gateway.workers.entrypoints import deliver_job
from tests.outbound.conftest import Post


@pytest.mark.parametrize(
    "address",
    [
        "fec0::1",  # site-local (RFC 3879): deprecated, and still nobody's but ours
        "::ffff:0:10.0.0.1",  # RFC 2765: IPv4-translated
        "64:ff9b:1:a00:0:100:808:808",  # RFC 8215 with a /48: 10.0.0.1 stands in the middle
    ],
)
def test_private_addresses_of_other_kinds(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


async def test_an_address_with_other_letters_is_refused_or_told_of(post: Post) -> None:
    """Law 9 for what goes out: nothing of it arrives, nothing is counted as a try, and no case is opened, for ever."""
    try:
        endpoint = await post.endpoint(post.url + "/tollbridge/ü")
    except FieldError:
        return
    await post.announce("1")
    for _ in range(100):
        await deliver_job(Deliverer(post.runtime, post.poster), msgspec.json.encode(endpoint))
        # A claim of a round that broke runs out.
        await sql.rows(
            "update tollbridge.webhook_endpoint set claim_until = clock_timestamp() - interval '1 second'"
            " where claimed_by is not null"
        )
        await move_clock(timedelta(hours=1))
    assert await post.cases() != [], await post.of(endpoint)
