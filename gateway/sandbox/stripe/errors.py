"""Errors as Stripe words them.

    Refusal                 any answer with an error body
    ├── invalid(...)        400 invalid_request_error, decided while executing: stored under an idempotency key
    ├── bad_params(...)     400 invalid_request_error, decided before executing: never stored
    ├── no_api_key(), bad_key(...), key_expired(...)   401
    ├── no_access(...), no_permission(...)             403
    ├── rate_limited(...)   429
    ├── lock_timeout()      409: another request holds the object
    ├── server_error(...)   500 and above, api_error
    ├── key_…               400 or 409: the idempotency key can't be used for this request
    ├── missing(...)        404 (in the path) or 400 (in a parameter), code resource_missing
    └── card_error(...)     402 card_error

The texts are those of recordings where one is known; the rest say what Stripe would mean.
"""

from __future__ import annotations

from typing import Any

DOCS = "https://stripe.com/docs/error-codes/"


class Refusal(Exception):  # noqa: N818  it is an answer, not a defect of ours
    """An error answer: HTTP status and the fields of Stripe's ``error`` object."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        executed: bool = True,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.executed = executed
        self.error: dict[str, Any] = {"message": message, "type": kind, **more}
        if code is not None:
            self.error |= {"code": code, "doc_url": DOCS + code.replace("_", "-")}
        if param is not None:
            self.error["param"] = param


def invalid(message: str, *, code: str | None = None, param: str | None = None) -> Refusal:
    return Refusal(message, code=code, param=param)


def bad_params(message: str, *, code: str | None = None, param: str | None = None) -> Refusal:
    return Refusal(message, code=code, param=param, executed=False)


def missing(kind: str, id: str, *, param: str = "id", status: int = 404) -> Refusal:
    return Refusal(f"No such {kind}: '{id}'", status=status, code="resource_missing", param=param)


def unrecognized(method: str, path: str) -> Refusal:
    return Refusal(
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/.",
        status=404,
        executed=False,
    )


def no_api_key() -> Refusal:
    return Refusal(
        "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer "
        "auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        status=401,
        executed=False,
    )


def bad_key(shown: str) -> Refusal:
    return Refusal(f"Invalid API Key provided: {shown}", status=401, executed=False)


def key_expired(shown: str) -> Refusal:
    return Refusal(f"Expired API Key provided: {shown}", status=401, code="api_key_expired", executed=False)


def no_access(shown: str, account: str) -> Refusal:
    """The sentence about the sandbox is ours; the rest is Stripe's for an account that is not connected."""
    return Refusal(
        f"The provided key '{shown}' does not have access to account '{account}' (or that account does not exist). "
        "Application access may have been revoked. This sandbox does not cover Connect.",
        status=403,
        code="account_invalid",
        executed=False,
    )


def no_permission(shown: str, account: str, permission: str) -> Refusal:
    return Refusal(
        f"The provided key '{shown}' does not have the required permissions for this endpoint on account '{account}'. "
        f"Having the '{permission}' permission would allow this request to continue.",
        status=403,
        executed=False,
    )


def rate_limited(reason: str) -> Refusal:
    return Refusal(
        "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
        status=429,
        code="rate_limit",
        executed=False,
        headers={"stripe-rate-limited-reason": reason},
    )


def lock_timeout() -> Refusal:
    return Refusal(
        "This object cannot be accessed right now because another API request is currently accessing it.",
        status=409,
        code="lock_timeout",
        executed=False,
    )


def server_error(status: int = 500) -> Refusal:
    return Refusal("An unknown error occurred", status=status, kind="api_error")


def key_too_long(most: int) -> Refusal:
    return Refusal(f"Idempotency keys can be at most {most} characters long.", kind="idempotency_error", executed=False)


def key_in_use() -> Refusal:
    return Refusal(
        "There is currently another in-progress request using this Idempotent Key (that probably means you "
        "submitted twice, and the other request is still going through). Please try again later.",
        status=409,
        code="idempotency_key_in_use",
        executed=False,
    )


def key_reused(key: str, where: str, first: str) -> Refusal:
    """`where` and `first`: method and path of this request and of the one that had the key."""
    for_what = f"for the same endpoint they were first used for ('{where}' vs. '{first}')"
    if where == first:
        for_what = "with the same parameters they were first used with"
    return Refusal(
        f"Keys for idempotent requests can only be used {for_what}. Try using a key other than '{key}' if you meant "
        "to execute a different request.",
        kind="idempotency_error",
        executed=False,
    )


def card_error(message: str, code: str, reason: str | None = None, **more: Any) -> Refusal:
    """What a bank refused. `reason` is the decline_code; `more` the objects concerned."""
    if reason is not None:
        more["decline_code"] = reason
    return Refusal(message, status=402, kind="card_error", code=code, **more)
