"""Adapters with one deliberate fault each: the kit names that fault, and nothing else."""

from __future__ import annotations

import dataclasses
import uuid
from datetime import date, timedelta
from typing import Any, ClassVar

import msgspec
import pytest
import structlog
from msgspec.structs import replace

from processors.capabilities import Amounts, Capabilities, ReferenceRules
from processors.checked import About, Checked, Proved
from processors.conformance.subject import AMOUNT, Impossible, Subject, Told
from processors.errors import CallError, OutcomeUnknownError, RefusedError, SignatureInvalidError
from processors.events import Acknowledgement, EventKind, Notice, ProcessorEvent, RawDelivery, Reply
from processors.money import Exponents, Money
from processors.outcome import ChargeOutcome, Found, LookupFailed, LookupOutcome, NotFound, Rejected, Unknown
from processors.practice import mapping, notices
from processors.practice.api import PracticeApi
from processors.practice.client import PracticeAdapter
from processors.practice.conformance import SUBJECT
from processors.settlements import Settlement
from processors.values import (
    ChargeQuery,
    ChargeRequest,
    PaymentMethodReference,
    PreparedCall,
    RefundRequest,
    Secret,
    SetupCompletion,
    SetupReady,
    SetupRequest,
    SetupResult,
    SetupSession,
)
from tests.conformance.conftest import failures, with_adapter

BASE = PracticeAdapter.capabilities


class SaysAllIsWell(PracticeAdapter):
    async def check(self, webhook_url: str) -> Checked:
        checked = await super().check(webhook_url)
        return replace(checked, findings=(checked.findings[0], Proved(About.WEBHOOK, "it will be all right")))


class SaysNothingOfWebhooks(PracticeAdapter):
    async def check(self, webhook_url: str) -> Checked:
        checked = await super().check(webhook_url)
        return replace(checked, findings=checked.findings[:1])


class TimeOutIsARefusal(PracticeAdapter):
    async def charge(self, call: PreparedCall) -> ChargeOutcome:
        outcome = await super().charge(call)
        return Rejected("timeout", "no answer") if isinstance(outcome, Unknown) else outcome


class TriesAgain(PracticeAdapter):
    async def charge(self, call: PreparedCall) -> ChargeOutcome:
        outcome = await super().charge(call)
        return await super().charge(call) if isinstance(outcome, Unknown) else outcome


class AnyAmount(PracticeAdapter):
    async def _charge(self, call: PreparedCall) -> ChargeOutcome:
        charge = await self._api.send_once(call, "/v1/charges", mapping.ApiCharge, "/v1/charges")
        return mapping.outcome(self._api.own(charge, mapping.charged(call.body, self.units)[0]), self.units)


def changed(call: PreparedCall, **fields: Any) -> PreparedCall:
    body = {**msgspec.json.decode(call.body), **fields}
    return replace(call, body=msgspec.json.encode(body, order="deterministic"))


class DrawsAtRandom(PracticeAdapter):
    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        return changed(super().prepare_charge(request), description=str(uuid.uuid4()))


class KeyOfTheInvoice(PracticeAdapter):
    """One key for all attempts: it is somebody else's, so the recorded one is nowhere."""

    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        same = str(uuid.uuid5(uuid.NAMESPACE_URL, request.reference.partition(".")[0]))
        return super().prepare_charge(replace(request, idempotency_key=same))


class StoresItsKey(PracticeAdapter):
    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        return changed(super().prepare_charge(request), description=self._webhook_secret.reveal())


class SendsWhatNobodyKnows(PracticeAdapter):
    def prepare_refund(self, request: RefundRequest) -> PreparedCall:
        return changed(super().prepare_refund(request), comment="")


class LeavesOutTheLines(PracticeAdapter):
    capabilities: ClassVar[Capabilities] = replace(BASE, takes_lines=True)

    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        return super().prepare_charge(replace(request, breakdown=None))


class SaysItsLinesInOtherWords(PracticeAdapter):
    """In a field that nobody knows."""

    capabilities: ClassVar[Capabilities] = replace(BASE, takes_lines=True)

    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        call = super().prepare_charge(request)
        return changed(call, items=[]) if request.breakdown else call


class AllIsGivenBack(PracticeAdapter):
    def prepare_refund(self, request: RefundRequest) -> PreparedCall:
        return changed(super().prepare_refund(request), amount=AMOUNT)


