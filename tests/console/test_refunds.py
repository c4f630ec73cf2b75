"""Refunds in the console: asked for once, decided by somebody else, shown until they have ended."""

from __future__ import annotations

import asyncio
import html
import re
from typing import Any

import httpx
import pytest

from db import sql
from db.engine import DB
from db.poke import Kind, poke
from gateway.accounts.audit import Author
from gateway.clock import business_now
from gateway.domain.roles import Role
from gateway.readers.invoice_names import id_of
from gateway.returns.errors import RefundStateError
from gateway.returns.note_links import carry_out
from gateway.returns.refund_rows import RefundAsked
from gateway.returns.refundable import refundable
from gateway.returns.request import ask_refund
from tests.api.seed import Seeded, add_case, add_invoice, seed
from tests.console.conftest import Console
from tests.support.staff import Person, text_of

REFUNDS = "select * from tollbridge.refund where account = $1 and amount <> 100 order by created_at"
LIMIT = """update tollbridge.account set policies = '{"approval_above": {"eur": 500}}' where id = $1"""


@pytest.fixture
async def seeded(console: Console) -> Seeded:
    return await seed(console.api.runtime, console.api.ours.id)


def form(seeded: Seeded, once: str = "form-1", **fields: str) -> dict[str, str]:
    return {"invoice": seeded.invoice, "by": "amount", "once": once} | fields


async def asked(console: Console) -> list[Any]:
    return await sql.rows(REFUNDS, console.api.ours.id)


async def refund_id(console: Console) -> str:
    [refund] = await asked(console)
    return str(refund["id"])


async def test_an_invoice_is_meant_by_its_id_or_its_number_and_none_by_nothing(console: Console) -> None:
    account = console.api.ours.id
    await add_invoice(account, "in_unnumbered")
    await add_invoice(account, "in_numbered", number="AB-0001")
    await add_invoice(console.api.theirs.id, "in_theirs", number="CD-0001")
    meant = {"in_numbered": "in_numbered", " AB-0001 ": "in_numbered", "": None, " ": None, "CD-0001": None}
    assert {typed: await id_of(account, typed) for typed in meant} == meant


async def test_a_part_is_asked_for(console: Console, seeded: Seeded) -> None:
    given = form(seeded, amount="4.50", reason="order_change", memo="Sorry.", note="Ticket 4711")
    answer = await console[Role.FINANCE].post("/refunds", given)
    [refund] = await asked(console)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/console/a/ours/refunds/{refund['id']}?said=refund_asked",
    )
    assert (refund["amount"], refund["reason"], refund["memo"]) == (450, "order_change", "Sorry.")
    row = await sql.row("select * from tollbridge.audit_log where object = $1", refund["id"])
    assert row is not None
    assert (row["actor"], row["reason"]) == (console[Role.FINANCE].user, "Ticket 4711")


async def test_the_same_form_twice_is_one_refund(console: Console, seeded: Seeded) -> None:
    given = form(seeded, amount="4.50")
    answers = await asyncio.gather(*(console[Role.FINANCE].post("/refunds", given) for _ in range(3)))
    again = await console[Role.FINANCE].post("/refunds", given)
    assert len(await asked(console)) == 1
    assert {(a.status_code, a.headers["location"]) for a in [*answers, again]} == {
        (303, answers[0].headers["location"])
    }


async def test_a_form_whose_reply_was_lost_is_one_refund(console: Console, seeded: Seeded) -> None:
    given = form(seeded, amount="4.50")
    await console[Role.FINANCE].post("/refunds", given)
    await sql.rows("delete from tollbridge.idempotent_reply")
    await console[Role.FINANCE].post("/refunds", given)
    assert len(await asked(console)) == 1


async def test_two_forms_for_all_of_it_at_once(console: Console, seeded: Seeded) -> None:
    forms = [form(seeded, once, amount="11.90") for once in ("one", "other")]
    answers = await asyncio.gather(*(console[Role.FINANCE].post("/refunds", one) for one in forms))
    assert sorted(a.status_code for a in answers) == [303, 409]
    assert len(await asked(console)) == 1
    [refused] = [a for a in answers if a.status_code == 409]
    assert "11.90 EUR went back already, or is on its way" in text_of(refused)
    assert "minor units" not in refused.text


