"""What somebody without any key can do to the doctor's report."""

from __future__ import annotations

import time

from gateway.doctor.events import look_at_door
from gateway.doctor.patient import patient
from gateway.domain.doctor import Level
from gateway.inbox.envelope import STRIPE
from gateway.inbox.refused import Refused
from gateway.inbox.verify import Refusal
from tests.support.world import World


async def test_a_stranger_does_not_turn_the_report_red(world: World) -> None:
    """Stripe's own deliveries are let in all the time; one forged POST an hour, by anybody who knows the account's
    name, makes the report not `ok`, the command's exit status a failure, and hides a real mistake among false ones."""
    await world.signup("ok")
    url = f"{world.gateway_url}/webhooks/stripe/{world.shop.name}"
    headers = {"stripe-signature": f"t={int(time.time())},v1=00"}
    assert (await world.http.post(url, content=b"{}", headers=headers)).status_code == 400
    # As the door counts it, and stores it a few seconds later.
    counted = Refused()
    counted.add(world.shop.account, STRIPE, Refusal.WRONG)
    await counted.store()
    found = await look_at_door(await patient(world.runtime, world.shop.account))
    assert [one for one in found if one.level is Level.WRONG] == []
