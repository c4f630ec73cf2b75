"""The controls that only the local Stripe has, beside the common ones, each a mirror of a method."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from gateway.sandbox.kit.asgi import Handler, Reply, Request, Router, json_reply
from gateway.sandbox.kit.control import ROOT, Controls, list_reply, refusing
from gateway.sandbox.stripe import settings
from gateway.sandbox.stripe.permissions import RESOURCES, Level
from gateway.sandbox.stripe.rates import RateSettings
from gateway.sandbox.stripe.sandbox import StripeSandbox

PRESETS = {"off": RateSettings, "sandbox": RateSettings.sandbox, "live": RateSettings.live}


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """Restricted where `permissions` are given: none, read or write by resource; what is not named is none."""

    account: str
    permissions: dict[str, Level] | None = None


class KeyEnd(msgspec.Struct, forbid_unknown_fields=True):
    """`expires_in_s`: sandbox seconds until the key is refused."""

    key: str
    expires_in_s: int = 0


class NewEvent(msgspec.Struct, forbid_unknown_fields=True):
    """`type` of a snapshot or a thin event; `object` the id of anything stored; `copies` with ids of their own."""

    account: str
    type: str
    object: str
    previous_attributes: dict[str, Any] | None = None
    copies: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1


class SecretRoll(msgspec.Struct, forbid_unknown_fields=True):
    """`expires_in_s`: sandbox seconds that the old secret goes on signing beside the new one."""

    endpoint: str
    expires_in_s: int = 24 * 3600


class RateChange(RateSettings):
    """A `preset` (off, sandbox, live), or the numbers themselves."""

    preset: str | None = None


class StripeControls:
    """The handlers; each reads, acts and shows."""

    def __init__(self, sandbox: StripeSandbox) -> None:
        self.sandbox = sandbox

    def add_routes(self, router: Router[Handler]) -> None:
        Controls(self.sandbox).add_routes(router)
        router.add("GET", f"{ROOT}/keys", self.list_keys)
        router.add("POST", f"{ROOT}/keys", self.make_key)
        router.add("POST", f"{ROOT}/keys/roll", self.roll_key)
        router.add("POST", f"{ROOT}/keys/expire", self.expire_key)
        router.add("GET", f"{ROOT}/accounts", self.list_accounts)
        router.add("GET", f"{ROOT}/accounts/{{id}}/settings", self.show_settings)
        router.add("POST", f"{ROOT}/accounts/{{id}}/settings", self.change_settings)
        router.add("POST", f"{ROOT}/events", self.send_event)
        router.add("POST", f"{ROOT}/endpoints/roll_secret", self.roll_secret)
        router.add("GET", f"{ROOT}/rates", self.show_rates)
        router.add("POST", f"{ROOT}/rates", self.set_rates)

    async def list_keys(self, _: Request) -> Reply:
        return list_reply([key.shown() for key in self.sandbox.keys])

    async def make_key(self, request: Request) -> Reply:
        new = request.read(NewKey)
        with refusing():
            account = self.sandbox.need_account(new.account)
            if unknown := set(new.permissions or ()) - RESOURCES:
                raise ValueError(f"there is no resource {sorted(unknown)[0]}")
            return json_reply(self.sandbox.keys.make(account.id, new.permissions).shown(), 201)

    async def roll_key(self, request: Request) -> Reply:
        end = request.read(KeyEnd)
        with refusing():
            return json_reply(self.sandbox.keys.roll(end.key, end.expires_in_s).shown(), 201)

    async def expire_key(self, request: Request) -> Reply:
        end = request.read(KeyEnd)
        with refusing():
            return json_reply(self.sandbox.keys.expire(end.key, end.expires_in_s).shown())

    async def list_accounts(self, _: Request) -> Reply:
        return list_reply([{"id": account.id, **settings.shown(account)} for account in self.sandbox.accounts.values()])

    async def show_settings(self, request: Request) -> Reply:
        with refusing():
            return json_reply(settings.shown(self.sandbox.need_account(request.params["id"])))

    async def change_settings(self, request: Request) -> Reply:
        """What is left out stays."""
        given = request.read(dict[str, Any])
        with refusing():
            settings.change(self.sandbox.need_account(request.params["id"]), given)
        return await self.show_settings(request)

    async def send_event(self, request: Request) -> Reply:
        new = request.read(NewEvent)
        with refusing():
            made = self.sandbox.send_events(new.account, new.type, new.object, new.previous_attributes, new.copies)
        return list_reply([{"id": event.id, "type": event.type, "object": event.object_id} for event in made])

    async def roll_secret(self, request: Request) -> Reply:
        asked = request.read(SecretRoll)
        with refusing():
            return json_reply({"secret": self.sandbox.roll_secret(asked.endpoint, asked.expires_in_s)})

    async def show_rates(self, _: Request) -> Reply:
        rates = self.sandbox.rates
        return json_reply({"object": "list", "data": rates.shown(), "settings": rates.settings})

    async def set_rates(self, request: Request) -> Reply:
        """Also begins the counts anew."""
        wanted = request.read(RateChange)
        with refusing():
            self.sandbox.rates.set(_settings(wanted))
        return await self.show_rates(request)


def _settings(wanted: RateChange) -> RateSettings:
    if wanted.preset is None:
        numbers = msgspec.structs.asdict(wanted)
        del numbers["preset"]
        return RateSettings(**numbers)
    if wanted.preset not in PRESETS:
        raise ValueError(f"preset is one of {', '.join(PRESETS)}")
    return PRESETS[wanted.preset]()
