"""Errors as RFC 9457 problem documents, from one closed list of codes. Only this module knows which is which status."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from db.errors import DATABASE_AWAY
from gateway.access.errors import AccessGrantError
from gateway.accounts.errors import CheckFailedError, FieldError, NameTakenError, NotThereError
from gateway.accounts.validation import explain
from gateway.api.request_id import request_id
from gateway.billing.errors import StripeError, StripeForbiddenError, StripeNotSentError, StripeRefusedError
from gateway.books.repair import BreakClosedError
from gateway.books.rows import RowChangedError
from gateway.books.session import TooManyReadersError
from gateway.cases import CaseClosedError, CaseTakenError
from gateway.connections import UnknownConnectionError
from gateway.customers.errors import NotErasableError, SessionError
from gateway.finance.errors import AlreadyRunningError, NoMethodError, NotNowError
from gateway.group_commit import NotCommittedError, TooManyWaitError
from gateway.outbound.events import EndpointDisabledError
from gateway.returns.errors import NotRefundableError, RefundStateError
from gateway.runtime import UnknownAccountError
from gateway.subscriptions.errors import ScheduledError, SubscriptionEndedError
from gateway.turns.turn import NotYetError
from gateway.usage.errors import UsageRefusedError
from gateway.users.errors import NotYoursError
from processors.errors import CallError, RefusedError

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"
TYPE: Final = "urn:tollbridge:error:"


class Code(StrEnum):
    """Every error that the API can give; `type` is `urn:tollbridge:error:` and one of these."""

    INVALID_REQUEST = "invalid_request"
    IDEMPOTENCY_KEY_REQUIRED = "idempotency_key_required"
    PROCESSOR_REFUSED = "processor_refused"
    STRIPE_REFUSED = "stripe_refused"
    UNAUTHENTICATED = "unauthenticated"
    ACCOUNT_DISABLED = "account_disabled"
    SCOPE_MISSING = "scope_missing"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    ALREADY_EXISTS = "already_exists"
    IN_PROGRESS = "in_progress"
    PAYMENT_METHOD_NEEDS_REPAIR = "payment_method_needs_repair"
    NOT_REFUNDABLE = "not_refundable"
    SESSION_EXPIRED = "session_expired"
    SESSION_NOT_OPEN = "session_not_open"
    STATE_CONFLICT = "state_conflict"
    BODY_TOO_LARGE = "body_too_large"
    MEDIA_TYPE_UNSUPPORTED = "media_type_unsupported"
    CHECK_FAILED = "check_failed"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    RATE_LIMITED = "rate_limited"
    INTERNAL = "internal"
    STRIPE_FORBIDDEN = "stripe_forbidden"
    DATABASE_UNAVAILABLE = "database_unavailable"
    OVERLOADED = "overloaded"
    PROCESSOR_UNAVAILABLE = "processor_unavailable"
    STRIPE_UNAVAILABLE = "stripe_unavailable"


CODES: Final[Mapping[Code, tuple[int, str]]] = {
    Code.INVALID_REQUEST: (400, "A parameter is missing, unknown or can't have this value"),
    Code.IDEMPOTENCY_KEY_REQUIRED: (400, "This request needs an Idempotency-Key"),
    Code.PROCESSOR_REFUSED: (400, "The processor refuses the request"),
    Code.STRIPE_REFUSED: (400, "Stripe refuses the request"),
    Code.UNAUTHENTICATED: (401, "No valid API key or client secret was given"),
    Code.ACCOUNT_DISABLED: (403, "The account is disabled"),
    Code.SCOPE_MISSING: (403, "The key lacks the scope for this"),
    Code.NOT_FOUND: (404, "There is no such object"),
    Code.METHOD_NOT_ALLOWED: (405, "This address does not know the method"),
    Code.ALREADY_EXISTS: (409, "Another object has this name"),
    Code.IN_PROGRESS: (409, "An equal request is being worked on"),
    Code.PAYMENT_METHOD_NEEDS_REPAIR: (409, "There is no payment method that can be charged"),
    Code.NOT_REFUNDABLE: (409, "There is not so much that can be returned"),
    Code.SESSION_EXPIRED: (409, "The session has expired"),
    Code.SESSION_NOT_OPEN: (409, "The session is not open"),
    Code.STATE_CONFLICT: (409, "The object's state does not allow this"),
    Code.BODY_TOO_LARGE: (413, "The body is too large"),
    Code.MEDIA_TYPE_UNSUPPORTED: (415, "The body must be of another media type, usually JSON"),
    Code.CHECK_FAILED: (422, "The credentials do not work"),
    Code.IDEMPOTENCY_MISMATCH: (422, "This Idempotency-Key was used with another request"),
    Code.RATE_LIMITED: (429, "Too many requests"),
    Code.INTERNAL: (500, "Something is wrong on our side"),
    Code.STRIPE_FORBIDDEN: (502, "Stripe does not accept the account's key for this"),
    Code.DATABASE_UNAVAILABLE: (503, "The database can't be reached"),
    Code.OVERLOADED: (503, "Too much at once"),
    Code.PROCESSOR_UNAVAILABLE: (503, "The processor can't be reached"),
    Code.STRIPE_UNAVAILABLE: (503, "Stripe can't be reached"),
}
OF_STATUS: Final[Mapping[int, Code]] = {
    400: Code.INVALID_REQUEST,
    401: Code.UNAUTHENTICATED,
    403: Code.SCOPE_MISSING,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.BODY_TOO_LARGE,
    415: Code.MEDIA_TYPE_UNSUPPORTED,
    429: Code.RATE_LIMITED,
    503: Code.OVERLOADED,
}
"""For the errors of the framework, which have a status and no code."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem document (RFC 9457). `param` is the dotted path of the parameter at fault, where there is one."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    param: str = ""


