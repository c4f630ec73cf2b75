"""/v1/accounts: made by the platform key, managed by an admin key of their own."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter

from gateway.accounts import accounts, stripe_key, webhook_secrets
from gateway.accounts.accounts import AccountChange
from gateway.accounts.audit import Author
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, example, problems
from gateway.api.problems import Code, ProblemError
from gateway.inbox import stripe_endpoint
from gateway.inbox.account_setup import find_setup
from gateway.readers.about import about
from gateway.readers.accounts import AccountBody, shown
from gateway.readers.pages import Page
from gateway.runtime import Runtime
from processors.values import Secret, Unprinted

Callers: Final = requires(Scope.ADMIN, Scope.PLATFORM)
ApiBase = Annotated[str | None, about("Another address of Stripe's API, such as the sandbox's.")]
PortalUrl = Annotated[str | None, about("Where customers manage their subscription.")]


class NewAccount(Unprinted, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Stripe account to bill with."""

    name: Annotated[str, about("1 to 63 of a-z, 0-9, - and _.")]
    api_key: Annotated[
        str, about("A secret or restricted key of Stripe's; whether it is a test key decides `livemode` for ever.")
    ]
    webhook_secrets: Annotated[list[str], about("Signing secrets of Stripe's webhooks: whsec_…")] = []
    api_base: ApiBase = None
    portal_url: PortalUrl = None
    policies: Annotated[dict[str, Any], about("Policies by name; those left out have their defaults.")] = {}
    enabled: Annotated[bool, about("Work for it, or leave it alone until it is enabled.")] = True


