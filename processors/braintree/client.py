"""The adapter of Braintree, over its GraphQL API (facts: 3.3). What is asked stands in `api`, what it means in
`mapping`, `returns`, `disputes` and `methods`, and how it's told in `notices` and `polling`.

Ids: a charge, refund, dispute or payment method goes by its global id everywhere with us. Webhooks and the Control
Panel name the same by another, shorter id, which is inside of the global one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Self

import httpx

from processors.address import PayerAddress
from processors.braintree import check, config, mapping, methods, notices, polling, refunding, returns, signatures
from processors.braintree.api import BraintreeApi
from processors.braintree.config import Settings
from processors.braintree.declines import DECLINES
from processors.braintree.graphql import GraphQl, some
from processors.braintree.wire import ApiCharged, ApiMerchant, ApiTransaction
from processors.capabilities import (
    Capabilities,
    Idempotency,
    KeyPlace,
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
from processors.outcome import (
    ChargeOutcome,
    LookupFailed,
    LookupOutcome,
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

TOLD: Final = frozenset(
    {
        EventKind.CHARGE_SETTLED,
        EventKind.CHARGE_REVERSED,
        EventKind.REFUND_FAILED,
        EventKind.DISPUTE_INQUIRY,
        EventKind.DISPUTE_OPENED,
        EventKind.DISPUTE_FUNDS_WITHDRAWN,
        EventKind.DISPUTE_WON,
        EventKind.DISPUTE_LOST,
        EventKind.DISPUTE_PARTLY_LOST,
        EventKind.DISPUTE_CLOSED,
        EventKind.METHOD_REVOKED,
        EventKind.IGNORED,
    }
)
POLLED: Final = frozenset(
    {
        EventKind.CHARGE_SUCCEEDED,
        EventKind.CHARGE_FAILED,
        EventKind.CHARGE_PENDING,
        EventKind.REFUND_CREATED,
        EventKind.REFUND_SUCCEEDED,
    }
)
"""No webhook tells of a card's charge, and none of a refund or void made in the Control Panel.

