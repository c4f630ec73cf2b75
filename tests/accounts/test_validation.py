"""msgspec's messages as dotted paths."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest

from gateway.accounts.errors import FieldError
from gateway.accounts.validation import converted
from processors.outcome import DeclineClass


class Item(msgspec.Struct, forbid_unknown_fields=True):
    price: Annotated[str, msgspec.Meta(min_length=1)]


class Order(msgspec.Struct, forbid_unknown_fields=True):
    items: list[Item]
    labels: dict[str, int] = {}


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ({}, "items"),
        ({"items": 1}, "items"),
        ({"items": [{}]}, "items.0.price"),
        ({"items": [{"price": "p"}, {"price": ""}]}, "items.1.price"),
        ({"items": [{"price": "p", "more": 1}]}, "items.0.more"),
        ({"items": [], "labels": {"a": "x"}}, "labels"),
        ({"items": [], "extra": 1}, "extra"),
        ([], ""),
    ],
)
def test_the_parameter_is_named(value: Any, param: str) -> None:
    with pytest.raises(FieldError) as caught:
        converted(value, Order)
    assert caught.value.param == param
    with pytest.raises(FieldError) as below:
        converted(value, Order, under="order")
    assert below.value.param == ".".join(part for part in ("order", param) if part)


class Inner(msgspec.Struct):
    side: Literal["in", "out"] = "in"


class Choice(msgspec.Struct):
    way: Literal["left", "right"] | None = None
    ways: list[Literal["up", "down"]] = []
    classes: dict[str, DeclineClass] = {}
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"way": "up"}, "way: 'up' is none of left, right"),
        ({"ways": ["up", "left"]}, "ways.1: 'left' is none of down, up"),
        ({"inner": {"side": "over"}}, "inner.side: 'over' is none of in, out"),
        ({"classes": {"code_7": "hopeless"}}, f"classes: 'hopeless' is none of {', '.join(DeclineClass)}"),
    ],
)
def test_a_value_that_is_none_of_a_closed_list_is_told_the_list(value: Any, says: str) -> None:
    with pytest.raises(FieldError) as caught:
        converted(value, Choice)
    assert str(caught.value) == says
