"""The adapter of Adyen. What is sent stands in `mapping`, `setups` and `returns`; what comes by webhook in `notices`.

Adyen can't be asked for a payment or a refund: an unknown end is settled by the same bytes under the same key, which
give the first answer for 31 days, or by the webhook (docs: development-resources/api-idempotency). The merchant account
must capture by itself, and have standard webhooks with all dispute events as well as those about tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Self

import httpx

from processors.address import PayerAddress
from processors.adyen import check, config, mapping, notices, returns, setups
from processors.adyen.api import VERSION, WRONG_ACCOUNT, AdyenApi, error_code
from processors.adyen.declines import DECLINES
from processors.adyen.wire import ApiOffer, ApiPayment, ApiRefund, ApiSession, ApiStoredMethod
from processors.calls import segment
from processors.capabilities import (
    Capabilities,
    Idempotency,
    Lookup,
    ReferenceRules,
    RefundMode,
    Refunds,
    Replay,
    Webhook,
)
from processors.checked import About, Checked, Proved, look
from processors.declines import DeclineTable
from processors.errors import ConfigurationError, RefusedError
from processors.events import Acknowledgement, Notice, Polled, ProcessorEvent, RawDelivery, RefundState, Reply
from processors.outcome import (
    ChargeOutcome,
    LookupFailed,
    LookupOutcome,
    RefundLookupOutcome,
    RefundOutcome,
)
from processors.settlements import Settlement
from processors.transport import Transport, charge_outcome, refund_outcome
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
    SetupRequest,
    SetupResult,
    SetupSession,
)

if TYPE_CHECKING:
    from processors.interface import Clock, ProcessorAdapter

CALL_TIMEOUT: Final = timedelta(seconds=60)
NO_READ_BACK: Final = "Adyen can't be asked for it: the same bytes again, or its webhook, will say"
SESSION_RESULT: Final = "sessionResult"
"""What the Drop-in gives the browser in the end, under the name that it has there."""


DASHBOARDS: Final[Mapping[str, str]] = {
    environment: f"https://ca-{environment}.adyen.com/ca/ca/accounts/showTx.shtml?txType=Payment&pspReference="
    for environment in ("test", "live")
}
"""As Adyen's own plug-ins for shops have them."""


