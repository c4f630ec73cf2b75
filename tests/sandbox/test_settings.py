"""The settings of an account, over HTTP as from Python."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import World


async def test_settings_are_shown_and_changed(world: World) -> None:
    path = f"accounts/{world.account.id}/settings"
    shown = await world.control("POST", path, search_lag_s=5, api_version="2022-11-15", third_party_processing=False)
    assert (shown["search_lag_s"], world.account.api_version) == (5, "2022-11-15")
    assert await world.control("GET", path) == shown
    (row,) = (await world.control("GET", "accounts"))["data"]
    assert row == {"id": world.account.id, **shown}


async def test_one_rule_of_dunning_leaves_the_others(world: World) -> None:
    path = f"accounts/{world.account.id}/settings"
    await world.control("POST", path, dunning={"retry_days": [1]})
    shown = await world.control("POST", path, dunning={"subscription": "cancel"})
    assert (shown["dunning"]["retry_days"], shown["dunning"]["invoice"]) == ([1], "leave")
    assert (world.account.dunning.retry_days, world.account.dunning.subscription) == ((1,), "cancel")


@pytest.mark.parametrize(
    "refused",
    [
        {"search_lag": 5},
        {"dunning": {"grace_days": 3}},
        {"dunning": {"retry_days": [0]}},
        {"upcoming_days": -1},
        {"api_version": "2022-11-16"},
        {"previewing": True},
    ],
)
async def test_what_is_no_setting_is_refused_and_changes_nothing(world: World, refused: dict[str, Any]) -> None:
    path = f"accounts/{world.account.id}/settings"
    before = await world.control("GET", path)
    with pytest.raises(httpx.HTTPStatusError) as caught:
        await world.control("POST", path, sends_invoice_mails=True, **refused)
    assert caught.value.response.status_code == 400
    assert await world.control("GET", path) == before
