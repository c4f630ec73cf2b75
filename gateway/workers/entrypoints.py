"""What a job does: look at one object again, route some deliveries, or send what is due to one endpoint.

A job is only a wake-up, so it never fails: whatever it meets is written on the object's own row, and what escapes even
that is logged by name (its text may quote a secret, and PgQueuer would store it) and repaired by the sweep.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import msgspec
import structlog

from db.poke import Kind, WakeUp
from gateway.checkout.advance import advance_checkout
from gateway.collect.advance import advance_invoice
from gateway.customers.session_advance import advance_method_session
from gateway.customers.upkeep import advance_method
from gateway.inbox.route import Router
from gateway.moment import moment
from gateway.outbound.deliver import Deliverer
from gateway.returns.advance import advance_refund
from gateway.returns.advance_dispute import advance_dispute
from gateway.runtime import Runtime
from gateway.subscriptions.advance import advance_subscription
from gateway.usage.send import advance_usage

log = structlog.get_logger()

Advance: TypeAlias = Callable[[Runtime, WakeUp], Awaitable[None]]

ADVANCE: Final[Mapping[Kind, Advance]] = {
    Kind.INVOICE: advance_invoice,
    Kind.SUBSCRIPTION: advance_subscription,
    Kind.CHECKOUT: advance_checkout,
    Kind.METHOD_SESSION: advance_method_session,
    Kind.METHOD: advance_method,
    Kind.REFUND: advance_refund,
    Kind.DISPUTE: advance_dispute,
    Kind.USAGE: advance_usage,
}


async def advance(runtime: Runtime, wake_up: WakeUp) -> None:
    """Bring one object as far as it goes now."""
    with moment():
        await ADVANCE[wake_up.kind](runtime, wake_up)


async def advance_job(runtime: Runtime, payload: bytes | None) -> None:
    """The entry point `advance`; raises nothing."""
    try:
        wake_up = msgspec.json.decode(payload or b"", type=WakeUp)
    except msgspec.DecodeError as error:
        log.error("job_unreadable", entrypoint="advance", error=type(error).__name__)
        return
    try:
        await advance(runtime, wake_up)
    except Exception as error:
        log.error("job_failed", entrypoint="advance", kind=wake_up.kind, id=wake_up.id, error=type(error).__name__)


async def route_job(router: Router, payload: bytes | None) -> None:
    """The entry point `route`; raises nothing."""
    try:
        ids = msgspec.json.decode(payload or b"", type=list[str])
        await router.route(ids)
    except Exception as error:
        log.error("job_failed", entrypoint="route", error=type(error).__name__)


async def deliver_job(deliverer: Deliverer, payload: bytes | None) -> None:
    """The entry point `deliver`; raises nothing."""
    try:
        await deliverer.deliver(msgspec.json.decode(payload or b"", type=str))
    except Exception as error:
        log.error("job_failed", entrypoint="deliver", error=type(error).__name__)
