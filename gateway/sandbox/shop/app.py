"""The shop's server: it opens checkout sessions with its API key and hands the browser their client secret.

    GET  /checkout            the page
    POST /checkout/sessions   {"reference", "name", "country", "postal_code"} → the session, from the gateway

The key never reaches the browser. Served by the sandbox only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import msgspec
from litestar import Litestar, MediaType, Response, get, post
from litestar.datastructures import State
from litestar.params import JSONBody

PAGE: Final = (Path(__file__).parent / "checkout.html").read_text()
POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src *; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class Shop(msgspec.Struct, frozen=True):
    """What the shop is told. `price` and `tax_rate` are ids at Stripe; no tax rate means none."""

    gateway_url: str
    api_key: str
    price: str
    tax_rate: str = ""


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the page sends: who pays, and a reference that makes a refresh find the same session."""

    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    name: Annotated[str, msgspec.Meta(max_length=100)] = ""
    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")] = "DE"
    postal_code: Annotated[str, msgspec.Meta(max_length=20)] = ""


@get("/checkout", media_type=MediaType.HTML, sync_to_thread=False)
def page(state: State) -> Response[str]:
    """The page, which is told where the gateway is and nothing else."""
    shop: Shop = state.shop
    text = PAGE.replace("{{ gateway_url }}", shop.gateway_url)
    return Response(text, media_type=MediaType.HTML, headers={"content-security-policy": POLICY})


@post("/checkout/sessions", status_code=200)
async def open_session(state: State, data: JSONBody[Order]) -> Response[bytes]:
    """Open a session at the gateway, as a merchant's server does; its answer goes to the browser as it is."""
    shop: Shop = state.shop
    address = {"country": data.country} | ({"postal_code": data.postal_code} if data.postal_code else {})
    body: dict[str, Any] = {
        "client_reference": data.reference,
        "customer_details": {"name": data.name or "A. Payer", "address": address},
        "items": [{"price": shop.price}],
    }
    if shop.tax_rate:
        body["default_tax_rates"] = [shop.tax_rate]
    http: httpx.AsyncClient = state.http
    answer = await http.post(
        f"{shop.gateway_url}/v1/checkout_sessions", json=body, headers={"authorization": f"Bearer {shop.api_key}"}
    )
    return Response(answer.content, status_code=answer.status_code, media_type="application/json")


def create_app(shop: Shop) -> Litestar:
    """The shop as an ASGI app."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=30) as http:
            app.state.http, app.state.shop = http, shop
            yield

    return Litestar(route_handlers=[page, open_session], lifespan=[lifespan], openapi_config=None, logging_config=None)
