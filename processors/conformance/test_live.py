"""The same adapters against real sandboxes, where credentials are in the environment; else skipped.

For the subject `acme` with the field `api_key` that is `TOLLBRIDGE_LIVE_ACME_API_KEY`; options are read the same way.
Only what a sandbox does without a payer and moves no money: the credentials, a set-up that nobody completes, a charge
and a method that do not exist, a poll.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import TypeVar

import httpx
import pytest
import pytest_asyncio
from msgspec.structs import replace

from processors.capabilities import Lookup
from processors.conformance import asks
from processors.conformance.stage import system_now
from processors.conformance.subject import WEBHOOK_URL, Subject
from processors.errors import ConfigurationError, ProcessorError
from processors.interface import ProcessorAdapter
from processors.outcome import Found, LookupFailed
from processors.values import Secret, SetupPending

T = TypeVar("T")

pytestmark = pytest.mark.asyncio(loop_scope="function")


def variable(subject: Subject, field: str) -> str:
    return f"TOLLBRIDGE_LIVE_{subject.name}_{field}".upper()


def given(subject: Subject, fields: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, str]:
    """Skips the test where a field is missing."""
    missing = [variable(subject, field) for field in fields if not os.environ.get(variable(subject, field))]
    if missing:
        pytest.skip(f"set {', '.join(missing)}")
    present = [field for field in (*fields, *optional) if os.environ.get(variable(subject, field))]
    return {field: os.environ[variable(subject, field)] for field in present}


@pytest_asyncio.fixture(loop_scope="function")
async def adapter(subject: Subject) -> AsyncIterator[ProcessorAdapter]:
    """The adapter for the sandbox that the environment names; never for a live account."""
    kind = subject.adapter
    credentials = given(subject, kind.credential_fields, kind.optional_credential_fields)
    options = given(subject, kind.option_fields, kind.optional_option_fields)
    if options.get("environment", "test") != "test":
        pytest.fail("the kit is for sandboxes: the option `environment` is not `test`")
    async with httpx.AsyncClient() as http:
        secrets = {name: Secret(value) for name, value in credentials.items()}
        try:
            made = kind.from_config(secrets, options, http, system_now)
        except ConfigurationError as error:
            pytest.fail(str(error), pytrace=False)
        yield made


async def asked(call: Awaitable[T]) -> T:
    """What a call comes to. Its failure is told without a traceback, which would show the request's headers."""
    try:
        return await call
    except Exception as error:
        said = f"{type(error).__name__}: {error}" if isinstance(error, ProcessorError) else type(error).__name__
    pytest.fail(said, pytrace=False)


async def test_the_credentials_are_good(subject: Subject, adapter: ProcessorAdapter) -> None:
    assert (await asked(adapter.check(WEBHOOK_URL))).account, "the account there has no name"


async def test_a_set_up_is_open(subject: Subject, adapter: ProcessorAdapter) -> None:
    tried = f"kit-{time.time_ns()}"
    request = replace(asks.setup(subject), reference=tried, idempotency_key=tried)
    opened = await asked(adapter.begin_setup(request))
    assert opened.processor_ref
    assert opened.redirect_url or opened.client
    if not subject.setups.client:
        completion = replace(asks.completion(subject), processor_ref=opened.processor_ref, idempotency_key=f"{tried}-c")
        result = await asked(adapter.complete_setup(completion))
        assert isinstance(result, SetupPending), "nobody has entered a payment method"


async def test_a_charge_that_was_never_made_is_not_found(subject: Subject, adapter: ProcessorAdapter) -> None:
    if adapter.capabilities.lookup is not Lookup.BY_REFERENCE:
        pytest.skip("it needs an id or a payer that exist there")
    query = replace(asks.charge_query(subject), reference=f"in_kit{time.time_ns()}.1")
    result = await asked(adapter.lookup_charge(query))
    assert not isinstance(result, Found | LookupFailed), repr(result)


async def test_a_poll_is_answered(subject: Subject, adapter: ProcessorAdapter) -> None:
    if not adapter.capabilities.polled_events:
        pytest.skip("it's told everything by webhook")
    await asked(adapter.poll(system_now() - timedelta(days=1)))
