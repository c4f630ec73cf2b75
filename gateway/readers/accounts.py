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
    object: Literal["account"] = "account"


def shown(account: Account, base_url: str) -> AccountBody:
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
    )


def _secret(secret: WebhookSecret) -> WebhookSecretBody:
    return WebhookSecretBody(secret.id, unix(secret.created_at))
