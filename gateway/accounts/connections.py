"""Connections: one configured processor in one account. Which fields there are, the adapter says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import asyncpg
import msgspec
from msgspec import to_builtins as builtins

from db import poke, sql
from db.encryption import Keyring
from db.engine import DB
from db.ids import new_id
from db.poke import Kind
from gateway.accounts import declines
from gateway.accounts.accounts import check_name, policy_of
from gateway.accounts.audit import CHANGED, SET, Author, differences
from gateway.accounts.errors import FieldError, NameTakenError, NotThereError
from gateway.accounts.settlement import check_settles
from gateway.addresses import AddressError, UnresolvedError, refuse_private
from gateway.clock import business_now
from gateway.connections import UnknownAdapterError, adapter_class, capabilities_of
from gateway.domain.routing import STRIPE, Display, Routing
from gateway.runtime import Runtime
from processors.errors import ConfigurationError
from processors.interface import ProcessorAdapter
from processors.outcome import DeclineClass
from processors.values import Secret

CURRENCY: Final = re.compile(r"[a-z]{3}")
PLAIN: Final = "must be https where the account is live"
RecordOn = Literal["confirmed", "settled"]

INSERT = """
    insert into tollbridge.connection
        (id, account, name, adapter, credentials, credential_fields, options, currencies, priority, routing,
         display, record_on, declines, enabled, created_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""
UPDATE = """
    update tollbridge.connection set credentials = $2, credential_fields = $3, options = $4, currencies = $5,
        priority = $6, routing = $7, display = $8, record_on = $9, declines = $10, enabled = $11 where id = $1
"""
# A connection means something to the invoices of customers with a payment method there; to all others only where no
# other one takes their currency: with it they are ours, without it they are not.
WAITING = """
    select i.id from tollbridge.invoice i where i.account = $1 and i.status in ('draft', 'open')
      and i.state in ('not_ours', 'due', 'needs_payment_method', 'retrying', 'exhausted')
      and (exists (select 1 from tollbridge.payment_method p
                   where p.account = i.account and p.customer = i.customer and p.connection = $2
                     and p.status <> 'revoked')
           or not exists (select 1 from tollbridge.connection n
                          where n.account = i.account and n.id <> $2 and n.enabled
                            and (n.currencies = '{}' or i.currency = any(n.currencies))))
"""
SELECT = """
    select c.*, r.failures, r.failing_since, r.opened_at, r.probe_at
    from tollbridge.connection c left join tollbridge.circuit r on r.connection = c.id
"""


class Circuit(msgspec.Struct, frozen=True):
    """Whether the processor answers charge calls. `failures`: how many in a row it did not answer, since when.

    Open from `opened_at` on: charges wait, and one of them asks again at `probe_at`.
    """

    failures: int = 0
    failing_since: datetime | None = None
    opened_at: datetime | None = None
    probe_at: datetime | None = None


class Connection(msgspec.Struct, frozen=True):
    """What may be shown of a connection; `credentials` names the fields that are set.

    `declines` is what decline codes mean here, over the adapter's own table.
    """

    id: str
    account: str
    name: str
    adapter: str
    credentials: tuple[str, ...]
    options: dict[str, str]
    currencies: tuple[str, ...]
    priority: int
    routing: Routing
    display: Display
    record_on: str
    declines: dict[str, DeclineClass]
    enabled: bool
    created_at: datetime
    circuit: Circuit = Circuit()


class ConnectionChange(msgspec.Struct, frozen=True):
    """Fields to set; None leaves a field as it is. Credentials, options and declines are merged by name; routing and
    display are taken whole.

    A decline code whose class is None goes back to the adapter's.
    """

    credentials: Mapping[str, Secret] | None = None
    options: Mapping[str, str] | None = None
    currencies: Sequence[str] | None = None
    priority: int | None = None
    routing: Routing | None = None
    display: Display | None = None
    record_on: RecordOn | None = None
    declines: Mapping[str, str | None] | None = None
    enabled: bool | None = None


async def add(
    runtime: Runtime, by: Author, account: str, name: str, adapter: str, change: ConnectionChange
) -> Connection:
    """A new connection of `account` (its id). Raises FieldError, NameTakenError, NotThereError."""
    await _refuse_private(runtime, account, adapter, change.options or {})
    return await insert(runtime, by, account, name, adapter, change)


async def insert(
    runtime: Runtime, by: Author, account: str, name: str, adapter: str, change: ConnectionChange
) -> Connection:
    """The same without looking addresses up: for who holds a transaction, and runs the gateway."""
    check_name(name)
    if name == STRIPE:
        raise FieldError("name", "stands for Stripe itself, where a payment method session names who keeps the method")
    credentials, options = dict(change.credentials or {}), dict(change.options or {})
    _check_config(runtime, adapter, credentials, options)
    currencies, overrides = _currencies(adapter, change.currencies or ()), declines.merged({}, change.declines or {})
    connection, now = new_id("con"), await business_now()
    priority, record_on, enabled = change.priority or 0, change.record_on or "confirmed", change.enabled is not False
    routing = builtins(_offerable(adapter, change.routing or Routing()))
    display = builtins(change.display or Display())
    async with DB.transaction():
        of = await sql.row("select livemode from tollbridge.account where id = $1 for key share", account)
        if of is None:
            raise NotThereError("account", account)
        _check_environment(adapter, options, livemode=of["livemode"])
        if record_on == "settled":
            check_settles(await policy_of(account), adapter, "record_on")
        sealed = _sealed(runtime.keyring, connection, credentials)
        try:
            secret = (sealed, sorted(credentials))
            rules = (_json(routing), _json(display))
            values = (_json(options), currencies, priority, *rules, record_on, _json(overrides), enabled, now)
            await sql.rows(INSERT, connection, account, name, adapter, *secret, *values)
        except asyncpg.UniqueViolationError:
            raise NameTakenError("name", f"there is a connection {name!r} already") from None
        after = {
            "name": name,
            "adapter": adapter,
            "credentials": dict.fromkeys(credentials, SET),
            "options": options,
            "currencies": currencies,
            "priority": priority,
            "routing": routing,
            "display": display,
            "record_on": record_on,
            "declines": overrides,
            "enabled": enabled,
        }
        await by.note(account, "connection.added", connection, name=name, after=after)
        await poke_waiting(account, connection, now)
    return await show(account, connection)


async def update(runtime: Runtime, by: Author, account: str, connection: str, change: ConnectionChange) -> Connection:
    """Change what `change` gives; raises NotThereError, FieldError. The same again changes and notes nothing.

    Where an option changes that chooses the host, `change` must hold every credential: nobody has one that is kept
    here sent to an address of their own.
    """
    if change.options:
        known = await show(account, connection)
        elsewhere = {name: value for name, value in change.options.items() if known.options.get(name) != value}
        await _refuse_private(runtime, account, known.adapter, elsewhere)
    return await alter(runtime, by, account, connection, change)


async def alter(runtime: Runtime, by: Author, account: str, connection: str, change: ConnectionChange) -> Connection:
    """The same without looking addresses up: for who holds a transaction, and runs the gateway."""
    async with DB.transaction():
        wanted = "select * from tollbridge.connection where account = $1 and (id = $2 or name = $2) for no key update"
        row = await sql.row(wanted, account, connection)
        if row is None:
            raise NotThereError("connection", connection)
        old = runtime.connections.credentials(row)
        new = {**old, **(change.credentials or {})}
        before, after = _before_and_after(row, old, new, change)
        _check_config(runtime, row["adapter"], new, after["options"])
        _refuse_elsewhere(row["adapter"], before["options"], after["options"], old.keys() - (change.credentials or {}))
        livemode = await sql.value("select livemode from tollbridge.account where id = $1", account)
        _check_environment(row["adapter"], after["options"], livemode=livemode)
        if after["record_on"] == "settled":
            check_settles(await policy_of(account), row["adapter"], "record_on")
        was, is_now = differences(before, after)
        if is_now:
            sealed = row["credentials"] if new == old else _sealed(runtime.keyring, row["id"], new)
            now, classed = await business_now(), _json(after["declines"])
            rules = (_json(after["routing"]), _json(after["display"]))
            values = (after["currencies"], after["priority"], *rules, after["record_on"], classed, after["enabled"])
            await sql.rows(UPDATE, row["id"], sealed, sorted(new), _json(after["options"]), *values)
            await by.note(account, "connection.updated", row["id"], name=row["name"], before=was, after=is_now)
            # Such a case before invoices, as where a decline opens it.
            await declines.close_cases(account, row["id"], after["declines"].keys() - before["declines"].keys(), now)
            await poke_waiting(account, row["id"], now)
    return await show(account, row["id"])


async def poke_waiting(account: str, connection: str, now: datetime) -> None:
    """Invoices that nobody could collect, or that wait for a try, may have a way now, or none any more, since this
    connection has changed; in the caller's transaction."""
    waiting = await sql.rows(WAITING, account, connection)
    await poke.poke(Kind.INVOICE, account, [row["id"] for row in waiting], now)


async def show(account: str, connection: str) -> Connection:
    """By id or name; raises NotThereError."""
    row = await sql.row(f"{SELECT} where c.account = $1 and (c.id = $2 or c.name = $2)", account, connection)
    if row is None:
        raise NotThereError("connection", connection)
    return _shown(row)


async def listed(account: str) -> list[Connection]:
    """The connections of an account in the order in which they are preferred."""
    rows = await sql.rows(f"{SELECT} where c.account = $1 order by c.priority, c.created_at, c.id", account)
    return [_shown(row) for row in rows]


def webhook_url(base_url: str, account: str, connection: str) -> str:
    """Where a connection's processor is to send its notifications; by the names of both."""
    return f"{base_url}/webhooks/{account}/{connection}"


def _before_and_after(
    row: Any, old: Mapping[str, Secret], new: Mapping[str, Secret], change: ConnectionChange
) -> tuple[dict[str, Any], dict[str, Any]]:
    before: dict[str, Any] = {
        "credentials": dict.fromkeys(old, SET),
        "options": msgspec.json.decode(row["options"]),
        "currencies": list(row["currencies"]),
        "priority": row["priority"],
        "routing": msgspec.json.decode(row["routing"]),
        "display": msgspec.json.decode(row["display"]),
        "record_on": row["record_on"],
        "declines": msgspec.json.decode(row["declines"]),
        "enabled": row["enabled"],
    }
    after = dict(before)
    after["credentials"] = {name: SET if old.get(name) == value else CHANGED for name, value in new.items()}
    if change.options is not None:
        after["options"] = {**before["options"], **change.options}
    if change.currencies is not None:
        after["currencies"] = _currencies(row["adapter"], change.currencies)
    if change.routing is not None:
        after["routing"] = builtins(_offerable(row["adapter"], change.routing))
    if change.display is not None:
        after["display"] = builtins(change.display)
    if change.declines is not None:
        after["declines"] = declines.merged(before["declines"], change.declines)
    for field in ("priority", "record_on", "enabled"):
        if (value := getattr(change, field)) is not None:
            after[field] = value
    return before, after


def _check_config(runtime: Runtime, name: str, credentials: Mapping[str, Secret], options: Mapping[str, str]) -> None:
    """The adapter itself judges the values; which fields there may be is known before. Raises FieldError."""
    try:
        adapter = adapter_class(name)
    except UnknownAdapterError as error:
        raise FieldError("adapter", str(error)) from None
    for kind, given, known in (
        ("credentials", credentials, _credential_fields(adapter)),
        ("options", options, _option_fields(adapter)),
    ):
        for field in sorted(set(given) - set(known)):
            there = ", ".join(known) or "none"
            raise FieldError(f"{kind}.{field}", f"adapter {name!r} has no such field; there are {there}")
    for field in adapter.credential_fields:
        if field not in credentials:
            wanted, others = ", ".join(adapter.credential_fields), ", ".join(adapter.optional_credential_fields)
            fields = f"adapter {name!r} wants {wanted}" + (f", and may have {others}" if others else "")
            raise FieldError(f"credentials.{field}", f"this parameter is required; {fields}")
    for field, secret in credentials.items():
        if not secret.reveal().strip():
            raise FieldError(f"credentials.{field}", "is empty")
    try:
        runtime.connections.build(name, dict(credentials), dict(options))
    except ConfigurationError as error:
        raise _located(_credential_fields(adapter), _option_fields(adapter), error) from None


def _refuse_elsewhere(adapter: str, before: Mapping[str, str], after: Mapping[str, str], kept: Set[str]) -> None:
    """Raise FieldError where a credential that was not given anew would be sent to another host."""
    for option in adapter_class(adapter).host_option_fields:
        if kept and before.get(option) != after.get(option):
            raise FieldError(
                f"credentials.{min(kept)}", f"give every credential anew: options.{option} chooses where they are sent"
            )


def _check_environment(adapter: str, options: Mapping[str, str], *, livemode: bool) -> None:
    """Test money must not pay live invoices, nor the reverse; what is live goes out under TLS. Raises FieldError."""
    wanted = "live" if livemode else "test"
    if options.get("environment", wanted) != wanted:
        raise FieldError("options.environment", f"the account's Stripe key is one of {wanted} mode")
    for field, url in _addresses(adapter, options).items():
        if livemode and urlsplit(url).scheme != "https":
            raise FieldError(f"options.{field}", PLAIN)


async def _refuse_private(runtime: Runtime, account: str, adapter: str, options: Mapping[str, str]) -> None:
    """Raise FieldError where a live account's credentials would be sent into our own network.

    Outside any transaction: a name is resolved. One that has no address now is nobody's.
    """
    DB.assert_no_transaction("looking a processor's address up")
    try:
        addresses = _addresses(adapter, options)
    except UnknownAdapterError:
        return
    if not addresses or not await sql.value("select livemode from tollbridge.account where id = $1", account):
        return
    for field, url in addresses.items():
        if urlsplit(url).scheme != "https":
            raise FieldError(f"options.{field}", PLAIN)
        with suppress(UnresolvedError):
            try:
                await refuse_private(url, private=runtime.settings.outbound_private)
            except AddressError as error:
                raise FieldError(f"options.{field}", str(error)) from None


def _addresses(adapter: str, options: Mapping[str, str]) -> dict[str, str]:
    """Those of the options that are the whole address to which credentials are sent. Raises UnknownAdapterError."""
    fields = adapter_class(adapter).host_option_fields
    return {field: options[field] for field in fields if "://" in options.get(field, "")}


def _credential_fields(adapter: type[ProcessorAdapter]) -> tuple[str, ...]:
    return (*adapter.credential_fields, *adapter.optional_credential_fields)


def _option_fields(adapter: type[ProcessorAdapter]) -> tuple[str, ...]:
    return (*adapter.option_fields, *adapter.optional_option_fields)


def _located(credentials: Sequence[str], options: Sequence[str], error: ConfigurationError) -> FieldError:
    """An adapter names the field at the beginning of its message."""
    field, _, rest = str(error).partition(" ")
    field = field.rstrip(":")
    if field in credentials:
        return FieldError(f"credentials.{field}", rest)
    if field in options:
        return FieldError(f"options.{field}", rest)
    return FieldError("options", str(error))


def _currencies(adapter: str, currencies: Sequence[str]) -> list[str]:
    known = capabilities_of(adapter).currencies
    for place, currency in enumerate(currencies):
        if not CURRENCY.fullmatch(currency):
            raise FieldError(f"currencies.{place}", "must be three lower-case letters")
        if known is not None and currency not in known:
            raise FieldError(f"currencies.{place}", f"adapter {adapter!r} does not take {currency}")
    return list(dict.fromkeys(currencies))


def _offerable(adapter: str, routing: Routing) -> Routing:
    """The rules, if there is a payer whom they allow; raises FieldError for those that would offer it to nobody."""
    known = capabilities_of(adapter).currencies
    for currency, bounds in routing.amounts.items():
        if known is not None and currency not in known:
            raise FieldError(f"routing.amounts.{currency}", f"adapter {adapter!r} does not take {currency}")
        if bounds.maximum is not None and bounds.maximum < (bounds.minimum or 0):
            crossed = f"from {bounds.minimum} to {bounds.maximum} there is no amount: nobody would be offered it"
            raise FieldError(f"routing.amounts.{currency}", crossed)
    return routing


def _shown(row: Any) -> Connection:
    return Connection(
        id=row["id"],
        account=row["account"],
        name=row["name"],
        adapter=row["adapter"],
        credentials=tuple(row["credential_fields"]),
        options=msgspec.json.decode(row["options"]),
        currencies=tuple(row["currencies"]),
        priority=row["priority"],
        routing=msgspec.json.decode(row["routing"], type=Routing),
        display=msgspec.json.decode(row["display"], type=Display),
        record_on=row["record_on"],
        declines=msgspec.json.decode(row["declines"], type=dict[str, DeclineClass]),
        enabled=row["enabled"],
        created_at=row["created_at"],
        circuit=Circuit(row["failures"] or 0, row["failing_since"], row["opened_at"], row["probe_at"]),
    )


def _sealed(keyring: Keyring, connection: str, credentials: Mapping[str, Secret]) -> bytes:
    plain = msgspec.json.encode({name: secret.reveal() for name, secret in credentials.items()})
    return keyring.encrypt(plain, table="connection", column="credentials", row=connection)


def _json(value: Mapping[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
