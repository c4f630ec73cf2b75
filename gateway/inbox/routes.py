"""The webhook addresses: verify, store, acknowledge.

    POST /webhooks/stripe/{account}             Stripe's events, snapshot or thin
    POST, GET /webhooks/{account}/{connection}  a processor's notices

2xx only after COMMIT (law 9). What is refused leaves a counter and nothing else; its reason is the answer's text, so
that whoever looks at the sender's dashboard can read it. An unknown type of event is accepted like any other: a single
failing endpoint can hold up an account's billing for three days (Stripe's docs, billing/subscriptions/webhooks).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final, NamedTuple

import structlog
from litestar import HttpMethod, Request, Response, route
from litestar.enums import MediaType
from litestar.exceptions import ClientException
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK, HTTP_413_REQUEST_ENTITY_TOO_LARGE

from db.encryption import EncryptionError
from gateway.connections import UnknownAdapterError, UnknownConnectionError
from gateway.group_commit import AWAY, NotCommittedError, TooManyWaitError
from gateway.inbox import meters
from gateway.inbox.directory import Door
from gateway.inbox.envelope import STRIPE, Accepted, processor_notice, stripe_notice
from gateway.inbox.intake import Intake
from gateway.inbox.verify import Refusal, SignatureError, check_stripe_signature
from processors.errors import CallError, ConfigurationError, WebhookError
from processors.events import Acknowledgement, Notice, RawDelivery, Reply
from processors.interface import ProcessorAdapter

log = structlog.get_logger()

MOST_HEADERS: Final = 100
HEADER_BYTES: Final = 32_768
RETRY_AFTER_S: Final = "5"
VERIFY_TIMEOUT_S: Final = 8.0
"""Verifying may fetch a certificate once; most processors give up after ten seconds."""

DOOR: Final = "door"
"""Where a request's state keeps whose door it is, once that is known: account and source."""

STATUS: Final[dict[Refusal, int]] = {
    Refusal.NOT_FOUND: 404,
    Refusal.BODY: HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    Refusal.HEADERS: 431,
    Refusal.BUSY: 503,
    Refusal.UNAVAILABLE: 503,
    Refusal.CONFIGURATION: 503,
}
"""The rest is 400. 503 is for what may hold at the next try: nothing is lost while we mend it."""

# Nothing but the signature opens these addresses, and no browser sends to them.
_OPT: Final = {"exclude_from_auth": True, "exclude_from_csrf": True}


