"""What sends us events, at Stripe: webhook endpoints for snapshots, event destinations for thin events.

They are two APIs of one thing, and one shape here. What we make carries the account's id in its metadata (law 11). The
signing secret is in the answer to its making, and never again (API description, POST /v1/webhook_endpoints).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.billing.client import API_VERSION, StripeClient
from gateway.billing.errors import StripeRefusedError
from processors.values import Unprinted

MARK: Final = "tollbridge_account"
"""The key in the metadata of what we make."""
NAME: Final = "Tollbridge"
SNAPSHOTS: Final = "/v1/webhook_endpoints"
DESTINATIONS: Final = "/v2/core/event_destinations"
MOST: Final = 100
"""On one page; an account has sixteen at most."""
URL: Final = "webhook_endpoint.url"
SECRET: Final = "webhook_endpoint.signing_secret"  # noqa: S105 (the name of a field)


class Endpoint(Unprinted, msgspec.Struct, frozen=True, kw_only=True):
    """One of either kind. `secret` only in the answer to its making; `made_for`: the account of ours that made it."""

    id: str
    thin: bool
    url: str
    events: frozenset[str]
    enabled: bool
    api_version: str = ""
    made_for: str = ""
    secret: str = ""


class _Snapshots(Unprinted, msgspec.Struct, frozen=True):
    id: str
    url: str = ""
    enabled_events: list[str] = []
    status: str = ""
    api_version: str | None = None
    metadata: dict[str, str] | None = None
    secret: str | None = None


class _Webhook(Unprinted, msgspec.Struct, frozen=True):
    url: str | None = None
    signing_secret: str | None = None


class _Destination(Unprinted, msgspec.Struct, frozen=True):
    id: str
    event_payload: str = ""
    enabled_events: list[str] = []
    status: str = ""
    snapshot_api_version: str | None = None
    metadata: dict[str, str] | None = None
    webhook_endpoint: _Webhook | None = None


class _SnapshotsPage(msgspec.Struct, frozen=True):
    data: list[_Snapshots] = []


class _DestinationPage(msgspec.Struct, frozen=True):
    data: list[_Destination] = []


class _Gone(msgspec.Struct, frozen=True):
    id: str = ""


async def listed(stripe: StripeClient, *, thin: bool) -> list[Endpoint]:
    """Every endpoint of a kind that we make, the newest first. Raises StripeError."""
    return [one for one in await destinations(stripe) if one.thin] if thin else await endpoints(stripe)


async def endpoints(stripe: StripeClient) -> list[Endpoint]:
    """Webhook endpoints, of the first API. Raises StripeError."""
    page = await stripe.get(SNAPSHOTS, _SnapshotsPage, {"limit": MOST})
    return [_of_snapshots(one) for one in page.data]


async def destinations(stripe: StripeClient) -> list[Endpoint]:
    """Event destinations, of the second API, that are webhook endpoints; they may send either. Raises StripeError."""
    found = await stripe.get(DESTINATIONS, _DestinationPage, {"limit": MOST, "include": [URL]})
    return [_of_destination(one) for one in found.data if one.webhook_endpoint is not None]


async def create(stripe: StripeClient, account: str, url: str, events: Sequence[str], *, thin: bool) -> Endpoint:
    """Make one, with its secret in the answer. Raises StripeError; after StripeUnknownError one may be there."""
    metadata = {MARK: account}
    if not thin:
        wanted = {"url": url, "enabled_events": list(events), "api_version": API_VERSION, "metadata": metadata}
        return _of_snapshots(await stripe.post(SNAPSHOTS, _Snapshots, wanted))
    params: Mapping[str, Any] = {
        "name": NAME,
        "type": "webhook_endpoint",
        "event_payload": "thin",
        "enabled_events": list(events),
        "webhook_endpoint": {"url": url},
        "metadata": metadata,
        "include": [SECRET, URL],
    }
    return _of_destination(await stripe.post(DESTINATIONS, _Destination, params))


async def mend(stripe: StripeClient, known: Endpoint, url: str, events: Sequence[str]) -> None:
    """Have it send these events there, and send at all. Absolute values: the same twice. Raises StripeError."""
    if not known.thin:
        wanted = {"url": url, "enabled_events": list(events), "disabled": False}
        await stripe.post(f"{SNAPSHOTS}/{known.id}", _Snapshots, wanted)
        return
    changed = {"enabled_events": list(events), "webhook_endpoint": {"url": url}}
    await stripe.post(f"{DESTINATIONS}/{known.id}", _Destination, changed)
    if not known.enabled:
        await stripe.post(f"{DESTINATIONS}/{known.id}/enable", _Destination, {})


async def remove(stripe: StripeClient, endpoint: str, *, thin: bool) -> None:
    """Delete one; one that is gone is gone. Raises StripeError."""
    try:
        await stripe.delete(f"{DESTINATIONS if thin else SNAPSHOTS}/{endpoint}", _Gone)
    except StripeRefusedError as error:
        if error.status != 404:
            raise


def _of_snapshots(one: _Snapshots) -> Endpoint:
    return Endpoint(
        id=one.id,
        thin=False,
        url=one.url,
        events=frozenset(one.enabled_events),
        enabled=one.status == "enabled",
        api_version=one.api_version or "",
        made_for=(one.metadata or {}).get(MARK, ""),
        secret=one.secret or "",
    )


def _of_destination(one: _Destination) -> Endpoint:
    webhook = one.webhook_endpoint or _Webhook()
    return Endpoint(
        id=one.id,
        thin=one.event_payload == "thin",
        url=webhook.url or "",
        events=frozenset(one.enabled_events),
        enabled=one.status == "enabled",
        api_version=one.snapshot_api_version or "",
        made_for=(one.metadata or {}).get(MARK, ""),
        secret=webhook.signing_secret or "",
    )
