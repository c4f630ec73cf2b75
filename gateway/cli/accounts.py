"""`tollbridge accounts`: Stripe accounts and their signing secrets."""

from __future__ import annotations

import click

from gateway.accounts import accounts as story
from gateway.accounts import stripe_key, webhook_secrets
from gateway.accounts.accounts import Account, AccountChange
from gateway.accounts.secrets import found
from gateway.cli.account_text import print_account, print_set_up
from gateway.cli.context import account_of, author, opened, run
from gateway.cli.output import OUT, as_json, say, say_all, table, when
from gateway.cli.values import policies
from gateway.inbox.account_setup import find_setup, last_event
from gateway.inbox.stripe_endpoint import SetUp, set_up
from gateway.readers.accounts import AccountBody, shown
from gateway.runtime import Runtime
from gateway.settings import Settings
from processors.values import Secret

SECRET = "env:NAME or file:PATH"  # noqa: S105 (a form, not a secret)

API_BASE = click.option("--api-base", help="Another address of Stripe's API, such as the sandbox's.")
PORTAL = click.option("--portal-url", help="Where customers manage their subscription.")
POLICY = click.option(
    "--policy",
    multiple=True,
    metavar="NAME=VALUE",
    help="A policy; a list or a table as JSON: ladder_hours=[0,24]. null restores the default. May be repeated.",
)
ENABLED = click.option("--enable/--disable", "enabled", default=None, help="Work for it, or leave it alone.")


@click.group()
def accounts() -> None:
    """Stripe accounts: one key, test or live, each."""


@accounts.command()
@click.argument("name")
@click.option("--stripe-key", required=True, metavar=SECRET, help="Secret or restricted key of Stripe's.")
@click.option("--webhook-secret", multiple=True, metavar=SECRET, help="Signing secret of Stripe's webhooks.")
@API_BASE
@PORTAL
@POLICY
@ENABLED
@as_json
def add(
    name: str,
    stripe_key: str,
    webhook_secret: tuple[str, ...],
    api_base: str | None,
    portal_url: str | None,
    policy: tuple[str, ...],
    enabled: bool | None,
    json_: bool,
) -> None:
    """Add an account."""

    async def work() -> tuple[AccountBody, Settings]:
        async with opened() as runtime:
            key, signing = _secret(stripe_key, "--stripe-key"), [_secret(s, "--webhook-secret") for s in webhook_secret]
            change = AccountChange(api_base=api_base, portal_url=portal_url, policies=policies(policy), enabled=enabled)
            added = await story.add(runtime.keyring, author(), name, key, secrets=signing, change=change)
            return await _body(runtime, added)

    _say(*run(work), json_)


@accounts.command()
@click.argument("account", default="")
@click.option("--stripe-key", metavar=SECRET, help="Rotate the key; never from test to live.")
@click.option("--add-webhook-secret", metavar=SECRET, help="Accept another signing secret.")
@click.option("--retire-webhook-secret", metavar="ID", help="Refuse what is signed with this one from now on.")
@API_BASE
@PORTAL
@POLICY
@ENABLED
@as_json
def update(
    account: str,
    stripe_key: str | None,
    add_webhook_secret: str | None,
    retire_webhook_secret: str | None,
    api_base: str | None,
    portal_url: str | None,
    policy: tuple[str, ...],
    enabled: bool | None,
    json_: bool,
) -> None:
    """Change an account: rotate its key or secrets, set policies, switch it off."""

    async def work() -> tuple[AccountBody, Settings]:
        async with opened() as runtime:
            known, by = await account_of(account), author()
            key = _secret(stripe_key, "--stripe-key") if stripe_key else None
            change = AccountChange(
                api_key=key, api_base=api_base, portal_url=portal_url, policies=policies(policy), enabled=enabled
            )
            await story.update(runtime.keyring, by, known.id, change)
            if add_webhook_secret:
                secret = _secret(add_webhook_secret, "--add-webhook-secret")
                await webhook_secrets.add(runtime.keyring, by, known.id, secret, param="add_webhook_secret")
            if retire_webhook_secret:
                await webhook_secrets.retire(by, known.id, retire_webhook_secret)
            return await _body(runtime, await story.show(known.id))

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

    async def work() -> tuple[AccountBody, Settings]:
        async with opened() as runtime:
            return await _body(runtime, await account_of(account))

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
            event = await last_event(runtime.keyring, known.id)
            return known.name, reference, event.received if event is not None else None

    name, reference, last = run(work)

    def text() -> None:
        OUT.print(f"{name}: Stripe account {reference}")
        # A wrong signing secret lets nothing in; the server's log counts what it refuses.
        nothing = "none yet: is the endpoint's signing secret among the account's? See webhooks_refused in the log"
        OUT.print(f"Last event accepted: {when(last) if last else nothing}")

    say({"name": name, "stripe_account": reference, "last_event": last}, json_, text)


@accounts.command(name="setup-webhook")
@click.argument("account", default="")
@click.option("--thin/--snapshot", "thin", default=None, help="By thin events, or by snapshots (at first the default).")
@click.option("--roll", is_flag=True, help="Make another endpoint; the old one is removed a day later.")
@as_json
def setup_webhook(account: str, thin: bool | None, roll: bool, json_: bool) -> None:
    """Have Stripe send the account's events here.

    Makes the endpoint and keeps its signing secret; again, it mends what has changed. The account's key needs to be
    allowed to write webhook endpoints.
    """

    async def work() -> SetUp:
        async with opened(needs_worker=roll) as runtime:
            return await set_up(runtime, author(), (await account_of(account)).id, thin=thin, roll=roll)

    came = run(work)
    say(came, json_, lambda: print_set_up(came.done, list(came.notes)))


def _secret(reference: str, option: str) -> Secret:
    return found(reference, option)


async def _body(runtime: Runtime, account: Account) -> tuple[AccountBody, Settings]:
    setup = await find_setup(runtime.keyring, account.id)
    return shown(account, runtime.settings.base_url, setup), runtime.settings


def _say(body: AccountBody, settings: Settings, json_: bool) -> None:
    say(body, json_, lambda: print_account(body, settings))