class ProblemError(Exception):
    """A problem, raised by the API itself or made of a domain error."""

    def __init__(
        self, code: Code, detail: str = "", *, param: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail or CODES[code][1]
        self.param = param
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        return CODES[self.code][0]

    def document(self, request: str) -> Problem:
        """The document for the request of this id."""
        return Problem(f"{TYPE}{self.code}", CODES[self.code][1], self.status, self.detail, request, self.param)


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The exception handler for everything."""
    problem = problem_of(error, _body_of(request))
    if problem.code is Code.INTERNAL:
        log.error("request_failed", error=type(error).__name__, exc_info=error)
    elif problem.status >= 500:
        log.warning("request_turned_away", code=problem.code, error=type(error).__name__)
    return Response(
        problem.document(request_id(request.scope)),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=problem.headers,
    )


def _body_of(request: Request[Any, Any, Any]) -> Any:
    """The type of the body that the handler takes; None where it takes none, or no handler was found."""
    handler = request.scope.get("route_handler")
    data = handler.parsed_fn_signature.parameters.get("data") if handler is not None else None
    return None if data is None else data.annotation


def problem_of(error: Exception, body: Any = None) -> ProblemError:
    """What an exception means to a caller, of whom this type of `body` was wanted. What nobody foresaw is `internal`,
    without details."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, HTTPException):
        return _of_framework(error, body)
    for kind, translate in TRANSLATIONS.items():
        if isinstance(error, kind):
            return translate(error)
    if isinstance(error, DATABASE_AWAY) or _came_from_database(error):
        return _away(Code.DATABASE_UNAVAILABLE, "The database can't be reached; ask again.", 2)
    return ProblemError(Code.INTERNAL)


def _of_framework(error: HTTPException, body: Any) -> ProblemError:
    code = OF_STATUS.get(error.status_code, Code.INTERNAL)
    if isinstance(error, ValidationException):
        return _of_validation(error, body)
    if code is Code.INVALID_REQUEST:
        return ProblemError(code, f"the body: {error.detail}")
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() in ("allow", "retry-after")}
    return ProblemError(code, headers=headers)


RENAMED: Final = {"in_state": "state", "of_status": "status", "first": "from", "last": "to", "form": "format"}
"""Parameters that a handler can't take by their own name, which the framework reserves."""
_NAMED_IN_DETAIL = re.compile(r"parameter '([^']+)'")


def _of_validation(error: ValidationException, body: Any) -> ProblemError:
    """The first wrong parameter. The framework's own text holds the query string, so it is not shown."""
    for entry in error.extra or []:
        if isinstance(entry, dict):
            key = str(entry.get("key", ""))
            key = RENAMED.get(key, key)
            if entry.get("message") == "'data'":
                return ProblemError(Code.INVALID_REQUEST, "the body: a JSON object is required")
            wrong = explain(str(entry.get("message", "")), "" if key == "data" else key.removeprefix("data."), body)
            return ProblemError(Code.INVALID_REQUEST, _sentence(wrong), param=wrong.param)
    named = _NAMED_IN_DETAIL.search(error.detail)
    if named:
        return ProblemError(Code.INVALID_REQUEST, f"{named[1]}: this parameter is required", param=named[1])
    return ProblemError(Code.INVALID_REQUEST)


def _sentence(wrong: FieldError) -> str:
    return f"{wrong.param}: {wrong.message}" if wrong.param else f"the body: {wrong.message}"


def _away(code: Code, detail: str, after_s: float) -> ProblemError:
    return ProblemError(code, detail, headers={"Retry-After": str(max(1, round(after_s)))})


