"""The walks through Stripe's lists: page by page, from where the last turn ended, and each thing once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from db import sql
from db.engine import DB
from db.states import Walk
from gateway.billing import lists
from gateway.billing.errors import StripeRefusedError
from gateway.clock import business_now
from gateway.inbox.intake import Listed
from gateway.reconcile import by_hand
from gateway.reconcile import catch_up as module
from gateway.reconcile import cursor as cursors
from gateway.reconcile.by_hand import catch_up_now
from gateway.reconcile.catch_up import Ended
from gateway.turns.turn import FAILURES_TO_CASE
from processors.events import Polled
from processors.practice.client import PracticeAdapter
from tests.support.world import World

STORED = "select count(*) from tollbridge.delivery where source = 'stripe'"


async def _lose_a_renewal(world: World) -> str:
    """A renewal of which no event arrives, a while after everything was walked; its id."""
    signup = await world.signup("ok")
    await world.later(days=27)
    await world.catch_up()
    await world.settle()
    world.stripe.delivery.set(drop=True)
    await world.later(days=4, hours=2)
    world.stripe.delivery.set(drop=False)
    return str(world.invoices_of(signup.subscription)[-1]["id"])


async def _walk(walk: str) -> Any:
    return await sql.row("select * from tollbridge.catch_up where walk = $1", walk)


async def _cursor(walk: str) -> str:
    return str(await sql.value("select page_after from tollbridge.catch_up where walk = $1", walk))


async def test_between_two_walks_only_undelivered_events_are_listed(world: World) -> None:
    await world.signup("ok")
    await world.later(minutes=5)
    await world.catch_up()
    await world.later(minutes=5)
    assert await world.catch_up() == 0, "webhooks had brought everything"
    first, second = world.stripe_calls("GET", "/v1/events")
    assert second.params["delivery_success"] in (False, "false")
    assert int(second.params["created"]["lte"]) > int(first.params["created"]["lte"])


async def test_nothing_is_walked_before_its_time(world: World) -> None:
    await world.signup("ok")
    await world.later(hours=7)
    await world.catch_up()
    calls = len(world.stripe.calls)
    assert await world.catch_up() == 0
    assert len(world.stripe.calls) == calls


async def test_many_pages_over_several_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    renewal = await _lose_a_renewal(world)
    world.stripe.calls.clear()
    monkeypatch.setattr(lists, "PAGE", 1)
    monkeypatch.setattr(module, "MOST_PAGES", 1)
    before = await sql.value(STORED)
    for _ in range(30):
        await world.catch_up()
        if not await _cursor("events"):
            break
    asked = [call.params.get("starting_after") for call in world.stripe_calls("GET", "/v1/events")]
    assert len(asked) == len(set(asked)) >= 2, "no page twice"
    assert await sql.value(STORED) > before
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.captures()) == 2


async def test_a_turn_that_dies_is_taken_up_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    renewal = await _lose_a_renewal(world)
    monkeypatch.setattr(lists, "PAGE", 1)
    pages: list[int] = []

    class Dying(Listed):
        async def events(self, account: str, events: Sequence[bytes]) -> int:
            new = await super().events(account, events)
            pages.append(len(events))
            if len(pages) == 2:
                raise RuntimeError("the process is gone")
            return new

    await module.catch_up(world.runtime, await business_now(), Dying(world.runtime.keyring))
    cursor, stored = await _cursor("events"), await sql.value(STORED)
    assert cursor, "the first page was taken in"
    await world.catch_up()
    assert cursor in [call.params.get("starting_after") for call in world.stripe_calls("GET", "/v1/events")]
    assert await sql.value(STORED) > stored
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"


async def test_a_cursor_that_stripe_has_forgotten_begins_the_walk_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewal = await _lose_a_renewal(world)
    monkeypatch.setattr(lists, "PAGE", 1)
    monkeypatch.setattr(module, "MOST_PAGES", 1)
    await world.catch_up()
    await sql.rows("update tollbridge.catch_up set page_after = 'evt_forgotten' where walk = 'events'")
    monkeypatch.undo()
    await world.catch_up()
    assert await _cursor("events") == ""
    await world.catch_up()
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert await world.open_cases() == []


async def test_what_is_not_open_at_stripe_any_more_is_looked_at(world: World) -> None:
    # That an unused token is taken out of the customer's metadata would be an event too.
    await world.set_policy(unused_methods="keep")
    signup, renewal = await world.renew("decline_lost_stolen")
    await world.catch_up()
    await world.settle()
    world.stripe.delivery.set(drop=True)
    await world.shop.client.v1.invoices.void_invoice_async(renewal)
    await world.shop.client.v1.subscriptions.cancel_async(signup.subscription)
    await world.later(hours=7)
    assert (await world.gateway_invoice(renewal))["status"] == "open"
    world.stripe_account().events.clear()
    assert await world.catch_up() == 2
    await world.settle()
    assert (await world.gateway_invoice(renewal))["state"] == "closed"
    assert not (await world.access(signup.subscription))["granted"]
    await world.later(hours=7)
    assert await world.catch_up() == 0


async def test_a_key_that_may_not_list_is_put_before_a_human(world: World) -> None:
    await world.signup("ok")
    world.stripe.faults.add("error_before", method="GET", path="/v1/events", status=403, times=5)
    await world.later(minutes=6)
    for _ in range(5):
        assert await world.open_cases() == []
        await world.catch_up()
    assert await world.open_cases() == ["catch_up_failed"]
    await world.catch_up()
    assert await world.open_cases() == [], "closed by itself"


async def test_a_page_that_is_refused_for_ever_is_put_before_a_human(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first page is taken in each time, so the walk seems to go on."""
    await _lose_a_renewal(world)
    monkeypatch.setattr(lists, "PAGE", 1)
    page = lists.events

    async def refused(*args: Any, after: str, **options: Any) -> Any:
        if after:
            raise StripeRefusedError("GET /v1/events: no such event", status=400)
        return await page(*args, after=after, **options)

    monkeypatch.setattr(lists, "events", refused)
    for _ in range(FAILURES_TO_CASE):
        assert await world.open_cases() == []
        await world.catch_up()
    assert await world.open_cases() == ["catch_up_failed"]
    monkeypatch.undo()
    await world.catch_up()
    assert await world.open_cases() == [], "closed by itself"
    assert (await _walk("events"))["failing_since"] is None


