"""Webhooks as Stripe sends them: in order per customer, in the receiver's API version, with `Stripe-Signature`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from gateway.sandbox.kit.delivery import Delivery
from gateway.sandbox.stripe.events import EventRow
from gateway.sandbox.stripe.receivers import Receiver, receivers
from gateway.sandbox.stripe.thin_events import ThinEvent

if TYPE_CHECKING:
    from gateway.sandbox.stripe.store import Account


class Webhooks:
    """How events leave an account. `on_acknowledged` is told when a receiver has accepted a snapshot event."""

    def __init__(self, delivery: Delivery, on_acknowledged: Callable[[Account, EventRow], None]) -> None:
        self.delivery = delivery
        self._on_acknowledged = on_acknowledged

    def send(self, account: Account, event: EventRow | ThinEvent, receiver: str) -> None:
        self.delivery.put(event, Receiver(account, receiver), partial(self._answered, account, event, receiver))

    def receivers(self, account: Account, event: EventRow | ThinEvent) -> list[Receiver]:
        """The enabled ones that want the type."""
        thin = isinstance(event, ThinEvent)
        return [r for r in receivers(account) if r.is_thin == thin and r.wants(event.type)]

    def resend(self, account: Account, event: EventRow | ThinEvent) -> int:
        """As the Dashboard's button: to every enabled receiver that wants the type, whatever happened before."""
        wanted = self.receivers(account, event)
        for receiver in wanted:
            self.send(account, event, receiver.id)
        return len(wanted)

    def _answered(self, account: Account, event: EventRow | ThinEvent, receiver: str, accepted: bool | None) -> None:
        if accepted is not None:
            event.tried.add(receiver)
        if accepted is not False:
            event.waiting.discard(receiver)
        if accepted and isinstance(event, EventRow):
            self._on_acknowledged(account, event)
