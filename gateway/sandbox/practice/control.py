"""The controls that only this processor has, beside the common ones, each a mirror of a method."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from gateway.sandbox.kit.asgi import Handler, Reply, Request, Router, json_reply
from gateway.sandbox.kit.control import ROOT, Controls, list_reply, refusing
from gateway.sandbox.practice.account import Account, Charge, Scripted
from gateway.sandbox.practice.kinds import TokenKind
from gateway.sandbox.practice.manner import MANNERS
from gateway.sandbox.practice.processor import PracticeProcessor


class OfAccount(msgspec.Struct, forbid_unknown_fields=True):
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
    fingerprint: str = ""


class Outcomes(msgspec.Struct, forbid_unknown_fields=True):
    """What the next charges, or refunds, shall come to."""

    api_key: str
    charges: list[Scripted] = []
    refunds: list[str] = []


class Outage(msgspec.Struct, forbid_unknown_fields=True):
    api_key: str
    for_s: float
    after_s: float = 0


class Announcement(msgspec.Struct, forbid_unknown_fields=True):
    """Any event at all, of a type that nobody knows or for another `receiver` too."""

    api_key: str
    type: str
    data: dict[str, Any] = {}
    receiver: str = ""


class Settle(msgspec.Struct, forbid_unknown_fields=True):
    """`outcome`: how it ends; empty for how it would have ended."""

    outcome: str = ""


class Act(msgspec.Struct, forbid_unknown_fields=True):
    result: str


class StaffRefund(msgspec.Struct, forbid_unknown_fields=True):
    amount: Annotated[int, msgspec.Meta(ge=1)] | None = None
    reason: str = ""


class NewDispute(msgspec.Struct, forbid_unknown_fields=True):
    amount: int | None = None
    stage: str = "opened"
    reason: str = "general"


class DisputeMove(msgspec.Struct, forbid_unknown_fields=True):
    to: str
    lost: int | None = None


class PracticeControls:
    """The handlers; each reads, acts and shows."""

    def __init__(self, processor: PracticeProcessor) -> None:
        self.processor = processor

    def add_routes(self, router: Router[Handler]) -> None:
        Controls(self.processor).add_routes(router)
        router.add("GET", f"{ROOT}/accounts", self.list_accounts)
        router.add("POST", f"{ROOT}/accounts", self.open_account)
        router.add("GET", f"{ROOT}/manners", self.list_manners)
        router.add("POST", f"{ROOT}/manner", self.set_manner)
        router.add("POST", f"{ROOT}/webhook_endpoint", self.set_webhook)
        router.add("POST", f"{ROOT}/outcomes", self.script)
        router.add("POST", f"{ROOT}/outages", self.begin_outage)
        for verb in ("lock", "unlock"):
            router.add("POST", f"{ROOT}/accounts/{verb}", self.change_account)
        router.add("POST", f"{ROOT}/events", self.announce)
        router.add("POST", f"{ROOT}/methods", self.create_method)
        for verb in ("revoke", "reinstate", "expire", "suspend", "replace"):
            router.add("POST", f"{ROOT}/methods/{{token}}/{verb}", self.change_method)
        router.add("GET", f"{ROOT}/charges", self.list_charges)
        router.add("POST", f"{ROOT}/charges/{{id}}/settle", self.settle)
        router.add("POST", f"{ROOT}/charges/{{id}}/action", self.act)
        for verb in ("go_on", "fail_late", "pay_again", "tell_settled"):
            router.add("POST", f"{ROOT}/charges/{{id}}/{verb}", self.change_charge)
        router.add("POST", f"{ROOT}/charges/{{id}}/refund", self.refund)
        router.add("POST", f"{ROOT}/charges/{{id}}/dispute", self.dispute)
        router.add("POST", f"{ROOT}/refunds/{{id}}/settle", self.settle_refund)
        router.add("POST", f"{ROOT}/disputes/{{id}}", self.move_dispute)
        router.add("GET", f"{ROOT}/settings", self.show_settings)
        router.add("POST", f"{ROOT}/settings", self.set_settings)

    # Accounts

    async def list_accounts(self, _: Request) -> Reply:
        return list_reply([_account(one) for one in self.processor.accounts.values()])

    async def open_account(self, request: Request) -> Reply:
        with refusing():
            return json_reply(_account(self.processor.account(request.read(OfAccount).api_key)), 201)

    async def list_manners(self, _: Request) -> Reply:
        return list_reply(list(MANNERS.values()))

    async def set_manner(self, request: Request) -> Reply:
        changed = request.read(dict[str, Any])
        with refusing():
            api_key = changed.pop("api_key", "")
            if not isinstance(api_key, str):
                raise ValueError("api_key is a text")
            return json_reply(self.processor.set_manner(api_key, **changed).manner)

    async def set_webhook(self, request: Request) -> Reply:
        new = request.read(Webhook)
        with refusing():
            return json_reply(_account(self.processor.set_webhook(new.api_key, new.url, new.secret, add=new.add)))

    async def script(self, request: Request) -> Reply:
        wanted = request.read(Outcomes)
        with refusing():
            account = self.processor.script_refunds(wanted.api_key, *wanted.refunds)
            self.processor.script(wanted.api_key, *wanted.charges)
        return json_reply({"charges": list(account.script), "refunds": list(account.refund_script)})

    async def begin_outage(self, request: Request) -> Reply:
        wanted = request.read(Outage)
        with refusing():
            account = self.processor.begin_outage(wanted.api_key, wanted.for_s, wanted.after_s)
        return json_reply({"outages": account.outages})

    async def change_account(self, request: Request) -> Reply:
        change = {"lock": self.processor.lock_account, "unlock": self.processor.unlock_account}[_verb(request)]
        with refusing():
            account = change(request.read(OfAccount).api_key)
        return json_reply({"id": account.id, "locked": account.locked})

    async def announce(self, request: Request) -> Reply:
        told = request.read(Announcement)
        with refusing():
            account = self.processor.account(told.api_key)
            self.processor.announce(account, told.type, told.data, told.receiver)
        return json_reply({"announced": told.type}, 201)

    # Payment methods

    async def create_method(self, request: Request) -> Reply:
        new = request.read(NewMethod)
        with refusing():
            method = self.processor.create_method(
                new.api_key, new.token_kind, new.declines, fingerprint=new.fingerprint
            )
        return json_reply(method.shown() | {"agreement": method.agreement}, 201)

    async def change_method(self, request: Request) -> Reply:
        changes = {
            "revoke": self.processor.revoke_method,
            "reinstate": self.processor.reinstate_method,
            "expire": self.processor.expire_method,
            "suspend": self.processor.suspend_method,
            "replace": self.processor.replace_method,
        }
        with refusing():
            return json_reply(changes[_verb(request)](request.params["token"]).shown())

    # Charges, refunds, disputes

    async def list_charges(self, _: Request) -> Reply:
        accounts = self.processor.accounts.values()
        return list_reply([charge.shown(one.id) for one in accounts for charge in one.charges.values()])

    async def settle(self, request: Request) -> Reply:
        with refusing():
            return _charge(self.processor.settle(request.params["id"], request.read(Settle).outcome))

    async def act(self, request: Request) -> Reply:
        with refusing():
            return _charge(self.processor.act(request.params["id"], request.read(Act).result))

    async def change_charge(self, request: Request) -> Reply:
        changes = {
            "go_on": self.processor.go_on,
            "fail_late": self.processor.fail_late,
            "pay_again": self.processor.pay_again,
            "tell_settled": self.processor.tell_settled,
        }
        with refusing():
            return _charge(changes[_verb(request)](request.params["id"]))

    async def refund(self, request: Request) -> Reply:
        new = request.read(StaffRefund)
        with refusing():
            return json_reply(self.processor.refund_from_dashboard(request.params["id"], new.amount, new.reason), 201)

    async def dispute(self, request: Request) -> Reply:
        new = request.read(NewDispute)
        with refusing():
            dispute = self.processor.open_dispute(request.params["id"], new.amount, stage=new.stage, reason=new.reason)
        return json_reply(dispute, 201)

    async def settle_refund(self, request: Request) -> Reply:
        with refusing():
            return json_reply(self.processor.settle_refund(request.params["id"], request.read(Settle).outcome))

    async def move_dispute(self, request: Request) -> Reply:
        move = request.read(DisputeMove)
        with refusing():
            return json_reply(self.processor.move_dispute(request.params["id"], move.to, move.lost))

    # Settings

    async def show_settings(self, _: Request) -> Reply:
        return json_reply(self.processor.settings)

    async def set_settings(self, request: Request) -> Reply:
        with refusing():
            return json_reply(self.processor.set_delays(**request.read(dict[str, Any])))


def _verb(request: Request) -> str:
    return request.path.rpartition("/")[2]


def _account(account: Account) -> dict[str, Any]:
    urls = [endpoint.url for endpoint in account.endpoints]
    shown = {"id": account.id, "api_key": account.api_key, "webhook_urls": urls, "charges": len(account.charges)}
    return shown | {"like": account.manner.like}


def _charge(charge: Charge) -> Reply:
    return json_reply({"id": charge.id, "status": charge.status})
