"""Calls to GoCardless: how each is made, and how what was made is found again."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeVar
from urllib.parse import urlencode

from processors.calls import if_there, segment, unclear
from processors.errors import CallError, NotSentError, OutcomeUnknownError, RefusedError
from processors.gocardless.history import in_order
from processors.gocardless.mapping import CONFLICT, REFERENCE_KEY
from processors.gocardless.wire import (
    ApiBankAccount,
    ApiCustomer,
    ApiEvent,
    ApiMandate,
    ApiMeta,
    ApiPayment,
    ApiRefund,
    Events,
    OneBankAccount,
    OneCustomer,
    OneMandate,
    OnePayment,
    OneRefund,
    Payments,
    Refunds,
)
from processors.transport import Answer, Transport
from processors.values import ChargeQuery, PreparedCall, RefundQuery, Secret

VERSION: Final = "2015-07-06"
PAGE: Final = 100
MAX_PAGES: Final = 50
"""A list is read no further: 5,000 payments of one mandate since one attempt are not to be expected."""
CLOCKS_DIFFER: Final = timedelta(hours=1)
"""A payment is looked for from so long before we sent it, since its time is GoCardless' and ours is ours."""
RATE_WINDOW: Final = timedelta(minutes=1)
"""Requests are counted by the minute. When the next begins, `ratelimit-reset` says, and no `retry-after`."""

T = TypeVar("T")
R = TypeVar("R")


class Page(Protocol[R]):
    """One page of a list."""

    @property
    def page(self) -> list[R]: ...
    @property
    def meta(self) -> ApiMeta: ...


