"""The adapter of Checkout.com. What is sent stands in `api`, what the answers mean in `mapping` and its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Self

import httpx

from processors.address import PayerAddress
from processors.calls import if_there, segment, unclear
from processors.capabilities import (
    Amounts,
    Capabilities,
    Idempotency,
    Lookup,
    ReferenceRules,
    RefundMode,
    Refunds,
    Replay,
    Webhook,
)
from processors.checked import About, Checked, Finding, Proved, look
from processors.checkout_com import check, config, disputes, mapping, notices, returns, setups
from processors.checkout_com.api import PAGE, CheckoutApi
from processors.checkout_com.declines import DECLINES
from processors.checkout_com.money import MAXIMUM
from processors.checkout_com.wire import ApiAccepted, ApiPayment, ApiSession, ApiWorkflows
from processors.declines import DeclineTable
from processors.errors import OutcomeUnknownError, RefusedError
from processors.events import Acknowledgement, Notice, Polled, ProcessorEvent, RawDelivery, RefundState, Reply
from processors.outcome import (
    ChargeOutcome,
    LookupFailed,
    LookupOutcome,
    NotFound,
    RefundFound,
    RefundLookupOutcome,
    RefundOutcome,
    RefundPending,
    lookup_of,
)
from processors.settlements import Settlement
from processors.transport import Transport, charge_outcome, lookup_outcome, refund_lookup_outcome, refund_outcome
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
    SetupPending,
    SetupRequest,
    SetupResult,
    SetupSession,
)

if TYPE_CHECKING:
    from processors.interface import Clock, ProcessorAdapter

CALL_TIMEOUT: Final = timedelta(seconds=30)

CHECK: Final = "tollbridge-check"
"""A reference that no payment has: asking for it proves the key."""


class CheckoutComAdapter:
    """One processing channel at Checkout.com; its options are told in `config.Settings`."""

    name: ClassVar[str] = "checkout_com"
    capabilities: ClassVar[Capabilities] = Capabilities(
        asynchronous=False,
        # Only a success is remembered under a key: after an error the same bytes are carried out again.
        idempotency=Idempotency(window=timedelta(hours=24), replay=Replay.RUNS_AGAIN_AFTER_ERROR),
        lookup=Lookup.BY_REFERENCE,
        reference=ReferenceRules(max_length=50),
        call_timeout=CALL_TIMEOUT,
        # A concurrent request with the same key is turned away; 30 s are recommended before it's made again.
        unknown_schedule=(
            timedelta(seconds=30),
            timedelta(minutes=1),
            timedelta(minutes=5),
            timedelta(minutes=15),
            timedelta(hours=1),
            timedelta(hours=6),
        ),
        pending_schedule=(timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6), timedelta(days=1)),
        max_pending=timedelta(days=7),
        # unverified: how soon a payment shows under its reference; until that is known nothing there proves nothing.
        lookup_lag=timedelta(minutes=15),
        amounts=Amounts(maximum=MAXIMUM),
        refunds=Refunds(RefundMode.ASYNC),
        lists_refunds=True,
        payer_address=True,
        webhook=Webhook.SIGNED_BODY,
        events=notices.TOLD,
    )
    credential_fields: ClassVar[tuple[str, ...]] = config.CREDENTIALS
    optional_credential_fields: ClassVar[tuple[str, ...]] = config.OPTIONAL_CREDENTIALS
    option_fields: ClassVar[tuple[str, ...]] = config.OPTIONS
    optional_option_fields: ClassVar[tuple[str, ...]] = config.OPTIONAL_OPTIONS
    host_option_fields: ClassVar[tuple[str, ...]] = ("environment", "base_url", "prefix")
    declines: ClassVar[DeclineTable] = DECLINES

    def __init__(self, settings: config.Settings, keys: config.Keys, transport: Transport, clock: Clock) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._api = CheckoutApi(transport, keys.secret, settings.account)

    @classmethod
    def from_config(
        cls,
        credentials: Mapping[str, Secret],
        options: Mapping[str, str],
        http: httpx.AsyncClient,
        clock: Clock,
    ) -> Self:
        """Raises ConfigurationError naming the field that is missing or wrong."""
        settings, keys = config.read(credentials, options)
        seconds = CALL_TIMEOUT.total_seconds()
        transport = Transport(http, settings.base_url, seconds, read_code=mapping.error_code)
        return cls(settings, keys, transport, clock)

    async def check(self, webhook_url: str) -> Checked:
        """Asks for a payment that nobody made, and then for the workflows; raises CallError."""
        await self._api.payments(CHECK)
        opened = Proved(About.CREDENTIALS, "the secret key may see payments")
        webhook = await look(About.WEBHOOK, self._webhook(webhook_url), check.MAY_NOT_LOOK)
        return Checked(self._settings.account, (opened, check.CHANNEL, webhook), check.TRY_IT)

    async def _webhook(self, ours: str) -> Finding:
        """Raises CallError."""
        listed = (await self._api.get("/workflows", "/workflows")).decode(ApiWorkflows)
        active = [one for one in listed.data if one.active]
        shown = [await self._api.workflow(one.id) for one in active[: check.MOST]]
        return check.finding(shown, ours, self._settings.account, more=len(active) > check.MOST)

    # Payment methods

    async def begin_setup(self, request: SetupRequest) -> SetupSession:
        """`client` is for the Flow component, which wants the whole session as the processor answered it."""
        call = setups.session_call(request, self._settings.account, self._settings.country)
        answer = await self._api.send(call, "/payment-sessions")
        answer.decode(ApiSession)
        client = {
            "payment_session": answer.body.decode(),
            "environment": "production" if self._settings.is_live else "sandbox",
            "public_key": self._settings.public_key,
            "locale": request.locale,
        }
        # The session's own id finds no payment: its payment is found by the reference that it was given.
        return SetupSession(request.idempotency_key, client={name: value for name, value in client.items() if value})

    async def complete_setup(self, completion: SetupCompletion) -> SetupResult:
        payments = await self._api.payments(completion.processor_ref)
        if good := setups.verified(payments):
            return setups.ready(good)
        if bad := setups.refused(payments, completion.client.get(setups.NAMED, "")):
            return setups.failed(bad, await self._api.refusal(bad))
        return SetupPending()

    async def method_state(self, method: PaymentMethodReference) -> MethodState:
        instrument = await self._api.instrument(method.token.reveal())
        return MethodState.REVOKED if instrument is None else setups.state(instrument, self._clock())

    async def payer_address(self, method: PaymentMethodReference) -> PayerAddress | None:
        instrument = await self._api.instrument(method.token.reveal())
        return None if instrument is None else setups.payer_address(instrument)

    async def revoke_method(self, method: PaymentMethodReference, idempotency_key: str) -> None:
        """Instruments take no idempotency key: deleting one twice is a 404, which is success."""
        call = PreparedCall("DELETE", f"/instruments/{segment(method.token.reveal())}", (), b"")
        await if_there(self._api.send(call, "/instruments/{id}"))

    # Charges

    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        return mapping.charge_call(request, self._settings.account)

    async def charge(self, call: PreparedCall) -> ChargeOutcome:
        return await charge_outcome(self._charge(call))

    async def _charge(self, call: PreparedCall) -> ChargeOutcome:
        reference, asked = mapping.charged(call.body)
        try:
            payment = (await self._api.send(call, "/payments")).decode(ApiPayment)
        except RefusedError as error:
            raise unclear(error) from None
        self._api.own(payment, reference)
        # One that is pending may come without its amount.
        if payment.amount is not None and mapping.amount_of(payment) != asked:
            raise OutcomeUnknownError("the processor answered with a payment of another amount")
        return mapping.outcome(payment)

    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        return await lookup_outcome(self._lookup(query))

    async def _lookup(self, query: ChargeQuery) -> LookupOutcome:
        """With several payments under one reference, the first that has money, else the first still under way."""
        if query.processor_id:
            shown = await self._api.payment(query.processor_id)
            payments = [] if shown is None else [self._api.own(shown, query.reference)]
        else:
            payments = list(reversed(await self._api.payments(query.reference)))  # the newest come first
        outcomes = [await self._outcome(payment) for payment in payments]
        return lookup_of(outcomes, conclusive=self.capabilities.not_found_is_conclusive)

    async def _outcome(self, payment: ApiPayment) -> ChargeOutcome:
        is_declined = payment.status == "Declined" and not payment.response_code
        return mapping.outcome(payment, await self._api.refusal(payment) if is_declined else None)

    async def cancel_charge(self, query: ChargeQuery, idempotency_key: str) -> LookupOutcome:
        return LookupFailed("a charge that was sent can't be withdrawn at this processor")

    # Refunds

    def prepare_refund(self, request: RefundRequest) -> PreparedCall:
        return returns.refund_call(request, segment(request.charge_id))

    async def refund(self, call: PreparedCall) -> RefundOutcome:
        return await refund_outcome(self._refund(call), returns.REFUSALS)

    async def _refund(self, call: PreparedCall) -> RefundOutcome:
        reference, amount = returns.asked(call.body)
        try:
            accepted = (await self._api.send(call, "/payments/{id}/refunds")).decode(ApiAccepted)
        except RefusedError as error:
            raise unclear(error) from None
        if accepted.reference not in (None, reference):
            raise OutcomeUnknownError("the processor answered with a refund that is not the one asked for")
        return RefundPending(accepted.action_id, amount)

    async def lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        return await refund_lookup_outcome(self._lookup_refund(query))

    async def _lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        found = returns.find(await self._api.actions(query.charge_id), query)
        if found is None:
            return NotFound(conclusive=self.capabilities.not_found_is_conclusive)
        return RefundFound(returns.outcome(found, await self._currency(query.charge_id)))

    async def list_refunds(self, charge_id: str) -> tuple[RefundState, ...]:
        refunds = [one for one in await self._api.actions(charge_id) if one.type == returns.REFUND]
        currency = await self._currency(charge_id) if refunds else ""
        return tuple(returns.state(one, charge_id, currency) for one in refunds)

    async def _currency(self, charge_id: str) -> str:
        """That of a payment, which its actions don't name."""
        payment = await self._api.payment(charge_id)
        if payment is None or payment.currency is None:
            raise OutcomeUnknownError("the processor does not show the payment of a refund")
        return payment.currency

    # What the processor tells by itself

    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        """Raises WebhookError."""
        notices.check_signature(delivery.header("cko-signature"), self._keys.signature, delivery.body)
        notices.check_authorization(delivery.header("authorization"), self._keys.authorization)
        return notices.notices(delivery.body, live=self._settings.is_live)

    def acknowledge(self, delivery: RawDelivery, became: Acknowledgement) -> Reply:
        return Reply() if became is Acknowledgement.STORED else Reply(400, "")

    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        payment = notices.refunded(notice)
        if payment is None:
            return (notices.event(notice),)
        actions = await self._api.actions(payment.id)
        action = next((one for one in actions if one.id == payment.action_id), None)
        return (notices.event(notice, action),)

    async def poll(self, since: datetime, cursor: str = "") -> Polled:
        """Disputes, as a second way to what webhooks tell; the cursor is how many were seen."""
        skip = int(cursor or 0)
        page = (await self._api.disputes(since.astimezone(UTC), skip)).data
        events = tuple(event for one in page if (event := disputes.listed(one)) is not None)
        return Polled(events, str(skip + len(page)) if len(page) == PAGE else "")

    # What was paid out: reports are files of an account of another kind, and not read here

    async def settlements(self, since: date) -> tuple[str, ...]:
        return ()

    async def settlement(self, processor_id: str) -> Settlement:
        raise RefusedError("settlement files of this processor are not read", 404, "settlement_not_found")


if TYPE_CHECKING:
    _: type[ProcessorAdapter] = CheckoutComAdapter
