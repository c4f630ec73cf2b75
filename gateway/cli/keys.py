"""`tollbridge keys`: API keys."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from db.encryption import KEYS_VARIABLE, TOKEN_HASH_VARIABLE, generate_key
from gateway.accounts import keys as story
from gateway.accounts.keys import ACCOUNT_SCOPES, ApiKey, Scope
from gateway.cli.context import ACCOUNT, account_of, author, opened, run
from gateway.cli.output import ERR, OUT, as_json, say, say_all, table
from processors.values import Secret

PLATFORM = click.option("--platform", is_flag=True, help="The kind that makes accounts, and is of none.")


@click.group()
def keys() -> None:
    """API keys, each of one account; and the encryption keys of an installation."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    multiple=True,
    type=click.Choice(sorted(scope.value for scope in ACCOUNT_SCOPES)),
    help="May be repeated.",
)
@ACCOUNT
@PLATFORM
@as_json
def create(name: str, scope: tuple[str, ...], account: str, platform: bool, json_: bool) -> None:
    """Make a key, and print it: it is never shown again."""
    if platform == bool(scope):
        raise click.UsageError("give --scope (at least one) or --platform")

    async def work() -> tuple[ApiKey, Secret]:
        async with opened():
            owner = None if platform else (await account_of(account)).id
            return await story.create(author(), owner, name, scope or (Scope.PLATFORM,))

    made, secret = run(work)
    value = {"id": made.id, "name": made.name, "scopes": made.scopes, "key": secret.reveal()}

    def text() -> None:
        OUT.print(secret.reveal(), markup=False)
        ERR.print(f"{made.id}: keep it now, it is not shown again.")

    say(value, json_, text)


@keys.command()
@as_json
def generate(json_: bool) -> None:
    """Make encryption keys for a new installation, as two lines for a shell. Keep them: nothing is readable without."""
    kid = f"{datetime.now(UTC):%Y%m%d%H%M%S}"  # noqa: TID251 (a name that sorts, not a time)
    made = {KEYS_VARIABLE: f"{kid}:{generate_key()}", TOKEN_HASH_VARIABLE: generate_key()}
    say(made, json_, lambda: click.echo("\n".join(f"export {name}={value}" for name, value in made.items())))


@keys.command(name="list")
@ACCOUNT
@PLATFORM
@as_json
def list_(account: str, platform: bool, json_: bool) -> None:
    """List the keys of an account, revoked ones too."""

    async def work() -> list[ApiKey]:
        async with opened():
            return await story.listed(None if platform else (await account_of(account)).id)

    found = run(work)
    rows = [
        (k.id, k.name, f"…{k.hint}", k.scopes, f"{k.created_at:%Y-%m-%d}", "" if k.revoked_at is None else "revoked")
        for k in found
    ]
    say_all(found, json_, lambda: table(("id", "name", "ends in", "scopes", "made", ""), rows, "No keys."))


@keys.command()
@click.argument("key")
@ACCOUNT
@PLATFORM
@as_json
def revoke(key: str, account: str, platform: bool, json_: bool) -> None:
    """Revoke a key by its id."""

    async def work() -> ApiKey:
        async with opened():
            return await story.revoke(author(), None if platform else (await account_of(account)).id, key)

    revoked = run(work)
    say(revoked, json_, lambda: OUT.print(f"{revoked.id} is revoked."))