def _of_stripe(error: StripeError) -> ProblemError:
    if isinstance(error, StripeRefusedError):
        return ProblemError(Code.STRIPE_REFUSED, str(error), param=error.param)
    if isinstance(error, StripeForbiddenError):
        return ProblemError(Code.STRIPE_FORBIDDEN, str(error))
    after_s = error.retry_after_s if isinstance(error, StripeNotSentError) else 2
    return _away(Code.STRIPE_UNAVAILABLE, str(error), after_s)


def _of_call(error: CallError) -> ProblemError:
    if isinstance(error, RefusedError):
        return ProblemError(
            Code.PROCESSOR_REFUSED, f"The processor refuses the request ({error.code or error.status})."
        )
    return _away(Code.PROCESSOR_UNAVAILABLE, "The processor can't be reached; ask again.", 2)


def _of_session(error: SessionError) -> ProblemError:
    code = Code(error.code)
    if CODES[code][0] == 503 or code is Code.IN_PROGRESS:
        return ProblemError(code, str(error), param=error.param, headers={"Retry-After": "1"})
    return ProblemError(code, str(error), param=error.param)


def _of_usage(error: UsageRefusedError) -> ProblemError:
    code, param = Code(error.refused.code), error.refused.param
    if CODES[code][0] == 503:
        return ProblemError(code, str(error), param=param, headers={"Retry-After": "5"})
    return ProblemError(code, str(error), param=param)


TRANSLATIONS: Final[Mapping[type[Exception], Callable[[Any], ProblemError]]] = {
    NameTakenError: lambda e: ProblemError(Code.ALREADY_EXISTS, str(e), param=e.param),
    FieldError: lambda e: ProblemError(Code.INVALID_REQUEST, str(e), param=e.param),
    NotThereError: lambda e: ProblemError(Code.NOT_FOUND, str(e)),
    TooManyReadersError: lambda e: _away(Code.OVERLOADED, str(e), 10),
    CheckFailedError: lambda e: ProblemError(Code.CHECK_FAILED, str(e)),
    AccessGrantError: lambda e: ProblemError(Code.STATE_CONFLICT, str(e)),
    BreakClosedError: lambda e: ProblemError(Code.STATE_CONFLICT, str(e)),
    CaseClosedError: lambda e: ProblemError(Code.STATE_CONFLICT, str(e)),
    CaseTakenError: lambda e: ProblemError(Code.STATE_CONFLICT, str(e)),
    EndpointDisabledError: lambda e: ProblemError(Code.STATE_CONFLICT, str(e)),
    AlreadyRunningError: lambda e: ProblemError(Code.IN_PROGRESS, str(e), headers={"Retry-After": "1"}),
    NotErasableError: lambda e: ProblemError(Code.STATE_CONFLICT, str(e)),
    NotYoursError: lambda e: ProblemError(Code.SCOPE_MISSING, str(e)),
    NotNowError: lambda e: ProblemError(Code.STATE_CONFLICT, str(e)),
    NoMethodError: lambda e: ProblemError(Code.PAYMENT_METHOD_NEEDS_REPAIR, str(e)),
    NotRefundableError: lambda e: ProblemError(
        Code.NOT_REFUNDABLE, f"{e} ({e.refundable.amount} in minor units)", param="amount"
    ),
    RefundStateError: lambda e: ProblemError(Code.STATE_CONFLICT, str(e)),
    RowChangedError: lambda e: ProblemError(Code.STATE_CONFLICT, str(e), param="file"),
    SessionError: _of_session,
    ScheduledError: lambda e: ProblemError(Code.STATE_CONFLICT, str(e)),
    SubscriptionEndedError: lambda e: ProblemError(Code.STATE_CONFLICT, str(e)),
    UsageRefusedError: _of_usage,
    TooManyWaitError: lambda e: _away(Code.OVERLOADED, str(e), 2),
    NotCommittedError: lambda e: _away(Code.DATABASE_UNAVAILABLE, "It is not known to be stored: send it again.", 2),
    NotYetError: lambda e: ProblemError(Code.IN_PROGRESS, headers={"Retry-After": "10"}),
    UnknownAccountError: lambda e: ProblemError(Code.ACCOUNT_DISABLED),
    UnknownConnectionError: lambda e: ProblemError(Code.NOT_FOUND, str(e)),
    StripeError: _of_stripe,
    CallError: _of_call,
}
"""In order: the first that fits."""


def _came_from_database(error: Exception) -> bool:
    """A broken connection is an OSError or a TimeoutError like any other: asyncpg's frames tell them apart."""
    if not isinstance(error, OSError | TimeoutError):
        return False
    return any("asyncpg" in frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__))
