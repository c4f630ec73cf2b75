"""`tollbridge apply FILE.toml`: accounts, connections and policies as a file says, found again by name.

    [[account]]
    name = "eu"
    api_key = "env:STRIPE_KEY_EU"
    webhook_secrets = ["env:STRIPE_WEBHOOK_SECRET_EU"]
    policies = { finalize = "leave" }

    [[account.connection]]
    name = "practice"
    adapter = "practice"
    credentials = { api_key = "env:PRACTICE_KEY", webhook_secret = "file:/run/secrets/practice" }
    options = { base_url = "https://practice.example", account = "acct_1" }
    declines = { refer_to_bank = "do_not_honor" }      # what a decline code means, over the adapter's own table

    [[account.webhook_endpoint]]                      # found again by its address
    url = "https://shop.example/webhooks/tollbridge"
    secret = "env:EVENTS_SECRET"                      # whsec_ and 32 random bytes as base64
    types = ["tollbridge.invoice.payment_failed"]

What the file does not mention stays as it is. With `prune`, accounts, connections and endpoints that it does not
mention are disabled (what they did must stay readable), signing secrets retired (but those of endpoints that we have
made at Stripe: no file can name them), and the other decline codes of its connections go back to the adapter's class.
The whole file is one transaction. A dry run does everything and rolls back, so what it shows is what would happen. An
endpoint whose name has no address at the moment is made all the same, with a warning: a file is applied before the shop
is up, and addresses are looked at again whenever something is sent.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from db.engine import DB
from gateway.accounts import accounts, connections, webhook_endpoints, webhook_secrets
from gateway.accounts.accounts import Account, AccountChange
from gateway.accounts.audit import Author, Change
from gateway.accounts.connections import ConnectionChange, RecordOn
from gateway.accounts.errors import FieldError, NotThereError, UnresolvedUrlError
from gateway.accounts.secrets import found
from gateway.accounts.stripe_key import refuse_anothers
from gateway.accounts.validation import converted
from gateway.accounts.webhook_endpoints import EndpointChange
from gateway.clock import business_now
from gateway.domain.routing import Display, Routing
from gateway.runtime import Runtime
from processors.values import Secret, Unprinted


class ConnectionEntry(Unprinted, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[account.connection]]`."""

    name: str
    adapter: str
    credentials: dict[str, str] = {}
    options: dict[str, str] = {}
    currencies: list[str] | None = None
    priority: int | None = None
    routing: Routing | None = None
    display: Display | None = None
    record_on: RecordOn | None = None
    declines: dict[str, str] = {}
    enabled: bool | None = None


