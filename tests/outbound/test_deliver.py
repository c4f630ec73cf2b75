"""Delivering: until it arrives, or for three days; and one endpoint's trouble is nobody else's."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from datetime import timedelta

import pytest

from db import sql
from db.queue import SETTINGS
from gateway.accounts import webhook_endpoints
from gateway.accounts.webhook_endpoints import EndpointChange
from gateway.outbound import deliver as module
from gateway.outbound import post as posting
from gateway.outbound.deliver import Deliverer
from gateway.outbound.events import replay
from tests.outbound.conftest import BY, Post


def closed_port() -> str:
    """An address where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}/"


async def test_an_event_arrives_once_and_signed(post: Post) -> None:
    endpoint = await post.endpoint()
    [event] = await post.announce("1")
    await post.deliver()
    await post.later(days=4)
    [told] = post.merchant.told
    assert (told["id"], told["type"], told["sequence"]) == (event, "tollbridge.invoice.overdue", 1)
    assert told["data"] == {"object": "invoice", "id": "in_1"}
    assert await post.of(endpoint) == [("delivered", 1, 200)]


async def test_only_what_an_endpoint_wants_is_sent_to_it(post: Post) -> None:
    other = await post.endpoint("http://127.0.0.1:1/", "tollbridge.invoice.paid")
    await post.endpoint()
    await post.announce("1")
    await post.deliver()
    assert len(post.merchant.told) == 1
    assert await post.of(other) == []


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500])
async def test_what_is_not_taken_comes_again_later(post: Post, status: int) -> None:
    endpoint = await post.endpoint()
    post.merchant.answers = [status, status]
    await post.announce("1")
    await post.deliver()
    assert await post.of(endpoint) == [("pending", 1, status)]
    await post.later(seconds=6)
    assert await post.of(endpoint) == [("pending", 2, status)]
    await post.later(minutes=4)
    assert len(post.merchant.tries) == 2, "the second wait is longer"
    await post.later(minutes=2)
    assert await post.of(endpoint) == [("delivered", 3, 200)]
    assert post.merchant.tries == [post.merchant.told[0]["id"]] * 3, "under the same id"
    assert await post.cases() == []


async def test_after_three_days_it_is_given_up_and_the_endpoint_disabled(post: Post) -> None:
    endpoint = await post.endpoint()
    post.merchant.answers = [500] * 100
    await post.announce("1")
    for _ in range(71):
        await post.later(hours=1)
    assert [state for state, *_ in await post.of(endpoint)] == ["pending"]
    assert (await post.shown(endpoint)).enabled
    await post.later(hours=2)
    [(state, tries, _)] = await post.of(endpoint)
    assert state == "given_up"
    assert 8 <= tries <= 11
    assert not (await post.shown(endpoint)).enabled
    assert await post.cases() == [("endpoint_disabled", endpoint)], "one case for one endpoint"


async def test_what_was_given_up_has_the_case_before_and_after_its_endpoint_was_disabled(post: Post) -> None:
    endpoint = await post.endpoint()
    post.merchant.refused = set(await post.announce("poison"))
    for number in range(73):
        await post.announce(f"other {number}", about="in_2")
        await post.later(hours=1)
    assert await post.cases() == [("event_undelivered", endpoint)]
    post.merchant.answers = [500] * 1000
    for number in range(75):
        await post.announce(f"lost {number}", about="in_3")
        await post.later(hours=1)
    assert await post.cases() == [("endpoint_disabled", endpoint)]

    await webhook_endpoints.update(post.runtime, BY, post.account, endpoint, EndpointChange(enabled=True))
    assert await post.cases() == [("event_undelivered", endpoint)]


async def test_an_event_that_is_refused_for_ever_disables_no_endpoint_that_takes_others(post: Post) -> None:
    endpoint = await post.endpoint()
    post.merchant.refused = set(await post.announce("poison"))
    for number in range(75):
        await post.announce(f"other {number}", about="in_2")
        await post.later(hours=1)
    assert len(post.merchant.told) == 75
    assert (await post.shown(endpoint)).enabled
    assert await post.cases() == [("event_undelivered", endpoint)]


async def test_a_disabled_endpoint_gets_nothing_and_its_rest_once_it_is_enabled(post: Post) -> None:
    endpoint = await post.endpoint()
    post.merchant.answers = [500]
    await post.announce("1")
    await post.deliver()
    off, on = EndpointChange(enabled=False), EndpointChange(enabled=True)
    await webhook_endpoints.update(post.runtime, BY, post.account, endpoint, off)
    await post.announce("2")
    await post.later(hours=1)
    assert post.merchant.told == []
    await webhook_endpoints.update(post.runtime, BY, post.account, endpoint, on)
    await post.deliver()
    assert [event["sequence"] for event in post.merchant.told] == [1], "what was waiting, and nothing of meanwhile"


async def test_gone_disables_at_once(post: Post) -> None:
    endpoint = await post.endpoint()
    post.merchant.answers = [410]
    await post.announce("1")
    await post.deliver()
    assert not (await post.shown(endpoint)).enabled
    assert await post.cases() == [("endpoint_disabled", endpoint)]


