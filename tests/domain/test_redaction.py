"""What is shown of a webhook's body: what is on the list, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from gateway.domain.redaction import REMOVED, redacted
from tests.inbox import bodies

CANARY = "Ada Lovelace 4111111111111111"
STRIPE: dict[str, Any] = {
    "id": "evt_1AbC",
    "object": "event",
    "type": "invoice.paid",
    "created": 1_800_000_000,
    "api_version": "2026-08-26.dahlia",
    "livemode": False,
    "data": {
        "object": {
            "id": "in_1",
            "object": "invoice",
            "customer": "cus_1",
            "customer_email": "ada@example.com",
            "customer_address": {"country": "GB", "line1": "12 St James's Square", "status": "moved"},
            "status": "paid",
            "amount_due": 1190,
            "hosted_invoice_url": "https://invoice.stripe.com/i/acct_1/secret",
            "metadata": {"Ada Lovelace": "ada", "id": "in_2"},
            "default_payment_method": "pm_1Secret",
            "lines": {"object": "list", "data": [{"id": "il_1", "description": "for Ada", "amount": 1190}]},
            "payment_settings": {"payment_method_options": None},
        }
    },
}


def _shown(body: Any) -> Any:
    return json.loads(redacted(json.dumps(body).encode()))


def test_ids_states_amounts_and_times_stay_where_they_are() -> None:
    shown = _shown(STRIPE)
    assert {name: shown[name] for name in ("id", "type", "created", "api_version", "livemode")} == {
        name: STRIPE[name] for name in ("id", "type", "created", "api_version", "livemode")
    }
    invoice = shown["data"]["object"]
    assert (invoice["id"], invoice["customer"], invoice["status"], invoice["amount_due"]) == (
        *("in_1", "cus_1", "paid"),
        1190,
    )
    assert invoice["lines"]["data"] == [{"id": "il_1", "description": REMOVED, "amount": 1190}]


def test_persons_and_secrets_leave_their_place_alone() -> None:
    invoice = _shown(STRIPE)["data"]["object"]
    for name in ("customer_email", "hosted_invoice_url", "default_payment_method"):
        assert invoice[name] == REMOVED
    assert set(invoice["customer_address"].values()) == {REMOVED}, "also a field that is shown elsewhere"
    assert invoice["metadata"] == {"[field 1]": REMOVED, "id": REMOVED}


@pytest.mark.parametrize(
    "secret",
    [
        "whsec_abc",
        "sk_test_51abc",
        "rk_live_1",
        "pi_1_secret_2",
        "pm_1",
        "tok_1",
        "src_1",
        "seti_1",
        "ada@example.com",
        "PAYID Ada",
    ],
)
def test_no_field_of_an_id_shows_a_secret(secret: str) -> None:
    for name in ("id", "payment_intent", "customer"):
        assert _shown({"type": "invoice.paid", name: secret})[name] == REMOVED


def test_whatever_a_text_is_and_wherever_it_stands_only_what_looks_right_is_shown() -> None:
    def poisoned(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: poisoned(inner) for name, inner in value.items()} | {CANARY: CANARY}
        if isinstance(value, list):
            return [*map(poisoned, value), CANARY]
        return CANARY

    assert "Ada" not in redacted(json.dumps(poisoned(STRIPE)).encode())


ADYEN = {
    "eventCode": "AUTHORISATION",
    "pspReference": "QFQTPCQ8HXSKGK82",
    "merchantReference": "in_1.1",
    "reason": "033899:1111:03/2030",
    "success": "true",
    "amount": {"value": 1190, "currency": "EUR"},
    "additionalData": {"cardSummary": "1111", "hmacSignature": "c2VjcmV0", "pspReference": "QFQTPCQ8HXSKGK82"},
}
PAYPAL = {
    "id": "WH-2WR32451HC0233532-67976317FL4543714",
    "event_type": "PAYMENT.CAPTURE.COMPLETED",
    "resource": {
        "id": "42311647XV020574X",
        "amount": {"currency_code": "EUR", "value": "11.90"},
        "payer": {"payer_id": "QYR5Z8XDVJNXQ", "name": {"given_name": "Ada"}},
        "custom_id": "in_1.1",
        "create_time": "2027-03-01T12:00:00Z",
        "links": [{"href": "https://api.paypal.com/x", "rel": "self"}],
    },
}


def test_processors_bodies() -> None:
    adyen, paypal = _shown(ADYEN), _shown(PAYPAL)
    assert adyen["amount"] == {"value": 1190, "currency": "EUR"}
    assert (adyen["pspReference"], adyen["merchantReference"], adyen["reason"]) == (
        *("QFQTPCQ8HXSKGK82", "in_1.1"),
        REMOVED,
    )
    assert set(adyen["additionalData"].values()) == {REMOVED}
    resource = paypal["resource"]
    assert (resource["id"], resource["amount"]["value"], resource["custom_id"]) == (
        "42311647XV020574X",
        "11.90",
        "in_1.1",
    )
    assert "Ada" not in str(paypal)
    assert resource["create_time"] == "2027-03-01T12:00:00Z"


def test_a_shops_own_reference_may_be_a_name() -> None:
    assert _shown(ADYEN | {"merchantReference": "lovelace.1"})["merchantReference"] == REMOVED


@pytest.mark.parametrize("kind", ["RECURRING_CONTRACT", "recurring.token.created", "VAULT.PAYMENT-TOKEN.CREATED"])
def test_what_tells_of_a_payment_method_shows_no_id_that_may_be_its_token(kind: str) -> None:
    shown = _shown({"eventCode": kind, "pspReference": "8313842560770001", "id": "M5N7TQ4TG5PFWR50"})
    assert (shown["pspReference"], shown["id"]) == (REMOVED, REMOVED)


def test_xml_and_bare_ids() -> None:
    xml = b"<notification><kind>dispute_opened</kind><subject><dispute><id>dp4xy</id><amount>11.90</amount>"
    xml += b"<customer><email>ada@example.com</email></customer></dispute></subject></notification>"
    dispute = json.loads(redacted(xml))["notification"]["subject"]["dispute"]
    assert dispute == {"id": "dp4xy", "amount": "11.90", "customer": {"email": REMOVED}}
    assert json.loads(redacted(b"tr_abc123")) == {"id": "tr_abc123"}
    assert json.loads(redacted(b"mdt_abc123")) == {"id": REMOVED}
    assert redacted(b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>') == "[40 bytes that can't be read]"


@settings(max_examples=60, deadline=None)
@given(bodies.STRIPE)
def test_nothing_is_too_odd_for_it(body: bytes) -> None:
    assert redacted(body)


@pytest.mark.parametrize("field", ["id", "psp_reference", "processor_id", "charge_id", "amount", "amount_due"])
@pytest.mark.parametrize(
    "number", ["4242424242424242", "4242-4242-4242-4242", "378282246310005", 4242424242424242, "6304000000000000"]
)
def test_a_cards_number_is_shown_nowhere(field: str, number: object) -> None:
    assert _shown({field: number}) == {field: REMOVED}


def test_digits_that_are_no_cards_number_are_an_id() -> None:
    told = {"psp_reference": "8535516988686411", "amount": 4_242_424_242}
    assert _shown(told) == told
