"""Payment methods and setup intents, as a checkout uses them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.sandbox.stripe.ready_made import ALL, by_name
from tests.sandbox.conftest import World
from tests.sandbox.test_invoices import refused

CARD = {"number": "4242 4242 4242 4242", "exp_month": 5, "exp_year": 2031, "cvc": "123"}


async def saved(world: World, customer: Any, name: str = "pm_card_visa") -> Any:
    return await world.v1.payment_methods.attach_async(name, {"customer": customer.id})


async def test_a_card_by_its_number(world: World) -> None:
    method = await world.v1.payment_methods.create_async({"type": "card", "card": CARD})
    assert (method.card.brand, method.card.last4, method.card.exp_year, method.customer) == ("visa", "4242", 2031, None)
    wrong = await refused(world.v1.payment_methods.create_async({"type": "card", "card": {**CARD, "number": "42"}}))
    assert (wrong.http_status, wrong.code) == (402, "incorrect_number")


async def test_tokens_and_bank_accounts(world: World) -> None:
    master = await world.v1.payment_methods.create_async({"type": "card", "card": {"token": "tok_mastercard"}})
    assert master.card.brand == "mastercard"
    params = {
        "type": "sepa_debit",
        "sepa_debit": {"iban": "DE89370400440532013000"},
        "billing_details": {"name": "Ada"},
    }
    sepa = await world.v1.payment_methods.create_async(params)
    assert (sepa.sepa_debit.last4, sepa.sepa_debit.country, sepa.billing_details.name) == ("3000", "DE", "Ada")


@pytest.mark.parametrize(
    ("name", "means"),
    [("pm_card_visa_chargeDeclined", "chargeDeclined"), ("tok_amex", "amex"), ("pm_sepaDebit_x", "sepaDebit"),
     ("pm_gold", "visa"), ("pm_oddlyDeclined", "chargeDeclined"), ("pm_1" + "a" * 23, None), ("cus_1", None)],
)  # fmt: skip
def test_names_of_ready_made_methods(name: str, means: str | None) -> None:
    assert by_name(name) == means
    assert means is None or means in ALL


async def test_intents_with_the_payment_methods_of_the_account(world: World) -> None:
    asked: Any = {"automatic_payment_methods": {"enabled": True}}
    payment = await world.v1.payment_intents.create_async({"amount": 500, "currency": "eur", **asked})
    setup = await world.v1.setup_intents.create_async(asked)
    for intent in (payment, setup):
        assert intent.automatic_payment_methods.to_dict() == {"enabled": True, "allow_redirects": "always"}


async def test_attach_list_detach(world: World) -> None:
    customer = await world.customer()
    first, second = await saved(world, customer), await saved(world, customer, "pm_card_amex")
    listed = await world.v1.customers.payment_methods.list_async(customer.id, {"limit": 1})
    assert ([m.id for m in listed.data], listed.has_more) == ([second.id], True)
    gone = await world.v1.payment_methods.detach_async(second.id)
    assert gone.customer is None
    left = await world.v1.payment_methods.list_async({"customer": customer.id, "type": "card"})
    assert [m.id for m in left.data] == [first.id]
    again = await refused(world.v1.payment_methods.attach_async(second.id, {"customer": customer.id}))
    assert "may not be used again" in (again.user_message or "")
    assert world.types_since(0)[-3:] == [
        "payment_method.attached",
        "payment_method.attached",
        "payment_method.detached",
    ]


async def test_a_declined_card_is_not_saved(world: World) -> None:
    customer = await world.customer()
    error = await refused(saved(world, customer, "pm_card_visa_chargeDeclinedInsufficientFunds"))
    assert (error.http_status, error.code, error.json_body["error"]["decline_code"]) == (
        402, "card_declined", "insufficient_funds",
    )  # fmt: skip


async def test_a_default_must_be_the_customers_own(world: World) -> None:
    ada, bob = await world.customer(), await world.customer()
    method = await saved(world, ada)
    settings = {"invoice_settings": {"default_payment_method": method.id}}
    updated = await world.v1.customers.update_async(
        ada.id, {**settings, "expand": ["invoice_settings.default_payment_method"]}
    )
    assert updated.invoice_settings.default_payment_method.card.last4 == "4242"
    error = await refused(world.v1.customers.update_async(bob.id, settings))
    assert error.code == "resource_missing"
    await world.v1.payment_methods.detach_async(method.id)
    assert (await world.v1.customers.retrieve_async(ada.id)).invoice_settings.default_payment_method is None


async def test_updating_a_method(world: World) -> None:
    method = await saved(world, await world.customer())
    changed = await world.v1.payment_methods.update_async(
        method.id, {"card": {"exp_year": 2040}, "billing_details": {"email": "a@example.com"}, "metadata": {"k": "v"}}
    )
    assert (changed.card.exp_year, changed.billing_details.email, changed.metadata["k"]) == (2040, "a@example.com", "v")
    assert world.types_since(0)[-1] == "payment_method.updated"
    unknown = await refused(world.v1.payment_methods.update_async(method.id, {"card": {"cvc": "1"}}))
    assert unknown.code == "parameter_unknown"


async def test_a_setup_intent_saves_a_method(world: World) -> None:
    customer = await world.customer()
    intent = await world.v1.setup_intents.create_async({"customer": customer.id, "payment_method": "pm_card_visa"})
    assert (intent.status, intent.client_secret.startswith(intent.id)) == ("requires_confirmation", True)
    done = await world.v1.setup_intents.confirm_async(intent.id, {"expand": ["payment_method"]})
    assert (done.status, done.payment_method.customer) == ("succeeded", customer.id)
    assert world.types_since(0)[-3:] == ["setup_intent.created", "payment_method.attached", "setup_intent.succeeded"]
    late = await refused(world.v1.setup_intents.cancel_async(intent.id))
    assert late.code == "setup_intent_unexpected_state"


@pytest.mark.parametrize(("result", "status"), [("complete", "succeeded"), ("fail", "requires_payment_method")])
async def test_a_setup_that_asks_the_payer(world: World, result: str, status: str) -> None:
    customer = await world.customer()
    params = {"customer": customer.id, "payment_method": "pm_card_authenticationRequired", "confirm": True}
    asked = await world.v1.setup_intents.create_async({**params, "return_url": "https://shop.example/back"})
    assert asked.status == "requires_action"
    async with httpx.AsyncClient(trust_env=False) as browser:
        url = asked.next_action.redirect_to_url.url
        assert "Complete" in (await browser.get(url)).text
        sent = await browser.post(url, data={"result": result})
    assert sent.headers["location"].startswith(f"https://shop.example/back?setup_intent={asked.id}&")
    after = await world.v1.setup_intents.retrieve_async(asked.id)
    assert after.status == status
    saved_ones = await world.v1.customers.payment_methods.list_async(customer.id)
    assert len(saved_ones.data) == (status == "succeeded")


async def test_a_setup_that_is_declined_or_canceled(world: World) -> None:
    error = await refused(
        world.v1.setup_intents.create_async({"payment_method": "pm_card_chargeDeclined", "confirm": True})
    )
    assert (error.http_status, error.code) == (402, "card_declined")
    listed = await world.v1.setup_intents.list_async({"limit": 1})
    assert (listed.data[0].status, listed.data[0].last_setup_error.code) == ("requires_payment_method", "card_declined")
    canceled = await world.v1.setup_intents.cancel_async(listed.data[0].id, {"cancellation_reason": "abandoned"})
    assert canceled.status == "canceled"
    assert world.types_since(0) == ["setup_intent.created", "setup_intent.setup_failed", "setup_intent.canceled"]


@pytest.mark.parametrize(
    ("method", "path", "params"),
    [("POST", "/v1/payment_methods", {"type": "card", "card": {"token": "tok_visa", "pin": "1"}}),
     ("POST", "/v1/setup_intents", {"automatic_payment_methods": {"enabled": True, "odd": "1"}}),
     ("POST", "/v1/payment_intents", {"amount": 500, "currency": "eur", "odd": "1"}),
     ("POST", "/v1/refunds", {"charge": "ch_1", "odd": "1"}),
     ("POST", "/v1/disputes/du_1", {"evidence": {"odd": "1"}}),
     ("POST", "/v1/payment_records/pr_1/report_refund",
      {"outcome": "refunded", "processor_details": {"type": "custom", "custom": {"refund_reference": "r", "odd": 1}}}),
     ("POST", "/v1/billing_portal/sessions",
      {"customer": "cus_1", "flow_data": {"type": "payment_method_update", "odd": "1"}}),
     ("POST", "/v1/customers/cus_1/balance_transactions", {"amount": 1, "currency": "eur", "odd": "1"}),
     ("GET", "/v1/charges", {"created": {"odd": "1"}}), ("GET", "/v1/disputes", {"odd": "1"})],
)  # fmt: skip
async def test_unknown_parameters_are_refused_at_every_depth(
    world: World, method: str, path: str, params: dict[str, Any]
) -> None:
    error = await refused(world.client.raw_request_async(method.lower(), path, **params))
    assert error.code == "parameter_unknown"
