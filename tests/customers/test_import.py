"""Moving to us: customers and subscriptions of Stripe's, and tokens that a processor stores already."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from db import sql
from gateway.accounts import connections
from gateway.accounts.errors import FieldError
from gateway.billing import lists
from gateway.billing.errors import StripeUnknownError
from gateway.billing.shapes import CustomerShape
from gateway.clock import business_now
from gateway.imports.asked import Import
from gateway.imports.csv_file import read_file
from gateway.imports.metadata import read_metadata
from gateway.imports.rows import Result, Status
from gateway.imports.run import run_import
from gateway.sandbox.practice.account import Method
from processors.money import Money
from tests.support.moving import billed_elsewhere
from tests.support.shop import BY
from tests.support.world import World

EVER = timedelta(days=9999)


async def billed(world: World, *, overdue: bool = False, **changes: Any) -> tuple[str, str]:
    made = await billed_elsewhere(world, overdue=overdue, **changes)
    return made.customer, made.subscription


def token(world: World, kind: str = "ok") -> Method:
    return world.practice.create_method(world.shop.practice_key, kind)


def written(path: Path, *rows: dict[str, str], header: Sequence[str] = ("customer", "token", "connection")) -> Path:
    columns = [*header, *(name for row in rows for name in row if name not in header)]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, dict.fromkeys(columns), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows([{"connection": "practice-eu", **row} for row in rows])
    return path


async def asked(
    world: World, *, apply: bool, since: datetime | None = None, unverified: bool = False, switch: bool = False
) -> Import:
    known = {one.name: one for one in await connections.listed(world.shop.account)}
    return Import(world.runtime, BY, world.shop.account, known, apply, since, unverified, switch)


async def imported(
    world: World,
    path: Path,
    *rows: dict[str, str],
    apply: bool = True,
    since: datetime | None = None,
    switch: bool = False,
) -> list[Result]:
    found: list[Result] = []
    read = read_file(written(path / "rows.csv", *rows), "")
    await run_import(await asked(world, apply=apply, since=since, switch=switch), read, found.append)
    return sorted(found, key=lambda one: one.line)


async def collected_by_stripe(world: World) -> tuple[str, str]:
    """A subscription that Stripe charges to a card, of a customer who is unknown here."""
    client = world.shop.client.v1
    world.stripe.delivery.set(drop=True)
    customer = (await client.customers.create_async({"name": "A. Payer"})).id
    card = await world.stripe_card(customer)
    wanted: Any = {"customer": customer, "items": [{"price": world.shop.price}], "default_payment_method": card}
    made = await client.subscriptions.create_async(wanted)
    await world.stripe.flush()
    world.stripe.delivery.set(drop=False)
    return customer, made.id


async def long_ago() -> datetime:
    return await business_now() - EVER


async def counts(world: World) -> list[Any]:
    """How many rows of ours there are, by which one sees that nothing was changed."""
    tables = ("payment_method", "subscription", "invoice", "customer", "collection_pause", "audit_log")
    return [await sql.value(f"select count(*) from tollbridge.{table}") for table in tables]


async def test_a_list_of_customers_without_an_end_is_broken_off(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def the_same(*_: Any, after: str) -> lists.Page[CustomerShape]:
        assert after in ("", "cus_9"), "it goes by what each page says"
        return lists.Page((), "cus_9")

    await imported(world, tmp_path, {"customer": (await billed(world))[0], "token": token(world).token})
    monkeypatch.setattr(lists, "customers", the_same)
    with pytest.raises(StripeUnknownError, match="no end"):
        await read_metadata(await world.runtime.stripe(world.shop.account), "", lambda _: None)


# --- what is adopted -----------------------------------------------------------------------------------------------


async def test_an_adopted_subscription_renews_here(world: World, tmp_path: Path) -> None:
    customer, subscription = await billed(world)
    card = token(world)
    shown = {"brand": "visa", "last4": "4242", "exp_month": "3", "exp_year": "2030"}
    [one] = await imported(world, tmp_path, {"customer": customer, "token": card.token, **shown})
    assert (one.status, one.subscriptions, one.left_alone) == (Status.STORED, [subscription], [])
    await world.settle()

    [method] = await world.methods_of(customer)
    assert (method["id"], method["card"]["label"], method["card"]["exp_year"]) == (
        one.payment_method,
        "visa •••• 4242",
        2030,
    )
    access = (await world.call("GET", f"/v1/subscriptions/{subscription}/access")).json()
    assert (access["granted"], access["reason"]) == (True, "first_invoice_paid"), "what was paid before us counts"
    assert world.charge_calls() == []
    await world.later(days=31)
    assert [invoice["status"] for invoice in world.invoices_of(subscription)] == ["paid", "paid"]
    assert len(world.captures()) == 1


@pytest.mark.scenario(217)
async def test_a_failed_renewal_of_an_imported_subscription_is_paid_once(world: World, tmp_path: Path) -> None:
    customer, subscription = await billed(world, overdue=True)
    card = token(world)
    [one] = await imported(world, tmp_path, {"customer": customer, "token": card.token}, since=await long_ago())
    invoice = world.invoices_of(subscription)[-1]["id"]
    assert (one.collect, one.amounts) == ([invoice], {"eur": 1000})

    pressed = await world.collect_now(invoice)  # at once, before any worker has looked
    assert pressed.status_code in (200, 202, 409), pressed.text
    await world.settle()
    assert world.stripe_invoice(invoice)["status"] == "paid"
    assert len(world.captures()) == 1


async def test_what_was_open_before_is_left_alone_until_somebody_resumes_it(world: World, tmp_path: Path) -> None:
    """The integration before us may have a charge on it under way."""
    customer, subscription = await billed(world, overdue=True)
    [one] = await imported(world, tmp_path, {"customer": customer, "token": token(world).token})
    invoice = world.invoices_of(subscription)[-1]["id"]
    assert (one.status, one.collect, one.left_alone) == (Status.STORED, [], [invoice])
    await world.later(days=12)
    assert world.charge_calls() == []
    access = await world.access(subscription)
    assert (access["granted"], access["reason"]) == (True, "invoice_not_asked_for"), "nobody is shut out for it"
    pressed = await world.collect_now(invoice)
    assert (pressed.status_code, "paused: imported" in pressed.text) == (409, True), pressed.text

    row = {"customer": customer, "token": world.methods_at_processor()[0].token}
    [again] = await imported(world, tmp_path, row, apply=False)
    assert (again.status, again.left_alone) == (Status.UNCHANGED, [invoice]), "it still waits"
    reason = {"reason": "nothing is under way at the old one"}
    resumed = await world.call("POST", f"/v1/invoices/{invoice}/resume_collection", reason)
    assert resumed.status_code == 200, resumed.text
    await world.settle()
    assert world.stripe_invoice(invoice)["status"] == "paid"
    [again] = await imported(world, tmp_path, row)
    assert (again.status, again.left_alone) == (Status.UNCHANGED, [])


async def test_only_what_is_older_than_the_day_is_left_alone(world: World, tmp_path: Path) -> None:
    customer, subscription = await billed(world, overdue=True)
    since = await business_now() + timedelta(days=1)
    await world.move(days=34)
    row = {"customer": customer, "token": token(world).token}
    [would] = await imported(world, tmp_path, row, apply=False, since=since)
    [does] = await imported(world, tmp_path, row, since=since)
    _, old, new = [invoice["id"] for invoice in world.invoices_of(subscription)]
    assert [(one.left_alone, one.collect) for one in (would, does)] == [([old], [new])] * 2
    await world.settle()
    assert [world.stripe_invoice(one)["status"] for one in (old, new)] == ["open", "paid"]


async def test_what_is_open_behind_a_page_of_newer_ones_is_left_alone_too(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.billing.lists.PAGE", 1)
    customer, subscription = await billed(world, overdue=True)
    await world.move(days=34)
    [one] = await imported(world, tmp_path, {"customer": customer, "token": token(world).token})
    assert sorted(one.left_alone) == sorted(i["id"] for i in world.invoices_of(subscription) if i["status"] == "open")
    assert len(one.left_alone) == 2


async def test_whom_we_collect_already_is_not_paused_by_another_token(world: World, tmp_path: Path) -> None:
    signup, renewal = await world.renew("decline_lost_stolen")
    [one] = await imported(world, tmp_path, {"customer": signup.customer, "token": token(world).token})
    assert (one.left_alone, one.collect) == ([], [renewal])
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"


async def test_nor_is_an_invoice_of_theirs_of_which_we_have_not_heard(world: World, tmp_path: Path) -> None:
    signup, _ = await world.renew_unseen()
    [one] = await imported(world, tmp_path, {"customer": signup.customer, "token": token(world).token})
    assert (one.status, one.left_alone) == (Status.STORED, [])


async def test_what_stripe_shows_as_paid_stays_paid(world: World, tmp_path: Path) -> None:
    customer, subscription = await billed(world)
    await imported(world, tmp_path, {"customer": customer, "token": token(world).token}, since=await long_ago())
    await world.later(days=2)
    [invoice] = world.invoices_of(subscription)
    assert (await world.gateway_invoice(invoice["id"]))["state"] == "paid"
    assert world.charge_calls() == []
    assert await world.open_cases() == []


async def test_several_tokens_of_a_customer_are_charged_in_order(world: World, tmp_path: Path) -> None:
    customer, _ = await billed(world)
    first, second, third = (token(world).token for _ in range(3))
    rows = [{"customer": customer, "token": one, "position": place} for one, place in ((third, "3"), (first, "1"))]
    await imported(world, tmp_path, *rows)
    await imported(world, tmp_path, *rows, {"customer": customer, "token": second, "position": "2"})
    await world.settle()
    listed = sorted(await world.methods_of(customer), key=lambda method: method["position"])
    by_token = {row["id"]: row["token_hash"] for row in await sql.rows("select * from tollbridge.payment_method")}
    wanted = [world.runtime.keyring.token_hash(world.shop.connection, one) for one in (first, second, third)]
    assert [by_token[method["id"]] for method in listed] == wanted


async def test_stripes_metadata_are_enough(world: World) -> None:
    customer, _ = await billed(world)
    card = token(world)
    told = {
        "third_party_processor": "practice-eu",
        "third_party_customer_id": card.customer,
        "third_party_payment_method_id": card.token,
    }
    await world.shop.client.v1.customers.update_async(customer, {"metadata": told})
    await world.shop.client.v1.customers.create_async({"name": "Somebody else"})
    found: list[Result] = []
    rows = await read_metadata(await world.runtime.stripe(world.shop.account), "", lambda _: None)
    await run_import(await asked(world, apply=True), rows, found.append)
    assert [(one.customer, one.status) for one in found] == [(customer, Status.STORED)]
    await world.later(days=31)
    assert len(world.captures()) == 1


# --- what is not ---------------------------------------------------------------------------------------------------


async def test_a_dry_run_changes_nothing_and_says_the_same(world: World, tmp_path: Path) -> None:
    customer, _ = await billed(world, overdue=True)
    rows = [{"customer": customer, "token": token(world).token}, {"customer": "cus_none", "token": token(world).token}]
    before = await counts(world)
    would = await imported(world, tmp_path, *rows, apply=False)
    assert await counts(world) == before
    assert [one.status for one in would] == [Status.STORE, Status.REFUSED]
    does = await imported(world, tmp_path, *rows)
    assert [one.left_alone for one in does] == [one.left_alone for one in would]
    assert [one.status for one in does] == [Status.STORED, Status.REFUSED]


async def test_the_same_file_again_changes_nothing(world: World, tmp_path: Path) -> None:
    customer, _ = await billed(world, overdue=True)
    row = {"customer": customer, "token": token(world).token}
    await imported(world, tmp_path, row)
    await world.settle()
    before = await counts(world)
    world.stripe.calls.clear()
    [again] = await imported(world, tmp_path, row)
    assert (again.status, await counts(world), list(world.stripe.calls)) == (Status.UNCHANGED, before, [])


async def test_what_stripe_collects_is_switched(world: World, tmp_path: Path) -> None:
    """Stripe lets go of it first; the token of a row that names its subscription is for that one alone."""
    customer, subscription = await collected_by_stripe(world)
    row = {"customer": customer, "token": token(world).token, "subscription": subscription}
    [would] = await imported(world, tmp_path, row, switch=True, apply=False)
    assert (would.status, would.subscriptions, would.switched) == (Status.STORE, [subscription], [subscription])
    [does] = await imported(world, tmp_path, row, switch=True)
    assert (does.status, does.subscriptions) == (Status.STORED, [subscription])
    await world.settle()
    live = world.stripe_subscription(subscription)
    assert (live["collection_method"], live["days_until_due"]) == ("send_invoice", 10)
    bound = "select payment_method from tollbridge.subscription where id = $1"
    assert await sql.value(bound, subscription) == does.payment_method

    [again] = await imported(world, tmp_path, row, switch=True)
    assert again.status is Status.UNCHANGED
    assert await sql.value("select count(*) from tollbridge.switch") == 1
    charged = len(world.charge_calls())
    await world.later(days=31)
    assert len(world.charge_calls()) == charged + 1
    assert world.invoices_of(subscription)[-1]["status"] == "paid"


async def test_a_schedule_of_stripes_is_released_first(world: World, tmp_path: Path) -> None:
    """A dry run says so too."""
    customer, subscription = await collected_by_stripe(world)
    schedules = world.shop.client.v1.subscription_schedules
    made = await schedules.create_async({"from_subscription": subscription})
    row = {"customer": customer, "token": token(world).token}
    for apply in (False, True):
        [one] = await imported(world, tmp_path, row, switch=True, apply=apply)
        assert (one.status, made.id in one.reason) == (Status.REFUSED, True)
    await schedules.release_async(made.id)
    [one] = await imported(world, tmp_path, row, switch=True)
    assert (one.status, one.switched) == (Status.STORED, [subscription])
    await world.settle()
    assert world.stripe_subscription(subscription)["collection_method"] == "send_invoice"


async def test_rows_that_name_a_subscription_switch_no_other(world: World, tmp_path: Path) -> None:
    """Two tokens for the one: the first of them is charged, and what the customer has besides stays Stripe's."""
    customer, subscription = await collected_by_stripe(world)
    card = world.stripe_subscription(subscription)["default_payment_method"]
    wanted: Any = {"customer": customer, "items": [{"price": world.shop.price}], "default_payment_method": card}
    other = (await world.shop.client.v1.subscriptions.create_async(wanted)).id
    rows = [{"customer": customer, "token": token(world).token, "subscription": subscription} for _ in range(2)]
    first, _ = await imported(world, tmp_path, *rows, switch=True)
    assert first.switched == [subscription]
    await world.settle()
    methods = {one: world.stripe_subscription(one)["collection_method"] for one in (subscription, other)}
    assert methods == {subscription: "send_invoice", other: "charge_automatically"}
    bound = "select payment_method from tollbridge.subscription where id = $1"
    assert await sql.value(bound, subscription) == first.payment_method


