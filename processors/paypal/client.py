"""The adapter of PayPal. What is sent stands in `api`, what the answers mean in `mapping`, `returns` and `disputes`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, ClassVar, Final, Self

import httpx
from msgspec.structs import replace

from processors.address import PayerAddress
from processors.calls import if_there, segment
from processors.capabilities import Capabilities
from processors.checked import About, Checked, Finding, Proved
from processors.configuration import base_url, check_credentials
from processors.declines import DeclineTable
from processors.errors import ConfigurationError, DeliveryMalformedError, OutcomeUnknownError, RefusedError
from processors.events import (
    Acknowledgement,
    EventKind,
    Notice,
    Polled,
    ProcessorEvent,
    RawDelivery,
    RefundState,
    Reply,
)
from processors.outcome import (
    ChargeOutcome,
    Found,
    LookupFailed,
    LookupOutcome,
    NotFound,
    RefundFound,
    RefundLookupOutcome,
    RefundOutcome,
    Succeeded,
)
from processors.paypal import check, declared, disputes, mapping, money, notices, polling, returns, vault
from processors.paypal.api import PayPalApi
from processors.paypal.certificates import Certificates
from processors.paypal.declines import DECLINES
from processors.paypal.mapping import AGREEMENT, CAPTURES, ORDERS
from processors.paypal.tokens import Tokens
from processors.paypal.vault import PAYMENT_TOKENS, SETUP_TOKENS
from processors.paypal.wire import ApiEvents, ApiOrder, ApiPaymentToken, ApiRefund, ApiSetupToken, ApiWebhook
from processors.settlements import Settlement
from processors.transport import (
    Transport,
    charge_outcome,
    lookup_outcome,
    refund_lookup_outcome,
    refund_outcome,
)
from processors.values import (
    ChargeQuery,
    ChargeRequest,
    MethodState,
    PaymentMethodReference,
    PreparedCall,
    RefundQuery,
    RefundRequest,
    Secret,
    SetupCompletion,
    SetupFailed,
    SetupPending,
    SetupRequest,
    SetupResult,
    SetupSession,
)

if TYPE_CHECKING:
    from processors.interface import Clock, ProcessorAdapter


DASHBOARDS: Final[Mapping[str, str]] = {
    "test": "https://www.sandbox.paypal.com/activity/payment/",
    "live": "https://www.paypal.com/activity/payment/",
}
"""As PayPal shows them to whoever is signed in there."""


class PayPalAdapter:
    """One merchant account, through one REST app. Options: `environment` (test or live), `account` (the merchant id),
    `client_id` and `webhook_id` of the app; `base_url` for another host than PayPal's own."""

    name: ClassVar[str] = "paypal"
    capabilities: ClassVar[Capabilities] = declared.CAPABILITIES
    credential_fields: ClassVar[tuple[str, ...]] = ("client_secret",)
    optional_credential_fields: ClassVar[tuple[str, ...]] = ()
    option_fields: ClassVar[tuple[str, ...]] = tuple(declared.OPTION_PATTERNS)
    optional_option_fields: ClassVar[tuple[str, ...]] = ("base_url",)
    host_option_fields: ClassVar[tuple[str, ...]] = ("environment", "base_url")
    declines: ClassVar[DeclineTable] = DECLINES

    def __init__(self, api: PayPalApi, certificates: Certificates, options: Mapping[str, str], clock: Clock) -> None:
        self._api = api
        self._certificates = certificates
        self._account = options["account"]
        self._client_id = options["client_id"]
        self._webhook_id = options["webhook_id"]
        self._clock = clock

    @classmethod
    def charge_page(cls, options: Mapping[str, str], processor_id: str) -> str:
        """The charge in PayPal's activity, by its capture."""
        return DASHBOARDS[options["environment"]] + processor_id

    @classmethod
    def from_config(
        cls,
        credentials: Mapping[str, Secret],
        options: Mapping[str, str],
        http: httpx.AsyncClient,
        clock: Clock,
    ) -> Self:
        """Raises ConfigurationError naming the field that is missing or empty."""
        check_credentials(credentials, cls.credential_fields)
        for field, pattern in declared.OPTION_PATTERNS.items():
            if not re.fullmatch(pattern, options.get(field, "")):
                raise ConfigurationError(f"{field} is missing, or not {pattern}")
        address = base_url(options, declared.HOSTS)
        transport = Transport(http, address, declared.CALL_TIMEOUT.total_seconds(), read_code=mapping.error_code)
        tokens = Tokens(transport, options["client_id"], credentials["client_secret"])
        api = PayPalApi(transport, tokens, options["account"])
        origins = declared.CERTIFICATE_HOSTS[options["environment"]]
        if options.get("base_url"):
            url = httpx.URL(address)
            origins = frozenset({f"{url.scheme}://{url.netloc.decode()}"})
        return cls(api, Certificates(http, origins), options, clock)

    async def check(self, webhook_url: str) -> Checked:
        """Asks for the webhook, which takes a token and so proves the app; raises CallError."""
        found = await self._webhook(webhook_url)
        opened = Proved(About.CREDENTIALS, "the client_id and its secret open an app")
        return Checked(self._account, (opened, check.WHOSE, found), check.TRY_IT)

    async def _webhook(self, ours: str) -> Finding:
        """Raises CallError."""
        path = f"{polling.WEBHOOKS}/{segment(self._webhook_id)}"
        answer = await if_there(self._api.get(path, f"{polling.WEBHOOKS}/{{id}}"))
        if answer is None:
            return check.none(self._webhook_id)
        webhook = answer.decode(ApiWebhook)
        if webhook.id != self._webhook_id:
            raise OutcomeUnknownError("PayPal answered with a webhook that is not the one asked for")
        return check.finding(webhook, ours)

    # Payment methods

    async def begin_setup(self, request: SetupRequest) -> SetupSession:
        setup = (await self._api.send(vault.setup_call(request), SETUP_TOKENS)).decode(ApiSetupToken)
        return SetupSession(
            processor_ref=setup.id,
            redirect_url=mapping.link(setup.links, "approve"),
            client={"setup_token": setup.id, "client_id": self._client_id},
        )

    async def complete_setup(self, completion: SetupCompletion) -> SetupResult:
        """A setup token is made a payment token once; the same key gives it again after a lost answer, and after the
        key's three hours it is its customer's only one."""
        setup = await self._api.setup_token(completion.processor_ref)
        if setup is not None and setup.status in vault.WAITING:
            return SetupPending()
        try:
            return vault.ready(await self._api.make_payment_token(completion.processor_ref, completion.idempotency_key))
        except RefusedError as error:
            if error.code == "PAYER_ACTION_REQUIRED":
                return SetupPending()
            if error.status not in (404, 422):
                raise
            refusal = error
        if setup is not None and setup.status in vault.MADE and setup.customer.id:
            made = await self._api.only_payment_token(setup.customer.id)
            if made is not None:
                return vault.ready(made)
        return SetupFailed(refusal.code or "refused", "PayPal does not store this payment method.")

    async def method_state(self, method: PaymentMethodReference) -> MethodState:
        if method.token.reveal().startswith(AGREEMENT):
            return MethodState.UNKNOWN  # a legacy agreement is in no vault; a charge shows whether it lives
        found = await if_there(self._api.get(_token_path(method), f"{PAYMENT_TOKENS}/{{token}}"))
        return MethodState.REVOKED if found is None else MethodState.ACTIVE

    async def payer_address(self, method: PaymentMethodReference) -> PayerAddress | None:
        if method.token.reveal().startswith(AGREEMENT):
            return None  # a legacy agreement is in no vault
        found = await if_there(self._api.get(_token_path(method), f"{PAYMENT_TOKENS}/{{token}}"))
        return None if found is None else vault.payer_address(found.decode(ApiPaymentToken))

    async def revoke_method(self, method: PaymentMethodReference, idempotency_key: str) -> None:
        """Raises CallError; RefusedError for a legacy agreement, which is ended in PayPal's own pages."""
        if method.token.reveal().startswith(AGREEMENT):
            raise RefusedError("a legacy billing agreement is in no vault", 400, "billing_agreement")
        call = PreparedCall("DELETE", _token_path(method), (), b"")
        await if_there(self._api.send(call, f"{PAYMENT_TOKENS}/{{token}}"))

    # Charges

    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        return mapping.charge_call(request)

    async def charge(self, call: PreparedCall) -> ChargeOutcome:
        return await charge_outcome(self._charge(call))

    async def _charge(self, call: PreparedCall) -> ChargeOutcome:
        reference, asked = mapping.asked(call.body)
        try:
            answer = await self._api.send(call, ORDERS)
        except RefusedError as error:
            return mapping.refused(error)
        order = self._api.own_order(await self._api.whole(answer.decode(ApiOrder)), reference)
        ordered = [unit.amount for unit in order.purchase_units]
        if any(one is None or money.our_money(one) != asked for one in ordered):
            raise OutcomeUnknownError("PayPal answered with an order of another amount")
        outcome = mapping.order_outcome(order)
        if isinstance(outcome, Succeeded) and outcome.captured != asked:
            raise OutcomeUnknownError("PayPal captured another amount than it was asked for")
        return outcome

    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        return await lookup_outcome(self._lookup(query))

    async def _lookup(self, query: ChargeQuery) -> LookupOutcome:
        """By the id of the capture, or of the order where it has none yet: they look alike."""
        if not query.processor_id:
            raise OutcomeUnknownError("PayPal finds no charge by our reference: the same bytes under its key do")
        capture = await self._api.capture(query.processor_id)
        if capture is not None:
            return Found(mapping.capture_outcome(self._api.own_capture(capture, query.reference)))
        order = await self._api.order(query.processor_id)
        if order is not None:
            return Found(mapping.order_outcome(self._api.own_order(order, query.reference)))
        return NotFound(conclusive=False)

    async def cancel_charge(self, query: ChargeQuery, idempotency_key: str) -> LookupOutcome:
        return LookupFailed("PayPal withdraws no payment that is under way")

    # Refunds

    def prepare_refund(self, request: RefundRequest) -> PreparedCall:
        return returns.refund_call(request, segment(request.charge_id))

    async def refund(self, call: PreparedCall) -> RefundOutcome:
        return await refund_outcome(self._refund(call), returns.REFUSALS)

    async def _refund(self, call: PreparedCall) -> RefundOutcome:
        (reference, asked), capture = returns.asked(call.body), call.path.split("/")[-2]
        try:
            answer = await self._api.send(call, f"{CAPTURES}/{{id}}/refund")
        except RefusedError as error:
            raise mapping.clear(error) from None
        refund = self._api.own_refund(answer.decode(ApiRefund), capture, reference)
        if money.our_money(refund.amount) != asked:
            raise OutcomeUnknownError("PayPal answered with a refund of another amount")
        return returns.refund_outcome(refund)

    async def lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        return await refund_lookup_outcome(self._lookup_refund(query))

    async def _lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        if query.processor_id:
            refund = await self._api.refund(query.processor_id)
            found = [] if refund is None else [self._api.own_refund(refund, query.charge_id, query.reference)]
        else:
            listed = await self._api.refunds_of(query.charge_id)
            found = [one for one in listed if returns.reference_of(one) == query.reference]
        if len(found) > 1:
            raise OutcomeUnknownError("PayPal shows several refunds with one reference")
        return RefundFound(returns.refund_outcome(found[0])) if found else NotFound(conclusive=False)

    async def list_refunds(self, charge_id: str) -> tuple[RefundState, ...]:
        listed = await self._api.refunds_of(charge_id)
        return tuple(returns.refund_state(one, charge_id) for one in listed)

    # What the processor tells by itself

    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        await self._certificates.check(delivery, self._webhook_id, self._clock())
        return (notices.notice(delivery.body),)

    def acknowledge(self, delivery: RawDelivery, became: Acknowledgement) -> Reply:
        return Reply() if became is Acknowledgement.STORED else Reply(400, "")

    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        """What PayPal shows of the event that a delivery names, whatever that says: what is signed of a body is a
        checksum, which another body can have as well."""
        return await self._events(await self._api.event(notice.key or ""))

    async def _events(self, body: bytes) -> tuple[ProcessorEvent, ...]:
        """What one event says. A reversal for a dispute is that dispute's money, and no failure of the charge: asked
        for here, since the event does not tell the two apart, and a dispute is there before its money moves.

        Each of several disputes is an event by itself, which its id says (law 9)."""
        told = notices.event(body)
        if told.kind is not EventKind.CHARGE_REVERSED:
            return (told,)
        found = await self._api.disputes_of(told.processor_id)
        behind = [one for one in found if disputes.may_explain(one, told.occurred_at)]
        events = [
            replace(
                notices.dispute_event(one, told.occurred_at, told.detail), event_id=f"{told.event_id}:{one.dispute_id}"
            )
            for one in behind
        ]
        return tuple(events) or (told,)

    async def poll(self, since: datetime, cursor: str = "") -> Polled:
        """The events that PayPal sent, or tried to: a second way to each of them, for thirty days."""
        path = polling.page(since, self._clock(), cursor)
        page = (await self._api.get(path, f"{polling.EVENTS}?{{}}")).decode(ApiEvents)
        events = [event for raw in page.events for event in await self._polled(bytes(raw))]
        return Polled(tuple(events), polling.next_page(page.links))

    async def _polled(self, body: bytes) -> tuple[ProcessorEvent, ...]:
        try:
            return await self._events(body)
        except DeliveryMalformedError as error:
            raise OutcomeUnknownError(str(error)) from None

    # What was paid out: a payment is in the account's balance at once, and there are no files of it here.

    async def settlements(self, since: date) -> tuple[str, ...]:
        return ()

    async def settlement(self, processor_id: str) -> Settlement:
        raise RefusedError("PayPal's settlement reports are not read", 404, "no_settlement_files")


def _token_path(method: PaymentMethodReference) -> str:
    return f"{PAYMENT_TOKENS}/{segment(method.token.reveal())}"


if TYPE_CHECKING:
    _: type[ProcessorAdapter] = PayPalAdapter
