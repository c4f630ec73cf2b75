"""What the check of a connection sees of its webhook, through Adyen's Management API: a host and roles of their own.

A merchant account's own webhooks are listed, those of its company account are not (docs: api-explorer/Management/3,
"List all webhooks"). One that is found is tried in the test environment: Adyen sends notifications of a report that is
available, on which nothing here acts, signed with the webhook's own key, and tells how they were answered ("Test a
webhook"). With live money nothing is sent that nobody asked for.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from processors.adyen.wire import ApiTested, ApiWebhook, ApiWebhooks
from processors.checked import About, Finding, Proved, Unseen, Wrong, same_address
from processors.errors import CallError
from processors.transport import Answer, Transport
from processors.values import PreparedCall, Secret

VERSION: Final = "/v3"
PAGE: Final = 100
"""The most that a list gives at once."""
HARMLESS: Final = "REPORT_AVAILABLE"
PLACE: Final = "Customer Area: Developers, Webhooks"
MAY_NOT_LOOK: Final = "this API key may not see webhooks: it lacks the role Management API—Webhooks read"
TRY_IT: Final = f"{PLACE}, the webhook, Test configuration, with the event {HARMLESS}"


class Webhooks:
    """The webhooks of one merchant account. `tries`: whether one that is found is sent test notifications."""

    def __init__(self, transport: Transport, api_key: Secret, account: str, *, tries: bool) -> None:
        self._transport = transport
        self._api_key = api_key
        self._path = f"{VERSION}/merchants/{quote(account, safe='')}/webhooks"
        self._tries = tries

    async def finding(self, ours: str) -> Finding:
        """Raises CallError."""
        query = urlencode({"pageSize": PAGE})
        answer = await self._send(PreparedCall("GET", f"{self._path}?{query}", (), b""), "")
        listed = ApiWebhooks() if answer.status == 204 else answer.decode(ApiWebhooks)
        here = [one for one in listed.data if one.type == "standard" and same_address(one.url, ours)]
        if not here:
            return Unseen(
                About.WEBHOOK,
                "none of the merchant account's own standard webhooks goes to this connection; those of its company "
                "account can't be seen",
            )
        webhook = max(here, key=lambda one: one.active)
        if wrong := _wrong(webhook):
            return wrong
        return await self._tried(webhook) if self._tries else _stands("it was not tried with live money")

    async def _tried(self, webhook: ApiWebhook) -> Finding:
        """A key that may see webhooks need not be one that may have them tried."""
        body = msgspec.json.encode({"types": [HARMLESS]})
        path = f"{self._path}/{quote(webhook.id, safe='')}/test"
        call = PreparedCall("POST", path, (("content-type", "application/json"),), body)
        try:
            tested = (await self._send(call, "/{id}/test")).decode(ApiTested)
        except CallError as error:
            return _stands(f"Adyen did not try it: {error}")
        failed = [one for one in tested.data if one.status != "success"]
        if failed:
            answered = failed[0].response_code or "nothing"
            return Wrong(
                About.WEBHOOK,
                f"Adyen tried the webhook to this connection, which answered {answered}",
                f"{PLACE}: compare its HMAC key with hmac_key, and see that Adyen can reach us",
            )
        if not tested.data:
            return _stands("Adyen did not say how a test went")
        return Proved(About.WEBHOOK, "the standard webhook goes to this connection, and test notifications were taken")

    async def _send(self, call: PreparedCall, template: str) -> Answer:
        """Raises CallError."""
        auth = {"x-api-key": self._api_key.reveal()}
        return await self._transport.send(call, auth, template=f"{VERSION}/merchants/{{id}}/webhooks{template}")


def _stands(but: str) -> Finding:
    return Proved(About.WEBHOOK, f"an active standard webhook goes to this connection; {but}")


def _wrong(webhook: ApiWebhook) -> Finding | None:
    if not webhook.active:
        return Wrong(About.WEBHOOK, "the webhook to this connection is not active", f"{PLACE}: enable it")
    if webhook.communication_format != "json":
        said = f"the webhook to this connection sends {webhook.communication_format or 'another format'}"
        return Wrong(About.WEBHOOK, said, f"{PLACE}: set its method to JSON")
    if webhook.has_error:
        said = "Adyen reports that the webhook to this connection fails"
        return Wrong(About.WEBHOOK, said, f"{PLACE}: test it, and read what it was answered")
    return None