class TwoDecimalsForAll(PracticeAdapter):
    units: ClassVar[Exponents] = Exponents("two", differs={"kwd": 2})


class NothingIsCertain(PracticeAdapter):
    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        found = await super().lookup_charge(query)
        return NotFound(conclusive=False) if isinstance(found, NotFound) else found


class FailedIsNotFound(PracticeAdapter):
    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        found = await super().lookup_charge(query)
        return NotFound(conclusive=True) if isinstance(found, LookupFailed) else found


class LeavesOutTheOthers(PracticeAdapter):
    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        found = await super().lookup_charge(query)
        return replace(found, also=()) if isinstance(found, Found) else found


class SignsWhatItRead(PracticeAdapter):
    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        try:
            body = msgspec.json.encode(msgspec.json.decode(delivery.body))
        except (msgspec.DecodeError, RecursionError):
            body = delivery.body
        return await super().verify(replace(delivery, body=body))


class FirstHeaderCounts(PracticeAdapter):
    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        headers = dict(reversed(delivery.headers))
        return await super().verify(replace(delivery, headers=tuple(headers.items())))


class KeyedByKind(PracticeAdapter):
    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        return tuple(replace(one, key=one.kind) for one in await super().verify(delivery))


class FirstOfABatch(PracticeAdapter):
    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        return (await super().verify(delivery))[:1]


class TakesWhatItCanRead(PracticeAdapter):
    """A file that breaks off is a shorter one."""

    async def settlement(self, processor_id: str) -> Settlement:
        try:
            return await super().settlement(processor_id)
        except OutcomeUnknownError as error:
            if "can't be read" not in str(error):
                raise
            return Settlement(processor_id, date(2027, 3, 1), ())


class ReadsAFileOnce(PracticeAdapter):
    async def settlement(self, processor_id: str) -> Settlement:
        read = await super().settlement(processor_id)
        times = vars(self)["times"] = vars(self).get("times", 0) + 1
        return read if times == 1 else replace(read, rows=())


class Remembers(PracticeAdapter):
    seen: ClassVar[set[str | None]] = set()

    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        told = await super().parse(notice)
        again = notice.key in self.seen
        self.seen.add(notice.key)
        return tuple(replace(event, detail="again") for event in told) if again else told


class LateFailureIsAFailure(PracticeAdapter):
    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        return tuple(
            replace(event, kind=EventKind.CHARGE_FAILED) if event.kind is EventKind.CHARGE_REVERSED else event
            for event in await super().parse(notice)
        )


class TakesAllForStored(PracticeAdapter):
    def acknowledge(self, delivery: RawDelivery, became: Acknowledgement) -> Reply:
        return Reply()


class AnotherTokenEachTime(PracticeAdapter):
    looks: ClassVar[list[int]] = []

    async def complete_setup(self, completion: SetupCompletion) -> SetupResult:
        result = await super().complete_setup(completion)
        if isinstance(result, SetupReady):
            self.looks.append(1)
            return replace(result, card=replace(result.card, label=f"look {len(self.looks)}"))
        return result


class GoneIsAnError(PracticeAdapter):
    async def revoke_method(self, method: PaymentMethodReference, idempotency_key: str) -> None:
        path = f"/v1/methods/{method.token.reveal()}"
        await self._api.send(PreparedCall("DELETE", path, (("idempotency-key", idempotency_key),), b""))


class LogsTheToken(PracticeAdapter):
    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        structlog.get_logger("mutant").debug("charging", token=request.method.token.reveal())
        return super().prepare_charge(request)


class QuotesTheToken(PracticeAdapter):
    async def method_state(self, method: PaymentMethodReference) -> Any:
        try:
            return await super().method_state(method)
        except CallError as error:
            raise OutcomeUnknownError("the state is not known") from RefusedError(
                method.token.reveal(), 400, str(error)
            )


class PrintsItself(PracticeAdapter):
    def __repr__(self) -> str:
        return f"PracticeAdapter({self._webhook_secret.reveal()})"


class EmptySecret(PracticeAdapter):
    @classmethod
    def from_config(cls, credentials: Any, options: Any, http: Any, clock: Any) -> Any:
        given = credentials.get("webhook_secret", Secret(""))
        secret = given if given.reveal().strip() else Secret("default")
        return super().from_config({**credentials, "webhook_secret": secret}, options, http, clock)


