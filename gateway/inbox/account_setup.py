"""What an account needs at Stripe (events, the permissions of its key), and what of it is there."""

from __future__ import annotations

from typing import Final

import msgspec

from db import sql
from db.encryption import EncryptionError, Keyring
from gateway.billing import permissions
from gateway.billing.permissions import Permission
from gateway.inbox import endpoint_rows
from gateway.inbox.endpoint_rows import Known
from gateway.inbox.envelope import STRIPE
from gateway.inbox.table import subscribed, subscribed_beside
from gateway.readers.accounts import AccountSetupBody, LastEventBody, PermissionBody, StripeEndpointBody
from gateway.readers.pages import unix

LAST: Final = """
    select id, body, received_at from tollbridge.delivery where account = $1 and source = $2
    order by received_at desc, id limit 1
"""
THIN: Final = "v2.core.event"


class _Shape(msgspec.Struct, frozen=True):
    object: str = ""
    api_version: str | None = None


async def find_setup(keyring: Keyring, account: str) -> AccountSetupBody:
    """Of an account, by its id."""
    return AccountSetupBody(
        events=subscribed(),
        thin_events=subscribed(thin=True),
        thin_events_beside=subscribed_beside(),
        permissions=[_permission(one) for one in permissions.least()],
        permissions_for_commands=[_permission(one) for one in permissions.least(for_commands=True)],
        endpoints=[_endpoint(one) for one in await endpoint_rows.known(account)],
        last_event=await last_event(keyring, account),
    )


async def last_event(keyring: Keyring, account: str) -> LastEventBody | None:
    """The last event that was let in; its own content says by which version it is shaped."""
    row = await sql.row(LAST, account, STRIPE)
    if row is None:
        return None
    try:
        # Erased with its customer, or sealed with a key that is gone: its shape is not known then.
        body = keyring.decrypt(row["body"], table="delivery", column="body", row=row["id"]) if row["body"] else b"{}"
        shape = msgspec.json.decode(body, type=_Shape)
    except (EncryptionError, msgspec.DecodeError, UnicodeDecodeError):
        shape = _Shape()
    return LastEventBody(unix(row["received_at"]), shape.api_version, shape.object == THIN)


def _permission(one: Permission) -> PermissionBody:
    return PermissionBody(one.label, one.level, one.name, one.only_for)


def _endpoint(one: Known) -> StripeEndpointBody:
    return StripeEndpointBody(
        id=one.id,
        thin=one.thin,
        api_version=one.api_version or None,
        adopted=one.adopted,
        created=unix(one.created_at),
        retires_at=unix(one.retire_at),
    )
