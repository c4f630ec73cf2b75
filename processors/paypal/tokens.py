"""OAuth2 client credentials: one access token of about nine hours, renewed by one call at a time.

The token lives in this object alone: in no prepared bytes, no log and no error. A failure to get one means that the
call which wanted it was never sent.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from typing import Final

from processors.errors import NotSentError, OutcomeUnknownError
from processors.paypal.wire import ApiToken
from processors.transport import Transport
from processors.values import PreparedCall, Secret

PATH: Final = "/v1/oauth2/token"

CALL: Final = PreparedCall(
    "POST", PATH, (("content-type", "application/x-www-form-urlencoded"),), b"grant_type=client_credentials"
)

EARLY_S: Final = 60
"""A token is renewed so long before its end, as a call may be on the wire when it comes."""


class Tokens:
    """The access token of one app there."""

    def __init__(self, transport: Transport, client_id: str, client_secret: Secret) -> None:
        self._transport = transport
        self._client_id = client_id
        self._client_secret = client_secret
        self._lock = asyncio.Lock()
        self._token: Secret | None = None
        self._until_s = 0.0

    async def current(self) -> Secret:
        """Raises NotSentError, and RefusedError for credentials that PayPal does not take."""
        if self._token is not None and time.monotonic() < self._until_s:
            return self._token
        return await self.renewed(self._token)

    async def renewed(self, stale: Secret | None) -> Secret:
        """A token other than `stale`; whoever waited for somebody else's renewal takes that. Raises as `current`."""
        async with self._lock:
            if self._token is None or self._token is stale:
                self._token = await self._fetch()
            return self._token

    async def _fetch(self) -> Secret:
        plain = f"{self._client_id}:{self._client_secret.reveal()}".encode()
        auth = {"authorization": f"Basic {b64encode(plain).decode()}"}
        try:
            told = (await self._transport.send(CALL, auth, template=PATH)).decode(ApiToken)
        except OutcomeUnknownError as error:
            raise NotSentError(f"no access token: {error}") from None
        self._until_s = time.monotonic() + told.expires_in - EARLY_S
        return Secret(told.access_token)
