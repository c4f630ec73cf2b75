"""Why a payment failed: by its event's cause, by the bank's code, and by what its mandate has become."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import respx

from processors.gocardless.client import GoCardlessAdapter
from processors.gocardless.declines import AT_CREATION, DECLINES
from processors.outcome import Advice, DeclineClass, Declined
from tests.processors.gocardless.conftest import charge, error, failed, mandate, one, page, payment


@pytest.mark.parametrize(
    ("code", "decline_class", "advice"),
    [
        ("insufficient_funds", DeclineClass.INSUFFICIENT_FUNDS, Advice.RETRY_LATER),
        ("refer_to_payer", DeclineClass.INSUFFICIENT_FUNDS, Advice.RETRY_LATER),
        ("bank_account_closed", DeclineClass.ACCOUNT_CLOSED, Advice.NEW_PAYMENT_METHOD),
        ("invalid_bank_details", DeclineClass.INVALID_PAYMENT_METHOD, Advice.NEW_PAYMENT_METHOD),
        ("direct_debit_not_enabled", DeclineClass.NOT_PERMITTED, Advice.NEW_PAYMENT_METHOD),
        ("bank_account_transferred", DeclineClass.INVALID_PAYMENT_METHOD, Advice.NEW_PAYMENT_METHOD),
        ("mandate_cancelled", DeclineClass.REVOKED, Advice.NEW_PAYMENT_METHOD),
        ("mandate_expired", DeclineClass.EXPIRED, Advice.NEW_PAYMENT_METHOD),
        ("authorisation_disputed", DeclineClass.FRAUD, Advice.NEVER),
        ("payer_deceased", DeclineClass.ACCOUNT_CLOSED, Advice.NEVER),
        ("a_cause_of_tomorrow", DeclineClass.DO_NOT_HONOR, Advice.RETRY_LATER),
    ],
)
async def test_the_cause_decides(
    adapter: GoCardlessAdapter, api: respx.MockRouter, code: str, decline_class: DeclineClass, advice: Advice
) -> None:
    api.post("/payments").mock(return_value=one("payments", payment("failed"), 201))
    api.get("/events").mock(return_value=page("events", failed(1, code)))
    decline = (await charge(adapter)).decline
    assert (decline.decline_class, decline.advice) == (decline_class, advice)
    assert (decline.processor_code, decline.processor_message) == (code, "No money.")
    assert decline.mapped is (code in DECLINES.classes)


@pytest.mark.parametrize("code", ["41", "R1", "04"])
async def test_a_banks_code_is_not_taken_for_a_card_networks(
    adapter: GoCardlessAdapter, api: respx.MockRouter, code: str
) -> None:
    api.post("/payments").mock(return_value=one("payments", payment("failed"), 201))
    api.get("/events").mock(return_value=page("events", failed(1, scheme="pad", reason_code=code)))
    decline = (await charge(adapter)).decline
    assert (decline.advice, decline.network_code) == (Advice.RETRY_LATER, f"pad:{code}")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("cancelled", "mandate_cancelled"),
        ("failed", "mandate_failed"),
        ("blocked", "mandate_blocked"),
        ("expired", "mandate_expired"),
        ("consumed", "mandate_consumed"),
        ("suspended_by_payer", "mandate_suspended_by_payer"),
        ("of_tomorrow", "mandate_is_inactive"),
    ],
)
async def test_an_inactive_mandate_says_why(
    adapter: GoCardlessAdapter, api: respx.MockRouter, status: str, code: str
) -> None:
    api.post("/payments").mock(return_value=error("mandate_is_inactive"))
    api.get("/mandates/MD0000MADEUP1").mock(return_value=one("mandates", mandate(status)))
    outcome = await charge(adapter)
    assert isinstance(outcome, Declined)
    assert (outcome.decline.processor_code, outcome.decline.mapped) == (code, True)


@pytest.mark.parametrize("answer", [httpx.Response(503), httpx.ConnectError("refused"), error("x", 404)])
async def test_an_inactive_mandate_that_can_not_be_asked_is_gone(
    adapter: GoCardlessAdapter, api: respx.MockRouter, answer: Any
) -> None:
    api.post("/payments").mock(return_value=error("mandate_is_inactive"))
    api.get("/mandates/MD0000MADEUP1").mock(side_effect=[answer])
    outcome = await charge(adapter)
    assert isinstance(outcome, Declined)
    assert outcome.decline.decline_class is DeclineClass.REVOKED


@pytest.mark.parametrize("code", sorted(AT_CREATION - {"mandate_is_inactive"}))
async def test_the_payers_side_refuses_a_payment_at_once(
    adapter: GoCardlessAdapter, api: respx.MockRouter, code: str
) -> None:
    api.post("/payments").mock(return_value=error(code))
    outcome = await charge(adapter)
    assert isinstance(outcome, Declined)
    assert outcome.decline.advice is Advice.NEW_PAYMENT_METHOD
