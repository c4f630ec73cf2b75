"""Calls to the practice processor: how a charge or refund is sent, and found again, as its capabilities allow."""

from __future__ import annotations

from datetime import datetime
from typing import Final, TypeVar
from urllib.parse import urlencode

from processors.calls import segment
from processors.capabilities import Capabilities, Lookup
from processors.errors import CallError, OutcomeUnknownError, RefusedError
from processors.practice import mapping
from processors.practice.wire import (
    ApiCharge,
    ApiCharges,
    ApiDisputes,
    ApiRefund,
    ApiRefunds,
)
from processors.transport import Answer, Transport
from processors.values import ChargeQuery, PreparedCall, RefundQuery, Secret

PAGE: Final = 100
MAX_PAGES: Final = 50
"""A list is read no further: 5,000 charges of one payer since one attempt are not to be expected."""

T = TypeVar("T")


class PracticeApi:
    """One account there. Everything that comes back is held to be its own, or refused."""

    def __init__(self, transport: Transport, api_key: Secret, account: str, capabilities: Capabilities) -> None:
        self._transport = transport
        self._api_key = api_key
        self._account = account
        self._capabilities = capabilities

    async def get(self, path: str, template: str = "", **query: str) -> Answer:
        """Raises CallError."""
        whole = f"{path}?{urlencode(query)}" if query else path
        if query and not template:
            template = f"{path}?{'&'.join(f'{name}={{}}' for name in query)}"
        return await self.send(PreparedCall("GET", whole, (), b""), template)

    async def send(self, call: PreparedCall, template: str = "") -> Answer:
        """Raises CallError."""
        auth = {"authorization": f"Bearer {self._api_key.reveal()}"}
        return await self._transport.send(call, auth, template=template)

    async def send_once(self, call: PreparedCall, template: str, kind: type[T], again: str) -> T:
        """The answer to a POST; where the key has made something already and the answer names it, that, as it stands.

        Raises CallError. `again` is the path under which such a thing is read. It exists: not to see it yet proves
        nothing.
        """
        try:
            return (await self.send(call, template)).decode(kind)
        except RefusedError as error:
            _, conflict, made = error.code.partition(mapping.CONFLICT)
            if not conflict:
                raise
        try:
            return (await self.get(f"{again}/{segment(made)}", f"{again}/{{id}}")).decode(kind)
        except CallError as error:
            # Turned away unread, too: the call that made it was not.
            raise OutcomeUnknownError(f"the key has made something that does not show: {error}") from None

    # Charges

    async def charges(self, query: ChargeQuery) -> list[ApiCharge]:
        """The charges of a query, oldest first: by the processor's id where it's known, else as it can be asked.

        Raises CallError.
        """
        if query.processor_id:
            found = await self.charge(query.processor_id)
            return [self.own(found, query.reference)] if found else []
        match self._capabilities.lookup:
            case Lookup.BY_REFERENCE:
                answer = await self.get("/v1/charges", reference=query.reference)
                listed = answer.decode(ApiCharges).data
                return [self.own(charge, query.reference) for charge in reversed(listed)]
            case Lookup.SCAN:
                return await self._scan(query)
            case _:
                raise OutcomeUnknownError("a charge whose id is not known can't be asked for at this processor")

    async def charge(self, processor_id: str) -> ApiCharge | None:
        """One charge, with its refunds and disputes; None where there is none. Raises CallError."""
        try:
            answer = await self.get(f"/v1/charges/{segment(processor_id)}", "/v1/charges/{id}")
        except RefusedError as error:
            if error.code == "charge_not_found":
                return None
            raise
        return answer.decode(ApiCharge)

    def own(self, charge: ApiCharge, reference: str) -> ApiCharge:
        """Raises OutcomeUnknownError for a charge that is another's, or not the one asked for."""
        if charge.account != self._account or charge.reference != reference:
            raise OutcomeUnknownError("the processor answered with a charge that is not the one asked for")
        return charge

    async def _scan(self, query: ChargeQuery) -> list[ApiCharge]:
        filters: dict[str, str] = {"limit": str(PAGE)}
        if query.method and query.method.processor_customer:
            filters["customer"] = query.method.processor_customer.reveal()
        if query.since:
            filters["created_from"] = str(int(query.since.timestamp()))
        found: list[ApiCharge] = []
        for _ in range(MAX_PAGES):
            page = (await self.get("/v1/charges", "/v1/charges?{}", **filters)).decode(ApiCharges)
            found += [charge for charge in page.data if charge.reference == query.reference]
            if not page.has_more or not page.data:
                return [self.own(charge, query.reference) for charge in reversed(found)]
            filters["starting_after"] = page.data[-1].id
        raise OutcomeUnknownError(f"the list of charges goes on after {MAX_PAGES} pages")

    # Refunds and disputes

    async def refund(self, query: RefundQuery) -> ApiRefund | None:
        """Raises CallError."""
        if self._capabilities.lookup is Lookup.NONE:
            raise OutcomeUnknownError("a refund can't be asked for at this processor")
        if not query.processor_id:
            return await self._refund_of(query)
        try:
            answer = await self.get(f"/v1/refunds/{segment(query.processor_id)}", "/v1/refunds/{id}")
        except RefusedError as error:
            if error.code == "refund_not_found":
                return None
            raise
        return self.own_refund(answer.decode(ApiRefund), query.reference, query.charge_id)

    async def _refund_of(self, query: RefundQuery) -> ApiRefund | None:
        found = [one for one in await self.refunds_of(query.charge_id) if one.reference == query.reference]
        if len(found) > 1:
            raise OutcomeUnknownError("the processor shows several refunds with one reference")
        return self.own_refund(found[0], query.reference, query.charge_id) if found else None

    async def refunds_of(self, charge_id: str) -> list[ApiRefund]:
        """All refunds of a charge; raises CallError, so also where there are more than a page holds."""
        path = f"/v1/charges/{segment(charge_id)}/refunds"
        page = (await self.get(path, "/v1/charges/{id}/refunds", limit=str(PAGE))).decode(ApiRefunds)
        if page.has_more:
            raise OutcomeUnknownError("the processor shows too many refunds of the charge to see")
        return [self.own_refund(one, one.reference, charge_id) for one in page.data]

    def own_refund(self, refund: ApiRefund, reference: str, charge: str) -> ApiRefund:
        """Raises OutcomeUnknownError for a refund that is another's, or not the one asked for."""
        if (refund.account, refund.reference, refund.charge) != (self._account, reference, charge):
            raise OutcomeUnknownError("the processor answered with a refund that is not the one asked for")
        return refund

    async def changed_refunds(self, since: datetime, after: str) -> ApiRefunds:
        """A page of the refunds that changed since, in that order; raises CallError."""
        return (await self._changed("/v1/refunds", since, after)).decode(ApiRefunds)

    async def changed_disputes(self, since: datetime, after: str) -> ApiDisputes:
        """As `changed_refunds`."""
        return (await self._changed("/v1/disputes", since, after)).decode(ApiDisputes)

    async def _changed(self, path: str, since: datetime, after: str) -> Answer:
        filters = {"updated_from": str(int(since.timestamp())), "limit": str(PAGE)}
        if after:
            filters["after"] = after
        return await self.get(path, "", **filters)
