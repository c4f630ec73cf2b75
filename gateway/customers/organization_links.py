"""Where an organization is sent from its view: to Stripe's portal, or to our page for another payment method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from db import sql
from db.poke import Kind
from gateway.billing import setups
from gateway.customers import method_sessions
from gateway.customers.client_secret import client_secret
from gateway.customers.errors import SessionError
from gateway.customers.method_sessions import MethodSessionRequest
from gateway.customers.organization_tokens import Scope
from gateway.runtime import Runtime

Link: TypeAlias = Callable[[Runtime, Scope, str], Awaitable[str]]
"""Makes an address for what a token shows, which leads back to another."""
PORTAL_URL: Final = "select portal_url from tollbridge.account where id = $1"
SHOWS_ALL: Final = "Stripe's portal shows all that the customer has, and this token is for one subscription"


async def portal(runtime: Runtime, scope: Scope, return_url: str) -> str:
    """The account's own portal address, else a session of Stripe's portal for this customer.

    Raises SessionError where that would show more than the token does, StripeError.
    """
    if own := await sql.value(PORTAL_URL, scope.account):
        return str(own)
    if scope.subscription:
        raise SessionError("state_conflict", SHOWS_ALL)
    opened = await setups.open_home(await runtime.stripe(scope.account), scope.customer, return_url)
    return opened.url


async def method_page(runtime: Runtime, scope: Scope, return_url: str, place: str) -> str:
    """Our page below `place`, on which a payment method is given for what the token shows; its secret stands behind the
    `#`. Raises SessionError, StripeError."""
    asked = MethodSessionRequest(customer=scope.customer, subscription=scope.subscription, return_url=return_url)
    row = await method_sessions.open_session(runtime, scope.account, asked, by_token=True)
    secret = client_secret(runtime.keyring, Kind.METHOD_SESSION, row)
    return f"{runtime.settings.base_url}{place}/{row['id']}#{secret}"
