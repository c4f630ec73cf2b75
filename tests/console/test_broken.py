"""What the console promises and does not keep yet."""

from __future__ import annotations

import re

import pytest

from db import sql
from gateway.domain.roles import Role
from tests.api.seed import add_endpoint
from tests.console.conftest import Console
from tests.support.staff import clerk, text_of
from tests.support.world import World


@pytest.mark.parametrize("path", ["/audit", "/audit.csv"])
async def test_where_events_go_is_a_setting_in_the_audit_log_too(console: Console, path: str) -> None:
    """An endpoint's address is shown whole to who may change the settings alone, since it often is its only secret."""
    await add_endpoint(console.api.runtime, console.api.ours.id, "https://192.0.43.8/made-up-secret")
    events = await console[Role.FINANCE].get("/events")
    assert "made-up-secret" not in events.text
    told = await console[Role.FINANCE].get(path)
    assert "webhook" in told.text
    assert "made-up-secret" not in told.text


async def collected_at_stripe(world: World) -> set[str]:
    """The sums of the overview that are of what payers paid at Stripe: of a week, or of the month."""
    page = (await (await clerk(world)).get("")).text
    found = re.findall(r'<a[^>]* href="[^"]*source=stripe[^"]*"[^>]*>(.*?)</a>', page.partition("As a table")[2])
    return {text.strip() for text in found}


async def test_a_viewer_of_the_overview_is_not_shown_where_events_go(console: Console) -> None:
    """“What is not well” names an endpoint that fails, and viewers see no settings."""
    await add_endpoint(console.api.runtime, console.api.ours.id, "https://192.0.43.8/made-up-secret")
    await sql.rows("update tollbridge.webhook_endpoint set enabled = false")
    page = await console[Role.VIEWER].get("")
    assert "is disabled" in text_of(page)
    assert "made-up-secret" not in page.text
