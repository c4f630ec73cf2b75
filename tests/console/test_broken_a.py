"""What a hostile hand can do in the console yet."""

from __future__ import annotations

from typing import Any

import pytest

from db import sql
from gateway.books.report import row
from gateway.domain.roles import Role
from tests.api.conftest import make_tenant
from tests.api.seed import Seeded, add_invoice, seed
from tests.console.conftest import Console, somebody, text_of
from tests.support.serving import open_door

LIMIT = """update tollbridge.account set policies = '{"approval_above": {"eur": 500}}' where id = $1"""


@pytest.fixture
async def seeded(console: Console) -> Seeded:
    return await seed(console.api.runtime, console.api.ours.id)


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


@pytest.mark.parametrize("field", ["hosted_invoice_url", "invoice_pdf"])
async def test_a_link_that_is_no_address_is_none(console: Console, field: str) -> None:
    """As of a dispute's page at its processor (`dispute.html`): what is clicked leads on, and runs nothing."""
    snapshot = {"id": "in_x", "status": "open", "currency": "eur", field: "javascript:alert(document.domain)"}
    values: dict[str, Any] = {"state": "closed", "status": "open", "collector": "hosted", "currency": "eur"}
    await add_invoice(console.api.ours.id, "in_x", snapshot=snapshot, stale=False, **values)
    page = await console[Role.VIEWER].get("/invoices/in_x")
    assert page.status_code == 200
    assert 'href="javascript:' not in page.text


async def test_a_kept_search_writes_no_persons_mail_into_the_log(console: Console) -> None:
    """The log is append-only and outlives an erasure: `customers/personal.py` knows of nothing of a customer in it but
    reasons, nor in a kept search."""
    fields = {"name": "hers", "query": "search=payer%40example.com"}
    assert (await console[Role.SUPPORT].post("/invoices/views", fields)).status_code == 303
    rows = await sql.rows("select * from tollbridge.audit_log where action = 'console_view.saved'")
    assert len(rows) == 1
    assert "payer" not in str(rows)


@pytest.mark.parametrize("cell", ["\n=1+1", "\uff1d1+1", "\uff0b1", "\uff20SUM(1)"])
def test_what_a_spreadsheet_takes_for_a_formula_is_text(cell: str) -> None:
    """OWASP, CSV injection: a line feed, and the wide forms of the signs, which Japanese and Chinese versions read."""
    assert row([cell]).lstrip('"').startswith("'")


@pytest.mark.parametrize("field", ["due_until", "created_until", "collected_until", "declined_until"])
async def test_the_last_day_of_all_is_no_error_of_ours(console: Console, field: str) -> None:
    """The audit log's days have an end (`audit.FAR`), and those of a form (`dates.end_of_day`)."""
    assert (await console[Role.VIEWER].get(f"/invoices?{field}=9999-12-31")).status_code < 500


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/customers/{customer}/payment_methods/{method}/move", {"position": "1" * 5_000}),
        ("/subscriptions/{subscription}/switch", {"to": "gateway", "days_until_due": "1" * 5_000, "reason": "x"}),
        ("/settings/endpoints/{endpoint}/roll", {"keep_s": "9" * 30}),
        ("/settings/account/key", {"api_key": "", "reason": "x"}),
    ],
)
async def test_what_no_form_of_ours_would_post_is_no_error_of_ours(
    console: Console, seeded: Seeded, path: str, fields: dict[str, str]
) -> None:
    names = {name: getattr(seeded, name) for name in seeded.__dataclass_fields__}
    answer = await console[Role.ADMIN].post(path.format_map(names), fields)
    assert answer.status_code == 400, text_of(answer)


