"""A form that brings a file: its fields, and then the file as it comes in, never held whole.

Browsers send fields in the order of the page (HTML: constructing the entry list), so the file stands last in the form,
and what proves whose form it is has been read before a byte of it. Fields behind the file are not heeded.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request
from litestar.types import HTTPScope, Receive
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from gateway.api.body import NUL, pieces
from gateway.api.headers import header
from gateway.api.problems import Code, ProblemError

KEY: Final = "upload"
MOST_FIELDS: Final = 64
LONGEST_FIELDS: Final = 65_536
"""All of them together, in bytes."""


@dataclass(frozen=True, repr=False)
class Upload:
    """`name`: what the file is called where it comes from, empty if none was chosen; `file` is read once."""

    fields: Mapping[str, str]
    name: str
    file: AsyncIterable[bytes]


async def begin(scope: HTTPScope, receive: Receive, limit: int) -> Upload:
    """Read the fields of a form up to its file. The whole has at most `limit` bytes. Raises ProblemError."""
    kind, options = parse_options_header(header(scope, b"content-type"))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise ProblemError(Code.MEDIA_TYPE_UNSUPPORTED, "Send the form as multipart/form-data.")
    events = _events(options["boundary"], pieces(scope, receive, limit))
    fields: dict[str, str] = {}
    size, name, value = 0, "", b""
    async for event in events:
        if isinstance(event, MultipartSegment):
            if event.filename is not None:
                return Upload(fields, event.filename, _file(events))
            name, value = event.name, b""
        elif event is not None:
            size, value = size + len(event), value + event
            if size > LONGEST_FIELDS:
                raise ProblemError(Code.BODY_TOO_LARGE, f"The fields have at most {LONGEST_FIELDS} bytes.")
        else:
            fields[name] = _text(value)
    return Upload(fields, "", _file(events))


def keep(scope: HTTPScope, upload: Upload) -> None:
    """For the handler."""
    scope["state"][KEY] = upload


def upload_of(request: Request[Any, Any, Any]) -> Upload:
    """What `protection` has begun to read."""
    upload: Upload = request.scope["state"][KEY]
    return upload


async def _events(
    boundary: str, body: AsyncIterable[bytes]
) -> AsyncGenerator[MultipartSegment | bytes | bytearray | None, None]:
    try:
        with PushMultipartParser(boundary, max_segment_count=MOST_FIELDS) as parser:
            async for piece in body:
                for event in parser.parse(piece) if piece else ():
                    yield event
    except MultipartError as error:
        raise ProblemError(Code.INVALID_REQUEST, f"The form can't be read: {error}") from error


async def _file(events: AsyncIterable[MultipartSegment | bytes | bytearray | None]) -> AsyncGenerator[bytes, None]:
    inside = True
    async for event in events:  # to the end of the body, also where something follows
        if event is None:
            inside = False
        elif inside and not isinstance(event, MultipartSegment):
            yield bytes(event)


def _text(value: bytes) -> str:
    text = value.decode("utf-8", "replace")
    if NUL in text:
        raise ProblemError(Code.INVALID_REQUEST, "The form holds the character NUL.")
    return text
