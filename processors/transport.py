"""The one way in which adapters speak HTTP: total time-outs, one mapping of failures, nothing secret in any text.

What a failure means for money is decided here, once (law 4 of gateway/README.md), and not in each adapter:

    no connection, no TLS, no place in the pool, a refusing proxy   NotSentError
    429                                                             NotSentError with its time
    other 4xx, read whole                                           RefusedError
    anything after the request began to leave                       OutcomeUnknownError
    3xx, 408, 5xx, an answer cut short, too large or not JSON       OutcomeUnknownError

A total time-out counts as not sent only if httpx's trace proves it: a connection was being opened and no byte of the
request had begun to leave. Requests are built here rather than by the client, so that its cookies, which other accounts
at the same host share, are never sent; redirects are never followed.

Exceptions and log lines carry the method, the path as a template, the status and the processor's code; the host where
nobody was met there. httpx and h11
put URLs and header values into theirs, so these are never chained, and httpx's own loggers are silent during a call.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Final, TypeVar

import httpx
import structlog

from processors.errors import (
    CallError,
    ConfigurationError,
    MoneyError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
)
from processors.outcome import (
    ChargeOutcome,
    LookupFailed,
    LookupOutcome,
    NotSent,
    RefundLookupOutcome,
    RefundOutcome,
    RefundRefusal,
    RefundRefused,
    Rejected,
    Unknown,
)
from processors.reading import readable
from processors.values import PreparedCall, Unprinted

MAX_ANSWER_BYTES: Final = 1 << 20
"""An answer that is larger is not read on: no processor's answer to one call is near 1 MiB."""

MAX_RETRY_AFTER: Final = timedelta(days=1)

T = TypeVar("T")

log = structlog.get_logger("processors.transport")


class Answer(Unprinted, frozen=True):
    """A 2xx answer, read whole. Header names are in lower case; `template` is the call's URL without its values."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    template: str

    def decode(self, kind: type[T]) -> T:
        """The body as `kind`; raises OutcomeUnknownError: 2xx says it happened, but not what."""
        read = readable(self.body, kind)
        if read is None:
            raise OutcomeUnknownError(f"{self.template} answered {self.status} with a body that can't be read")
        return read


ReadCode = Callable[[bytes], str]
"""The processor's own error code in the body of a 4xx; empty where there is none."""


def no_code(_body: bytes) -> str:
    return ""


class Transport:
    """Calls one processor at `base_url` through a shared client.

    `total_timeout_s` bounds a whole call, from waiting for the pool to the last byte of the answer;
    `connect_timeout_s` the pool and the connection each, so that an unreachable host is proven not sent.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        total_timeout_s: float,
        *,
        connect_timeout_s: float = 5.0,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        read_code: ReadCode = no_code,
    ) -> None:
        """Raises ConfigurationError for a `base_url` that is not a plain http(s) URL."""
        self._http = http
        self._base = check_base_url(base_url)
        self._host = httpx.URL(self._base).netloc.decode()
        self._total_s = total_timeout_s
        connect_s = min(connect_timeout_s, total_timeout_s)
        self._timeouts = httpx.Timeout(total_timeout_s, connect=connect_s, pool=connect_s).as_dict()
        self._max_answer_bytes = max_answer_bytes
        self._read_code = read_code

    async def send(self, call: PreparedCall, auth: Mapping[str, str], *, template: str = "") -> Answer:
        """Send the bytes once and return a 2xx answer; raises a CallError for everything else.

        `auth` is added to the call's own headers. `template` stands for the path in errors and logs; give it where the
        path has more than a noun, otherwise what follows is shown as `{}`.
        """
        shown = f"{call.method} {template or template_of(call.path)}"
        trace = _Trace()
        started = time.monotonic()
        silence = _silent.set(True)
        try:
            result = await self._exchange(call, auth, trace, shown)
        finally:
            _silent.reset(silence)
        log.info(
            "processor_call",
            call=shown,
            result=type(result).__name__ if isinstance(result, CallError) else result.status,
            ms=round((time.monotonic() - started) * 1000),
        )
        if isinstance(result, CallError):
            raise result
        return result

    async def _exchange(
        self, call: PreparedCall, auth: Mapping[str, str], trace: _Trace, shown: str
    ) -> Answer | CallError:
        """The answer or the error, which is returned so that it is raised without httpx's own as its context."""
        try:
            async with asyncio.timeout(self._total_s):
                response = await self._http.send(
                    self._request(call, auth, trace), stream=True, follow_redirects=False, auth=None
                )
                try:
                    body = await self._read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            return trace.judge(f"{shown}: no answer within {self._total_s:g} s")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            return NotSentError(f"{shown}: no connection to {self._host} ({type(error).__name__})")
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
            return trace.judge(f"{shown}: the request could not be sent ({type(error).__name__})")
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            return OutcomeUnknownError(f"{shown}: the connection broke ({type(error).__name__})")
        if body is None:
            return OutcomeUnknownError(f"{shown} answered {response.status_code} with a body that is too large")
        return self._judge(response, body, shown)

    def _request(self, call: PreparedCall, auth: Mapping[str, str], trace: _Trace) -> httpx.Request:
        if not call.path.startswith("/"):
            raise ValueError("the path of a call begins with a slash")
        headers = [("accept", "application/json"), ("accept-encoding", "identity"), ("user-agent", "tollbridge")]
        return httpx.Request(
            call.method,
            self._base + call.path,
            headers=[*headers, *call.headers, *auth.items()],
            content=call.body,
            extensions={"timeout": self._timeouts, "trace": trace},
        )

    async def _read(self, response: httpx.Response) -> bytes | None:
        """The whole body; None once it is larger than allowed."""
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > self._max_answer_bytes:
                return None
            chunks.append(chunk)
        return b"".join(chunks)

    def _judge(self, response: httpx.Response, body: bytes, shown: str) -> Answer | CallError:
        status = response.status_code
        if 200 <= status < 300:
            return Answer(status, dict(response.headers), body, shown)
        if status == 429:
            said = f"{shown} answered 429: turned away unread"
            return NotSentError(said, retry_after_of(response.headers), answered=True)
        # 408 comes from balancers too, after they have passed the request on: not proof that nothing happened.
        if 400 <= status < 500 and status != 408:
            code = safe_code(self._read_code(body))
            is_page = body.lstrip().startswith(b"<")
            said = f"{shown} answered {status}" + (f" ({code})" if code else "")
            return RefusedError(said, status, code, is_page=is_page)
        return OutcomeUnknownError(f"{shown} answered {status}")


