"""The protocol that every processor adapter speaks.

An adapter is a client of one configured connection. It keeps no state, reads no clock of its own, and moves no money
except in `charge` and `refund`, which send bytes that `prepare_charge` and `prepare_refund` made and the gateway has
already committed. It is found by its entry point in the group `tollbridge.processors`; the gateway never tests its
name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import ClassVar, Protocol, Self

import httpx

from processors.address import PayerAddress
from processors.capabilities import Capabilities
from processors.checked import Checked
from processors.declines import DeclineTable
from processors.events import Acknowledgement, Notice, Polled, ProcessorEvent, RawDelivery, RefundState, Reply
from processors.outcome import ChargeOutcome, LookupOutcome, RefundLookupOutcome, RefundOutcome
from processors.settlements import Settlement
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

Clock = Callable[[], datetime]
"""Machine time, aware and in UTC, as processors have it: for signatures, and what is compared with their times."""


class ProcessorAdapter(Protocol):
    """One configured processor."""

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    credential_fields: ClassVar[tuple[str, ...]]
    """The fields of a connection that are secrets; all are required and none may be empty."""
    optional_credential_fields: ClassVar[tuple[str, ...]]
    """Secrets that may be left out, such as the webhook secret that is being rotated away."""
    option_fields: ClassVar[tuple[str, ...]]
    """The fields that are not secret and required, such as the merchant's account there."""
    optional_option_fields: ClassVar[tuple[str, ...]]
    """Those that may be left out, such as a `base_url` where the processor's own is known."""
    host_option_fields: ClassVar[tuple[str, ...]]
    """The options that choose where the credentials are sent. With another value of one of them every credential is
    wanted anew, so that who may change options can't have a stored secret sent to themselves."""
    declines: ClassVar[DeclineTable]
    """What its decline codes mean: shown to operators, who may class a code otherwise."""

    @classmethod
    def from_config(
        cls,
        credentials: Mapping[str, Secret],
        options: Mapping[str, str],
        http: httpx.AsyncClient,
        clock: Clock,
    ) -> Self:
        """An adapter for one connection; raises ConfigurationError naming the field that is missing or empty."""
        ...

    async def check(self, webhook_url: str) -> Checked:
        """Harmless calls that prove the credentials and, where the processor shows it, that its notifications go to
        `webhook_url`, the connection's address at the gateway.

        Raises CallError where the credentials are not proved, and ConfigurationError where they are another account's
        than the options name. All else is a finding: there is one about the webhook, be it that it can't be seen.
        """
        ...

    async def begin_setup(self, request: SetupRequest) -> SetupSession:
        """Open a set-up for a payer's frontend; raises CallError."""
        ...

    async def complete_setup(self, completion: SetupCompletion) -> SetupResult:
        """What has become of a set-up, asked at the processor itself; raises CallError.

        It's asked again until it is ready or has failed, and gives the same method each time.
        """
        ...

    async def method_state(self, method: PaymentMethodReference) -> MethodState:
        """The state of a stored method now; raises CallError."""
        ...

    async def revoke_method(self, method: PaymentMethodReference, idempotency_key: str) -> None:
        """Delete a stored method; one that is gone already is success. Raises CallError."""
        ...

    async def payer_address(self, method: PaymentMethodReference) -> PayerAddress | None:
        """The payer's address, where `capabilities.payer_address`; None where none is kept, also of an unknown method.

        Raises CallError.
        """
        ...

    def prepare_charge(self, request: ChargeRequest) -> PreparedCall:
        """The exact bytes of a charge; pure, the same for the same request. Raises MoneyError: nothing was sent."""
        ...

    async def charge(self, call: PreparedCall) -> ChargeOutcome:
        """Send prepared bytes, once, and say what came of it. Never raises for what the processor or network did."""
        ...

    async def lookup_charge(self, query: ChargeQuery) -> LookupOutcome:
        """Ask for a charge again. Never raises for what the processor or network did."""
        ...

    async def cancel_charge(self, query: ChargeQuery, idempotency_key: str) -> LookupOutcome:
        """Withdraw a pending charge where `capabilities.cancel`; the answer is its state afterwards."""
        ...

    def prepare_refund(self, request: RefundRequest) -> PreparedCall:
        """The exact bytes of a refund; pure, the same for the same request.

        Raises MoneyError, and RefusedError for a charge's id that no charge there can have: nothing was sent.
        """
        ...

    async def refund(self, call: PreparedCall) -> RefundOutcome:
        """Send prepared bytes, once, and say what came of it. Never raises for what the processor or network did."""
        ...

    async def lookup_refund(self, query: RefundQuery) -> RefundLookupOutcome:
        """Ask for a refund again. Never raises for what the processor or network did."""
        ...

    async def list_refunds(self, charge_id: str) -> tuple[RefundState, ...]:
        """Every refund of a charge, whoever made it, where `capabilities.lists_refunds`.

        Raises CallError, MoneyError.
        """
        ...

    async def verify(self, delivery: RawDelivery) -> tuple[Notice, ...]:
        """The notices of a delivery whose signature over the raw bytes holds; raises WebhookError.

        Where `capabilities.webhook` is an unsigned ping there is nothing to hold: `parse` fetches all that it says.
        A certificate that isn't known yet is fetched, from the processor's own hosts alone; raises CallError.
        """
        ...

    def acknowledge(self, delivery: RawDelivery, became: Acknowledgement) -> Reply:
        """The answer that the processor wants to a delivery; also to one by which it only tries the address."""
        ...

    async def parse(self, notice: Notice) -> tuple[ProcessorEvent, ...]:
        """What a notice says; may fetch from the processor, so it runs in the worker.

        Raises CallError, WebhookError for a body that it can't read, MoneyError for an amount that it can't.
        """
        ...

    async def poll(self, since: datetime, cursor: str = "") -> Polled:
        """One page of what changed since; raises CallError, MoneyError.

        All of `capabilities.polled_events`; others may come too, as a second way to what was told.
        """
        ...

    async def settlements(self, since: date) -> tuple[str, ...]:
        """The ids of the settlement files of that day and later, oldest first, at most a hundred; raises CallError."""
        ...

    async def settlement(self, processor_id: str) -> Settlement:
        """One settlement file, read and found to balance; raises CallError, MoneyError."""
        ...
