"""What a hostile hand can do in the console yet."""

from __future__ import annotations

import re
from typing import Any

import pytest

from db import sql
from gateway.accounts.audit import Author
from gateway.books.report import row
from gateway.console.protection import refuse_foreign
from gateway.console.sign_in import inside
from gateway.domain.roles import Role
from gateway.settings import Settings
from gateway.users import users
from tests.api.conftest import BY, Api
from tests.api.seed import Seeded, add_invoice, seed
from tests.console.conftest import HERE, Console, text_of

PASSWORD = "made up words for a test"
ANOTHER = "other made up words"
LIMIT = """update tollbridge.account set policies = '{"approval_above": {"eur": 500}}' where id = $1"""


@pytest.fixture
async def seeded(console: Console) -> Seeded:
    return await seed(console.api.runtime, console.api.ours.id)


async def _secret_shown(api: Api, password: str) -> str:
    """Somebody signs in with a password, and looks at the page that sets the second factor up: the secret on it."""
    fields = {"email": "ada@example.com", "password": password}
    entered = await api.http.post("/console/sign-in", data=fields, headers=HERE)
    assert entered.headers["location"] == "/console/sign-in/enrol", text_of(entered)
    cookie = entered.headers["set-cookie"].partition(";")[0]
    page = await api.http.get("/console/sign-in/enrol", headers={"cookie": cookie})
    found = re.search(r"<code>([A-Z2-7]+)</code>", page.text)
    assert found is not None
    return found[1]


async def _ada(api: Api) -> str:
    user = await users.add(Author(BY), "ada@example.com", "Ada")
    await users.give_role(Author(BY), user.id, api.ours.id, Role.FINANCE)
    await users.set_password(Author(BY), user.id, PASSWORD)
    return user.id


async def test_a_secret_that_a_thief_of_the_password_was_shown_is_not_the_owners(api: Api) -> None:
    """The thief changes nothing, so that nobody notices. What the owner sets up later must be seen by nobody else, or
    the second factor is the thief's for ever."""
    await _ada(api)
    assert await _secret_shown(api, PASSWORD) != await _secret_shown(api, PASSWORD)


async def test_a_secret_that_was_begun_with_is_over_with_another_password(api: Api) -> None:
    """Another password is what one chooses where the old one is no secret any more."""
    user = await _ada(api)
    seen = await _secret_shown(api, PASSWORD)
    await users.set_password(Author(BY), user, ANOTHER)
    assert await _secret_shown(api, ANOTHER) != seen


async def test_a_reply_that_is_kept_is_for_who_may_still_ask_for_it(console: Console) -> None:
    """The guard stands behind the replies that are kept: they hold keys, invitations' links and signing secrets."""
    admin = console[Role.ADMIN]
    fields = {"name": "shop", "scopes": "admin", "once": "one form"}
    made = await admin.post("/settings/keys", fields)
    secret = re.search(r"tb_test_[0-9a-f]{48}", made.text)
    assert secret is not None
    await users.give_role(Author(BY), admin.user, console.api.ours.id, Role.VIEWER)
    again = await admin.post("/settings/keys", fields)
    assert (again.status_code, secret[0] in again.text) == (403, False)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://["},
        {"sec-fetch-site": "same-origin", "hx-request": "true", "hx-current-url": "http://["},
        {"sec-fetch-site": "same-origin", "host": "["},
    ],
)
async def test_headers_that_are_no_address_are_a_page(console: Console, headers: dict[str, str]) -> None:
    answer = await console.http.post("/console/a/ours/refunds", data={"once": "x"}, headers=headers)
    assert answer.status_code < 500
    assert "content-security-policy" in answer.headers


async def test_a_form_of_the_same_host_without_tls_is_foreign() -> None:
    """Whoever sits in the network makes http://pay.example say what they like. (Browsers without Sec-Fetch-Site.)"""
    scope: Any = {"headers": [(b"origin", b"http://pay.example"), (b"host", b"pay.example")]}
    with pytest.raises(Exception, match="does not come from the console"):
        refuse_foreign(scope, Settings(public_url="https://pay.example"))


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


@pytest.mark.parametrize(
    "wanted", ["/console/../payment_methods/x", "/console/%2e%2E/v1/keys", "/console/a/.%2e/../.."]
)
def test_nobody_is_led_out_of_the_console_by_dots(wanted: str) -> None:
    """Browsers take these for steps up (WHATWG URL, 4.4: double-dot path segments)."""
    assert inside(wanted) == "/console"


@pytest.mark.parametrize("method", ["../customers/cus_1", "pm_1?expand[]=customer", "x" * 10_000])
async def test_what_is_typed_becomes_no_path_at_stripe(console: Console, seeded: Seeded, method: str) -> None:
    """Support types the id of a payment method, and a worker asks for `/v1/payment_methods/{method}` with the account's
    key: what is no id leads to another address."""
    fields = {"to": "stripe", "stripe_payment_method": method, "reason": "asked for"}
    answer = await console[Role.SUPPORT].post(f"/subscriptions/{seeded.subscription}/switch", fields)
    assert answer.status_code == 400, answer.headers.get("location")
    assert await sql.rows("select 1 from tollbridge.switch where stripe_payment_method <> ''") == []
