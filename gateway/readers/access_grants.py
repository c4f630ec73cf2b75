"""Access that was granted by hand: by whom, why, and until when."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import asyncpg
import msgspec

from db import sql
from gateway.accounts.errors import NotThereError
from gateway.readers.about import about
from gateway.readers.pages import DEFAULT, Page, listed, page, unix

SELECT: Final = """
    select t.*, t.revoked_at is null and t.until_at > tollbridge.business_now() as stands from tollbridge.access_grant t
"""
SUBSCRIPTION: Final = "select 1 from tollbridge.subscription where account = $1 and id = $2"


class AccessGrantBody(msgspec.Struct, frozen=True):
    """Access to a subscription that somebody has granted."""

    id: str
    subscription: str
    stands: Annotated[bool, about("It is neither over nor revoked. One of a subscription that has ended opens nothing, "
                                  "unless `after_end`.")]  # fmt: skip
    reason: str
    granted_by: str
    until: int
    after_end: Annotated[bool, about("It holds also once the subscription has ended.")]
    created: int
    revoked: Annotated[int | None, about("When it was taken back.")]
    revoked_by: str | None
    object: Literal["access_grant"] = "access_grant"


async def find_grant(account: str, grant: str) -> AccessGrantBody:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, grant)
    if row is None:
        raise NotThereError("access grant", grant)
    return _shown(row)


async def find_grants(
    account: str, subscription: str, *, limit: int = DEFAULT, starting_after: str = ""
) -> Page[AccessGrantBody]:
    """Those of a subscription, the newest first. Raises NotThereError, FieldError."""
    if await sql.row(SUBSCRIPTION, account, subscription) is None:
        raise NotThereError("subscription", subscription)
    where = {"subscription": subscription}
    found = await page(account, SELECT, "created_at", where, limit=limit, starting_after=starting_after)
    return listed(*found, _shown)


def _shown(row: asyncpg.Record) -> AccessGrantBody:
    return AccessGrantBody(
        id=row["id"],
        subscription=row["subscription"],
        stands=row["stands"],
        reason=row["reason"],
        granted_by=row["granted_by"],
        until=unix(row["until_at"]),
        after_end=row["after_end"],
        created=unix(row["created_at"]),
        revoked=unix(row["revoked_at"]),
        revoked_by=row["revoked_by"],
    )
