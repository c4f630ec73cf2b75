"""`tollbridge subscriptions access | grant-access | revoke-access`: what one opens, and opening it by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import click

from gateway.access import grants
from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.output import OUT, as_json, fields, say, table, when
from gateway.cli.pauses import utc
from gateway.readers.access import AccessBody, find_subscription_access
from gateway.readers.access_grants import AccessGrantBody, find_grant, find_grants

REASON: Final = click.option("--reason", required=True, help="Why; kept in the audit log.")


@click.command()
@click.argument("subscription")
@ACCOUNT
@as_json
def access(subscription: str, account: str, json_: bool) -> None:
    """Say whether a subscription gives access, why, and what was granted by hand."""

    async def work() -> tuple[AccessBody, list[AccessGrantBody]]:
        async with opened():
            owner = (await account_of(account)).id
            found = await find_subscription_access(owner, subscription)
            return found, (await find_grants(owner, subscription, limit=25)).data

    found, granted = run(work)

    def text() -> None:
        fields(
            {
                "subscription": found.subscription,
                "customer": found.customer,
                "access": found.state,
                "why": found.description,
                "since": when(found.since),
                "closes": when(found.closes_at),
                "invoice": found.invoice,
                "products": ", ".join(found.products),
            }
        )
        if granted:
            rows = [(g.id, _stands(g), g.reason, g.granted_by, when(g.until)) for g in granted]
            table(("grant", "stands", "why", "by", "until"), rows, "")

    say({"access": found, "grants": granted}, json_, text)


@click.command(name="grant-access")
@click.argument("subscription")
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), required=True, help="It ends then, in UTC."
)
@click.option("--after-end", is_flag=True, help="It holds also once the subscription has ended.")
@REASON
@ACCOUNT
@as_json
def grant_access(subscription: str, until: datetime, after_end: bool, reason: str, account: str, json_: bool) -> None:
    """Open access by hand until a time, whatever the money says. What is owed stays owed."""

    async def work() -> AccessGrantBody:
        async with opened(needs_worker=True):
            owner, at = (await account_of(account)).id, utc(until)
            assert at is not None, "it is required"
            made = await grants.grant(author(reason), owner, subscription, at, after_end=after_end)
            return await find_grant(owner, made)

    found = run(work)
    say(found, json_, lambda: OUT.print(f"{found.id}: {subscription} gives access until {when(found.until)}."))


@click.command(name="revoke-access")
@click.argument("subscription")
@click.argument("grant")
@REASON
@ACCOUNT
@as_json
def revoke_access(subscription: str, grant: str, reason: str, account: str, json_: bool) -> None:
    """Take a grant back: access is what its money makes of it."""

    async def work() -> AccessBody:
        async with opened():
            owner = (await account_of(account)).id
            await grants.revoke(author(reason), owner, subscription, grant)
            return await find_subscription_access(owner, subscription)

    found = run(work)
    say(found, json_, lambda: OUT.print(f"{grant} is revoked. Access: {found.state}, {found.description}."))


def _stands(grant: AccessGrantBody) -> str:
    return "revoked" if grant.revoked else "yes" if grant.stands else "over"


COMMANDS: Final = (access, grant_access, revoke_access)