@pytest.mark.parametrize(
    ("fields", "field", "said", "status"),
    [
        ({"amount": "12"}, "amount", "At most 11.90 EUR can be returned now", 409),
        ({"amount": "1,000"}, "amount", "two ways", 400),
        ({"amount": ""}, "amount", "Type how much goes back", 400),
        ({"amount": "1", "reason": "whim"}, "reason", "Choose one of these", 400),
        ({"by": "lines"}, "lines", "Type what of which line", 503),
    ],
)
async def test_what_is_wrong_stands_beside_its_field(
    console: Console, seeded: Seeded, fields: dict[str, str], field: str, said: str, status: int
) -> None:
    answer = await console[Role.FINANCE].post("/refunds", form(seeded, memo="We are sorry", **fields))
    assert answer.status_code == status
    [beside] = re.findall(rf'id="problem-{field}">([^<]*)<', answer.text)
    assert said in beside
    assert "We are sorry" in answer.text, "what was typed is kept"
    assert await asked(console) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"status": "void", "state": "closed"}, "Nothing was paid for it that could go back: it is void in Stripe."),
        ({"status": "paid", "state": "closed", "collector": "hosted"}, "so its money is at Stripe: refund it there"),
    ],
)
async def test_an_invoice_of_which_nothing_can_go_back(
    console: Console, seeded: Seeded, values: dict[str, str], said: str
) -> None:
    await add_invoice(console.api.ours.id, "in_other", currency="eur", stale=False, **values)
    page = await console[Role.FINANCE].get("/refunds/new?invoice=in_other")
    answer = await console[Role.FINANCE].post("/refunds", {"invoice": "in_other", "amount": "1", "once": "x"})
    assert said in text_of(page)
    assert (answer.status_code in (400, 409), said in text_of(answer)) == (True, True)
    assert await asked(console) == []


async def test_whoever_approves_sees_what_whoever_asks_saw(console: Console, seeded: Seeded) -> None:
    await sql.rows(LIMIT, console.api.ours.id)
    person = b'{"customer_name": "Ada L."}'
    await sql.rows("update tollbridge.invoice set snapshot = $2 where id = $1", seeded.invoice, person)
    given = form(seeded, amount="6", memo="Sorry for the wait", reason="order_change", note="Ticket 4711")
    await console[Role.FINANCE].post("/refunds", given)
    path = f"/refunds/{await refund_id(console)}"
    page = await console[Role.ADMIN].get(path)
    shown = text_of(page)
    for said in (
        "Finance asked for 6.00 EUR of",
        "of Ada L.",
        "over 11.90 EUR",
        "Memo to the customer Sorry for the wait",
        "Reason on the credit note order change",
        "Ticket 4711",
    ):
        assert said in shown, said
    assert f"/customers/{seeded.customer}" in page.text
    assert "can't be shown beforehand now" in shown, "there is no Stripe here to ask"
    assert "beforehand" not in text_of(await console[Role.VIEWER].get(path)), "only whoever may approve has it asked"


async def test_a_denied_refund_says_who_denied_it_and_why_and_that_nothing_comes(
    console: Console, seeded: Seeded
) -> None:
    await sql.rows(LIMIT, console.api.ours.id)
    await console[Role.FINANCE].post("/refunds", form(seeded, amount="6"))
    path = f"/refunds/{await refund_id(console)}"
    await console[Role.ADMIN].post(f"{path}/deny", {"reason": "They were billed rightly"})
    shown = text_of(await console[Role.VIEWER].get(path))
    assert "Denied by admin: They were billed rightly" in shown
    assert "Approval denied" in shown
    assert "Credit note None: nothing went back." in shown
    for said in ("to come", "Approval failed", "once the payer has the money"):
        assert said not in shown, said


async def test_a_refund_that_waits_is_told_to_whoever_may_decide_about_it(console: Console, seeded: Seeded) -> None:
    await sql.rows(LIMIT, console.api.ours.id)
    assert "wait for approval" not in text_of(await console[Role.ADMIN].get(""))
    await console[Role.FINANCE].post("/refunds", form(seeded, amount="6"))
    for role, counted in ((Role.ADMIN, True), (Role.FINANCE, False), (Role.VIEWER, False)):
        overview = await console[role].get("")
        assert "Refunds that wait for approval 1 6.00 EUR" in text_of(overview), role
        assert "/refunds?approval=waiting" in overview.text
        for page in (overview, await console[role].get("/cases")):
            assert ("Refunds 1 waits for your approval" in text_of(page)) is counted, "one's own is for somebody else"
    own_key = "update tollbridge.api_key set made_by = $2 where id = $1"
    await sql.rows(own_key, seeded.key, console[Role.ADMIN].user)
    by_key = "update tollbridge.refund set requested_by = $2 where id = $1"
    await sql.rows(by_key, await refund_id(console), seeded.key)
    assert "waits for your approval" not in text_of(await console[Role.ADMIN].get("/cases")), "a key's is its maker's"
    await sql.rows(by_key, await refund_id(console), console[Role.FINANCE].user)
    await console[Role.ADMIN].post(f"/refunds/{await refund_id(console)}/approve")
    assert "waits for your approval" not in text_of(await console[Role.ADMIN].get("/cases"))


