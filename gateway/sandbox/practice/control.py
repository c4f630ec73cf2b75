"""The controls that only this processor has, beside the common ones, each a mirror of a method."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.sandbox.kit.asgi import Handler, Reply, Request, Router, json_reply
from gateway.sandbox.kit.control import ROOT, Controls, list_reply, refusing
from gateway.sandbox.practice.account import Account
from gateway.sandbox.practice.kinds import TokenKind
from gateway.sandbox.practice.processor import PracticeProcessor, Settings


class NewAccount(msgspec.Struct, forbid_unknown_fields=True):
    api_key: str


class Webhook(msgspec.Struct, forbid_unknown_fields=True):
    """An empty `url` takes the endpoints away; `add` keeps those that are there."""

    api_key: str
    url: str
    secret: str = ""
    add: bool = False


class NewMethod(msgspec.Struct, forbid_unknown_fields=True):
    api_key: str
    token_kind: TokenKind
    declines: int = 1


class Settle(msgspec.Struct, forbid_unknown_fields=True):
    """`outcome`: succeeded or failed; empty for what the payment method's kind says."""

    outcome: str = ""


class Act(msgspec.Struct, forbid_unknown_fields=True):
    result: str


def add_practice_controls(router: Router[Handler], processor: PracticeProcessor) -> None:
    async def list_accounts(_: Request) -> Reply:
        return list_reply([_account(one) for one in processor.accounts.values()])

    async def open_account(request: Request) -> Reply:
        with refusing():
            return json_reply(_account(processor.account(request.read(NewAccount).api_key)), 201)

    async def set_webhook(request: Request) -> Reply:
        new = request.read(Webhook)
        with refusing():
            return json_reply(_account(processor.set_webhook(new.api_key, new.url, new.secret, add=new.add)))

    async def create_method(request: Request) -> Reply:
        new = request.read(NewMethod)
        with refusing():
            return json_reply(processor.create_method(new.api_key, new.token_kind, new.declines).shown(), 201)

    async def revoke_method(request: Request) -> Reply:
        with refusing():
            return json_reply(processor.revoke_method(request.params["token"]).shown())

    async def list_charges(_: Request) -> Reply:
        shown = [charge.shown(one.id) for one in processor.accounts.values() for charge in one.charges.values()]
        return list_reply(shown)

    async def settle(request: Request) -> Reply:
        with refusing():
            charge = processor.settle(request.params["id"], request.read(Settle).outcome)
        return json_reply({"id": charge.id, "status": charge.status})

    async def act(request: Request) -> Reply:
        with refusing():
            charge = processor.act(request.params["id"], request.read(Act).result)
        return json_reply({"id": charge.id, "status": charge.status})

    async def show_settings(_: Request) -> Reply:
        return json_reply(processor.settings)

    async def set_settings(request: Request) -> Reply:
        processor.settings = request.read(Settings)
        return json_reply(processor.settings)

    Controls(processor).add_routes(router)
    router.add("GET", f"{ROOT}/accounts", list_accounts)
    router.add("POST", f"{ROOT}/accounts", open_account)
    router.add("POST", f"{ROOT}/webhook_endpoint", set_webhook)
    router.add("POST", f"{ROOT}/methods", create_method)
    router.add("POST", f"{ROOT}/methods/{{token}}/revoke", revoke_method)
    router.add("GET", f"{ROOT}/charges", list_charges)
    router.add("POST", f"{ROOT}/charges/{{id}}/settle", settle)
    router.add("POST", f"{ROOT}/charges/{{id}}/action", act)
    router.add("GET", f"{ROOT}/settings", show_settings)
    router.add("POST", f"{ROOT}/settings", set_settings)


def _account(account: Account) -> dict[str, Any]:
    urls = [endpoint.url for endpoint in account.endpoints]
    return {"id": account.id, "api_key": account.api_key, "webhook_urls": urls, "charges": len(account.charges)}
