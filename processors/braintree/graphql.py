"""A GraphQL call: one path, and errors in an answer that is 200 (facts: 3.3; docs: making_api_calls, Errors).

What an error class means for money stands here, once, as the shared transport has it for statuses:

    RESOURCE_LIMIT                                  NotSentError, answered: the request was turned away
    VALIDATION of an input field                    RefusedError 422
    AUTHENTICATION, AUTHORIZATION, NOT_FOUND, ...   RefusedError 401, 403, 404, ...
    VALIDATION that may be about the request's key  OutcomeUnknownError: the first call may be under way
    INTERNAL, SERVICE_AVAILABILITY, any other       OutcomeUnknownError
    errors beside data                              OutcomeUnknownError: the call has done something

Of several errors the one that leaves most open decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import httpx
import msgspec

from processors.braintree.config import KeyPair
from processors.braintree.wire import ApiExtensions, Envelope
from processors.errors import CallError, NotSentError, OutcomeUnknownError, RefusedError
from processors.reading import readable
from processors.transport import Answer, Transport, retry_after_of, safe_code
from processors.values import PreparedCall

PATH: Final = "/graphql"
VERSION: Final = "2026-01-01"
"""A date: the API as it was then. unverified: which date knows `apiRequestKey` (send a key twice with one amount, then
with another; the reference pages of 2026 have it, the schema of 2025-04-29 has not)."""

HEADERS: Final = (("content-type", "application/json"), ("braintree-version", VERSION))

KEY_FIELD: Final = "apiRequestKey"

STATUSES: Final[Mapping[str, int]] = {
    "VALIDATION": 422,
    "AUTHENTICATION": 401,
    "AUTHORIZATION": 403,
    "NOT_FOUND": 404,
    "UNSUPPORTED_CLIENT": 426,
    "NOT_IMPLEMENTED": 501,
}
"""Error classes that are a refusal, each with the HTTP status that says the same."""

T = TypeVar("T")


def prepared(document: str, variables: Mapping[str, Any]) -> PreparedCall:
    """The bytes of a call; the same for the same variables."""
    body = msgspec.json.encode({"query": document, "variables": variables}, order="deterministic")
    return PreparedCall("POST", PATH, HEADERS, body)


class GraphQl:
    """Calls with one API key."""

    def __init__(self, transport: Transport, key: KeyPair) -> None:
        self._transport = transport
        self._auth = httpx.BasicAuth(key.public, key.private.reveal())

    async def ask(self, document: str, field: str, kind: type[T], **variables: Any) -> T | None:
        """What `field` of the answer holds; None where it's null. Raises CallError."""
        return await self.send(prepared(document, variables), field, kind)

    async def want(self, document: str, field: str, kind: type[T], **variables: Any) -> T:
        """As `ask`, where null is no answer."""
        return some(await self.ask(document, field, kind, **variables), field)

    async def send(self, call: PreparedCall, field: str, kind: type[T]) -> T | None:
        """Send prepared bytes once; raises CallError."""
        answer = await self._transport.send(call, {"authorization": self._authorization()}, template=PATH)
        said = answer.decode(Envelope)
        if said.errors:
            raise judge(said, field, answer)
        if said.data is None or field not in said.data:
            raise OutcomeUnknownError(f"{field} answered 200 without what was asked for")
        return _decoded(said.data[field], kind, field)

    def _authorization(self) -> str:
        request = httpx.Request("POST", "https://unused.invalid")
        return next(self._auth.auth_flow(request)).headers["authorization"]


def some(value: T | None, field: str) -> T:
    """Raises OutcomeUnknownError for null."""
    if value is None:
        raise OutcomeUnknownError(f"{field} answered 200 with null")
    return value


def _decoded(raw: msgspec.Raw, kind: type[T], field: str) -> T | None:
    if bytes(raw) == b"null":
        return None
    read = readable(raw, kind)
    if read is None:
        raise OutcomeUnknownError(f"{field} answered 200 with a value that can't be read")
    return read


def judge(said: Envelope, field: str, answer: Answer) -> CallError:
    """What the errors of an answer mean."""
    if any(bytes(raw) != b"null" for raw in (said.data or {}).values()):
        return OutcomeUnknownError(f"{field} answered with errors beside data")
    told = [error.extensions or ApiExtensions() for error in said.errors or ()]
    classes = ", ".join(sorted({safe_code(one.error_class) or "no class" for one in told}))
    if any(one.error_class not in STATUSES and one.error_class != "RESOURCE_LIMIT" for one in told):
        return OutcomeUnknownError(f"{field} answered with an error ({classes})")
    if any(one.error_class == "VALIDATION" and may_be_about_the_key(one) for one in told):
        return OutcomeUnknownError(f"{field} answered VALIDATION: the request's key may be in use")
    refused = next((one for one in told if one.error_class in STATUSES), None)
    if refused is None:
        waits = retry_after_of(httpx.Headers(dict(answer.headers)))
        return NotSentError(f"{field} answered RESOURCE_LIMIT: turned away", waits, answered=True)
    code = safe_code(refused.legacy_code or "") or refused.error_class
    return RefusedError(f"{field} answered {classes} ({code})", STATUSES[refused.error_class], code)


def may_be_about_the_key(told: ApiExtensions) -> bool:
    """Whether a VALIDATION error may mean that a call with this key is in flight, or was made with other input.

    unverified: that such an error names the field, and that its code is none of the transaction's old five-digit ones
    (send one key twice at once, and twice with two amounts). Until then an error that names no other field and has no
    such code is taken for it: unknown where it was a refusal costs a look-up, the reverse a second charge.
    """
    fields = _fields(told.input_path or ())
    if KEY_FIELD in fields:
        return True
    return not fields and not re.fullmatch(r"[89]15[0-9]{2}", told.legacy_code or "")


def _fields(path: Sequence[str | int]) -> list[str]:
    return [one for one in path if isinstance(one, str) and one != "input"]
