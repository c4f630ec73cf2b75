"""Pages of API v2: opaque tokens in whole URLs, instead of ids as cursors (docs: api-v2-overview)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlencode

from gateway.sandbox.stripe.errors import bad_params
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.store import Collection

T = TypeVar("T")
PAGE = "limit:int page"
DEFAULT_LIMIT = 20


def v2_page(
    url: str, params: Obj, of: Collection[T], shown: Callable[[T], Obj], keep: Callable[[T], bool] | None = None
) -> Obj:
    """A page, newest first, with the URLs of its neighbours. `of` names its items by their id."""
    limit = params.get("limit", DEFAULT_LIMIT)
    way, cursor = _read(params["page"]) if "page" in params else ("", "")
    asked = {"limit": limit} | ({way: cursor} if way else {})
    rows, more = of.page(asked, keep)
    data = [shown(row) for row in rows]
    follows = more if way != "ending_before" else True
    precedes = more if way == "ending_before" else bool(way)
    return {
        "data": data,
        "next_page_url": _url(url, params, limit, "starting_after", data[-1]["id"]) if data and follows else None,
        "previous_page_url": _url(url, params, limit, "ending_before", data[0]["id"]) if data and precedes else None,
    }


def _url(url: str, params: Obj, limit: int, way: str, id: str) -> str:
    token = base64.urlsafe_b64encode(f"{way}:{id}".encode()).decode().rstrip("=")
    pairs: list[tuple[str, object]] = [("limit", limit), ("page", token)]
    for name, value in params.items():
        if isinstance(value, list):
            pairs += [(f"{name}[{at}]", item) for at, item in enumerate(value)]
        elif isinstance(value, dict):
            pairs += [(f"{name}[{key}]", item) for key, item in value.items()]
        elif name not in ("limit", "page"):
            pairs.append((name, value))
    return f"{url}?{urlencode(pairs, safe='[]')}"


def _read(token: str) -> tuple[str, str]:
    try:
        way, _, id = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode().partition(":")
    except ValueError:
        way, id = "", ""
    if way not in ("starting_after", "ending_before"):
        raise bad_params("Invalid page token.", param="page")
    return way, id
