"""The adapter of the practice processor. What is sent stands in `api`, what the answers mean in `mapping`.

This one is for an account in the default manner; those for other manners stand in `manners`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Self

import httpx

from processors.address import PayerAddress
from processors.calls import segment, unclear
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
from processors.checked import About, Checked, Finding, Proved, Wrong, same_address
from processors.configuration import check_credentials, check_options
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
from processors.money import Exponents, from_minor
from processors.outcome import (
    ChargeOutcome,
    Found,
    LookupOutcome,
    NotFound,
    RefundFound,
    RefundLookupOutcome,
    RefundOutcome,
    lookup_of,
)
from processors.practice import mapping, notices, returns, settlement
from processors.practice.api import PracticeApi
from processors.practice.wire import (
    ApiAccount,
    ApiCharge,
    ApiDispute,
    ApiMethod,
    ApiRefund,
    ApiSettlement,
    ApiSettlements,
    ApiSetup,
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

CALL_TIMEOUT: Final = timedelta(seconds=30)
TRY_IT: Final = 'POST /_sandbox/events with {"api_key", "type": "note.added"} at the practice processor'
"""A type that no adapter acts on."""

SCHEDULE: Final = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=6),
)


class PracticeAdapter:
    """One account at the practice processor. Options: `base_url`, and `account`, the receiver's id there."""

    name: ClassVar[str] = "practice"
    capabilities: ClassVar[Capabilities] = Capabilities(
        asynchronous=True,
        idempotency=Idempotency(window=timedelta(days=7), replay=Replay.SAME_ANSWER),
        lookup=Lookup.BY_REFERENCE,
        reference=ReferenceRules(max_length=64),
        call_timeout=CALL_TIMEOUT,
        unknown_schedule=SCHEDULE,
        pending_schedule=(timedelta(hours=1), timedelta(hours=6), timedelta(days=1)),
        max_pending=timedelta(days=7),
        lookup_lag=timedelta(minutes=15),
        not_found_is_conclusive=True,
        cancel=True,
        currencies=mapping.CURRENCIES,
        amounts=Amounts(minimum=mapping.MINIMUM),
        settlement=timedelta(days=1),
        refunds=Refunds(RefundMode.SYNC),
        lists_refunds=True,
        payer_address=True,
        webhook=Webhook.SIGNED_BODY,
        batch=True,
        events=frozenset(EventKind),
        settlement_files=True,
    )
    units: ClassVar[Exponents] = mapping.PRACTICE
    credential_fields: ClassVar[tuple[str, ...]] = ("api_key", "webhook_secret")
    optional_credential_fields: ClassVar[tuple[str, ...]] = ()
    option_fields: ClassVar[tuple[str, ...]] = ("base_url", "account")
    optional_option_fields: ClassVar[tuple[str, ...]] = ()
    host_option_fields: ClassVar[tuple[str, ...]] = ("base_url",)
    declines: ClassVar[DeclineTable] = mapping.DECLINES

    def __init__(
        self, api_key: Secret, webhook_secret: Secret, account: str, transport: Transport, clock: Clock
    ) -> None:
        self._webhook_secret = webhook_secret
        self._clock = clock
        self._account = account
        self._api = PracticeApi(transport, api_key, account, self.capabilities)
        self._place = self.capabilities.idempotency.place

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
        check_options(options, cls.option_fields)
        transport = Transport(http, options["base_url"], CALL_TIMEOUT.total_seconds(), read_code=mapping.error_code)
        secret = credentials.get("webhook_secret", Secret(""))
        return cls(credentials["api_key"], secret, options["account"], transport, clock)

    async def check(self, webhook_url: str) -> Checked:
        """Raises CallError, and ConfigurationError where the account is not the one configured."""
        account = (await self._api.get("/v1/account")).decode(ApiAccount)
        if account.id != self._account:
            raise ConfigurationError(f"account: the API key is that of {account.id}, not of the one configured")
        opened = Proved(About.CREDENTIALS, f"the API key opens {account.id}")
        return Checked(account.id, (opened, _webhook(account, webhook_url)), TRY_IT)

    # Payment methods

    async def begin_setup(self, request: SetupRequest) -> SetupSession:
        call = mapping.setup_call(request, self._place)
        setup = await self._api.send_once(call, "/v1/setups", ApiSetup, "/v1/setups")
        return SetupSession(
            processor_ref=setup.id,
            redirect_url=setup.url,
            client={"setup": setup.id, "client_token": setup.client_token},
            expires_at=None if setup.expires_at is None else mapping.moment(setup.expires_at),
        )

    async def complete_setup(self, completion: SetupCompletion) -> SetupResult:
        answer = await self._api.get(f"/v1/setups/{segment(completion.processor_ref)}", "/v1/setups/{id}")
        return mapping.setup_result(answer.decode(ApiSetup))

    async def method_state(self, method: PaymentMethodReference) -> MethodState:
        found = await self._method(method)
        if found is None:
            return MethodState.REVOKED  # what is not there can't be charged
        return mapping.METHOD_STATES.get(found.status, MethodState.UNKNOWN)

    async def payer_address(self, method: PaymentMethodReference) -> PayerAddress | None:
        found = await self._method(method)
        return None if found is None else mapping.payer_address(found)

    async def _method(self, method: PaymentMethodReference) -> ApiMethod | None:
        try:
            answer = await self._api.get(f"/v1/methods/{segment(method.token.reveal())}", "/v1/methods/{token}")
        except RefusedError as error:
            if error.code == "method_not_found":
                return None
            raise
        return answer.decode(ApiMethod)

    async def revoke_method(self, method: PaymentMethodReference, idempotency_key: str) -> None:
        headers = (("idempotency-key", idempotency_key),)
        call = PreparedCall("DELETE", f"/v1/methods/{segment(method.token.reveal())}", headers, b"")
        try:
            await self._api.send(call, "/v1/methods/{token}")
        except RefusedError as error:
            if error.code not in ("method_not_found", "method_revoked"):
                raise

    # Charges

    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        return mapping.charge_call(request, self._place, self.units)

    async def charge(self, call: PreparedCall) -> ChargeOutcome:
        return await charge_outcome(self._charge(call))

    async def _charge(self, call: PreparedCall) -> ChargeOutcome:
        reference, asked = mapping.charged(call.body, self.units)
        try:
            charge = await self._api.send_once(call, "/v1/charges", ApiCharge, "/v1/charges")
        except RefusedError as error:
            raise unclear(error) from None
        self._api.own(charge, reference)
        if from_minor(charge.amount, charge.currency, self.units) != asked:
            raise OutcomeUnknownError("the processor answered with a charge of another amount")
        return mapping.outcome(charge, self.units)

    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        return await lookup_outcome(self._lookup(query))

    async def _lookup(self, query: ChargeQuery) -> LookupOutcome:
        """With several charges under one reference, the first that has money, else the first still under way."""
        charges = await self._api.charges(query)
        outcomes = [mapping.outcome(charge, self.units) for charge in charges]
        return lookup_of(outcomes, conclusive=self.capabilities.not_found_is_conclusive)

    async def cancel_charge(self, query: ChargeQuery, idempotency_key: str) -> LookupOutcome:
        return await lookup_outcome(self._cancel(query, idempotency_key))

    async def _cancel(self, query: ChargeQuery, idempotency_key: str) -> LookupOutcome:
        charges = await self._api.charges(query)
        if not charges:
            return NotFound(conclusive=self.capabilities.not_found_is_conclusive)
        if len(charges) > 1:
            raise OutcomeUnknownError("the processor shows several charges with one reference")
        path = f"/v1/charges/{segment(charges[0].id)}/cancel"
        call = mapping.post(path, idempotency_key, {}, self._place)
        try:
            charge = await self._api.send_once(call, "/v1/charges/{id}/cancel", ApiCharge, "/v1/charges")
        except RefusedError as error:
            if error.code != "charge_closed":
                raise
            return await self._lookup(query)
        self._api.own(charge, query.reference)
        return Found(mapping.outcome(charge, self.units))

    # Refunds

    def prepare_refund(self, request: RefundRequest) -> PreparedCall:
        return returns.refund_call(request, segment(request.charge_id), self._place, self.units)

    async def refund(self, call: PreparedCall) -> RefundOutcome:
        return await refund_outcome(self._refund(call), returns.REFUSALS)

    async def _refund(self, call: PreparedCall) -> RefundOutcome:
        asked, charge = returns.asked(call.body), call.path.split("/")[3]
        try:
            refund = await self._api.send_once(call, "/v1/charges/{id}/refunds", ApiRefund, "/v1/refunds")
        except RefusedError as error:
            raise unclear(error) from None
        self._api.own_refund(refund, asked.reference, charge)
        if refund.amount != asked.amount:
            raise OutcomeUnknownError("the processor answered with a refund of another amount")
        return returns.refund_outcome(refund, self.units)

    async def lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        return await refund_lookup_outcome(self._lookup_refund(query))

    async def _lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        refund = await self._api.refund(query)
        if refund is None:
            return NotFound(conclusive=self.capabilities.not_found_is_conclusive)
        return RefundFound(returns.refund_outcome(refund, self.units))

    async def list_refunds(self, charge_id: str) -> tuple[RefundState, ...]:
        refunds = await self._api.refunds_of(charge_id)
        return tuple(returns.refund_state(one, self.units) for one in refunds)

    # What the processor tells by itself

    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        if self.capabilities.webhook is Webhook.UNSIGNED_PING:
            return notices.pings(delivery.body)
        header = delivery.header("practice-signature")
        notices.check_signature(header, self._webhook_secret.reveal(), delivery.body, self._clock().timestamp())
        return notices.notices(delivery.body)

    def acknowledge(self, delivery: RawDelivery, became: Acknowledgement) -> Reply:
        return Reply() if became is Acknowledgement.STORED else Reply(400, "")

    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        if self.capabilities.webhook is not Webhook.UNSIGNED_PING:
            return (notices.event(notice, self.units),)
        charge = await self._api.charge(notice.body.decode())
        return () if charge is None else notices.current(charge, self.units)

    async def poll(self, since: datetime, cursor: str = "") -> Polled:
        """Refunds first, then disputes; the cursor names the list and the last that was seen of it."""
        listed, _, after = (cursor or "refunds:").partition(":")
        if listed == "refunds":
            refunds = await self._api.changed_refunds(since, after)
            events = [notices.refund_event(notices.refund_kind(one), one, self.units) for one in refunds.data]
            return Polled(tuple(events), _after("refunds", refunds.data) if refunds.has_more else "disputes:")
        disputes = await self._api.changed_disputes(since, after)
        events = [
            notices.dispute_event(notices.DISPUTE_KINDS[f"dispute.{one.status}"], one, self.units)
            for one in disputes.data
        ]
        return Polled(tuple(events), _after("disputes", disputes.data) if disputes.has_more else "")

    # What was paid out

    async def settlements(self, since: date) -> tuple[str, ...]:
        answer = await self._api.get("/v1/settlements", day_from=since.isoformat())
        return tuple(one.id for one in answer.decode(ApiSettlements).data)

    async def settlement(self, processor_id: str) -> Settlement:
        path = f"/v1/settlements/{segment(processor_id)}"
        shown = (await self._api.get(path, "/v1/settlements/{id}")).decode(ApiSettlement)
        if shown.id != processor_id:
            raise OutcomeUnknownError("the processor answered with a settlement that is not the one asked for")
        content = (await self._api.get(f"{path}.csv", "/v1/settlements/{id}.csv")).body
        return settlement.settlement(shown.id, shown.day, content, self.units)


def _webhook(account: ApiAccount, ours: str) -> Finding:
    if any(same_address(one, ours) for one in account.webhook_urls):
        return Proved(About.WEBHOOK, "its notifications go to this connection")
    elsewhere = ", ".join(account.webhook_urls)
    said = f"its notifications go to {elsewhere}" if elsewhere else "its notifications go nowhere"
    return Wrong(About.WEBHOOK, said, f"POST /_sandbox/webhook_endpoint with the url {ours}")


def _after(listed: str, page: Sequence[ApiRefund | ApiDispute]) -> str:
    """The cursor behind a page: the list, and the time and id of the last change in it."""
    return f"{listed}:{page[-1].updated_at}:{page[-1].id}"


if TYPE_CHECKING:
    _: type[ProcessorAdapter] = PracticeAdapter
