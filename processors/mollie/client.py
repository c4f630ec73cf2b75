"""The adapter of Mollie. What is sent and found stands in `api`; what it means in `mapping`, `setups`, `returns` and
`notices`.

Everything is asked for again: a webhook is an id, and a mandate that a payer withdrew is told by no webhook at all. So
a charge's refusal shows it, and `method_state` before one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Self

import httpx

from processors.address import PayerAddress
from processors.calls import if_there, segment
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
from processors.checked import About, Checked, Proved
from processors.declines import DeclineTable
from processors.errors import ConfigurationError, OutcomeUnknownError, RefusedError
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
from processors.mollie import check, config, mapping, notices, returns, setups
from processors.mollie.api import MollieApi, error_code, next_of, of
from processors.mollie.declines import DECLINES, NO_MANDATE
from processors.mollie.wire import ApiChargeback, ApiCustomer, ApiPayment, ApiProfile, ApiRefund, PageLinks
from processors.outcome import (
    ChargeOutcome,
    Declined,
    Found,
    LookupOutcome,
    NotFound,
    RefundFound,
    RefundLookupOutcome,
    RefundOutcome,
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
    SetupRequest,
    SetupResult,
    SetupSession,
)

if TYPE_CHECKING:
    from processors.interface import Clock, ProcessorAdapter

CALL_TIMEOUT: Final = timedelta(seconds=60)
"""Ten seconds were too few: Mollie is slow at times, and a payment that was given up was made (mollie-api-php#663)."""

KEY_WINDOW: Final = timedelta(hours=1)
"""unverified: an older page says 24 hours (docs: overview/api-idempotency). The shorter is the safer: send one again
after two hours in a test, and look for `Idempotent-Replayed`."""

SEARCHED: Final = returns.CONTESTED + timedelta(days=60)
"""How far back chargebacks are listed, to see those that were reversed or lost meanwhile."""

POLL_PAGE: Final = 50
"""Each payment of a page that has changed is fetched, and a page must be done within one call's time."""


class MollieAdapter:
    """One profile at Mollie, in one mode. Options: see `config.Settings`."""

    name: ClassVar[str] = "mollie"
    capabilities: ClassVar[Capabilities] = Capabilities(
        # Cards and wallets end at once, SEPA debits take days.
        asynchronous=True,
        idempotency=Idempotency(window=KEY_WINDOW, replay=Replay.SAME_ANSWER),
        lookup=Lookup.SCAN,
        # Metadata hold about a kilobyte, of which this is a part (docs: reference/create-payment).
        reference=ReferenceRules(max_length=200),
        call_timeout=CALL_TIMEOUT,
        unknown_schedule=(
            timedelta(minutes=1),
            timedelta(minutes=5),
            timedelta(minutes=10),
            timedelta(minutes=20),
            timedelta(hours=1),
            timedelta(hours=6),
        ),
        pending_schedule=(timedelta(hours=1), timedelta(hours=6), timedelta(days=1)),
        max_pending=timedelta(days=14),
        # No document says that the list shows a payment at once, nor that one which it doesn't show is not there.
        lookup_lag=timedelta(minutes=5),
        not_found_is_conclusive=False,
        cancel=True,
        currencies=mapping.CURRENCIES,
        # A debit can be refused until five working days after its date (help centre, "reason codes").
        settlement=timedelta(days=7),
        # A payer can take a SEPA debit back for eight weeks, and for thirteen months one that was never agreed to.
        reversal_window=timedelta(days=396),
        refunds=Refunds(RefundMode.ASYNC),
        lists_refunds=True,
        webhook=Webhook.UNSIGNED_PING,
        events=notices.TOLD,
        polled_events=notices.POLLED,
    )
    credential_fields: ClassVar[tuple[str, ...]] = config.CREDENTIALS
    optional_credential_fields: ClassVar[tuple[str, ...]] = config.OPTIONAL_CREDENTIALS
    option_fields: ClassVar[tuple[str, ...]] = config.OPTIONS
    optional_option_fields: ClassVar[tuple[str, ...]] = config.OPTIONAL_OPTIONS
    host_option_fields: ClassVar[tuple[str, ...]] = ("base_url",)
    declines: ClassVar[DeclineTable] = DECLINES

    def __init__(self, keys: config.Keys, settings: config.Settings, transport: Transport, clock: Clock) -> None:
        self._webhook_secret = keys.webhook_secret
        self._settings = settings
        self._api = MollieApi(transport, keys.api_key, settings)
        self._clock = clock

    @classmethod
    def from_config(
        cls,
        credentials: Mapping[str, Secret],
        options: Mapping[str, str],
        http: httpx.AsyncClient,
        clock: Clock,
    ) -> Self:
        """Raises ConfigurationError naming the field that is missing, empty or malformed."""
        keys = config.keys(credentials)
        settings = config.settings(options, keys.api_key)
        transport = Transport(http, settings.base_url, CALL_TIMEOUT.total_seconds(), read_code=error_code)
        return cls(keys, settings, transport, clock)

    async def check(self, webhook_url: str) -> Checked:
        """Raises CallError, and ConfigurationError where the key's profile is not the one configured."""
        profile = (await self._api.get("/profiles/me", "/profiles/me")).decode(ApiProfile)
        if self._settings.account and profile.id != self._settings.account:
            raise ConfigurationError(f"account: the API key is that of {profile.id}, not of the one configured")
        opened = Proved(About.CREDENTIALS, f"the API key opens {profile.id}")
        signed = self._webhook_secret is not None
        return Checked(
            profile.id, (opened, *check.findings(self._settings.webhook_url, webhook_url, signed=signed)), check.TRY_IT
        )

    # Payment methods

    async def begin_setup(self, request: SetupRequest) -> SetupSession:
        """Raises CallError. A customer whose answer was lost has nothing and is left behind."""
        setups.check(request)
        customer = (await self._api.send(setups.customer_call(request), "/customers")).decode(ApiCustomer)
        call = setups.payment_call(request, customer.id, self._settings)
        payment = (await self._api.send_once(call, "/payments")).decode(ApiPayment)
        return setups.session(self._api.own(payment), request.reference)

    async def complete_setup(self, completion: SetupCompletion) -> SetupResult:
        payment = await self._api.payment(completion.processor_ref)
        if (unpaid := setups.unpaid(payment)) is not None:
            return unpaid
        if payment.customer_id is None:
            raise OutcomeUnknownError("Mollie's first payment names no customer")
        return setups.paid(payment, await self._api.mandates(payment.customer_id))

    async def method_state(self, method: PaymentMethodReference) -> MethodState:
        if method.processor_customer is None:
            return MethodState.UNKNOWN
        mandate = await self._api.mandate(method.processor_customer.reveal(), method.token.reveal())
        if mandate is None:
            return MethodState.REVOKED  # what is not there can't be charged
        return setups.STATES.get(mandate.status, MethodState.UNKNOWN)

    async def payer_address(self, method: PaymentMethodReference) -> PayerAddress | None:
        return None  # neither a customer nor a mandate has one (docs: reference/get-customer, get-mandate)

    async def revoke_method(self, method: PaymentMethodReference, idempotency_key: str) -> None:
        """Raises CallError, so also for a mandate whose customer is not known, which stands in its address."""
        if method.processor_customer is None:
            raise RefusedError("a mandate can't be deleted without its customer", 400, "customer_unknown")
        customer, mandate = segment(method.processor_customer.reveal()), segment(method.token.reveal())
        path = f"{mapping.VERSION}/customers/{customer}/mandates/{mandate}"
        call = PreparedCall("DELETE", path, (("idempotency-key", idempotency_key),), b"")
        await if_there(self._api.send(call, "/customers/{id}/mandates/{id}"))

    # Charges

    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        return mapping.charge_call(request, self._settings)

    async def charge(self, call: PreparedCall) -> ChargeOutcome:
        return await charge_outcome(self._charge(call))

    async def _charge(self, call: PreparedCall) -> ChargeOutcome:
        reference, wanted = mapping.asked(call.body)
        try:
            payment = (await self._api.send_once(call, "/payments")).decode(ApiPayment)
        except RefusedError as error:
            if error.code != NO_MANDATE:
                raise
            return Declined(DECLINES.decline(NO_MANDATE, "Mollie has no mandate that can be charged."))
        self._api.own(payment)
        if mapping.reference_of(payment.metadata) != reference or mapping.money(payment.amount) != wanted:
            raise OutcomeUnknownError("Mollie answered with another payment, or one of another amount")
        return mapping.outcome(payment)

    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        return await lookup_outcome(self._lookup(query))

    async def _lookup(self, query: ChargeQuery) -> LookupOutcome:
        """With several payments under one reference, which Mollie allows, the first that has money or may get some."""
        outcomes = [mapping.outcome(payment) for payment in await self._api.payments(query)]
        return lookup_of(outcomes, conclusive=self.capabilities.not_found_is_conclusive)

    async def cancel_charge(self, query: ChargeQuery, idempotency_key: str) -> LookupOutcome:
        return await lookup_outcome(self._cancel(query, idempotency_key))

    async def _cancel(self, query: ChargeQuery, idempotency_key: str) -> LookupOutcome:
        """Mollie says whether it's in time, usually until the next working day (docs: reference/cancel-payment)."""
        payments = await self._api.payments(query)
        if not payments:
            return NotFound(conclusive=self.capabilities.not_found_is_conclusive)
        if len(payments) > 1:
            raise OutcomeUnknownError("Mollie shows several payments with one reference")
        if not payments[0].is_cancelable:
            return Found(mapping.outcome(payments[0]))
        payment_id = segment(payments[0].id)
        headers = (("idempotency-key", idempotency_key),)
        call = PreparedCall("DELETE", f"{mapping.VERSION}/payments/{payment_id}", headers, b"")
        try:
            canceled = (await self._api.send(call, "/payments/{id}")).decode(ApiPayment)
        except RefusedError as error:
            if error.status != 422:
                raise
            canceled = await self._api.payment(payment_id)
        if canceled.id != payment_id or mapping.reference_of(canceled.metadata) != query.reference:
            raise OutcomeUnknownError("Mollie answered with a payment that is not the one asked for")
        return Found(mapping.outcome(self._api.own(canceled)))

    # Refunds

    def prepare_refund(self, request: RefundRequest) -> PreparedCall:
        return returns.refund_call(request, segment(request.charge_id))

    async def refund(self, call: PreparedCall) -> RefundOutcome:
        # Mollie's refusals have no codes by which one could tell why: each is shown in its own words.
        return await refund_outcome(self._refund(call))

    async def _refund(self, call: PreparedCall) -> RefundOutcome:
        (reference, wanted), payment = mapping.asked(call.body), call.path.split("/")[3]
        refund = (await self._api.send_once(call, "/payments/{id}/refunds")).decode(ApiRefund)
        if refund.payment_id != payment or not of(refund, reference) or mapping.money(refund.amount) != wanted:
            raise OutcomeUnknownError("Mollie answered with another refund, or one of another amount")
        return returns.refund_outcome(refund)

    async def lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        return await refund_lookup_outcome(self._lookup_refund(query))

    async def _lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        refund = await self._api.refund(query)
        if refund is None:
            return NotFound(conclusive=self.capabilities.not_found_is_conclusive)
        return RefundFound(returns.refund_outcome(refund))

    async def list_refunds(self, charge_id: str) -> tuple[RefundState, ...]:
        return tuple(returns.refund_state(one) for one in await self._api.refunds_of(charge_id))

    # What Mollie tells by itself

    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        """Raises WebhookError. What is signed must be so by our secret; what isn't is a ping, and proves nothing."""
        if given := notices.signatures(delivery):
            notices.check_signature(given, self._webhook_secret, delivery.body)
            return (notices.event(delivery.body),)
        return (notices.ping(delivery.body),)

    def acknowledge(self, delivery: RawDelivery, became: Acknowledgement) -> Reply:
        """Also an id that nobody knows is answered 200, so that the answer tells a stranger nothing."""
        return Reply() if became is Acknowledgement.STORED else Reply(400, "")

    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        entity = notice.body.decode()
        if entity.startswith(("re_", "chb_")):
            entity = await self._api.payment_of(entity)
        elif not entity.startswith("tr_"):
            what = f"{notice.kind}: about nothing that is ours"
            return (ProcessorEvent(EventKind.IGNORED, self._clock(), detail=what),)
        payment = await self._api.whole_payment(entity) if entity else None
        return () if payment is None else notices.current(payment, self._clock())

    async def poll(self, since: datetime, cursor: str = "") -> Polled:
        """Chargebacks first, then refunds: both lists are of the whole profile, and go from the newest to the oldest.

        All is told of each payment that has a new one: also what a lost ping had told.
        """
        listed, _, after = (cursor or "chargebacks:").partition(":")
        if listed == "chargebacks":
            page = await self._api.chargebacks(after, POLL_PAGE)
            chargebacks = page.embedded.chargebacks
            changed = [one.payment_id for one in chargebacks if returns.has_news(one, since, self._clock())]
            after = _after(page.links, chargebacks, since - SEARCHED)
            return Polled(await self._tell(changed), f"chargebacks:{after}" if after else "refunds:")
        found = await self._api.refunds(after, POLL_PAGE)
        refunds = found.embedded.refunds
        after = _after(found.links, refunds, since)
        new = [one.payment_id for one in refunds if one.created_at >= since]
        return Polled(await self._tell(new), f"refunds:{after}" if after else "")

    async def _tell(self, payments: Sequence[str]) -> tuple[ProcessorEvent, ...]:
        """What each of the payments says, once; others' are left out."""
        found = [await self._api.whole_payment(one) for one in dict.fromkeys(payments)]
        now = self._clock()
        events = [event for payment in found if payment is not None for event in notices.current(payment, now)]
        return tuple(event for event in events if event.kind is not EventKind.IGNORED)

    # What was paid out: Mollie gives its settlements to an organization's token alone, and not to a profile's key.

    async def settlements(self, since: date) -> tuple[str, ...]:
        return ()

    async def settlement(self, processor_id: str) -> Settlement:
        raise RefusedError("Mollie gives no settlements to the key of a profile", 404, "settlement_not_found")


def _after(links: PageLinks, page: Sequence[ApiChargeback | ApiRefund], oldest: datetime) -> str:
    """Where the next page begins; empty where what follows is too old to be of interest."""
    return next_of(links) if page and page[-1].created_at >= oldest else ""


if TYPE_CHECKING:
    _: type[ProcessorAdapter] = MollieAdapter
