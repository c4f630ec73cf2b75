"""An account for people: its fields, its policies as they can be typed, and what it needs at Stripe."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.cli.output import OUT, fields, when
from gateway.cli.values import typed
from gateway.readers.accounts import AccountBody, AccountSetupBody, LastEventBody, PermissionBody, StripeEndpointBody
from gateway.settings import Settings


def print_account(account: AccountBody, settings: Settings) -> None:
    """All of it."""
    # Stripe reaches no address of this machine's own.
    where = "" if settings.public_url else "  (set TOLLBRIDGE_PUBLIC_URL to where Stripe reaches this installation)"
    fields(
        {
            "name": account.name,
            "id": account.id,
            "mode": "live" if account.livemode else "test",
            "stripe account": account.stripe_account or "not asked yet: tollbridge accounts check",
            "enabled": account.enabled,
            "api base": account.api_base or "Stripe's own",
            "portal": account.portal_url or "none",
            "webhooks at": account.webhook_url + where,
            "webhook secrets": _lines(f"{one.id} ({when(one.created)})" for one in account.webhook_secrets) or "none",
            **(_heard(account.setup) if account.setup is not None else {}),
        }
    )
    if account.setup is not None:
        _print_setup(account.setup)
    OUT.print("\n[bold]Policies[/bold], as --policy takes them:")
    for name, value in account.policies.items():
        OUT.print(f"  {policy_text(name, value)}", markup=False, soft_wrap=True)


def policy_text(name: str, value: Any) -> str:
    """A policy as a shell takes it after `--policy`."""
    return shlex.quote(f"{name}={typed(value)}")


def _heard(setup: AccountSetupBody) -> dict[str, str]:
    none = "none of ours: tollbridge accounts setup-webhook"
    return {
        "endpoints": _lines(_endpoint(one) for one in setup.endpoints) or none,
        "last event": _last(setup.last_event),
    }


def _lines(values: Iterable[str]) -> str:
    """One to a line: each is long, and its id is copied for another command."""
    return "\n".join(values)


def _print_setup(setup: AccountSetupBody) -> None:
    OUT.print("\n[bold]Events[/bold] that its endpoint at Stripe must send:")
    OUT.print(f"  {' '.join(setup.events)}", markup=False, soft_wrap=True)
    if setup.thin_events_beside:
        OUT.print("and as thin events, beside them:")
        OUT.print(f"  {' '.join(setup.thin_events_beside)}", markup=False, soft_wrap=True)
    OUT.print("\n[bold]Permissions[/bold], the least that a restricted key needs:")
    for one in setup.permissions:
        OUT.print(_permission(one), markup=False)
    OUT.print("and for commands alone:")
    for one in setup.permissions_for_commands:
        OUT.print(_permission(one), markup=False)


def _permission(one: PermissionBody) -> str:
    only_for = f", only for {one.only_for}" if one.only_for else ""
    return f"  {one.label}: {one.level}  ({one.name}){only_for}"


def _endpoint(one: StripeEndpointBody) -> str:
    shape = "thin" if one.thin else f"snapshots of {one.api_version or 'the account’s own version'}"
    end = f", removed after {when(one.retires_at)}" if one.retires_at is not None else ""
    return f"{one.id} ({shape}{', made by hand' if one.adopted else ''}{end})"


def _last(event: LastEventBody | None) -> str:
    if event is None:
        return "none was let in yet"
    shape = "thin" if event.thin else f"API version {event.api_version or 'unknown'}"
    return f"{when(event.received)} ({shape})"


def print_set_up(done: Mapping[str, str], notes: list[str]) -> None:
    """What setup-webhook did."""
    for endpoint, what in done.items():
        OUT.print(f"{endpoint}: {what}", markup=False)
    for note in notes:
        OUT.print(f"To do: {note}", markup=False, soft_wrap=True)
