"""The practice processor's REST API under `/v1`: accounts, set-ups, payment methods. The rest hangs on it too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from gateway.sandbox.kit.asgi import Handler, HttpError, Reply, Request, Router, json_reply
from gateway.sandbox.practice.account import Account, Setup
from gateway.sandbox.practice.keys import AccountHandler, Show, once
from gateway.sandbox.practice.kinds import TokenKind
from gateway.sandbox.practice.processor import PracticeProcessor

MAX_PAGE = 100
T = TypeVar("T")
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class NewSetup(msgspec.Struct, forbid_unknown_fields=True):
    reference: Text
    currency: Text
    return_url: str = ""
    locale: str = ""
    customer: Annotated[str, msgspec.Meta(max_length=64)] = ""
    idempotency_key: str = ""


class Address(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The payer's; `country` is ISO 3166-1 alpha-2."""

    country: str = ""
    postal_code: str = ""
    state: str = ""
    city: str = ""
    line1: str = ""
    line2: str = ""


class Completion(msgspec.Struct, forbid_unknown_fields=True):
    """`token_kind` null means that the payer left; `declines` is for `soft_then_ok`; `address` is kept."""

    token_kind: TokenKind | None
    declines: Annotated[int, msgspec.Meta(ge=0)] = 1
    address: Address | None = None


class Doors:
    """Routes for one account each: whose key was sent, sees its own things only."""

    def __init__(self, processor: PracticeProcessor, router: Router[Handler]) -> None:
        self.processor = processor
        self.router = router

    def add(self, method: str, path: str, handler: AccountHandler) -> None:
        self.router.add(method, path, self._for_account(handler))

    def add_once(self, path: str, handler: AccountHandler, show: Show) -> None:
        """A POST that heeds idempotency keys."""
        self.add("POST", path, once(self.processor.now, handler, show))

    def _for_account(self, handler: AccountHandler) -> Callable[[Request], Awaitable[Reply]]:
        async def handle(request: Request) -> Reply:
            account = self.processor.accounts.get(request.bearer())
            if account is None:
                raise HttpError(401, "unauthorized", "no account has this API key")
            return await handler(account, request)

        return handle


class SetupApi:
    """The handlers."""

    def __init__(self, processor: PracticeProcessor) -> None:
        self.processor = processor

    def add_routes(self, doors: Doors) -> None:
        doors.add("GET", "/v1/account", self.show_account)
        doors.add_once("/v1/setups", self.create_setup, self.setup)
        doors.add("GET", "/v1/setups/{id}", self.show_setup)
        doors.router.add("POST", "/v1/setups/{id}/complete", self.complete_setup)
        doors.add("GET", "/v1/methods/{token}", self.show_method)
        doors.add("DELETE", "/v1/methods/{token}", self.delete_method)

    async def show_account(self, account: Account, _: Request) -> Reply:
        urls = [endpoint.url for endpoint in account.endpoints]
        return json_reply({"object": "account", "id": account.id, "manner": account.manner, "webhook_urls": urls})

    async def create_setup(self, account: Account, request: Request) -> Reply:
        new = request.read(NewSetup)
        if new.return_url and urlsplit(new.return_url).scheme not in ("http", "https"):
            raise HttpError(422, "return_url_invalid", "return_url must be an http or https URL")
        setup = self.processor.open_setup(account, new.reference, new.currency, new.return_url, new.customer)
        return json_reply(self._setup(account, setup), 201)

    async def show_setup(self, account: Account, request: Request) -> Reply:
        return self.setup(account, request.params["id"])

    def setup(self, account: Account, setup_id: str) -> Reply:
        self.processor.find_setup(setup_id)
        return json_reply(self._setup(account, need(account.setups, setup_id, "setup")))

    async def complete_setup(self, request: Request) -> Reply:
        """For the payer's side: the API key or the set-up's own client token opens it."""
        found = self.processor.find_setup(request.params["id"])
        if found is None or request.bearer() not in (found[0].api_key, found[1].client_token):
            raise HttpError(404, "setup_not_found", "there is no such set-up for this key or client token")
        done = request.read(Completion)
        with conflict("setup_closed"):
            address = msgspec.to_builtins(done.address)
            setup = self.processor.complete_setup(request.params["id"], done.token_kind, done.declines, address)
        return json_reply(self._setup(found[0], setup))

    async def show_method(self, account: Account, request: Request) -> Reply:
        method = need(account.methods, request.params["token"], "method")
        return json_reply(method.shown() | {"address": method.address})

    async def delete_method(self, account: Account, request: Request) -> Reply:
        method = need(account.methods, request.params["token"], "method")
        if method.revoked:
            raise HttpError(404, "method_revoked", "the method is revoked already")
        method.status = "revoked"
        return json_reply(method.shown())

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


def need(held: Mapping[str, T], key: str, noun: str) -> T:
    """The one asked for; raises HttpError 404."""
    if key not in held:
        raise HttpError(404, f"{noun}_not_found", f"there is no such {noun}")
    return held[key]


@contextmanager
def conflict(code: str) -> Iterator[None]:
    """Turns the processor's ValueError, which says what state forbids it, into a 409."""
    try:
        yield
    except ValueError as error:
        raise HttpError(409, code, str(error)) from None


def asked(request: Request, *known: str) -> dict[str, str]:
    """The query's parameters; raises HttpError for one that this list does not have."""
    unknown = [name for name in request.query if name not in (*known, "limit", "starting_after")]
    if unknown:
        raise HttpError(400, "parameter_unknown", f"this list has no {unknown[0]}; there are {', '.join(known)}")
    return request.query


def number(query: Mapping[str, str], name: str, default: int) -> int:
    """A parameter that is a whole number; raises HttpError."""
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise HttpError(400, "parameter_invalid", f"{name} is a whole number")
    return int(text)


def page_of(request: Request, found: Sequence[T], id_of: Callable[[T], str], show: Callable[[T], Any]) -> Reply:
    """One page of a list, from behind `starting_after`; raises HttpError for an id that the list does not hold."""
    limit = number(request.query, "limit", MAX_PAGE)
    if not 1 <= limit <= MAX_PAGE:
        raise HttpError(400, "parameter_invalid", f"limit is 1 to {MAX_PAGE}")
    start, after = 0, request.query.get("starting_after")
    if after is not None:
        ids = [id_of(one) for one in found]
        if after not in ids:
            raise HttpError(400, "parameter_invalid", "starting_after names nothing in this list")
        start = ids.index(after) + 1
    data = [show(one) for one in found[start : start + limit]]
    return json_reply({"object": "list", "data": data, "has_more": len(found) > start + limit})
