"""Setting up the webhook at Stripe: made once, mended when asked again, its secret never lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from db import sql
from gateway.accounts import accounts, webhook_secrets
from gateway.accounts.accounts import Account, AccountChange
from gateway.accounts.audit import Author
from gateway.accounts.errors import CheckFailedError, FieldError
from gateway.billing.client import API_VERSION
from gateway.billing.permissions import least
from gateway.clock import business_now
from gateway.inbox import endpoint_rows
from gateway.inbox.account_setup import find_setup
from gateway.inbox.stripe_endpoint import SetUp, set_up
from gateway.inbox.table import subscribed, subscribed_beside
from gateway.runtime import Runtime
from gateway.sandbox.stripe import StripeSandbox, create_app
from gateway.sandbox.stripe.store import Account as StripeAccount
from processors.values import Secret
from tests.accounts.conftest import STRIPE_KEY
from tests.support.serving import serving

DAY = timedelta(days=1, minutes=1)


@pytest.fixture
async def sandbox() -> AsyncIterator[tuple[StripeSandbox, str]]:
    made = StripeSandbox()
    made.delivery.set(mode="manual")
    async with serving(create_app(made)) as url:
        yield made, url


@pytest.fixture
def stripe(sandbox: tuple[StripeSandbox, str]) -> StripeAccount:
    return sandbox[0].account(STRIPE_KEY.reveal())


@pytest.fixture
async def account(runtime: Runtime, by: Author, sandbox: tuple[StripeSandbox, str]) -> Account:
    return await accounts.add(runtime.keyring, by, "eu", STRIPE_KEY, change=AccountChange(api_base=sandbox[1]))


async def secrets(runtime: Runtime) -> set[str]:
    """All signing secrets, in clear."""
    rows = await sql.rows("select id, secret from tollbridge.webhook_secret")
    return {
        runtime.keyring.decrypt(row["secret"], table="webhook_secret", column="secret", row=row["id"]).decode()
        for row in rows
    }


def signing(stripe: StripeAccount) -> set[str]:
    """What Stripe signs with: all that is registered there, also what brings the events that no snapshot has."""
    return {one["_secret"] for one in (*stripe.webhook_endpoints.values(), *stripe.event_destinations.values())}


def of_snapshots(done: dict[str, str]) -> dict[str, str]:
    """What became of the endpoints, without the destination that stands beside them."""
    return {id: what for id, what in done.items() if id.startswith("we_")}


async def test_the_endpoint_is_made_and_its_secret_kept(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount
) -> None:
    await set_up(runtime, by, "eu")
    [made] = stripe.webhook_endpoints.values()
    assert made["url"] == f"{runtime.settings.base_url}/webhooks/stripe/eu"
    assert (made["enabled_events"], made["api_version"]) == (subscribed(), API_VERSION)
    [beside] = stripe.event_destinations.values()
    assert beside["enabled_events"] == subscribed_beside(), "no snapshot tells of these"
    assert await secrets(runtime) == signing(stripe)
    shown, _ = (await find_setup(runtime.keyring, account.id)).endpoints
    assert (shown.id, shown.api_version, shown.thin) == (made["id"], API_VERSION, False)
    assert (await accounts.show("eu")).stripe_account, "and whose key it is"


async def test_again_it_makes_no_second_one_and_mends_what_was_changed(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount
) -> None:
    await set_up(runtime, by, "eu")
    [made] = stripe.webhook_endpoints.values()
    assert of_snapshots((await set_up(runtime, by, "eu")).done) == {made["id"]: "unchanged"}
    made |= {"enabled_events": ["invoice.paid"], "status": "disabled", "url": "https://old.example/hook"}
    assert of_snapshots((await set_up(runtime, by, "eu")).done) == {made["id"]: "updated"}
    [made] = stripe.webhook_endpoints.values()
    assert (made["enabled_events"], made["status"]) == (subscribed(), "enabled")
    assert made["url"].endswith("/webhooks/stripe/eu")
    assert await secrets(runtime) == signing(stripe)


@pytest.mark.parametrize("thin", [False, True])
async def test_where_the_answer_was_lost_another_is_made_and_the_lost_one_removed(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount, thin: bool
) -> None:
    await set_up(runtime, by, "eu", thin=thin)
    await sql.rows("delete from tollbridge.stripe_endpoint")
    await sql.rows("delete from tollbridge.webhook_secret")
    of_kind: Any = stripe.event_destinations if thin else stripe.webhook_endpoints
    [lost] = list(of_kind)
    done = (await set_up(runtime, by, "eu", thin=thin)).done
    [made] = of_kind.values()
    of_this = done if thin else of_snapshots(done)
    assert of_this == {made["id"]: "created", lost: "removed: its signing secret was lost"}
    assert await secrets(runtime) == signing(stripe)


async def test_two_at_the_same_time_make_one(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount
) -> None:
    both = await asyncio.gather(set_up(runtime, by, "eu"), set_up(runtime, by, "eu"), return_exceptions=True)
    assert len(stripe.webhook_endpoints) == 1
    assert await secrets(runtime) == signing(stripe)
    assert all(isinstance(one, SetUp) or "ask again" in str(one) for one in both), both


async def test_one_that_is_gone_at_stripe_is_made_anew(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount
) -> None:
    await set_up(runtime, by, "eu")
    stripe.webhook_endpoints.clear()
    await set_up(runtime, by, "eu")
    assert len(stripe.webhook_endpoints) == 1
    assert await secrets(runtime) == signing(stripe)


async def test_thin_events_need_a_destination_and_stay_thin(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount
) -> None:
    await set_up(runtime, by, "eu", thin=True)
    [made] = stripe.event_destinations.values()
    assert made["enabled_events"] == subscribed(thin=True)
    assert await secrets(runtime) == {made["_secret"]}
    assert (await set_up(runtime, by, "eu")).done == {made["id"]: "unchanged"}
    made |= {"enabled_events": ["v1.invoice.paid"], "status": "disabled"}
    await set_up(runtime, by, "eu")
    [made] = stripe.event_destinations.values()
    assert (made["enabled_events"], made["status"]) == (subscribed(thin=True), "enabled")
    assert not stripe.webhook_endpoints


@pytest.mark.parametrize("thin", [False, True])
async def test_a_roll_leaves_both_for_a_day(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount, thin: bool
) -> None:
    await set_up(runtime, by, "eu")
    old = {*stripe.webhook_endpoints, *stripe.event_destinations}
    await set_up(runtime, by, "eu", thin=thin, roll=True)
    new = {*stripe.webhook_endpoints, *stripe.event_destinations} - old
    assert len(new) == (1 if thin else 2), "thin events need nothing beside them"
    assert await secrets(runtime) == signing(stripe)
    assert await endpoint_rows.retire_due(runtime, await business_now()) == 0

    assert await endpoint_rows.retire_due(runtime, await business_now() + DAY) == len(old)
    assert {*stripe.webhook_endpoints, *stripe.event_destinations} == new
    assert await secrets(runtime) == signing(stripe)
    assert (await set_up(runtime, by, "eu")).done == dict.fromkeys(new, "unchanged")


async def made_by_hand(stripe: StripeAccount, runtime: Runtime) -> Any:
    """Somebody made one in the Dashboard."""
    endpoint = {
        "id": "we_1byhand",
        "object": "webhook_endpoint",
        "url": f"{runtime.settings.base_url}/webhooks/stripe/eu",
        "enabled_events": ["invoice.paid"],
        "status": "enabled",
        "api_version": None,
        "metadata": {},
        "_secret": "whsec_made_by_hand",
    }
    stripe.webhook_endpoints.add("we_1byhand", endpoint)
    return endpoint


async def test_one_that_was_made_by_hand_is_adopted_where_secrets_were_given(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount
) -> None:
    endpoint = await made_by_hand(stripe, runtime)
    await webhook_secrets.add(runtime.keyring, by, account.id, Secret(endpoint["_secret"]))
    assert of_snapshots((await set_up(runtime, by, "eu")).done) == {"we_1byhand": "updated"}
    assert endpoint["enabled_events"] == subscribed()
    assert await secrets(runtime) == signing(stripe)
    await set_up(runtime, by, "eu", roll=True)
    assert len(stripe.webhook_endpoints) == 2
    await endpoint_rows.retire_due(runtime, await business_now() + DAY)
    assert "we_1byhand" not in stripe.webhook_endpoints


async def test_one_that_was_made_by_hand_and_whose_secret_nobody_gave_is_left_and_told_of(
    runtime: Runtime, by: Author, account: Account, stripe: StripeAccount
) -> None:
    await made_by_hand(stripe, runtime)
    came = await set_up(runtime, by, "eu")
    assert len(stripe.webhook_endpoints) == 2
    assert "we_1byhand was made for this address by somebody else" in came.notes[0]


async def test_a_key_that_may_not_says_which_permission_and_what_to_do_by_hand(
    runtime: Runtime, by: Author, account: Account, sandbox: tuple[StripeSandbox, str], stripe: StripeAccount
) -> None:
    permissions = {str(one.resource): str(one.level) for one in least()}
    key = sandbox[0].keys.make(stripe.id, permissions).key
    await accounts.update(runtime.keyring, by, account.id, AccountChange(api_key=Secret(key)))
    with pytest.raises(
        CheckFailedError, match=r"Webhook endpoints: .* \(rak_webhook_.*Or by hand: .*/webhooks/stripe/eu"
    ):
        await set_up(runtime, by, "eu")
    assert not stripe.webhook_endpoints


async def test_stripe_itself_must_be_told_where_it_reaches_us(runtime: Runtime, by: Author) -> None:
    await accounts.add(runtime.keyring, by, "us", Secret("sk_test_us"))
    with pytest.raises(FieldError, match="TOLLBRIDGE_PUBLIC_URL"):
        await set_up(runtime, by, "us")