async def test_whoever_asked_does_not_approve(console: Console, seeded: Seeded) -> None:
    await sql.rows(LIMIT, console.api.ours.id)
    await console[Role.FINANCE].post("/refunds", form(seeded, amount="6"))
    path = f"/refunds/{await refund_id(console)}"
    own = await console[Role.FINANCE].get(path)
    assert "somebody else with the role finance must approve it" in text_of(own)
    assert "1 6.00 EUR not sent" in text_of(own)
    assert f'{path}/approve"' not in own.text
    refused = await console[Role.FINANCE].post(f"{path}/approve")
    assert (refused.status_code, (await asked(console))[0]["approval"]) == (409, "waiting")
    assert "Whoever asked for a refund does not approve it: somebody else must." in text_of(refused)

    await console[Role.ADMIN].post(f"{path}/approve", {"reason": "checked"})

    [refund] = await asked(console)
    assert (refund["approval"], refund["approved_by"]) == ("given", console[Role.ADMIN].user)
    assert "Asked for by finance Approved by admin" in text_of(await console[Role.VIEWER].get(path))


async def test_somebody_else_denies(console: Console, seeded: Seeded) -> None:
    await sql.rows(LIMIT, console.api.ours.id)
    await console[Role.FINANCE].post("/refunds", form(seeded, amount="6"))
    path = f"/refunds/{await refund_id(console)}"
    await console[Role.ADMIN].post(f"{path}/deny", {"reason": "twice"})
    page = text_of(await console[Role.VIEWER].get(path))
    assert "Nothing went back." in page
    assert "Denied by admin" in page
    again = await console[Role.FINANCE].post(f"{path}/approve")
    assert (again.status_code, "It does not wait for approval." in text_of(again)) == (409, True)


async def test_who_asked_by_a_key_is_named(console: Console, seeded: Seeded) -> None:
    refund = await ask_refund(Author(seeded.key), console.api.ours.id, RefundAsked(seeded.invoice, 200))
    assert "the API key seeded" in text_of(await console[Role.VIEWER].get(f"/refunds/{refund}"))


async def test_the_list_is_filtered(console: Console, seeded: Seeded) -> None:
    await sql.rows(LIMIT, console.api.ours.id)
    for once, amount in (("one", "6"), ("two", "4")):
        await console[Role.FINANCE].post("/refunds", form(seeded, once, amount=amount))
    viewer = console[Role.VIEWER]
    whole, waiting, none = [
        text_of(await viewer.get(f"/refunds{query}"))
        for query in ("?state=&approval=&invoice=", "?approval=waiting", "?state=failed")
    ]
    assert all(amount in whole for amount in ("6.00 EUR", "4.00 EUR", "1.00 EUR"))
    assert ("6.00 EUR" in waiting, "4.00 EUR" in waiting) == (True, False)
    assert "No refund is like that." in none
    assert "4.00 EUR" in text_of(await viewer.get(f"/refunds?invoice={seeded.invoice}"))
    assert "No refund is like that." in text_of(await viewer.get("/refunds?invoice=in_nowhere"))


async def test_a_page_looks_again_until_it_has_ended(console: Console, seeded: Seeded) -> None:
    await console[Role.FINANCE].post("/refunds", form(seeded, amount="4"))
    path = f"/console/a/ours/refunds/{await refund_id(console)}"
    page = await console[Role.VIEWER].get(path)
    poll = _poll(page)
    assert poll.startswith(f"{path}/progress")
    assert f'<a href="{path}">Look again</a>' in page.text, "also for a browser without scripts"
    quiet = await console[Role.VIEWER].get(poll)
    assert ("hx-swap-oob" in quiet.text, "looks=1" in _poll(quiet)) == (False, True)
    bored = await console[Role.VIEWER].get(path + "/progress?looks=60")
    assert (_poll(bored), "Look again" in bored.text) == ("", True), "a page left open keeps no session alive"
    await sql.rows("update tollbridge.refund set state = 'refused', failure = 'dispute_open' where amount = 400")
    ended = await console[Role.VIEWER].get(poll)
    assert '<p id="told" hx-swap-oob="innerHTML">It was not made. Nothing went back.</p>' in ended.text
    assert _poll(ended) == ""


