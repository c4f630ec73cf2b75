"""`tollbridge accounts`: Stripe accounts and their signing secrets."""

from __future__ import annotations

import click

from db import sql
from gateway.accounts import accounts as story
from gateway.accounts import stripe_key, webhook_secrets
from gateway.accounts.accounts import Account, AccountChange
from gateway.accounts.secrets import found
from gateway.cli.context import account_of, author, opened, run
from gateway.cli.output import OUT, as_json, fields, say, say_all, table, when
from gateway.cli.values import policies
from gateway.readers.accounts import AccountBody, shown
from gateway.readers.pages import unix
from gateway.settings import Settings
from processors.values import Secret

LAST_EVENT = "select max(received_at) from tollbridge.delivery where account = $1 and source = 'stripe'"
SECRET = "env:NAME or file:PATH"  # noqa: S105 (a form, not a secret)


@click.group()
def accounts() -> None:
    """Stripe accounts: one key, test or live, each."""


@accounts.command()
@click.argument("name")
@click.option("--stripe-key", required=True, metavar=SECRET, help="Secret or restricted key of Stripe's.")
@click.option("--webhook-secret", multiple=True, metavar=SECRET, help="Signing secret of Stripe's webhooks.")
@click.option("--api-base", help="Another address of Stripe's API, such as the sandbox's.")
@click.option("--portal-url", help="Where customers manage their subscription.")
@click.option("--policy", multiple=True, metavar="NAME=VALUE", help="A policy; may be repeated.")
@as_json
def add(
    name: str,
    stripe_key: str,
    webhook_secret: tuple[str, ...],
    api_base: str | None,
    portal_url: str | None,
    policy: tuple[str, ...],
    json_: bool,
) -> None:
    """Add an account."""

    async def work() -> tuple[Account, Settings]:
        async with opened() as runtime:
            key, signing = _secret(stripe_key, "--stripe-key"), [_secret(s, "--webhook-secret") for s in webhook_secret]
            change = AccountChange(api_base=api_base, portal_url=portal_url, policies=policies(policy))
            added = await story.add(runtime.keyring, author(), name, key, secrets=signing, change=change)
            return added, runtime.settings

    _say(*run(work), json_)


@accounts.command()
@click.argument("account", default="")
@click.option("--stripe-key", metavar=SECRET, help="Rotate the key; never from test to live.")
@click.option("--add-webhook-secret", metavar=SECRET, help="Accept another signing secret.")
@click.option("--retire-webhook-secret", metavar="ID", help="Refuse what is signed with this one from now on.")
@click.option("--portal-url", help="Where customers manage their subscription.")
@click.option(
    "--policy",
    multiple=True,
    metavar="NAME=VALUE",
    help="A policy; a list or a table as JSON: ladder_hours=[0,24]. null restores the default.",
)
@click.option("--enable/--disable", "enabled", default=None, help="Work for it, or leave it alone.")
@as_json
def update(
    account: str,
    stripe_key: str | None,
    add_webhook_secret: str | None,
    retire_webhook_secret: str | None,
    portal_url: str | None,
    policy: tuple[str, ...],
    enabled: bool | None,
    json_: bool,
) -> None:
    """Change an account: rotate its key or secrets, set policies, switch it off."""

    async def work() -> tuple[Account, Settings]:
        async with opened() as runtime:
            known, by = await account_of(account), author()
            key = _secret(stripe_key, "--stripe-key") if stripe_key else None
            change = AccountChange(api_key=key, portal_url=portal_url, policies=policies(policy), enabled=enabled)
            await story.update(runtime.keyring, by, known.id, change)
            if add_webhook_secret:
                secret = _secret(add_webhook_secret, "--add-webhook-secret")
                await webhook_secrets.add(runtime.keyring, by, known.id, secret)
            if retire_webhook_secret:
                await webhook_secrets.retire(by, known.id, retire_webhook_secret)
            return await story.show(known.id), runtime.settings

    _say(*run(work), json_)


@accounts.command(name="list")
@as_json
def list_(json_: bool) -> None:
    """List the accounts."""

    async def work() -> list[AccountBody]:
        async with opened() as runtime:
            return [shown(one, runtime.settings.base_url) for one in await story.listed()]

    found_ = run(work)
    rows = [(a.name, a.id, "live" if a.livemode else "test", a.stripe_account, a.enabled) for a in found_]
    say_all(found_, json_, lambda: table(("name", "id", "mode", "stripe account", "enabled"), rows, "No accounts."))


@accounts.command()
@click.argument("account", default="")
@as_json
def show(account: str, json_: bool) -> None:
    """Show an account, by name or id."""

    async def work() -> tuple[Account, Settings]:
        async with opened() as runtime:
            return await account_of(account), runtime.settings

    _say(*run(work), json_)


@accounts.command()
@click.argument("account", default="")
@as_json
def check(account: str, json_: bool) -> None:
    """Ask Stripe whom the account's key belongs to, and see whether its webhooks are accepted."""

    async def work() -> tuple[str, str, int | None]:
        async with opened() as runtime:
            known = await account_of(account)
            reference = await stripe_key.check(runtime, author(), known.id)
            return known.name, reference, unix(await sql.value(LAST_EVENT, known.id))

    name, reference, last = run(work)

    def text() -> None:
        OUT.print(f"{name}: Stripe account {reference}")
        # A wrong signing secret lets nothing in; the server's log counts what it refuses.
        nothing = "none yet: is the endpoint's signing secret among the account's? See webhooks_refused in the log"
        OUT.print(f"Last event accepted: {when(last) if last else nothing}")

    say({"name": name, "stripe_account": reference, "last_event": last}, json_, text)


def _secret(reference: str, option: str) -> Secret:
    return found(reference, option)


def _say(account: Account, settings: Settings, json_: bool) -> None:
    body = shown(account, settings.base_url)
    say(body, json_, lambda: _print(body, settings))


def _print(account: AccountBody, settings: Settings) -> None:
    # Stripe reaches no address of this machine's own.
    where = "" if settings.public_url else "  (set TOLLBRIDGE_PUBLIC_URL to where Stripe reaches this installation)"
    fields(
        {
            "name": account.name,
            "id": account.id,
            "mode": "live" if account.livemode else "test",
            "stripe account": account.stripe_account,
            "enabled": account.enabled,
            "api base": account.api_base,
            "portal": account.portal_url,
            "webhooks at": account.webhook_url + where,
            "webhook secrets": [f"{secret.id} ({when(secret.created)})" for secret in account.webhook_secrets],
            "policies": account.policies,
        }
    )