class GoCardlessApi:
    """One creditor there. What comes back about a payment is held to be its own, or refused."""

    def __init__(self, transport: Transport, access_token: Secret, account: str) -> None:
        self._transport = transport
        self._access_token = access_token
        self._account = account

    async def get(self, path: str, template: str, **query: str) -> Answer:
        """Raises CallError."""
        whole = f"{path}?{urlencode(query)}" if query else path
        return await self.send(PreparedCall("GET", whole, (), b""), template)

    async def send(self, call: PreparedCall, template: str) -> Answer:
        """Raises CallError."""
        auth = {"authorization": f"Bearer {self._access_token.reveal()}", "gocardless-version": VERSION}
        try:
            return await self._transport.send(call, auth, template=template)
        except NotSentError as error:
            if error.answered and error.retry_after is None:
                raise NotSentError(str(error), RATE_WINDOW, answered=True) from None
            raise

    async def create(self, call: PreparedCall, kind: type[T]) -> T:
        """The answer to a POST; where its key has made something already, that, as it stands.

        A used key is a 409 with the id of what it made (docs: api-usage/idempotency-keys), which is a success. Raises
        CallError.
        """
        try:
            return (await self.send(call, call.path)).decode(kind)
        except RefusedError as error:
            _, conflict, made = error.code.partition(CONFLICT)
            if not conflict:
                raise unclear(error) from None
        return (await known(self.get(f"{call.path}/{segment(made)}", f"{call.path}/{{id}}"))).decode(kind)

    async def _pages(self, path: str, kind: type[Page[R]], **filters: str) -> list[R]:
        """A whole list, newest first as it comes; raises CallError, so also where it does not end."""
        template = f"{path}?{'&'.join(f'{name}={{}}' for name in filters)}"
        found: list[R] = []
        query = {**filters, "limit": str(PAGE)}
        for _ in range(MAX_PAGES):
            shown = (await self.get(path, template, **query)).decode(kind)
            found += shown.page
            if not shown.meta.cursors.after or not shown.page:
                return found
            query["after"] = shown.meta.cursors.after
        raise OutcomeUnknownError(f"the list {template} goes on after {MAX_PAGES} pages")

    # Payments

    async def payments(self, query: ChargeQuery) -> list[ApiPayment]:
        """The payments of a query, oldest first: by id where it's known, else among those of the mandate.

        Raises CallError.
        """
        if query.processor_id:
            found = await self.payment(query.processor_id)
            return [self.own(found, query.reference)] if found else []
        if query.method is None:
            raise OutcomeUnknownError("a payment whose id is not known is found by its mandate alone")
        filters = {"mandate": query.method.token.reveal()}
        if query.since:
            filters["created_at[gte]"] = timestamp(query.since - CLOCKS_DIFFER)
        listed = await self._pages("/payments", Payments, **filters)
        ours = [one for one in listed if one.metadata.get(REFERENCE_KEY) == query.reference]
        return [self.own(one, query.reference) for one in reversed(ours)]

    async def payment(self, payment: str) -> ApiPayment | None:
        """One payment, of whomever; None where there is none. Raises CallError."""
        answer = await if_there(self.get(f"/payments/{segment(payment)}", "/payments/{id}"))
        return None if answer is None else answer.decode(OnePayment).one

    def own(self, payment: ApiPayment, reference: str) -> ApiPayment:
        """Raises OutcomeUnknownError for a payment to another creditor, or not the one asked for."""
        if payment.links.creditor != self._account or payment.metadata.get(REFERENCE_KEY) != reference:
            raise OutcomeUnknownError("GoCardless answered with a payment that is not the one asked for")
        return payment

    async def events_of(self, payment: str) -> list[ApiEvent]:
        """All that has happened to a payment, oldest first; raises CallError."""
        return in_order(await self._pages("/events", Events, payment=payment))

    async def events_since(self, since: datetime, after: str, limit: int) -> Events:
        """A page of all that has happened since, newest first, behind the event `after`; raises CallError."""
        query = {"created_at[gte]": timestamp(since), "limit": str(limit)} | ({"after": after} if after else {})
        template = "/events?created_at={}"
        return (await self.get("/events", template, **query)).decode(Events)

    # Refunds

    async def refund(self, query: RefundQuery) -> ApiRefund | None:
        """By its id where it's known, else among those of its payment; raises CallError."""
        if query.processor_id:
            found = await self.refund_by_id(query.processor_id)
            return None if found is None else self.own_refund(found, query.reference, query.charge_id)
        listed = [one for one in await self.refunds_of(query.charge_id) if reference_of(one) == query.reference]
        if len(listed) > 1:
            raise OutcomeUnknownError("GoCardless shows several refunds with one reference")
        return listed[0] if listed else None

    async def refund_by_id(self, refund: str) -> ApiRefund | None:
        answer = await if_there(self.get(f"/refunds/{segment(refund)}", "/refunds/{id}"))
        return None if answer is None else answer.decode(OneRefund).one

    async def refunds_of(self, payment: str) -> list[ApiRefund]:
        """All refunds of a payment, whoever made them; raises CallError."""
        listed = await self._pages("/refunds", Refunds, payment=segment(payment))
        return [self.own_refund(one, reference_of(one), payment) for one in listed]

    def own_refund(self, refund: ApiRefund, reference: str, payment: str) -> ApiRefund:
        """Raises OutcomeUnknownError for a refund of another payment, or not the one asked for.

        One that was made in the dashboard has no reference, and is asked for by its id with an empty one.
        """
        if (refund.links.payment, reference_of(refund)) != (payment, reference):
            raise OutcomeUnknownError("GoCardless answered with a refund that is not the one asked for")
        return refund

    # Mandates

    async def mandate(self, mandate: str) -> ApiMandate | None:
        """One mandate; None where there is none. Raises CallError."""
        answer = await if_there(self.get(f"/mandates/{segment(mandate)}", "/mandates/{id}"))
        return None if answer is None else answer.decode(OneMandate).one

    async def customer(self, customer: str) -> ApiCustomer | None:
        """Who gave a mandate; None where there is nobody any more. Raises CallError."""
        answer = await if_there(self.get(f"/customers/{segment(customer)}", "/customers/{id}"))
        return None if answer is None else answer.decode(OneCustomer).one

    async def bank_account(self, account: str) -> ApiBankAccount:
        """Raises CallError."""
        path = f"/customer_bank_accounts/{segment(account)}"
        return (await self.get(path, "/customer_bank_accounts/{id}")).decode(OneBankAccount).one


def reference_of(made: ApiPayment | ApiRefund) -> str:
    """Our reference; empty for what was made past us."""
    return made.metadata.get(REFERENCE_KEY, "")


async def known(call: Awaitable[T]) -> T:
    """What is asked about something that is known to exist: whatever fails now, it was made.

    A read that was not sent must not look as if the payment before it wasn't. Raises OutcomeUnknownError.
    """
    try:
        return await call
    except CallError as error:
        raise OutcomeUnknownError(f"it was made, and how it stands can't be seen: {error}") from None


def timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
