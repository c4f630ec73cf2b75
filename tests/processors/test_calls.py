"""What the calls of most adapters share."""

from __future__ import annotations

import pytest

from processors.calls import if_there, segment, unclear
from processors.errors import OutcomeUnknownError, RefusedError


@pytest.mark.parametrize("value", ["pay_1-A", "0", "a" * 200])
def test_an_id_is_a_path_segment(value: str) -> None:
    assert segment(value) == value


@pytest.mark.parametrize("value", ["", "a/b", "..", "a?b", "a#b", "a%2Fb", "ä", "a\n", "a b", "a" * 201])
def test_an_id_that_leads_elsewhere_is_refused(value: str) -> None:
    with pytest.raises(RefusedError) as refused:
        segment(value)
    assert refused.value.code == "id_malformed"
    assert value == "" or value not in str(refused.value)


async def said(status: int) -> str:
    if status == 200:
        return "it"
    raise RefusedError(f"answered {status}", status)


async def test_what_is_not_there_is_none() -> None:
    assert await if_there(said(200)) == "it"
    assert await if_there(said(404)) is None
    assert await if_there(said(410)) is None
    assert await if_there(said(422), (422,)) is None


@pytest.mark.parametrize("status", [400, 401, 422])
async def test_another_refusal_stays_one(status: int) -> None:
    with pytest.raises(RefusedError):
        await if_there(said(status))


def test_a_conflict_is_no_refusal() -> None:
    conflict, refused = RefusedError("answered 409", 409), RefusedError("answered 422", 422)
    assert isinstance(unclear(conflict), OutcomeUnknownError)
    assert unclear(refused) is refused
