"""The worked example with one deliberate fault each, and two adapters that can what it can't: as in `test_mutants`,
the kit names that fault, and nothing else."""

from __future__ import annotations

import asyncio
import dataclasses
from types import MappingProxyType
from typing import Any, ClassVar

import httpx
import pytest
from acme_tollbridge import conformance, mapping
from acme_tollbridge.client import AcmeAdapter
from msgspec.structs import replace

from processors.braintree import conformance as braintree
from processors.braintree.client import BraintreeAdapter
from processors.capabilities import Amounts, Capabilities
from processors.conformance.checks import CHECKS
from processors.conformance.subject import Key, Subject
from processors.declines import DeclineTable
from processors.errors import ConfigurationError, SignatureInvalidError
from processors.events import Acknowledgement, Notice, ProcessorEvent, RawDelivery, Reply
from processors.practice.conformance import subject as practice
from processors.practice.manners import LikeMollie
from processors.values import ChargeRequest, PreparedCall, Secret
from tests.conformance import test_mutants
from tests.conformance.conftest import failures


class KnowsAttemptsByReference(AcmeAdapter):
    """Another key for the same reference is what it has prepared already."""

    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        known = vars(self).setdefault("known", {})
        return known.setdefault(request.reference, super().prepare_charge(request))


class KnowsAttemptsByKey(AcmeAdapter):
    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        known = vars(self).setdefault("known", {})
        return known.setdefault(request.idempotency_key, super().prepare_charge(request))


class TakesAnyBaseUrl(AcmeAdapter):
    @classmethod
    def from_config(cls, credentials: Any, options: Any, http: Any, clock: Any) -> Any:
        try:
            return super().from_config(credentials, options, http, clock)
        except ConfigurationError as error:
            if not str(error).startswith("base_url"):
                raise
            rest = {name: value for name, value in options.items() if name != "base_url"}
            return super().from_config(credentials, rest, http, clock)


class KeepsABaseUrlToItself(AcmeAdapter):
    host_option_fields: ClassVar[tuple[str, ...]] = ("environment",)


class EmptyIsLeftOut(AcmeAdapter):
    @classmethod
    def from_config(cls, credentials: Any, options: Any, http: Any, clock: Any) -> Any:
        given = {
            name: secret
            for name, secret in credentials.items()
            if name in cls.credential_fields or secret.reveal().strip()
        }
        return super().from_config(given, options, http, clock)


class ChecksItselfUnasked(AcmeAdapter):
    """In the background, as soon as it's made."""

    running: ClassVar[list[asyncio.Task[None]]] = []

    @classmethod
    def from_config(cls, credentials: Any, options: Any, http: Any, clock: Any) -> Any:
        made = super().from_config(credentials, options, http, clock)
        cls.running.append(asyncio.create_task(cls._warm(http)))
        return made

    @staticmethod
    async def _warm(http: httpx.AsyncClient) -> None:
        if not http.is_closed:
            await http.get("https://api.test.acme.example/account")


class TakesADeliveryOnce(AcmeAdapter):
    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        seen = vars(self).setdefault("seen", set())
        if delivery.body in seen:
            raise SignatureInvalidError("this came already")
        notices = await super().verify(delivery)
        seen.add(delivery.body)
        return notices


class ForgetsThePreviousKey(AcmeAdapter):
    @classmethod
    def from_config(cls, credentials: Any, options: Any, http: Any, clock: Any) -> Any:
        made = super().from_config(credentials, options, http, clock)
        made._secrets = made._secrets[:1]
        return made


class KeepsThePreviousKey(AcmeAdapter):
    """It takes the key that is configured no more, which somebody else may know by now."""

    @classmethod
    def from_config(cls, credentials: Any, options: Any, http: Any, clock: Any) -> Any:
        made = super().from_config(credentials, options, http, clock)
        made._secrets = (*made._secrets, Secret(conformance.SECRETS[Key.PREVIOUS]))
        return made


class CanNotBeWrittenDown(AcmeAdapter):
    capabilities: ClassVar[Capabilities] = replace(
        AcmeAdapter.capabilities, amounts=Amounts(minimum=MappingProxyType({"eur": 50}))
    )


class HasTextsForClasses(AcmeAdapter):
    declines: ClassVar[DeclineTable] = DeclineTable({code: str(one) for code, one in mapping.DECLINES.classes.items()})


class RemembersWhatItFetched(LikeMollie):
    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        known = vars(self).setdefault("known", {})
        if notice.body not in known:
            known[notice.body] = await super().parse(notice)
        return known[notice.body]


class AnswersATriedAddressLikeAnyOther(BraintreeAdapter):
    def acknowledge(self, delivery: RawDelivery, became: Acknowledgement) -> Reply:
        return Reply() if became is Acknowledgement.STORED else Reply(400, "")


def acme(adapter: type[AcmeAdapter]) -> Subject:
    return dataclasses.replace(conformance.SUBJECT, adapter=adapter)


FAULTS: dict[str, tuple[Subject, str]] = {
    "a new key is left out": (acme(KnowsAttemptsByReference), "another_attempt_other_bytes"),
    "a new reference is left out": (acme(KnowsAttemptsByKey), "another_attempt_other_bytes"),
    "a wrong base URL is left out": (acme(TakesAnyBaseUrl), "a_wrong_base_url_is_refused"),
    "an option that chooses the host": (acme(KeepsABaseUrlToItself), "what_chooses_the_host_is_declared"),
    "an empty credential is left out": (acme(EmptyIsLeftOut), "an_empty_optional_credential_is_refused"),
    "a call that nobody asked for": (acme(ChecksItselfUnasked), "a_connection_can_be_made"),
    "a delivery is taken once": (acme(TakesADeliveryOnce), "a_good_signature_holds"),
    "the previous key is not looked at": (acme(ForgetsThePreviousKey), "the_previous_key_holds_where_configured"),
    "the previous key holds for ever": (acme(KeepsThePreviousKey), "the_previous_key_holds_where_configured"),
    "capabilities that are no JSON": (acme(CanNotBeWrittenDown), "capabilities_can_be_written_down"),
    "classes that are texts": (acme(HasTextsForClasses), "the_decline_table_can_be_written_down"),
    "a ping is believed the second time": (practice(RemembersWhatItFetched), "a_ping_proves_nothing"),
    "a challenge is not answered": (
        dataclasses.replace(braintree.SUBJECT, adapter=AnswersATriedAddressLikeAnyOther),
        "a_tried_address_is_answered",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_named_and_nothing_else(fault: str) -> None:
    subject, wanted = FAULTS[fault]
    found = await failures(subject, nth_replay=8)
    assert set(found) == {wanted}, "\n".join(found.values())


async def test_the_example_is_in_order() -> None:
    assert await failures(conformance.SUBJECT) == {}


def test_every_check_is_shown_to_fail() -> None:
    shown = {wanted for _, wanted in FAULTS.values()}
    for faults in (test_mutants.FAULTS, test_mutants.RECORDED):
        shown |= {name for _, wanted in faults.values() for name in wanted}
    assert shown == set(CHECKS)