Impossible: money of a charge that comes again (a declined settlement is final, and a charge that Braintree repeats is
another one), a refund that is called reversed (its failure is told as that, whenever it comes), a method that becomes
usable, expires or is replaced (Braintree keeps the same id for a renewed card), and a locked account.
"""


class BraintreeAdapter:
    """One gateway account at Braintree. Options: `environment` (test, live), `account`, the merchant's id there, and
    `merchant_accounts`, the account that takes each currency: `eur=acme_eur,usd=acme_usd`."""

    name: ClassVar[str] = "braintree"
    capabilities: ClassVar[Capabilities] = Capabilities(
        asynchronous=True,
        idempotency=Idempotency(
            window=timedelta(days=30), replay=Replay.CURRENT_STATE, max_key_length=64, place=KeyPlace.BODY
        ),
        lookup=Lookup.BY_REFERENCE,
        # 255, and 127 where PayPal has it as its invoice number (docs: graphql TransactionInput.orderId).
        reference=ReferenceRules(max_length=127),
        call_timeout=mapping.CALL_TIMEOUT,
        unknown_schedule=(
            timedelta(seconds=30),
            timedelta(minutes=2),
            timedelta(minutes=5),
            timedelta(minutes=15),
            timedelta(hours=1),
            timedelta(hours=6),
        ),
        pending_schedule=(timedelta(hours=1), timedelta(hours=6), timedelta(days=1)),
        max_pending=timedelta(days=14),
        lookup_lag=timedelta(minutes=15),
        # How soon a search shows a charge isn't told, so that finding none proves nothing; the same key does.
        not_found_is_conclusive=False,
        # A reversal of what settles meanwhile is a refund, so that a pending charge can't be withdrawn for certain.
        cancel=False,
        # Which there are is said by each connection's merchant accounts.
        currencies=None,
        settlement=timedelta(days=3),
        refunds=Refunds(RefundMode.SYNC),
        lists_refunds=True,
        payer_address=True,
        webhook=Webhook.SIGNED_BODY,
        events=TOLD,
        polled_events=POLLED,
    )
    credential_fields: ClassVar[tuple[str, ...]] = config.CREDENTIALS
    optional_credential_fields: ClassVar[tuple[str, ...]] = config.OPTIONAL_CREDENTIALS
    option_fields: ClassVar[tuple[str, ...]] = config.OPTIONS
    optional_option_fields: ClassVar[tuple[str, ...]] = config.OPTIONAL_OPTIONS
    host_option_fields: ClassVar[tuple[str, ...]] = ("environment", "base_url")
    declines: ClassVar[DeclineTable] = DECLINES

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self._api = BraintreeApi(GraphQl(transport, settings.keys[0]), settings)

    @classmethod
    def from_config(
        cls,
        credentials: Mapping[str, Secret],
        options: Mapping[str, str],
        http: httpx.AsyncClient,
        clock: Clock,
    ) -> Self:
        """Raises ConfigurationError naming the field that is missing, empty or malformed."""
        settings = config.settings(credentials, options)
        return cls(settings, Transport(http, settings.base_url, mapping.CALL_TIMEOUT.total_seconds()))

    async def check(self, webhook_url: str) -> Checked:
        """Raises CallError, and ConfigurationError where the key is another's, or where a merchant account isn't there
        or has another currency."""
        merchant = await self._api.merchant()
        if merchant.id != self._settings.account:
            raise ConfigurationError(f"account: the API key is that of {merchant.id}, not of the one configured")
        self._check_accounts(merchant)
        opened = Proved(About.CREDENTIALS, f"the keys open {merchant.id}, and its merchant accounts are there")
        return Checked(merchant.id, (opened, check.WEBHOOK), check.TRY_IT)

    def _check_accounts(self, merchant: ApiMerchant) -> None:
        there = {one.id: one for one in merchant.merchant_accounts.nodes}
        for currency, account in self._settings.merchant_accounts.items():
            if account not in there:
                raise ConfigurationError(f"merchant_accounts: the merchant has no account {account}")
            if there[account].currency_code.lower() != currency:
                raise ConfigurationError(f"merchant_accounts: {account} takes {there[account].currency_code}")

    # Payment methods

    async def begin_setup(self, request: SetupRequest) -> SetupSession:
        return await methods.begin(self._api, request, self._settings.merchant_accounts)

    async def complete_setup(self, completion: SetupCompletion) -> SetupResult:
        return await methods.complete(self._api, completion, self._settings.merchant_accounts)

    async def method_state(self, method: PaymentMethodReference) -> MethodState:
        """A card that has expired stays in the vault, and may be renewed there: its next charge tells."""
        found = await self._api.method(method.token.reveal())
        return MethodState.REVOKED if found is None else MethodState.ACTIVE

    async def payer_address(self, method: PaymentMethodReference) -> PayerAddress | None:
        found = await self._api.method_with_address(method.token.reveal())
        return None if found is None or found.details is None else methods.payer_address(found.details)

    async def revoke_method(self, method: PaymentMethodReference, idempotency_key: str) -> None:
        await methods.revoke(self._api, method.token.reveal())

    # Charges

    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        return mapping.charge_call(request, self._settings.merchant_accounts)

    async def charge(self, call: PreparedCall) -> ChargeOutcome:
        return await charge_outcome(self._charge(call))

    async def _charge(self, call: PreparedCall) -> ChargeOutcome:
        field = "chargePaymentMethod"
        charge = some(await self._api.graphql.send(call, field, ApiCharged), field).transaction
        mapping.check_charge(charge, mapping.charged(call.body))
        if mapping.duplicate(charge) is not None:
            raise OutcomeUnknownError("there is a charge like it already: look it up by its reference")
        return mapping.outcome(charge)

    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        return await lookup_outcome(self._lookup(query))

    async def _lookup(self, query: ChargeQuery) -> LookupOutcome:
        """With several charges under one reference, the first that has money, else the first still under way."""
        outcomes = [mapping.outcome(one) for one in await self._charges(query)]
        return lookup_of(outcomes, conclusive=self.capabilities.not_found_is_conclusive)

    async def _charges(self, query: ChargeQuery) -> list[ApiTransaction]:
        """Those of a query, each once; a rejected duplicate stands for what it is a duplicate of."""
        found: dict[str, ApiTransaction] = {}
        for charge in await self._shown(query):
            event = mapping.duplicate(charge)
            original = None
            if event is not None and event.duplicate_of is not None:
                original = await self._api.original(event.duplicate_of, query.reference)
            if event is None or original is None:
                found.setdefault(charge.id, charge)
            else:
                found.setdefault(original.id, original)
        real = [charge for charge in found.values() if mapping.duplicate(charge) is None]
        return real or list(found.values())

    async def _shown(self, query: ChargeQuery) -> list[ApiTransaction]:
        if not query.processor_id:
            return await self._api.transactions_of(query.reference)
        charge = await self._api.transaction(query.processor_id)
        return [] if charge is None else [self._api.own(charge, query.reference)]

    async def cancel_charge(self, query: ChargeQuery, idempotency_key: str) -> LookupOutcome:
        return LookupFailed("a charge can't be withdrawn at this processor")

    # Refunds

    def prepare_refund(self, request: RefundRequest) -> PreparedCall:
        return returns.refund_call(request)

    async def refund(self, call: PreparedCall) -> RefundOutcome:
        return await refund_outcome(refunding.refund(self._api, call), returns.REFUSALS)

    async def lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        conclusive = self.capabilities.not_found_is_conclusive
        return await refund_lookup_outcome(refunding.lookup(self._api, query, conclusive=conclusive))

    async def list_refunds(self, charge_id: str) -> tuple[RefundState, ...]:
        """With the void, which is a refund of the whole."""
        charge = await self._api.refunds_of(charge_id)
        if charge is None:
            raise RefusedError("the processor has no such charge", 404, "NOT_FOUND")
        made = [returns.refund_state(one, charge.id, charge.order_id or "") for one in charge.refunds or ()]
        return (*made, returns.void_state(charge)) if returns.is_void(charge) else tuple(made)

    # What the processor tells by itself

    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        """Raises WebhookError. An address that is tried is told nothing; `acknowledge` answers its challenge."""
        if signatures.answer(delivery, self._settings.keys[0]) is not None:
            return ()
        return (notices.notice(signatures.payload(delivery.body, self._settings.keys)),)

    def acknowledge(self, delivery: RawDelivery, became: Acknowledgement) -> Reply:
        challenge = signatures.answer(delivery, self._settings.keys[0])
        if challenge is not None:
            return Reply(body=challenge)
        return Reply() if became is Acknowledgement.STORED else Reply(400, "")

    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        return (await notices.parse(self._api, notice.body, self._settings.account),)

    async def poll(self, since: datetime, cursor: str = "") -> Polled:
        return await polling.poll(self._api, self._settings.account, since, cursor)

    # What was paid out: no description of its reports is at hand, so none are read.

    async def settlements(self, since: date) -> tuple[str, ...]:
        return ()

    async def settlement(self, processor_id: str) -> Settlement:
        raise RefusedError("settlement files are not read from this processor", 404, "no_settlement_files")


if TYPE_CHECKING:
    _: type[ProcessorAdapter] = BraintreeAdapter