class _RefusedError(Exception):
    """`reply`: the answer that the sender wants to it, where that is not ours."""

    def __init__(self, reason: Refusal, reply: Reply | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reply = reply


class _Read(NamedTuple):
    """What a delivery holds, and the answer that its sender wants once it's stored."""

    accepted: list[Accepted]
    reply: Reply


AnyRequest = Request[Any, Any, Any]


@route(
    "/webhooks/stripe/{account:str}",
    http_method=HttpMethod.POST,
    status_code=HTTP_200_OK,
    include_in_schema=False,
    opt=_OPT,
)
async def stripe_webhook(request: AnyRequest, account: FromPath[str]) -> Response[str]:
    """An event of Stripe's for the account of this name."""
    return await _answer(request, _stripe(request, account))


@route(
    "/webhooks/{account:str}/{connection:str}",
    http_method=[HttpMethod.POST, HttpMethod.GET],
    status_code=HTTP_200_OK,
    include_in_schema=False,
    opt=_OPT,
)
async def processor_webhook(request: AnyRequest, account: FromPath[str], connection: FromPath[str]) -> Response[str]:
    """The notices of a processor for the connection of these names."""
    return await _answer(request, _processor(request, account, connection))


webhook_routes: Final = [stripe_webhook, processor_webhook]
"""The handlers, for the app; it must set `app.state.intake` to a running Intake in its lifespan."""


async def _answer(request: AnyRequest, reading: Coroutine[Any, Any, _Read]) -> Response[str]:
    try:
        read = await reading
        await _intake(request).put(read.accepted)
    except _RefusedError as error:
        _tell(request, error.reason)
        return _refusal(error.reason, error.reply)
    except SignatureError as error:
        _tell(request, error.reason)
        return _refusal(error.reason)
    except TooManyWaitError:
        return _refusal(Refusal.BUSY)
    except (NotCommittedError, *AWAY) as error:
        log.warning("webhook_not_stored", error=type(error).__name__)
        return _refusal(Refusal.UNAVAILABLE)
    except (ConfigurationError, UnknownAdapterError, EncryptionError) as error:
        log.error("webhook_configuration", error=type(error).__name__)
        return _refusal(Refusal.CONFIGURATION)
    return Response(read.reply.body, media_type=MediaType.TEXT, status_code=read.reply.status)


def _tell(request: AnyRequest, reason: Refusal) -> None:
    """A signature that does not hold is most often a wrong secret of ours: say so, but not at a stranger's rate."""
    if DOOR in request.state:
        account, source = request.state[DOOR]
        _intake(request).refused.add(account, source, reason)
    if reason not in (Refusal.WRONG, Refusal.NO_SECRET, Refusal.PROCESSOR, Refusal.LIVEMODE):
        return
    door = request.scope["path"]
    if count := _intake(request).refusals.due((door, reason), time.monotonic()):
        log.warning("webhooks_refused", door=door, reason=str(reason), count=count)


def _refusal(reason: Refusal, reply: Reply | None = None) -> Response[str]:
    meters.REFUSED.labels(reason).inc()
    status = STATUS.get(reason, 400) if reply is None else reply.status
    headers = {"retry-after": RETRY_AFTER_S} if status == 503 else {}
    return Response(str(reason), media_type=MediaType.TEXT, status_code=status, headers=headers)


async def _stripe(request: AnyRequest, name: str) -> _Read:
    directory = _intake(request).directory
    door = await directory.account(name)
    if door is None:
        raise _RefusedError(Refusal.NOT_FOUND)
    request.state[DOOR] = (door.id, STRIPE)
    header = _one_header(request, b"stripe-signature")
    if not header:
        raise _RefusedError(Refusal.MISSING)
    body = await _body(request)
    try:
        _check(header, body, door)
    except SignatureError as error:
        # The secret may have been added since we read them.
        newer = await directory.fresh(name) if error.reason in (Refusal.WRONG, Refusal.NO_SECRET) else None
        if newer is None or newer.secrets == door.secrets:
            raise
        door = newer
        _check(header, body, door)
    notice, livemode = stripe_notice(door.id, body)
    if livemode is not None and livemode != door.livemode:
        raise _RefusedError(Refusal.LIVEMODE)
    return _Read([notice], Reply())


def _check(header: str, body: bytes, door: Door) -> None:
    check_stripe_signature(header, body, door.secrets, time.time())


async def _processor(request: AnyRequest, account_name: str, name: str) -> _Read:
    intake = _intake(request)
    found = await intake.directory.connection(account_name, name)
    if found is None:
        raise _RefusedError(Refusal.NOT_FOUND)
    account, connection = found
    request.state[DOOR] = found
    delivery = await _raw(request, intake.runtime.settings.base_url)
    try:
        adapter = await intake.runtime.connections.adapter(account, connection)
        notices, reply = await _verified(adapter, connection, delivery)
    except UnknownConnectionError:
        raise _RefusedError(Refusal.NOT_FOUND) from None
    except _RefusedError:
        raise
    except (ConfigurationError, UnknownAdapterError, EncryptionError, *AWAY):
        raise
    except Exception as error:
        # Nobody's delivery is lost for a mistake in an adapter: it comes again.
        log.error("webhook_adapter_failed", connection=connection, error=type(error).__name__)
        raise _RefusedError(Refusal.CONFIGURATION) from None
    return _Read([processor_notice(account, connection, n.key, n.kind, n.body) for n in notices], reply)


async def _verified(
    adapter: ProcessorAdapter, connection: str, delivery: RawDelivery
) -> tuple[tuple[Notice, ...], Reply]:
    """The notices of a delivery, and the answer to it; raises _RefusedError."""
    try:
        async with asyncio.timeout(VERIFY_TIMEOUT_S):
            return await adapter.verify(delivery), adapter.acknowledge(delivery, Acknowledgement.STORED)
    except WebhookError as error:
        log.info("webhook_refused", connection=connection, error=type(error).__name__)
        reply = adapter.acknowledge(delivery, Acknowledgement.REFUSED)
        raise _RefusedError(Refusal.PROCESSOR, Reply(reply.status, reply.body or str(Refusal.PROCESSOR))) from None
    except (CallError, TimeoutError) as error:
        # What proves it could not be fetched: it comes again.
        log.warning("webhook_not_verified", connection=connection, error=type(error).__name__)
        raise _RefusedError(Refusal.UNAVAILABLE) from None


async def _raw(request: AnyRequest, base_url: str) -> RawDelivery:
    """The delivery as it came. Its URL is the public one, since some processors sign that and a proxy changes ours."""
    headers = list(request.scope["headers"])
    if len(headers) > MOST_HEADERS or sum(len(k) + len(v) for k, v in headers) > HEADER_BYTES:
        raise _RefusedError(Refusal.HEADERS)
    query = request.scope.get("query_string", b"").decode("latin-1")
    url = base_url + request.scope["path"] + (f"?{query}" if query else "")
    return RawDelivery(
        method=request.method,
        url=url,
        headers=tuple((k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in headers),
        query=tuple((k, v) for k, v in request.query_params.multi_items()),
        body=await _body(request),
    )


async def _body(request: AnyRequest) -> bytes:
    """The raw bytes, within the limit of the settings; the app's own limit may be lower."""
    limit = _intake(request).runtime.settings.max_body_bytes
    announced = _one_header(request, b"content-length")
    if announced.isdigit() and int(announced) > limit:
        raise _RefusedError(Refusal.BODY)
    try:
        body = await request.body()
    except ClientException as error:
        if error.status_code != HTTP_413_REQUEST_ENTITY_TOO_LARGE:
            raise
        raise _RefusedError(Refusal.BODY) from None
    if len(body) > limit:
        raise _RefusedError(Refusal.BODY)
    return body


def _one_header(request: AnyRequest, name: bytes) -> str:
    """The value of a header that stands there once; empty otherwise."""
    values = [value for key, value in request.scope["headers"] if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""


def _intake(request: AnyRequest) -> Intake:
    intake: Intake = request.app.state.intake
    return intake
