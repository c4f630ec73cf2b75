"""A customer is erased on request: nothing of the person stands in any column afterwards, and the books still do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from db import sql
from gateway.customers import personal
from gateway.replies import place
from tests.support.canaries import COLUMNS
from tests.support.people import Signup
from tests.support.returning import refund_later, returned
from tests.support.world import World

SCHEMA = Path(__file__).parents[2] / "db" / "migrations" / "0001_initial.sql"
NAME, MAIL, STREET = "Quastenhuber", "canary@payer.example", "Kanarienweg 77"
MAILS = "select count(*) from tollbridge.invoice where mail_hash is not null"
WORDS = "select string_agg(word, ' ' order by word) from tollbridge.customer_word"
IP, NOTE = "203.0.113.77", "canary-note"
PERSON = {
    "name": f"Z. {NAME}",
    "email": MAIL,
    "address": {"line1": STREET, "country": "DE", "postal_code": "10115"},
    "ip_address": IP,
}


async def _erase(world: World, customer: str, *, reason: str = "asked for") -> Any:
    return await world.call("POST", f"/v1/customers/{customer}/erase", {"reason": reason})


async def _everything(world: World) -> dict[str, str]:
    """Every row of every table as text, with what is encrypted of others' words opened."""
    found: dict[str, str] = {}
    for table in await sql.rows(COLUMNS):
        name = f"{table['schema']}.{table['name']}"
        rows = await sql.rows(f"select to_jsonb(t)::text as row from {name} t")
        found[name] = "\n".join(row["row"] for row in rows)
    keyring = world.runtime.keyring
    for row in await sql.rows("select id, body from tollbridge.delivery where body <> ''"):
        body = keyring.decrypt(row["body"], table="delivery", column="body", row=row["id"])
        found[f"delivery {row['id']}"] = body.decode()
    for row in await sql.rows("select * from tollbridge.idempotent_reply where body is not null"):
        whose = place((row["account"], row["principal"], row["key"]))
        found[f"reply {row['key']}"] = keyring.decrypt(row["body"], **whose).decode()
    return found


async def _where(world: World, canaries: list[str]) -> set[str]:
    forms = {form for one in canaries for form in (one, one.encode().hex())}
    return {place for place, text in (await _everything(world)).items() if any(form in text for form in forms)}


async def _lived(world: World) -> tuple[Signup, list[str]]:
    """A customer of whom something stands wherever it can."""
    await world.set_policy(stripe_mails_off=True, unused_methods="keep")
    await world.listen()
    details = {"customer_details": PERSON, "attributes": {"tier": NOTE}, "metadata": {"canary": NOTE}}
    opened = await world.call(
        "POST",
        "/v1/checkout_sessions",
        {"client_reference": "order-1", "items": [{"price": world.shop.price}], **details},
        headers={"idempotency-key": uuid4().hex},
    )
    assert opened.status_code in (200, 201), opened.text
    signup = Signup(opened.json())
    await world.give_card(signup.session)
    await world.confirm(signup.session)
    await world.settle()
    await world.new_card(signup.customer)
    await world.method_session(signup.customer, return_url=f"https://shop.example/{NOTE}", attributes={"tier": NOTE})
    await refund_later(world, signup.invoice, amount=400, memo=NOTE, note=f"for {NAME}")
    await world.call("POST", f"/v1/customers/{signup.customer}/pause_collection", {"reason": NOTE})
    await world.cancel(signup.subscription, reason=f"{NAME} moves")
    for case, invoice, reason in (("c1", signup.invoice, f"{MAIL} has called"), ("c2", "in_other", "DE 10115")):
        await sql.rows(
            """insert into tollbridge.review_case (id, account, kind, subject, invoice, reason, action, state,
                   opened_at)
               values ($1, $2, 'notice_mismatch', $3, $3, $4, '', 'open', now())""",
            case,
            world.shop.account,
            invoice,
            reason,
        )
        written = await world.call("POST", f"/v1/cases/{case}/notes", {"text": f"{reason} again"})
        assert written.status_code == 200, written.text
    [card] = {method["card"]["last4"] for method in await world.methods_of(signup.customer)}
    return signup, [NAME, MAIL, STREET, IP, NOTE, f'"last4": "{card}"', f'"last4":"{card}"']


