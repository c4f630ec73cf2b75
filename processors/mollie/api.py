"""Calls to Mollie: the key, the paths, its pages, and how a payment or refund is found again.

Mollie can't be asked for our reference: a payment whose id is not known is looked for in the list of its customer's,
which goes from the newest to the oldest (docs: reference/list-payments, overview/pagination).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from processors.calls import if_there, segment, unclear
from processors.errors import OutcomeUnknownError, RefusedError
from processors.mollie.config import Settings
from processors.mollie.declines import NO_MANDATE
from processors.mollie.mapping import VERSION, reference_of
from processors.mollie.wire import (
    ApiChargeback,
    ApiChargebacks,
    ApiMandate,
    ApiMandates,
    ApiPayment,
    ApiPayments,
    ApiRefund,
    ApiRefunds,
    ErrorBody,
    PageLinks,
)
from processors.reading import readable
from processors.transport import Answer, Transport
from processors.values import ChargeQuery, PreparedCall, RefundQuery, Secret

MAX_PAGES: Final = 40
"""A list is read no further: 2,000 payments of a customer since one attempt, fifty a page, are not to be expected."""
CLOCKS: Final = timedelta(minutes=5)
"""How far Mollie's clock may be behind ours: a payment may seem to be older than the attempt that made it."""

NO_SUCH_START: Final = (400, 422)
"""unverified: how Mollie refuses an id from which a list is to begin, and that is none (ask for refunds from re_x)."""


