"""Bodies: read within the limit, and JSON where there is one; and the parameters that a query may have."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.enums import ParamType
from litestar.handlers import BaseRouteHandler
from litestar.params import ParameterKwarg
from litestar.types import HTTPReceiveMessage, HTTPScope, Receive

from gateway.accounts.validation import explain
from gateway.api.problems import Code, ProblemError

JSON: Final = "application/json"
NUL: Final = "\0"
ESCAPED_NUL: Final = b"\\u0000"
"""JSON knows no other way to write it."""
FRACTION: Final = re.compile(rb"\d[.eE]")
"""What a number with a decimal point has, and some texts have, too."""


async def read_body(scope: HTTPScope, receive: Receive, limit: int) -> bytes:
    """The whole body; raises ProblemError beyond `limit` bytes."""
    return b"".join([piece async for piece in pieces(scope, receive, limit)])


def again(body: bytes) -> Receive:
    """A body that was read, to be read once more."""
    messages: list[HTTPReceiveMessage] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": body, "more_body": False},
    ]

    async def receive() -> HTTPReceiveMessage:
        return messages.pop() if len(messages) > 1 else messages[0]

    return receive


async def pieces(scope: HTTPScope, receive: Receive, limit: int) -> AsyncGenerator[bytes, None]:
    """The body as it comes in; raises ProblemError beyond `limit` bytes."""
    refuse_long(scope, limit)
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ProblemError(Code.INVALID_REQUEST, "the connection ended before the body did")
        size += len(message.get("body", b""))
        if size > limit:
            raise ProblemError(Code.BODY_TOO_LARGE, f"A body has at most {limit} bytes.")
        yield message.get("body", b"")
        more = bool(message.get("more_body"))


@asynccontextmanager
async def on_disk(body: AsyncIterable[bytes]) -> AsyncIterator[Path]:
    """A body in a file of its own, gone afterwards: for what is too long to be held, and read more than once."""
    with NamedTemporaryFile(prefix="tollbridge-settlement-") as file:
        async for piece in body:
            file.write(piece)
        file.flush()
        yield Path(file.name)


def refuse_long(scope: HTTPScope, limit: int) -> None:
    """Refuse a body by the length it announces."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise ProblemError(Code.BODY_TOO_LARGE, f"A body has at most {limit} bytes.")


async def refuse_strange(request: Request[Any, Any, Any]) -> None:
    """Before the handler of every API request.

    Refused are a body that is not JSON (or what the handler's `opt` says), a query parameter that there is not, the
    character NUL anywhere, which no column of PostgreSQL's can hold (its docs: datatype-character), a number with a
    decimal point where it isn't a time in seconds: whoever writes 4.00 means four euros, and a decoder makes four cents
    of it; and a text in the place of a number or a boolean, which the framework would take for one.
    """
    wanted = request.route_handler.opt.get("body", JSON)
    if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method in ("POST", "PUT", "PATCH") and media_type != wanted:
            raise ProblemError(Code.MEDIA_TYPE_UNSUPPORTED, f"Send the body as {wanted}.", param="Content-Type")
    for name in _strangers(request.query_params.keys(), request.route_handler):
        raise ProblemError(Code.INVALID_REQUEST, f"{name}: there is no such parameter", param=name)
    for name, value in (*request.path_params.items(), *request.query_params.multi_items()):
        if NUL in str(value):
            raise _holds_nul(name)
    if request.method == "POST" and wanted == JSON:
        body = await request.body()
        _refuse_values(body)
        _refuse_text_for_value(body, request.route_handler)


def _refuse_values(body: bytes) -> None:
    nul, fraction = ESCAPED_NUL in body, FRACTION.search(body) is not None
    if not nul and not fraction:
        return
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return  # it's refused for that when it is read
    if nul and (found := _place_of(value, _has_nul)) is not None:
        raise _holds_nul(found.replace(NUL, "\ufffd"))
    if fraction and (found := _place_of(value, _is_fraction)) is not None:
        quantity = found.rpartition(".")[2] == "value"
        instead = 'a fraction is given as text: "0.5"' if quantity else "amounts in minor units: 400 for 4.00 EUR"
        detail = f"{found}: whole numbers, without a decimal point; {instead}"
        raise ProblemError(Code.INVALID_REQUEST, detail, param=found)


def _refuse_text_for_value(body: bytes, handler: BaseRouteHandler) -> None:
    """The framework converts what it has decoded once more, by the rules of a query, whose values are all texts."""
    data = handler.parsed_fn_signature.parameters.get("data")
    if data is None:
        return
    try:
        msgspec.json.decode(body, type=data.annotation)
    except msgspec.ValidationError as error:
        try:
            msgspec.json.decode(body, type=data.annotation, strict=False)
        except msgspec.ValidationError:
            return  # it's refused for more than that, in the framework's turn
        wrong = explain(str(error))
        raise ProblemError(Code.INVALID_REQUEST, f"{wrong.param}: {wrong.message}", param=wrong.param) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return


def _has_nul(name: str, value: Any) -> bool:
    return NUL in name or (isinstance(value, str) and NUL in value)


def _is_fraction(name: str, value: Any) -> bool:
    return isinstance(value, float) and not name.endswith("_s")


def _place_of(value: Any, strange: Callable[[str, Any], bool]) -> str | None:
    """The dotted path of the first value that is `strange` by its name or by what it is."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        if strange(str(name), one):
            return str(name)
        if (found := _place_of(one, strange)) is not None:
            return f"{name}.{found}"
    return None


def _holds_nul(param: str) -> ProblemError:
    return ProblemError(Code.INVALID_REQUEST, f"{param}: holds the character NUL", param=param)


def _strangers(given: Iterable[str], handler: BaseRouteHandler) -> list[str]:
    return sorted(set(given) - _known(handler)) if given else []


@cache
def _known(handler: BaseRouteHandler) -> frozenset[str]:
    known = set()
    for name, field in handler.parsed_fn_signature.parameters.items():
        kwarg = field.kwarg_definition
        if isinstance(kwarg, ParameterKwarg) and kwarg.param_type is ParamType.QUERY:
            known.add(kwarg.name or name)
    return frozenset(known)
