"""What msgspec says of a wrong value, as the field's dotted path and a sentence without the path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec import inspect

from gateway.accounts.errors import FieldError

T = TypeVar("T")

_PLACE = re.compile(r" - at `(?:key in )?(?P<path>[^`]*)`$")
_NAMED = re.compile(r"^Object (?:(?P<unknown>contains unknown)|missing required) field `(?P<field>[^`]*)`")
KNOWN: Final = {
    "Expected `str` matching regex '^[A-Z]{2}$'": "must be two upper-case letters, as DE (ISO 3166-1 alpha-2)",
    "Expected `str` matching regex '^[a-z]{3}$'": "must be three lower-case letters, as eur",
}
"""Patterns of which a person knows the words."""
_NO_MEMBER = re.compile(r"^Invalid enum value (.*)$", re.DOTALL)
_INDEX = re.compile(r"\[(\d+)\]")


def dotted(path: str) -> str:
    """`$.items[0].price` as `items.0.price`."""
    return _INDEX.sub(r".\1", path.replace("[...]", "")).removeprefix("$").strip(".")


def explain(text: str, path: str = "", to: Any = None) -> FieldError:
    """The field that a message of msgspec's is about; `path` where the message has lost it.

    With the type `to` that was wanted, an error says which values a closed list has.
    """
    if found := _PLACE.search(text):
        text, path = text[: found.start()], found["path"]
    param = dotted(path)
    if named := _NAMED.match(text):
        inner = f"{param}.{named['field']}" if param else named["field"]
        if named["unknown"]:
            return FieldError(inner, "there is no such parameter")
        return FieldError(inner, "this parameter is required")
    if (wrong := _NO_MEMBER.match(text)) and (there := allowed(to, param)):
        return FieldError(param, f"{wrong[1]} is none of {', '.join(there)}")
    return FieldError(param, KNOWN.get(text, text[:1].lower() + text[1:]))


def allowed(to: Any, param: str) -> list[str]:
    """The values that the field at this dotted path below the type `to` may have, where that is a closed list."""
    kinds = [] if to is None else [_described(to)]
    for part in param.split(".") if param else []:
        kinds = [inner for kind in kinds for inner in _below(kind, part)]
    return list(dict.fromkeys(str(value) for kind in kinds for value in _values(kind)))


@cache
def _described(to: Any) -> inspect.Type:
    return inspect.type_info(to)


def _below(kind: inspect.Type, part: str) -> Iterator[inspect.Type]:
    """What stands at a field, a place or a key of this type."""
    match kind:
        case inspect.UnionType(types=types):
            for one in types:
                yield from _below(one, part)
        case inspect.Metadata(type=inner):
            yield from _below(inner, part)
        case inspect.StructType(fields=fields):
            yield from (field.type for field in fields if field.encode_name == part)
        case inspect.ListType(item_type=inner) | inspect.VarTupleType(item_type=inner):
            yield inner
        case inspect.DictType(value_type=inner):
            yield inner


def _values(kind: inspect.Type) -> Iterator[Any]:
    match kind:
        case inspect.UnionType(types=types):
            for one in types:
                yield from _values(one)
        case inspect.Metadata(type=inner):
            yield from _values(inner)
        case inspect.LiteralType(values=values):
            yield from values
        case inspect.EnumType(cls=cls):
            yield from (one.value for one in cls)
        case inspect.DictType(value_type=inner):
            yield from _values(inner)  # msgspec does not name the key


def converted(value: Any, to: type[T], *, under: str = "") -> T:
    """`value` as a `to`; raises FieldError with the path below `under`."""
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError as error:
        wrong = explain(str(error), to=to)
        param = ".".join(part for part in (under, wrong.param) if part)
        raise FieldError(param, wrong.message) from None
