"""A session that an organization's browser opens, beside one that the merchant's server has opened."""

from __future__ import annotations

import msgspec

from gateway.customers import method_sessions, organization_links
from gateway.customers.method_sessions import MethodSessionRequest
from gateway.customers.organization_tokens import Scope
from tests.scenarios.conftest import world
from tests.support.world import World

__all__ = ["world"]
BACK = "https://market.example/account"


async def test_a_token_does_not_change_the_session_that_the_merchant_has_opened(world: World) -> None:
    """The merchant's server has said what routing goes by (attributes, country). The browser with an organization's
    token asks with the same return address, and the merchant's open session loses both: other processors are offered,
    and it lives longer than the merchant has said."""
    signup = await world.signup("ok")
    account, customer = world.shop.account, signup.customer
    asked = MethodSessionRequest(customer, return_url=BACK, country="DE", attributes={"segment": "b2b"})
    made = await method_sessions.open_session(world.runtime, account, asked)
    await organization_links.method_page(world.runtime, Scope(account, customer), BACK, "/payment_method")
    row = await method_sessions.get_session(account, made["id"])
    kept = (row["country"], msgspec.json.decode(row["attributes"]))
    assert kept == ("DE", {"segment": "b2b"})
