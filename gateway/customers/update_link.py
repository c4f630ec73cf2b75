"""A link by which a payer gives another payment method: our page, with the secret that opens it behind the `#` of its
address, which browsers keep to themselves; or Stripe's portal.

The secret stands encrypted on the session's row, and is put into an address only while somebody is shown it. The audit
log knows that there is a link, and until when.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from db import sql
from db.engine import DB
from db.poke import Kind
from db.states import MethodSessionState
from gateway.accounts.audit import Author
from gateway.accounts.errors import NotThereError
from gateway.accounts.known import refuse_unknown
from gateway.billing import setups
from gateway.clock import business_now
from gateway.customers.client_secret import client_secret
from gateway.customers.errors import SessionError
from gateway.customers.method_sessions import MethodSessionRequest, get_session, open_session, refuse_unless_live
from gateway.runtime import Runtime
from processors.values import Unprinted

PAGE: Final = "/payment_methods"
"""Below this address stands our page."""
PORTAL_URL: Final = "select portal_url from tollbridge.account where id = $1"


class Link(Unprinted, frozen=True):
    """An address to give to a payer, and until when it opens anything; None: for some minutes, as Stripe has it, or
    for ever where it holds no secret and the payer signs in there (`open_to_all`)."""

    url: str
    expires_at: datetime | None = None
    open_to_all: bool = False


def address(runtime: Runtime, row: asyncpg.Record) -> str:
    """Our page of a session, with its secret."""
    secret = client_secret(runtime.keyring, Kind.METHOD_SESSION, row)
    return f"{runtime.settings.base_url}{PAGE}/{row['id']}#{secret}"


async def make_link(runtime: Runtime, by: Author, account: str, customer: str, subscription: str = "") -> str:
    """A session whose link can be shown; its id. One that is open for the same lives on from now.

    Raises NotThereError, SessionError, StripeError.
    """
    await refuse_unknown(account, customer)
    row = await open_session(runtime, account, MethodSessionRequest(customer=customer, subscription=subscription))
    async with DB.transaction():
        after = {"expires_at": row["expires_at"].isoformat()} | ({"subscription": subscription} if subscription else {})
        await by.note(account, "payment_method_session.link_made", row["id"], name=customer, after=after)
    return str(row["id"])


async def link_of(runtime: Runtime, account: str, customer: str, session: str) -> Link:
    """The link of a session that is open. Raises NotThereError, SessionError."""
    try:
        row = await get_session(account, session)
    except SessionError as error:
        raise NotThereError("payment method session", session) from error
    if row["customer"] != customer or row["at_stripe"]:
        raise NotThereError("payment method session", session)
    refuse_unless_live(row, await business_now())
    if row["state"] == MethodSessionState.PROCESSING:
        raise SessionError("session_not_open", "the payer has used the link: what comes of it is known in a moment")
    return Link(address(runtime, row), row["expires_at"])


async def portal_link(runtime: Runtime, by: Author, account: str, customer: str) -> Link:
    """Stripe's portal: the account's own address, where payers sign in, or one for this customer that lets them in.

    Raises NotThereError, StripeError.
    """
    await refuse_unknown(account, customer)
    own = str(await sql.value(PORTAL_URL, account) or "")
    link = Link(own, open_to_all=True) if own else Link((await _portal(runtime, account, customer)).url)
    async with DB.transaction():
        await by.note(account, "customer.portal_link_made", customer, after={"for_all": link.open_to_all})
    return link


async def _portal(runtime: Runtime, account: str, customer: str) -> setups.PortalShape:
    return await setups.open_home(await runtime.stripe(account), customer, "")
