"""O. Where a customer is taxed: told by a server, by the payer's IP address, or by the processor."""

from __future__ import annotations

from typing import Any

import pytest

from db import sql
from tests.support.people import Signup
from tests.support.world import World

KEPT = {"country": "US", "postal_code": "94103", "state": "CA", "city": "San Francisco", "line1": "Hidden Street 548"}
AUDIT = "select action, before, after from tollbridge.audit_log where action = 'customer.tax_location'"


async def _taxed_nowhere(world: World) -> tuple[Signup, str]:
    """A renewal for a customer whose address is gone, so that Stripe can't tax it."""
    signup = await world.signup("ok", automatic_tax=True)
    await world.shop.client.v1.customers.update_async(signup.customer, {"address": ""})
    await world.later(days=31)
    return signup, str(world.invoices_of(signup.subscription)[-1]["id"])


async def _tell(world: World, customer: str, **body: Any) -> Any:
    return await world.call("POST", f"/v1/customers/{customer}/tax_location", body)


@pytest.mark.scenario(209)
@pytest.mark.parametrize(
    ("body", "paid"),
    [({"address": KEPT}, 1080), ({"ip_address": "8.8.8.8"}, 1190), ({"from": "processor"}, 1080)],
    ids=["address", "ip_address", "processor"],
)
async def test_the_location_is_told_and_what_waited_for_it_is_collected(
    world: World, body: dict[str, Any], paid: int
) -> None:
    signup, renewal = await _taxed_nowhere(world)
    assert await world.open_cases() == ["finalization_failed"]
    world.methods_at_processor()[0].address = KEPT

    told = await _tell(world, signup.customer, **body)
    await world.settle()

    assert (told.status_code, told.json()["automatic_tax"]) == (200, "supported")
    live = world.stripe_invoice(renewal)
    assert (live["status"], live["amount_paid"]) == ("paid", paid)
    assert [c.captured for c in world.captures()] == [1190, paid]
    assert await world.open_cases() == []
    assert KEPT["line1"] not in "".join(world.record.log), "where a payer lives is in no log"
    assert KEPT["line1"] not in told.text


@pytest.mark.scenario(209)
async def test_what_stripe_is_told_takes_the_place_of_what_it_knew(world: World) -> None:
    signup = await world.signup("ok", automatic_tax=True, customer_details={"name": "A. Payer", "address": KEPT})

    told = await _tell(world, signup.customer, address={"country": "DE", "postal_code": "10115"})

    live = await world.shop.client.v1.customers.retrieve_async(signup.customer)
    assert told.json() | {"customer": ""} == {
        "object": "tax_location", "customer": "", "source": "address", "connection": "", "automatic_tax": "supported"
    }  # fmt: skip
    assert live.address is not None
    assert (live.address.country, live.address.postal_code) == ("DE", "10115")
    assert (live.address.state, live.address.city, live.address.line1) == (None, None, None), "of another country"
    assert "Hidden" not in str([dict(row) for row in await sql.rows(AUDIT)])


NOWHERE: list[tuple[dict[str, Any], str]] = [
    ({"address": {"country": "US", "postal_code": ""}}, "address"),
    ({"address": {"city": "Berlin"}}, "address.country"),
    ({"ip_address": "127.0.0.1"}, "ip_address"),
    ({"ip_address": "nonsense"}, "ip_address"),
    ({"from": "processor"}, "from"),
    ({"from": "processor", "ip_address": "8.8.8.8"}, "from"),
    ({}, "address"),
]


@pytest.mark.scenario(209)
async def test_a_location_that_stripe_does_not_know_is_refused_by_its_name(world: World) -> None:
    signup, renewal = await _taxed_nowhere(world)
    world.methods_at_processor()[0].address = {"country": "US"}

    for body, param in NOWHERE:
        told = await _tell(world, signup.customer, **body)
        assert (told.status_code, told.json()["param"]) == (400, param)
    await world.settle()

    assert world.stripe_invoice(renewal)["status"] == "draft"
    assert len(world.captures()) == 1
    assert await world.open_cases() == ["finalization_failed"]
    here = {"address": {"country": "DE"}}
    await world.shop.client.v1.customers.update_async(signup.customer, here)


@pytest.mark.scenario(209)
async def test_the_processor_is_asked_by_the_method_that_is_charged_first(world: World) -> None:
    signup = await world.signup("ok")
    world.methods_at_processor()[0].address = {"country": "FR"}
    await world.new_card(signup.customer)
    before = len(world.stripe.calls)

    none_kept = await _tell(world, signup.customer, **{"from": "processor"})
    assert (none_kept.status_code, none_kept.json()["param"]) == (400, "from")
    assert len(world.stripe.calls) == before, "Stripe is not asked about nothing"

    first = (await world.methods_of(signup.customer))[0]["id"]
    await world.call("DELETE", f"/v1/customers/{signup.customer}/payment_methods/{first}")
    told = await _tell(world, signup.customer, **{"from": "processor"})
    assert (told.status_code, told.json()["source"], told.json()["connection"]) == (200, "processor", "practice-eu")
    live = await world.shop.client.v1.customers.retrieve_async(signup.customer)
    assert live.address is not None
    assert live.address.country == "FR"


@pytest.mark.scenario(209)
async def test_nobody_is_asked_about_a_stranger_or_one_without_a_method(world: World) -> None:
    signup = await world.signup("ok")
    [method] = await world.methods_of(signup.customer)
    await world.call("DELETE", f"/v1/customers/{signup.customer}/payment_methods/{method['id']}")
    await world.settle()
    calls = len(world.stripe.calls) + len(world.practice.calls)

    stranger = await _tell(world, "cus_nobody", address=KEPT)
    without = await _tell(world, signup.customer, **{"from": "processor"})

    assert (stranger.status_code, without.status_code, without.json()["param"]) == (404, 400, "from")
    assert len(world.stripe.calls) + len(world.practice.calls) == calls


@pytest.mark.scenario(209)
async def test_a_processor_that_is_away_is_asked_again_later(world: World) -> None:
    signup = await world.signup("ok")
    world.practice.faults.add("error_before", method="GET", path="/v1/methods/{token}", status=500)

    told = await _tell(world, signup.customer, **{"from": "processor"})

    assert (told.status_code, told.json()["type"]) == (503, "urn:tollbridge:error:processor_unavailable")
    assert told.headers["retry-after"]