@pytest.mark.parametrize("path", ["/refunds", "/refunds/preview", "/refunds/{}/approve", "/refunds/{}/retry"])
async def test_who_may(console: Console, seeded: Seeded, path: str) -> None:
    await sql.rows(LIMIT, console.api.ours.id)
    waiting = await ask_refund(Author("cli:somebody"), console.api.ours.id, RefundAsked(seeded.invoice, 600))
    for role in (Role.VIEWER, Role.SUPPORT):
        answer = await console[role].post(path.format(waiting), form(seeded, amount="4"))
        assert answer.status_code == 403
    [refund] = await asked(console)
    assert (refund["id"], refund["approval"]) == (waiting, "waiting")
    assert "New refund" not in text_of(await console[Role.SUPPORT].get("/refunds"))
    assert (await console[Role.SUPPORT].get("/refunds/new")).status_code == 403


async def test_another_accounts_invoice_is_not_refunded(console: Console) -> None:
    theirs = await seed(console.api.runtime, console.api.theirs.id)
    finance = console[Role.FINANCE]
    assert (await finance.get(f"/refunds/new?invoice={theirs.invoice}")).status_code == 404
    assert (await finance.post("/refunds", form(theirs, amount="1"))).status_code == 404


async def test_a_preview_may_be_asked_for_again_and_again(console: Console, seeded: Seeded) -> None:
    """Stripe can't be reached here: that is said where the preview stands, and the form can still be sent."""
    finance: Person = console[Role.FINANCE]
    for amount in ("1", "2"):
        shown = await finance.post("/refunds/preview", form(seeded, amount=amount), **{"hx-request": "true"})
        assert (shown.status_code, "<html" in shown.text) == (200, False)
        assert "Mend what is wrong" not in shown.text
    assert (await finance.post("/refunds", form(seeded, amount="2"))).status_code == 303


async def test_a_failed_one_is_tried_again(console: Console, seeded: Seeded) -> None:
    await console[Role.FINANCE].post("/refunds", form(seeded, amount="4"))
    refund = await refund_id(console)
    await sql.rows("update tollbridge.refund_part set state = 'refused', refusal = 'insufficient_balance'")
    await sql.rows("update tollbridge.refund set state = 'refused' where id = $1", refund)
    case = await add_case(console.api.ours.id, refund)
    page = await console[Role.FINANCE].get(f"/refunds/{refund}")
    assert f'/cases/{case}"' in page.text
    assert "your balance at the processor does not suffice" in text_of(page)
    assert f'/refunds/{refund}/retry"' in page.text
    answer = await console[Role.FINANCE].post(f"/refunds/{refund}/retry", {"reason": "topped up"})
    assert answer.headers["location"].endswith("?said=refund_retried")
    assert [p["state"] for p in await sql.rows("select state from tollbridge.refund_part order by number")] == [
        "refused",
        "requested",
    ]
    refused = await console[Role.FINANCE].post(f"/refunds/{refund}/retry", {"once": "2"})
    assert (refused.status_code, "Nothing of it failed" in text_of(refused)) == (409, True)


