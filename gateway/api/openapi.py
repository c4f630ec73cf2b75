"""The OpenAPI description, at /docs/openapi.json, and a page that reads it, at /docs. Both need no other server."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Final

from litestar.enums import RequestEncodingType
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, Example, SecurityScheme, Server
from litestar.params import BodyKwarg

from gateway.api.problems import CODES, MEDIA_TYPE, TYPE, Code, Problem
from gateway.settings import Settings

PAGE: Final = (Path(__file__).parent / "docs.html").read_bytes()
DESCRIPTION: Final = """
Stripe bills, any processor collects. Amounts are integers in Stripe's minor units, currencies lower case, times Unix
seconds. Lists come newest first, `limit` at a time; the next page starts after the last id. Errors are problem
documents (RFC 9457) whose `type` ends in one of a closed list of codes. A POST may carry an `Idempotency-Key`, and must
where money moves: the same request again then gives the stored reply.
""".strip()


class _Page(OpenAPIRenderPlugin):
    """Our own page: the usual ones load their scripts from a CDN."""

    def render(self, request: object, openapi_schema: object) -> bytes:
        return PAGE


def openapi_config(settings: Settings) -> OpenAPIConfig:
    """What Litestar needs to make the description from the handlers."""
    bearer = SecurityScheme(
        type="http", scheme="bearer", description="An API key (tb_…), or a session's client secret."
    )
    return OpenAPIConfig(
        title="Tollbridge",
        version=version("tollbridge"),
        description=DESCRIPTION,
        path="/docs",
        servers=[Server(url=settings.base_url)],
        components=Components(security_schemes={"bearer": bearer}),
        security=[{"bearer": []}],
        render_plugins=[_Page(path="/"), JsonRenderPlugin(path="/openapi.json")],
    )


def problems(*codes: Code) -> dict[int, ResponseSpec]:
    """The errors of an operation, for its description: these, and those that every operation has."""
    everywhere = (Code.INVALID_REQUEST, Code.UNAUTHENTICATED, Code.SCOPE_MISSING, Code.INTERNAL)
    by_status: dict[int, list[Code]] = {}
    for code in dict.fromkeys((*everywhere, *codes, Code.DATABASE_UNAVAILABLE)):
        by_status.setdefault(CODES[code][0], []).append(code)
    return {status: _response(status, found) for status, found in sorted(by_status.items())}


def changing(*codes: Code) -> dict[int, ResponseSpec]:
    """The errors of a POST."""
    posts = (Code.IN_PROGRESS, Code.BODY_TOO_LARGE, Code.MEDIA_TYPE_UNSUPPORTED, Code.IDEMPOTENCY_MISMATCH)
    return problems(*codes, *posts)


def example(summary: str, value: dict[str, object]) -> BodyKwarg:
    """A JSON body with an example: `data: Annotated[NewThing, example("…", {…})]`."""
    return BodyKwarg(media_type=RequestEncodingType.JSON, examples=[Example(summary=summary, value=value)])


def _response(status: int, codes: list[Code]) -> ResponseSpec:
    examples = [Example(summary=code, value=_document(code)) for code in codes]
    return ResponseSpec(
        Problem,
        generate_examples=False,
        description="; ".join(f"`{code}`: {CODES[code][1]}" for code in codes),
        media_type=MEDIA_TYPE,
        examples=examples,
    )


def _document(code: Code) -> dict[str, object]:
    status, title = CODES[code]
    document: dict[str, object] = {"type": f"{TYPE}{code}", "title": title, "status": status, "detail": title}
    document["request_id"] = "req_01k5n3f8m4e6z9b2c7d0x1y2z3"
    return document | ({"param": "limit"} if code is Code.INVALID_REQUEST else {})
