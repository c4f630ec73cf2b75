"""How what a processor sends is read as JSON."""

from __future__ import annotations

import msgspec
import pytest

from processors.errors import DeliveryMalformedError
from processors.reading import delivered, readable


class Told(msgspec.Struct):
    id: str


BROKEN = [b"", b"{", b"\xff", b"[]", b'{"id":1}', b'{"id":"secret', b'{"a":' * 100_000]


def test_what_can_be_read() -> None:
    assert readable(b'{"id":"1","more":2}', Told) == delivered(msgspec.Raw(b'{"id":"1"}'), Told, "it") == Told("1")


@pytest.mark.parametrize("body", BROKEN)
def test_what_can_not_be_read_is_told_without_its_text(body: bytes) -> None:
    assert readable(body, Told) is None
    with pytest.raises(DeliveryMalformedError) as refused:
        delivered(body, Told, "the event")
    assert str(refused.value) == "the event can't be read"
    assert refused.value.__context__ is None
