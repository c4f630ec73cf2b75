"""`tollbridge disputes`: what payers object to, and what became of it."""

from __future__ import annotations

import click

from db.states import DisputeState
from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.output import OUT, as_json, fields, money, say, table, when
from gateway.readers.disputes import DisputeBody, find_dispute, find_disputes
from gateway.readers.pages import Page
from gateway.returns.retrying import retry_dispute


@click.group()
def disputes() -> None:
    """Disputes, as their processors tell of them. They are answered at the processor."""


@disputes.command(name="list")
@ACCOUNT
@click.option("--state", type=click.Choice([state.value for state in DisputeState]), help="Only in this state.")
@click.option("--invoice", default="", metavar="ID", help="Only about this invoice.")
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)
@click.option("--starting-after", default="", metavar="ID", help="The page after this dispute.")
@as_json
def list_(account: str, state: str | None, invoice: str, limit: int, starting_after: str, json_: bool) -> None:
    """List disputes, the newest first."""

    async def work() -> Page[DisputeBody]:
        async with opened():
            of, wanted = (await account_of(account)).id, DisputeState(state) if state else None
            return await find_disputes(of, wanted, invoice=invoice, limit=limit, starting_after=starting_after)

    found = run(work)
    rows = [
        (d.id, d.state, money(d.amount, d.currency), d.reason, d.invoice, d.connection, when(d.evidence_due_by))
        for d in found.data
    ]

    def text() -> None:
        columns = ("dispute", "state", "amount", "reason", "invoice", "connection", "answer by")
        table(columns, rows, "No disputes.")
        if found.has_more:
            OUT.print(f"More: --starting-after {found.data[-1].id}")

    say(found, json_, text)


@disputes.command()
@click.argument("dispute")
@ACCOUNT
@as_json
def show(dispute: str, account: str, json_: bool) -> None:
    """Show a dispute: where it stands, by when it wants an answer, and what was credited."""

    async def work() -> DisputeBody:
        async with opened():
            return await find_dispute((await account_of(account)).id, dispute)

    found = run(work)
    say(found, json_, lambda: _print(found))


@disputes.command(name="retry")
@click.argument("dispute")
@click.option("--reason", default="", help="Why; it goes into the audit log.")
@ACCOUNT
@as_json
def retry_(dispute: str, reason: str, account: str, json_: bool) -> None:
    """Try again the credit note of a lost dispute, which Stripe has refused; a worker does it."""

    async def work() -> DisputeBody:
        async with opened(needs_worker=True):
            owner = (await account_of(account)).id
            await retry_dispute(author(reason), owner, dispute)
            return await find_dispute(owner, dispute)

    again = run(work)
    say(again, json_, lambda: OUT.print(f"{again.id}: its credit note is tried again as soon as a worker gets there."))


def _print(dispute: DisputeBody) -> None:
    credited = [f"{money(n.amount, n.currency)}, {n.state}, {n.stripe_id or n.id}" for n in dispute.credit_notes]
    fields(
        {
            "dispute": dispute.id,
            "state": dispute.state,
            "amount": money(dispute.amount, dispute.currency),
            "gone now": money(dispute.withdrawn, dispute.currency),
            "reason": dispute.reason,
            "invoice": dispute.invoice,
            "customer": dispute.customer,
            "connection": dispute.connection,
            "at the processor": dispute.processor_id,
            "charge": dispute.charge,
            "answer by": when(dispute.evidence_due_by),
            "answer at": dispute.evidence_url,
            "credited": "; ".join(credited),
            "told at": when(dispute.told),
            "ended": when(dispute.resolved),
        }
    )
