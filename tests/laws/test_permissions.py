"""A restricted key with exactly the permissions that `accounts show` lists: all works, with one less it does not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from db import sql
from gateway.accounts import accounts, stripe_key
from gateway.accounts.accounts import AccountChange
from gateway.billing import configured, lists, setups, subscriptions
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeForbiddenError
from gateway.billing.meters import send_usage
from gateway.billing.pace import operation
from gateway.billing.permissions import least, taken_by
from gateway.clock import business_now
from gateway.imports.rows import Status
from gateway.inbox.table import subscribed_beside
from processors.values import Secret
from tests.customers.test_import import imported, token
from tests.support.invariants import check_invariants
from tests.support.moving import billed_elsewhere
from tests.support.returning import refund
from tests.support.shop import BY
from tests.support.world import World, keyring

ALL = {str(one.resource): str(one.level) for one in least()}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """What the gateway asks Stripe for: method and path."""
    seen: set[tuple[str, str]] = set()
    ask = StripeClient.ask

    async def noted(self: StripeClient, method: str, path: str, *args: Any, **more: Any) -> Any:
        seen.add((method.upper(), path))
        return await ask(self, method, path, *args, **more)

    monkeypatch.setattr(StripeClient, "ask", noted)
    return seen


async def restrict(world: World, permissions: dict[str, str]) -> str:
    key = world.stripe.keys.make(world.stripe_account().id, permissions).key
    await accounts.update(keyring(), BY, world.shop.account, AccountChange(api_key=Secret(key)))
    return key


async def live(world: World, path: Path) -> None:
    """Sign-up, renewal, refund, a second invoice for what came in too much, cancellation, import, catching up."""
    signup = await world.signup("ok")
    await world.later(days=31)
    _, renewal = world.invoices_of(signup.subscription)
    assert renewal["status"] == "paid"
    assert (await refund(world, renewal["id"]))["state"] == "recorded"
    await world.switch(signup.subscription, "gateway")
    await world.cancel(signup.subscription)
    await world.settle()
    assert world.stripe_subscription(signup.subscription)["status"] == "canceled"
    made = await billed_elsewhere(world)
    [done] = await imported(world, path, {"customer": made.customer, "token": token(world).token})
    assert done.status is Status.STORED
    await world.later(hours=2)
    await world.catch_up()
    await world.settle()


async def for_the_rest(world: World) -> None:
    """What only some installations ask for."""
    stripe = await world.runtime.stripe(world.shop.account)
    customer = (await world.shop.client.v1.customers.create_async({"name": "A. Payer"})).id
    await subscriptions.find_promotion_code(stripe, "SPRING")
    intent = await setups.create_intent(stripe, customer, "pms_1", 0)
    await setups.read_intent(stripe, intent.id)
    await setups.open_portal(stripe, customer, "https://shop.example/back")
    await subscriptions.read_method(stripe, await world.stripe_card(customer))
    await stripe_key.check(world.runtime, BY, world.shop.account)
    await configured.portals(stripe)
    wanted: Any = {"display_name": "Calls", "event_name": "calls", "default_aggregation": {"formula": "sum"}}
    await world.shop.client.v1.billing.meters.create_async(wanted)
    [meter] = await lists.meters(stripe)
    until = await business_now()
    await lists.thin_events(stripe, subscribed_beside(), until - timedelta(days=1), until, after="")
    used = {meter.customer_mapping.event_payload_key: customer, meter.value_settings.event_payload_key: "250"}
    await send_usage(stripe, meter.event_name, "u-1", used, int(world.stripe.now()))


async def test_with_the_least_permissions_all_works_and_with_one_less_it_does_not(
    world: World, asked: set[tuple[str, str]], tmp_path: Path
) -> None:
    await restrict(world, ALL)
    await live(world, tmp_path)
    await for_the_rest(world)
    await check_invariants(world)
    assert await world.open_cases() == []
    assert not [one for one in asked if taken_by(operation(*one)) is None], "each is in the table"

    needed = {taken_by(operation(*one)): one for one in sorted(asked)}
    # Charges and tax ids are read only where a thin event names one of somebody else's making.
    assert {one.name for one in least()} - {one.name for one in needed if one} == {"rak_charge_read", "rak_tax_id_read"}
    for one in least():
        if one not in needed:
            continue
        method, path = needed[one]
        lower = {"read": "none", "write": "read"}[one.level]
        key = world.stripe.keys.make(world.stripe_account().id, ALL | {str(one.resource): lower}).key
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=world.stripe_url, trust_env=False, headers=headers) as http:
            refused = await http.request(method, path)
        assert (refused.status_code, one.name in refused.text) == (403, True), one


async def test_a_refusal_names_the_permission_that_the_key_lacks(world: World) -> None:
    await restrict(world, ALL | {"credit_note": "read"})
    stripe = await world.runtime.stripe(world.shop.account)
    with pytest.raises(StripeForbiddenError, match="needs the permission Credit notes: write"):
        await stripe.post("/v1/credit_notes", dict, {"invoice": "in_1"})
    assert await sql.value("select count(*) from tollbridge.review_case") == 0
