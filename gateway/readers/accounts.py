"""Accounts, without their secrets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from gateway.accounts.accounts import Account
from gateway.accounts.webhook_secrets import WebhookSecret
from gateway.readers.about import about
from gateway.readers.pages import unix


class WebhookSecretBody(msgspec.Struct, frozen=True):
    """A signing secret of Stripe's webhooks, without the secret."""

    id: str
    created: Annotated[int, about("Unix seconds.")]
    object: Literal["webhook_secret"] = "webhook_secret"


class PermissionBody(msgspec.Struct, frozen=True):
    """A permission of a restricted key."""

    label: Annotated[str, about("In words close to those of Stripe's Dashboard.")]
    level: Annotated[str, about("`read`, or `write`, which includes reading.")]
    name: Annotated[str, about("As Stripe's refusals name it.")]
    only_for: Annotated[str | None, about("What it is for, where not every account needs it.")] = None


class StripeEndpointBody(msgspec.Struct, frozen=True):
    """A webhook endpoint or event destination at Stripe that sends us the account's events."""

    id: Annotated[str, about("Stripe's: we_… or ed_…")]
    thin: Annotated[bool, about("It sends thin events, which have no API version.")]
    api_version: Annotated[str | None, about("Of its events, as Stripe shows it; null: the Stripe account's own.")]
    adopted: Annotated[bool, about("It was made by hand.")]
    created: Annotated[int, about("Unix seconds: when we made or found it.")]
    retires_at: Annotated[int | None, about("Unix seconds; another one has taken its place, and it is removed then.")]
    object: Literal["stripe_endpoint"] = "stripe_endpoint"


class LastEventBody(msgspec.Struct, frozen=True):
    """The last event of Stripe's that was let in."""

    received: Annotated[int, about("Unix seconds.")]
    api_version: Annotated[str | None, about("The version of Stripe's API that it is shaped by; null for a thin one.")]
    thin: bool


class AccountSetupBody(msgspec.Struct, frozen=True):
    """What the account needs at Stripe, and what of it is there."""

    events: Annotated[list[str], about("The types that its webhook endpoint must send; more do no harm.")]
    thin_events: Annotated[list[str], about("The same for an event destination of thin events.")]
    thin_events_beside: Annotated[list[str], about("Thin events that are needed beside an endpoint of snapshots.")]
    permissions: Annotated[list[PermissionBody], about("The least that a restricted key must be allowed.")]
    permissions_for_commands: Annotated[list[PermissionBody], about("What only a command takes that somebody runs.")]
    endpoints: Annotated[list[StripeEndpointBody], about("Those that we have set up, or found.")]
    last_event: LastEventBody | None


class AccountBody(msgspec.Struct, frozen=True):
    """One Stripe account."""

    id: str
    name: Annotated[str, about("Part of the webhook addresses; never changed.")]
    livemode: Annotated[bool, about("By its first key, for ever.")]
    enabled: Annotated[bool, about("Nothing is collected for a disabled account; its webhooks are still kept.")]
    stripe_account: Annotated[str | None, about("Stripe's id of it, once a check has asked.")]
    api_base: Annotated[str | None, about("Null: Stripe's own address.")]
    portal_url: Annotated[str | None, about("Where customers manage their subscription.")]
    policies: Annotated[dict[str, Any], about("Complete, with defaults.")]
    webhook_secrets: Annotated[list[WebhookSecretBody], about("Those that are accepted.")]
    webhook_url: Annotated[str, about("The address to give to Stripe.")]
    created: Annotated[int, about("Unix seconds.")]
    setup: Annotated[AccountSetupBody | None, about("What it needs at Stripe, where one account is asked for.")] = None
    object: Literal["account"] = "account"


def shown(account: Account, base_url: str, setup: AccountSetupBody | None = None) -> AccountBody:
    """The account as it stands in JSON."""
    return AccountBody(
        id=account.id,
        name=account.name,
        livemode=account.livemode,
        enabled=account.enabled,
        stripe_account=account.stripe_account or None,
        api_base=account.api_base or None,
        portal_url=account.portal_url or None,
        policies=msgspec.to_builtins(account.policy),
        webhook_secrets=[_secret(secret) for secret in account.webhook_secrets],
        webhook_url=f"{base_url}/webhooks/stripe/{account.name}",
        created=unix(account.created_at),
        setup=setup,
    )


def _secret(secret: WebhookSecret) -> WebhookSecretBody:
    return WebhookSecretBody(secret.id, unix(secret.created_at))