async def test_a_walk_that_is_turned_away_for_a_day_is_put_before_a_human(world: World) -> None:
    await world.signup("ok")
    away = world.stripe.faults.add("error_before", method="GET", path="/v1/credit_notes", status=429, times=None)
    await world.later(hours=7)
    await world.catch_up()
    assert await world.open_cases() == []
    assert (await _walk("credit_notes"))["failures"] == 0
    assert (await _walk("credit_notes"))["failing_since"] is not None
    await world.later(hours=25)
    await world.catch_up()
    assert await world.open_cases() == ["catch_up_failed"]
    world.stripe.faults.remove(away.id)
    await world.catch_up()
    assert await world.open_cases() == []


async def test_an_object_that_is_turned_away_for_a_day_is_put_before_a_human(world: World) -> None:
    _, renewal = await world.renew_unseen()
    path = f"/v1/invoices/{renewal}"
    away = world.stripe.faults.add("error_before", method="GET", path=path, status=429, times=None)
    await world.settle()
    await world.later(hours=23)
    assert await world.open_cases() == []
    await world.later(hours=2)
    for _ in range(FAILURES_TO_CASE):
        await world.later(minutes=40)
    assert await world.open_cases() == ["advance_failed"]
    world.stripe.faults.remove(away.id)
    await world.later(hours=1)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert await world.open_cases() == []


async def test_a_credit_note_of_which_no_event_came(world: World) -> None:
    signup = await world.signup("ok")
    await world.later(hours=7)
    await world.catch_up()
    await world.settle()
    world.stripe.delivery.set(drop=True)
    note = {"invoice": signup.invoice, "amount": 400, "out_of_band_amount": 400}
    await world.shop.client.v1.credit_notes.create_async(note)  # type: ignore[arg-type]
    await world.later(hours=7)
    world.stripe_account().events.clear()
    world.stripe.calls.clear()
    await world.catch_up()
    await world.settle()
    assert world.stripe_calls("GET", f"/v1/invoices/{signup.invoice}"), "it was looked at"
    snapshot = await sql.value("select snapshot from tollbridge.invoice where id = $1", signup.invoice)
    assert msgspec.json.decode(snapshot)["post_payment_credit_notes_amount"] == 400


async def test_what_a_processor_tells_only_to_who_asks(world: World) -> None:
    await sql.rows("update tollbridge.connection set adapter = 'practice_braintree'")
    world.practice.set_manner(world.shop.practice_key, like="braintree")
    await world.signup("ok")
    world.practice.refund_from_dashboard(world.last_charge().id, 300)
    await world.later(hours=1)
    await world.catch_up()
    await world.settle()
    [told] = await sql.rows("select kind, state, body from tollbridge.delivery where kind like 'polled:%'")
    assert (told["kind"], told["state"]) == ("polled:refund.succeeded", "done")
    assert b"300" not in told["body"], "it is stored encrypted"
    assert await world.open_cases() == []

    await world.later(hours=1)
    await world.catch_up()
    await world.settle()
    assert await sql.value("select count(*) from tollbridge.delivery where kind like 'polled:%'") == 1, "once"


