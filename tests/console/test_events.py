"""The pages of what the merchant was told."""

from __future__ import annotations

import pytest

from db import sql
from gateway.domain.roles import Role
from tests.api.seed import add_endpoint, add_event, seed
from tests.console.conftest import Console
from tests.support.staff import text_of

FAILED = "update tollbridge.event_delivery set tries = 3, tried_at = begun_at, status = 500, error = 'answered 500'"


async def _told(console: Console) -> tuple[str, str]:
    """An event, and the endpoint that has refused it."""
    endpoint = await add_endpoint(console.api.runtime, console.api.ours.id)
    event = await add_event(console.api.ours.id, "in_1")
    await sql.rows(FAILED)
    return event, endpoint


async def test_an_event_shows_its_body_and_what_each_endpoint_answered(console: Console) -> None:
    event, _ = await _told(console)
    shown = text_of(await console[Role.VIEWER].get(f"/events/{event}"))
    for part in ("Invoice: overdue", "https://192.0.43.8 pending 3 answered 500", '"id": "in_1"'):
        assert part in shown
    assert "Deliver again" not in shown


async def test_events_are_found_by_type_object_endpoint_and_delivery(console: Console) -> None:
    event, endpoint = await _told(console)
    for asked, is_found in [
        ("type=tollbridge.invoice.overdue&object=in_1", True),
        (f"endpoint={endpoint}&delivery=pending", True),
        ("delivery=pending", True),
        ("type=tollbridge.invoice.paid", False),
        ("object=in_2", False),
        (f"endpoint={endpoint}&delivery=given_up", False),
        ("endpoint=whe_another", False),
    ]:
        page = await console[Role.VIEWER].get(f"/events?{asked}")
        assert (event in page.text) is is_found, asked


@pytest.mark.parametrize("to_one", [True, False])
async def test_an_admin_has_it_delivered_again(console: Console, to_one: bool) -> None:
    event, endpoint = await _told(console)
    posted = {"endpoint": endpoint if to_one else ""}
    assert (await console[Role.FINANCE].post(f"/events/{event}/replay", posted)).status_code == 403
    assert await sql.value("select tries from tollbridge.event_delivery") == 3
    done = await console[Role.ADMIN].post(f"/events/{event}/replay", posted)
    assert done.headers["location"].endswith(f"/events/{event}?said=event_replayed")
    assert await sql.value("select tries from tollbridge.event_delivery") == 0
    assert await sql.value("select actor from tollbridge.audit_log where action = 'event.replayed'") == (
        console[Role.ADMIN].user
    )


async def test_what_nobody_wants_is_told_so(console: Console) -> None:
    event = await add_event(console.api.ours.id)
    done = await console[Role.ADMIN].post(f"/events/{event}/replay")
    assert "No enabled endpoint wants this" in text_of(await console[Role.ADMIN].get(done.headers["location"]))


async def test_an_event_is_not_sent_to_another_accounts_endpoint(console: Console) -> None:
    theirs = await add_endpoint(console.api.runtime, console.api.theirs.id)
    ours = await add_event(console.api.ours.id)
    assert (await console[Role.ADMIN].post(f"/events/{ours}/replay", {"endpoint": theirs})).status_code == 400


@pytest.mark.parametrize("path", ["/events", "/events/{event}"])
async def test_where_events_go_is_a_setting(console: Console, path: str) -> None:
    """A viewer sees no settings (`roles.MEANS`), and the address of an endpoint often is its only secret."""
    seeded = await seed(console.api.runtime, console.api.ours.id)
    await sql.rows("update tollbridge.webhook_endpoint set url = 'https://hooks.example/made-up-secret'")
    viewed = await console[Role.VIEWER].get(path.format(event=seeded.event))
    assert ("https://hooks.example" in text_of(viewed), "made-up-secret" in viewed.text) == (True, False)
    full = await console[Role.ADMIN].get(path.format(event=seeded.event))
    assert "https://hooks.example/made-up-secret" in text_of(full)
    await sql.rows("update tollbridge.webhook_endpoint set description = 'Our accounting'")
    described = await console[Role.VIEWER].get(path.format(event=seeded.event))
    assert "Our accounting" in text_of(described)
