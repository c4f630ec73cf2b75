"""What a connection can't do without."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress

from processors.conformance.checks.check import check
from processors.conformance.scenarios.scenario import InapplicableError
from processors.conformance.stage import stage
from processors.conformance.subject import WEBHOOK_URL, Impossible, Says, Subject
from processors.errors import CallError, ConfigurationError

TURNS = 20
"""Of the event loop: enough for a task that an adapter has begun to make its call."""
ELSEWHERE = ("live", "test", "elsewhere", "elsewhere.example", "https://elsewhere.example")
"""What an option may be that names a host, or a part of one."""


def _credentials(subject: Subject) -> Iterable[str]:
    return subject.adapter.credential_fields


def _options(subject: Subject) -> Iterable[str]:
    return subject.adapter.option_fields


@check(_credentials)
async def a_credential_can_not_be_left_out(subject: Subject, case: str) -> None:
    """A credential that is missing or empty is refused by name: an empty key would verify anybody's signature."""
    rest = {name: value for name, value in subject.credentials.items() if name != case}
    for credentials in (rest, {**rest, case: ""}, {**rest, case: "  "}):
        await _refused(subject, case, credentials, subject.options)


@check(lambda subject: subject.adapter.optional_credential_fields)
async def an_empty_optional_credential_is_refused(subject: Subject, case: str) -> None:
    """A credential that may be left out may not be empty."""
    for empty in ("", "  "):
        await _refused(subject, case, {**subject.credentials, case: empty}, subject.options)


@check(_options)
async def an_option_can_not_be_left_out(subject: Subject, case: str) -> None:
    """An option that is missing or empty is refused by name."""
    rest = {name: value for name, value in subject.options.items() if name != case}
    for options in (rest, {**rest, case: ""}):
        await _refused(subject, case, subject.credentials, options)


@check()
async def fields_are_told_apart(subject: Subject, _case: str) -> None:
    """No field is named twice; the subject's own fields are those that the adapter names."""
    adapter = subject.adapter
    secret = {*adapter.credential_fields, *adapter.optional_credential_fields}
    plain = {*adapter.option_fields, *adapter.optional_option_fields}
    named = [
        *adapter.credential_fields,
        *adapter.optional_credential_fields,
        *adapter.option_fields,
        *adapter.optional_option_fields,
    ]
    assert len(named) == len(set(named)), "a field is named twice"
    assert set(adapter.credential_fields) <= set(subject.credentials) <= secret, "credentials that nobody asked for"
    assert set(adapter.option_fields) <= set(subject.options) <= plain, "options that nobody asked for"
    assert set(adapter.host_option_fields) <= plain, "what chooses the host is no option"


@check()
async def a_wrong_base_url_is_refused(subject: Subject, _case: str) -> None:
    """Where the base URL can be set, only a plain http(s) URL is taken."""
    if "base_url" not in {*subject.adapter.option_fields, *subject.adapter.optional_option_fields}:
        raise InapplicableError("its base URL can't be set")
    for url in ("ftp://a.example", "https://user:password@a.example", "https://a.example/?a=b", "nonsense"):
        await _refused(subject, "base_url", subject.credentials, {**subject.options, "base_url": url})


def _silent_options(subject: Subject) -> Iterable[str]:
    adapter = subject.adapter
    return (one for one in _all_options(subject) if one not in adapter.host_option_fields)


def _all_options(subject: Subject) -> tuple[str, ...]:
    return (*subject.adapter.option_fields, *subject.adapter.optional_option_fields)


@check(_silent_options)
async def what_chooses_the_host_is_declared(subject: Subject, case: str) -> None:
    """No other option changes where credentials are sent: the gateway asks for them anew only with a declared one."""
    known = await _hosts(subject, subject.options)
    for value in ELSEWHERE:
        hosts = await _hosts(subject, {**subject.options, case: value})
        assert hosts <= known, f"with {case} {value!r} it calls {', '.join(sorted(hosts - known))}"


async def _hosts(subject: Subject, options: Mapping[str, str]) -> set[str]:
    """Where its check sends something; nowhere, where these make no adapter."""
    try:
        async with stage(subject, Says({}, 500), options=options) as staged:
            with suppress(CallError, ConfigurationError):
                await staged.adapter.check(WEBHOOK_URL)
            return {str(request.url.copy_with(raw_path=b"/")) for request in staged.sent}
    except ConfigurationError:
        return set()


@check()
async def a_connection_can_be_made(subject: Subject, _case: str) -> None:
    """The recorded fields make an adapter, with the previous key too, without a call, also none in the background."""
    previous = subject.webhooks.previous
    also = {} if isinstance(previous, Impossible) else previous
    for credentials in (subject.credentials, {**subject.credentials, **also}):
        async with stage(subject, credentials=credentials) as staged:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            assert not staged.sent, "making an adapter sends nothing"


async def _refused(subject: Subject, field: str, credentials: object, options: object) -> None:
    try:
        async with stage(subject, credentials=credentials, options=options):  # type: ignore[arg-type]
            pass
    except ConfigurationError as error:
        named = str(error).partition(" ")[0].rstrip(":")
        assert named == field, f"the error does not begin with {field}: {error}"
        return
    raise AssertionError(f"{field} is missing or wrong, and an adapter was made")
