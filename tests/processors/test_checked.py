"""What a check says: of a question that fails, and of addresses that are written otherwise."""

from __future__ import annotations

import pytest

from processors.checked import About, Finding, Proved, Unseen, look, same_address
from processors.errors import NotSentError, OutcomeUnknownError, RefusedError

SEEN = Proved(About.WEBHOOK, "it stands")


async def question(error: Exception | None = None) -> Finding:
    if error is not None:
        raise error
    return SEEN


async def test_an_answer_is_what_it_is() -> None:
    assert await look(About.WEBHOOK, question(), "it may not") == SEEN


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_may_not_look(status: int) -> None:
    refused = RefusedError("GET /webhooks answered 403", status)
    assert await look(About.WEBHOOK, question(refused), "it may not") == Unseen(About.WEBHOOK, "it may not")


@pytest.mark.parametrize(
    "error", [RefusedError("gone", 404), NotSentError("no connection"), OutcomeUnknownError("no answer")]
)
async def test_a_question_that_fails_says_why(error: Exception) -> None:
    said = await look(About.WEBHOOK, question(error), "it may not")
    assert isinstance(said, Unseen)
    assert str(error) in said.text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/w", "https://A.example:443/w", True),
        ("https://a.example/w", "http://a.example/w", False),
        ("https://a.example/w", "https://a.example/w/", False),
        ("https://a.example/w", "https://a.example/w?a=b", False),
        ("", "https://a.example/w", False),
        ("https://[", "https://a.example/w", False),
    ],
)
def test_an_address_is_the_same_however_it_is_written(one: str, other: str, same: bool) -> None:
    assert same_address(one, other) is same