class EndpointEntry(Unprinted, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[account.webhook_endpoint]]`. Its secret is yours: one that we made would be shown to nobody."""

    url: str
    secret: str
    types: list[str] | None = None
    description: str | None = None
    enabled: bool | None = None

    @property
    def change(self) -> EndpointChange:
        return EndpointChange(self.url, self.types, self.description, self.enabled)


class AccountEntry(Unprinted, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[account]]`. `api_key` is needed where the account is new."""

    name: str
    api_key: str = ""
    webhook_secrets: list[str] = []
    api_base: str | None = None
    portal_url: str | None = None
    policies: dict[str, Any] | None = None
    enabled: bool | None = None
    connection: list[ConnectionEntry] = []
    webhook_endpoint: list[EndpointEntry] = []


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    account: list[AccountEntry] = []


class Applied(msgspec.Struct, frozen=True):
    """What changed, or would; and what was taken though it may be a slip."""

    changes: list[Change]
    warnings: list[str]


class _DryRunError(Exception):
    """Rolls a dry run back."""


def read(path: Path) -> Document:
    """The file, its fields checked; raises FieldError."""
    try:
        document = converted(tomllib.loads(path.read_text(encoding="utf-8")), Document)
    except OSError as error:
        raise FieldError("", f"can't read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FieldError("", f"{path} is no TOML: {error}") from None
    _refuse_doubles([entry.name for entry in document.account], "account")
    for place, entry in enumerate(document.account):
        _refuse_doubles([one.name for one in entry.connection], f"account.{place}.connection")
        _refuse_doubles([one.url for one in entry.webhook_endpoint], f"account.{place}.webhook_endpoint", "url")
    return document


async def apply(
    runtime: Runtime, by: Author, document: Document, *, beside: Path, prune: bool = False, dry_run: bool = False
) -> Applied:
    """Make the database say what the document says.

    `beside` is the directory that relative `file:` paths start from. Raises FieldError; nothing is changed then.
    """
    warnings = await _look_endpoints_up(runtime, document)
    await _ask_whose_keys(runtime, document, beside)
    try:
        async with DB.transaction():
            for place, entry in enumerate(document.account):
                await _account(runtime, by, entry, f"account.{place}", beside, prune=prune)
            if prune:
                await _disable_other_accounts(runtime, by, {entry.name for entry in document.account})
            if dry_run:
                raise _DryRunError
    except _DryRunError:
        pass
    return Applied(by.changes, warnings)


async def _account(runtime: Runtime, by: Author, entry: AccountEntry, at: str, beside: Path, *, prune: bool) -> None:
    api_key = found(entry.api_key, f"{at}.api_key", beside=beside) if entry.api_key else None
    secrets = [
        found(reference, f"{at}.webhook_secrets.{place}", beside=beside)
        for place, reference in enumerate(entry.webhook_secrets)
    ]
    change = AccountChange(
        api_key=api_key,
        api_base=entry.api_base,
        portal_url=entry.portal_url,
        policies=entry.policies,
        enabled=entry.enabled,
    )
    try:
        account = await _upsert(runtime, by, entry.name, change, secrets)
        if prune and entry.webhook_secrets:
            await webhook_secrets.retire_others(runtime.keyring, by, account.id, secrets)
    except FieldError as error:
        raise FieldError(f"{at}.{error.param}", error.message) from None
    for place, one in enumerate(entry.connection):
        await _connection(runtime, by, account, one, f"{at}.connection.{place}", beside, prune=prune)
    for place, endpoint in enumerate(entry.webhook_endpoint):
        await _endpoint(runtime, by, account, endpoint, f"{at}.webhook_endpoint.{place}", beside)
    if prune:
        await _disable_other_connections(runtime, by, account, {one.name for one in entry.connection})
        await _disable_other_endpoints(by, account, {one.url for one in entry.webhook_endpoint})


async def _upsert(runtime: Runtime, by: Author, name: str, change: AccountChange, secrets: list[Secret]) -> Account:
    try:
        known = await _by_name(name)
    except NotThereError:
        if change.api_key is None:
            raise FieldError("api_key", "this parameter is required for a new account") from None
        return await accounts.add(runtime.keyring, by, name, change.api_key, secrets=secrets, change=change)
    account = await accounts.alter(runtime.keyring, by, known.id, change)
    for place, secret in enumerate(secrets):
        await webhook_secrets.add(runtime.keyring, by, account.id, secret, param=f"webhook_secrets.{place}")
    return account


async def _by_name(name: str) -> Account:
    account = await accounts.show(name)
    if account.name != name:
        raise NotThereError("account", name)
    return account


async def _connection(
    runtime: Runtime, by: Author, account: Account, entry: ConnectionEntry, at: str, beside: Path, *, prune: bool
) -> None:
    known = next((one for one in await connections.listed(account.id) if one.name == entry.name), None)
    gone = dict.fromkeys(known.declines.keys() - entry.declines.keys()) if known and prune else {}
    try:
        change = ConnectionChange(
            credentials=_credentials(entry, beside),
            options=entry.options,
            currencies=entry.currencies,
            priority=entry.priority,
            routing=entry.routing,
            display=entry.display,
            record_on=entry.record_on,
            declines={**entry.declines, **gone},
            enabled=entry.enabled,
        )
        if known is None:
            await connections.insert(runtime, by, account.id, entry.name, entry.adapter, change)
        elif known.adapter != entry.adapter:
            raise FieldError("adapter", f"is {known.adapter} and stays so")
        else:
            await connections.alter(runtime, by, account.id, known.id, change)
    except FieldError as error:
        raise FieldError(f"{at}.{error.param}", f"{error.message} (connection {entry.name})") from None


def _credentials(entry: ConnectionEntry, beside: Path) -> dict[str, Secret]:
    """Raises FieldError."""
    return {
        field: found(reference, f"credentials.{field}", beside=beside) for field, reference in entry.credentials.items()
    }


async def _ask_whose_keys(runtime: Runtime, document: Document, beside: Path) -> None:
    """Before the transaction: Stripe is asked of each new key. Raises FieldError, CheckFailedError, StripeError."""
    for place, entry in enumerate(document.account):
        at = f"account.{place}"
        try:
            known = await _by_name(entry.name)
        except NotThereError:
            continue
        api_key = found(entry.api_key, f"{at}.api_key", beside=beside) if entry.api_key else None
        try:
            await refuse_anothers(runtime.keyring, known.id, api_key, entry.api_base)
        except FieldError as error:
            raise FieldError(f"{at}.{error.param}", error.message) from None


async def _look_endpoints_up(runtime: Runtime, document: Document) -> list[str]:
    """Before the transaction: names are resolved. Returns a warning for each that can't be."""
    warnings = []
    for place, entry in enumerate(document.account):
        for number, one in enumerate(entry.webhook_endpoint):
            at = f"account.{place}.webhook_endpoint.{number}"
            try:
                await webhook_endpoints.refuse_wrong(runtime, one.change)
            except UnresolvedUrlError as error:
                warnings.append(
                    f"{at}.{error.param}: {error.message}; it is kept, and nothing is sent there until it can"
                )
            except FieldError as error:
                raise FieldError(f"{at}.{error.param}", error.message) from None
    return warnings


