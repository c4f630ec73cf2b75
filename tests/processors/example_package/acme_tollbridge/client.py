"""The adapter of Acme: cards, charged at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Self, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec

from acme_tollbridge import mapping, notices, wire
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
)
from processors.checked import About, Checked, Finding, Proved, Wrong, look, same_address
from processors.configuration import base_url, check_credentials, check_options
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

TIMEOUT: Final = timedelta(seconds=30)
T = TypeVar("T")
HOSTS: Final = {"test": "https://api.test.acme.example", "live": "https://api.acme.example"}


class AcmeAdapter:
    """One account at Acme. Options: `environment` (`test` or `live`), `account`, and perhaps another `base_url`."""

    name: ClassVar[str] = "acme"
    capabilities: ClassVar[Capabilities] = Capabilities(
        asynchronous=False,
        idempotency=Idempotency(window=timedelta(days=1), replay=Replay.SAME_ANSWER),
        lookup=Lookup.BY_REFERENCE,
        reference=ReferenceRules(max_length=80),
        call_timeout=TIMEOUT,
        unknown_schedule=(timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=1)),
        pending_schedule=(timedelta(hours=1), timedelta(days=1)),
        max_pending=timedelta(days=3),
        lookup_lag=timedelta(minutes=5),
        not_found_is_conclusive=True,
        currencies=frozenset({"eur", "gbp", "jpy", "kwd", "usd"}),
        amounts=Amounts(minimum={"eur": 50, "usd": 50}),
        refunds=Refunds(RefundMode.SYNC, window=timedelta(days=180)),
        lists_refunds=True,
        events=frozenset(notices.KINDS.values()) | {EventKind.IGNORED},
    )
    credential_fields: ClassVar[tuple[str, ...]] = ("api_key", "webhook_secret")
    optional_credential_fields: ClassVar[tuple[str, ...]] = ("previous_webhook_secret",)
    option_fields: ClassVar[tuple[str, ...]] = ("environment", "account")
    optional_option_fields: ClassVar[tuple[str, ...]] = ("base_url",)
    host_option_fields: ClassVar[tuple[str, ...]] = ("environment", "base_url")
    declines: ClassVar[DeclineTable] = mapping.DECLINES

    def __init__(self, transport: Transport, api_key: Secret, secrets: tuple[Secret, ...], account: str) -> None:
        self._transport = transport
        self._api_key = api_key
        self._secrets = secrets
        self._account = account

    @classmethod
    def from_config(
        cls, credentials: Mapping[str, Secret], options: Mapping[str, str], http: httpx.AsyncClient, clock: Clock
    ) -> Self:
        """Raises ConfigurationError naming the field that is missing or empty."""
        check_credentials(credentials, cls.credential_fields, cls.optional_credential_fields)
        check_options(options, cls.option_fields)
        address = base_url(options, HOSTS)
        transport = Transport(http, address, TIMEOUT.total_seconds(), read_code=mapping.error_code)
        signing = ("webhook_secret", "previous_webhook_secret")
        secrets = tuple(credentials[field] for field in signing if field in credentials)
        return cls(transport, credentials["api_key"], secrets, options["account"])

    async def _send(self, call: PreparedCall, template: str, kind: type[T]) -> T:
        """Raises CallError."""
        auth = {"authorization": f"Bearer {self._api_key.reveal()}"}
        return (await self._transport.send(call, auth, template=template)).decode(kind)

    async def _get(self, path: str, template: str, kind: type[T]) -> T:
        """Raises CallError."""
        return await self._send(PreparedCall("GET", path, (), b""), template, kind)

    async def check(self, webhook_url: str) -> Checked:
        """Raises CallError, and ConfigurationError where the key is that of another account."""
        account = await self._get("/account", "/account", wire.Account)
        if account.id != self._account:
            raise ConfigurationError(f"account: the API key is that of {account.id}")
        opened = Proved(About.CREDENTIALS, f"the API key opens {account.id}")
        webhook = await look(About.WEBHOOK, self._webhook(webhook_url), "this API key may not see webhooks")
        return Checked(account.id, (opened, webhook), "Acme's dashboard: Webhooks, Send a test")

    async def _webhook(self, ours: str) -> Finding:
        """Raises CallError."""
        webhook = await self._get("/webhook", "/webhook", wire.Webhook)
        if same_address(webhook.url, ours):
            return Proved(About.WEBHOOK, "notifications go to this connection")
        return Wrong(About.WEBHOOK, f"notifications go to {webhook.url}", f"Acme's dashboard: Webhooks, enter {ours}")

    # Cards

    async def begin_setup(self, request: SetupRequest) -> SetupSession:
        setup = await self._send(mapping.setup_call(request), "/setups", wire.Setup)
        return SetupSession(processor_ref=setup.id, redirect_url=setup.page)

    async def complete_setup(self, completion: SetupCompletion) -> SetupResult:
        path = f"/setups/{segment(completion.processor_ref)}"
        return mapping.setup_result(await self._get(path, "/setups/{id}", wire.Setup))

    async def method_state(self, method: PaymentMethodReference) -> MethodState:
        path = f"/cards/{segment(method.token.reveal())}"
        card = await if_there(self._get(path, "/cards/{token}", wire.Card))
        return MethodState.REVOKED if card is None else mapping.STATES.get(card.state, MethodState.UNKNOWN)

    async def payer_address(self, method: PaymentMethodReference) -> PayerAddress | None:
        """Acme keeps no addresses."""
        return None

    async def revoke_method(self, method: PaymentMethodReference, idempotency_key: str) -> None:
        path = f"/cards/{segment(method.token.reveal())}"
        call = PreparedCall("DELETE", path, (("acme-key", idempotency_key),), b"")
        await if_there(self._send(call, "/cards/{token}", wire.Removed))

    # Charges

    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        return mapping.payment_call(request)

    async def charge(self, call: PreparedCall) -> ChargeOutcome:
        return await charge_outcome(self._charge(call))

    async def _charge(self, call: PreparedCall) -> ChargeOutcome:
        asked = msgspec.json.decode(call.body, type=wire.AskedPayment)
        try:
            payment = await self._send(call, "/payments", wire.Payment)
        except RefusedError as error:
            raise unclear(error) from None
        self._own(payment, asked.reference)
        if (payment.amount, payment.currency) != (asked.amount, asked.currency):
            raise OutcomeUnknownError("Acme answered with a payment of another amount")
        return mapping.outcome(payment)

    def _own(self, payment: wire.Payment, reference: str) -> wire.Payment:
        """Raises OutcomeUnknownError."""
        if (payment.account, payment.reference) != (self._account, reference):
            raise OutcomeUnknownError("Acme answered with a payment that is not the one asked for")
        return payment

    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        return await lookup_outcome(self._lookup(query))

    async def _lookup(self, query: ChargeQuery) -> LookupOutcome:
        """References are not unique at Acme; a payment that has money comes first."""
        path = f"/payments?{urlencode({'reference': query.reference})}"
        listed = await self._get(path, "/payments?reference={}", wire.Payments)
        outcomes = [mapping.outcome(self._own(one, query.reference)) for one in listed.payments]
        return lookup_of(outcomes, conclusive=True)

    async def cancel_charge(self, query: ChargeQuery, idempotency_key: str) -> LookupOutcome:
        return LookupFailed("a payment at Acme can't be withdrawn")

    # Refunds

    def prepare_refund(self, request: RefundRequest) -> PreparedCall:
        return mapping.refund_call(request, segment(request.charge_id))

    async def refund(self, call: PreparedCall) -> RefundOutcome:
        return await refund_outcome(self._refund(call), mapping.REFUSALS)

    async def _refund(self, call: PreparedCall) -> RefundOutcome:
        asked = msgspec.json.decode(call.body, type=wire.AskedRefund)
        try:
            refund = await self._send(call, "/payments/{id}/refunds", wire.Refund)
        except RefusedError as error:
            raise unclear(error) from None
        answered = (refund.account, refund.payment, refund.reference, refund.amount, refund.currency)
        if answered != (self._account, call.path.split("/")[2], asked.reference, asked.amount, asked.currency):
            raise OutcomeUnknownError("Acme answered with a refund that is not the one asked for")
        return mapping.refund_outcome(refund)

    async def lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        return await refund_lookup_outcome(self._lookup_refund(query))

    async def _lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        found = [one for one in await self._refunds(query.charge_id) if one.reference == query.reference]
        return RefundFound(mapping.refund_outcome(found[0])) if found else NotFound(conclusive=True)

    async def list_refunds(self, charge_id: str) -> tuple[RefundState, ...]:
        return tuple([mapping.refund_state(one) for one in await self._refunds(charge_id)])

    async def _refunds(self, charge_id: str) -> list[wire.Refund]:
        path = f"/payments/{segment(charge_id)}/refunds"
        refunds = (await self._get(path, "/payments/{id}/refunds", wire.Refunds)).refunds
        if any((one.account, one.payment) != (self._account, charge_id) for one in refunds):
            raise OutcomeUnknownError("Acme answered with refunds of another payment")
        return refunds

    # What Acme tells by itself

    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        notices.check_signature(delivery, self._secrets)
        return (notices.notice(delivery.body),)

    def acknowledge(self, delivery: RawDelivery, became: Acknowledgement) -> Reply:
        return Reply() if became is Acknowledgement.STORED else Reply(400, "")

    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        return (notices.event(notice.body),)

    async def poll(self, since: datetime, cursor: str = "") -> Polled:
        """All that can be known is told by webhook."""
        return Polled(())

    async def settlements(self, since: date) -> tuple[str, ...]:
        """Acme has no settlement files."""
        return ()

    async def settlement(self, processor_id: str) -> Settlement:
        raise RefusedError("Acme has no settlement files", 404, "no_settlement")


if TYPE_CHECKING:
    _: type[ProcessorAdapter] = AcmeAdapter