async def test_a_credential_is_not_sent_to_an_address_that_was_given_without_it(
    console: Console, seeded: Seeded
) -> None:
    """A credential is never shown. Whoever may change where it is sent to, and has it checked, reads it there; of
    Stripe's key it is asked again (`accounts.alter`)."""
    heard: list[str] = []

    async def listening(scope: Any, receive: Any, send: Any) -> None:
        heard.extend(value.decode() for _, value in scope["headers"])
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    admin, path = console[Role.ADMIN], f"/settings/connections/{seeded.connection}"
    async with open_door() as elsewhere:
        elsewhere.app = listening
        fields = {"options.base_url": elsewhere.url, "options.account": "pa_1", "currencies": "eur"}
        changed = await admin.post(path, fields)
        await admin.post(f"{path}/check")
    assert not any("practice_key" in one for one in heard)
    assert changed.status_code == 400


async def test_live_credentials_do_not_go_out_without_tls(console: Console) -> None:
    """As Stripe's key and the portal's address of a live account (`accounts._url`)."""
    live = await make_tenant(console.api.runtime.keyring, "live", "live")
    fields = {
        "adapter": "practice",
        "name": "practice",
        "credentials.api_key": "practice_key",
        "credentials.webhook_secret": "practice_secret",
        "options.base_url": "http://203.0.113.1",
        "options.account": "pa_1",
        "currencies": "eur",
    }
    admin = await somebody(console.api, "live@example.com", {live.id: Role.ADMIN})
    admin.account = live
    answer = await admin.post("/settings/connections", fields)
    assert answer.status_code == 400, answer.headers.get("location")


@pytest.mark.parametrize("path", ["/events", "/events/{event}"])
async def test_where_events_go_is_a_setting(console: Console, seeded: Seeded, path: str) -> None:
    """A viewer sees no settings (`roles.MEANS`), and the address of an endpoint often is its only secret."""
    await sql.rows("update tollbridge.webhook_endpoint set url = 'https://hooks.example/made-up-secret'")
    page = await console[Role.VIEWER].get(path.format(event=seeded.event))
    assert page.status_code == 200
    assert "made-up-secret" not in page.text


async def test_a_page_that_is_left_open_keeps_no_session_alive_for_ever(console: Console, seeded: Seeded) -> None:
    """As `refunds.AFTER_S` has it: half an hour passes between two looks here, and nobody is at the desk."""
    await sql.rows(
        "update tollbridge.reconciliation set state = 'queued', began_at = null, finished_at = null where id = $1",
        seeded.reconciliation,
    )
    for _ in range(100):
        await sql.rows("update tollbridge.console_session set seen_at = seen_at - interval '30 minutes'")
        page = await console[Role.VIEWER].get(f"/reconciliations/{seeded.reconciliation}", **{"hx-request": "true"})
        if "hx-redirect" in page.headers or 'hx-trigger="every' not in page.text:
            return
    pytest.fail("it is looked at for ever")


async def test_another_site_has_nobody_look_at_a_webhook(console: Console, seeded: Seeded) -> None:
    """A link from elsewhere carries the cookie (Lax), and that somebody looked stands in the log for ever."""
    await console[Role.FINANCE].get(f"/webhooks/{seeded.delivery}/body", **{"sec-fetch-site": "cross-site"})
    assert await sql.rows("select 1 from tollbridge.audit_log where action = 'delivery.seen'") == []


@pytest.mark.parametrize("method", ["../customers/cus_1", "pm_1?expand[]=customer", "x" * 10_000])
async def test_what_is_typed_becomes_no_path_at_stripe(console: Console, seeded: Seeded, method: str) -> None:
    """Support types the id of a payment method, and a worker asks for `/v1/payment_methods/{method}` with the account's
    key: what is no id leads to another address."""
    fields = {"to": "stripe", "stripe_payment_method": method, "reason": "asked for"}
    answer = await console[Role.SUPPORT].post(f"/subscriptions/{seeded.subscription}/switch", fields)
    assert answer.status_code == 400, answer.headers.get("location")
    assert await sql.rows("select 1 from tollbridge.switch where stripe_payment_method <> ''") == []