async def _endpoint(
    runtime: Runtime, by: Author, account: Account, entry: EndpointEntry, at: str, beside: Path
) -> None:
    param = f"{at}.secret"
    secret = webhook_endpoints.given_secret(found(entry.secret, param, beside=beside), param)
    known = next((one for one in await webhook_endpoints.listed(account.id) if one.url == entry.url), None)
    if known is None:
        known, _ = await webhook_endpoints.insert(runtime, by, account.id, entry.change, secret)
    # One that was just added may be meant to be disabled.
    await webhook_endpoints.alter(by, account.id, known.id, entry.change)
    signs = await webhook_endpoints.signing_secrets(runtime.keyring, known.id, await business_now())
    if secret.reveal() != signs[0].reveal():
        await webhook_endpoints.roll_secret(runtime, by, account.id, known.id, secret=secret)


async def _disable_other_endpoints(by: Author, account: Account, keep: set[str]) -> None:
    for one in await webhook_endpoints.listed(account.id):
        if one.url not in keep and one.enabled:
            await webhook_endpoints.alter(by, account.id, one.id, EndpointChange(enabled=False))


async def _disable_other_connections(runtime: Runtime, by: Author, account: Account, keep: set[str]) -> None:
    for one in await connections.listed(account.id):
        if one.name not in keep and one.enabled:
            await connections.alter(runtime, by, account.id, one.id, ConnectionChange(enabled=False))


async def _disable_other_accounts(runtime: Runtime, by: Author, keep: set[str]) -> None:
    for one in await accounts.listed():
        if one.name not in keep and one.enabled:
            await accounts.alter(runtime.keyring, by, one.id, AccountChange(enabled=False))


def _refuse_doubles(names: list[str], at: str, field: str = "name") -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise FieldError(f"{at}.{place}.{field}", f"{name!r} is there twice")
