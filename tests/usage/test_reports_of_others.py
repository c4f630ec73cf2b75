"""Reports of Stripe's that are about something else, or that nobody can read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from db.engine import DB
from gateway.accounts import accounts
from gateway.accounts.accounts import AccountChange
from gateway.accounts.audit import Author
from gateway.billing import meters
from gateway.billing.meters import ReportShape
from gateway.clock import business_now
from gateway.inbox import stripe_events
from gateway.usage import refused, send
from tests.support.metered import Metered


async def test_a_report_about_another_meter_marks_nothing_of_this_one(plan: Metered) -> None:
    """Another backend of the merchant reports to a meter of its own under the same identifier. Its event is refused,
    ours is counted; marked as refused, it is reported once more under a new identifier, and billed twice."""
    await plan.report(identifier="2027-03-01")
    await plan.world.settle()
    told = {
        "id": "evt_1",
        "related_object": {"id": "mtr_of_another_backend"},
        "data": {
            "reason": {
                "error_types": [
                    {
                        "code": "meter_event_invalid_value",
                        "error_count": 1,
                        "sample_errors": [{"error_message": "no", "request": {"identifier": "2027-03-01"}}],
                    }
                ]
            }
        },
    }
    async with DB.transaction():
        await refused.by_report(plan.shop.account, msgspec.convert(told, ReportShape), await business_now())
    assert (await plan.states(), len(plan.counted())) == ({"2027-03-01": "sent"}, 1)


@pytest.mark.parametrize(
    "data",
    [{}, {"reason": {}}, {"reason": {"errors": [{"code": "x", "count": 5}]}}, {"summary": {"error_count": 5}}],
    ids=["nothing", "no types", "other names", "other places"],
)
async def test_a_report_of_a_shape_that_nobody_knows_is_parked(plan: Metered, data: dict[str, Any]) -> None:
    """It says that usage is not counted, and we can't read which: dropped as `none of ours`, nobody hears of it."""
    await plan.report()
    await plan.world.settle()
    report = msgspec.convert({"id": "evt_1", "related_object": {"id": plan.meter}, "data": data}, ReportShape)
    async with DB.transaction():
        ends = await stripe_events.apply(plan.shop.account, {"dlv_1": report}, await business_now())
    assert ends["dlv_1"].state == "parked", ends["dlv_1"]


async def test_an_account_that_is_disabled_sends_nothing_more(plan: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn takes fifty rounds: disabled in the first, it goes on to send the whole backlog, with the key it has."""
    monkeypatch.setattr(send, "BATCH", 2)
    await plan.report(events=[plan.event(f"u-{number}") for number in range(20)])
    real, keyring = meters.send_usage, plan.world.runtime.keyring

    async def sending(*args: Any) -> None:
        monkeypatch.setattr(send, "send_usage", real)
        await accounts.update(keyring, Author("test"), plan.shop.account, AccountChange(enabled=False))
        await real(*args)

    monkeypatch.setattr(send, "send_usage", sending)
    await plan.world.settle()
    sent = plan.sent()
    await accounts.update(keyring, Author("test"), plan.shop.account, AccountChange(enabled=True))
    await plan.world.settle()
    assert sent <= 2, "a disabled account asks Stripe for nothing"
