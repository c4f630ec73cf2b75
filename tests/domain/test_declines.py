"""What a refusal means: the operator's class over the adapter's, the cap for codes of no table."""

from __future__ import annotations

import pytest

from gateway.domain.declines import MOST_UNMAPPED, judged
from processors.declines import DeclineTable
from processors.outcome import Advice, Decline, DeclineClass

TABLE = DeclineTable({"05": DeclineClass.DO_NOT_HONOR, "41": DeclineClass.LOST_STOLEN})


def said(code: str, network_advice: str = "") -> Decline:
    return TABLE.decline(code, network_advice=network_advice)


@pytest.mark.parametrize(
    ("decline", "override", "decline_class", "advice"),
    [
        (said("05"), {}, "do_not_honor", "retry_later"),
        (said("05"), {"05": "account_closed"}, "account_closed", "new_payment_method"),
        (said("05"), {"5": "account_closed"}, "do_not_honor", "retry_later"),
        (said("41"), {"41": "limit_exceeded"}, "limit_exceeded", "retry_later"),
        (said("05", "03"), {"05": "limit_exceeded"}, "limit_exceeded", "never"),
        (said("05", "01"), {"05": "fraud"}, "fraud", "never"),
        (said("77"), {"77": "expired"}, "expired", "new_payment_method"),
    ],
    ids=["the adapter's", "stricter", "another code", "softer", "scheme forbids", "stricter than scheme", "unmapped"],
)
def test_the_operators_class_counts(
    decline: Decline, override: dict[str, str], decline_class: str, advice: str
) -> None:
    overrides = {code: DeclineClass(wanted) for code, wanted in override.items()}
    counts = judged(decline, overrides, 0)
    assert (counts.decline_class, counts.advice) == (decline_class, advice)


@pytest.mark.parametrize(
    ("code", "advice"), [("77", Advice.NEW_PAYMENT_METHOD), ("05", Advice.RETRY_LATER), ("41", Advice.NEVER)]
)
def test_a_code_of_no_table_is_soft_up_to_its_cap(code: str, advice: Advice) -> None:
    assert judged(said(code), {}, MOST_UNMAPPED - 1).advice is advice
    soft = Advice.NEVER if code == "41" else Advice.RETRY_LATER
    assert judged(said(code), {}, MOST_UNMAPPED - 2).advice is soft


def test_a_code_that_was_classed_has_no_cap() -> None:
    overrides = {"77": DeclineClass.DO_NOT_HONOR}
    assert judged(said("77"), overrides, 10).advice is Advice.RETRY_LATER


def test_a_scheme_forbids_a_code_of_no_table_at_once() -> None:
    assert judged(said("77", "03"), {}, 0).advice is Advice.NEVER
