"""The practice processor's REST API under `/v1`, with its idempotency keys."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import msgspec

from gateway.sandbox.kit.asgi import Handler, HttpError, Reply, Request, Router, json_reply
from gateway.sandbox.kit.idempotency import KeyInUse, KeyReused
from gateway.sandbox.practice.account import Account, Charge, Setup
from gateway.sandbox.practice.kinds import TokenKind
from gateway.sandbox.practice.money import minimum
from gateway.sandbox.practice.processor import PracticeProcessor

MAX_KEY = 64
T = TypeVar("T")
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class NewSetup(msgspec.Struct, forbid_unknown_fields=True):
    reference: Text
    currency: Text
    return_url: str = ""
    locale: str = ""


class Completion(msgspec.Struct, forbid_unknown_fields=True):
    """`token_kind` null means that the payer left; `declines` is for `soft_then_ok`."""

    token_kind: TokenKind | None
    declines: Annotated[int, msgspec.Meta(ge=0)] = 1


class NewCharge(msgspec.Struct, forbid_unknown_fields=True):
    """`amount` in minor units of ISO 4217; `reference` is unique in the account for ever."""

    amount: Annotated[int, msgspec.Meta(ge=1, le=10**12)]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    method: Text
    reference: Text
    description: Annotated[str, msgspec.Meta(max_length=500)] = ""
    metadata: dict[str, str] = {}


class Action(msgspec.Struct, forbid_unknown_fields=True):
    result: str


AccountHandler = Callable[[Account, Request], Awaitable[Reply]]


class Api:
    """The handlers; each sees only the account whose key was sent."""

    def __init__(self, processor: PracticeProcessor) -> None:
        self.processor = processor

    def add_routes(self, router: Router[Handler]) -> None:
        def add(method: str, path: str, handler: AccountHandler) -> None:
            router.add(method, path, self._for_account(handler))

        add("GET", "/v1/account", self.show_account)
        add("POST", "/v1/setups", self._once(self.create_setup))
        add("GET", "/v1/setups/{id}", self.show_setup)
        router.add("POST", "/v1/setups/{id}/complete", self.complete_setup)
        add("GET", "/v1/methods/{token}", self.show_method)
        add("DELETE", "/v1/methods/{token}", self.delete_method)
        add("POST", "/v1/charges", self._once(self.create_charge))
        add("GET", "/v1/charges", self.list_charges)
        add("GET", "/v1/charges/{id}", self.show_charge)
        add("POST", "/v1/charges/{id}/cancel", self._once(self.cancel_charge))
        add("POST", "/v1/charges/{id}/action", self.act_on_charge)

    async def show_account(self, account: Account, _: Request) -> Reply:
        return json_reply({"object": "account", "id": account.id})

    async def create_setup(self, account: Account, request: Request) -> Reply:
        new = request.read(NewSetup)
        if new.return_url and urlsplit(new.return_url).scheme not in ("http", "https"):
            raise HttpError(422, "return_url_invalid", "return_url must be an http or https URL")
        setup = self.processor.open_setup(account, new.reference, new.currency, new.return_url)
        return json_reply(self._setup(account, setup), 201)

    async def show_setup(self, account: Account, request: Request) -> Reply:
        setup_id = request.params["id"]
        self.processor.find_setup(setup_id)
        return json_reply(self._setup(account, _need(account.setups, setup_id, "setup")))

    async def complete_setup(self, request: Request) -> Reply:
        """For the payer's side: the API key or the set-up's own client token opens it."""
        found = self.processor.find_setup(request.params["id"])
        if found is None or request.bearer() not in (found[0].api_key, found[1].client_token):
            raise HttpError(404, "setup_not_found", "there is no such set-up for this key or client token")
        done = request.read(Completion)
        with _conflict("setup_closed"):
            setup = self.processor.complete_setup(request.params["id"], done.token_kind, done.declines)
        return json_reply(self._setup(found[0], setup))

    async def show_method(self, account: Account, request: Request) -> Reply:
        return json_reply(_need(account.methods, request.params["token"], "method").shown())

    async def delete_method(self, account: Account, request: Request) -> Reply:
        method = _need(account.methods, request.params["token"], "method")
        if method.revoked:
            raise HttpError(404, "method_revoked", "the method is revoked already")
        method.revoked = True
        return json_reply(method.shown())

    async def create_charge(self, account: Account, request: Request) -> Reply:
        new = request.read(NewCharge)
        if new.reference in account.by_reference:
            raise HttpError(409, "reference_exists", "a charge with this reference exists under another key")
        method = account.methods.get(new.method)
        if method is None:
            raise HttpError(422, "method_not_found", "there is no such method in this account")
        if new.amount < minimum(new.currency):
            raise HttpError(422, "amount_too_small", f"the smallest charge is {minimum(new.currency)} minor units")
        if method.kind is TokenKind.REJECT:
            raise HttpError(422, "method_not_chargeable", "this method can't be charged")
        charge = self.processor.make_charge(
            account, new.reference, new.amount, new.currency, method, description=new.description, metadata=new.metadata
        )
        charge.hidden_until = charge.created_at + request.hide_for_s
        return json_reply(charge.shown(account.id), 201)

    async def show_charge(self, account: Account, request: Request) -> Reply:
        charge = _need(account.charges, request.params["id"], "charge")
        self._seen(charge)
        return json_reply(charge.shown(account.id))

    async def list_charges(self, account: Account, request: Request) -> Reply:
        charge = account.by_reference.get(request.query.get("reference", ""))
        visible = [charge] if charge and charge.hidden_until <= self.processor.now() else []
        return json_reply({"object": "list", "data": [one.shown(account.id) for one in visible]})

    async def cancel_charge(self, account: Account, request: Request) -> Reply:
        charge = _need(account.charges, request.params["id"], "charge")
        with _conflict("charge_closed"):
            return json_reply(self.processor.cancel(account, charge).shown(account.id))

    async def act_on_charge(self, account: Account, request: Request) -> Reply:
        charge = _need(account.charges, request.params["id"], "charge")
        with _conflict("no_action_possible"):
            self.processor.act(charge.id, request.read(Action).result)
        return json_reply(charge.shown(account.id))

    def _for_account(self, handler: AccountHandler) -> Callable[[Request], Awaitable[Reply]]:
        async def handle(request: Request) -> Reply:
            account = self.processor.accounts.get(request.bearer())
            if account is None:
                raise HttpError(401, "unauthorized", "no account has this API key")
            return await handler(account, request)

        return handle

    def _once(self, handler: AccountHandler) -> AccountHandler:
        """The same key gives the same answer; refusals are not remembered."""

        async def handle(account: Account, request: Request) -> Reply:
            key = request.headers.get("idempotency-key", "")
            if not re.fullmatch(rf"[!-~]{{1,{MAX_KEY}}}", key):
                raise HttpError(400, "idempotency_key_required", f"send Idempotency-Key of at most {MAX_KEY} letters")
            where = f"{request.method} {request.path}"
            try:
                first = account.replies.begin(key, where, request.body, self.processor.now())
            except KeyReused:
                raise HttpError(409, "idempotency_mismatch", "this key was used with another request") from None
            except KeyInUse:
                raise HttpError(409, "idempotency_in_progress", "this key's first request is under way") from None
            if first is not None:
                return Reply(first.status, first.body, first.headers | {"idempotent-replayed": "true"})
            reply: Reply | None = None
            try:
                reply = await handler(account, request)
            finally:
                account.replies.end(key, reply)
            return reply

        return handle

    def _seen(self, charge: Charge) -> None:
        if charge.hidden_until > self.processor.now():
            raise HttpError(404, "charge_not_found", "there is no such charge")

    def _setup(self, account: Account, setup: Setup) -> dict[str, object]:
        method = account.methods.get(setup.method)
        return {
            "object": "setup",
            "id": setup.id,
            "account": account.id,
            "reference": setup.reference,
            "client_token": setup.client_token,
            "url": f"{self.processor.origin}/setup/{setup.id}",
            "status": setup.status,
            "method": method.shown() if method else None,
            "failure": setup.failure,
            "expires_at": setup.expires_at,
        }


def _need(held: Mapping[str, T], key: str, noun: str) -> T:
    """The one asked for; raises HttpError 404."""
    if key not in held:
        raise HttpError(404, f"{noun}_not_found", f"there is no such {noun}")
    return held[key]


@contextmanager
def _conflict(code: str) -> Iterator[None]:
    """Turns the processor's ValueError, which says what state forbids it, into a 409."""
    try:
        yield
    except ValueError as error:
        raise HttpError(409, code, str(error)) from None