class MollieApi:
    """One profile in one mode. Everything that comes back is held to be its own, or refused."""

    def __init__(self, transport: Transport, api_key: Secret, settings: Settings) -> None:
        self._transport = transport
        self._api_key = api_key
        self._settings = settings

    async def send(self, call: PreparedCall, template: str) -> Answer:
        """Raises CallError. `template` has no version."""
        auth = {"authorization": f"Bearer {self._api_key.reveal()}"}
        return await self._transport.send(call, auth, template=VERSION + template)

    async def send_once(self, call: PreparedCall, template: str) -> Answer:
        """A call that moves money; raises CallError.

        A 409 is said of one that runs already under its key, and of two like refunds in quick succession: what came of
        the other only a look-up can say.
        """
        try:
            return await self.send(call, template)
        except RefusedError as error:
            raise unclear(error) from None

    async def get(self, path: str, template: str, **query: str) -> Answer:
        """Raises CallError."""
        shown = f"{template}?{'&'.join(f'{name}={{}}' for name in query)}" if query else template
        whole = f"{path}?{urlencode(query, safe=',')}" if query else path
        return await self.send(PreparedCall("GET", VERSION + whole, (), b""), shown)

    # Payments

    async def payment(self, payment_id: str, **query: str) -> ApiPayment:
        """Raises CallError."""
        answer = await self.get(f"/payments/{segment(payment_id)}", "/payments/{id}", **query)
        payment = self.own(answer.decode(ApiPayment))
        if payment.id != payment_id:
            raise OutcomeUnknownError("Mollie answered with a payment that is not the one asked for")
        return payment

    async def whole_payment(self, payment_id: str) -> ApiPayment | None:
        """A payment with its refunds and chargebacks; None where there is none. Raises CallError."""
        return await if_there(self.payment(payment_id, embed="refunds,chargebacks"))

    async def payments(self, query: ChargeQuery) -> list[ApiPayment]:
        """The payments of a query, oldest first: by Mollie's id where it's known, else listed. Raises CallError."""
        if query.processor_id:
            found = await if_there(self.payment(query.processor_id))
            if found is None:
                return []
            if reference_of(found.metadata) != query.reference:
                raise OutcomeUnknownError("Mollie answered with a payment that is not the one asked for")
            return [found]
        return await self._scan(query)

    async def _scan(self, query: ChargeQuery) -> list[ApiPayment]:
        """Of the customer; of the whole profile where the method was erased meanwhile."""
        customer = query.method.processor_customer if query.method else None
        path = f"/customers/{segment(customer.reveal())}/payments" if customer else "/payments"
        template = "/customers/{id}/payments" if customer else "/payments"
        oldest = query.since - CLOCKS if query.since else None
        found: list[ApiPayment] = []
        after = ""
        for _ in range(MAX_PAGES):
            page = (await self.get(path, template, **_begins(after))).decode(ApiPayments)
            listed = page.embedded.payments
            found += [self.own(one) for one in listed if reference_of(one.metadata) == query.reference]
            after = next_of(page.links)
            if not after or not listed or (oldest is not None and listed[-1].created_at < oldest):
                return list(reversed(found))
        raise OutcomeUnknownError(f"the list of payments goes on after {MAX_PAGES} pages")

    def own(self, payment: ApiPayment) -> ApiPayment:
        """Raises OutcomeUnknownError for a payment of the other mode or of another profile."""
        mode, account = self._settings.mode, self._settings.account
        if payment.mode != mode or (account and payment.profile_id != account):
            raise OutcomeUnknownError("Mollie answered with a payment of another mode or profile")
        return payment

    # Mandates

    async def mandate(self, customer: str, mandate: str) -> ApiMandate | None:
        """None where there is none; raises CallError."""
        path = f"/customers/{segment(customer)}/mandates/{segment(mandate)}"
        answer = await if_there(self.get(path, "/customers/{id}/mandates/{id}"))
        if answer is None:
            return None
        found = answer.decode(ApiMandate)
        if found.id != mandate or found.mode != self._settings.mode:
            raise OutcomeUnknownError("Mollie answered with a mandate that is not the one asked for")
        return found

    async def mandates(self, customer: str) -> list[ApiMandate]:
        """Those of a customer that one set-up was made for, oldest first; raises CallError."""
        path = f"/customers/{segment(customer)}/mandates"
        answer = await self.get(path, "/customers/{id}/mandates")
        return sorted(answer.decode(ApiMandates).embedded.mandates, key=lambda one: (one.created_at, one.id))

    # Refunds and chargebacks

    async def refund(self, query: RefundQuery) -> ApiRefund | None:
        """Raises CallError."""
        if not query.processor_id:
            found = [one for one in await self.refunds_of(query.charge_id) if of(one, query.reference)]
            if len(found) > 1:
                raise OutcomeUnknownError("Mollie shows several refunds with one reference")
            return found[0] if found else None
        path = f"/payments/{segment(query.charge_id)}/refunds/{segment(query.processor_id)}"
        answer = await if_there(self.get(path, "/payments/{id}/refunds/{id}"))
        if answer is None:
            return None
        refund = answer.decode(ApiRefund)
        if (refund.id, refund.payment_id) != (query.processor_id, query.charge_id) or not of(refund, query.reference):
            raise OutcomeUnknownError("Mollie answered with a refund that is not the one asked for")
        return refund

    async def refunds_of(self, charge_id: str) -> list[ApiRefund]:
        """All refunds of a payment; raises CallError."""
        found: list[ApiRefund] = []
        after = ""
        for _ in range(MAX_PAGES):
            path = f"/payments/{segment(charge_id)}/refunds"
            page = (await self.get(path, "/payments/{id}/refunds", **_begins(after))).decode(ApiRefunds)
            found += page.embedded.refunds
            after = next_of(page.links)
            if not after:
                break
        if after or any(one.payment_id != charge_id for one in found):
            raise OutcomeUnknownError("Mollie shows too many refunds of the payment to see, or those of another")
        return found

    async def refunds(self, after: str, limit: int) -> ApiRefunds:
        """A page of all refunds of the profile, newest first, from `after` on; raises CallError."""
        return (await self.get("/refunds", "/refunds", limit=str(limit), **_begins(after))).decode(ApiRefunds)

    async def chargebacks(self, after: str, limit: int) -> ApiChargebacks:
        """As `refunds`."""
        return (await self.get("/chargebacks", "/chargebacks", limit=str(limit), **_begins(after))).decode(
            ApiChargebacks
        )

    async def payment_of(self, entity: str) -> str:
        """The payment that a refund or chargeback is of, empty where there is none; raises CallError.

        `from` begins a page with that very one (docs: reference/list-refunds)."""
        listed: Sequence[ApiRefund | ApiChargeback] = ()
        if entity.startswith("re_"):
            refunds = await if_there(self.refunds(entity, 1), NO_SUCH_START)
            listed = refunds.embedded.refunds if refunds else ()
        else:
            chargebacks = await if_there(self.chargebacks(entity, 1), NO_SUCH_START)
            listed = chargebacks.embedded.chargebacks if chargebacks else ()
        return next((one.payment_id for one in listed if one.id == entity), "")


def error_code(body: bytes) -> str:
    """A word for an error answer, since Mollie's has none: its title, and the field that it's about.

    Empty for one that another machine on the way wrote. unverified: the words of a refusal for want of a mandate
    (charge one that was deleted); in other words it would be a request of ours that was refused.
    """
    error = readable(body, ErrorBody)
    if error is None:
        return ""
    if "no suitable mandates" in error.detail.lower():
        return NO_MANDATE
    title = re.sub(r"[^a-z]+", "_", error.title.lower()).strip("_")
    return f"{title}.{error.field}" if error.field else title


def next_of(links: PageLinks) -> str:
    """The id with which the next page begins, empty after the last: of Mollie's link, only that is followed."""
    if links.next is None:
        return ""
    begins = parse_qs(urlsplit(links.next.href).query).get("from", [])
    if len(begins) != 1:
        raise OutcomeUnknownError("Mollie's link to the next page does not say where it begins")
    return begins[0]


def of(refund: ApiRefund, reference: str) -> bool:
    return reference_of(refund.metadata) == reference


def _begins(after: str) -> dict[str, str]:
    return {"from": after} if after else {}
