"""What the read side shows: invoices, access, payment methods, cases, events; and pages of them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from db import sql
from gateway.access.gate import settle
from tests.api.conftest import Api, problem
from tests.api.seed import NOW, add_case, add_delivery, add_invoice, insert, seed


async def test_pages_go_through_everything_once(api: Api) -> None:
    for n in range(7):
        # Three at one moment: the id decides there.
        await add_invoice(api.ours.id, f"in_{n}", at=NOW + timedelta(seconds=n // 3))
    seen: list[str] = []
    for _ in range(10):
        more = {"starting_after": seen[-1]} if seen else {}
        page = (await api.get("/v1/invoices", "finance", limit=2, **more)).json()
        assert page["object"] == "list"
        seen += [one["id"] for one in page["data"]]
        if not page["has_more"]:
            break
    assert seen == ["in_6", "in_5", "in_4", "in_3", "in_2", "in_1", "in_0"]


async def test_a_page_that_is_just_full_has_no_more(api: Api) -> None:
    for n in range(2):
        await add_invoice(api.ours.id, f"in_{n}")
    assert (await api.get("/v1/invoices", "finance", limit=2)).json()["has_more"] is False


async def test_a_cursor_of_another_account_is_refused(api: Api) -> None:
    await add_invoice(api.theirs.id, "in_theirs")
    answer = await api.get("/v1/invoices", "finance", starting_after="in_theirs")
    assert problem(answer)[2] == "starting_after"


async def test_two_accounts_may_have_the_same_stripe_ids(api: Api) -> None:
    await add_invoice(api.ours.id, "in_1", customer="cus_ours")
    await add_invoice(api.theirs.id, "in_1", customer="cus_theirs")
    assert (await api.get("/v1/invoices/in_1", "finance")).json()["customer"] == "cus_ours"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"state": "paid"}, ["in_b"]),
        ({"customer": "cus_1"}, ["in_b", "in_a"]),
        ({"subscription": "sub_1"}, ["in_a"]),
        ({"state": "paid", "customer": "cus_2"}, []),
    ],
)
async def test_invoices_are_filtered(api: Api, query: dict[str, str], expected: list[str]) -> None:
    await add_invoice(api.ours.id, "in_a", customer="cus_1", subscription="sub_1", state="due")
    await add_invoice(api.ours.id, "in_b", customer="cus_1", state="paid")
    found = (await api.get("/v1/invoices", "finance", **query)).json()["data"]
    assert [one["id"] for one in found] == expected


async def test_an_invoice_shows_all_that_happened(api: Api) -> None:
    seeded = await seed(api.runtime, api.ours.id)
    shown = (await api.get(f"/v1/invoices/{seeded.invoice}", "server")).json()
    assert (shown["state"], shown["status"], shown["amount_due"], shown["currency"]) == ("paid", "paid", 1190, "eur")
    assert shown["created"] == int(NOW.timestamp())
    [attempt] = shown["attempts"]
    assert (attempt["state"], attempt["amount"], attempt["connection"]) == ("succeeded", 1190, "practice")
    assert [m["kind"] for m in shown["movements"]] == ["capture"]
    assert [r["state"] for r in shown["recordings"]] == ["recorded"]
    assert [c["id"] for c in shown["cases"]] == [seeded.case]
    assert shown["links"]["hosted_invoice_url"] == "https://invoice.example/1"
    assert shown["links"]["dashboard"].endswith(f"/test/invoices/{seeded.invoice}")


async def test_disputes(api: Api) -> None:
    seeded = await seed(api.runtime, api.ours.id)
    shown = (await api.get(f"/v1/disputes/{seeded.dispute}", "server")).json()
    assert (shown["state"], shown["amount"], shown["withdrawn"], shown["connection"]) == ("won", 1190, 0, "practice")
    assert shown["customer"] == seeded.customer
    assert shown["evidence_due_by"] == int(NOW.timestamp()) + 14 * 86400
    assert (await api.get(f"/v1/invoices/{seeded.invoice}", "server")).json()["disputes"] == [shown]
    for query, found in (({}, [shown]), ({"state": "won"}, [shown]), ({"state": "opened"}, []), ({"invoice": "x"}, [])):
        assert (await api.get("/v1/disputes", "finance", **query)).json()["data"] == found
    assert problem(await api.get("/v1/disputes", "finance", state="settled"))[0] == 400


async def test_payment_methods_are_masked(api: Api) -> None:
    seeded = await seed(api.runtime, api.ours.id)
    answer = await api.get(f"/v1/customers/{seeded.customer}/payment_methods", "server")
    [method] = answer.json()["data"]
    assert method["card"] == {"brand": "visa", "last4": "4242"}
    assert method["first"] is True
    assert "sealed" not in answer.text
    assert "hash" not in answer.text


@pytest.mark.parametrize(
    ("state", "ended", "granted", "reason"),
    [
        ("paid", False, True, "first_invoice_paid"),
        ("due", False, False, "first_invoice_due"),
        ("paid", True, False, "subscription_ended"),
    ],
)
async def test_access_opens_with_the_first_invoice(
    api: Api, state: str, ended: bool, granted: bool, reason: str
) -> None:
    ended_at = NOW if ended else None
    await insert(
        "subscription",
        account=api.ours.id,
        id="sub_1",
        customer="cus_1",
        status="active",
        created_at=NOW,
        ended_at=ended_at,
    )
    first = {"subscription": "sub_1", "customer": "cus_1", "billing_reason": "subscription_create"}
    await add_invoice(api.ours.id, "in_first", at=NOW + timedelta(days=1), state=state, **first)
    # Older, as an invoice item of before may be; it is not the one that began the subscription.
    await add_invoice(api.ours.id, "in_other", subscription="sub_1", customer="cus_1", state="due")
    await settle(api.ours.id, "sub_1", NOW)
    shown = (await api.get("/v1/subscriptions/sub_1/access", "server")).json()
    assert (shown["granted"], shown["reason"], shown["status"]) == (granted, reason, "active")
    customer = (await api.get("/v1/customers/cus_1/access", "server")).json()
    assert customer["granted"] is granted
    assert [one["subscription"] for one in customer["subscriptions"]] == ["sub_1"]


async def test_without_a_known_reason_the_oldest_invoice_is_the_first(api: Api) -> None:
    await insert("subscription", account=api.ours.id, id="sub_1", created_at=NOW)
    await add_invoice(api.ours.id, "in_2", at=NOW + timedelta(days=30), subscription="sub_1", state="due")
    await add_invoice(api.ours.id, "in_1", subscription="sub_1", state="paid")
    await settle(api.ours.id, "sub_1", NOW)
    assert (await api.get("/v1/subscriptions/sub_1/access", "server")).json()["invoice"] == "in_1"


async def test_a_case_is_closed_with_a_reason_and_its_invoice_poked(api: Api) -> None:
    await add_invoice(api.ours.id, "in_1")
    case = await add_case(api.ours.id, "att_1", invoice="in_1")
    closed = await api.post(f"/v1/cases/{case}/close", {"reason": "returned by hand"}, "finance")
    assert (closed.json()["state"], closed.json()["closed_reason"]) == ("closed", "returned by hand")
    assert await sql.value("select poked from tollbridge.invoice where id = 'in_1'") == 1
    audit = await sql.row("select * from tollbridge.audit_log where action = 'case.closed'")
    assert audit is not None
    assert audit["actor"].startswith("key_")
    assert '"returned by hand"' in audit["after"]
    again = await api.post(f"/v1/cases/{case}/close", {"reason": "x"}, "finance")
    assert problem(again)[:2] == (409, "state_conflict")
    assert problem(await api.post(f"/v1/cases/{case}/close", {"reason": ""}, "finance"))[2] == "reason"


async def test_a_case_is_taken_on_handed_over_and_dropped(api: Api) -> None:
    case, beside = await add_case(api.ours.id, "att_1"), await add_case(api.ours.id, "att_2")
    for owner in ("ada", "bob", "bob", None):
        assigned = await api.post(f"/v1/cases/{case}/assign", {"owner": owner}, "finance")
        assert assigned.json()["owner"] == owner
        listed = (await api.get("/v1/cases", "finance", owner="bob")).json()["data"]
        assert [one["id"] for one in listed] == ([case] if owner == "bob" else [])
    audit = await sql.rows(
        "select object, before, after from tollbridge.audit_log where action = 'case.assigned' order by created_at, id"
    )
    assert {row["object"] for row in audit} == {case}
    assert [json.loads(row["after"])["owner"] for row in audit] == ["ada", "bob", ""]
    assert json.loads(audit[1]["before"]) == {"owner": "ada"}
    assert (await api.get(f"/v1/cases/{beside}", "finance")).json()["owner"] is None


async def test_what_is_written_about_a_case_is_listed_the_newest_first(api: Api) -> None:
    case, beside = await add_case(api.ours.id, "att_1"), await add_case(api.ours.id, "att_2")
    for text in ("called them", "they call back"):
        written = await api.post(f"/v1/cases/{case}/notes", {"text": text}, "finance")
        assert (written.json()["text"], written.json()["author"][:4]) == (text, "key_")
    listed = (await api.get(f"/v1/cases/{case}/notes", "finance")).json()["data"]
    assert [one["text"] for one in listed] == ["they call back", "called them"]
    assert (await api.get(f"/v1/cases/{beside}/notes", "finance")).json()["data"] == []
    audit = await sql.row("select object, after from tollbridge.audit_log where action = 'case.note_added'")
    assert audit is not None
    assert (audit["object"], "called" in audit["after"]) == (case, False), "what is erased stands in the note alone"


@pytest.mark.parametrize("text", ["", "   ", "x" * 4001])
async def test_a_note_says_something(api: Api, text: str) -> None:
    case = await add_case(api.ours.id, "att_1")
    assert problem(await api.post(f"/v1/cases/{case}/notes", {"text": text}, "finance"))[2] == "text"


async def test_cases_that_nobody_sees_to_are_found(api: Api) -> None:
    taken, free = await add_case(api.ours.id, "att_1"), await add_case(api.ours.id, "att_2")
    await api.post(f"/v1/cases/{taken}/assign", {"owner": "ada"}, "finance")
    listed = (await api.get("/v1/cases", "finance", unowned="true")).json()["data"]
    assert [one["id"] for one in listed] == [free]


@pytest.mark.parametrize("owner", ["x" * 201, "a\x00b", "a\nb"])
async def test_an_owner_that_is_no_name_is_refused(api: Api, owner: str) -> None:
    case = await add_case(api.ours.id, "att_1")
    assert problem(await api.post(f"/v1/cases/{case}/assign", {"owner": owner}, "finance"))[2] == "owner"


async def test_a_case_is_not_taken_from_who_took_it_meanwhile(api: Api) -> None:
    case = await add_case(api.ours.id, "att_1")
    path = f"/v1/cases/{case}/assign"
    assert (await api.post(path, {"owner": "ada", "seen": ""}, "finance")).json()["owner"] == "ada"
    late = await api.post(path, {"owner": "ben", "seen": ""}, "finance")
    assert problem(late)[:2] == (409, "state_conflict")
    assert (await api.post(path, {"owner": "ben", "seen": "ada"}, "finance")).json()["owner"] == "ben"


async def test_a_closed_case_gets_no_owner(api: Api) -> None:
    case = await add_case(api.ours.id, "att_1")
    await api.post(f"/v1/cases/{case}/close", {"reason": "done"}, "finance")
    refused = await api.post(f"/v1/cases/{case}/assign", {"owner": "ada"}, "finance")
    assert problem(refused)[:2] == (409, "state_conflict")


async def test_an_event_is_replayed(api: Api) -> None:
    event = await add_delivery(api.ours.id, state="parked", reason="broken", object_id="in_1")
    [shown] = (await api.get("/v1/inbox", state="parked")).json()["data"]
    assert (shown["id"], shown["source"], shown["reason"]) == (event, "stripe", "broken")
    replayed = (await api.post(f"/v1/inbox/{event}/replay")).json()
    assert (replayed["state"], replayed["reason"]) == ("stored", "")
    assert await sql.value("select count(*) from tollbridge.audit_log where action = 'delivery.replayed'") == 1


async def test_a_repeated_filter_and_state_of_attempts(api: Api) -> None:
    seeded = await seed(api.runtime, api.ours.id)
    for query in ({"invoice": seeded.invoice}, {"state": "succeeded"}):
        assert len((await api.get("/v1/attempts", "finance", **query)).json()["data"]) == 1
    assert (await api.get("/v1/attempts", "finance", state="declined")).json()["data"] == []


async def test_a_connections_decline_codes(api: Api) -> None:
    """The adapter's table, what is set over it, and back again."""
    seeded = await seed(api.runtime, api.ours.id)
    path = f"/v1/connections/{seeded.connection}"
    changed = await api.post(path, {"declines": {"do_not_honor": "account_closed"}})
    assert changed.json()["declines"] == {"do_not_honor": "account_closed"}
    listed = (await api.get(f"{path}/declines", "admin")).json()
    told = next(one for one in listed["data"] if one["code"] == "do_not_honor")
    assert told == {
        "object": "decline_code",
        "code": "do_not_honor",
        "decline_class": "account_closed",
        "advice": "new_payment_method",
        "overridden": True,
        "adapter_class": "do_not_honor",
        "case": None,
    }
    wrong = await api.post(path, {"declines": {"do_not_honor": "hopeless"}})
    assert problem(wrong)[0] == 400
    back = await api.post(path, {"declines": {"do_not_honor": None}})
    assert back.json()["declines"] == {}


