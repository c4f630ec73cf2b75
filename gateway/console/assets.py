"""What a page loads: our style sheet and script, and HTMX. Nothing comes from elsewhere.

HTMX stands in the wheel of PgQueuer, whose own pages use it. Every page works without it: forms post, links lead on.
An asset's address holds a hash of it, so that browsers keep it for ever and never an old one.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any, Final

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from gateway.console.desk import OPEN

HTMX: Final = "adapters/web/static/htmx.min.js"
TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


def _read() -> dict[str, bytes]:
    own = files("gateway.console") / "static"
    found = {one.name: one.read_bytes() for one in own.iterdir() if one.name.rpartition(".")[2] in TYPES}
    htmx = files("pgqueuer") / HTMX
    return found | ({"htmx.js": htmx.read_bytes()} if htmx.is_file() else {})


def _named(name: str, content: bytes) -> str:
    stem, _, kind = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:16]}.{kind}"


CONTENTS: Final = _read()
ADDRESSES: Final = {name: _named(name, content) for name, content in CONTENTS.items()}
BY_ADDRESS: Final = {address: CONTENTS[name] for name, address in ADDRESSES.items()}


def asset(name: str) -> str:
    """Its address below the console's static folder; empty for one that is not there."""
    return ADDRESSES.get(name, "")


@get("/static/{name:str}", include_in_schema=False, sync_to_thread=False, opt=OPEN)
def serve_asset(name: FromPath[str]) -> Response[bytes]:
    """An asset, to be kept."""
    content = BY_ADDRESS.get(name)
    if content is None:
        raise NotFoundException
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(content, media_type=TYPES[name.rpartition(".")[2]], headers=headers)


asset_routes: Final[list[Any]] = [serve_asset]