class GoesAnywhere(PracticeAdapter):
    def __init__(self, api_key: Secret, webhook_secret: Secret, account: str, transport: Any, clock: Any) -> None:
        super().__init__(api_key, webhook_secret, account, transport, clock)
        self._api = Careless(transport, api_key, account, self.capabilities)


class Careless(PracticeApi):
    def own(self, charge: Any, reference: str) -> Any:
        return charge


class TakesAnySignature(PracticeAdapter):
    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        return notices.notices(delivery.body)


class QuotesItsSecret(PracticeAdapter):
    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        try:
            return await super().verify(delivery)
        except SignatureInvalidError:
            raise SignatureInvalidError(f"not signed with {self._webhook_secret.reveal()}") from None


class StumblesOverNonsense(PracticeAdapter):
    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        if not delivery.body:
            raise ValueError("no body")
        return await super().verify(delivery)


class OpensAnotherSetup(PracticeAdapter):
    async def begin_setup(self, request: SetupRequest) -> SetupSession:
        return await super().begin_setup(replace(request, idempotency_key=str(uuid.uuid4())))


class AnyAccount(PracticeAdapter):
    @classmethod
    def from_config(cls, credentials: Any, options: Any, http: Any, clock: Any) -> Any:
        account = options.get("account") or "pa_kit"
        return super().from_config(credentials, {**options, "account": account}, http, clock)


def amended(**fields: Any) -> Subject:
    return dataclasses.replace(SUBJECT, **fields)


def without(kind: EventKind) -> dict[EventKind, Told | Impossible]:
    return {one: told for one, told in SUBJECT.webhooks.told.items() if one is not kind}


def declaring(**fields: Any) -> type[PracticeAdapter]:
    class Declares(PracticeAdapter):
        capabilities: ClassVar[Capabilities] = replace(BASE, **fields)

    return Declares


FAULTS: dict[str, tuple[type[PracticeAdapter], set[str]]] = {
    "a webhook that goes elsewhere is proved": (SaysAllIsWell, {"connections"}),
    "of webhooks nothing is said": (SaysNothingOfWebhooks, {"connections"}),
    "a time-out is a refusal": (TimeOutIsARefusal, {"charges"}),
    "it tries again by itself": (TriesAgain, {"sent_once_as_prepared"}),
    "another amount is taken": (AnyAmount, {"charges"}),
    "another's charge is taken": (GoesAnywhere, {"charges", "lookups"}),
    "something random is sent": (DrawsAtRandom, {"same_attempt_same_bytes"}),
    "a key of its own": (KeyOfTheInvoice, {"the_key_stands_in_its_place", "another_attempt_other_bytes"}),
    "a credential is stored": (StoresItsKey, {"no_credential_is_stored"}),
    "an unknown field is sent": (SendsWhatNobodyKnows, {"what_is_sent_is_described"}),
    "its lines are left out": (LeavesOutTheLines, {"charges"}),
    "its lines are said in other words": (SaysItsLinesInOtherWords, {"what_is_sent_is_described"}),
    "all is given back": (AllIsGivenBack, {"amounts_stand_as_recorded", "refunds"}),
    "two decimals for all": (TwoDecimalsForAll, {"amounts_stand_as_recorded", "settlements"}),
    "not found is never conclusive": (NothingIsCertain, {"lookups"}),
    "a look-up that fails finds nothing": (FailedIsNotFound, {"lookups"}),
    "of several charges one is told": (LeavesOutTheOthers, {"lookups"}),
    "the signature is over what was read": (SignsWhatItRead, {"a_reserialised_body_does_not"}),
    "the first header counts": (FirstHeaderCounts, {"a_repeated_signature_does_not"}),
    "notices are told apart by kind": (KeyedByKind, {"different_notifications_have_different_keys"}),
    "the first of a batch": (FirstOfABatch, {"a_batch_is_all_of_its_items"}),
    "what was seen is told otherwise": (Remembers, {"told_again_it_says_the_same", "the_order_does_not_matter"}),
    "a broken file is a shorter one": (TakesWhatItCanRead, {"settlements"}),
    "a file is read once": (ReadsAFileOnce, {"settlements"}),
    "files are read, and not declared": (declaring(settlement_files=False), {"what_is_left_out_is_not_declared"}),
    "a late failure is a failure": (LateFailureIsAFailure, {"notices"}),
    "all is answered 200": (TakesAllForStored, {"deliveries_are_answered"}),
    "each look gives another method": (AnotherTokenEachTime, {"setups"}),
    "gone is an error": (GoneIsAnError, {"setups"}),
    "the token is logged": (LogsTheToken, {"nothing_secret_shows"}),
    "the token is quoted": (QuotesTheToken, {"nothing_secret_shows"}),
    "the adapter prints its secret": (PrintsItself, {"the_adapter_shows_no_secret"}),
    "an empty secret is taken": (EmptySecret, {"a_credential_can_not_be_left_out"}),
    "no signature is looked at": (
        TakesAnySignature,
        {
            "a_wrong_key_does_not",
            "no_signature_does_not",
            "a_changed_body_does_not",
            "a_changed_second_item_does_not",
            "a_reserialised_body_does_not",
            "a_repeated_signature_does_not",
        },
    ),
    "a refusal quotes the secret": (QuotesItsSecret, {"refused_deliveries_show_no_secret"}),
    "nonsense is another error": (StumblesOverNonsense, {"nonsense_is_refused"}),
    "each set-up is another": (OpensAnotherSetup, {"a_set_up_is_opened_once"}),
    "an option may be left out": (AnyAccount, {"an_option_can_not_be_left_out"}),
    "references are too short": (declaring(reference=ReferenceRules(24)), {"our_references_fit"}),
    "a schedule is empty": (declaring(unknown_schedule=()), {"schedules_make_sense"}),
    "calls take an hour": (declaring(call_timeout=timedelta(hours=1)), {"schedules_make_sense"}),
    "bounds cross": (declaring(amounts=Amounts({"eur": 100}, {"eur": 50})), {"bounds_make_sense"}),
    "an event is polled and told": (
        declaring(polled_events=frozenset({EventKind.REFUND_FAILED})),
        {"each_kind_is_accounted_for", "declarations_do_not_contradict"},
    ),
    "an event is impossible and told": (
        declaring(events=frozenset(EventKind) - {EventKind.DISPUTE_WON}),
        {"each_kind_is_accounted_for", "nothing_impossible_is_told"},
    ),
    "a key lives for a second": (
        declaring(idempotency=replace(BASE.idempotency, window=timedelta(seconds=1))),
        {"the_idempotency_window_makes_sense"},
    ),
    "less is declared than there is": (declaring(lists_refunds=False, cancel=False), set()),
}