@pytest.mark.parametrize("what", ["approve", "deny", "retry"])
async def test_what_cannot_be_carried_out_keeps_its_reason(
    console: Console, seeded: Seeded, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sql.rows(LIMIT, console.api.ours.id)
    refund = await ask_refund(Author("cli:somebody"), console.api.ours.id, RefundAsked(seeded.invoice, 600))
    if what == "retry":
        await sql.rows("update tollbridge.refund set state = 'failed', approval = '' where id = $1", refund)
    monkeypatch.setattr("gateway.console.refunds.approve", _refuse)
    monkeypatch.setattr("gateway.console.refunds.retry", _refuse)
    refused = await console[Role.FINANCE].post(f"/refunds/{refund}/{what}", {"reason": "as agreed"})
    assert refused.status_code == 409, text_of(refused)
    [form] = re.findall(f'/{what}" class.*?</form>', refused.text, re.DOTALL)
    assert 'value="as agreed"' in form
    assert refused.text.count("as agreed") == 1


async def test_a_dispute_that_cannot_be_tried_again_keeps_its_reason(
    console: Console, seeded: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def can(*_: object) -> bool:
        return True

    monkeypatch.setattr("gateway.console.disputes.can_retry_dispute", can)
    refused = await console[Role.FINANCE].post(f"/disputes/{seeded.dispute}/retry", {"reason": "as agreed"})
    assert (refused.status_code, 'value="as agreed"' in refused.text) == (409, True)


async def _refuse(*_: object, **__: object) -> None:
    raise RefundStateError("something stands in the way")


async def test_what_a_dispute_is_about(console: Console, seeded: Seeded) -> None:
    await sql.rows("update tollbridge.dispute set state = 'funds_withdrawn'")
    viewer = console[Role.VIEWER]
    listed, shown = await viewer.get("/disputes?state=funds_withdrawn"), await viewer.get(f"/disputes/{seeded.dispute}")
    assert "The payer says that nothing was delivered." in text_of(listed)
    text = text_of(shown)
    assert "The processor wants an answer by 15 Mar 2027, 12:00 UTC ." in text
    assert "a refund of it is refused until it ends" in text
    assert 'href="https://processor.example/disputes/1"' in shown.text
    refused = await console[Role.FINANCE].post("/refunds", form(seeded, amount="1"))
    assert f"The dispute {seeded.dispute} is open" in text_of(refused)
    assert await asked(console) == []


async def test_a_dispute_with_nothing_to_try_again(console: Console, seeded: Seeded) -> None:
    path = f"/disputes/{seeded.dispute}/retry"
    assert (await console[Role.SUPPORT].post(path)).status_code == 403
    refused = await console[Role.FINANCE].post(path)
    assert (refused.status_code, "No credit note of it was refused: it is won." in text_of(refused)) == (409, True)


def _poll(answer: httpx.Response) -> str:
    found = re.search(r'<span id="poll" hx-get="([^"]*)"', answer.text)
    return found[1].replace("&amp;", "&") if found else ""


async def test_who_asked_does_not_approve_by_a_key_of_their_own_making(console: Console, seeded: Seeded) -> None:
    """A second pair of eyes: not the same person, who has made themselves a key."""
    await sql.rows(LIMIT, console.api.ours.id)
    admin = console[Role.ADMIN]
    await admin.post("/refunds", {"invoice": seeded.invoice, "by": "amount", "amount": "6", "once": "x"})
    refund = await sql.value("select id from tollbridge.refund where approval = 'waiting'")
    made = await admin.post("/settings/keys", {"name": "mine", "scopes": "finance"})
    [key] = re.findall(r"tb_test_[0-9a-f]{48}", made.text)
    headers = {"authorization": f"Bearer {key}", "idempotency-key": "a"}
    answer = await console.http.post(f"/v1/refunds/{refund}/approve", json={"wait_s": 0}, headers=headers)
    assert (answer.status_code, await sql.value("select approval from tollbridge.refund where id = $1", refund)) == (
        409,
        "waiting",
    )


async def test_money_that_no_invoice_takes_is_returned_where_its_case_leads(console: Console, seeded: Seeded) -> None:
    """Its case says: return this capture. The form that it leads to does, and no credit note is made."""
    await sql.rows(
        "update tollbridge.attempt set surplus = true, surplus_at = created_at, surplus_reason = 'twice' where id = $1",
        seeded.attempt,
    )
    case = await add_case(seeded.account, seeded.invoice, invoice=seeded.invoice, kind="surplus_capture")
    finance = console[Role.FINANCE]
    shown = await finance.get(f"/cases/{case}")
    [path] = re.findall(r'href="(/console[^"]*/refunds/new[^"]*)"', shown.text)
    page = await finance.get(html.unescape(path))
    assert "11.90 EUR can be returned now" in text_of(page)
    assert "11.90 EUR would go back" in text_of(page)
    assert "None is made: the invoice did not take this money." in text_of(page)


async def test_two_refunds_need_a_second_person_where_one_as_large_does(console: Console, seeded: Seeded) -> None:
    """5.00 EUR is the most that one person gives back of a payment: 4.90 and 4.90 are more."""
    await sql.rows(LIMIT, console.api.ours.id)
    for once in ("one form", "another form"):
        fields = {"invoice": seeded.invoice, "by": "amount", "amount": "4.90", "once": once}
        assert (await console[Role.FINANCE].post("/refunds", fields)).status_code == 303
    rows = await sql.rows(
        "select approval from tollbridge.refund where account = $1 and amount = 490 order by approval",
        console.api.ours.id,
    )
    assert sorted(one["approval"] for one in rows) == ["", "waiting"]


async def test_two_forms_at_once_do_not_pass_the_limit_together(console: Console, seeded: Seeded) -> None:
    await sql.rows(LIMIT, console.api.ours.id)
    forms = [form(seeded, once, amount="4.90") for once in ("one", "other")]
    people = (console[Role.FINANCE], console[Role.ADMIN])
    answers = await asyncio.gather(*(who.post("/refunds", one) for who, one in zip(people, forms, strict=True)))
    assert [answer.status_code for answer in answers] == [303, 303]
    assert sorted(one["approval"] for one in await asked(console)) == ["", "waiting"]


@pytest.mark.parametrize(
    "before",
    [
        "approval = 'given', approved_by = 'somebody'",
        "state = 'failed'",
        "state = 'refused', approval = 'denied', approved_by = 'somebody'",
    ],
)
async def test_what_somebody_agreed_to_or_never_went_back_does_not_count(
    console: Console, seeded: Seeded, before: str
) -> None:
    await sql.rows(LIMIT, console.api.ours.id)
    await console[Role.FINANCE].post("/refunds", form(seeded, amount="4.90"))
    first = await refund_id(console)
    await sql.rows(f"update tollbridge.refund set {before} where id = $1", first)
    if "given" not in before:
        await sql.rows("update tollbridge.refund_part set state = 'failed' where refund = $1", first)
    await console[Role.FINANCE].post("/refunds", form(seeded, "another form", amount="4.90"))
    assert [one["approval"] for one in await asked(console)][1:] == [""]


async def test_what_failed_in_part_counts_for_what_went_back(console: Console, seeded: Seeded) -> None:
    await sql.rows(LIMIT, console.api.ours.id)
    await console[Role.FINANCE].post("/refunds", form(seeded, amount="4.90"))
    await sql.rows("update tollbridge.refund set state = 'failed' where id = $1", await refund_id(console))
    await console[Role.FINANCE].post("/refunds", form(seeded, "another form", amount="4.90"))
    assert [one["approval"] for one in await asked(console)] == ["", "waiting"]


async def test_what_failed_and_is_tried_again_waits_where_another_went_instead(
    console: Console, seeded: Seeded
) -> None:
    await sql.rows(LIMIT, console.api.ours.id)
    await console[Role.FINANCE].post("/refunds", form(seeded, amount="4.90"))
    first = await refund_id(console)
    await sql.rows("update tollbridge.refund set state = 'failed' where id = $1", first)
    await sql.rows("update tollbridge.refund_part set state = 'failed' where refund = $1", first)
    await console[Role.FINANCE].post("/refunds", form(seeded, "another form", amount="4.90"))
    again = await console[Role.FINANCE].post(f"/refunds/{first}/retry", {"reason": "the card is valid again"})
    assert again.status_code == 303, text_of(again)
    assert [one["approval"] for one in await asked(console)] == ["waiting", ""]
    told = await sql.value("select after from tollbridge.audit_log where action = 'refund.retried'")
    assert "waiting" in str(told)


async def test_the_preview_says_who_must_agree_to_what_comes_together(console: Console, seeded: Seeded) -> None:
    await sql.rows(LIMIT, console.api.ours.id)
    await console[Role.FINANCE].post("/refunds", form(seeded, amount="4.90"))
    left = await refundable(console.api.ours.id, seeded.invoice)
    assert (left.unapproved, left.wants_approval(10), left.wants_approval(11)) == (490, False, True)


async def test_a_credit_note_that_is_carried_out_at_the_same_moment_counts(console: Console, seeded: Seeded) -> None:
    await sql.rows(LIMIT, console.api.ours.id)
    await sql.rows("update tollbridge.credit_note set out_of_band = 490 where id = $1", seeded.note)
    stored, go_on = asyncio.Event(), asyncio.Event()

    async def carried_out() -> None:
        now = await business_now()
        async with DB.transaction():
            await poke(Kind.INVOICE, seeded.account, [seeded.invoice], now)
            note = await sql.row("select * from tollbridge.credit_note where id = $1", seeded.note)
            assert note is not None
            await carry_out(seeded.account, note, "", now)
            stored.set()
            await go_on.wait()

    worker = asyncio.create_task(carried_out())
    await stored.wait()
    person = asyncio.create_task(console[Role.FINANCE].post("/refunds", form(seeded, amount="4.90")))
    await asyncio.wait([person], timeout=0.5)
    go_on.set()
    await asyncio.gather(worker, person)
    assert sorted(one["approval"] for one in await asked(console)) == ["", "waiting"]
