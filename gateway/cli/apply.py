"""`tollbridge apply FILE.toml`: configuration as a file says."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from gateway.accounts import apply as story
from gateway.accounts.apply import Applied
from gateway.cli.context import author, opened, run
from gateway.cli.output import ERR, OUT, as_json, say


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--prune", is_flag=True, help="Disable accounts and connections that the file does not mention.")
@click.option("--dry-run", is_flag=True, help="Show the difference and change nothing.")
@as_json
def apply(file: Path, prune: bool, dry_run: bool, json_: bool) -> None:
    """Make accounts, connections and policies as FILE says; what it does not mention stays."""

    async def work() -> Applied:
        async with opened() as runtime:
            document, by = story.read(file), author(f"apply {file.name}")
            return await story.apply(runtime, by, document, beside=file.parent, prune=prune, dry_run=dry_run)

    done = run(work)

    def text() -> None:
        for warning in done.warnings:
            ERR.print(f"Warning: {warning}", markup=False, soft_wrap=True)
        for change in done.changes:
            OUT.print(f"{change.action} {change.name or change.object}")
            for field, value in (change.after or change.before or {}).items():
                before = "" if change.before is None else f"{_shown(change.before.get(field))} → "
                OUT.print(f"    {field}: {before}{_shown(value)}", markup=False)
        if not done.changes:
            OUT.print("Nothing to change.")
        elif dry_run:
            OUT.print("A dry run: nothing was changed.")

    say({"dry_run": dry_run, "changes": done.changes, "warnings": done.warnings}, json_, text)


def _shown(value: object) -> str:
    return msgspec.json.encode(value).decode()
