"""Calls to Checkout.com: how a payment is asked for, with its actions, and held to be ours."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from processors.calls import if_there, segment
from processors.checkout_com.wire import (
    ApiAction,
    ApiDisputes,
    ApiInstrument,
    ApiPayment,
    ApiPayments,
    ApiWorkflow,
)
from processors.errors import OutcomeUnknownError
from processors.transport import Answer, Transport
from processors.values import PreparedCall, Secret

PAGE: Final = 100
"""The most that a list gives at once."""


class CheckoutApi:
    """One processing channel. Everything that comes back is held to be its own, or refused."""

    def __init__(self, transport: Transport, secret_key: Secret, channel: str) -> None:
        self._transport = transport
        self._secret_key = secret_key
        self._channel = channel

    async def get(self, path: str, template: str) -> Answer:
        """Raises CallError."""
        return await self.send(PreparedCall("GET", path, (), b""), template)

    async def send(self, call: PreparedCall, template: str) -> Answer:
        """Raises CallError."""
        auth = {"authorization": f"Bearer {self._secret_key.reveal()}"}
        return await self._transport.send(call, auth, template=template)

    async def payment(self, processor_id: str) -> ApiPayment | None:
        """One payment; None where there is none. Raises CallError."""
        answer = await if_there(self.get(f"/payments/{segment(processor_id)}", "/payments/{id}"))
        if answer is None:
            return None
        shown = answer.decode(ApiPayment)
        if shown.id != processor_id:
            raise OutcomeUnknownError("the processor answered with a payment that is not the one asked for")
        return self.own(shown)

    async def payments(self, reference: str) -> list[ApiPayment]:
        """The payments under our reference; raises CallError, so also where there are more than a page holds."""
        query = urlencode({"reference": reference, "limit": PAGE})
        page = (await self.get(f"/payments?{query}", "/payments?reference={}")).decode(ApiPayments)
        if (page.total_count or 0) > len(page.data):
            raise OutcomeUnknownError("the processor shows too many payments of one reference to see")
        return [self.own(one, reference) for one in page.data]

    def own(self, payment: ApiPayment, reference: str | None = None) -> ApiPayment:
        """Raises OutcomeUnknownError for a payment of another channel, or under another reference than was asked."""
        if payment.processing_channel_id not in (None, self._channel):
            raise OutcomeUnknownError("the processor answered with a payment of another processing channel")
        if reference is not None and payment.reference != reference:
            raise OutcomeUnknownError("the processor answered with a payment that is not the one asked for")
        return payment

    async def actions(self, processor_id: str) -> list[ApiAction]:
        """All that was done to a payment that was taken, at least that; raises CallError."""
        done = await self._actions(processor_id)
        if not done:
            raise OutcomeUnknownError("the processor shows a payment to which nothing was done")
        return done

    async def _actions(self, processor_id: str) -> list[ApiAction]:
        answer = await self.get(f"/payments/{segment(processor_id)}/actions", "/payments/{id}/actions")
        return answer.decode(list[ApiAction])

    async def refusal(self, payment: ApiPayment) -> ApiAction | None:
        """The action by which a payment was declined: a payment that is read tells no code. Raises CallError."""
        refused = [one for one in await self._actions(payment.id) if one.approved is False]
        return max(refused, key=lambda one: (one.processed_on is not None, one.processed_on, one.id), default=None)

    async def instrument(self, token: str) -> ApiInstrument | None:
        """A stored card; None where there is none. Raises CallError."""
        answer = await if_there(self.get(f"/instruments/{segment(token)}", "/instruments/{id}"))
        return None if answer is None else answer.decode(ApiInstrument)

    async def workflow(self, workflow: str) -> ApiWorkflow:
        """A workflow, whole; raises CallError."""
        return (await self.get(f"/workflows/{segment(workflow)}", "/workflows/{id}")).decode(ApiWorkflow)

    async def disputes(self, since: datetime, skip: int) -> ApiDisputes:
        """A page of the disputes that changed since; raises CallError."""
        query = urlencode({"from": since.strftime("%Y-%m-%dT%H:%M:%SZ"), "limit": PAGE, "skip": skip})
        return (await self.get(f"/disputes?{query}", "/disputes?from={}")).decode(ApiDisputes)
