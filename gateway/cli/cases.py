"""`tollbridge cases`: what a human must look at."""

from __future__ import annotations

import click

from db.states import CaseState
from gateway.cases import add_note, close_case
from gateway.cases import assign as assign_case
from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.output import OUT, as_json, say, table, when
from gateway.readers.cases import CaseBody, CaseNoteBody, find_case, find_cases, find_note, find_notes
from gateway.readers.pages import Page


@click.group()
def cases() -> None:
    """Cases, and the action that closes each."""


@cases.command(name="list")
@ACCOUNT
@click.option(
    "--state", type=click.Choice([*(state.value for state in CaseState), "all"]), default="open", show_default=True
)
@click.option("--invoice", default="", metavar="ID", help="Only about this invoice.")
@click.option("--owner", default="", metavar="NAME", help="Only those that this person sees to.")
@click.option("--unowned", is_flag=True, help="Only those that nobody sees to.")
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)
@click.option("--starting-after", default="", metavar="ID", help="The page after this case.")
@as_json
def list_(
    account: str, state: str, invoice: str, owner: str, unowned: bool, limit: int, starting_after: str, json_: bool
) -> None:
    """List cases, the newest first."""

    async def work() -> Page[CaseBody]:
        async with opened():
            wanted = None if state == "all" else CaseState(state)
            of = (await account_of(account)).id
            return await find_cases(
                of,
                wanted,
                invoice=invoice,
                owner=owner,
                unowned=unowned,
                limit=limit,
                starting_after=starting_after,
            )

    found = run(work)
    rows = [(c.id, when(c.created), c.kind, c.subject, c.reason, c.action, c.owner, c.state) for c in found.data]

    def text() -> None:
        table(("case", "opened", "kind", "about", "reason", "what to do", "owner", "state"), rows, "No cases.")
        if found.has_more:
            OUT.print(f"More: --starting-after {found.data[-1].id}")

    say(found, json_, text)


@cases.command()
@click.argument("case")
@click.argument("owner")
@ACCOUNT
@as_json
def assign(case: str, owner: str, account: str, json_: bool) -> None:
    """Say who sees to a case: OWNER, by whatever name your people go; '' for nobody any more."""

    async def work() -> CaseBody:
        async with opened():
            of = (await account_of(account)).id
            await assign_case(author(), of, case, owner)
            return await find_case(of, case)

    assigned = run(work)
    say(assigned, json_, lambda: OUT.print(f"{assigned.id}: {assigned.owner or 'nobody'} sees to it."))


@cases.command()
@click.argument("case")
@click.argument("text")
@ACCOUNT
@as_json
def note(case: str, text: str, account: str, json_: bool) -> None:
    """Write something about a case, for whoever looks at it next; it stays as it is."""

    async def work() -> CaseNoteBody:
        async with opened():
            of = (await account_of(account)).id
            return await find_note(of, await add_note(author(), of, case, text))

    written = run(work)
    say(written, json_, lambda: OUT.print(f"{written.id} is noted."))


@cases.command()
@click.argument("case")
@click.option("--limit", type=click.IntRange(1, 100), default=25, show_default=True)
@click.option("--starting-after", default="", metavar="ID", help="The page after this note.")
@ACCOUNT
@as_json
def notes(case: str, limit: int, starting_after: str, account: str, json_: bool) -> None:
    """What was written about a case, the newest first."""

    async def work() -> Page[CaseNoteBody]:
        async with opened():
            of = (await account_of(account)).id
            return await find_notes(of, case, limit=limit, starting_after=starting_after)

    found = run(work)
    rows = [(one.id, when(one.created), one.author, one.text) for one in found.data]
    say(found, json_, lambda: table(("note", "written", "by", "text"), rows, "No notes."))


@cases.command()
@click.argument("case")
@click.option("--reason", required=True, help="Why; it goes into the audit log.")
@ACCOUNT
@as_json
def close(case: str, reason: str, account: str, json_: bool) -> None:
    """Close a case, and let what it held up go on."""

    async def work() -> CaseBody:
        async with opened():
            owner = (await account_of(account)).id
            await close_case(author(reason), owner, case, reason)
            return await find_case(owner, case)

    closed = run(work)
    say(closed, json_, lambda: OUT.print(f"{closed.id} is closed."))
