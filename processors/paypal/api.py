"""Calls to PayPal: how they are authorised, and how what exists there is read back.

A call that is answered with 401 is made once more with a new token, also one that moves money: 401 moved nothing, and
key and bytes are the same (law 2).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlencode

from processors.calls import if_there, segment
from processors.errors import CallError, OutcomeUnknownError, RefusedError
from processors.paypal import mapping, returns, vault
from processors.paypal.mapping import CAPTURES, ORDERS
from processors.paypal.polling import EVENTS
from processors.paypal.returns import REFUNDS
from processors.paypal.tokens import Tokens
from processors.paypal.vault import PAYMENT_TOKENS, SETUP_TOKENS
from processors.paypal.wire import (
    ApiCapture,
    ApiDispute,
    ApiDisputes,
    ApiEvent,
    ApiOrder,
    ApiPaymentToken,
    ApiPaymentTokens,
    ApiRefund,
    ApiSetupToken,
)
from processors.transport import Answer, Transport
from processors.values import PreparedCall, Secret

DISPUTES: Final = "/v1/customer/disputes"


class PayPalApi:
    """One merchant's app there. What comes back is held to be the merchant's own, where it says whose it is."""

    def __init__(self, transport: Transport, tokens: Tokens, account: str) -> None:
        self._transport = transport
        self._tokens = tokens
        self._account = account

    async def send(self, call: PreparedCall, template: str) -> Answer:
        """Raises CallError."""
        token = await self._tokens.current()
        try:
            return await self._transport.send(call, _bearer(token), template=template)
        except RefusedError as error:
            if error.status != 401:
                raise
        token = await self._tokens.renewed(token)
        return await self._transport.send(call, _bearer(token), template=template)

    async def get(self, path: str, template: str) -> Answer:
        """Raises CallError."""
        return await self.send(PreparedCall("GET", path, (), b""), template)

    # Orders and captures

    async def order(self, order_id: str) -> ApiOrder | None:
        """Raises CallError."""
        answer = await if_there(self.get(f"{ORDERS}/{segment(order_id)}", f"{ORDERS}/{{id}}"))
        return None if answer is None else answer.decode(ApiOrder)

    async def capture(self, capture_id: str) -> ApiCapture | None:
        """Raises CallError."""
        answer = await if_there(self.get(f"{CAPTURES}/{segment(capture_id)}", f"{CAPTURES}/{{id}}"))
        return None if answer is None else answer.decode(ApiCapture)

    async def whole(self, order: ApiOrder) -> ApiOrder:
        """An order with its captures, which an answer leaves out that was made without regard to `Prefer`.

        The order exists, so whatever becomes of reading it, nobody may take it for one that was refused or never sent:
        raises OutcomeUnknownError and nothing else.
        """
        if order.purchase_units:
            return order
        try:
            read = await self.order(order.id)
        except CallError as error:
            raise OutcomeUnknownError(f"an order was made, and can't be read: {error}") from None
        if read is None or not read.purchase_units:
            raise OutcomeUnknownError("PayPal does not show what an order that it made is about")
        return read

    def own_order(self, order: ApiOrder, reference: str) -> ApiOrder:
        """Raises OutcomeUnknownError for an order that is another's, or not the one asked for."""
        names = {(unit.invoice_id, unit.payee.merchant_id or self._account) for unit in order.purchase_units}
        shown = {
            (capture.invoice_id or reference, capture.payee.merchant_id or self._account)
            for unit in order.purchase_units
            for capture in unit.payments.captures
        }
        if names != {(reference, self._account)} or shown - names:
            raise OutcomeUnknownError("PayPal answered with an order that is not the one asked for")
        return order

    def own_capture(self, capture: ApiCapture, reference: str) -> ApiCapture:
        """As `own_order`."""
        if (capture.invoice_id, capture.payee.merchant_id or self._account) != (reference, self._account):
            raise OutcomeUnknownError("PayPal answered with a capture that is not the one asked for")
        return capture

    # Refunds

    async def refund(self, refund_id: str) -> ApiRefund | None:
        """Raises CallError."""
        answer = await if_there(self.get(f"{REFUNDS}/{segment(refund_id)}", f"{REFUNDS}/{{id}}"))
        return None if answer is None else answer.decode(ApiRefund)

    async def refunds_of(self, capture_id: str) -> list[ApiRefund]:
        """All refunds of a capture: its order shows them; raises CallError.

        unverified: that an order shows also those that were made in PayPal's own pages, and no reversals, which have
        the shape of a refund in their event.
        """
        capture = await self.capture(capture_id)
        if capture is None:
            raise RefusedError("PayPal does not know the capture", 404, "capture_not_found")
        order_id = capture.supplementary_data.related_ids.order_id or _order_in(mapping.link(capture.links, "up"))
        order = await self.order(order_id) if order_id else None
        if order is None:
            raise OutcomeUnknownError("PayPal does not show the order of a capture")
        units = [unit for unit in order.purchase_units if capture_id in {one.id for one in unit.payments.captures}]
        if not units:
            raise OutcomeUnknownError("PayPal shows an order without the capture that names it")
        refunds = [refund for unit in units for refund in unit.payments.refunds]
        return [self.own_refund(one, capture_id) for one in refunds if _of(one, capture_id)]

    def own_refund(self, refund: ApiRefund, capture_id: str, reference: str | None = None) -> ApiRefund:
        """Raises OutcomeUnknownError for a refund that is another's, or not the one asked for."""
        mine = (refund.payer.merchant_id or self._account) == self._account and _of(refund, capture_id)
        if not mine or (reference is not None and refund.custom_id != reference):
            raise OutcomeUnknownError("PayPal answered with a refund that is not the one asked for")
        return refund

    # The vault

    async def setup_token(self, setup_token: str) -> ApiSetupToken | None:
        """Raises CallError."""
        answer = await if_there(self.get(f"{SETUP_TOKENS}/{segment(setup_token)}", f"{SETUP_TOKENS}/{{id}}"))
        return None if answer is None else answer.decode(ApiSetupToken)

    async def make_payment_token(self, setup_token: str, key: str) -> ApiPaymentToken:
        """Raises CallError. The same key gives the same token, for three hours."""
        call = vault.payment_token_call(segment(setup_token), key)
        return (await self.send(call, PAYMENT_TOKENS)).decode(ApiPaymentToken)

    async def only_payment_token(self, customer: str) -> ApiPaymentToken | None:
        """The token of a customer who has just one; raises CallError.

        PayPal makes a customer for each set-up that names none, as ours do.
        """
        query = urlencode({"customer_id": customer, "page_size": 5})
        answer = await if_there(self.get(f"{PAYMENT_TOKENS}?{query}", f"{PAYMENT_TOKENS}?customer_id={{}}"))
        tokens = () if answer is None else answer.decode(ApiPaymentTokens).payment_tokens
        return tokens[0] if len(tokens) == 1 else None

    # Events

    async def event(self, event_id: str) -> bytes:
        """The bytes of an event as PayPal keeps it, for thirty days; raises CallError."""
        answer = await if_there(self.get(f"{EVENTS}/{segment(event_id)}", f"{EVENTS}/{{id}}"))
        if answer is None or answer.decode(ApiEvent).id != event_id:
            raise OutcomeUnknownError("PayPal does not show the event of a delivery")
        return answer.body

    # Disputes

    async def disputes_of(self, capture_id: str) -> list[ApiDispute]:
        """Raises CallError."""
        template = f"{DISPUTES}?disputed_transaction_id={{}}"
        answer = await self.get(f"{DISPUTES}?disputed_transaction_id={segment(capture_id)}", template)
        listed = answer.decode(ApiDisputes).items
        paths = [f"{DISPUTES}/{segment(one.dispute_id)}" for one in listed]
        return [(await self.get(path, f"{DISPUTES}/{{id}}")).decode(ApiDispute) for path in paths]


def _bearer(token: Secret) -> dict[str, str]:
    return {"authorization": f"Bearer {token.reveal()}"}


def _of(refund: ApiRefund, capture_id: str) -> bool:
    """Whether a refund is of this capture, as far as it says; an order of ours has no other capture."""
    return returns.capture_of(refund) in ("", capture_id)


def _order_in(href: str) -> str:
    found = re.fullmatch(r"https?://[^/?#]+/v2/checkout/orders/([A-Za-z0-9-]{1,64})", href)
    return found[1] if found else ""
