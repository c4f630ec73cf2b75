"""Calls to Adyen's Checkout API: the key, the paths, and what its refusals mean. Payments can't be read back there."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from processors.adyen.wire import ApiSessionResult, ApiStoredMethod, ApiStoredMethods, ServiceError
from processors.calls import segment
from processors.errors import OutcomeUnknownError, RefusedError
from processors.reading import readable
from processors.transport import Answer, Transport
from processors.values import PreparedCall, Secret

VERSION: Final = "/v72"
"""It stands in each stored path, so that a newer adapter sends stored bytes to the version that they were made for."""

IN_PROGRESS: Final = "704"
"""unverified: error_code of a 422 while the first call under the same key still runs (ask twice at once in a test)."""

WRONG_ACCOUNT: Final = "901"
"""`Invalid Merchant Account`: the key is good, but not for this account (Checkout v72, example of a 403)."""

NO_SUCH_TOKEN: Final = frozenset({"800", "803"})
"""unverified: `Contract not found` and `PaymentDetail not found` (delete a token twice in a test)."""


class AdyenApi:
    """One merchant account there. Everything that comes back is held to be its own, or refused."""

    def __init__(self, transport: Transport, api_key: Secret, account: str) -> None:
        self._transport = transport
        self._api_key = api_key
        self._account = account

    async def send(self, call: PreparedCall, template: str) -> Answer:
        """Raises CallError. `template` has no version."""
        auth = {"x-api-key": self._api_key.reveal()}
        return await self._transport.send(call, auth, template=VERSION + template)

    async def send_once(self, call: PreparedCall, template: str) -> Answer:
        """A call that moves money; raises CallError. One that runs already under its key may yet come to anything."""
        try:
            return await self.send(call, template)
        except RefusedError as error:
            if error.code == IN_PROGRESS:
                raise OutcomeUnknownError(f"{error}: the same call is still running") from None
            raise

    async def session_result(self, session: str, result: str) -> ApiSessionResult:
        """Raises CallError."""
        path = f"{VERSION}/sessions/{segment(session)}?{urlencode({'sessionResult': result})}"
        answer = await self.send(PreparedCall("GET", path, (), b""), "/sessions/{id}?sessionResult={}")
        shown = answer.decode(ApiSessionResult)
        if shown.id != session:
            raise OutcomeUnknownError("Adyen answered with a session that is not the one asked for")
        return shown

    async def stored_methods(self, shopper: str) -> list[ApiStoredMethod]:
        """The tokens of one shopper reference, oldest first; raises CallError."""
        query = urlencode({"merchantAccount": self._account, "shopperReference": shopper})
        call = PreparedCall("GET", f"{VERSION}/storedPaymentMethods?{query}", (), b"")
        try:
            answer = await self.send(call, "/storedPaymentMethods?merchant_account={}&shopper_reference={}")
        except RefusedError as error:
            if is_gone(error):
                return []
            raise
        listed = answer.decode(ApiStoredMethods)
        if (listed.merchant_account or self._account, listed.shopper_reference or shopper) != (self._account, shopper):
            raise OutcomeUnknownError("Adyen answered with the stored methods of another shopper or account")
        return sorted(listed.stored_payment_methods, key=lambda one: (one.created_at, one.id))

    async def delete_method(self, token: str, shopper: str) -> None:
        """Raises CallError; a token that is gone already is success. A DELETE takes no idempotency key."""
        query = urlencode({"merchantAccount": self._account, "shopperReference": shopper})
        call = PreparedCall("DELETE", f"{VERSION}/storedPaymentMethods/{segment(token)}?{query}", (), b"")
        try:
            await self.send(call, "/storedPaymentMethods/{id}?merchant_account={}&shopper_reference={}")
        except RefusedError as error:
            if not is_gone(error):
                raise


def error_code(body: bytes) -> str:
    """The code in an error answer; empty for one that another machine on the way wrote."""
    error = readable(body, ServiceError)
    return "" if error is None else error.error_code


def is_gone(error: RefusedError) -> bool:
    """Whether there is no such token. A 404 counts only from Adyen itself, not from a wrong address."""
    return error.code in NO_SUCH_TOKEN or (error.status == 404 and bool(error.code))
