"""One POST to a merchant's endpoint: within a total time, without redirects or proxies, its answer unread but for the
status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import httpcore
import msgspec

from db.engine import assert_no_transaction
from gateway.addresses import AddressError, PublicNetwork, checked_url

TIMEOUT_S: Final = 15.0
"""Standard Webhooks recommend 15 to 30 seconds."""
MOST_CONNECTIONS: Final = 200
KEPT_CONNECTIONS: Final = 20
KEPT_FOR_S: Final = 30.0
DRAINED: Final = 16_384
"""So much of an answer is read, that its connection can be used again; what is longer costs it."""


class Answer(msgspec.Struct, frozen=True):
    """What came of a POST: a status, or why there is none, in our own words."""

    status: int | None
    error: str = ""

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Poster:
    """The connections to merchants' endpoints, of one process."""

    def __init__(self, pool: httpcore.AsyncConnectionPool, *, private: bool) -> None:
        self._pool = pool
        self._private = private

    async def post(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        """POST it; raises nothing that the endpoint could cause."""
        assert_no_transaction("POST to a merchant's endpoint")
        try:
            # Of one that was saved while private ones were allowed, too.
            checked_url(url, private=self._private)
            async with asyncio.timeout(TIMEOUT_S):
                return await self._post(url, headers, body)
        except TimeoutError:
            return Answer(None, f"no answer within {TIMEOUT_S:g} s")
        except AddressError as error:
            return Answer(None, str(error))
        except (httpcore.ConnectError, OSError):
            return Answer(None, "no connection could be made")
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            return Answer(None, f"the connection broke ({type(error).__name__})")
        except httpcore.UnsupportedProtocol:
            return Answer(None, "must begin with https://")

    async def _post(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        told = [("content-type", "application/json"), ("user-agent", "Tollbridge"), *headers]
        async with self._pool.stream("POST", url, headers=told, content=body) as response:
            read = 0
            async for part in response.aiter_stream():
                read += len(part)
                if read > DRAINED:
                    break
        status = int(response.status)
        if status < 300:
            return Answer(status)
        return Answer(status, "redirects are not followed" if status < 400 else f"answered {status}")


@asynccontextmanager
async def posting(*, private: bool) -> AsyncIterator[Poster]:
    """A poster that closes its connections in the end. `private`: addresses that are not public are allowed."""
    async with httpcore.AsyncConnectionPool(
        max_connections=MOST_CONNECTIONS,
        max_keepalive_connections=KEPT_CONNECTIONS,
        keepalive_expiry=KEPT_FOR_S,
        network_backend=None if private else PublicNetwork(),
    ) as pool:
        yield Poster(pool, private=private)