class AccountUpdate(Unprinted, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays."""

    api_key: Annotated[str | None, about("A new key of the same Stripe account and mode.")] = None
    api_base: ApiBase = None
    portal_url: PortalUrl = None
    policies: Annotated[dict[str, Any] | None, about("Merged by name; one that is null goes back to its default.")] = (
        None
    )
    enabled: Annotated[bool | None, about("Work for it, or leave it alone.")] = None


class NewWebhookSecret(Unprinted, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another signing secret, beside those that are accepted already."""

    secret: Annotated[str, about("As Stripe shows it: whsec_…")]


UPDATE: Final = example(
    "A policy, and one back to its default", {"policies": {"finalize": "leave", "margin_hours": None}}
)
SECRET: Final = example("A new secret during a roll", {"secret": "whsec_…"})
AccountId = Annotated[str, PathParameter(description="The account's id (acc_…); for the platform key also its name.")]
SecretId = Annotated[str, PathParameter(description="The signing secret's id: whs_…")]
EXAMPLE: Final = example(
    "A test account",
    {
        "name": "eu",
        "api_key": "rk_test_…",
        "webhook_secrets": ["whsec_…"],
        "policies": {"finalize": "at_once"},
    },
)


class SettingUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How Stripe is to tell us."""

    thin: Annotated[
        bool | None, about("By thin events, or by snapshots; null: as it does now, at first snapshots.")
    ] = None
    roll: Annotated[bool, about("Another endpoint beside those that there are, which are removed a day later.")] = False


class WebhookSetUp(msgspec.Struct, frozen=True):
    """What was done at Stripe."""

    done: Annotated[dict[str, str], about("By the id at Stripe: created, updated, unchanged, adopted, removed …")]
    notes: Annotated[list[str], about("What is left to do by hand.")]
    account: AccountBody


SET_UP: Final = example("Thin events from now on, and the old endpoint gone a day later", {"thin": True, "roll": True})


class Checked(msgspec.Struct, frozen=True):
    """The credentials work."""

    id: Annotated[str, about("Of what was checked.")]
    reference: Annotated[str, about("What the other side calls the account that the credentials open.")]
    ok: bool = True


@post("/accounts", status_code=200, guards=[requires(Scope.PLATFORM)], **changing(Code.ALREADY_EXISTS))
async def add_account(
    runtime: NamedDependency[Runtime], principal: NamedDependency[Principal], data: Annotated[NewAccount, EXAMPLE]
) -> AccountBody:
    """Add an account."""
    change = AccountChange(
        api_base=data.api_base, portal_url=data.portal_url, policies=data.policies, enabled=data.enabled
    )
    secrets = [Secret(secret) for secret in data.webhook_secrets]
    added = await accounts.add(
        runtime.keyring, Author(principal.actor), data.name, Secret(data.api_key), secrets=secrets, change=change
    )
    return shown(added, runtime.settings.base_url)


@get("/accounts", guards=[Callers], responses=problems())
async def list_accounts(runtime: NamedDependency[Runtime], principal: NamedDependency[Principal]) -> Page[AccountBody]:
    """Every account for the platform key, its own for another."""
    found = await accounts.listed() if not principal.account else [await accounts.show(principal.account)]
    return Page([shown(one, runtime.settings.base_url) for one in found], has_more=False)


@get("/accounts/{account_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_account(
    runtime: NamedDependency[Runtime], principal: NamedDependency[Principal], account_id: AccountId
) -> AccountBody:
    """One account, with what it needs at Stripe."""
    return await _whole(runtime, own(principal, account_id))


@post(
    "/accounts/{account_id:str}",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND, Code.CHECK_FAILED, Code.STRIPE_UNAVAILABLE),
)
async def update_account(
    runtime: NamedDependency[Runtime],
    principal: NamedDependency[Principal],
    account_id: AccountId,
    data: Annotated[AccountUpdate, UPDATE],
) -> AccountBody:
    """Change an account. Its key may be rotated, but not from test to live."""
    change = AccountChange(
        api_key=None if data.api_key is None else Secret(data.api_key),
        api_base=data.api_base,
        portal_url=data.portal_url,
        policies=data.policies,
        enabled=data.enabled,
    )
    account = (await accounts.show(own(principal, account_id))).id
    updated = await accounts.update(runtime.keyring, Author(principal.actor), account, change)
    return shown(updated, runtime.settings.base_url)


@post(
    "/accounts/{account_id:str}/check",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND, Code.CHECK_FAILED, Code.STRIPE_UNAVAILABLE),
)
async def check_account(
    runtime: NamedDependency[Runtime], principal: NamedDependency[Principal], account_id: AccountId
) -> Checked:
    """Ask Stripe whom the key belongs to."""
    account = (await accounts.show(own(principal, account_id))).id
    return Checked(account, await stripe_key.check(runtime, Author(principal.actor), account))


@post(
    "/accounts/{account_id:str}/setup_webhook",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND, Code.CHECK_FAILED, Code.STRIPE_REFUSED, Code.STRIPE_FORBIDDEN, Code.STRIPE_UNAVAILABLE),
)
async def setup_webhook(
    runtime: NamedDependency[Runtime],
    principal: NamedDependency[Principal],
    account_id: AccountId,
    data: Annotated[SettingUp, SET_UP],
) -> WebhookSetUp:
    """Have Stripe send the account's events here: makes the endpoint and keeps its secret, or mends what there is.

    The key needs to be allowed to write webhook endpoints for it.
    """
    account = (await accounts.show(own(principal, account_id))).id
    came = await stripe_endpoint.set_up(runtime, Author(principal.actor), account, thin=data.thin, roll=data.roll)
    return WebhookSetUp(dict(came.done), list(came.notes), await _whole(runtime, account))


@post(
    "/accounts/{account_id:str}/webhook_secrets",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND),
)
async def add_webhook_secret(
    runtime: NamedDependency[Runtime],
    principal: NamedDependency[Principal],
    account_id: AccountId,
    data: Annotated[NewWebhookSecret, SECRET],
) -> AccountBody:
    """Add a signing secret; the others go on being accepted until they are retired."""
    account = (await accounts.show(own(principal, account_id))).id
    await webhook_secrets.add(runtime.keyring, Author(principal.actor), account, Secret(data.secret))
    return shown(await accounts.show(account), runtime.settings.base_url)


@delete(
    "/accounts/{account_id:str}/webhook_secrets/{secret_id:str}",
    status_code=200,
    guards=[Callers],
    responses=problems(Code.NOT_FOUND),
)
async def retire_webhook_secret(
    runtime: NamedDependency[Runtime],
    principal: NamedDependency[Principal],
    account_id: AccountId,
    secret_id: SecretId,
) -> AccountBody:
    """Retire a signing secret: what is signed with it is refused."""
    account = (await accounts.show(own(principal, account_id))).id
    await webhook_secrets.retire(Author(principal.actor), account, secret_id)
    return shown(await accounts.show(account), runtime.settings.base_url)


async def _whole(runtime: Runtime, wanted: str) -> AccountBody:
    account = await accounts.show(wanted)
    return shown(account, runtime.settings.base_url, await find_setup(runtime.keyring, account.id))


def own(principal: Principal, account: str) -> str:
    """`account`, where it is the principal's; raises ProblemError 404 for another's."""
    if principal.account and principal.account != account:
        raise ProblemError(Code.NOT_FOUND)
    return account


account_routes: Final[list[Any]] = [
    add_account,
    list_accounts,
    show_account,
    update_account,
    check_account,
    setup_webhook,
    add_webhook_secret,
    retire_webhook_secret,
]