async def test_invoices_are_found_by_what_is_known_of_them(api: Api) -> None:
    seeded = await seed(api.runtime, api.ours.id)
    right = {"search": "11.90 EUR", "connection": "practice", "with_open_case": "true", "status": "paid"}
    wrong = {"search": "11.91 EUR", "connection": "other", "due_from": "2040-01-01", "collected_by": "hosted"}
    for name, value in right.items():
        found = (await api.get("/v1/invoices", "server", **{name: value})).json()
        assert [one["id"] for one in found["data"]] == [seeded.invoice], name
    for name, value in wrong.items():
        assert (await api.get("/v1/invoices", "server", **{name: value})).json()["data"] == [], name


async def test_subscriptions_are_narrowed_by_who_collects_what_they_open_and_sell(api: Api) -> None:
    for n, collects, opens in ((1, "send_invoice", "granted"), (2, "charge_automatically", "suspended")):
        what = {"customer": "cus_1", "collection_method": collects, "access": opens, "products": [f"prod_{n}"]}
        await insert("subscription", account=api.ours.id, id=f"sub_{n}", created_at=NOW, **what)
    for wanted in ({"collected_by": "stripe"}, {"access": "suspended"}, {"product": "prod_2"}):
        found = (await api.get("/v1/subscriptions", "finance", **wanted)).json()["data"]
        assert [one["id"] for one in found] == ["sub_2"], wanted
    assert (await api.get("/v1/subscriptions", "finance", ends_soon="true")).json()["data"] == []