EACH = [pytest.param(fault, marks=[] if number % 3 == 0 else [pytest.mark.slow]) for number, fault in enumerate(FAULTS)]
"""A third of them in the quick ring."""


@pytest.mark.parametrize("fault", EACH)
async def test_a_fault_is_named_and_nothing_else(fault: str) -> None:
    adapter, wanted = FAULTS[fault]
    found = await failures(with_adapter(adapter), nth_replay=2)
    assert set(found) == wanted, "\n".join(found.values())


RECORDED: dict[str, tuple[Subject, set[str]]] = {
    "no withdrawal": (amended(cancels=Impossible("?")), {"what_is_left_out_is_not_declared"}),
    "no look-up": (
        amended(lookups=dataclasses.replace(SUBJECT.lookups, found=Impossible("?"))),
        {"what_is_declared_is_shown"},
    ),
    "no amount with three decimals": (
        amended(wire={Money(1050, "eur"): 1050, Money(1050, "jpy"): 1050}),
        {"amounts_of_all_decimals_are_recorded"},
    ),
    "another receiver": (amended(account_ref="pa_another"), {"notices"}),
    "each kind once": (
        amended(webhooks=dataclasses.replace(SUBJECT.webhooks, also=())),
        {"different_notifications_have_different_keys"},
    ),
    "a kind left out": (
        amended(webhooks=dataclasses.replace(SUBJECT.webhooks, told=without(EventKind.DISPUTE_WON))),
        {"each_kind_is_accounted_for"},
    ),
    "no description": (amended(descriptions=()), {"what_is_sent_is_described", "the_descriptions_refuse"}),
    "a credential of nobody's": (
        amended(credentials={**SUBJECT.credentials, "password": "made_up"}),
        {"fields_are_told_apart"},
    ),
}


@pytest.mark.parametrize("fault", RECORDED)
async def test_what_is_recorded_is_held_to_what_is_declared(fault: str) -> None:
    subject, wanted = RECORDED[fault]
    found = await failures(subject, nth_replay=2)
    assert set(found) == wanted, "\n".join(found.values())