async def test_an_import_that_died_before_the_switch_is_finished_by_the_same(world: World, tmp_path: Path) -> None:
    customer, subscription = await collected_by_stripe(world)
    row = {"customer": customer, "token": token(world).token}
    await imported(world, tmp_path, row, switch=True)
    await sql.rows("delete from tollbridge.switch")
    [again] = await imported(world, tmp_path, row, switch=True)
    assert again.status is Status.UNCHANGED
    await world.settle()
    assert world.stripe_subscription(subscription)["collection_method"] == "send_invoice"


async def test_rows_that_are_refused_say_why_and_show_no_token(world: World, tmp_path: Path) -> None:
    mine, _ = await billed(world)
    theirs, other = await billed(world)
    stripes, automatic = await billed(world, collection_method="charge_automatically", days_until_due=None)
    ended, over = await billed(world)
    await world.shop.client.v1.subscriptions.cancel_async(over)
    deleted = await world.shop.client.v1.customers.create_async({"name": "Gone"})
    await world.shop.client.v1.customers.delete_async(deleted.id)
    gone, taken = token(world), token(world)
    world.practice.revoke_method(gone.token)
    await imported(world, tmp_path, {"customer": theirs, "token": taken.token})
    await _connections()
    cases: list[tuple[dict[str, str], str]] = [
        ({"customer": "cus_none"}, "no such customer"),
        ({"customer": deleted.id}, "was deleted"),
        ({"customer": token(world).token, "token": mine}, "no id of a customer"),
        ({"customer": mine, "subscription": "sub_none"}, "no such subscription"),
        ({"customer": mine, "subscription": other}, "another customer's"),
        ({"customer": ended, "subscription": over}, "has ended"),
        ({"customer": stripes, "subscription": automatic}, "--switch"),
        ({"customer": stripes}, "--switch"),
        ({"customer": mine, "connection": "nobody"}, "no connection"),
        ({"customer": mine, "connection": "practice-off"}, "disabled"),
        ({"customer": mine, "connection": "practice-us"}, "does not take eur"),
        ({"customer": mine, "token": gone.token}, "revoked"),
        ({"customer": mine, "token": "ptok_nobody"}, "revoked"),
        ({"customer": mine, "token": taken.token}, "another customer"),
        ({"customer": mine, "token": "4242 4242 4242 4242"}, "card's number"),
        ({"customer": mine, "token": ""}, "missing"),
        ({"customer": "cus_1/../account"}, "no id of a customer"),
        ({"customer": mine, "subscription": token(world).token}, "no id of a subscription"),
        ({"customer": mine, "exp_month": "13"}, "exp_month"),
    ]
    rows = [{"token": token(world).token, **row} for row, _ in cases]
    rows.append({"customer": mine, "token": rows[0]["token"]})
    before = await counts(world)
    for apply in (False, True):
        found = await imported(world, tmp_path, *rows, apply=apply)
        says = [*(why for _, why in cases), "same token as line 2"]
        assert [(one.line, one.status) for one in found] == [(n + 2, Status.REFUSED) for n in range(len(rows))], found
        assert [one.reason for one, why in zip(found, says, strict=True) if why not in one.reason] == []
        assert "ptok_" not in str(found)
    assert await counts(world) == before
    await world.move(hours=1)
    await world.catch_up()  # the invariants replay every event, also those that nobody has heard of


