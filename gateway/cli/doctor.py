"""`tollbridge doctor`: what is wrong, why something is where it is, and a rehearsal of it all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from gateway.accounts import accounts
from gateway.cli.context import ACCOUNT, WrongUseError, account_of, author, opened, run
from gateway.cli.doctor_text import page, print_answer, print_rehearsal, print_report
from gateway.cli.output import ERR, as_json, say, say_all
from gateway.doctor import portal
from gateway.doctor.examine import Report, examine
from gateway.doctor.patient import Patient, patient
from gateway.doctor.rehearsal import WAIT_S, Rehearsal, rehearse
from gateway.doctor.secrets import look_at_keys
from gateway.doctor.why import why as asked
from gateway.domain.doctor import worst_first
from gateway.domain.doctor_stripe import Portal, Portals
from gateway.domain.doctor_why import Answer
from gateway.runtime import Runtime


@click.group(invoke_without_command=True)
@ACCOUNT
@click.option("--all", "everything", is_flag=True, help="Show what is fine as well.")
@click.option(
    "--html", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write a page to this file."
)
@click.option("--fix", type=click.Choice(["portal"]), help="Switch off in Stripe's portal what leads payers past us.")
@click.option("--yes", is_flag=True, help="Don't ask before a fix.")
@click.option("--rehearse", "rehearse_", is_flag=True, help="Play a subscription from end to end; test mode only.")
@click.option(
    "--wait", type=click.FloatRange(1, 3600), default=WAIT_S, help="Seconds that a rehearsal waits for events."
)
@as_json
@click.pass_context
def doctor(
    context: click.Context,
    account: str,
    everything: bool,
    html: Path | None,
    fix: str | None,
    yes: bool,
    rehearse_: bool,
    wait: float,
    json_: bool,
) -> None:
    """Look at every account, or at one: what is set up wrong or stands still. Exit code 1 where something is wrong."""
    if context.invoked_subcommand is not None:
        return
    if fix:
        _fix(account, yes=yes, json_=json_)
        return
    if rehearse_:
        _rehearse(context, account, wait, json_)
        return
    reports = run(lambda: _examine(account))
    if html is not None:
        _write(html, page(reports))

    def text() -> None:
        for report in reports:
            print_report(report, everything=everything)

    say_all(reports, json_, text)
    if not all(report.ok for report in reports):
        context.exit(1)


@doctor.command()
@click.argument("id")
@ACCOUNT
@as_json
def why(id: str, account: str, json_: bool) -> None:
    """Say why an invoice (in_…) stands otherwise in Stripe, or why a subscription (sub_…) has no invoice.

    Also who collects, where the payer pays, what access there is, and which usage is on no invoice yet.
    """

    async def work() -> Answer:
        async with opened() as runtime:
            return await asked(runtime, (await account_of(account)).id, id, strangers=True)

    answer = run(work)
    say(answer, json_, lambda: print_answer(answer))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(path), error.strerror or "it can't be written") from error
    ERR.print(f"written to {path}", markup=False, soft_wrap=True)


async def _examine(account: str) -> Sequence[Report]:
    """Of every account, or of one; with the keys of the installation in the first report."""
    async with opened() as runtime:
        known = [await account_of(account)] if account else await accounts.listed()
        if not known:
            raise click.ClickException("there is no account yet: tollbridge accounts add")
        reports = [await examine(runtime, one.id) for one in reversed(known)]
        keys = await look_at_keys(runtime.keyring)
        first = reports[0]
        return [msgspec.structs.replace(first, findings=worst_first([*first.findings, *keys])), *reports[1:]]


def _fix(account: str, *, yes: bool, json_: bool) -> None:
    async def look() -> Portals:
        async with opened() as runtime:
            return await portal.seen(await _patient(runtime, account))

    async def work(found: list[Portal]) -> None:
        async with opened() as runtime:
            await portal.fix(await _patient(runtime, account), author(), found)

    seen = run(look)
    found, ids = seen.unsafe, [one.id for one in seen.unsafe]
    names = ", ".join(ids)
    if not found:
        where = f"in the {len(seen.found)} that were looked at" if seen.broken_off else "there"
        text = f"Nothing to fix: payers change neither methods nor plans {where}."
    elif not yes and (
        json_ or not click.confirm(f"Switch off changing payment methods and plans in {names} at Stripe?")
    ):
        raise WrongUseError("nothing was changed; give --yes to have it done without being asked")
    else:
        run(lambda: work(found))
        text = f"Switched off in {names}."
    say({"fixed": ids}, json_, lambda: click.echo(text))
    if seen.broken_off:
        ERR.print(f"Only {len(seen.found)} active configurations were looked at: there are more.")


async def _patient(runtime: Runtime, account: str) -> Patient:
    return await patient(runtime, (await account_of(account)).id)


def _rehearse(context: click.Context, account: str, wait_s: float, json_: bool) -> None:
    async def work() -> Rehearsal:
        async with opened(needs_worker=True) as runtime:
            known = await account_of(account)
            return await rehearse(runtime, author("rehearsal"), known.id, wait_s=wait_s)

    rehearsal = run(work)
    say(rehearsal, json_, lambda: print_rehearsal(rehearsal))
    if not rehearsal.ok:
        context.exit(1)