async def test_a_processor_that_tells_everything_by_itself_is_not_asked(world: World) -> None:
    await world.signup("ok")
    await world.later(hours=7)
    await world.catch_up()
    assert await sql.value("select count(*) from tollbridge.catch_up where walk = 'notices'") == 0
    assert world.practice.calls.to("GET", "/v1/refunds") == []


async def test_a_processor_that_tells_again_is_asked_as_well(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 9: what was told by webhook while nobody was there, for longer than it's repeated, is not lost."""
    again = replace(PracticeAdapter.capabilities, tells_again=True)
    monkeypatch.setattr(PracticeAdapter, "capabilities", again)
    await world.signup("ok")
    await world.later(hours=1)
    await world.catch_up()
    assert world.practice.calls.to("GET", "/v1/refunds") != []


async def test_a_list_without_an_end_is_put_before_a_human(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 9: its walk goes on for ever, nothing newer is ever heard of, and nobody knew."""

    async def endless(_self: PracticeAdapter, _since: datetime, cursor: str = "") -> Polled:
        return Polled((), str(int(cursor or 0) + 1))

    await sql.rows("update tollbridge.connection set adapter = 'practice_braintree'")
    monkeypatch.setattr(PracticeAdapter, "poll", endless)
    await world.later(hours=1)
    await world.catch_up()
    assert await world.open_cases() == []
    for _ in range(3):
        await world.later(hours=12)
        await world.catch_up()
    assert await world.open_cases() == ["catch_up_failed"]
    monkeypatch.undo()
    await world.catch_up()
    assert await world.open_cases() == []


async def test_by_hand_everything_is_walked_and_nothing_can_be_missing(world: World) -> None:
    renewal = await _lose_a_renewal(world)
    turns: list[str] = []
    inbox = Listed(world.runtime.keyring)
    report = await world.during(
        catch_up_now(world.runtime, world.shop.account, inbox, lambda one, came: turns.append(one.walk))
    )
    assert report.up_to is not None
    assert await business_now() - report.up_to < timedelta(minutes=3)
    assert set(turns) == set(Walk) - {Walk.NOTICES, Walk.THIN_EVENTS}
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"


@pytest.mark.parametrize("status", [403, 429, 500])
async def test_by_hand_a_walk_that_comes_to_nothing_is_a_gap(world: World, status: int) -> None:
    await _lose_a_renewal(world)
    world.stripe.faults.add("error_before", method="GET", path="/v1/subscriptions", status=status, times=None)
    inbox = Listed(world.runtime.keyring)
    report = await world.during(catch_up_now(world.runtime, world.shop.account, inbox, lambda one, came: None))
    assert report.up_to is None
    [failed] = [one for one in report.walks if one.ended is not Ended.FINISHED]
    assert (failed.walk, failed.ended) == ("subscriptions", "throttled" if status == 429 else "failed")


async def test_by_hand_what_is_not_routed_yet_is_a_gap(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "ROUTED_S", 0.3)
    await _lose_a_renewal(world)
    report = await catch_up_now(
        world.runtime, world.shop.account, Listed(world.runtime.keyring), lambda one, came: None
    )
    assert report.unrouted > 0
    assert report.up_to is None
    await world.settle()


async def test_by_hand_from_a_time_on(world: World) -> None:
    signup = await world.signup("ok")
    await world.later(minutes=10)
    await world.catch_up()
    await world.settle()
    world.stripe.delivery.set(drop=True)
    since = await business_now() - timedelta(days=1)
    note = {"invoice": signup.invoice, "amount": 400, "out_of_band_amount": 400}
    await world.shop.client.v1.credit_notes.create_async(note)  # type: ignore[arg-type]
    world.stripe.delivery.set(drop=False)
    await world.move(minutes=2)
    world.stripe.calls.clear()
    inbox = Listed(world.runtime.keyring)
    await world.during(catch_up_now(world.runtime, world.shop.account, inbox, lambda one, came: None, since=since))
    asked = world.stripe_calls("GET", "/v1/events")[0].params["created"]["gte"]
    assert int(asked) <= since.timestamp()


async def test_whoever_was_slower_than_its_claim_writes_nothing_over_it(world: World) -> None:
    await world.signup("ok")
    await world.later(minutes=6)
    now = await business_now()
    [due] = [one for one in await cursors.due(now) if one.walk is Walk.EVENTS]
    slow = await cursors.take(due, now, 0.0)
    assert slow is not None
    await world.catch_up()
    assert await cursors.fail(slow, "late", now, page_after="evt_old", counts=True) == 0
    async with DB.transaction():
        with pytest.raises(cursors.LostError):
            await cursors.turn_page(slow, "evt_old", 60)
        with pytest.raises(cursors.LostError):
            await cursors.finish(slow)
    row = await sql.row("select done_to, began_at, page_after, failures from tollbridge.catch_up where walk = 'events'")
    assert tuple(row or ())[1:] == (None, "", 0)
