"""Accounts on the command line: what they need at Stripe, the webhook's set-up, policies as they are typed."""

from __future__ import annotations

import shlex
from typing import Any

import msgspec
import pytest

from gateway.billing.permissions import least
from gateway.cli.account_text import policy_text
from gateway.cli.values import policies
from gateway.domain.policy import Policy
from gateway.inbox.table import subscribed
from gateway.sandbox.stripe import StripeSandbox, create_app
from tests.api.seed import NOW, insert
from tests.cli.conftest import Tollbridge
from tests.support.serving import serving

STRIPE = {"STRIPE_KEY": "sk_test_hush", "SIGNING": "whsec_hush_0815"}


@pytest.mark.parametrize("more", [{}, {"finalize": "leave", "ladder_hours": [0, 5], "journal": {"fees": "a b'c"}}])
def test_every_policy_can_be_typed_back_as_it_is_printed(more: dict[str, Any]) -> None:
    shown = msgspec.json.decode(msgspec.json.encode(msgspec.convert(more, Policy)))
    printed = [shlex.split(policy_text(name, value)) for name, value in shown.items()]
    assert policies([typed for [typed] in printed]) == shown


async def test_the_webhook_is_set_up_and_shown(tollbridge: Tollbridge) -> None:
    sandbox = StripeSandbox()
    async with serving(create_app(sandbox)) as url:
        added = await tollbridge("accounts", "add", "eu", "--stripe-key", "env:STRIPE_KEY", "--api-base", url, **STRIPE)
        assert "none of ours" in added.out
        done = await tollbridge("accounts", "setup-webhook", "--json")
        [endpoint] = sandbox.account("sk_test_hush").webhook_endpoints
        [beside] = sandbox.account("sk_test_hush").event_destinations
        assert done.json["done"] == {endpoint: "created", beside: "created"}
        shown = await tollbridge("accounts", "show")
    of_both = shown.out.partition("\nendpoints        ")[2].splitlines()
    assert of_both[0].startswith(f"{endpoint} (snapshots of ")
    assert of_both[1].startswith(f"                 {beside} (thin)")
    assert " ".join(subscribed()) in shown.out
    assert all(f"{one.label}: {one.level}  ({one.name})" in shown.out for one in [*least(), *least(for_commands=True)])
    assert "whsec" not in shown.out
    assert "  finalize=at_once\n" in shown.out


async def test_a_connection_and_a_customer_are_shown(tollbridge: Tollbridge) -> None:
    account = (await tollbridge("accounts", "add", "eu", "--stripe-key", "env:STRIPE_KEY", "--json", **STRIPE)).json
    wanted = ("--credential", "api_key=env:STRIPE_KEY", "--credential", "webhook_secret=env:SIGNING")
    options = ("--option", "base_url=http://127.0.0.1:1", "--option", "account=pa_1")
    await tollbridge("connections", "add", "cards", "--adapter", "practice", *wanted, *options, "--disable", **STRIPE)
    shown = await tollbridge("connections", "show", "cards")
    assert ("api_key, webhook_secret" in shown.out, "hush" in shown.out) == (True, False)
    assert (await tollbridge("connections", "show", "cards", "--json")).json["enabled"] is False
    await insert("customer", account=account["id"], id="cus_1", opted_out=True, created_at=NOW)
    assert (await tollbridge("customers", "show", "cus_1", "--json")).json["opted_out"] is True
    assert "No payment methods." in (await tollbridge("customers", "show", "cus_1")).out
