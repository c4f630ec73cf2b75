"""Payment methods after they were stored, the payer's agreement page, and the staff's dashboard."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sandbox.practice import KEY, Merchant


@pytest.fixture
def merchant() -> Merchant:
    return Merchant()


@pytest.mark.parametrize(
    ("verb", "status", "event", "code"),
    [
        ("revoke", "revoked", "method.revoked", "method_revoked"),
        ("expire", "expired", "method.expired", "expired_card"),
        ("suspend", "suspended", "method.suspended", "account_locked"),
    ],
)
async def test_a_method_that_can_not_be_charged(
    merchant: Merchant, verb: str, status: str, event: str, code: str
) -> None:
    token = merchant.token()
    assert (await merchant.control(f"/methods/{token}/{verb}"))["status"] == status
    assert (await merchant.get(f"/methods/{token}"))["status"] == status
    assert (await merchant.charge(method=token))["decline"]["code"] == code
    assert merchant.told()[0] == event
    assert (await merchant.control(f"/methods/{token}/reinstate"))["status"] == "active"
    assert "method.reinstated" in merchant.told()
    assert (await merchant.charge(method=token))["status"] == "succeeded"


async def test_a_method_becomes_another(merchant: Merchant) -> None:
    old = merchant.token()
    new = (await merchant.control(f"/methods/{old}/replace"))["token"]
    (event,) = (json.loads(one.content) for one in merchant.account.events.values())
    assert (event["type"], event["data"]["token"]) == ("method.replaced", old)
    assert event["data"]["replacement"]["token"] == new
    assert (await merchant.charge(method=old))["status"] == "failed"
    assert (await merchant.charge(method=new))["status"] == "succeeded"
    await merchant.control(f"/methods/{old}/replace", status=400)


@pytest.mark.parametrize("stored", [{"manner": {"collection": "wallet"}}, {"kind": "wallet"}])
async def test_a_payer_ends_the_agreement_in_the_wallet(merchant: Merchant, stored: dict[str, Any]) -> None:
    merchant.manner(**stored.get("manner", {}))
    token = merchant.token(stored.get("kind", "ok"))
    url = f"/agreement/{merchant.account.methods[token].agreement}"
    assert "End this agreement" in (await merchant.http.get(url)).text
    await merchant.http.post(url)
    assert merchant.told() == ["agreement.cancelled"]
    assert "revoked" in (await merchant.http.get(url)).text
    assert (await merchant.http.get("/agreement/pagr_0")).status_code == 404


async def test_staff_refund_and_dispute_in_the_dashboard(merchant: Merchant) -> None:
    charge = await merchant.charge(description="<b>")
    url = f"/dashboard/{merchant.account.id}"
    assert url in (await merchant.http.get("/dashboard")).text
    assert (await merchant.http.post(url, data={"charge": charge["id"], "do": "refund", "amount": "300"})).is_redirect
    assert (await merchant.http.post(url, data={"charge": charge["id"], "do": "opened"})).is_redirect
    (dispute,) = merchant.account.disputes.values()
    await merchant.http.post(url, data={"dispute": dispute.id, "do": "partly_lost", "amount": "400"})
    assert (dispute.status, dispute.withdrawn) == ("partly_lost", 400)
    shown = (await merchant.http.get(url)).text
    assert "Refund of 300: succeeded, from the dashboard" in shown
    assert "partly lost" in shown


@pytest.mark.parametrize("form", [{}, {"do": "refund", "amount": "much"}, {"do": "refund", "amount": "2000"}])
async def test_the_dashboard_says_what_is_not_possible(merchant: Merchant, form: dict[str, str]) -> None:
    charge = await merchant.charge()
    answer = await merchant.http.post(f"/dashboard/{merchant.account.id}", data={"charge": charge["id"]} | form)
    assert answer.status_code == 409
    assert merchant.account.refunds == {}


async def test_what_is_typed_in_is_shown_as_text(merchant: Merchant) -> None:
    await merchant.charge(reference="<script>x</script>")
    assert "<script>" not in (await merchant.http.get(f"/dashboard/{merchant.account.id}")).text


async def test_a_reset_keeps_keys_and_manners(merchant: Merchant) -> None:
    merchant.manner(like="adyen")
    charge = await merchant.charge()
    merchant.processor.refund_from_dashboard(charge["id"])
    merchant.processor.open_dispute(charge["id"])
    await merchant.control("/reset")
    account = merchant.processor.account(KEY)
    assert account.manner.like == "adyen"
    held = (account.charges, account.refunds, account.disputes, account.entries, account.events)
    assert [len(one) for one in held] == [0, 0, 0, 0, 0]


async def test_the_payers_address_is_kept_with_the_method_and_told_to_whoever_asks_for_it(merchant: Merchant) -> None:
    setup = await merchant.post("/setups", {"reference": "r", "currency": "EUR"})
    home = {"country": "DE", "postal_code": "10115"}
    done = await merchant.post(f"/setups/{setup['id']}/complete", {"token_kind": "ok", "address": home}, 200)
    token = done["method"]["token"]
    new = (await merchant.control(f"/methods/{token}/replace"))["token"]
    assert [(await merchant.get(f"/methods/{one}"))["address"] for one in (token, new, merchant.token())] == [
        home, home, None
    ]  # fmt: skip
    assert "10115" not in str(done) + str([one.content for one in merchant.account.events.values()])
