"""Decline codes: what a processor's and a card scheme's codes come to, in one table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from processors.declines import NETWORK_WAITS, STRICTNESS, as_class
from processors.outcome import ADVICE, Advice, DeclineClass
from processors.practice.mapping import DECLINES

SAID_AT = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
LATER, ACT, NEW, NEVER = STRICTNESS


@pytest.mark.parametrize(
    ("code", "network_code", "network_advice", "decline_class", "advice"),
    [
        ("insufficient_funds", "51", "02", DeclineClass.INSUFFICIENT_FUNDS, LATER),
        ("do_not_honor", "05", "", DeclineClass.DO_NOT_HONOR, LATER),
        ("limit_exceeded", "61", "", DeclineClass.LIMIT_EXCEEDED, LATER),
        ("issuer_unavailable", "91", "", DeclineClass.ISSUER_UNAVAILABLE, LATER),
        ("capture_failed", "", "", DeclineClass.PROCESSOR_ERROR, LATER),
        ("authentication_failed", "1A", "", DeclineClass.AUTHENTICATION_REQUIRED, ACT),
        ("expired_card", "54", "01", DeclineClass.EXPIRED, NEW),
        ("invalid_method", "14", "", DeclineClass.INVALID_PAYMENT_METHOD, NEW),
        ("not_permitted", "57", "", DeclineClass.NOT_PERMITTED, NEW),
        ("account_closed", "46", "", DeclineClass.ACCOUNT_CLOSED, NEW),
        ("account_locked", "", "", DeclineClass.ACCOUNT_CLOSED, NEW),
        ("method_revoked", "", "", DeclineClass.REVOKED, NEW),
        ("fraud", "59", "", DeclineClass.FRAUD, NEVER),
        ("lost_stolen", "", "", DeclineClass.LOST_STOLEN, NEVER),
        ("do_not_honor", "05", "03", DeclineClass.DO_NOT_HONOR, NEVER),
        ("insufficient_funds", "51", "21", DeclineClass.INSUFFICIENT_FUNDS, NEVER),
        ("do_not_honor", "05", "01", DeclineClass.DO_NOT_HONOR, NEW),
        ("do_not_honor", "05", "41", DeclineClass.DO_NOT_HONOR, NEW),
        ("do_not_honor", "R1", "", DeclineClass.DO_NOT_HONOR, NEVER),
        ("expired_card", "43", "01", DeclineClass.EXPIRED, NEVER),
        ("a_code_of_tomorrow", "05", "", DeclineClass.DO_NOT_HONOR, LATER),
        ("a_code_of_tomorrow", "05", "03", DeclineClass.DO_NOT_HONOR, NEVER),
    ],
)
def test_what_codes_come_to(
    code: str, network_code: str, network_advice: str, decline_class: DeclineClass, advice: Advice
) -> None:
    said = DECLINES.decline(code, "any text", network_code=network_code, network_advice=network_advice)
    assert (said.decline_class, said.advice) == (decline_class, advice)
    assert (said.processor_code, said.network_code, said.network_advice) == (code, network_code, network_advice)
    assert said.mapped is (code != "a_code_of_tomorrow")


@pytest.mark.parametrize(("network_advice", "wait"), NETWORK_WAITS.items())
def test_a_scheme_names_the_wait(network_advice: str, wait: timedelta) -> None:
    said = DECLINES.decline("do_not_honor", network_advice=network_advice, at=SAID_AT)
    assert (said.advice, said.not_before) == (Advice.RETRY_LATER, SAID_AT + wait)


@pytest.mark.parametrize("text", ["Card reported stolen, never try again", "expired", ""])
def test_a_text_decides_nothing(text: str) -> None:
    assert DECLINES.decline("do_not_honor", text).advice is Advice.RETRY_LATER


@pytest.mark.parametrize("decline_class", DeclineClass)
@pytest.mark.parametrize(("network_code", "network_advice"), [("", ""), ("43", ""), ("", "01"), ("", "03"), ("", "02")])
def test_another_class_never_allows_more_than_the_scheme(
    decline_class: DeclineClass, network_code: str, network_advice: str
) -> None:
    said = DECLINES.decline("do_not_honor", network_code=network_code, network_advice=network_advice)
    classed = as_class(said, decline_class)
    assert classed.decline_class is decline_class
    assert STRICTNESS.index(classed.advice) >= STRICTNESS.index(said.advice)
    assert STRICTNESS.index(classed.advice) >= STRICTNESS.index(ADVICE[decline_class])