async def test_a_dead_endpoint_rests_and_holds_up_nobody(post: Post) -> None:
    dead = await post.endpoint(closed_port())
    alive = await post.endpoint()
    await post.announce(*map(str, range(25)))
    await post.deliver()
    assert [state for state, *_ in await post.of(alive)] == ["delivered"] * 25
    tried = [tries for _, tries, _ in await post.of(dead)]
    assert sum(tried) == module.AT_ONCE, "one round, and no more before it has rested"
    await post.announce("new")
    await post.deliver()
    assert sum(tries for _, tries, _ in await post.of(dead)) == module.AT_ONCE
    await post.later(seconds=6)
    assert sum(tries for _, tries, _ in await post.of(dead)) == 2 * module.AT_ONCE


async def test_a_dead_endpoint_is_disabled_though_so_much_waits_that_nothing_is_tried_often(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 1)
    dead = await post.endpoint(closed_port())
    await post.announce(*map(str, range(20)))
    for _ in range(73):
        await post.later(hours=1)
    assert max(tries for _, tries, _ in await post.of(dead)) < module.LEAST_TRIES
    assert not (await post.shown(dead)).enabled
    assert await post.cases() == [("endpoint_disabled", dead)]


async def test_one_that_never_answers_is_cut_off(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.2)
    held = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        endpoint = await post.endpoint(f"http://127.0.0.1:{port}/")
        await post.announce("1")
        await post.deliver()
        held.set()
    assert await post.of(endpoint) == [("pending", 1, None)]
    assert await sql.value("select error from tollbridge.event_delivery") == "no answer within 0.2 s"


async def test_one_that_drips_its_answer_is_cut_off_too(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.5)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"1\r\nx\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        endpoint = await post.endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await post.announce("1")
        await post.deliver()
    assert await post.of(endpoint) == [("pending", 1, None)]


async def test_a_worker_that_dies_leaves_it_to_another(post: Post) -> None:
    endpoint = await post.endpoint()
    await post.announce("1")
    await sql.rows("update tollbridge.webhook_endpoint set claimed_by = 'dead', "
                   "claim_until = clock_timestamp() + interval '1 minute'")  # fmt: skip
    await Deliverer(post.runtime, post.poster).deliver(endpoint)
    assert post.merchant.tries == [], "somebody holds it"
    await sql.rows("update tollbridge.webhook_endpoint set claim_until = clock_timestamp() - interval '1 second'")
    await post.deliver()
    assert len(post.merchant.told) == 1


async def test_an_answer_that_comes_after_the_claim_has_gone_is_kept_and_takes_nothing_away(post: Post) -> None:
    endpoint = await post.endpoint()
    await post.announce("1")
    verify = post.merchant.__class__.__call__

    async def stolen(*args: object) -> None:
        await sql.rows("update tollbridge.webhook_endpoint set claimed_by = 'another'")
        await verify(post.merchant, *args)  # type: ignore[arg-type]

    post.merchant.__class__ = type("Stolen", (type(post.merchant),), {"__call__": lambda _, *a: stolen(*a)})
    await Deliverer(post.runtime, post.poster).deliver(endpoint)
    assert await post.of(endpoint) == [("delivered", 1, 200)]
    assert await sql.value("select claimed_by from tollbridge.webhook_endpoint") == "another"


async def test_a_replay_sends_the_same_again(post: Post) -> None:
    endpoint = await post.endpoint()
    [event] = await post.announce("1")
    await post.deliver()
    assert await replay(BY, post.account, event) == 1
    await post.deliver()
    first, second = post.merchant.told
    assert first == second
    assert await post.of(endpoint) == [("delivered", 1, 200)]


async def test_while_a_secret_rolls_both_sign(post: Post) -> None:
    endpoint = await post.endpoint()
    old = post.merchant.secret
    day = timedelta(days=1)
    _, new = await webhook_endpoints.roll_secret(post.runtime, BY, post.account, endpoint, day)
    for number, secret in enumerate((old, new.reveal())):
        post.merchant.secret = secret
        await post.announce(f"{number}")
        await post.deliver()
    assert len(post.merchant.told) == 2
    assert [len(headers.split()) for headers in post.merchant.signatures] == [2, 2]
    await post.later(days=1, seconds=1)
    await post.announce("after")
    await post.deliver()
    assert len(post.merchant.signatures[-1].split()) == 1
    assert len(post.merchant.told) == 3


async def test_the_time_that_is_signed_is_the_machines(post: Post) -> None:
    await post.endpoint()
    await post.announce("1")
    # The receiver's library refuses what is older or newer than five minutes.
    await post.later(days=30)
    assert len(post.merchant.told) == 1
    assert abs(post.merchant.told[0]["created"] - time.time()) < 60


async def test_an_announcement_wakes_a_job_for_each_endpoint(post: Post) -> None:
    one, two = await post.endpoint(), await post.endpoint("http://127.0.0.1:1/")
    await post.announce("1", "2")
    jobs = await sql.rows(f"select payload from {SETTINGS.qualified.queue_table} where entrypoint = 'deliver'")
    assert sorted(json.loads(bytes(job["payload"])) for job in jobs) == sorted([one, two])


async def test_nothing_of_an_answer_is_kept(post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    await post.endpoint()
    post.merchant.answers = [500]
    await post.announce("1")
    await post.deliver()
    row = await sql.row("select * from tollbridge.event_delivery")
    assert row is not None
    assert row["error"] == "answered 500"
    assert post.merchant.secret not in json.dumps([str(v) for v in row.values()]) + capsys.readouterr().out
