"""The adapter of GoCardless: bank debits by mandate. What is sent stands in `api`, what the answers mean in `mapping`.

A payment is pending for days, then confirmed: collected, and still reversible. Later it's paid out to the merchant. A
bank's refusal may come after that, and the payer may have it charged back, by SEPA for weeks, by Bacs without an end.
Nobody can contest that, so there are no disputes here, only reversals (`history`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, ClassVar, Final, Self

import httpx

from processors.address import PayerAddress
from processors.calls import if_there, segment
from processors.capabilities import Capabilities
from processors.checked import About, Checked, Finding, Proved, look
from processors.configuration import base_url, check_credentials, check_options
from processors.declines import DeclineTable
from processors.errors import CallError, ConfigurationError, OutcomeUnknownError, RefusedError
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
from processors.gocardless import check, events, mandates, mapping, notices, returns
from processors.gocardless.api import GoCardlessApi, known
from processors.gocardless.declared import CALL_TIMEOUT, CAPABILITIES
from processors.gocardless.declines import AT_CREATION, DECLINES, INACTIVE, decline
from processors.gocardless.wire import (
    ApiPayment,
    OneBillingRequest,
    OneCreditor,
    OneFlow,
    OnePayment,
    OneRefund,
    Webhooks,
)
from processors.outcome import (
    ChargeOutcome,
    Declined,
    Found,
    LookupOutcome,
    NotFound,
    NotSent,
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

BASE_URLS: Final[Mapping[str, str]] = {
    "test": "https://api-sandbox.gocardless.com",
    "live": "https://api.gocardless.com",
}
POLL_PAGE: Final = 10
"""What each event of a page is about is fetched, and a page must be done within one call's time."""
OTHERS_TOKENS: Final[Mapping[str, str]] = {"test": "live_", "live": "sandbox_"}
"""How the tokens of the other environment begin. unverified: that every token does so; one that doesn't is let through,
and its calls are refused by the environment itself."""


DASHBOARDS: Final[Mapping[str, str]] = {
    "test": "https://manage-sandbox.gocardless.com/payments/",
    "live": "https://manage.gocardless.com/payments/",
}
"""As GoCardless's own plug-in for shops has them."""


