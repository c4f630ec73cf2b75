"""The doctor's page: who may ask it, what it shows first, and of whose objects it tells."""

from __future__ import annotations

from db import sql
from gateway.domain.roles import Role
from tests.api.seed import add_invoice
from tests.console.conftest import Console
from tests.support.staff import text_of

FAILING = """
    insert into tollbridge.webhook_endpoint (id, account, url, types, enabled, created_at)
    values ('whe_1', $1, 'https://shop.example/hooks', '{}', false, now())
"""


async def test_the_doctor_is_asked_after_the_page_stands(console: Console) -> None:
    support = console[Role.SUPPORT]
    page = await support.get("/settings/doctor")
    assert 'hx-get="/console/a/ours/settings/doctor/findings" hx-trigger="load"' in page.text
    assert (await console[Role.VIEWER].get("/settings/doctor")).status_code == 403
    assert "Policies" not in text_of(page)


async def test_the_doctors_findings_come_worst_first(console: Console) -> None:
    found = await console[Role.SUPPORT].get("/settings/doctor/findings", **{"hx-request": "true"})
    said = text_of(found)
    assert "<html" not in found.text
    assert "Stripe does not answer" in said
    assert said.index("wrong Stripe does not answer") < said.index("What is fine")
    assert "<html" in (await console[Role.SUPPORT].get("/settings/doctor/findings")).text


async def test_why_is_told_of_this_accounts_invoices_alone(console: Console) -> None:
    await add_invoice(console.api.theirs.id, "in_theirs", state="due", status="open")
    await add_invoice(console.api.ours.id, "in_ours", state="due", status="open")
    refused = await console[Role.SUPPORT].get("/settings/doctor/why?id=in_theirs")
    assert (refused.status_code, "knows no invoice of this number or id" in text_of(refused)) == (404, True)
    told = await console[Role.SUPPORT].get("/settings/doctor/why?id=in_ours")
    assert (told.status_code, "What comes next" in text_of(told)) == (200, True)


async def test_why_takes_the_number_that_stands_on_the_invoice(console: Console) -> None:
    await add_invoice(console.api.ours.id, "in_ours", number="AB-0001", state="due", status="open")
    told = await console[Role.SUPPORT].get("/settings/doctor/why?id=AB-0001")
    assert (told.status_code, "in_ours" in text_of(told)) == (200, True)


async def test_what_is_to_be_done_is_done_by_a_button_where_there_is_one(console: Console) -> None:
    await sql.rows(FAILING, console.api.ours.id)
    support = text_of(await console[Role.SUPPORT].get("/settings/doctor/findings"))
    assert "the webhook endpoints (needs the role admin)" in support
    admin = await console[Role.ADMIN].get("/settings/doctor/findings")
    assert 'then <a href="/console/a/ours/settings/endpoints">the webhook endpoints</a>' in admin.text
    assert "The endpoint https://shop.example is disabled" in text_of(admin)


async def test_a_portal_that_cannot_be_mended_keeps_the_reason(console: Console) -> None:
    refused = await console[Role.ADMIN].post("/settings/doctor/fix-portal", {"reason": "as agreed"})
    assert refused.status_code == 503, text_of(refused)
    assert ('value="as agreed"' in refused.text, "/settings/doctor/fix-portal" in refused.text) == (True, True)


async def test_mending_the_portal_is_for_admins(console: Console) -> None:
    assert (await console[Role.SUPPORT].post("/settings/doctor/fix-portal")).status_code == 403
    # Its Stripe is a closed port: nothing was done, and the page says so.
    assert (await console[Role.ADMIN].post("/settings/doctor/fix-portal")).status_code == 503
