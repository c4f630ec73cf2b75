"""The OpenAPI description, at /docs/openapi.json, and a page that reads it, at /docs. Both need no other server."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from inspect import cleandoc
from pathlib import Path
from typing import ClassVar, Final, TypedDict

from litestar._openapi.schema_generation import SchemaCreator

# Litestar has no public name for its own description of structs, which this one only completes.
from litestar._openapi.schema_generation.plugins.struct import StructSchemaPlugin
from litestar.enums import MediaType, RequestEncodingType
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import (
    Components,
    Example,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
    SecurityScheme,
    Server,
)
from litestar.params import BodyKwarg
from litestar.typing import FieldDefinition

from gateway.api.files import CSV
from gateway.api.problems import CODES, MEDIA_TYPE, TYPE, Code, Problem
from gateway.settings import Settings

PAGE: Final = (Path(__file__).parent / "docs.html").read_bytes()
DESCRIPTION: Final = """
Stripe bills, any processor collects. Amounts are integers in Stripe's minor units, currencies lower case, times Unix
seconds. Lists come newest first, `limit` at a time; the next page starts after the last id. Errors are problem
documents (RFC 9457) whose `type` ends in one of a closed list of codes. A POST may carry an `Idempotency-Key`, and must
where money moves or usage is reported: the same request again then gives the stored reply (for usage: how it stands).
""".strip()

KEY_DESCRIPTION: Final = """
Makes the request repeatable: an equal one under the same key, within 24 hours, gets the reply of the first and does
nothing. Another request under the same key is refused. 1 to 255 printable letters; a UUID is a good one.
""".strip()


BY_IDENTIFIER: Final = (
    "What makes the request repeatable are its events' identifiers, for 180 days: what was stored before is a "
    "`duplicate`, and counts once. 1 to 255 printable letters; a UUID is a good one."
)

BY_CONTENT: Final = "Changes nothing here: the same body again is the same object, under whatever key."


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


class _Structs(StructSchemaPlugin):
    """Structs as they are: with their docstring, and closed where an unknown field is refused."""

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: SchemaCreator) -> Schema:
        schema = super().to_openapi_schema(field_definition, schema_creator)
        struct = field_definition.origin or field_definition.annotation
        schema.description = cleandoc(struct.__doc__ or "") or None
        if struct.__struct_config__.forbid_unknown_fields:
            schema.additional_properties = False
        return schema


STRUCTS: Final = _Structs()


@dataclass
class _Repeatable(Operation):
    """A POST, which may carry an Idempotency-Key."""

    key_required: ClassVar[bool] = False
    key_description: ClassVar[str] = KEY_DESCRIPTION

    def __post_init__(self) -> None:
        key = Parameter(
            name="Idempotency-Key",
            param_in="header",
            required=self.key_required,
            description=self.key_description,
            schema=Schema(type=OpenAPIType.STRING, min_length=1, max_length=255),
            example="7b0f6f0c-7f5c-4d1a-9f0e-2c5a3d9b1e44",
        )
        self.parameters = [*(self.parameters or []), key]


@dataclass
class _WantsKey(_Repeatable):
    """A POST that may move money: without a key it is refused."""

    key_required: ClassVar[bool] = True


@dataclass
class _CountsUsage(_WantsKey):
    """A POST that makes what is billed, each thing known by its identifier."""

    key_description: ClassVar[str] = BY_IDENTIFIER


@dataclass
class _TakesCsv(_Repeatable):
    """A POST of a CSV file, which is known by its bytes."""

    key_description: ClassVar[str] = BY_CONTENT
    example: ClassVar[str] = "Created,Type,Payment,Gross,Currency\n2027-03-01T10:00:00Z,Sale,psp_1,10.00,EUR\n"

    def __post_init__(self) -> None:
        super().__post_init__()
        file = Schema(type=OpenAPIType.STRING, description="The file, in UTF-8.", examples=[self.example])
        self.request_body = RequestBody({CSV: OpenAPIMediaType(schema=file)}, required=True)


class Changing(TypedDict):
    """What every POST hands to its decorator."""

    responses: dict[int, ResponseSpec]
    operation_class: type[Operation]
    opt: dict[str, str]


def problems(*codes: Code) -> dict[int, ResponseSpec]:
    """The errors of an operation, for its description: these, and those that every operation has."""
    everywhere = (
        Code.INVALID_REQUEST,
        Code.UNAUTHENTICATED,
        Code.ACCOUNT_DISABLED,
        Code.SCOPE_MISSING,
        Code.INTERNAL,
    )
    by_status: dict[int, list[Code]] = {}
    for code in dict.fromkeys((*everywhere, *codes, Code.DATABASE_UNAVAILABLE)):
        by_status.setdefault(CODES[code][0], []).append(code)
    return {status: _response(status, found) for status, found in sorted(by_status.items())}


def changing(
    *codes: Code,
    moves_money: bool = False,
    also: dict[int, ResponseSpec] | None = None,
) -> Changing:
    """Errors, header and rule of a POST: `@post("/things", …, **changing(Code.NOT_FOUND))`."""
    posts = [Code.IN_PROGRESS, Code.BODY_TOO_LARGE, Code.MEDIA_TYPE_UNSUPPORTED, Code.IDEMPOTENCY_MISMATCH]
    if moves_money:
        posts.append(Code.IDEMPOTENCY_KEY_REQUIRED)
    return Changing(
        responses={**(also or {}), **problems(*codes, *posts)},
        operation_class=_WantsKey if moves_money else _Repeatable,
        opt={"idempotency": "required" if moves_money else "optional"},
    )


def counting_usage(*codes: Code) -> Changing:
    """The same for a POST of events that have identifiers."""
    posts = [Code.BODY_TOO_LARGE, Code.MEDIA_TYPE_UNSUPPORTED, Code.IDEMPOTENCY_KEY_REQUIRED, Code.OVERLOADED]
    return Changing(
        responses=problems(*codes, *posts), operation_class=_CountsUsage, opt={"idempotency": "by_identifier"}
    )


def taking_csv(*codes: Code) -> Changing:
    """The same for a POST of a CSV file, whose handler reads it piece by piece."""
    made = changing(*codes)
    return Changing(
        responses=made["responses"], operation_class=_TakesCsv, opt={"idempotency": "by_content", "body": CSV}
    )


def also(status: int, body: type, description: str, *, media_type: str = MediaType.JSON) -> dict[int, ResponseSpec]:
    """Another answer than the usual one that is no error."""
    return {status: ResponseSpec(body, generate_examples=False, description=description, media_type=media_type)}


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