class GoCardlessAdapter:
    """One creditor at GoCardless. Options: `environment`, `test` or `live`, and `account`, the creditor's id."""

    name: ClassVar[str] = "gocardless"
    capabilities: ClassVar[Capabilities] = CAPABILITIES
    credential_fields: ClassVar[tuple[str, ...]] = ("access_token", "webhook_secret")
    optional_credential_fields: ClassVar[tuple[str, ...]] = ("previous_webhook_secret",)
    option_fields: ClassVar[tuple[str, ...]] = ("environment", "account")
    optional_option_fields: ClassVar[tuple[str, ...]] = ("base_url",)
    host_option_fields: ClassVar[tuple[str, ...]] = ("environment", "base_url")
    declines: ClassVar[DeclineTable] = DECLINES

    def __init__(self, api: GoCardlessApi, account: str, webhook_secrets: tuple[Secret, ...]) -> None:
        self._api = api
        self._account = account
        self._webhook_secrets = webhook_secrets

    @classmethod
    def charge_page(cls, options: Mapping[str, str], processor_id: str) -> str:
        """The charge in GoCardless's dashboard."""
        return DASHBOARDS[options["environment"]] + processor_id

    @classmethod
    def from_config(
        cls,
        credentials: Mapping[str, Secret],
        options: Mapping[str, str],
        http: httpx.AsyncClient,
        clock: Clock,
    ) -> Self:
        """Raises ConfigurationError naming the field that is missing, empty or of the other environment."""
        check_credentials(credentials, cls.credential_fields, cls.optional_credential_fields)
        check_options(options, cls.option_fields)
        address, environment = base_url(options, BASE_URLS), options["environment"]
        if credentials["access_token"].reveal().startswith(OTHERS_TOKENS[environment]):
            raise ConfigurationError(f"access_token is not one of the {environment} environment")
        transport = Transport(http, address, CALL_TIMEOUT.total_seconds(), read_code=mapping.error_code)
        api = GoCardlessApi(transport, credentials["access_token"], options["account"])
        signing = ("webhook_secret", "previous_webhook_secret")
        return cls(api, options["account"], tuple(credentials[field] for field in signing if field in credentials))

    async def check(self, webhook_url: str) -> Checked:
        """Raises CallError, and ConfigurationError where the token does not see the configured creditor."""
        answer = await if_there(self._api.get(f"/creditors/{segment(self._account)}", "/creditors/{id}"))
        if answer is None or (creditor := answer.decode(OneCreditor).one).id != self._account:
            raise ConfigurationError("account: the access token is of an organisation without that creditor")
        opened = Proved(About.CREDENTIALS, f"the access token sees the creditor {creditor.id}")
        webhook = await look(About.WEBHOOK, self._webhook(webhook_url), check.MAY_NOT_LOOK)
        return Checked(creditor.id, (opened, webhook), check.TRY_IT)

    async def _webhook(self, ours: str) -> Finding:
        """Raises CallError."""
        sent = await self._api.get("/webhooks", "/webhooks?limit={}", limit=str(check.LATEST))
        return check.finding(sent.decode(Webhooks), ours)

    # Mandates

    async def begin_setup(self, request: SetupRequest) -> SetupSession:
        call = mandates.request_call(request, self._account)
        asked = (await self._api.create(call, OneBillingRequest)).one
        page = mandates.flow_call(request, asked.id)
        flow = (await self._api.send(page, page.path)).decode(OneFlow).one
        return SetupSession(processor_ref=asked.id, redirect_url=flow.authorisation_url, expires_at=flow.expires_at)

    async def complete_setup(self, completion: SetupCompletion) -> SetupResult:
        path = f"/billing_requests/{segment(completion.processor_ref)}"
        shown = (await self._api.get(path, "/billing_requests/{id}")).decode(OneBillingRequest).one
        if shown.links.creditor not in (None, self._account):
            raise OutcomeUnknownError("GoCardless answered with a billing request of another creditor")
        return mandates.setup_result(shown)

    async def method_state(self, method: PaymentMethodReference) -> MethodState:
        return mandates.state(await self._api.mandate(method.token.reveal()))

    async def payer_address(self, method: PaymentMethodReference) -> PayerAddress | None:
        """That of the mandate's customer, who may have been erased since."""
        mandate = await self._api.mandate(method.token.reveal())
        if mandate is None or not mandate.links.customer:
            return None
        customer = await self._api.customer(mandate.links.customer)
        return None if customer is None else mandates.payer_address(customer)

    async def revoke_method(self, method: PaymentMethodReference, idempotency_key: str) -> None:
        """Cancel the mandate. With it GoCardless cancels every payment of it that isn't submitted to the bank yet, of
        which its notices tell. It takes no key: cancelling twice is refused, and the mandate's state says why.
        """
        path = f"/mandates/{segment(method.token.reveal())}/actions/cancel"
        try:
            await self._api.send(PreparedCall("POST", path, (), b""), "/mandates/{id}/actions/cancel")
        except RefusedError as error:
            if error.status in (401, 403):
                raise
            if await self.method_state(method) not in (MethodState.REVOKED, MethodState.EXPIRED):
                raise

    # Payments

    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        return mapping.charge_call(request)

    async def charge(self, call: PreparedCall) -> ChargeOutcome:
        return await charge_outcome(self._charge(call))

    async def _charge(self, call: PreparedCall) -> ChargeOutcome:
        reference, asked = mapping.charged(call.body)
        try:
            payment = (await self._api.create(call, OnePayment)).one
        except RefusedError as error:
            if error.code not in AT_CREATION:
                raise
            return await self._declined(call, error.code)
        self._api.own(payment, reference)
        if mapping.money(payment) != asked:
            raise OutcomeUnknownError("GoCardless answered with a payment of another amount")
        return await known(self._outcome(payment))

    async def _declined(self, call: PreparedCall, code: str) -> Declined:
        """No payment was made. Why a mandate is inactive only the mandate tells; unseen, it's taken for gone."""
        if code == INACTIVE:
            try:
                mandate = await self._api.mandate(mapping.charged_mandate(call.body))
            except CallError:
                mandate = None
            state = f"mandate_{mandate.status}" if mandate else ""
            code = state if state in DECLINES.classes else code
        return Declined(decline(code))

    async def _outcome(self, payment: ApiPayment) -> ChargeOutcome:
        """Raises CallError, MoneyError."""
        history = await self._api.events_of(payment.id) if payment.status in mapping.ENDED else []
        return mapping.outcome(payment, history)

    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        return await lookup_outcome(self._lookup(query))

    async def _lookup(self, query: ChargeQuery) -> LookupOutcome:
        """With several payments under one reference, the first that has money, else the first still under way."""
        outcomes = [await self._outcome(payment) for payment in await self._api.payments(query)]
        return lookup_of(outcomes, conclusive=self.capabilities.not_found_is_conclusive)

    async def cancel_charge(self, query: ChargeQuery, idempotency_key: str) -> LookupOutcome:
        return await lookup_outcome(self._cancel(query))

    async def _cancel(self, query: ChargeQuery) -> LookupOutcome:
        """Only a payment that waits to be submitted can be withdrawn; cancelling takes no key, and twice is refused."""
        payments = await self._api.payments(query)
        if not payments:
            return NotFound(conclusive=self.capabilities.not_found_is_conclusive)
        if len(payments) > 1:
            raise OutcomeUnknownError("GoCardless shows several payments with one reference")
        path = f"/payments/{segment(payments[0].id)}/actions/cancel"
        try:
            answer = await self._api.send(PreparedCall("POST", path, (), b""), "/payments/{id}/actions/cancel")
        except RefusedError as error:
            if error.code != "cancellation_failed":
                raise
            return await self._lookup(query)
        return Found(await self._outcome(self._api.own(answer.decode(OnePayment).one, query.reference)))

    # Refunds

    def prepare_refund(self, request: RefundRequest) -> PreparedCall:
        return returns.refund_call(request, segment(request.charge_id))

    async def refund(self, call: PreparedCall) -> RefundOutcome:
        return await refund_outcome(self._refund(call), returns.REFUSALS)

    async def _refund(self, call: PreparedCall) -> RefundOutcome:
        asked = returns.asked(call.body)
        reference = returns.asked_reference(asked)
        try:
            refund = (await self._api.create(call, OneRefund)).one
        except RefusedError as error:
            if error.code != returns.TOTAL_DIFFERS:
                raise
            return await known(self._made_before(RefundQuery(reference, asked.links.payment)))
        self._api.own_refund(refund, reference, asked.links.payment)
        if refund.amount != asked.amount:
            raise OutcomeUnknownError("GoCardless answered with a refund of another amount")
        return returns.outcome(refund)

    async def _made_before(self, query: RefundQuery) -> RefundOutcome:
        """The sum may be wrong because of this very refund, whose answer was lost. If not, the next try names the sum
        that the books have then; nothing was made by this one.
        """
        refund = await self._api.refund(query)
        if refund is not None:
            return returns.outcome(refund)
        return NotSent("GoCardless knows other refunds of the payment than the books do", answered=True)

    async def lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        return await refund_lookup_outcome(self._lookup_refund(query))

    async def _lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        refund = await self._api.refund(query)
        if refund is None:
            return NotFound(conclusive=self.capabilities.not_found_is_conclusive)
        return RefundFound(returns.outcome(refund))

    async def list_refunds(self, charge_id: str) -> tuple[RefundState, ...]:
        refunds = await self._api.refunds_of(charge_id)
        return tuple(returns.refund_state(one, returns.outcome(one)) for one in refunds)

    # What GoCardless tells by itself

    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        notices.check_signature(delivery.header(notices.SIGNATURE), self._webhook_secrets, delivery.body)
        return notices.notices(delivery.body)

    def acknowledge(self, delivery: RawDelivery, became: Acknowledgement) -> Reply:
        return Reply() if became is Acknowledgement.STORED else Reply(notices.INVALID_TOKEN, "")

    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        return (await events.parse(self._api, notices.told(notice)),)

    async def poll(self, since: datetime, cursor: str = "") -> Polled:
        """A second way to all that webhooks tell. What is the business of another creditor is left out."""
        page = await self._api.events_since(since, cursor, POLL_PAGE)
        told = [await events.parse(self._api, one) for one in page.page]
        ours = [one for one in told if one.kind is not EventKind.IGNORED and one.account_ref in ("", self._account)]
        return Polled(tuple(ours), page.meta.cursors.after or "")

    # What was paid out: of its payouts we read nothing, so no file is named

    async def settlements(self, since: date) -> tuple[str, ...]:
        return ()

    async def settlement(self, processor_id: str) -> Settlement:
        raise RefusedError("settlement files of GoCardless are not read", 404, "settlement_not_found")


if TYPE_CHECKING:
    _: type[ProcessorAdapter] = GoCardlessAdapter
