"""Cases in the console: found by kind, age and owner; taken, given, written about, mended and closed."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from db import sql
from db.ids import new_id
from gateway.console import case_repairs
from gateway.console.settings import connection_check
from gateway.domain.case_kinds import CaseKind
from gateway.domain.case_repairs import OFFERS, CaseRepair
from gateway.domain.roles import LEAST, ORDER, Role
from gateway.inbox.connection_check import ConnectionCheck
from gateway.returns.errors import RefundStateError
from processors.checked import About, Proved, Unseen, Wrong
from tests.api.seed import add_delivery, add_invoice, insert, seed
from tests.console.conftest import Console
from tests.support.staff import text_of


async def add_case(console: Console, kind: CaseKind, subject: str, *, days: float = 0, **values: Any) -> str:
    """An open case of ours, so many days old."""
    case, at = new_id("cas"), datetime.now(UTC) - timedelta(days=days)
    told = {"reason": f"Why {subject}", "action": "Do something.", "state": "open"} | values
    await insert("review_case", id=case, account=console.api.ours.id, kind=kind, subject=subject, opened_at=at, **told)
    return case


async def row_of(case: str) -> Any:
    return await sql.row("select * from tollbridge.review_case where id = $1", case)


async def test_the_inbox_counts_by_kind_and_age_and_filters(console: Console) -> None:
    await add_case(console, CaseKind.OVERPAID, "in_young")
    await add_case(console, CaseKind.OVERPAID, "in_old", days=40)
    await add_case(console, CaseKind.DISPUTE_OPENED, "dsp_mine", days=2, owner="viewer@example.com")
    viewer = console[Role.VIEWER]
    every = text_of(await viewer.get("/cases"))
    assert all(f"Why {one}" in every for one in ("in_young", "in_old", "dsp_mine"))
    assert "Overpaid 1 0 0 0 1 2" in every
    for query, expected in {
        "kind=overpaid&age=older": ["in_old"],
        "age=day": ["in_young"],
        "owner=mine": ["dsp_mine"],
        "owner=nobody": ["in_young", "in_old"],
        "state=closed": [],
    }.items():
        shown = text_of(await viewer.get(f"/cases?{query}"))
        assert [one for one in ("in_young", "in_old", "dsp_mine") if f"Why {one}" in shown] == expected, query


FINDINGS = (
    Proved(About.CREDENTIALS, "the key opens pa_1"),
    Unseen(About.NOTIFICATIONS, "none has come yet"),
    Wrong(About.WEBHOOK, "it goes elsewhere", "Enter the address."),
)


async def test_what_a_check_found_is_said_alike_on_a_case_and_at_the_connection(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = (await seed(console.api.runtime, console.api.ours.id)).connection

    async def check(*_: object) -> ConnectionCheck:
        return ConnectionCheck(connection, "practice", "pa_1", False, FINDINGS, "", None, "Press “Send a test”.")

    for page in (case_repairs, connection_check):
        monkeypatch.setattr(page, "check", check)
    case = await add_case(console, CaseKind.CATCH_UP_FAILED, connection)
    for path in (f"/cases/{case}/repair/check_connection", f"/settings/connections/{connection}/check"):
        answer = await console[Role.ADMIN].post(path)
        assert answer.status_code == 200, text_of(answer)
        assert re.findall(r'badge ([a-z]*)">([^<]*)</span> (\w+): ([^<]*)', answer.text)[-3:] == [
            ("good", "proved", "Credentials", "the key opens pa_1"),
            ("", "can&#39;t be seen from here", "Notifications", "none has come yet"),
            ("bad", "wrong", "Webhook", "it goes elsewhere"),
        ]
        assert "To do: Enter the address." in text_of(answer)
        assert "To see that notifications come: Press “Send a test”." in text_of(answer)


async def test_a_case_is_taken_given_and_given_back(console: Console) -> None:
    case = await add_case(console, CaseKind.OVERPAID, "in_1")
    support = console[Role.SUPPORT]
    seen = ""
    for owner in ("support@example.com", "finance@example.com", ""):
        answer = await support.post(f"/cases/{case}/assign", {"owner": owner, "seen": seen})
        assert (answer.status_code, (await row_of(case))["owner"]) == (303, owner)
        seen = owner
    shown = text_of(await support.get(f"/cases/{case}"))
    assert "support gave it to finance@example.com" in shown
    assert "support took it" in shown
    taken = await support.post(f"/cases/{case}/assign", {"owner": "support@example.com"})
    assert "You see to the case now." in text_of(await support.get(taken.headers["location"]))
    await support.post(f"/cases/{case}/assign", {"owner": "", "seen": "support@example.com"})
    # Whoever can't work on cases here is not given one.
    refused = await support.post(f"/cases/{case}/assign", {"owner": "viewer@example.com"})
    assert (refused.status_code, (await row_of(case))["owner"]) == (400, "")
    assert "nobody who may work on cases" in text_of(refused)


async def test_a_note_is_shown_with_who_wrote_it(console: Console) -> None:
    case = await add_case(console, CaseKind.OVERPAID, "in_1")
    support = console[Role.SUPPORT]
    assert (await support.post(f"/cases/{case}/note", {"text": "They look\ninto <it>."})).status_code == 303
    shown = await support.get(f"/cases/{case}")
    assert "support, " in text_of(shown)
    assert "They look\ninto &lt;it&gt;." in shown.text
    assert (await support.post(f"/cases/{case}/note", {"text": " "})).status_code == 400


async def test_closing_wants_a_reason_and_keeps_what_was_typed(console: Console) -> None:
    await add_invoice(console.api.ours.id, "in_1")
    case = await add_case(console, CaseKind.OVERPAID, "in_1", invoice="in_1")
    finance = console[Role.FINANCE]
    for reason in ("", "a\0b"):
        assert (await finance.post(f"/cases/{case}/close", {"reason": reason})).status_code == 400
    assert (await finance.post(f"/cases/{case}/close", {"reason": "returned by hand"})).status_code == 303
    row = await row_of(case)
    assert (row["state"], row["closed_by"], row["closed_reason"]) == ("closed", finance.user, "returned by hand")
    shown = text_of(await finance.get(f"/cases/{case}"))
    assert "by finance: returned by hand" in shown
    again = await finance.post(f"/cases/{case}/close", {"reason": "once more"})
    assert (again.status_code, "was closed" in text_of(again)) == (409, True)


async def test_each_repair_wants_the_role_for_what_it_does(console: Console) -> None:
    """Beside that of the page, which `test_roles` asks of every route."""
    case = await add_case(console, CaseKind.OVERPAID, "in_1")
    before = await row_of(case)
    for repair in CaseRepair:
        below = console[ORDER[ORDER.index(LEAST[OFFERS[repair].action]) - 1]]
        assert (await below.post(f"/cases/{case}/repair/{repair}")).status_code == 403, repair
    assert await row_of(case) == before


async def test_a_parked_delivery_is_replayed_from_its_case(console: Console) -> None:
    delivery = await add_delivery(console.api.ours.id, state="parked", reason="broken")
    case = await add_case(console, CaseKind.DELIVERY_PARKED, delivery)
    shown = await console[Role.FINANCE].get(f"/cases/{case}")
    assert "needs the role admin" in text_of(shown)
    assert "/repair/replay_delivery" not in shown.text
    admin = console[Role.ADMIN]
    assert "Replay the delivery" in text_of(await admin.get(f"/cases/{case}"))
    assert (await admin.post(f"/cases/{case}/repair/replay_delivery")).status_code == 303
    assert await sql.value("select state from tollbridge.delivery where id = $1", delivery) == "stored"
    assert (await row_of(case))["state"] == "closed"
    assert "admin chose “Replay the delivery”" in text_of(await admin.get(f"/cases/{case}"))


async def test_what_stands_in_the_way_is_said_on_the_case(console: Console) -> None:
    await add_invoice(console.api.ours.id, "in_1", status="paid", state="paid", currency="eur")
    case = await add_case(console, CaseKind.COLLECTION_EXHAUSTED, "in_1", invoice="in_1")
    refused = await console[Role.FINANCE].post(f"/cases/{case}/repair/collect")
    assert refused.status_code == 409
    assert "about to be read" in text_of(refused)
    assert (await row_of(case))["state"] == "open"


async def test_what_was_chosen_for_a_repair_stays(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded = await seed(console.api.runtime, console.api.ours.id)

    async def refuse(*_: object) -> None:
        raise RefundStateError("something stands in the way")

    monkeypatch.setattr("gateway.console.case_repairs.resolve_note", refuse)
    case = await add_case(console, CaseKind.CREDIT_NOTE_UNMATCHED, seeded.note, invoice=seeded.invoice)
    fields = {"refund": "send", "reason": "as agreed"}
    refused = await console[Role.ADMIN].post(f"/cases/{case}/repair/resolve_note", fields)
    assert (refused.status_code, refused.text.count("as agreed")) == (409, 1)
    assert '<input type="radio" name="refund" value="send" required checked>' in refused.text

    monkeypatch.setattr("gateway.console.case_repairs.connections.update", refuse)
    case = await add_case(console, CaseKind.DECLINE_UNMAPPED, f"{seeded.connection}:odd_1")
    refused = await console[Role.ADMIN].post(f"/cases/{case}/repair/class_decline", {"decline_class": "fraud"})
    assert (refused.status_code, '<option value="fraud" selected>' in refused.text) == (409, True)


async def test_a_repair_that_the_case_does_not_offer_is_not_there(console: Console) -> None:
    case = await add_case(console, CaseKind.OVERPAID, "in_1")
    assert (await console[Role.ADMIN].post(f"/cases/{case}/repair/compare_books")).status_code == 404
    assert await sql.value("select count(*) from tollbridge.reconciliation") == 0


async def test_a_decline_code_gets_its_meaning_from_its_case(console: Console) -> None:
    connection = (await seed(console.api.runtime, console.api.ours.id)).connection
    case = await add_case(console, CaseKind.DECLINE_UNMAPPED, f"{connection}:odd_1")
    admin = console[Role.ADMIN]
    assert (await admin.post(f"/cases/{case}/repair/class_decline", {"decline_class": "magic"})).status_code == 400
    assert (await admin.post(f"/cases/{case}/repair/class_decline", {"decline_class": "fraud"})).status_code == 303
    assert '"odd_1": "fraud"' in await sql.value("select declines::text from tollbridge.connection")
    assert (await row_of(case))["state"] == "closed"


async def test_what_a_refund_waits_for_is_approved_from_its_case(console: Console) -> None:
    refund = (await seed(console.api.runtime, console.api.ours.id)).refund
    await sql.rows(
        """update tollbridge.refund set approval = 'waiting', approved_by = '', state = 'requested', failure = '',
           resolved_at = null where id = $1""",
        refund,
    )
    case = await add_case(console, CaseKind.REFUND_WAITS, refund)
    assert (await console[Role.FINANCE].post(f"/cases/{case}/repair/approve")).status_code == 303
    row = await sql.row("select approval, approved_by from tollbridge.refund where id = $1", refund)
    assert row is not None
    assert tuple(row) == ("given", console[Role.FINANCE].user)


TRIED: list[tuple[CaseKind, str, CaseRepair, dict[str, str], int, str]] = [
    (CaseKind.REFUND_REFUSED, "refund", CaseRepair.RETRY, {}, 409, "its approval was denied"),
    (CaseKind.CREDIT_NOTE_REFUSED, "dispute", CaseRepair.RETRY, {}, 409, "no credit note of it was refused"),
    (CaseKind.REFUND_WAITS, "refund", CaseRepair.DENY, {}, 409, "it does not wait for approval"),
    (CaseKind.CREDIT_NOTE_UNMATCHED, "note", CaseRepair.RESOLVE_NOTE, {}, 400, "say which refund it belongs to"),
    (CaseKind.CREDIT_NOTE_UNMATCHED, "note", CaseRepair.RESOLVE_NOTE, {"refund": "send"}, 409, "no money goes back"),
    (CaseKind.OUTCOME_UNKNOWN, "invoice", CaseRepair.ASK_PROCESSOR, {}, 409, "how its charges ended is known"),
    (CaseKind.ATTEMPT_REJECTED, "attempt", CaseRepair.CHECK_CONNECTION, {}, 503, "The processor can't be reached"),
    (CaseKind.ENDPOINT_DISABLED, "endpoint", CaseRepair.ENABLE_ENDPOINT, {}, 303, ""),
    (CaseKind.ENDPOINT_NOT_REPLACED, "endpoint", CaseRepair.SET_UP_WEBHOOK, {}, 503, "Stripe"),
    (CaseKind.BOOKS_DIFFER, "invoice", CaseRepair.COMPARE_BOOKS, {}, 303, ""),
]


async def test_each_button_asks_the_story_about_what_its_case_names(console: Console) -> None:
    seeded = await seed(console.api.runtime, console.api.ours.id)
    await sql.rows("update tollbridge.review_case set state = 'closed', closed_at = now()")
    admin = console[Role.ADMIN]
    for kind, subject, repair, fields, status, said in TRIED:
        invoice = seeded.invoice if subject == "invoice" else ""
        case = await add_case(console, kind, getattr(seeded, subject), invoice=invoice)
        answer = await admin.post(f"/cases/{case}/repair/{repair}", fields)
        page = text_of(answer)
        assert (answer.status_code, said.lower() in page.lower()) == (status, True), (repair, page)
        await sql.rows("update tollbridge.review_case set state = 'closed', closed_at = now() where id = $1", case)
    assert await sql.value("select count(*) from tollbridge.reconciliation where state = 'queued'") == 1
    done = "select count(*) from tollbridge.audit_log where action = 'case.repair'"
    assert await sql.value(done) == 2, "what was refused is no repair"


async def test_stripe_is_written_as_a_name_and_the_words_lead_to_where_it_is_seen(console: Console) -> None:
    case = await add_case(console, CaseKind.PAID_AT_STRIPE, "in_1", invoice="in_1")
    shown = await console[Role.SUPPORT].get(f"/cases/{case}")
    assert ("Paid at Stripe" in text_of(shown), 'href="/console/a/ours/settings/doctor">What' in shown.text) == (
        True,
        True,
    )
    assert "/settings/doctor" not in (await console[Role.VIEWER].get(f"/cases/{case}")).text


async def test_what_a_reason_names_is_a_link(console: Console) -> None:
    case = await add_case(console, CaseKind.DISPUTE_OPENED, "dsp_1")
    reason = "answered at https://processor.example/d?a=1&b=<2>; refunded (rfd_1): say so"
    await sql.rows("update tollbridge.review_case set reason = $1 where id = $2", reason, case)
    for path in ("/cases", f"/cases/{case}"):
        page = (await console[Role.VIEWER].get(path)).text
        assert 'href="https://processor.example/d?a=1&amp;b=" rel="noreferrer"' in page
        assert "&lt;2&gt;" in page
        assert '<a href="/console/a/ours/refunds/rfd_1"' in page


async def test_a_case_about_the_books_leads_to_them(console: Console) -> None:
    case = await add_case(console, CaseKind.BOOKS_DIFFER, "books")
    for path in ("/cases", f"/cases/{case}"):
        assert '<a href="/console/a/ours/reconciliations">the books</a>' in (await console[Role.VIEWER].get(path)).text


@pytest.mark.parametrize("kind", ["dispute_recovered", "made_by_a_later_version"])
async def test_a_kind_without_a_button_shows_its_words(console: Console, kind: Any) -> None:
    case = await add_case(console, kind, "in_1", invoice="in_1", action="Return the difference.")
    shown = await console[Role.ADMIN].get(f"/cases/{case}")
    assert "Return the difference." in text_of(shown)
    assert ("/refunds/new?invoice=in_1" in shown.text) == (kind == "dispute_recovered")


NO_LONGER: list[tuple[str, str, dict[str, str]]] = [
    ("state=open", "close", {"reason": "returned"}),
    ("owner=nobody", "assign", {"owner": "admin@example.com"}),
]


@pytest.mark.parametrize(("query", "act", "fields"), NO_LONGER)
async def test_older_cases_are_found_though_the_last_of_the_page_is_no_longer_among_them(
    console: Console, query: str, act: str, fields: dict[str, str]
) -> None:
    for number in range(27):
        await add_case(console, CaseKind.OVERPAID, f"in_{number}", days=number)
    finance = console[Role.FINANCE]
    page = await finance.get(f"/cases?{query}")
    [older] = re.findall(r'rel="next" href="([^"]+)"', page.text)
    last = parse_qsl(urlsplit(html.unescape(older)).query)[-1][1]
    assert (await console[Role.ADMIN].post(f"/cases/{last}/{act}", fields)).status_code == 303
    answer = await finance.get(html.unescape(older))
    assert (answer.status_code, "Why in_25" in text_of(answer)) == (200, True)


async def test_who_takes_a_case_does_not_take_it_from_who_just_did(console: Console) -> None:
    """Both see that nobody has it, and both press: the second is told, and the first keeps it."""
    case = await add_case(console, CaseKind.OVERPAID, "in_1")
    support, finance = console[Role.SUPPORT], console[Role.FINANCE]
    forms = [(await one.get(f"/cases/{case}")).text for one in (support, finance)]
    taking = [
        dict(re.findall(r'name="(\w+)" value="([^"]*)"', form.split("/assign")[1].split("</form>")[0]))
        for form in forms
    ]
    for one, given in zip((support, finance), taking, strict=True):
        given.pop("csrf")
        answer = await one.post(f"/cases/{case}/assign", given)
    assert ((await row_of(case))["owner"], answer.status_code) == ("support@example.com", 409)
    assert "support@example.com sees to it by now" in text_of(answer)


@pytest.mark.parametrize("reason", ["\u200b", "\u00ad", "\u2060\ufeff"])
async def test_a_reason_that_nobody_can_see_closes_no_case(console: Console, reason: str) -> None:
    case = await add_case(console, CaseKind.OVERPAID, "in_1")
    answer = await console[Role.FINANCE].post(f"/cases/{case}/close", {"reason": reason})
    assert (answer.status_code, (await row_of(case))["state"]) == (400, "open")


async def test_a_note_whose_reply_was_lost_is_one_note(console: Console) -> None:
    """As of a refund: what was written stands, and the mark of its form is gone with the crash."""
    case = await add_case(console, CaseKind.OVERPAID, "in_1")
    for text in ("They look.", "They look.", "They look on."):
        answer = await console[Role.SUPPORT].post(f"/cases/{case}/note", {"text": text, "once": "form-1"})
        assert answer.status_code == 303
        await sql.rows("delete from tollbridge.idempotent_reply")
    kept = await sql.rows("select text from tollbridge.case_note order by text")
    noted = await sql.value("select count(*) from tollbridge.audit_log where action = 'case.note_added'")
    assert ([row["text"] for row in kept], noted) == (["They look on.", "They look."], 2)