class AdyenAdapter:
    """One merchant account at Adyen. Options: see `config.Settings`."""

    name: ClassVar[str] = "adyen"
    capabilities: ClassVar[Capabilities] = Capabilities(
        # Cards end at once; bank debits, which a connection may be for, take days.
        asynchronous=True,
        idempotency=Idempotency(window=timedelta(days=31), replay=Replay.SAME_ANSWER, max_key_length=64),
        lookup=Lookup.NONE,
        # Adyen reads a hyphen as the end of one reference and the beginning of another.
        reference=ReferenceRules(max_length=80, alphabet="A-Za-z0-9_."),
        call_timeout=CALL_TIMEOUT,
        unknown_schedule=(
            timedelta(minutes=1),
            timedelta(minutes=5),
            timedelta(minutes=15),
            timedelta(hours=1),
            timedelta(hours=6),
            timedelta(days=1),
        ),
        pending_schedule=(timedelta(days=1),),
        max_pending=timedelta(days=14),
        currencies=mapping.CURRENCIES,
        # unverified: a payment is paid out with those of its day, two days later (see a settlement report).
        settlement=timedelta(days=2),
        refunds=Refunds(RefundMode.ASYNC),
        payer_address=True,
        webhook=Webhook.SIGNED_FIELDS,
        batch=True,
        events=notices.EVENTS,
    )
    credential_fields: ClassVar[tuple[str, ...]] = config.CREDENTIALS
    optional_credential_fields: ClassVar[tuple[str, ...]] = config.OPTIONAL_CREDENTIALS
    option_fields: ClassVar[tuple[str, ...]] = config.OPTIONS
    optional_option_fields: ClassVar[tuple[str, ...]] = config.OPTIONAL_OPTIONS
    host_option_fields: ClassVar[tuple[str, ...]] = ("environment", "base_url", "live_prefix")
    declines: ClassVar[DeclineTable] = DECLINES

    def __init__(
        self, keys: config.Keys, settings: config.Settings, transport: Transport, management: Transport, clock: Clock
    ) -> None:
        self._keys = keys.hmac
        self._settings = settings
        self._api = AdyenApi(transport, keys.api_key, settings.account)
        self._webhooks = check.Webhooks(management, keys.api_key, settings.account, tries=not settings.is_live)
        self._clock = clock

    @classmethod
    def charge_page(cls, options: Mapping[str, str], processor_id: str) -> str:
        """The charge in Adyen's Customer Area, by its PSP reference."""
        return DASHBOARDS[options["environment"]] + processor_id

    @classmethod
    def from_config(
        cls,
        credentials: Mapping[str, Secret],
        options: Mapping[str, str],
        http: httpx.AsyncClient,
        clock: Clock,
    ) -> Self:
        """Raises ConfigurationError naming the field that is missing, empty or malformed."""
        keys, settings = config.keys(credentials), config.settings(options)
        transport, management = (
            Transport(http, base_url, CALL_TIMEOUT.total_seconds(), read_code=error_code)
            for base_url in (settings.base_url, settings.management_url)
        )
        return cls(keys, settings, transport, management, clock)

    async def check(self, webhook_url: str) -> Checked:
        """Whether the key may list the payment methods that the account offers is the plainest thing to ask.

        Raises CallError, and ConfigurationError for an account that the key is not for.
        """
        try:
            (await self._api.send(mapping.check_call(self._settings), "/paymentMethods")).decode(ApiOffer)
        except RefusedError as error:
            if error.code == WRONG_ACCOUNT:
                raise ConfigurationError("account: the API key is not for this merchant account") from None
            raise
        opened = Proved(About.CREDENTIALS, f"the API key may take payments for {self._settings.account}")
        webhook = await look(About.WEBHOOK, self._webhooks.finding(webhook_url), check.MAY_NOT_LOOK)
        return Checked(self._settings.account, (opened, webhook), check.TRY_IT)

    # Payment methods

    async def begin_setup(self, request: SetupRequest) -> SetupSession:
        answer = await self._api.send(setups.setup_call(request, self._settings), "/sessions")
        return setups.session(answer.decode(ApiSession), request, self._settings)

    async def complete_setup(self, completion: SetupCompletion) -> SetupResult:
        """What is stored under the set-up's own shopper reference came from it, whatever else was lost on the way.

        Only where there is nothing yet is the session asked for, which needs what the browser was given. That comes
        from outside: if Adyen does not know it, it says nothing.
        """
        session, shopper = setups.parts(completion.processor_ref)
        for stored in await self._api.stored_methods(shopper):
            return setups.ready(stored, shopper)
        result = completion.client.get(SESSION_RESULT, "")
        if not result:
            return setups.PENDING
        try:
            return setups.ended(await self._api.session_result(session, result))
        except RefusedError as error:
            if error.status in (401, 403):
                raise
            return setups.PENDING

    async def method_state(self, method: PaymentMethodReference) -> MethodState:
        if method.processor_customer is None:
            return MethodState.UNKNOWN
        stored = await self._stored(method, method.processor_customer)
        if stored is None:
            return MethodState.REVOKED  # what is not there can't be charged
        return setups.state(stored, self._clock())

    async def payer_address(self, method: PaymentMethodReference) -> PayerAddress | None:
        if method.processor_customer is None:
            return None
        stored = await self._stored(method, method.processor_customer)
        return None if stored is None else setups.payer_address(stored)

    async def _stored(self, method: PaymentMethodReference, shopper: Secret) -> ApiStoredMethod | None:
        held = await self._api.stored_methods(shopper.reveal())
        return next((one for one in held if one.id == method.token.reveal()), None)

    async def revoke_method(self, method: PaymentMethodReference, idempotency_key: str) -> None:
        """Raises CallError, so also for a token whose shopper is not known, which Adyen wants to hear."""
        if method.processor_customer is None:
            raise RefusedError("a token can't be deleted without its shopper reference", 400, "shopper_unknown")
        await self._api.delete_method(method.token.reveal(), method.processor_customer.reveal())

    # Charges

    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        return mapping.charge_call(request, self._settings)

    async def charge(self, call: PreparedCall) -> ChargeOutcome:
        return await charge_outcome(self._charge(call))

    async def _charge(self, call: PreparedCall) -> ChargeOutcome:
        reference, wanted = mapping.asked(call.body)
        answer = await self._api.send_once(call, "/payments")
        return mapping.outcome(answer.decode(ApiPayment), reference, wanted, self._clock())

    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        return LookupFailed(NO_READ_BACK)

    async def cancel_charge(self, query: ChargeQuery, idempotency_key: str) -> LookupOutcome:
        """Not offered: a payment under way can't be stopped for certain, and one that is captured not at all."""
        return LookupFailed(NO_READ_BACK)

    # Refunds

    def prepare_refund(self, request: RefundRequest) -> PreparedCall:
        return returns.refund_call(request, segment(request.charge_id), self._settings.account)

    async def refund(self, call: PreparedCall) -> RefundOutcome:
        return await refund_outcome(self._refund(call))

    async def _refund(self, call: PreparedCall) -> RefundOutcome:
        wanted, payment = returns.asked(call.body), call.path.removeprefix(VERSION).split("/")[2]
        answer = await self._api.send_once(call, "/payments/{id}/refunds")
        return returns.received(answer.decode(ApiRefund), wanted, payment)

    async def lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        return LookupFailed(NO_READ_BACK)

    async def list_refunds(self, charge_id: str) -> tuple[RefundState, ...]:
        """Raises RefusedError: none would say that there are none."""
        raise RefusedError("Adyen lists no refunds: its webhooks tell of each", 400, "not_offered")

    # What the processor tells by itself

    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        return notices.verified(delivery, self._keys, self._settings.environment)

    def acknowledge(self, delivery: RawDelivery, became: Acknowledgement) -> Reply:
        """Any 2xx will do, 202 is advised; the word is for endpoints of old (docs: webhooks, handle-webhook-events)."""
        return Reply(202, "[accepted]") if became is Acknowledgement.STORED else Reply(400, "")

    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        return (notices.event(notice, self._clock()),)

    async def poll(self, since: datetime, cursor: str = "") -> Polled:
        return Polled(())

    # What was paid out: in reports that are downloaded with credentials of their own, which are not asked for here

    async def settlements(self, since: date) -> tuple[str, ...]:
        return ()

    async def settlement(self, processor_id: str) -> Settlement:
        raise RefusedError("Adyen's settlement reports are not read here", 400, "not_offered")


if TYPE_CHECKING:
    _: type[ProcessorAdapter] = AdyenAdapter