class _Trace:
    """Follows httpx's `trace` extension, to know how far a call had come when time ran out."""

    def __init__(self) -> None:
        self.connecting = False
        self.sending = False

    async def __call__(self, event: str, _info: object) -> None:
        if event.startswith(("connection.connect_tcp.", "connection.connect_unix_socket.")):
            self.connecting = True
        elif ".send_" in event:
            self.sending = True

    def judge(self, message: str) -> CallError:
        """Not sent only if a connection was being opened and nothing began to leave; without a trace, unknown."""
        if self.connecting and not self.sending:
            return NotSentError(f"{message}; nothing had been sent")
        return OutcomeUnknownError(message)


def check_base_url(base_url: str) -> str:
    """The URL without its last slash; raises ConfigurationError unless it's http(s) with a host and nothing more."""
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise ConfigurationError("base_url must be a plain http or https URL without user, query or fragment")
    return base_url.rstrip("/")


_NOUN = re.compile(r"(/v\d+)?/[A-Za-z_-]{1,40}(?=[/?]|$)")


def template_of(path: str) -> str:
    """The path's version and first noun; every segment after these becomes `{}`, as it may be a value."""
    plain = path.partition("?")[0]
    noun = _NOUN.match(plain)
    shown = noun.group() if noun else ""
    return shown + "/{}" * plain[len(shown) :].count("/")


def safe_code(code: str) -> str:
    """A processor's error code if it looks like one, else nothing: free text may repeat what we sent."""
    return code if re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", code) else ""


def retry_after_of(headers: httpx.Headers) -> timedelta | None:
    """`Retry-After` in seconds or as a date (RFC 9110 §10.2.3), between nothing and a day; None without a usable one.

    A date is measured against the answer's own `Date`, so that a clock of ours that is wrong does not matter.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", text):
        return min(timedelta(seconds=int(text)), MAX_RETRY_AFTER)
    until, answered = _http_date(text), _http_date(headers.get("date", ""))
    if until is None:
        return None
    wait = until - (answered or datetime.now(UTC))  # noqa: TID251 (against the answer's own date)
    return min(max(wait, timedelta(0)), MAX_RETRY_AFTER)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def outcome_of(error: CallError | MoneyError) -> NotSent | Rejected | Unknown:
    """What a failed charge call came to. A MoneyError here comes from an answer's amount, so the outcome is unknown."""
    match error:
        case NotSentError():
            return NotSent(str(error), error.retry_after, error.answered)
        case RefusedError():
            return Rejected(error.code or f"http_{error.status}", str(error))
        case MoneyError():
            return Unknown("the answer names an amount that can't be read")
        case _:
            return Unknown(str(error))


async def charge_outcome(call: Awaitable[ChargeOutcome]) -> ChargeOutcome:
    """The outcome of a charge call whose errors become outcomes: what `ProcessorAdapter.charge` returns."""
    try:
        return await call
    except (CallError, MoneyError) as error:
        return outcome_of(error)


async def lookup_outcome(call: Awaitable[LookupOutcome]) -> LookupOutcome:
    """The outcome of a look-up whose errors become LookupFailed: nothing is known that was not known before."""
    try:
        return await call
    except CallError as error:
        return LookupFailed(str(error))
    except MoneyError:
        return LookupFailed("the answer names an amount that can't be read")


async def refund_outcome(
    call: Awaitable[RefundOutcome], reasons: Mapping[str, RefundRefusal] = MappingProxyType({})
) -> RefundOutcome:
    """The outcome of a refund call whose errors become outcomes; `reasons` are the processor's codes for a refusal."""
    try:
        return await call
    except (CallError, MoneyError) as error:
        outcome = outcome_of(error)
    if isinstance(outcome, Rejected):
        return RefundRefused(reasons.get(outcome.code, RefundRefusal.OTHER), outcome.code, outcome.message)
    return outcome


async def refund_lookup_outcome(call: Awaitable[RefundLookupOutcome]) -> RefundLookupOutcome:
    """As `lookup_outcome`, for a refund."""
    try:
        return await call
    except CallError as error:
        return LookupFailed(str(error))
    except MoneyError:
        return LookupFailed("the answer names an amount that can't be read")


_silent: ContextVar[bool] = ContextVar("processor_call", default=False)


def _not_during_a_call(_record: logging.LogRecord) -> bool:
    return not _silent.get()


# httpx logs whole URLs at INFO and httpcore all headers at DEBUG; a filter on a parent would not see their records.
for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks"):
    logging.getLogger(_name).addFilter(_not_during_a_call)