async def test_nothing_of_the_person_is_left(world: World) -> None:
    signup, canaries = await _lived(world)
    before = await _where(world, canaries)
    assert {"tollbridge.checkout_session", "tollbridge.invoice", "tollbridge.payment_method"} <= before
    assert await sql.value(MAILS) > 0, "an invoice is found by it"
    assert await sql.value(WORDS) == f"{NAME.lower()} z", "and the customer by these"
    assert any(place.startswith("delivery") for place in before)

    answer = await _erase(world, signup.customer)
    assert answer.status_code == 200, answer.text
    await world.settle()

    shown = (await world.call("GET", f"/v1/customers/{signup.customer}")).json()
    assert shown["erased"] is not None
    assert {method.status for method in world.methods_at_processor()} == {"revoked"}
    assert (await sql.value(MAILS), await sql.value(WORDS)) == (0, None)
    left = await _where(world, canaries)
    assert left <= {"tollbridge.audit_log"}, "what somebody wrote there as their reason"

    reasons = [row["reason"] for row in await sql.rows("select reason from tollbridge.review_case order by id")]
    assert reasons == ["(erased)", "DE 10115"], "that is about somebody else"
    notes = [row["text"] for row in await sql.rows("select text from tollbridge.case_note order by review_case")]
    assert notes == ["(erased)", "DE 10115 again"]

    # It is read at Stripe once more, which still knows the name.
    await sql.rows("update tollbridge.invoice set poked = poked + 1, stale = true")
    await world.later(days=1)
    assert "tollbridge.invoice" not in await _where(world, canaries)
    assert (await sql.value(MAILS), await sql.value(WORDS)) == (0, None)


def test_every_table_is_accounted_for() -> None:
    made = re.findall(r"create (?:unlogged )?table tollbridge\.(\w+)", SCHEMA.read_text(encoding="utf-8"))
    told = set(re.findall(r"\w+", personal.__doc__ or ""))
    assert made
    assert set(made) <= told, "say in its docstring what the table holds of a person"


async def test_refunds_and_disputes_still_work(world: World) -> None:
    signup, _ = await _lived(world)
    await _erase(world, signup.customer)
    await world.settle()
    await refund_later(world, signup.invoice, amount=100)
    assert sorted(returned(world)) == [100, 400]
    world.practice.open_dispute(world.captures()[0].id, 500, stage="funds_withdrawn")
    await world.settle()
    assert await sql.value("select amount from tollbridge.dispute") == 500
    assert (await world.gateway_invoice(signup.invoice))["state"] == "paid"


async def test_what_stands_in_the_way_is_said(world: World) -> None:
    signup, renewal = await world.renew("pending_then_ok")
    refused = await _erase(world, signup.customer)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:tollbridge:error:state_conflict")
    assert f"subscription {signup.subscription} lives" in refused.json()["detail"]
    assert f"invoice {renewal} is not known" in refused.json()["detail"]
    await world.cancel(signup.subscription)
    assert "lives" not in (await _erase(world, signup.customer)).json()["detail"]
    await world.later(hours=25)
    assert (await _erase(world, signup.customer)).status_code == 200
    assert (await world.call("POST", "/v1/customers/cus_unknown/erase", {"reason": "x"})).status_code == 404


async def test_it_goes_on_where_the_processor_was_silent(world: World) -> None:
    await world.set_policy(unused_methods="keep")
    signup = await world.signup("ok")
    await world.cancel(signup.subscription)
    world.practice.faults.add("error_before", method="DELETE", path="/v1/methods/{token}", times=2)
    await _erase(world, signup.customer)
    await world.settle()
    shown = (await world.call("GET", f"/v1/customers/{signup.customer}")).json()
    assert (shown["erasure_requested"] is not None, shown["erased"]) == (True, None)
    for _ in range(3):
        await world.later(hours=1)
    shown = (await world.call("GET", f"/v1/customers/{signup.customer}")).json()
    assert shown["erased"] is not None


@pytest.mark.parametrize("times", [1, 2])
async def test_once_more_erases_what_has_come_since(world: World, times: int) -> None:
    signup = await world.signup("ok", customer_details=PERSON)
    await world.cancel(signup.subscription)
    await _erase(world, signup.customer)
    await world.settle()
    await world.shop.client.v1.customers.update_async(signup.customer, {"name": f"Once more {NAME}"})
    await world.settle()
    for _ in range(times):
        assert (await _erase(world, signup.customer)).status_code == 200
    assert await _where(world, [NAME, STREET]) == set()


async def test_an_agreement_that_is_reinstated_does_not_come_back(world: World) -> None:
    signup = await world.signup("wallet")
    [agreement] = world.methods_at_processor()
    world.practice.revoke_method(agreement.token)
    await world.settle()
    await world.cancel(signup.subscription)
    await _erase(world, signup.customer)
    world.practice.advance(1)
    world.practice.reinstate_method(agreement.token)
    await world.settle()
    assert [method["status"] for method in await world.methods_of(signup.customer)] == ["revoked"]
    assert await sql.value("select card::text from tollbridge.payment_method") == "{}"
