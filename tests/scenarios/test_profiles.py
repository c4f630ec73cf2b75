"""The main job at a processor of each profile: what its adapter declares is all that the gateway relies on.

Whatever is lost on the way, an invoice is paid once or a case names it; the invariants after each test say so.
"""

from __future__ import annotations

from typing import Any

import pytest

from gateway.sandbox.practice.account import Scripted
from gateway.sandbox.practice.kinds import TokenKind
from gateway.sandbox.practice.manner import MANNERS
from tests.support.people import Signup
from tests.support.returning import refund_later, returned, speak_like
from tests.support.world import World

pytestmark = [pytest.mark.scenario(2), pytest.mark.parametrize("like", sorted(set(MANNERS) - {"practice"}))]

STEPS: list[dict[str, int]] = [
    {"days": 24},
    {"seconds": 15},
    {"minutes": 2},
    {"minutes": 6},
    {"minutes": 20},
    *[{"hours": 4}] * 4,
    *[{"days": 2}] * 4,
]
"""From the first invoice to the end of the second one's days: what is tried again has its turns in between."""
CHARGE: dict[str, Any] = {"method": "POST", "path": "/v1/charges"}


@pytest.fixture(autouse=True)
async def _speaks(world: World, like: str) -> None:
    await speak_like(world, like)


async def _signed_up(world: World) -> Signup:
    """The first invoice is paid, as soon as this processor pays."""
    signup = await world.signup("ok", wait_s=0)
    await world.later(days=8)
    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    return signup


async def _renewed(world: World, signup: Signup) -> str:
    """The first renewal's invoice, after its days."""
    for by in STEPS:
        await world.later(**by)
    return str(world.invoices_of(signup.subscription)[1]["id"])


async def _paid_once(world: World, invoice: str) -> None:
    assert world.stripe_invoice(invoice)["status"] == "paid"
    assert (await world.attempts(invoice)).count("succeeded") == 1
    assert sum(c.reference.startswith(invoice) for c in world.captures()) == 1
    assert await world.open_cases() == []


async def test_a_renewal(world: World) -> None:
    signup = await _signed_up(world)
    await _paid_once(world, await _renewed(world, signup))


async def test_a_lost_answer(world: World) -> None:
    signup = await _signed_up(world)
    world.practice.faults.add("lost_after", **CHARGE)
    await _paid_once(world, await _renewed(world, signup))


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["lost_before", "error_after", "broken_body", "429"])
async def test_a_fault(world: World, fault: str) -> None:
    signup = await _signed_up(world)
    if fault == "429":
        world.practice.faults.add("error_before", status=429, delay_s=90, **CHARGE)
    else:
        world.practice.faults.add(fault, **CHARGE)
    await _paid_once(world, await _renewed(world, signup))


@pytest.mark.slow
async def test_a_lost_answer_that_no_webhook_mends(world: World) -> None:
    """Where nothing can be read back and no notice comes, the same bytes again tell, or a case does."""
    signup = await _signed_up(world)
    world.practice.delivery.set(drop=True)
    world.practice.faults.add("lost_after", **CHARGE)
    invoice = await _renewed(world, signup)
    if world.stripe_invoice(invoice)["status"] != "paid":
        assert await world.open_cases() != []
    assert sum(c.reference.startswith(invoice) for c in world.captures()) == 1


@pytest.mark.slow
async def test_a_decline_is_tried_again(world: World) -> None:
    signup = await _signed_up(world)
    world.practice.script(world.shop.practice_key, Scripted(TokenKind.DECLINE_INSUFFICIENT_FUNDS))
    invoice = await _renewed(world, signup)
    assert world.stripe_invoice(invoice)["status"] == "paid"
    assert sum(c.reference.startswith(invoice) for c in world.captures()) == 1


@pytest.mark.slow
async def test_a_refund(world: World) -> None:
    signup = await _signed_up(world)
    await refund_later(world, signup.invoice, amount=400)
    for _ in range(6):
        await world.later(days=2)
    assert returned(world) == [400]


@pytest.mark.slow
async def test_the_payer_takes_the_method_away(world: World) -> None:
    """Told by webhook, found by asking, or met as a decline: nothing is charged after that."""
    signup = await _signed_up(world)
    world.practice.revoke_method(world.methods_at_processor()[0].token)
    invoice = await _renewed(world, signup)
    assert world.stripe_invoice(invoice)["status"] == "open"
    assert len(world.captures()) == 1
