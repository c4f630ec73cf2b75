"""Adapters that take an answer about something else for theirs, or tell wrongly of money: the kit names them."""

from __future__ import annotations

from dataclasses import replace as amended

import pytest
from msgspec.structs import replace

from processors.conformance.checks.described import played
from processors.conformance.scenarios import scenarios
from processors.conformance.scenarios.scenario import play
from processors.conformance.subject import REFERENCE, REFUND_REFERENCE, Subject
from processors.errors import OutcomeUnknownError, RefusedError
from processors.events import DisputeState, EventKind, Notice, ProcessorEvent
from processors.outcome import (
    ChargeOutcome,
    LookupOutcome,
    RefundFailed,
    RefundLookupOutcome,
    RefundOutcome,
    RefundPending,
    RefundRefusal,
    RefundRefused,
    Unknown,
)
from processors.practice import mapping
from processors.practice.client import PracticeAdapter
from processors.practice.conformance import SUBJECT
from processors.practice.wire import ApiCharge
from processors.values import ChargeQuery, PaymentMethodReference, PreparedCall, RefundQuery
from tests.conformance.conftest import with_adapter


class AnyCurrency(PracticeAdapter):
    async def _charge(self, call: PreparedCall) -> ChargeOutcome:
        reference, asked = mapping.charged(call.body, self.units)
        charge = await self._api.send_once(call, "/v1/charges", ApiCharge, "/v1/charges")
        self._api.own(charge, reference)
        if charge.amount != asked.amount:
            raise OutcomeUnknownError("another amount")
        return mapping.outcome(charge, self.units)


class AnyPendingCharge(PracticeAdapter):
    async def _charge(self, call: PreparedCall) -> ChargeOutcome:
        charge = await self._api.send_once(call, "/v1/charges", ApiCharge, "/v1/charges")
        if charge.status != "pending":
            raise OutcomeUnknownError("only what waits is looked at")
        return mapping.outcome(charge, self.units)


class LooksUpWhatItKnows(PracticeAdapter):
    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        return await super().lookup_charge(replace(query, reference=REFERENCE))


class ConflictIsARefusal(PracticeAdapter):
    async def refund(self, call: PreparedCall) -> RefundOutcome:
        outcome = await super().refund(call)
        conflict = isinstance(outcome, Unknown) and " 409 " in outcome.reason
        return RefundRefused(RefundRefusal.OTHER, "conflict") if conflict else outcome


class FirstRefundOfAll(PracticeAdapter):
    async def lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        return await super().lookup_refund(replace(query, reference=REFUND_REFERENCE))


class TakesAllForRevoked(PracticeAdapter):
    async def revoke_method(self, method: PaymentMethodReference, idempotency_key: str) -> None:
        try:
            await super().revoke_method(method, idempotency_key)
        except RefusedError:
            return


class TellsOfDisputes(PracticeAdapter):
    """Otherwise than they are."""

    def told(self, dispute: DisputeState) -> DisputeState:
        raise NotImplementedError

    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        events = await super().parse(notice)
        return tuple(replace(one, dispute=self.told(one.dispute)) if one.dispute else one for one in events)


class WithoutMoves(TellsOfDisputes):
    def told(self, dispute: DisputeState) -> DisputeState:
        return replace(dispute, moves=())


class WithAnotherSign(TellsOfDisputes):
    def told(self, dispute: DisputeState) -> DisputeState:
        moves = [replace(one, amount=replace(one.amount, amount=abs(one.amount.amount))) for one in dispute.moves]
        return replace(dispute, moves=tuple(moves))


class NamedByTheDispute(TellsOfDisputes):
    """Of several moves the last is told: what comes back looks like what went."""

    def told(self, dispute: DisputeState) -> DisputeState:
        return replace(
            dispute, moves=tuple(replace(one, occurrence=dispute.processor_id) for one in dispute.moves[-1:])
        )


class NothingIsGone(TellsOfDisputes):
    def told(self, dispute: DisputeState) -> DisputeState:
        return replace(dispute, withdrawn=replace(dispute.withdrawn, amount=0))


class InAnotherCurrency(TellsOfDisputes):
    def told(self, dispute: DisputeState) -> DisputeState:
        return replace(dispute, withdrawn=replace(dispute.withdrawn, currency="usd"))


class AFailedRefundMayStillCome(PracticeAdapter):
    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        return tuple([self.told(one) for one in await super().parse(notice)])

    def told(self, event: ProcessorEvent) -> ProcessorEvent:
        if event.refund is None or not isinstance(event.refund.outcome, RefundFailed):
            return event
        waits = RefundPending(event.refund.processor_id, event.refund.amount)
        return replace(event, refund=replace(event.refund, outcome=waits))


async def failing(subject: Subject) -> set[str]:
    """The scenarios that do not end as they must."""
    found = set()
    for name in played(subject):
        scenario = scenarios(subject)[name]
        try:
            scenario.expect((await play(subject, scenario)).result)
        except AssertionError:
            found.add(name)
    return found


WITHDRAWN = f"notice: {EventKind.DISPUTE_FUNDS_WITHDRAWN}"
FAULTS: dict[type[PracticeAdapter], set[str]] = {
    LooksUpWhatItKnows: {"look-up: found, of another reference"},
    ConflictIsARefusal: {"refund: the key or reference is in use"},
    FirstRefundOfAll: {"refund look-up: found, of another reference"},
    TakesAllForRevoked: {"method revoked: the credentials are wrong", "method revoked: 404 of another machine"},
    WithoutMoves: {WITHDRAWN},
    WithAnotherSign: {WITHDRAWN},
    NamedByTheDispute: {"notice: a dispute's moves"},
    NothingIsGone: {WITHDRAWN},
    AFailedRefundMayStillCome: {f"notice: {EventKind.REFUND_FAILED}", f"notice: {EventKind.REFUND_REVERSED}"},
}


@pytest.mark.parametrize("adapter", FAULTS, ids=lambda adapter: adapter.__name__)
async def test_the_scenario_of_a_fault_fails_and_no_other(adapter: type[PracticeAdapter]) -> None:
    assert await failing(with_adapter(adapter)) == FAULTS[adapter]


@pytest.mark.parametrize(
    ("adapter", "wanted"),
    [
        (AnyCurrency, {"charge: an answer of another currency"}),
        (AnyPendingCharge, {"charge: pending, of another amount", "charge: pending, of another reference"}),
        (InAnotherCurrency, {f"notice: {kind}" for kind in EventKind if kind.startswith("dispute.")}),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
async def test_the_scenarios_of_a_fault_fail(adapter: type[PracticeAdapter], wanted: set[str]) -> None:
    assert wanted <= await failing(with_adapter(adapter))


def test_what_an_answer_leaves_unsaid_is_left_open() -> None:
    name = "refund: an answer about another charge"
    assert name not in played(amended(SUBJECT, unsaid={name: "it does not name the charge"}))


def test_what_any_answer_says_can_not_be_left_open() -> None:
    with pytest.raises(AssertionError, match="charge: 500"):
        scenarios(amended(SUBJECT, unsaid={"charge: 500": "it is inconvenient"}))
