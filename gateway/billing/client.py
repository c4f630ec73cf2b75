"""The one client that talks to Stripe: typed errors, a total time-out, answers decoded by msgspec.

Requests go through the official package's raw requests (its objects cost four times the call), at the API version of
Stripe's description that the local Stripe is held to. Retries are ours: the package's own are switched off, since
every retry here follows a committed row.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeAlias, TypeVar

import httpx
import msgspec
import stripe

from db.engine import assert_no_transaction
from gateway.billing.errors import (
    StripeForbiddenError,
    StripeKeyRefusedError,
    StripeNotSentError,
    StripeRefusedError,
    StripeUnknownError,
)
from gateway.billing.pace import Pace, operation
from gateway.billing.permissions import permission_of, taken_by
from processors.values import Unprinted

API_VERSION: Final = "2026-08-26.dahlia"

OWN_ACCOUNT: Final = "/v1/account"
"""Answers whose the key is."""

PERMISSION: Final = re.compile(r"'(rak_[a-z0-9_]{1,60})'")

T = TypeVar("T")

KeyNow: TypeAlias = Callable[[], Awaitable[str]]
"""Reads the account's key from the database, as it stands now; empty where there is none to use."""

Bind: TypeAlias = "Callable[[StripeClient], Awaitable[None]]"
"""Learns whose the key is; raises StripeError where nothing may be done with it."""

stripe.enable_telemetry = False


class Answer(Unprinted, Generic[T], frozen=True):
    """What Stripe said, and how long the question had waited for its turn before it went out. `date`: the answer's
    header of this name, Stripe's own clock."""

    said: T
    waited: timedelta
    date: str = ""


class StripeClient:
    """Stripe with one account's key, at the `pace` that Stripe allows it. Make it inside the running loop, and close it
    there.

    Where Stripe does not know the key any more, `key_now` says whether there is another: keys are rotated while calls
    are under way, and a 401 means that nothing happened. `bind` is awaited before the first call, until it succeeds.
    """

    def __init__(
        self,
        api_key: str,
        *,
        base: str = "",
        timeout_s: float = 12.0,
        pace: Pace | None = None,
        key_now: KeyNow | None = None,
        bind: Bind | None = None,
    ) -> None:
        self.timeout_s = timeout_s
        self._pace = pace
        self._base = base
        self._key_now = key_now
        self._bind = bind
        self._binding = asyncio.Lock()
        self._http = stripe.HTTPXClient(timeout=timeout_s)
        self._take_key(api_key)

    def _take_key(self, api_key: str) -> None:
        self._api_key = api_key
        self._client = stripe.StripeClient(
            api_key,
            http_client=self._http,
            base_addresses={"api": self._base} if self._base else {},
            stripe_version=API_VERSION,
            max_network_retries=0,
        )

    async def get(self, path: str, shape: type[T], params: Mapping[str, Any] | None = None) -> T:
        """GET; raises StripeError."""
        return (await self.ask("get", path, shape, params)).said

    async def post(self, path: str, shape: type[T], params: Mapping[str, Any], *, key: str | None = None) -> T:
        """POST under our idempotency key where the call must not happen twice; raises StripeError."""
        return (await self.ask("post", path, shape, params, key=key)).said

    async def delete(self, path: str, shape: type[T], params: Mapping[str, Any] | None = None) -> T:
        """DELETE; raises StripeError."""
        return (await self.ask("delete", path, shape, params)).said

    async def ask(
        self, method: str, path: str, shape: type[T], params: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> Answer[T]:
        """Any of these, with the time that it had to wait; raises StripeError."""
        assert_no_transaction(f"{method.upper()} {path}")
        began = time.monotonic()
        if self._bind is not None and path != OWN_ACCOUNT:
            await self._bound()
        if self._pace is not None:
            await self._pace.wait(operation(method, path))
        waited, used = timedelta(seconds=time.monotonic() - began), self._api_key
        try:
            said, date = await self._call(method, path, shape, params or {}, key)
        except StripeKeyRefusedError:
            if not await self._another_key(used):
                raise
            said, date = await self._call(method, path, shape, params or {}, key)
        return Answer(said, waited, date)

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # the package leaves it untyped

    async def _bound(self) -> None:
        async with self._binding:
            if self._bind is not None:
                await self._bind(self)
                self._bind = None

    async def _another_key(self, refused: str) -> bool:
        """Take up the key that the account has now; False where it is the one that was refused. Another call may have
        taken it up already."""
        key = "" if self._key_now is None else await self._key_now()
        if key in ("", refused):
            return False
        if key != self._api_key:
            self._take_key(key)
        return True

    async def _call(
        self, method: str, path: str, shape: type[T], params: Mapping[str, Any], key: str | None
    ) -> tuple[T, str]:
        options = {"idempotency_key": key} if key else {}
        try:
            async with asyncio.timeout(self.timeout_s):
                answer = await self._client.raw_request_async(method, path, **params, **options)
        except TimeoutError as error:
            raise StripeUnknownError(f"{method.upper()} {path}: no answer within {self.timeout_s:g} s") from error
        except stripe.StripeError as error:
            failure = _translated(error, f"{method.upper()} {path}", params)
            if error.http_status == 429 and self._pace is not None and isinstance(failure, StripeNotSentError):
                await self._pace.turned_away(operation(method, path), failure.retry_after_s)
            raise failure from None
        try:
            return msgspec.json.decode(answer.body, type=shape), str(answer.headers.get("date") or "")
        except msgspec.DecodeError as error:
            raise StripeUnknownError(f"{method.upper()} {path}: the answer can't be read ({error})") from error


def _translated(error: stripe.StripeError, what: str, params: Mapping[str, Any]) -> Exception:
    status = error.http_status
    said = _without_values(str(getattr(error, "user_message", None) or error), params)
    if status == 429:
        headers: Mapping[str, str] = error.headers or {}
        return StripeNotSentError(f"{what}: Stripe asks for patience", _seconds(headers.get("retry-after")))
    if status == 401:
        return StripeKeyRefusedError(f"{what}: Stripe does not take the key (HTTP 401)")
    if status == 403:
        method, path = what.split(" ", 1)
        needed = taken_by(operation(method, path))
        words = permission_of(operation(method, path)) or _permission(error)
        lacks = f"{what}: HTTP 403" + (f": the key needs the permission {words}" if words else "")
        return StripeForbiddenError(lacks, permission=_permission(error) or (needed.name if needed else ""))
    if status is not None and 400 <= status < 500 and status != 409:
        return StripeRefusedError(f"{what}: {said}", status=status, code=error.code or "", param=_param(error))
    if isinstance(error, stripe.APIConnectionError) and isinstance(
        error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout
    ):
        return StripeNotSentError(f"{what}: no connection to Stripe")
    return StripeUnknownError(f"{what}: HTTP {status}" if status else f"{what}: the connection broke")


def _permission(error: stripe.StripeError) -> str:
    """The permission that a restricted key lacks: only Stripe's sentence names it, beside the key, which isn't kept."""
    found = PERMISSION.search(str(getattr(error, "user_message", None) or error))
    return found[1] if found else ""


def _without_values(said: str, params: Mapping[str, Any]) -> str:
    """Stripe quotes what it refuses, and metadata may hold a processor's token (law 12)."""
    for value in dict(params.get("metadata") or {}).values():
        if isinstance(value, str) and value:
            said = said.replace(value, "…")
    return said


def _param(error: stripe.StripeError) -> str:
    return str(getattr(error, "param", None) or "")


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 1.0


def from_unix(seconds: int | None) -> datetime | None:
    """A time of Stripe's (Unix seconds), aware; None stays None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
