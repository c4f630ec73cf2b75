"""What msgspec says of a wrong value, as the field's dotted path and a sentence without the path."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import msgspec

from gateway.accounts.errors import FieldError

T = TypeVar("T")

_PLACE = re.compile(r" - at `(?:key in )?(?P<path>[^`]*)`$")
_NAMED = re.compile(r"^Object (?:(?P<unknown>contains unknown)|missing required) field `(?P<field>[^`]*)`")
KNOWN: Final = {
    "Expected `str` matching regex '^[A-Z]{2}$'": "must be two upper-case letters, as DE (ISO 3166-1 alpha-2)",
    "Expected `str` matching regex '^[a-z]{3}$'": "must be three lower-case letters, as eur",
}
"""Patterns of which a person knows the words."""
_INDEX = re.compile(r"\[(\d+)\]")


def dotted(path: str) -> str:
    """`$.items[0].price` as `items.0.price`."""
    return _INDEX.sub(r".\1", path.replace("[...]", "")).removeprefix("$").strip(".")


def explain(text: str, path: str = "") -> FieldError:
    """The field that a message of msgspec's is about; `path` where the message has lost it."""
    if found := _PLACE.search(text):
        text, path = text[: found.start()], found["path"]
    param = dotted(path)
    if named := _NAMED.match(text):
        inner = f"{param}.{named['field']}" if param else named["field"]
        if named["unknown"]:
            return FieldError(inner, "there is no such parameter")
        return FieldError(inner, "this parameter is required")
    return FieldError(param, KNOWN.get(text, text[:1].lower() + text[1:]))


def converted(value: Any, to: type[T], *, under: str = "") -> T:
    """`value` as a `to`; raises FieldError with the path below `under`."""
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError as error:
        wrong = explain(str(error))
        param = ".".join(part for part in (under, wrong.param) if part)
        raise FieldError(param, wrong.message) from None
