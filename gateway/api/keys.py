"""/v1/api_keys: the keys of the caller's account; the platform key names the account."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from gateway.accounts import accounts, keys
from gateway.accounts.audit import Author
from gateway.accounts.keys import ApiKey, Scope
from gateway.api.accounts import own
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, example, problems
from gateway.api.problems import Code, ProblemError
from gateway.readers.about import about
from gateway.readers.pages import Page, unix
from processors.values import Unprinted

Callers: Final = requires(Scope.ADMIN, Scope.PLATFORM)


class ApiKeyBody(Unprinted, frozen=True):
    """A key; `secret` is the key itself, and is shown once, by the request that made it."""

    id: str
    name: str
    hint: Annotated[str, about("Its last four letters.")]
    scopes: list[Scope]
    created: Annotated[int, about("Unix seconds.")]
    revoked: Annotated[int | None, about("Unix seconds; null: it opens what its scopes say.")]
    account: Annotated[str | None, about("Null: a platform key.")]
    secret: Annotated[str | None, about("The key itself, in the reply to its making alone.")] = None
    object: Literal["api_key"] = "api_key"


class NewApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to be made."""

    name: Annotated[str, about("For people: 1 to 100 letters.")]
    scopes: Annotated[list[Scope], about("What it opens: at least one; none includes another.")]
    account: Annotated[str | None, about("For the platform key; another makes keys of its own account.")] = None


KeyId = Annotated[str, PathParameter(description="The key's id: key_…")]
OfAccount = Annotated[str | None, QueryParameter(description="For the platform key: whose keys.")]
EXAMPLE: Final = example("A key for a backend", {"name": "backend", "scopes": ["server"]})


@post("/api_keys", status_code=200, guards=[Callers], **changing(Code.NOT_FOUND))
async def create_key(principal: NamedDependency[Principal], data: Annotated[NewApiKey, EXAMPLE]) -> ApiKeyBody:
    """Make a key. Its text is in this reply and nowhere else."""
    account = await _account(principal, data.account)
    made, secret = await keys.create(Author(principal.actor), account, data.name, data.scopes)
    return _shown(made, secret.reveal())


@get("/api_keys", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def list_keys(principal: NamedDependency[Principal], account: OfAccount = None) -> Page[ApiKeyBody]:
    """The account's keys, the revoked ones too."""
    found = await keys.listed(await _account(principal, account))
    return Page([_shown(key) for key in found], has_more=False)


@delete("/api_keys/{key_id:str}", status_code=200, guards=[Callers], responses=problems(Code.NOT_FOUND))
async def revoke_key(principal: NamedDependency[Principal], key_id: KeyId, account: OfAccount = None) -> ApiKeyBody:
    """Revoke a key; once more is harmless."""
    return _shown(await keys.revoke(Author(principal.actor), await _account(principal, account), key_id))


async def _account(principal: Principal, named: str | None) -> str:
    if principal.account:
        return own(principal, named or principal.account)
    if not named:
        raise ProblemError(Code.INVALID_REQUEST, "account: the platform key must name it", param="account")
    return (await accounts.show(named)).id


def _shown(key: ApiKey, secret: str | None = None) -> ApiKeyBody:
    return ApiKeyBody(
        id=key.id,
        name=key.name,
        hint=key.hint,
        scopes=list(key.scopes),
        created=unix(key.created_at),
        revoked=unix(key.revoked_at),
        account=key.account,
        secret=secret,
    )


key_routes: Final[list[Any]] = [create_key, list_keys, revoke_key]
