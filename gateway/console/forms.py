"""What a browser posts, and what addresses of pages hold, as values that can be used."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Final, TypeVar

from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter

from gateway.accounts.errors import FieldError
from processors.values import Unprinted

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
Posted = Annotated[T, Body(media_type=RequestEncodingType.URL_ENCODED)]
"""A form as a struct: `data: Posted[Refunding]`."""
Said = Annotated[str, QueryParameter(max_length=40)]
"""Which of the notices a page begins with."""
ON_A_PAGE: Final = 25
"""So many rows of a list."""


class Form(Unprinted, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every form. `csrf` and `once` were heeded before (`protection`)."""

    csrf: str = ""
    once: str = ""


class Plain(Form, frozen=True):
    """A form that is a button and nothing else."""


class Reasoned(Form, frozen=True):
    """A button with a reason, for the audit log."""

    reason: str = ""


NOTHING_TYPED: Final = Reasoned()
"""For a page whose forms nobody has filled in."""


def chosen(kind: type[E], value: str, param: str) -> E | None:
    """What a list's filter was set to; None for "any", which a browser sends as an empty value.

    Raises FieldError for one that there is not: a list of everything would say that all of it is so.
    """
    try:
        return kind(value) if value else None
    except ValueError:
        raise FieldError(param, f"{value!r} is none that there is") from None
