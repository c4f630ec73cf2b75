"""The adapter of the practice processor: what it sends and asks. What the answers mean stands in `mapping`."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Self
from urllib.parse import quote

import httpx

from processors.capabilities import Amounts, Capabilities, Idempotency, Lookup, ReferenceRules, Replay
from processors.errors import ConfigurationError, OutcomeUnknownError, RefusedError
from processors.money import from_minor
from processors.outcome import ChargeOutcome, Found, LookupOutcome, NotFound
from processors.practice import mapping
from processors.transport import Answer, Transport, charge_outcome, lookup_outcome
from processors.values import (
    ChargeQuery,
    ChargeRequest,
    MethodState,
    Notice,
    PaymentMethodReference,
    PreparedCall,
    ProcessorEvent,
    RawDelivery,
    Secret,
    SetupRequest,
    SetupResult,
    SetupSession,
)

if TYPE_CHECKING:
    from processors.interface import Clock, ProcessorAdapter

CALL_TIMEOUT: Final = timedelta(seconds=30)


class PracticeAdapter:
    """One account at the practice processor. Options: `base_url`, and `account`, the receiver's id there."""

    name: ClassVar[str] = "practice"
    capabilities: ClassVar[Capabilities] = Capabilities(
        asynchronous=True,
        idempotency=Idempotency(window=timedelta(days=7), replay=Replay.SAME_ANSWER),
        lookup=Lookup.BY_REFERENCE,
        reference=ReferenceRules(max_length=64),
        call_timeout=CALL_TIMEOUT,
        unknown_schedule=(
            timedelta(seconds=10),
            timedelta(minutes=1),
            timedelta(minutes=5),
            timedelta(minutes=15),
            timedelta(hours=1),
            timedelta(hours=6),
        ),
        pending_schedule=(timedelta(hours=1), timedelta(hours=6), timedelta(days=1)),
        max_pending=timedelta(days=7),
        lookup_lag=timedelta(minutes=15),
        not_found_is_conclusive=True,
        cancel=True,
        currencies=mapping.CURRENCIES,
        amounts=Amounts(minimum=mapping.MINIMUM),
        settlement=timedelta(days=1),
    )
    credential_fields: ClassVar[tuple[str, ...]] = ("api_key", "webhook_secret")
    option_fields: ClassVar[tuple[str, ...]] = ("base_url", "account")

    def __init__(self, api_key: Secret, webhook_secret: Secret, account: str, transport: Transport) -> None:
        self._api_key = api_key
        self._webhook_secret = webhook_secret
        self._account = account
        self._transport = transport

    @classmethod
    def from_config(
        cls,
        credentials: Mapping[str, Secret],
        options: Mapping[str, str],
        http: httpx.AsyncClient,
        clock: Clock,
    ) -> Self:
        """Raises ConfigurationError naming the field that is missing or empty."""
        for field in cls.credential_fields:
            # A value that no header can carry would fail with its own text in the error.
            if field not in credentials or not re.fullmatch(r"[!-~]+", credentials[field].reveal()):
                raise ConfigurationError(f"{field} is missing, empty, or not printable ASCII")
        for field in cls.option_fields:
            if not options.get(field, "").strip():
                raise ConfigurationError(f"{field} is missing or empty")
        transport = Transport(http, options["base_url"], CALL_TIMEOUT.total_seconds(), read_code=mapping.error_code)
        return cls(credentials["api_key"], credentials["webhook_secret"], options["account"], transport)

    async def check(self) -> str:
        """The account's id; raises CallError, and ConfigurationError where it's not the one configured."""
        account = (await self._get("/v1/account")).decode(mapping.ApiAccount)
        if account.id != self._account:
            raise ConfigurationError(f"account: the API key is that of {account.id}, not of the one configured")
        return account.id

    async def begin_setup(self, request: SetupRequest) -> SetupSession:
        setup = (await self._send(mapping.setup_call(request))).decode(mapping.ApiSetup)
        return SetupSession(
            processor_ref=setup.id,
            redirect_url=setup.url,
            client={"setup": setup.id, "client_token": setup.client_token},
            expires_at=None if setup.expires_at is None else mapping.moment(setup.expires_at),
        )

    async def complete_setup(self, processor_ref: str) -> SetupResult:
        answer = await self._get(f"/v1/setups/{segment(processor_ref)}", "/v1/setups/{id}")
        return mapping.setup_result(answer.decode(mapping.ApiSetup))

    async def method_state(self, method: PaymentMethodReference) -> MethodState:
        try:
            answer = await self._get(f"/v1/methods/{segment(method.token.reveal())}", "/v1/methods/{token}")
        except RefusedError as error:
            if error.code == "method_not_found":
                return MethodState.REVOKED  # what is not there can't be charged
            raise
        return mapping.METHOD_STATES.get(answer.decode(mapping.ApiMethod).status, MethodState.UNKNOWN)

    async def revoke_method(self, method: PaymentMethodReference, idempotency_key: str) -> None:
        headers = (("idempotency-key", idempotency_key),)
        call = PreparedCall("DELETE", f"/v1/methods/{segment(method.token.reveal())}", headers, b"")
        try:
            await self._send(call, "/v1/methods/{token}")
        except RefusedError as error:
            if error.code not in ("method_not_found", "method_revoked"):
                raise

    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        return mapping.charge_call(request)

    async def charge(self, call: PreparedCall) -> ChargeOutcome:
        return await charge_outcome(self._charge(call))

    async def _charge(self, call: PreparedCall) -> ChargeOutcome:
        reference, asked = mapping.charged(call.body)
        try:
            charge = (await self._send(call)).decode(mapping.ApiCharge)
        except RefusedError as error:
            if error.status == 409:
                # Something exists under our reference or our key. What became of it, only a look-up can say.
                raise OutcomeUnknownError(f"{error}: look it up by its reference") from None
            raise
        self._own(charge, reference)
        if from_minor(charge.amount, charge.currency, mapping.PRACTICE) != asked:
            raise OutcomeUnknownError("the processor answered with a charge of another amount")
        return mapping.outcome(charge)

    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        return await lookup_outcome(self._lookup(query))

    async def _lookup(self, query: ChargeQuery) -> LookupOutcome:
        charge = await self._find(query)
        if charge is None:
            return NotFound(conclusive=self.capabilities.not_found_is_conclusive)
        return Found(mapping.outcome(charge))

    async def cancel_charge(self, query: ChargeQuery, idempotency_key: str) -> LookupOutcome:
        return await lookup_outcome(self._cancel(query, idempotency_key))

    async def _cancel(self, query: ChargeQuery, idempotency_key: str) -> LookupOutcome:
        charge = await self._find(query)
        if charge is None:
            return NotFound(conclusive=self.capabilities.not_found_is_conclusive)
        call = mapping.post(f"/v1/charges/{segment(charge.id)}/cancel", idempotency_key, {})
        try:
            charge = (await self._send(call, "/v1/charges/{id}/cancel")).decode(mapping.ApiCharge)
        except RefusedError as error:
            if error.code == "charge_closed":
                return await self._lookup(query)
            raise
        self._own(charge, query.reference)
        return Found(mapping.outcome(charge))

    async def _find(self, query: ChargeQuery) -> mapping.ApiCharge | None:
        """The charge, by the processor's id where it's known, else by our reference; raises CallError."""
        if query.processor_id:
            return await self._by_id(query)
        path = f"/v1/charges?reference={quote(query.reference, safe='')}"
        found = (await self._get(path, "/v1/charges?reference={}")).decode(mapping.ApiCharges).data
        if len(found) > 1:
            raise OutcomeUnknownError("the processor shows several charges with one reference")
        for charge in found:
            self._own(charge, query.reference)
            return charge
        return None

    async def _by_id(self, query: ChargeQuery) -> mapping.ApiCharge | None:
        try:
            answer = await self._get(f"/v1/charges/{segment(query.processor_id)}", "/v1/charges/{id}")
        except RefusedError as error:
            if error.code == "charge_not_found":
                return None
            raise
        charge = answer.decode(mapping.ApiCharge)
        self._own(charge, query.reference)
        return charge

    def _own(self, charge: mapping.ApiCharge, reference: str) -> None:
        """Raises OutcomeUnknownError for a charge that is another's, or not the one asked for."""
        if charge.account != self._account or charge.reference != reference:
            raise OutcomeUnknownError("the processor answered with a charge that is not the one asked for")

    def verify(self, delivery: RawDelivery, *, at: float | None = None) -> tuple[Notice, ...]:
        """Raises WebhookError. `at` is machine time in Unix seconds: the system's, unless a test gives it."""
        header = delivery.header("practice-signature")
        now = time.time() if at is None else at
        mapping.check_signature(header, self._webhook_secret.reveal(), delivery.body, now)
        return mapping.notices(delivery.body)

    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        return (mapping.event(notice),)

    async def _get(self, path: str, template: str = "") -> Answer:
        return await self._send(PreparedCall("GET", path, (), b""), template)

    async def _send(self, call: PreparedCall, template: str = "") -> Answer:
        auth = {"authorization": f"Bearer {self._api_key.reveal()}"}
        return await self._transport.send(call, auth, template=template)


def segment(value: str) -> str:
    """One path segment; an id that would lead to another path is refused before anything is sent."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", value):
        raise RefusedError("an id has letters that no id of this processor has", 400, "id_malformed")
    return value


if TYPE_CHECKING:
    _: type[ProcessorAdapter] = PracticeAdapter
