"""What a command works with: settings, keys, the database, a runtime; and what becomes of an error."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import asyncpg
import click
import msgspec
import uvloop

from db import sql
from db.embedded import EmbeddedPostgres
from db.encryption import EncryptionError, Keyring
from db.engine import DB, PoolOptions
from db.errors import DATABASE_AWAY, DatabaseError
from db.migrate import migrate, pending
from gateway.access.errors import AccessGrantError
from gateway.accounts import accounts
from gateway.accounts.accounts import Account
from gateway.accounts.audit import Author
from gateway.accounts.errors import AccountsError, FieldError
from gateway.billing.errors import StripeError
from gateway.books.repair import BreakClosedError
from gateway.books.rows import RowChangedError
from gateway.cases import CaseClosedError
from gateway.cli.home import local_keyring, read_notes
from gateway.cli.output import ERR
from gateway.clock import LiveClockError
from gateway.customers.errors import NotErasableError, SessionError
from gateway.finance.errors import ByHandError
from gateway.group_commit import NotCommittedError
from gateway.logs import configure_logging
from gateway.outbound.events import EndpointDisabledError
from gateway.returns.errors import RefundError
from gateway.runtime import Runtime, UnknownAccountError, running
from gateway.settings import Settings, SettingsError, load_settings
from gateway.subscriptions.errors import ScheduledError, SubscriptionEndedError
from gateway.usage.errors import UsageRefusedError
from processors.errors import ProcessorError

T = TypeVar("T")

WORKING = "select exists (select 1 from tollbridge.worker where beat_at > clock_timestamp() - interval '30 seconds')"
"""Whether some worker lives: each beats every ten seconds."""

ACCOUNT = click.option("--account", default="", help="Name or id; not needed where there is only one.")

FAILURES = (
    AccessGrantError,
    AccountsError,
    BreakClosedError,
    ByHandError,
    CaseClosedError,
    NotErasableError,
    DatabaseError,
    EncryptionError,
    EndpointDisabledError,
    LiveClockError,
    NotCommittedError,
    OSError,
    ProcessorError,
    RefundError,
    RowChangedError,
    SessionError,
    SettingsError,
    StripeError,
    ScheduledError,
    SubscriptionEndedError,
    UnknownAccountError,
    UsageRefusedError,
    *DATABASE_AWAY,
)


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command's coroutine; an error that we know ends it with one line."""
    with failures(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())


@contextmanager
def failures() -> Iterator[None]:
    """Turn errors that we know into one line: exit code 2 where a value given is wrong, else 1."""
    try:
        yield
    except FieldError as error:
        raise WrongUseError(in_options(error)) from None
    except FAILURES as error:
        raise click.ClickException(_line(error)) from None


OPTIONS: Final[Mapping[str, str]] = {
    "api_key": "--stripe-key",
    "policies": "--policy",
    "credentials": "--credential",
    "options": "--option",
    "currencies": "--currency",
    "declines": "--decline",
    "webhook_secrets": "--webhook-secret",
    "types": "--type",
}
"""Fields that the command line calls otherwise than the API does; the others have their own name."""


def in_options(error: FieldError) -> str:
    """The error in the words of the command that runs: its options and arguments instead of the API's fields."""
    context = click.get_current_context(silent=True)
    field, _, inner = error.param.partition(".")
    if context is None or not field:
        return str(error)
    option = OPTIONS.get(field, f"--{field.replace('_', '-')}")
    for one in context.command.params:
        if isinstance(one, click.Argument) and one.name == field:
            return f"{one.make_metavar(context)}: {error.message}"
        if option in one.opts:
            # What an option that is repeated calls by a name stands behind it; its places have none.
            named = f" {inner}" if inner and not inner[0].isdigit() else ""
            return f"{option}{named}: {error.message}"
    return str(error)


def command_settings(log_level: str = "") -> Settings:
    """The settings, with logging set up; raises click's errors."""
    try:
        settings = load_settings()
    except SettingsError as error:
        raise WrongUseError(str(error)) from None
    configure_logging(log_level or settings.log_level, settings.log_format)
    return settings


@contextmanager
def server_of(settings: Settings) -> Iterator[Settings]:
    """The settings with a database address: the one given, or that of the embedded server, started or joined."""
    if settings.database_url:
        yield settings
        return
    with EmbeddedPostgres(settings.home_path / "postgres") as dsn:
        yield msgspec.structs.replace(settings, database_url=dsn)


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[None]:
    """The database, open and migrated. An external one is migrated by `tollbridge migrate` alone."""
    with server_of(settings) as found:
        DB.configure(found.database_url, PoolOptions(max_size=4, application_name="tollbridge cli"))
        if missing := await pending(found.database_url):
            if settings.database_url:
                raise click.ClickException(f"run `tollbridge migrate` first: {', '.join(missing)} not applied")
            await migrate(found.database_url)
        await DB.open_pool()
        try:
            yield
        finally:
            await DB.close_pool()


@asynccontextmanager
async def opened(*, needs_worker: bool = False) -> AsyncIterator[Runtime]:
    """A runtime over the database, for one command. `needs_worker`: it is told where nobody does what it asks for."""
    settings = _reached(command_settings("warning"))
    async with database(settings), running(settings, keyring_of(settings)) as runtime:
        yield runtime
        if needs_worker and not await sql.value(WORKING):
            ERR.print("No worker is running, so nothing comes of it until one does: tollbridge work")


def _reached(settings: Settings) -> Settings:
    """As the `dev` that runs in this home is reached, unless the settings name an address themselves."""
    running_here = read_notes(settings.home_path).get("gateway", "")
    usual = (settings.public_url, settings.host, settings.port) == ("", Settings().host, Settings().port)
    if not (running_here and usual):
        return settings
    return msgspec.structs.replace(settings, public_url=running_here, outbound_private=True)


def keyring_of(settings: Settings) -> Keyring:
    """The keys of the environment, else those that `dev` keeps in the home; raises KeyringError."""
    return local_keyring(settings.home_path) or Keyring.from_environment()


def author(reason: str = "") -> Author:
    """The person at the terminal."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unknown"
    return Author(f"cli:{name}", reason)


async def account_of(name: str) -> Account:
    """The account of this name or id; without one, the only one there is. Raises NotThereError, click's errors."""
    if name:
        return await accounts.show(name)
    found = await accounts.listed()
    if len(found) == 1:
        return found[0]
    if not found:
        raise click.ClickException("there is no account yet: tollbridge accounts add")
    raise WrongUseError(f"say which account{_how()}: {', '.join(sorted(one.name for one in found))}")


def _how() -> str:
    """How the command that runs takes an account: the commands about accounts themselves as their argument."""
    context = click.get_current_context(silent=True)
    options = [] if context is None else [one for one in context.command.params if isinstance(one, click.Option)]
    return ", with --account" if any(one.name == "account" for one in options) else ""


class WrongUseError(click.ClickException):
    """A value given can't be; click's own UsageError would print the command's usage as well."""

    exit_code = 2


def _line(error: BaseException) -> str:
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
        return f"the database: {str(error).splitlines()[0]}"
    return " ".join(str(error).split()) or type(error).__name__
