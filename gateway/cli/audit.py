"""`tollbridge audit`: who did what, and why."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from gateway.cli.context import ACCOUNT, account_of, opened, run
from gateway.cli.output import OUT, as_json, say, table, when
from gateway.domain.audit_words import Difference
from gateway.readers.audit import AuditEntry, Wanted, find_entries
from gateway.readers.pages import Page

DAY = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])


@click.command()
@ACCOUNT
@click.option("--actor", default="", metavar="WHO", help="Only by this user (mail), key (name or id) or name here.")
@click.option("--action", default="", help="Only this, as refund.requested.")
@click.option("--object", "subject", default="", metavar="ID", help="Only what was done to this object.")
@click.option("--from", "since", type=DAY, help="Not before this time, in UTC.")
@click.option("--to", "until", type=DAY, help="Before this time, in UTC.")
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)
@click.option("--starting-after", default="", metavar="ID", help="The page after this entry.")
@as_json
def audit(
    account: str,
    actor: str,
    action: str,
    subject: str,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    starting_after: str,
    json_: bool,
) -> None:
    """Show the audit log: who did what, to what, why, and what it changed; the newest first."""
    wanted = Wanted(actor, action, subject, _utc(since), _utc(until))

    async def work() -> Page[AuditEntry]:
        async with opened():
            return await find_entries(
                (await account_of(account)).id, wanted, limit=limit, starting_after=starting_after
            )

    found = run(work)
    rows = [
        (when(e.created), e.who, e.did, e.subject_name or e.subject, e.reason, _changed(e.differences))
        for e in found.data
    ]

    def text() -> None:
        table(("time", "who", "did", "to", "why", "change"), rows, "No entries.")
        if found.has_more:
            OUT.print(f"More: --starting-after {found.data[-1].id}")

    say(found, json_, text)


def _changed(lines: list[Difference]) -> str:
    return "; ".join(f"{one.field}: {one.was or '–'} → {one.now or '–'}" for one in lines)


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.replace(tzinfo=UTC)
