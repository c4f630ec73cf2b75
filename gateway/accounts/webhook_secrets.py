"""The signing secrets of Stripe's webhooks. An account may have several at once, for rotation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from db import sql
from db.encryption import Keyring
from db.engine import DB
from db.ids import new_id
from gateway.accounts.audit import SET, Author
from gateway.accounts.errors import FieldError, NotThereError
from gateway.clock import business_now
from processors.values import Secret

SIGNING_SECRET: Final = re.compile(r"whsec_[!-~]{8,255}")

INSERT = "insert into tollbridge.webhook_secret (id, account, secret, created_at) values ($1, $2, $3, $4)"
OF_ENDPOINTS = "select secret from tollbridge.stripe_endpoint where account = $1 and secret is not null"
UNBIND = "update tollbridge.stripe_endpoint set secret = null where account = $1 and secret = $2"
LISTED = """
    select id, account, created_at from tollbridge.webhook_secret where account = any($1) order by created_at, id
"""


class WebhookSecret(msgspec.Struct, frozen=True):
    """What may be shown of a signing secret."""

    id: str
    created_at: datetime


async def add(keyring: Keyring, by: Author, account: str, secret: Secret, *, param: str = "secret") -> str:
    """Add a secret, and return its id; one that is there already keeps its own.

    Raises NotThereError, and FieldError naming `param`.
    """
    if not SIGNING_SECRET.fullmatch(secret.reveal()):
        raise FieldError(param, "must be a signing secret of Stripe's (whsec_…), and is never empty")
    async with DB.transaction():
        if await sql.row("select id from tollbridge.account where id = $1 for no key update", account) is None:
            raise NotThereError("account", account)
        for known, plain in (await _revealed(keyring, account)).items():
            if plain == secret.reveal():
                return known
        new = new_id("whs")
        sealed = keyring.encrypt(secret.reveal().encode(), table="webhook_secret", column="secret", row=new)
        await sql.rows(INSERT, new, account, sealed, await business_now())
        await by.note(account, "webhook_secret.added", new, after={"secret": SET})
    return new


async def retire(by: Author, account: str, secret: str) -> None:
    """Forget a secret: what is signed with it is refused from now on. Raises NotThereError."""
    async with DB.transaction():
        # Where we made its endpoint at Stripe, the next set-up makes another.
        await sql.rows(UNBIND, account, secret)
        gone = "delete from tollbridge.webhook_secret where account = $1 and id = $2 returning id"
        if await sql.row(gone, account, secret) is None:
            raise NotThereError("webhook secret", secret)
        await by.note(account, "webhook_secret.retired", secret, before={"secret": SET})


async def retire_others(keyring: Keyring, by: Author, account: str, keep: Sequence[Secret]) -> None:
    """Forget every secret that is not among `keep`, but those of endpoints that we have made at Stripe.

    Such a secret goes with its endpoint, and nobody else has it: Stripe shows it once, to whoever made the endpoint.
    """
    kept = {secret.reveal() for secret in keep}
    of_endpoints = {row["secret"] for row in await sql.rows(OF_ENDPOINTS, account)}
    for known, plain in (await _revealed(keyring, account)).items():
        if plain not in kept and known not in of_endpoints:
            await retire(by, account, known)


async def listed(accounts: Sequence[str]) -> dict[str, tuple[WebhookSecret, ...]]:
    """The secrets of these accounts, without the secrets, the oldest first."""
    found: dict[str, tuple[WebhookSecret, ...]] = {}
    for row in await sql.rows(LISTED, list(accounts)):
        shown = WebhookSecret(row["id"], row["created_at"])
        found[row["account"]] = (*found.get(row["account"], ()), shown)
    return found


async def _revealed(keyring: Keyring, account: str) -> dict[str, str]:
    return {
        row["id"]: keyring.decrypt(row["secret"], table="webhook_secret", column="secret", row=row["id"]).decode()
        for row in await sql.rows("select id, secret from tollbridge.webhook_secret where account = $1", account)
    }
