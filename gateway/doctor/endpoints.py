"""The webhook endpoint: whether Stripe has it, what it sends, and whether the world reaches us."""

from __future__ import annotations

import asyncio
from typing import Final

import httpcore

from db import sql
from gateway.addresses import AddressError, PublicNetwork, checked_url
from gateway.billing import configured, webhook_endpoints
from gateway.billing.errors import StripeError
from gateway.billing.webhook_endpoints import Endpoint
from gateway.doctor.patient import Patient
from gateway.domain.doctor import Finding, Level, notice, ok, unknown, wrong
from gateway.domain.doctor_endpoints import CHECK, Destination, Expected, judge
from gateway.inbox.table import depended_on, subscribed, subscribed_beside

REACHED: Final = "reachable"
TIMEOUT_S: Final = 10.0
REPORTS_USAGE: Final = "select 1 from tollbridge.usage_stream where account = $1"


async def look(patient: Patient) -> list[Finding]:
    """Raises StripeError."""
    stripe = await patient.stripe()
    found, unseen = await webhook_endpoints.endpoints(stripe), ""
    try:
        found += await webhook_endpoints.destinations(stripe)
    except StripeError as error:
        unseen = str(error)
    told = judge([_destination(one) for one in found], await _expected(patient))
    if unseen and any(one.level is Level.WRONG for one in told):
        what = "the webhook endpoints do not bring all, and whether an event destination does can't be seen"
        return [unknown(CHECK, what, unseen), *(one for one in told if one.level is not Level.WRONG)]
    return told


async def _expected(patient: Patient) -> Expected:
    """Raises StripeError. Types that only thin events have are those of usage."""
    newest = await configured.newest_events(await patient.stripe())
    needed, usage = depended_on(), await sql.value(REPORTS_USAGE, patient.id)
    return Expected(
        name=patient.account.name,
        url=patient.webhook_url,
        needed=needed,
        also=frozenset(subscribed()) - needed,
        thin=frozenset(name.removeprefix("v1.") for name in subscribed_beside()) if usage else frozenset(),
        version=next((event.api_version for event in newest if event.api_version), ""),
        public=patient.is_public,
    )


def _destination(one: Endpoint) -> Destination:
    return Destination(one.id, one.url, one.enabled, one.events, one.api_version, one.thin)


async def look_from_outside(patient: Patient) -> list[Finding]:
    """Ask for our own health at the address that the world has of us. Nobody else's address is ever asked, and a
    private one only where the settings allow it (`addresses.py`)."""
    settings = patient.runtime.settings
    if not settings.public_url:
        what = "TOLLBRIDGE_PUBLIC_URL is not set, so that webhook addresses name this machine"
        return [notice(REACHED, what, "Stripe reaches no address of this machine's own", "set it")]
    url = f"{settings.base_url}/health/live"
    try:
        checked_url(url, private=settings.outbound_private)
        status = await _get(url, private=settings.outbound_private)
    except AddressError as error:
        return [
            wrong(REACHED, f"the address {settings.public_url}: {error}", "Stripe can't reach it either", "correct it")
        ]
    except (TimeoutError, OSError, httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        why = f"from here ({type(error).__name__}); some networks don't let a machine reach its own public address"
        what = f"the address {settings.public_url} does not answer"
        return [unknown(REACHED, what, why, "try it from elsewhere: /health/live")]
    if status != 200:
        why = "something else stands there, or a proxy before it refuses"
        return [wrong(REACHED, f"the address {url} answers {status}", why, "see what the proxy does with these paths")]
    return [ok(REACHED, f"the address {settings.public_url} answers")]


async def _get(url: str, *, private: bool) -> int:
    network = None if private else PublicNetwork()
    async with asyncio.timeout(TIMEOUT_S), httpcore.AsyncConnectionPool(network_backend=network) as pool:
        answer = await pool.request("GET", url, headers=[("user-agent", "Tollbridge")])
    return int(answer.status)