async def _connections() -> None:
    """One that is switched off, and one for dollars alone."""
    for name, currencies, enabled in (("off", [], False), ("us", ["usd"], True)):
        await sql.rows(
            """insert into tollbridge.connection
               select $1, account, $2, adapter, credentials, credential_fields, options, $3, priority, record_on,
                   routing, display, declines, $4, created_at from tollbridge.connection where name = 'practice-eu'""",
            f"con_{name}",
            f"practice-{name}",
            currencies,
            enabled,
        )


async def test_who_turns_us_away_is_waited_for(world: World, tmp_path: Path) -> None:
    customer, _ = await billed(world)
    world.practice.faults.add("error_before", method="GET", path="/v1/methods/{token}", status=429, times=1)
    world.stripe.faults.add("error_before", method="GET", path="/v1/customers/{customer}", status=429, times=1)
    [one] = await imported(world, tmp_path, {"customer": customer, "token": token(world).token})
    assert one.status is Status.STORED, one


async def test_who_does_not_answer_is_no_reason_to_refuse(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.imports.patience.UNANSWERED_S", (0.0, 0.0))
    customer, _ = await billed(world)
    world.practice.faults.add("error_before", method="GET", path="/v1/methods/{token}", status=503, times=1000)
    row = {"customer": customer, "token": token(world).token}
    [one] = await imported(world, tmp_path, row)
    assert (one.status, await sql.value("select count(*) from tollbridge.subscription")) == (Status.FAILED, 0)
    world.practice.faults.clear()
    [one] = await imported(world, tmp_path, row)
    assert one.status is Status.STORED


async def test_what_the_processor_can_not_say_is_stored_only_if_that_is_wanted(world: World, tmp_path: Path) -> None:
    customer, _ = await billed(world)
    card = token(world)
    card.status = "a word of theirs"  # type: ignore[assignment]
    rows = read_file(written(tmp_path / "rows.csv", {"customer": customer, "token": card.token}), "")
    found: list[Result] = []
    for wanted in (False, True):
        await run_import(await asked(world, apply=True, unverified=wanted), rows, found.append)
    assert [one.status for one in found] == [Status.REFUSED, Status.STORED]
    assert "--accept-unverified" in found[0].reason


async def test_nobody_goes_on_asking_who_never_answers(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.imports.patience.UNANSWERED_S", ())
    monkeypatch.setattr("gateway.imports.run.MOST_FAILED", 2)
    monkeypatch.setattr("gateway.imports.run.AT_ONCE", 1)
    world.stripe.faults.add("error_before", method="GET", path="/v1/customers/{customer}", status=500, times=1000)
    found = await imported(world, tmp_path, *({"customer": f"cus_{n}", "token": f"ptok_{n}"} for n in range(4)))
    assert [one.status for one in found] == [Status.FAILED] * 4
    assert ["not begun" in one.reason for one in found] == [False, False, True, True]
    world.stripe.faults.clear()
    await world.signup("ok")


# --- the file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("customer,token,tokn\ncus_1,ptok_1,x\n", "unknown: tokn"),
        ("cus_1,ptok_1\ncus_2,ptok_2\n", "must name the columns"),
        ("customer;token\ncus_1;ptok_1\n", "separated by commas"),
        ("customer,token,token\ncus_1,ptok_1,x\n", "twice"),
        ("", "must name the columns"),
        ('customer,token\ncus_1,"ptok_1" x\n', "is no CSV"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FieldError, match=says) as raised:
        read_file(file, "practice-eu")
    assert "ptok_" not in str(raised.value)


def test_a_line_with_too_many_cells_is_refused_alone(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("customer,token\ncus_1,ptok_1,x\n\ncus_2\ncus_3, ptok_3 \n", encoding="utf-8")
    *wrong, good = read_file(file, "practice-eu")
    assert [type(one).__name__ for one in wrong] == ["Refused", "Refused"]
    assert (good.line, good.reference.token.reveal()) == (5, "ptok_3")  # type: ignore[union-attr]
    assert "ptok" not in repr(good)


def test_what_the_payer_has_agreed_to_at_most(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("customer,token,charge_limit\ncus_1,ptok_1,5000 eur\ncus_2,ptok_2,\ncus_3,ptok_3,5000\n")
    agreed, none, wrong = read_file(file, "practice-eu")
    assert agreed.card.charge_limit == Money(5000, "eur")  # type: ignore[union-attr]
    assert none.card.charge_limit is None  # type: ignore[union-attr]
    assert "charge_limit is no amount" in wrong.reason  # type: ignore[union-attr]
